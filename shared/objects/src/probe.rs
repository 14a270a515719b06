//! Does a store honour create-only PUTs? Without them a Delta commit can be lost without a word.

use std::sync::Arc;

use clock::Ids;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};

use crate::Trouble;

const PERMISSIONS: &str =
    "s3:GetObject, s3:PutObject and s3:DeleteObject below the prefix, and s3:ListBucket on the bucket for it";
/// What to do about a store that does.
pub(crate) const OVERWRITES: &str =
    "this store ignores `If-None-Match: *` and would lose commits: use Amazon S3, or a store that honours it";

/// Why a root is refused.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    #[error("cannot {act} an object")]
    Refused {
        act: &'static str,
        #[source]
        source: object_store::Error,
    },
    #[error("a second create-only PUT of the same key was accepted: this store would lose Delta commits")]
    Overwrites,
    #[error(
        "asking for an absent key is answered with an error other than `not found` (on S3, s3:ListBucket may be lacking)"
    )]
    AbsentIsNoAnswer {
        #[source]
        source: object_store::Error,
    },
}

impl ProbeError {
    /// What is wrong, and what to do about it, of a root in a bucket.
    pub fn trouble(&self) -> Trouble {
        match self {
            Self::Refused { act, source } => Trouble::of(source, &format!("{act} an object"), PERMISSIONS),
            Self::Overwrites => Trouble::new(self.to_string(), OVERWRITES),
            Self::AbsentIsNoAnswer { source } => Trouble::of(
                source,
                "ask for an object that is absent",
                "s3:ListBucket on the bucket for the prefix (without it S3 answers 403 instead of 404), and s3:GetObject below it",
            ),
        }
    }
}

/// Puts, reads, fails to put again, and deletes an object under `probe/`; asks for one that is absent.
pub async fn probe_create_only(store: &Arc<dyn ObjectStore>, ids: &dyn Ids) -> Result<(), ProbeError> {
    let key = Path::from(format!("probe/{}", ids.fresh()));
    match store.head(&key).await {
        Err(object_store::Error::NotFound { .. }) => {}
        Err(source) => return Err(ProbeError::AbsentIsNoAnswer { source }),
        Ok(_) => return Err(ProbeError::Overwrites),
    }
    let create = || PutOptions { mode: PutMode::Create, ..PutOptions::default() };
    let refused = |act| move |source| ProbeError::Refused { act, source };
    store.put_opts(&key, "first".into(), create()).await.map_err(refused("create"))?;
    let second = store.put_opts(&key, "second".into(), create()).await;
    let stands = store.get(&key).await.map_err(refused("read"))?.bytes().await.map_err(refused("read"))?;
    store.delete(&key).await.map_err(refused("delete"))?;
    match second {
        Err(object_store::Error::AlreadyExists { .. }) if stands == "first" => Ok(()),
        Err(object_store::Error::AlreadyExists { .. }) | Ok(_) => Err(ProbeError::Overwrites),
        Err(source) => Err(ProbeError::Refused { act: "conditionally create", source }),
    }
}
