//! `plimsoll stack init`: the first run of a deployed stack.
//!
//! May be repeated at any time, after a run that broke off too: what is there is left as it is. Two runs at once are not meant.

use std::sync::Arc;

use aws::Cloud;
use clap::Args;
use clock::{Clock, RandomIds, SystemClock};
use meta::StoreError;
use meta::keys::{Enrolled, Keys, NewKey, Reach, Secret};
use meta::projects::{Project, ProjectError, Projects};
use model::{InstallationId, ProjectId, ProjectSettings, Scope, Scopes};

use super::deployed::{Deployed, cloud, refused};
use super::keys::StackKeys;
use super::paste::{self, Made};
use super::{ThisStackArg, block_on, resources};
use crate::cli::{CliError, Screen};

#[derive(Debug, Args)]
pub(super) struct InitArgs {
    #[command(flatten)]
    stack: ThisStackArg,
    /// The first project [default: default]; no other is made here
    #[arg(long, value_parser = project)]
    project: Option<ProjectId>,
    /// Put new keys in the place of those in the secret; the old ones work until they are revoked
    #[arg(long)]
    new_keys: bool,
    /// Show the keys also if they are not new
    #[arg(long)]
    show_keys: bool,
    /// Go on with the data of a bucket whose ledger is lost for good: the installation that it belongs to, as the refusal of it
    /// says; then run `plimsoll repair`
    #[arg(long, value_name = "INSTALLATION")]
    take_over: Option<InstallationId>,
    /// What was made, and where it is, as JSON
    #[arg(long)]
    json: bool,
}

/// What a run found and made.
pub(super) struct Done {
    pub(super) deployed: Deployed,
    pub(super) keys: StackKeys,
    pub(super) made: Vec<Made>,
    /// Keys that do not work any more.
    pub(super) gone: Vec<&'static str>,
}

/// The first project, if nobody names another.
const FIRST_PROJECT: &str = "default";

/// Name for people, scope, reach.
type Plan = (&'static str, Scope, Reach);
const PLAN: [Plan; 3] = [
    ("ingest key", Scope::Ingest, Reach::Project),
    ("read key", Scope::Read, Reach::Project),
    ("admin key", Scope::Admin, Reach::Installation),
];

pub(super) fn run(args: &InitArgs, screen: &mut Screen) -> Result<(), CliError> {
    let done = block_on(init(args))??;
    let keys = if args.show_keys || !done.made.is_empty() { paste::Keys::Shown } else { paste::Keys::Hidden };
    if args.json {
        screen.json(&paste::document(&done, keys))?;
    } else {
        screen.line(&paste::text(&done, keys))?;
    }
    paste::remark(&done, screen);
    if done.gone.is_empty() { Ok(()) } else { Err(CliError::Reported) }
}

async fn init(args: &InitArgs) -> Result<Done, CliError> {
    let cloud = cloud().await?;
    let deployed = Deployed::read(&cloud, &args.stack.stack).await?;
    resources::probe(&cloud, &deployed).await.map_err(|error| error.into_cli(&deployed.root))?;
    let claimed = resources::claim(&cloud, &deployed, args.take_over.as_ref()).await;
    claimed.map_err(|error| error.into_cli(&deployed.root))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let items = cloud.items(&deployed.table, Arc::clone(&clock));
    let projects = Projects::new(Arc::clone(&items), Arc::clone(&clock));
    let table = Keys::new(items, clock, Arc::new(RandomIds));

    let mut made = Vec::new();
    let mut keys = promised_keys(&cloud, &deployed, &table, args).await?;
    let project = ProjectId::parse(&keys.project).map_err(|error| CliError::Usage(error.to_string()))?;
    if create_project(&projects, &project).await? {
        made.push(Made::Project);
        // A table that has lost everything starts anew.
        keys.enrolled = false;
    }
    if !keys.enrolled {
        settle(&projects, &project, &deployed.settings).await?;
    }
    let mut gone = Vec::new();
    for (name, scope, reach) in PLAN {
        match stand(&table, &keys, &project, (name, scope, reach)).await.map_err(stored)? {
            Standing::Made => made.push(Made::Key(name)),
            Standing::Works => {}
            Standing::Gone => gone.push(name),
        }
    }
    if !keys.enrolled {
        keys.enrolled = true;
        put(&cloud, &deployed, &keys).await?;
    }
    Ok(Done { deployed, keys, made, gone })
}

/// Those in the secret; else new ones, which are in the secret when this returns, and work nowhere yet.
async fn promised_keys(
    cloud: &Cloud,
    deployed: &Deployed,
    table: &Keys,
    args: &InitArgs,
) -> Result<StackKeys, CliError> {
    let kept = deployed.keys(cloud).await?;
    let asked = args.project.as_ref().map(ProjectId::to_string);
    let project = match (&kept, asked) {
        (Some(keys), Some(other)) if keys.project != other => return Err(another_project(deployed, keys, &other)),
        (Some(keys), _) => keys.project.clone(),
        (None, asked) => asked.unwrap_or_else(|| FIRST_PROJECT.to_owned()),
    };
    if let Some(keys) = kept.filter(|_| !args.new_keys) {
        return Ok(keys);
    }
    let draw = |scope| table.draw(&Scopes::from(vec![scope])).reveal().to_owned();
    let keys = StackKeys {
        v: StackKeys::VERSION,
        project,
        ingest_key: draw(Scope::Ingest),
        read_key: draw(Scope::Read),
        admin_key: draw(Scope::Admin),
        enrolled: false,
    };
    put(cloud, deployed, &keys).await?;
    Ok(keys)
}

fn another_project(deployed: &Deployed, keys: &StackKeys, other: &str) -> CliError {
    CliError::Cloud {
        what: format!(
            "stack `{}` has its first project already, `{}`: the keys in its secret belong to that; nothing was changed",
            deployed.name, keys.project
        ),
        advice: format!(
            "make another by `plimsoll project create {other}`, and its keys by \
             `plimsoll key create --project {other} --scope ingest`"
        ),
    }
}

async fn put(cloud: &Cloud, deployed: &Deployed, keys: &StackKeys) -> Result<(), CliError> {
    let stored = cloud.secrets().put(&deployed.secret, &keys.to_text()).await;
    stored.map_err(|fault| refused(&format!("cannot store the keys in secret {}", deployed.secret), &fault))
}

/// Whether it was not there before.
async fn create_project(projects: &Projects, id: &ProjectId) -> Result<bool, CliError> {
    match projects.create(id, "Default").await {
        Ok(_) => Ok(true),
        Err(ProjectError::Taken(_)) => Ok(false),
        Err(error) => Err(not_made(error)),
    }
}

/// What the stack's parameters say, unless somebody has set something since.
async fn settle(projects: &Projects, id: &ProjectId, settings: &ProjectSettings) -> Result<(), CliError> {
    let change = |project: &mut Project| {
        if project.settings == ProjectSettings::default() {
            project.settings = settings.clone();
        }
    };
    projects.update(id, change).await.map(|_| ()).map_err(not_made)
}

fn not_made(error: ProjectError) -> CliError {
    match error {
        ProjectError::Store(error) => stored(error),
        other => CliError::Cloud { what: other.to_string(), advice: "run it again".to_owned() },
    }
}

/// How a key stands in the table.
enum Standing {
    Made,
    Works,
    Gone,
}

async fn stand(table: &Keys, keys: &StackKeys, project: &ProjectId, plan: Plan) -> Result<Standing, StoreError> {
    let (name, scope, reach) = plan;
    let text = match scope {
        Scope::Ingest => &keys.ingest_key,
        Scope::Read => &keys.read_key,
        Scope::Admin => &keys.admin_key,
    };
    if keys.enrolled {
        let works = table.authenticate(text).await?.is_some();
        return Ok(if works { Standing::Works } else { Standing::Gone });
    }
    let Some(secret) = Secret::parse(text) else { return Ok(Standing::Gone) };
    let new = NewKey {
        project: project.clone(),
        scopes: Scopes::from(vec![scope]),
        reach,
        name: format!("first {name}, by plimsoll stack init"),
    };
    Ok(match table.enroll(new, &secret).await? {
        Enrolled::Now(_) => Standing::Made,
        Enrolled::Before(key) if key.revoked_at.is_some() => Standing::Gone,
        Enrolled::Before(_) => Standing::Works,
    })
}

fn stored(error: StoreError) -> CliError {
    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
    CliError::Cloud {
        what: format!("{error}{cause}"),
        advice: "nothing is lost: run it again; your AWS credentials need to read and write the table".to_owned(),
    }
}

fn project(text: &str) -> Result<ProjectId, String> {
    ProjectId::parse(text).map_err(|error| error.to_string())
}
