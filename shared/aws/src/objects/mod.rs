//! Objects on S3: the installation's own root, and buckets that projects' owners bring.
//!
//! - `place`: `s3://bucket/prefix`; `store`: one bucket as `object_store` sees it, with our limits
//! - `pool`: the connections of all stores; `impatient`: no call on them waits for ever
//! - `credentials`: whose keys sign, kept and renewed early; `session`, `policy`: those of one project, by AssumeRole
//! - `buckets`: the door to owners' buckets; `truthful`: what S3 says, made fit for who reads it
//!
//! Whose credentials sign a call is decided when a store is built, and no store is built for two projects.

mod buckets;
mod credentials;
mod impatient;
mod place;
mod policy;
mod pool;
mod session;
mod store;
mod truthful;

use std::sync::Arc;

use clock::SystemClock;
use meta::projects::Projects;
use object_store::ObjectStore;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use objects::{Links, Roots};
use url::Url;

pub use buckets::S3Buckets;
pub use place::{InvalidS3Root, S3Root};
pub(crate) use pool::OnePool;
#[cfg(feature = "bucket")]
pub(crate) use session::ProjectSession;
pub use session::SESSION_DURATION;
pub use store::S3StoreError;

use crate::Cloud;
use credentials::SigningKeys;
use store::S3;

impl Cloud {
    /// The roots of an installation: `root` for most projects, owners' buckets for those that were made so.
    pub fn roots(&self, root: &S3Root, projects: Arc<Projects>) -> Result<Roots, S3StoreError> {
        let s3 = S3::of(self);
        let url = Url::parse(&format!("{root}/")).expect("bucket names and prefixes need no escapes in a URL");
        let (base, links) = own(self, &s3, root)?;
        Ok(Roots::new(base, url).with_links(links).with_buckets(projects, Arc::new(S3Buckets::new(self))))
    }

    /// The installation's own root alone; paths are relative to it.
    pub fn root_store(&self, root: &S3Root) -> Result<Arc<dyn ObjectStore>, S3StoreError> {
        own(self, &S3::of(self), root).map(|(store, _)| store)
    }
}

/// Store and links, both relative to the root.
fn own(cloud: &Cloud, s3: &S3, root: &S3Root) -> Result<(Arc<dyn ObjectStore>, Links), S3StoreError> {
    let keys = Arc::new(SigningKeys::new(cloud.credentials(), Arc::new(SystemClock)));
    let bucket = s3.open(root.bucket(), cloud.region(), keys)?;
    let prefix = Path::from(root.prefix());
    let links = Links::new(bucket.signer(), prefix.clone());
    Ok((Arc::new(PrefixStore::new(bucket, prefix)), links))
}
