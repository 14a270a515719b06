//! Landing objects go when the store says they are older than the dedup window and, read after that listing, nothing in
//! the ledger names them. Never by age alone, and never by a life-cycle rule of the bucket.

use std::collections::HashSet;

use futures::TryStreamExt;
use model::safeguard::{Safeguard, holds};
use model::{MICROS_PER_HOUR, Micros, SegmentId, TableId};
use object_store::ObjectStore;
use object_store::path::Path;
use objects::{landing_prefix, segment_of_landing_key};

use super::delete::delete_each;
use super::{Maintained, days, store_time};
use crate::pass::Held;
use crate::{App, Counter, Deadline, PassError};

/// A backlog of any size goes: piece by piece, as long as there is time, and what is left in later runs.
pub(super) async fn clean(
    app: &App,
    table: &TableId,
    held: &mut Held<'_>,
    deadline: Deadline,
    did: &mut Maintained,
) -> Result<(), PassError> {
    let store = app.root(table).store;
    let now = store_time::now(store.as_ref()).await?;
    let kept = Micros::try_from(app.settings.landing_kept.as_micros()).unwrap_or(Micros::MAX);
    let (prefix, max) = (landing_prefix(table.table), app.settings.deletes_max);
    // Named when it was last asked: without them, as many as a piece holds would hide all others for ever.
    let mut passed_over = HashSet::new();
    loop {
        let named_before = if holds(Safeguard::LandingNamesReadLast) { None } else { Some(named(app, table).await?) };
        let listed = list(store.as_ref(), &prefix, now - kept, max, &passed_over);
        let old = held.while_renewing(listed).await??;
        if old.is_empty() {
            break;
        }
        let is_last = old.len() < max;
        // After the listing: what is named now was named by then, or is younger.
        let named = match named_before {
            None => named(app, table).await?,
            Some(before) => before,
        };
        let is_named = |segment: &SegmentId| named.contains(segment) && holds(Safeguard::LandingKeptWhileNamed);
        let unnamed: Vec<Path> =
            old.into_iter().filter(|(_, segment)| !is_named(segment)).map(|(key, _)| key).collect();
        let n_unnamed = unnamed.len();
        let n_deleted = held.while_renewing(delete_each(store.as_ref(), unnamed, "delete a landing object")).await??;
        did.landing_objects_deleted += n_deleted;
        app.counters.add(Counter::LandingObjectsDeleted, n_deleted as u64);
        // What could not be deleted is tried again by the next run.
        if is_last || n_deleted < n_unnamed || deadline.is_near(app.clock.as_ref(), app.settings.deadline_margin) {
            break;
        }
        passed_over = named;
    }
    if did.landing_objects_deleted > 0 {
        tracing::info!(%table, objects = did.landing_objects_deleted, "landing objects deleted");
    }
    Ok(())
}

/// Every segment that `live#`, `batch#` or `bad#` names.
async fn named(app: &App, table: &TableId) -> Result<HashSet<SegmentId>, PassError> {
    let view = app.ledger.read(table).await?;
    let bad = app.ledger.quarantined(table).await?;
    let live = view.live.into_iter().map(|segment| segment.id);
    let listed = view.batches.into_iter().flat_map(|batch| batch.segments);
    Ok(live.chain(listed).chain(bad.into_iter().map(|bad| bad.segment.id)).collect())
}

/// Objects that the store modified before a time, without those that are passed over. Hours that are too young by their name
/// are not even listed.
async fn list(
    store: &dyn ObjectStore,
    prefix: &Path,
    older_than: Micros,
    max: usize,
    passed_over: &HashSet<SegmentId>,
) -> Result<Vec<(Path, SegmentId)>, PassError> {
    let failed = |source| PassError::Store { act: "list landing objects", source };
    let hours = store.list_with_delimiter(Some(prefix)).await.map_err(failed)?.common_prefixes;
    let mut found = Vec::new();
    for hour in hours.into_iter().filter(|hour| hour_start(hour).is_none_or(|start| start < older_than)) {
        let mut objects = store.list(Some(&hour));
        while let Some(object) = objects.try_next().await.map_err(failed)? {
            if object.last_modified.timestamp_micros() >= older_than {
                continue;
            }
            let segment = segment_of_landing_key(&object.location).filter(|segment| !passed_over.contains(segment));
            found.extend(segment.map(|segment| (object.location, segment)));
            if found.len() >= max {
                return Ok(found);
            }
        }
    }
    Ok(found)
}

/// `.../2026-11-20T09`
pub(crate) fn hour_start(folder: &Path) -> Option<Micros> {
    let (date, hour) = folder.filename()?.split_once('T')?;
    let hour: Micros = hour.parse().ok().filter(|hour| (0..24).contains(hour))?;
    Some(Micros::from(days::parse(date)?) * model::MICROS_PER_DAY + hour * MICROS_PER_HOUR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_names_its_hour() {
        let hour = hour_start(&Path::from("landing/otel_metrics/2026-11-20T09"));
        assert_eq!(hour, Some(20_777 * model::MICROS_PER_DAY + 9 * MICROS_PER_HOUR));
        for bad in ["landing/otel_metrics/2026-11-20", "landing/otel_metrics/2026-11-20T24", "x"] {
            assert_eq!(hour_start(&Path::from(bad)), None, "{bad}");
        }
    }
}
