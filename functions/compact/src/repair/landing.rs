//! Landing objects: listed, and asked for their footers.

use futures::TryStreamExt;
use model::{MICROS_PER_HOUR, Micros, Segment, SegmentId, TableId};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use objects::{landing_prefix, segment_of_landing_key};
use rows::segment::{SegmentError, SegmentFooter, Tail, footer, footer_of_tail};

use crate::maintain::landing::hour_start;
use crate::{App, PassError};

/// Read from an object's end at first: holds the footers of most segments.
const TAIL_BYTES: u64 = 64 << 10;

/// A landing object.
#[derive(Clone, Debug)]
pub(super) struct Landed {
    pub(super) id: SegmentId,
    /// Below the project's root.
    pub(super) key: Path,
    pub(super) bytes: u64,
    /// When it arrived at the latest: by the store's clock, or by its writer's.
    pub(super) at: Micros,
}

impl Landed {
    /// As the ledger knows it.
    pub(super) fn of(segment: &Segment) -> Self {
        let key = Path::from(segment.key.as_str());
        Self { id: segment.id.clone(), key, bytes: segment.bytes, at: segment.recorded_at }
    }
}

/// What an object says of itself.
pub(super) enum Said {
    Footer(SegmentFooter),
    /// It is gone, or no segment. The text says what is wrong.
    Unreadable(String),
}

/// Every landing object of a table.
pub(super) async fn list(app: &App, table: &TableId) -> Result<Vec<Landed>, PassError> {
    let failed = |source| PassError::Store { act: "list landing objects", source };
    let store = app.root(table).store;
    let listing: Vec<_> = store.list(Some(&landing_prefix(table.table))).try_collect().await.map_err(failed)?;
    let landed = listing.into_iter().filter_map(|meta| {
        let id = segment_of_landing_key(&meta.location)?;
        Some(Landed { id, bytes: meta.size, at: arrived_by(&meta), key: meta.location })
    });
    Ok(landed.collect())
}

/// A process that was suspended may have put an object long after its bodies had arrived; its key names their hour.
fn arrived_by(meta: &ObjectMeta) -> Micros {
    let mut folder: Vec<_> = meta.location.parts().collect();
    folder.pop();
    let hour = hour_start(&folder.into_iter().collect());
    let put_at = meta.last_modified.timestamp_micros();
    hour.map_or(put_at, |start| put_at.min(start + MICROS_PER_HOUR))
}

/// The footer of a segment, without its rows. A store that does not answer, or a newer version's segment, is an error.
pub(super) async fn footer_of(store: &dyn ObjectStore, landed: &Landed) -> Result<Said, PassError> {
    match read_footer(store, landed).await {
        Ok(Ok(footer)) => Ok(Said::Footer(footer)),
        Ok(Err(error @ SegmentError::NewerFormat { .. })) => {
            Err(PassError::Newer(format!("segment {}: {error}", landed.id)))
        }
        Ok(Err(error)) => Ok(Said::Unreadable(error.to_string())),
        Err(object_store::Error::NotFound { .. }) => Ok(Said::Unreadable("it is gone".to_owned())),
        Err(source) => Err(PassError::Store { act: "read a footer", source }),
    }
}

async fn read_footer(
    store: &dyn ObjectStore,
    landed: &Landed,
) -> Result<Result<SegmentFooter, SegmentError>, object_store::Error> {
    let mut wanted = TAIL_BYTES;
    while wanted < landed.bytes {
        let tail = store.get_range(&landed.key, landed.bytes - wanted..landed.bytes).await?;
        match footer_of_tail(&tail) {
            Ok(Tail::Footer(footer)) => return Ok(Ok(footer)),
            Ok(Tail::Longer(needed)) => wanted = (needed as u64).max(wanted * 2),
            Err(error) => return Ok(Err(error)),
        }
    }
    let whole = store.get(&landed.key).await?.bytes().await?;
    Ok(footer(&whole))
}
