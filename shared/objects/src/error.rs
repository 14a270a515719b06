//! What can be wrong with an object, and whether trying again may help.

use object_store::path::Path;

/// Each variant says what is known of the object.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    #[error("object {key} is not there")]
    Missing { key: Path },
    /// Its bytes are not those that were recorded.
    #[error("object {key} is damaged: {what}")]
    Damaged { key: Path, what: String },
    /// The store did not answer, refused, or ran out of time: says nothing about the object.
    #[error("store did not answer for {key}")]
    Unavailable {
        key: Path,
        #[source]
        source: object_store::Error,
    },
}

impl ObjectError {
    /// True if the object itself is at fault, false if the store may answer later.
    pub fn is_poison(&self) -> bool {
        !matches!(self, Self::Unavailable { .. })
    }
}
