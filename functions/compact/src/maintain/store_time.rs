//! What time it is by the object store: the clock that ages objects, and by which days are dropped.

use model::Micros;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::PassError;

/// One small object below the project's root, written again each time: nothing is left behind by whoever dies here.
const PROBE: &str = "probe/clock";

/// Puts a small object and asks when it was modified. Another who does so meanwhile makes it no earlier.
pub(crate) async fn now(store: &dyn ObjectStore) -> Result<Micros, PassError> {
    let failed = |act| move |source| PassError::Store { act, source };
    let key = Path::from(PROBE);
    store.put(&key, "what time is it".into()).await.map_err(failed("put a probe"))?;
    let meta = store.head(&key).await.map_err(failed("look at a probe"))?;
    Ok(meta.last_modified.timestamp_micros())
}
