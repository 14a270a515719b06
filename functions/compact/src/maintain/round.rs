//! A round of upkeep: every table of every project, several side by side, as far as there is time.
//!
//! Each round begins at another project, so that none is left out for ever if the time never suffices for all.

use std::hash::{DefaultHasher, Hash, Hasher};

use clock::Ids;
use futures::StreamExt;
use meta::StoreError;
use model::{ProjectId, TableId};

use super::{Chores, DaysAtOnce, Pace, maintain_chores, results};
use crate::{App, Deadline};

/// What came of a round. What failed was logged where it happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Round {
    pub projects: usize,
    /// Tables, and projects' results, of which an act failed; the next round does it. What is out of reach is not counted.
    pub failed: usize,
    /// Projects that were not begun before the time was up; the next round begins elsewhere.
    pub left: usize,
}

/// Upkeep of every table there is; for the timer.
pub async fn maintain_all(app: &App, chores: Chores, deadline: Deadline) -> Result<Round, StoreError> {
    let mut projects = app.projects.ids().await?;
    let first = anywhere(app.ids.as_ref(), projects.len());
    projects.rotate_left(first);
    let mut round = Round { projects: projects.len(), ..Round::default() };
    let mut seen_to = futures::stream::iter(projects)
        .map(|project| async move {
            let is_up = deadline.is_near(app.clock.as_ref(), app.settings.deadline_margin);
            if is_up { None } else { Some(of_project(app, project, chores, deadline).await) }
        })
        .buffer_unordered(app.settings.tables_at_once.max(1));
    while let Some(done) = seen_to.next().await {
        match done {
            Some(failed) => round.failed += failed,
            None => round.left += 1,
        }
    }
    if round.left > 0 {
        tracing::warn!(?round, "a round of upkeep ended early; the next one begins at another project");
    }
    Ok(round)
}

/// How much of it failed. One table that fails does not keep the other from being looked after.
async fn of_project(app: &App, project: ProjectId, chores: Chores, deadline: Deadline) -> usize {
    let mut failed = 0;
    for table in TableId::all_of([project.clone()]) {
        let did = maintain_chores(app, &table, chores, Pace::Scheduled, DaysAtOnce::Few, deadline).await;
        failed += usize::from(match &did {
            Ok(did) => !did.failed.is_empty(),
            Err(error) => error.out_of_reach().is_none(),
        });
    }
    if chores.includes_removal() {
        // What is cut off at the deadline goes in a later round.
        let time = deadline.remaining(app.clock.as_ref());
        let cleaned = clock::within(app.clock.as_ref(), time, results::clean(app, &project)).await;
        let error = cleaned.and_then(Result::err);
        failed += usize::from(error.is_some_and(|error| error.out_of_reach().is_none()));
    }
    failed
}

fn anywhere(ids: &dyn Ids, n: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    ids.fresh().hash(&mut hasher);
    usize::try_from(hasher.finish() % n.max(1) as u64).expect("less than n")
}
