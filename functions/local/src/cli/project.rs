//! `plimsoll project`: create, list, settings.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::connection::{Connection, For};
use super::{CliError, Screen};

#[derive(Debug, Args)]
pub(super) struct ProjectArgs {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Create a project; its id is never used again
    Create {
        /// 1 to 63 characters of a-z, 0-9 and inner dashes
        id: String,
        /// For people [default: the id]
        #[arg(long)]
        name: Option<String>,
        /// Its data is to lie in a bucket that its owner brings; chosen for good
        #[arg(long)]
        bucket: bool,
        #[command(flatten)]
        answer: Answer,
    },
    /// List all projects
    List {
        #[command(flatten)]
        answer: Answer,
    },
    /// Show the settings of a project, or change those that are given
    Settings {
        /// The project
        id: String,
        /// A new name, for people
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        change: Change,
        #[command(flatten)]
        answer: Answer,
    },
}

#[derive(Debug, Args)]
struct Answer {
    /// What the API answers
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Fields of `model::ProjectSettings`.
#[derive(Debug, Args)]
struct Change {
    /// Days that logs and spans are kept
    #[arg(long, value_name = "DAYS")]
    retention_days_logs_and_spans: Option<u32>,
    /// Days that metrics are kept
    #[arg(long, value_name = "DAYS")]
    retention_days_metrics: Option<u32>,
    /// OTLP requests a second; above it 429
    #[arg(long, value_name = "N")]
    requests_per_second_max: Option<u32>,
    /// OTLP bytes a UTC day; above it 429
    #[arg(long, value_name = "BYTES")]
    bytes_per_day_max: Option<u64>,
}

pub(super) fn run(args: &ProjectArgs, screen: &mut Screen) -> Result<(), CliError> {
    match &args.act {
        Act::Create { id, name, bucket, answer } => {
            let api = answer.connection.open(For::Admin)?;
            let storage = if *bucket { "bucket" } else { "own" };
            let new = json!({ "id": id, "name": name.as_ref().unwrap_or(id), "storage": storage });
            let project = api.post("/api/v1/projects", &new)?;
            if answer.json {
                return screen.json(&project);
            }
            screen.line(&format!(
                "Project `{id}` is there. Its first key:\n  plimsoll key create --project {id} --scope ingest"
            ))?;
            if *bucket { screen.line(&next_for_bucket(id, &project["stack"]["parameters"])) } else { Ok(()) }
        }
        Act::List { answer } => {
            let projects = answer.connection.open(For::Admin)?.list("/api/v1/projects", "projects")?;
            if answer.json {
                return screen.json(&Value::Array(projects));
            }
            screen.objects(&projects.into_iter().map(flat).collect::<Vec<_>>())
        }
        Act::Settings { id, name, change, answer } => {
            let api = answer.connection.open(For::Admin)?;
            let path = format!("/api/v1/projects/{id}");
            let mut change = change.body();
            if let Some(name) = name {
                change.insert("name".to_owned(), name.as_str().into());
            }
            let project = if change.is_empty() { api.get(&path)? } else { api.patch(&path, &change.into())? };
            if answer.json { screen.json(&project) } else { screen.fields(&flat(project)) }
        }
    }
}

/// What the owner of the bucket does now.
fn next_for_bucket(id: &str, parameters: &Value) -> String {
    let parameters: Vec<String> = parameters
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()))
        .collect();
    format!(
        "What it is sent is refused until its bucket is connected. In the bucket's account and region:\n  \
         aws cloudformation deploy --template-file infra/byo-bucket.yaml --stack-name plimsoll-{id} \\\n    \
         --capabilities CAPABILITY_NAMED_IAM --parameter-overrides {} BucketName=<a new name>\n\
         then with the stack's outputs:\n  \
         plimsoll bucket connect --project {id} --bucket <BucketName> --region <Region> --role-arn <RoleArn>",
        parameters.join(" ")
    )
}

impl Change {
    /// Only what is given: the rest stays as it is.
    fn body(&self) -> Map<String, Value> {
        let fields = [
            ("retention_days_logs_and_spans", self.retention_days_logs_and_spans.map(u64::from)),
            ("retention_days_metrics", self.retention_days_metrics.map(u64::from)),
            ("requests_per_second_max", self.requests_per_second_max.map(u64::from)),
            ("bytes_per_day_max", self.bytes_per_day_max),
        ];
        let given = fields.into_iter().filter_map(|(name, value)| value.map(|value| (name.to_owned(), value.into())));
        let settings: Map<String, Value> = given.collect();
        if settings.is_empty() { settings } else { Map::from_iter([("settings".to_owned(), settings.into())]) }
    }
}

/// The settings beside the other fields.
fn flat(mut project: Value) -> Value {
    if let Some(object) = project.as_object_mut()
        && let Some(Value::Object(settings)) = object.remove("settings")
    {
        object.extend(settings);
    }
    project
}
