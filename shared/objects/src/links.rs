//! Links by which whoever has one may read an object for a while. Signed by the store's own credentials; a disk makes none.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use object_store::path::Path;
use object_store::signer::Signer;
use url::Url;

/// Makes links to the objects of one root.
#[derive(Clone, Debug)]
pub struct Links {
    signer: Arc<dyn Signer>,
    /// Of the root, as the signer calls it.
    prefix: Path,
}

impl Links {
    /// `prefix` is where the root lies in the bucket that `signer` signs for.
    pub fn new(signer: Arc<dyn Signer>, prefix: Path) -> Self {
        Self { signer, prefix }
    }

    /// Of a folder in this root.
    #[must_use]
    pub fn below(&self, folder: &str) -> Self {
        Self { signer: Arc::clone(&self.signer), prefix: self.prefix.clone().join(folder) }
    }

    /// A link to read the object at `key`, below the root. It ends after `lasts`, or with the credentials if these end first.
    pub async fn to_read(&self, key: &Path, lasts: Duration) -> object_store::Result<Url> {
        let whole = self.prefix.parts().chain(key.parts()).collect();
        self.signer.signed_url(Method::GET, &whole, lasts).await
    }
}
