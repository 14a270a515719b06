//! Answers of queries that were too large to be sent and lie in the store, linked: they go a day after they were written, by
//! the store's clock. Nothing names them but links that have run out by then, so no lease is needed.

use futures::TryStreamExt;
use model::{MICROS_PER_DAY, Micros, ProjectId, chain};
use object_store::ObjectStore;
use object_store::path::Path;
use objects::results_prefix;

use super::delete::delete_each;
use super::{days, store_time};
use crate::{App, Counter, PassError};

/// How long an answer lies in the store.
const KEPT: Micros = MICROS_PER_DAY;

/// Deletes a project's old answers; how many. A failure is logged here, and the next round does it.
pub(super) async fn clean(app: &App, project: &ProjectId) -> Result<usize, PassError> {
    let cleaned = try_clean(app, project).await;
    match &cleaned {
        Ok(0) => {}
        Ok(objects) => tracing::info!(%project, objects, "answers of queries deleted"),
        Err(error) if error.out_of_reach().is_some() => {
            tracing::warn!(%project, error = error.said(), "answers of queries are out of reach");
        }
        Err(error) => {
            app.counters.add(Counter::Errors, 1);
            tracing::error!(%project, error = %chain(error), "old answers of queries were not deleted; the next round does it");
        }
    }
    cleaned
}

async fn try_clean(app: &App, project: &ProjectId) -> Result<usize, PassError> {
    let store = app.roots.open(project).store;
    let failed = |source| PassError::Store { act: "list answers of queries", source };
    let folders = store.list_with_delimiter(Some(&results_prefix())).await.map_err(failed)?.common_prefixes;
    if folders.is_empty() {
        return Ok(0);
    }
    let older_than = store_time::now(store.as_ref()).await? - KEPT;
    let mut old = Vec::new();
    for folder in folders.into_iter().filter(|folder| day_start(folder).is_none_or(|start| start < older_than)) {
        let mut objects = store.list(Some(&folder));
        while let Some(object) = objects.try_next().await.map_err(failed)? {
            if object.last_modified.timestamp_micros() < older_than && old.len() < app.settings.deletes_max {
                old.push(object.location);
            }
        }
    }
    delete_each(store.as_ref(), old, "delete the answer of a query").await
}

/// `results/2026-11-20`; none: no folder of ours, in which objects are looked at one by one.
fn day_start(folder: &Path) -> Option<Micros> {
    Some(Micros::from(days::parse(folder.filename()?)?) * MICROS_PER_DAY)
}
