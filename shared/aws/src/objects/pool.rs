//! The connections of all stores on S3: one pool, one set of certificates.

use std::sync::{Arc, OnceLock};

use clock::SystemClock;
use object_store::ClientOptions;
use object_store::client::{HttpClient, HttpConnector, ReqwestConnector};

use super::impatient::{Impatient, Limits};

/// The same client for every store.
#[derive(Clone, Debug, Default)]
pub(crate) struct OnePool {
    client: Arc<OnceLock<HttpClient>>,
}

impl HttpConnector for OnePool {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        if let Some(client) = self.client.get() {
            return Ok(client.clone());
        }
        // All stores are built with the same options.
        let made = ReqwestConnector::default().connect(options)?;
        let made = HttpClient::new(Impatient::new(made, Limits::default(), Arc::new(SystemClock)));
        Ok(self.client.get_or_init(|| made).clone())
    }
}
