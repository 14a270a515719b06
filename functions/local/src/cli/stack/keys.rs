//! The keys of a stack, as its secret holds them.
//!
//! ```text
//! {"v":1,"project":"default","ingest_key":"pl_i_...","read_key":"pl_r_...","admin_key":"pl_a_...","enrolled":true}
//! ```
//!
//! The keys are drawn and put there before they work, so that a first run that broke off is simply repeated: no key is ever
//! lost. `enrolled` says that they have worked; from then on a key that does not was taken away, and is not brought back.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::cli::CliError;
use crate::cli::connection::For;

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::cli) struct StackKeys {
    pub(super) v: u32,
    pub(in crate::cli) project: String,
    pub(super) ingest_key: String,
    pub(super) read_key: String,
    pub(super) admin_key: String,
    pub(super) enrolled: bool,
}

impl StackKeys {
    pub(super) const VERSION: u32 = 1;

    /// `secret` is its name, for the error: what it holds is not shown.
    pub(super) fn parse(text: &str, secret: &str) -> Result<Self, CliError> {
        serde_json::from_str(text).map_err(|_| CliError::Cloud {
            what: format!("secret {secret} holds something else than the keys of a stack"),
            advice:
                "put back what was there before (`aws secretsmanager list-secret-version-ids` has its older versions)"
                    .to_owned(),
        })
    }

    pub(super) fn to_text(&self) -> String {
        serde_json::to_string(self).expect("texts and a flag always serialise")
    }

    pub(in crate::cli) fn of(&self, what: For) -> &str {
        match what {
            For::Ingest => &self.ingest_key,
            For::Read => &self.read_key,
            For::Admin => &self.admin_key,
        }
    }
}

/// Without the secrets.
impl fmt::Debug for StackKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StackKeys")
            .field("project", &self.project)
            .field("enrolled", &self.enrolled)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A promise: other versions read this.
    #[test]
    fn version_1_as_it_is_stored() {
        let text = r#"{"v":1,"project":"default","ingest_key":"pl_i_1","read_key":"pl_r_2","admin_key":"pl_a_3","enrolled":true}"#;
        let keys = StackKeys::parse(text, "arn").expect("reads");
        assert_eq!(keys.to_text(), text);
        assert_eq!([For::Ingest, For::Read, For::Admin].map(|what| keys.of(what)), ["pl_i_1", "pl_r_2", "pl_a_3"]);
        assert!(!format!("{keys:?}").contains("pl_"), "{keys:?}");
        let error = StackKeys::parse("pl_a_secret", "arn:x").expect_err("no keys").to_string();
        assert!(error.contains("arn:x") && !error.contains("pl_a_secret"), "{error}");
    }
}
