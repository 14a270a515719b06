//! `/api/v1/projects/{project_id}/keys` and `/api/v1/keys/{key_id}`: create, list, revoke.

use axum::Json;
use axum::extract::State;
use edge::{ApiError, Authenticated, ErrorAnswer, ErrorCode, JsonBody, NoParameters, PathOf, QueryOf};
use http::StatusCode;
use meta::keys::{Key, KeyId, NewKey, Reach};
use meta::projects::ProjectError;
use model::{Scope, Scopes, rfc3339};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::App;
use crate::access::{require_admin, require_installation, require_project};
use crate::page::PageOf;
use crate::projects::{check_name, parse_id, refused};

/// A key without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Key)]
pub(crate) struct KeyAnswer {
    id: String,
    project: String,
    name: String,
    /// `ingest` sends telemetry, `read` queries it, `admin` manages.
    scopes: Vec<ScopeName>,
    reach: ReachName,
    /// The first characters of the secret.
    #[schema(example = "pl_i_0Zk3vQ")]
    hint: String,
    created_at: String,
    /// Null: it is valid.
    revoked_at: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CreatedKey)]
pub(crate) struct CreatedKeyAnswer {
    key: KeyAnswer,
    /// Shown this once; only its hash is stored.
    secret: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KeyList)]
pub(crate) struct KeyListAnswer {
    keys: Vec<KeyAnswer>,
    /// For the next page; null: this was the last.
    next_cursor: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewKeyRequest {
    /// For people.
    name: String,
    /// At least one.
    scopes: Vec<ScopeName>,
    /// How far `admin` reaches; `project` unless given.
    #[serde(default)]
    reach: ReachName,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Scope)]
pub(crate) enum ScopeName {
    Ingest,
    Read,
    Admin,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Reach)]
pub(crate) enum ReachName {
    /// The key's own project.
    #[default]
    Project,
    /// All projects: an admin key that creates projects, and keys for any of them.
    Installation,
}

/// Create an API key
///
/// The answer holds the secret; nobody can show it again.
#[utoipa::path(post, path = "/api/v1/projects/{project_id}/keys", operation_id = "create_key", tag = "keys",
    request_body = NewKeyRequest,
    params(("project_id" = String, Path, description = "Id of the project the key is for")),
    responses(
        (status = 201, description = "Created", body = CreatedKeyAnswer),
        (status = 400, description = "The name or the scopes do not fit", body = ErrorAnswer),
        (status = 403, description = "The key does not reach that far", body = ErrorAnswer),
        (status = 404, description = "There is no such project", body = ErrorAnswer),
    ))]
pub(crate) async fn create(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    PathOf(project): PathOf<String>,
    JsonBody(new): JsonBody<NewKeyRequest>,
) -> Result<(StatusCode, Json<CreatedKeyAnswer>), ApiError> {
    let project = parse_id(&project)?;
    require_project(&caller, &project)?;
    let (scopes, reach) = (scopes_of(&new), Reach::from(new.reach));
    check_name(&new.name)?;
    if scopes.is_empty() {
        return Err(ApiError::bad_request("`scopes` is empty").hint("name at least one of ingest, read and admin"));
    }
    if reach == Reach::Installation {
        require_installation(&caller)?;
        if !scopes.allows(Scope::Admin) {
            return Err(ApiError::bad_request("only a key with the scope `admin` can reach the installation"));
        }
    }
    if app.projects.get(&project).await?.is_none() {
        return Err(refused(ProjectError::Missing(project)));
    }
    let (key, secret) = app.keys.create(NewKey { project, scopes, reach, name: new.name }).await?;
    tracing::info!(project = %key.project, key = %key.id, scopes = ?key.scopes, by = %caller.key, "key created");
    let answer = CreatedKeyAnswer { key: key.into(), secret: secret.reveal().to_owned() };
    Ok((StatusCode::CREATED, Json(answer)))
}

/// List the API keys of a project
///
/// Oldest first, without secrets; revoked ones stay for 90 days.
#[utoipa::path(get, path = "/api/v1/projects/{project_id}/keys", operation_id = "list_keys", tag = "keys",
    params(("project_id" = String, Path, description = "Id of the project"), PageOf),
    responses(
        (status = 200, description = "A page of keys", body = KeyListAnswer),
        (status = 403, description = "The key does not reach that project", body = ErrorAnswer),
        (status = 404, description = "There is no such project", body = ErrorAnswer),
    ))]
pub(crate) async fn list(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    PathOf(project): PathOf<String>,
    QueryOf(page): QueryOf<PageOf>,
) -> Result<Json<KeyListAnswer>, ApiError> {
    let project = parse_id(&project)?;
    require_project(&caller, &project)?;
    let limit = page.limit()?;
    if app.projects.get(&project).await?.is_none() {
        return Err(refused(ProjectError::Missing(project)));
    }
    let page = app.keys.list(&project, page.cursor(), limit).await?;
    Ok(Json(KeyListAnswer { keys: page.keys.into_iter().map(Into::into).collect(), next_cursor: page.next }))
}

/// Revoke an API key
///
/// It stops working within 60 s everywhere. A key cannot revoke itself, so that an admin key is always left.
#[utoipa::path(delete, path = "/api/v1/keys/{key_id}", operation_id = "revoke_key", tag = "keys",
    params(("key_id" = String, Path, description = "Id of the key, as listed")),
    responses(
        (status = 200, description = "The key, revoked", body = KeyAnswer),
        (status = 403, description = "No admin key", body = ErrorAnswer),
        (status = 404, description = "There is no such key within reach", body = ErrorAnswer),
        (status = 409, description = "It is the very key that asks", body = ErrorAnswer),
    ))]
pub(crate) async fn revoke(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    PathOf(id): PathOf<String>,
    _: NoParameters,
) -> Result<Json<KeyAnswer>, ApiError> {
    require_admin(&caller)?;
    let unknown = || ApiError::not_found("there is no such key within the reach of this one");
    let id = KeyId::parse(&id).ok_or_else(unknown)?;
    // A key out of reach is answered like one that is not there: its id may have been guessed.
    let key = app.keys.get(&id).await?.filter(|key| require_project(&caller, &key.project).is_ok());
    let key = key.ok_or_else(unknown)?;
    // Else a project's admin could lock the operator out.
    if key.reach == Reach::Installation {
        require_installation(&caller)?;
    }
    if id == caller.key {
        return Err(ApiError::new(ErrorCode::Conflict, "a key cannot revoke itself").hint("use another admin key"));
    }
    let key = app.keys.revoke(&id).await?.ok_or_else(unknown)?;
    tracing::info!(project = %key.project, key = %key.id, by = %caller.key, "key revoked");
    Ok(Json(key.into()))
}

fn scopes_of(new: &NewKeyRequest) -> Scopes {
    Scopes::from(new.scopes.iter().map(|scope| Scope::from(*scope)).collect::<Vec<_>>())
}

impl From<Key> for KeyAnswer {
    fn from(key: Key) -> Self {
        let Key { id, project, scopes, reach, name, hint, created_at, revoked_at } = key;
        Self {
            id: id.to_string(),
            project: project.into(),
            name,
            scopes: scopes.as_slice().iter().map(|scope| ScopeName::from(*scope)).collect(),
            reach: match reach {
                Reach::Project => ReachName::Project,
                Reach::Installation => ReachName::Installation,
            },
            hint,
            created_at: rfc3339(created_at),
            revoked_at: revoked_at.map(rfc3339),
        }
    }
}

impl From<ReachName> for Reach {
    fn from(reach: ReachName) -> Self {
        match reach {
            ReachName::Project => Self::Project,
            ReachName::Installation => Self::Installation,
        }
    }
}

impl From<Scope> for ScopeName {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Ingest => Self::Ingest,
            Scope::Read => Self::Read,
            Scope::Admin => Self::Admin,
        }
    }
}

impl From<ScopeName> for Scope {
    fn from(scope: ScopeName) -> Self {
        match scope {
            ScopeName::Ingest => Self::Ingest,
            ScopeName::Read => Self::Read,
            ScopeName::Admin => Self::Admin,
        }
    }
}
