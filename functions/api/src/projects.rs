//! `/api/v1/projects`: create, list, show, change.

use axum::Json;
use axum::extract::State;
use edge::{ApiError, Authenticated, ErrorAnswer, ErrorCode, JsonBody, NoParameters, PathOf, QueryOf};
use http::StatusCode;
use meta::keys::Reach;
use meta::projects::{Project, ProjectError};
use model::storage::ExternalId;
use model::{ProjectId, ProjectSettings, rfc3339};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::App;
use crate::access::{require_admin, require_installation, require_operator, require_project};
use crate::bucket::{self, StackAnswer, StorageAnswer, StorageKind};
use crate::page::PageOf;

const NAME_CHARS_MAX: usize = 200;
const RETENTION_DAYS_MAX: u32 = 3_650;
const REQUESTS_PER_SECOND_MAX: u32 = 1_000_000;
const BYTES_PER_DAY_MAX: u64 = i64::MAX as u64;

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Project)]
pub(crate) struct ProjectAnswer {
    /// 1 to 63 characters of a-z, 0-9 and inner dashes; never reused.
    #[schema(example = "shop")]
    id: String,
    name: String,
    #[schema(example = "2026-11-20T09:15:00.000000Z")]
    created_at: String,
    settings: Settings,
    storage: StorageAnswer,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShownProject)]
pub(crate) struct ShownProjectAnswer {
    #[serde(flatten)]
    project: ProjectAnswer,
    /// Of `storage: bucket`: what to deploy in the bucket's account before it is connected.
    #[serde(skip_serializing_if = "Option::is_none")]
    stack: Option<StackAnswer>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProjectList)]
pub(crate) struct ProjectListAnswer {
    projects: Vec<ProjectAnswer>,
    /// For the next page; null: this was the last.
    next_cursor: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewProject {
    /// 1 to 63 characters of a-z, 0-9 and inner dashes.
    #[schema(example = "shop")]
    id: String,
    /// For people; the id unless given.
    name: Option<String>,
    /// Chosen now, for good.
    #[serde(default)]
    storage: StorageKind,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProjectSettings)]
pub(crate) struct Settings {
    retention_days_logs_and_spans: u32,
    retention_days_metrics: u32,
    requests_per_second_max: u32,
    bytes_per_day_max: u64,
}

/// What is left out stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProjectChange {
    name: Option<String>,
    settings: Option<SettingsChange>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SettingsChange {
    /// Days that logs and spans are kept.
    #[schema(minimum = 1, maximum = 3650)]
    retention_days_logs_and_spans: Option<u32>,
    /// Days that metrics are kept.
    #[schema(minimum = 1, maximum = 3650)]
    retention_days_metrics: Option<u32>,
    /// OTLP requests a second, over all keys; above it 429.
    #[schema(minimum = 1, maximum = 1_000_000)]
    requests_per_second_max: Option<u32>,
    /// Decompressed OTLP bytes a UTC day; above it 429.
    #[schema(minimum = 1)]
    bytes_per_day_max: Option<u64>,
}

/// Create a project
///
/// With an admin key that reaches the installation. With `storage: bucket` its data lies in a bucket that its owner brings:
/// deploy what `stack` says in the bucket's account, then connect it; until then what comes in is refused with 503.
#[utoipa::path(post, path = "/api/v1/projects", operation_id = "create_project", tag = "projects", request_body = NewProject,
    responses(
        (status = 201, description = "Created", body = ShownProjectAnswer),
        (status = 400, description = "The id or the name does not fit", body = ErrorAnswer),
        (status = 403, description = "The key does not reach that far", body = ErrorAnswer),
        (status = 409, description = "The id is taken", body = ErrorAnswer),
    ))]
pub(crate) async fn create(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    JsonBody(new): JsonBody<NewProject>,
) -> Result<(StatusCode, Json<ShownProjectAnswer>), ApiError> {
    require_installation(&caller)?;
    let id = parse_id(&new.id)?;
    let name = new.name.unwrap_or_else(|| id.to_string());
    check_name(&name)?;
    let made = match new.storage {
        StorageKind::Own => app.projects.create(&id, &name).await,
        StorageKind::Bucket => {
            // Who cannot enter any bucket makes no such project.
            bucket::account(&app).await?;
            app.projects.create_for_bucket(&id, &name, ExternalId::from_random(&app.ids.secret())).await
        }
    };
    let project = made.map_err(refused)?;
    tracing::info!(project = %id, by = %caller.key, storage = ?new.storage, "project created");
    let stack = bucket::stack(&app, &project).await;
    Ok((StatusCode::CREATED, Json(ShownProjectAnswer { project: project.into(), stack })))
}

/// List projects
///
/// By id. An admin key of one project sees that one.
#[utoipa::path(get, path = "/api/v1/projects", operation_id = "list_projects", tag = "projects", params(PageOf),
    responses(
        (status = 200, description = "A page of projects", body = ProjectListAnswer),
        (status = 403, description = "No admin key", body = ErrorAnswer),
    ))]
pub(crate) async fn list(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    QueryOf(page): QueryOf<PageOf>,
) -> Result<Json<ProjectListAnswer>, ApiError> {
    require_admin(&caller)?;
    let limit = page.limit()?;
    let (projects, next_cursor) = match caller.reach {
        Reach::Installation => {
            let page = app.projects.list(page.cursor(), limit).await?;
            (page.projects, page.next)
        }
        Reach::Project => (app.projects.get(&caller.project).await?.into_iter().collect(), None),
    };
    Ok(Json(ProjectListAnswer { projects: projects.into_iter().map(Into::into).collect(), next_cursor }))
}

/// Show a project with its settings
#[utoipa::path(get, path = "/api/v1/projects/{project_id}", operation_id = "show_project", tag = "projects",
    params(("project_id" = String, Path, description = "Id of the project")),
    responses(
        (status = 200, description = "The project", body = ShownProjectAnswer),
        (status = 403, description = "The key does not reach that project", body = ErrorAnswer),
        (status = 404, description = "There is no such project", body = ErrorAnswer),
    ))]
pub(crate) async fn show(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    PathOf(id): PathOf<String>,
    _: NoParameters,
) -> Result<Json<ShownProjectAnswer>, ApiError> {
    let id = parse_id(&id)?;
    require_project(&caller, &id)?;
    let project = app.projects.get(&id).await?.ok_or_else(|| refused(ProjectError::Missing(id)))?;
    let stack = bucket::stack(&app, &project).await;
    Ok(Json(ShownProjectAnswer { project: project.into(), stack }))
}

/// Change the name or the settings of a project
///
/// Every process follows within 20 s. Quotas (`requests_per_second_max`, `bytes_per_day_max`) are set only with an admin key
/// that reaches the installation: they protect it from its projects.
#[utoipa::path(patch, path = "/api/v1/projects/{project_id}", operation_id = "change_project", tag = "projects",
    request_body = ProjectChange,
    params(("project_id" = String, Path, description = "Id of the project")),
    responses(
        (status = 200, description = "The project as it is now", body = ProjectAnswer),
        (status = 400, description = "A value does not fit", body = ErrorAnswer),
        (status = 403, description = "The key does not reach that project", body = ErrorAnswer),
        (status = 404, description = "There is no such project", body = ErrorAnswer),
    ))]
pub(crate) async fn change(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    PathOf(id): PathOf<String>,
    JsonBody(change): JsonBody<ProjectChange>,
) -> Result<Json<ProjectAnswer>, ApiError> {
    let id = parse_id(&id)?;
    require_project(&caller, &id)?;
    if let Some(quota) = change.quota() {
        require_operator(&caller, &format!("set `{quota}`"))?;
    }
    change.check()?;
    let project = app.projects.update(&id, |project| change.apply(project)).await.map_err(refused)?;
    tracing::info!(project = %id, by = %caller.key, settings = ?project.settings, "project changed");
    Ok(Json(project.into()))
}

pub(crate) fn parse_id(text: &str) -> Result<ProjectId, ApiError> {
    ProjectId::parse(text).map_err(|error| ApiError::bad_request(error.to_string()))
}

pub(crate) fn check_name(name: &str) -> Result<(), ApiError> {
    let chars = name.chars().count();
    if (1..=NAME_CHARS_MAX).contains(&chars) && !name.chars().any(char::is_control) {
        return Ok(());
    }
    Err(ApiError::bad_request(format!("`name` is 1 to {NAME_CHARS_MAX} printable characters")))
}

pub(crate) fn refused(error: ProjectError) -> ApiError {
    let message = error.to_string();
    match error {
        ProjectError::Taken(_) => ApiError::new(ErrorCode::Conflict, message).hint("choose another id"),
        ProjectError::Missing(_) => ApiError::not_found(message),
        ProjectError::Contended(_) => ApiError::new(ErrorCode::Conflict, message).hint("send the same request again"),
        ProjectError::NoBucket(_) | ProjectError::OtherBucket { .. } => {
            ApiError::new(ErrorCode::Conflict, message).hint("create a project of its own for another place")
        }
        ProjectError::Store(error) => error.into(),
    }
}

impl ProjectChange {
    /// The first quota that it would change.
    fn quota(&self) -> Option<&'static str> {
        let settings = self.settings.as_ref()?;
        let requests = settings.requests_per_second_max.map(|_| "requests_per_second_max");
        requests.or(settings.bytes_per_day_max.map(|_| "bytes_per_day_max"))
    }

    fn check(&self) -> Result<(), ApiError> {
        if let Some(name) = &self.name {
            check_name(name)?;
        }
        let Some(settings) = &self.settings else { return Ok(()) };
        let days = u64::from(RETENTION_DAYS_MAX);
        let limits = [
            ("retention_days_logs_and_spans", settings.retention_days_logs_and_spans.map(u64::from), days),
            ("retention_days_metrics", settings.retention_days_metrics.map(u64::from), days),
            (
                "requests_per_second_max",
                settings.requests_per_second_max.map(u64::from),
                REQUESTS_PER_SECOND_MAX.into(),
            ),
            ("bytes_per_day_max", settings.bytes_per_day_max, BYTES_PER_DAY_MAX),
        ];
        for (name, value, max) in limits {
            if let Some(value) = value
                && !(1..=max).contains(&value)
            {
                return Err(ApiError::bad_request(format!("`settings.{name}` is {value}; it goes from 1 to {max}")));
            }
        }
        Ok(())
    }

    fn apply(&self, project: &mut Project) {
        if let Some(name) = &self.name {
            project.name.clone_from(name);
        }
        let Some(change) = &self.settings else { return };
        let stood = project.settings.clone();
        project.settings = ProjectSettings {
            retention_days_logs_and_spans: change
                .retention_days_logs_and_spans
                .unwrap_or(stood.retention_days_logs_and_spans),
            retention_days_metrics: change.retention_days_metrics.unwrap_or(stood.retention_days_metrics),
            requests_per_second_max: change.requests_per_second_max.unwrap_or(stood.requests_per_second_max),
            bytes_per_day_max: change.bytes_per_day_max.unwrap_or(stood.bytes_per_day_max),
        };
    }
}

impl From<Project> for ProjectAnswer {
    fn from(project: Project) -> Self {
        let Project { id, name, created_at, settings, storage } = project;
        let settings = Settings {
            retention_days_logs_and_spans: settings.retention_days_logs_and_spans,
            retention_days_metrics: settings.retention_days_metrics,
            requests_per_second_max: settings.requests_per_second_max,
            bytes_per_day_max: settings.bytes_per_day_max,
        };
        Self { id: id.into(), name, created_at: rfc3339(created_at), settings, storage: storage.into() }
    }
}
