//! `POST /api/v1/compact`: one pass over the tables now; and what everything that operators ask takes.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRef, State};
use axum::routing::post;
use axum::{Json, Router};
use compact::{DaysAtOnce, Deadline, Outcome, Pace, RetentionRefused};
use edge::{ApiError, Authenticated, JsonBodyOrDefault, require};
use meta::StoreError;
use meta::keys::{Caller, Keys, Reach};
use meta::projects::Projects;
use model::{ProjectId, Scope, TableId, TableName, rfc3339};
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};

/// Time for one pass over everything; what is not done by then is found by the sweeper.
pub(super) const PASS_TIME: Duration = Duration::from_secs(20 * 60);
/// How long a table that somebody else holds is left alone.
const ASK_AGAIN: Duration = Duration::from_millis(200);
/// Projects read at a time.
const PAGE: usize = 100;

/// What operating takes.
#[derive(Clone)]
pub struct Operate {
    pub compact: Arc<compact::App>,
    pub projects: Arc<Projects>,
    pub keys: Arc<Keys>,
    /// Where passes run, so that sorting never delays an acknowledgement.
    pub background: tokio::runtime::Handle,
}

impl FromRef<Operate> for Arc<Keys> {
    fn from_ref(operate: &Operate) -> Self {
        Arc::clone(&operate.keys)
    }
}

pub(crate) fn router(operate: Operate) -> Router {
    Router::new().route("/api/v1/compact", post(compact_now)).with_state(operate)
}

/// The part of the OpenAPI document that describes it, and what else is asked by operators.
pub(crate) fn openapi() -> utoipa::openapi::OpenApi {
    #[derive(OpenApi)]
    #[openapi(paths(compact_now, described::health, described::ready, described::metrics))]
    struct Document;
    Document::openapi()
}

/// The paths outside of `/api/v1`, as the document describes them; `health` and `metrics` next door answer them.
mod described {
    /// Whether the process runs
    #[utoipa::path(get, path = "/health", tag = "operations", security(()),
        responses((status = 200, description = "It runs", content_type = "application/json")))]
    #[expect(dead_code, reason = "its description is what counts")]
    fn health() {}

    /// Whether the stores answer
    #[utoipa::path(get, path = "/ready", tag = "operations", security(()),
        responses(
            (status = 200, description = "They do", content_type = "application/json"),
            (status = 503, description = "One does not; the body says which", content_type = "application/json"),
        ))]
    #[expect(dead_code, reason = "its description is what counts")]
    fn ready() {}

    /// Metrics of the process and of the tables
    #[utoipa::path(get, path = "/metrics", operation_id = "process_metrics", tag = "operations", security(()),
        responses(
            (status = 200, description = "OpenMetrics text", content_type = "application/openmetrics-text"),
            (status = 503, description = "A store did not answer", content_type = "text/plain"),
        ))]
    #[expect(dead_code, reason = "its description is what counts")]
    fn metrics() {}
}

/// What a pass did to a table.
#[derive(Serialize, ToSchema)]
struct CompactAnswer {
    tables: Vec<CompactedRow>,
}

#[derive(Serialize, ToSchema)]
struct CompactedRow {
    project: String,
    table: &'static str,
    /// done, busy, stopped, backed_off, unavailable, failed
    outcome: &'static str,
    commits: u32,
    rows: u64,
    segments: u64,
    quarantined: u32,
    merges: u32,
    retired_days: Vec<String>,
    vacuumed_files: usize,
    landing_objects_deleted: usize,
    error: Option<String>,
}

/// What to do in a pass; everything is optional.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct CompactRequest {
    /// Let retention drop any number of days at once, for once.
    drop_any_number_of_days: bool,
}

/// Compact now
///
/// One pass over the tables within reach of an admin key. The body may be left out.
#[utoipa::path(post, path = "/api/v1/compact", operation_id = "compact", tag = "operations", request_body = Option<CompactRequest>,
    responses((status = 200, description = "What was done to each table", body = CompactAnswer)))]
async fn compact_now(
    State(operate): State<Operate>,
    Authenticated(caller): Authenticated,
    JsonBodyOrDefault(request): JsonBodyOrDefault<CompactRequest>,
) -> Result<Json<CompactAnswer>, ApiError> {
    require(&caller, Scope::Admin)?;
    let days = if request.drop_any_number_of_days { DaysAtOnce::Any } else { DaysAtOnce::Few };
    let projects = within_reach(&operate.projects, &caller).await?;
    let app = Arc::clone(&operate.compact);
    let passes = operate.background.spawn(async move {
        let deadline = Deadline::after(app.clock.as_ref(), PASS_TIME);
        let mut tables = Vec::new();
        for id in tables_of(projects) {
            tables.push(pass(&app, &id, days, deadline).await);
        }
        tables
    });
    let tables = passes.await.map_err(ApiError::internal)?;
    Ok(Json(CompactAnswer { tables }))
}

/// Upkeep of every table there is; for the timer.
pub(crate) async fn maintain_all(app: &compact::App, pace: Pace, deadline: Deadline) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let page = app.projects.list(after.as_deref(), PAGE).await?;
        for table in tables_of(page.projects.into_iter().map(|project| project.id).collect()) {
            // Logged where it happened; the other tables are looked after all the same.
            let _ = compact::maintain(app, &table, pace, DaysAtOnce::Few, deadline).await;
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
}

pub(super) fn tables_of(projects: Vec<ProjectId>) -> impl Iterator<Item = TableId> {
    projects.into_iter().flat_map(|project| TableName::ALL.map(|table| TableId::new(project.clone(), table)))
}

/// The caller's project; for an admin of the installation, all of them.
pub(super) async fn within_reach(projects: &Projects, caller: &Caller) -> Result<Vec<ProjectId>, ApiError> {
    if !(caller.reach == Reach::Installation && caller.scopes.allows(Scope::Admin)) {
        return Ok(vec![caller.project.clone()]);
    }
    Ok(all_projects(projects).await?)
}

pub(super) async fn all_projects(projects: &Projects) -> Result<Vec<ProjectId>, StoreError> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = projects.list(after.as_deref(), PAGE).await?;
        all.extend(page.projects.into_iter().map(|project| project.id));
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(all),
        }
    }
}

/// Compaction of all that is live, then upkeep, days that are over finished now.
async fn pass(app: &compact::App, id: &TableId, days: DaysAtOnce, deadline: Deadline) -> CompactedRow {
    let mut row = CompactedRow {
        project: id.project.to_string(),
        table: id.table.as_str(),
        outcome: "done",
        commits: 0,
        rows: 0,
        segments: 0,
        quarantined: 0,
        merges: 0,
        retired_days: Vec::new(),
        vacuumed_files: 0,
        landing_objects_deleted: 0,
        error: None,
    };
    match when_free(app, deadline, || compact::compact_now(app, id, deadline), is_busy).await {
        Outcome::Done(done) => {
            (row.commits, row.rows, row.segments) = (done.commits, done.rows, done.segments);
            row.quarantined = done.quarantined;
        }
        Outcome::Busy { .. } => row.outcome = "busy",
        Outcome::BackedOff => row.outcome = "backed_off",
        Outcome::Stopped { reason } => (row.outcome, row.error) = ("stopped", Some(stopped(&reason))),
        Outcome::Unavailable { error } => (row.outcome, row.error) = ("unavailable", Some(error)),
        Outcome::Failed { error } | Outcome::HandBack { why: error } => {
            (row.outcome, row.error) = ("failed", Some(error));
        }
    }
    if row.outcome != "done" {
        return row;
    }
    let maintain = || compact::maintain(app, id, Pace::Drain, days, deadline);
    match when_free(app, deadline, maintain, |did| matches!(did, Ok(did) if did.busy_until.is_some())).await {
        Ok(did) => {
            row.merges = did.merges;
            row.retired_days = did.retired_days;
            row.vacuumed_files = did.vacuumed_files;
            row.landing_objects_deleted = did.landing_objects_deleted;
            if did.busy_until.is_some() {
                row.outcome = "busy";
            }
            let refused = did.retention_refused.map(retention_refused);
            let failed = (!did.failed.is_empty()).then(|| format!("failed: {}; see the log", did.failed.join(", ")));
            row.error = did.stopped.as_deref().map(stopped).or(refused).or(failed);
        }
        Err(error) => (row.outcome, row.error) = ("failed", Some(error.said())),
    }
    row
}

fn is_busy(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Busy { .. })
}

/// Asks again while somebody else holds the table, usually the worker next door, who soon gives it back.
pub(super) async fn when_free<T, F: Future<Output = T>>(
    app: &compact::App,
    deadline: Deadline,
    mut act: impl FnMut() -> F,
    is_busy: impl Fn(&T) -> bool,
) -> T {
    loop {
        let done = act().await;
        if !is_busy(&done) || deadline.is_near(app.clock.as_ref(), ASK_AGAIN) {
            return done;
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

/// What an operator is told of a stopped table.
pub(super) fn stopped(reason: &str) -> String {
    format!("{reason}: one of the two was put back in time; run `plimsoll repair`")
}

fn retention_refused(refused: RetentionRefused) -> String {
    match refused {
        RetentionRefused::TooManyDays { days, allowed } => format!(
            "retention would drop {days} days at once, more than {allowed}; if that is meant, send `drop_any_number_of_days`"
        ),
        RetentionRefused::ClocksApart { store, ours } => {
            format!("retention drops nothing: the store says it is {}, this machine {}", rfc3339(store), rfc3339(ours))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_operation_of_the_whole_document_says_what_it_answers_and_which_key_it_needs() {
        let mut others = query::openapi();
        others.merge(openapi());
        others.merge(crate::serve::status::openapi());
        others.merge(crate::serve::repair::openapi());
        let document = serde_json::to_value(api::openapi(others)).expect("JSON");
        let schemes = document["components"]["securitySchemes"].as_object().expect("schemes");
        let mut n_open = 0;
        let mut ids = std::collections::BTreeSet::new();
        for (path, methods) in document["paths"].as_object().expect("paths") {
            for (method, operation) in methods.as_object().expect("methods") {
                let id = operation["operationId"].as_str().expect("an id");
                assert!(ids.insert(id.to_owned()), "{method} {path}: `{id}` is the id of two");
                let responses = operation["responses"].as_object().expect("responses");
                for (status, response) in responses {
                    let said = response["description"].as_str().unwrap_or_default();
                    assert!(!said.is_empty(), "{method} {path}: {status} says nothing");
                }
                let security = operation.get("security").unwrap_or(&document["security"]).as_array().expect("a list");
                for name in security.iter().filter_map(Value::as_object).flat_map(|one| one.keys()) {
                    assert!(schemes.contains_key(name), "{method} {path}: there is no scheme `{name}`");
                }
                let is_open = security.iter().all(|one| one.as_object().is_some_and(serde_json::Map::is_empty));
                n_open += usize::from(is_open);
                assert!(is_open || ["401", "403", "503"].iter().all(|s| responses.contains_key(*s)), "{method} {path}");
            }
        }
        assert_eq!(n_open, 4, "health, ready, metrics and the document itself");
    }
}
