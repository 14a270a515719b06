//! Secrets Manager: one secret, read and replaced whole.

use aws_sdk_secretsmanager::Client;

use crate::fault::{Fault, fault};
use crate::{Cloud, Service};

/// The secrets of the account and region.
pub struct Secrets {
    client: Client,
}

impl Cloud {
    pub fn secrets(&self) -> Secrets {
        Secrets { client: Client::new(&self.config(Service::SecretsManager)) }
    }
}

impl Secrets {
    /// The text that stands there now; none: the secret was made without one.
    pub async fn get(&self, id: &str) -> Result<Option<String>, Fault> {
        match self.client.get_secret_value().secret_id(id).send().await {
            Ok(found) => Ok(found.secret_string),
            Err(error) => {
                let fault = fault(error);
                // A secret without a value answers as one that is not there; `put` tells them apart.
                if fault.is("ResourceNotFoundException") { Ok(None) } else { Err(fault) }
            }
        }
    }

    /// Replaces the text; Secrets Manager keeps the one before as `AWSPREVIOUS`.
    pub async fn put(&self, id: &str, text: &str) -> Result<(), Fault> {
        self.client.put_secret_value().secret_id(id).secret_string(text).send().await.map_err(fault)?;
        Ok(())
    }
}
