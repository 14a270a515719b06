//! Requests to function URLs of a stack with `FunctionUrlAuth=AWS_IAM`: signed with the operator's AWS credentials, before a
//! client that knows nothing of AWS sends them.

use std::io;

use aws::{Signer, Unsigned};

/// Where the API key goes when the signature takes `authorization`.
pub(crate) const API_KEY: &str = "x-api-key";

/// Why a request was not signed.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    #[error(transparent)]
    Sign(#[from] aws::SignError),
    #[error("cannot start the runtime to sign with")]
    Runtime(#[source] io::Error),
}

/// The headers of a request that is sent as it is told here: those of the signature, and the key.
pub(crate) fn headers(
    signer: &Signer,
    method: &str,
    url: &str,
    key: Option<&str>,
    body: &[u8],
) -> Result<Vec<(String, String)>, SigningError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(SigningError::Runtime)?;
    let key: Vec<(&str, &str)> = key.map(|key| (API_KEY, key)).into_iter().collect();
    let mut headers = runtime.block_on(signer.sign(Unsigned { method, url, headers: &key, body }))?;
    headers.extend(key.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
    Ok(headers)
}
