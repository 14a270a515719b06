//! `/api/v1/projects/{project_id}/bucket`: connect the bucket that a project's owner brings, and look into it.

use axum::Json;
use axum::extract::State;
use edge::{ApiError, Authenticated, ErrorAnswer, ErrorCode, JsonBody, NoParameters, PathOf};
use meta::projects::{Project, ProjectError};
use model::storage::{
    BucketName, BucketPrefix, Connected, KmsKeyArn, OwnersBucket, Region, RoleArn, Storage, suggested_role_name,
};
use model::{InstallationId, ProjectId, rfc3339};
use objects::{Claim, Entrance, Preflight, PreflightCheck, RootError, Unmarked};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::require_project;
use crate::projects::{parse_id, refused};
use crate::{App, OwnersBuckets};

/// The template that makes bucket and role in the owner's account.
const TEMPLATE: &str = "infra/byo-bucket.yaml";
/// Projects read at a time where all are looked at.
const PROJECTS_PAGE: usize = 100;

/// Where a project's data lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StorageKind {
    /// In this installation's own storage.
    #[default]
    Own,
    /// In a bucket that the project's owner brings.
    Bucket,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Storage)]
pub(crate) struct StorageAnswer {
    kind: StorageKind,
    /// Of `bucket`: what the owner's role must demand.
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
    /// Of `bucket`: where it is. Left out: not connected yet, and what comes in is answered with 503 until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    connected: Option<ConnectedAnswer>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ConnectedBucket)]
pub(crate) struct ConnectedAnswer {
    bucket: String,
    region: String,
    /// The project's objects lie in the folder of its id below this.
    prefix: String,
    role_arn: String,
    kms_key_arn: Option<String>,
    connected_at: String,
}

/// What to deploy in the bucket's account, and with which parameters.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BucketStack)]
pub(crate) struct StackAnswer {
    template: &'static str,
    parameters: StackParameters,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct StackParameters {
    project_id: String,
    external_id: String,
    /// Null: this process cannot use AWS now.
    plimsoll_account_id: Option<String>,
    role_name: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewBucket {
    #[schema(example = "acme-telemetry")]
    bucket: String,
    #[schema(example = "eu-central-1")]
    region: String,
    /// Folders in the bucket; none unless given.
    #[serde(default)]
    prefix: String,
    /// Its name begins with `plimsoll-byo-`.
    #[schema(example = "arn:aws:iam::123456789012:role/plimsoll-byo-shop")]
    role_arn: String,
    /// If the bucket encrypts with a KMS key of its owner's.
    kms_key_arn: Option<String>,
    /// The installation that the folder in it belongs to, if its ledger is lost for good and this one goes on with its data.
    #[schema(example = "0123456789abcdef0123456789abcdef")]
    take_over: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BucketAnswer)]
pub(crate) struct BucketAnswer {
    project: String,
    storage: StorageAnswer,
    /// True if all checks are.
    ok: bool,
    checks: Vec<CheckAnswer>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BucketCheck)]
pub(crate) struct CheckAnswer {
    #[schema(example = "conditional put")]
    check: &'static str,
    ok: bool,
    /// What was found, or what is wrong.
    found: String,
    /// What to do, if something is wrong.
    advice: Option<String>,
}

/// Connect a project's bucket
///
/// Of a project that was created with `storage: bucket`. The bucket is entered by the role and tried first: put, list, a
/// conditional put that must lose, get, delete, an absent key, region, encryption; then the project's folder in it is marked as
/// this installation's, unless it is another's. Bucket and prefix stay for good; the same
/// request with another role or region changes those. Every process follows within 20 s.
#[utoipa::path(put, path = "/api/v1/projects/{project_id}/bucket", operation_id = "connect_bucket", tag = "projects",
    request_body = NewBucket,
    params(("project_id" = String, Path, description = "Id of the project")),
    responses(
        (status = 200, description = "Connected, with what was tried", body = BucketAnswer),
        (status = 400, description = "A value does not fit, or the bucket did not pass", body = ErrorAnswer),
        (status = 403, description = "The key does not reach that project", body = ErrorAnswer),
        (status = 404, description = "There is no such project", body = ErrorAnswer),
        (status = 409, description = "The project has no bucket of its own, or another one, or its folder would overlap another \
            project's", body = ErrorAnswer),
    ))]
pub(crate) async fn connect(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    PathOf(id): PathOf<String>,
    JsonBody(new): JsonBody<NewBucket>,
) -> Result<Json<BucketAnswer>, ApiError> {
    let id = parse_id(&id)?;
    require_project(&caller, &id)?;
    let take_over = new.previous_owner()?;
    let mut at = new.checked(&app)?;
    let bucket = bucket_of(&app, &id).await?;
    not_our_own(app.buckets()?, &at)?;
    // Before anything is written into a bucket that cannot become this project's.
    if let Some(stands) = &bucket.connected
        && !stands.is_same_place(&at)
    {
        let (bucket, prefix) = (stands.bucket.to_string(), stands.prefix.to_string());
        return Err(refused(ProjectError::OtherBucket { project: id, bucket, prefix }));
    }
    if bucket.connected.is_none() {
        lies_apart(&app, &id, &at).await?;
    }
    let unmarked = bucket.connected.and_then(|stands| stands.marked_by).map_or(Unmarked::Take, |_| Unmarked::TakeAgain);
    let claim = claim(&app, unmarked, take_over).await?;
    at.marked_by = Some(claim.installation.clone());
    let entrance = Entrance { project: id.clone(), external_id: bucket.external_id, at };
    let preflight = app.buckets()?.door.preflight(&entrance, &claim).await;
    if !preflight.is_passed() {
        return Err(not_passed(&preflight));
    }
    let project = app.projects.connect(&id, &entrance.external_id, &entrance.at).await.map_err(refused)?;
    tracing::info!(project = %id, by = %caller.key, place = %entrance, role_arn = %entrance.at.role_arn, "bucket connected");
    Ok(Json(answer(project, preflight)))
}

/// Look into a project's bucket
///
/// The same as when it was connected; nothing is changed. A folder that does not bear this installation's mark any more, as
/// after the bucket was made again, is told.
#[utoipa::path(post, path = "/api/v1/projects/{project_id}/bucket/check", operation_id = "check_bucket", tag = "projects",
    params(("project_id" = String, Path, description = "Id of the project")),
    responses(
        (status = 200, description = "What was tried and found", body = BucketAnswer),
        (status = 403, description = "The key does not reach that project", body = ErrorAnswer),
        (status = 404, description = "There is no such project", body = ErrorAnswer),
        (status = 409, description = "The project has no bucket of its own, or none is connected", body = ErrorAnswer),
    ))]
pub(crate) async fn check(
    State(app): State<App>,
    Authenticated(caller): Authenticated,
    PathOf(id): PathOf<String>,
    _: NoParameters,
) -> Result<Json<BucketAnswer>, ApiError> {
    let id = parse_id(&id)?;
    require_project(&caller, &id)?;
    let project = app.projects.get(&id).await?.ok_or_else(|| refused(ProjectError::Missing(id.clone())))?;
    let bucket = bucket_in(&project)?;
    let Some(at) = bucket.connected.clone() else {
        let error = RootError::NotConnected { project: id };
        return Err(ApiError::new(ErrorCode::Conflict, error.to_string()));
    };
    let unmarked = at.marked_by.as_ref().map_or(Unmarked::Take, |_| Unmarked::Tell);
    let entrance = Entrance { project: id, external_id: bucket.external_id.clone(), at };
    let claim = claim(&app, unmarked, None).await?;
    let preflight = app.buckets()?.door.preflight(&entrance, &claim).await;
    Ok(Json(answer(project, preflight)))
}

/// What the owner of a project deploys.
pub(crate) async fn stack(app: &App, project: &Project) -> Option<StackAnswer> {
    let bucket = project.storage.bucket()?;
    let parameters = StackParameters {
        project_id: project.id.to_string(),
        external_id: bucket.external_id.to_string(),
        plimsoll_account_id: account(app).await.ok(),
        role_name: suggested_role_name(&project.id),
    };
    Some(StackAnswer { template: TEMPLATE, parameters })
}

/// The account whose roles enter buckets.
pub(crate) async fn account(app: &App) -> Result<String, ApiError> {
    let account = app.buckets()?.door.account().await;
    account.map_err(|error| {
        ApiError::new(ErrorCode::Unavailable, error.to_string())
            .hint("a project with a bucket of its owner's needs a Plimsoll that has AWS credentials and a region")
    })
}

async fn claim(app: &App, unmarked: Unmarked, in_place_of: Option<InstallationId>) -> Result<Claim, ApiError> {
    let OwnersBuckets { installation, ledger, .. } = app.buckets()?;
    let installation = installation.id().await?;
    Ok(Claim { installation, ledger: ledger.clone(), claimed_at: app.clock.now(), unmarked, in_place_of })
}

/// There the project would lie among those that have no bucket of their own, and its role would reach them.
fn not_our_own(buckets: &OwnersBuckets, at: &Connected) -> Result<(), ApiError> {
    if buckets.own_bucket.as_deref() != Some(at.bucket.as_str()) {
        return Ok(());
    }
    let what = format!("bucket `{}` is this installation's own, and no project's to bring", at.bucket);
    Err(ApiError::bad_request(what)
        .hint("name a bucket of the project's owner; a project made without a bucket has its data in this one"))
}

/// No project's folder lies within another's: its sessions would reach what is not its own. Of two that are connected in the
/// same moment neither sees the other.
async fn lies_apart(app: &App, id: &ProjectId, at: &Connected) -> Result<(), ApiError> {
    let overlaps = |other: &Project| {
        let theirs = other.storage.bucket().and_then(|bucket| bucket.connected.as_ref());
        other.id != *id && theirs.is_some_and(|theirs| at.overlaps(id, theirs, &other.id))
    };
    let mut after = None;
    loop {
        let page = app.projects.list(after.as_deref(), PROJECTS_PAGE).await?;
        if page.projects.iter().any(overlaps) {
            let (folder, bucket) = (at.folder(id), &at.bucket);
            let what = format!(
                "folder `{folder}` of bucket `{bucket}` lies within that of another project, or that one within it"
            );
            return Err(ApiError::new(ErrorCode::Conflict, what).hint("connect it with another --prefix"));
        }
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

async fn bucket_of(app: &App, id: &ProjectId) -> Result<OwnersBucket, ApiError> {
    let project = app.projects.get(id).await?.ok_or_else(|| refused(ProjectError::Missing(id.clone())))?;
    bucket_in(&project).cloned()
}

fn bucket_in(project: &Project) -> Result<&OwnersBucket, ApiError> {
    project.storage.bucket().ok_or_else(|| refused(ProjectError::NoBucket(project.id.clone())))
}

impl NewBucket {
    fn previous_owner(&self) -> Result<Option<InstallationId>, ApiError> {
        let parsed = self.take_over.as_deref().map(InstallationId::parse).transpose();
        parsed.map_err(|error| ApiError::bad_request(error.to_string()))
    }

    fn checked(self, app: &App) -> Result<Connected, ApiError> {
        let bad = |error: &dyn std::error::Error| ApiError::bad_request(error.to_string());
        let at = Connected {
            bucket: BucketName::parse(&self.bucket).map_err(|error| bad(&error))?,
            region: Region::parse(&self.region).map_err(|error| bad(&error))?,
            prefix: BucketPrefix::parse(&self.prefix).map_err(|error| bad(&error))?,
            role_arn: RoleArn::parse(&self.role_arn).map_err(|error| bad(&error))?,
            kms_key_arn: self.kms_key_arn.as_deref().map(KmsKeyArn::parse).transpose().map_err(|error| bad(&error))?,
            connected_at: app.clock.now(),
            marked_by: None,
        };
        at.fits_together().map_err(|error| bad(&error))?;
        Ok(at)
    }
}

/// All that is wrong, since an owner has to see to all of it.
fn not_passed(preflight: &Preflight) -> ApiError {
    let wrong = preflight.checks.iter().filter_map(|check| {
        let trouble = check.found.as_ref().err()?;
        Some((format!("{}: {}", check.name, trouble.what), trouble.advice.clone()))
    });
    let (what, advice): (Vec<_>, Vec<_>) = wrong.unzip();
    ApiError::bad_request(format!("the bucket was not connected: {}", what.join("; "))).hint(advice.join("; "))
}

fn answer(project: Project, preflight: Preflight) -> BucketAnswer {
    BucketAnswer {
        project: project.id.to_string(),
        storage: project.storage.into(),
        ok: preflight.is_passed(),
        checks: preflight.checks.into_iter().map(Into::into).collect(),
    }
}

impl From<PreflightCheck> for CheckAnswer {
    fn from(PreflightCheck { name, found }: PreflightCheck) -> Self {
        match found {
            Ok(found) => Self { check: name, ok: true, found, advice: None },
            Err(trouble) => Self { check: name, ok: false, found: trouble.what, advice: Some(trouble.advice) },
        }
    }
}

impl From<Storage> for StorageAnswer {
    fn from(storage: Storage) -> Self {
        match storage {
            Storage::Own => Self { kind: StorageKind::Own, external_id: None, connected: None },
            Storage::Bucket(OwnersBucket { external_id, connected }) => Self {
                kind: StorageKind::Bucket,
                external_id: Some(external_id.into()),
                connected: connected.map(Into::into),
            },
        }
    }
}

impl From<Connected> for ConnectedAnswer {
    fn from(at: Connected) -> Self {
        let Connected { bucket, region, prefix, role_arn, kms_key_arn, connected_at, marked_by: _ } = at;
        Self {
            bucket: bucket.into(),
            region: region.into(),
            prefix: prefix.into(),
            role_arn: role_arn.into(),
            kms_key_arn: kms_key_arn.map(Into::into),
            connected_at: rfc3339(connected_at),
        }
    }
}
