//! Which tables a caller reaches, and waiting for one that somebody else holds.

use std::time::Duration;

use edge::ApiError;
use meta::keys::{Caller, Reach};
use meta::projects::Projects;
use model::{ProjectId, Scope};

use crate::{App, Deadline};

/// How long a table that somebody else holds is left alone.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// The caller's project; for an admin of the installation, all of them.
pub(super) async fn within_reach(projects: &Projects, caller: &Caller) -> Result<Vec<ProjectId>, ApiError> {
    if !(caller.reach == Reach::Installation && caller.scopes.allows(Scope::Admin)) {
        return Ok(vec![caller.project.clone()]);
    }
    Ok(projects.ids().await?)
}

/// Asks again while somebody else holds the table, usually the worker next door, who soon gives it back.
pub(super) async fn when_free<T, F: Future<Output = T>>(
    app: &App,
    deadline: Deadline,
    mut act: impl FnMut() -> F,
    is_busy: impl Fn(&T) -> bool,
) -> T {
    loop {
        let done = act().await;
        if !is_busy(&done) || deadline.is_near(app.clock.as_ref(), ASK_AGAIN) {
            return done;
        }
        app.clock.sleep(ASK_AGAIN).await;
    }
}

/// The outcome of an act on a table whose project's bucket does not let us in: its owner's to mend, and no failure of ours.
pub(super) const OUT_OF_REACH: &str = "out_of_reach";

/// What an operator is told of a stopped table.
pub(super) fn stopped(reason: &str) -> String {
    format!("{reason}: one of the two was put back in time; run `plimsoll repair`")
}
