//! What time it is by the object store: the clock that ages objects, and by which days are dropped.

use clock::Ids;
use model::Micros;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::PassError;

/// Puts a small object, asks when it was modified, and deletes it.
pub(crate) async fn now(store: &dyn ObjectStore, ids: &dyn Ids) -> Result<Micros, PassError> {
    let failed = |act| move |source| PassError::Store { act, source };
    let key = Path::from(format!("probe/{}", ids.fresh()));
    store.put(&key, "what time is it".into()).await.map_err(failed("put a probe"))?;
    let meta = store.head(&key).await.map_err(failed("look at a probe"))?;
    if let Err(error) = store.delete(&key).await {
        tracing::warn!(%key, %error, "a probe was left behind");
    }
    Ok(meta.last_modified.timestamp_micros())
}
