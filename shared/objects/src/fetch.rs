//! Fetching a segment, with its length and checksum verified against the ledger.

use bytes::Bytes;
use model::Segment;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::ObjectError;

/// BLAKE3 of an object's bytes, 64 hex digits.
pub fn checksum(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// The bytes of a live segment, exactly as they were recorded.
pub async fn fetch_segment(store: &dyn ObjectStore, segment: &Segment) -> Result<Bytes, ObjectError> {
    let key = Path::from(segment.key.as_str());
    let unavailable = |source| match source {
        object_store::Error::NotFound { .. } => ObjectError::Missing { key: key.clone() },
        source => ObjectError::Unavailable { key: key.clone(), source },
    };
    let found = store.get(&key).await.map_err(unavailable)?;
    let damaged = |what| ObjectError::Damaged { key: key.clone(), what };
    // Before its bytes are read: something else may lie there, of any length.
    if found.meta.size != segment.bytes {
        return Err(damaged(format!("{} bytes instead of {}", found.meta.size, segment.bytes)));
    }
    let bytes = found.bytes().await.map_err(unavailable)?;
    if checksum(&bytes) != segment.checksum {
        return Err(damaged("its checksum is not the recorded one".to_owned()));
    }
    Ok(bytes)
}
