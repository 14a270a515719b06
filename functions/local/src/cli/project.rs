//! `plimsoll project`: create, list, settings.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::answer::cell;
use super::connection::{Connection, For};
use super::{Align, CliError, Screen, Table, units};

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
            if projects.is_empty() {
                screen.line("There are no projects.")
            } else {
                screen.whole_table(&table(&projects))
            }
        }
        Act::Settings { id, name, change, answer } => {
            let api = answer.connection.open(For::Admin)?;
            let path = format!("/api/v1/projects/{id}");
            let mut change = change.body();
            if let Some(name) = name {
                change.insert("name".to_owned(), name.as_str().into());
            }
            let project = if change.is_empty() { api.get(&path)? } else { api.patch(&path, &change.into())? };
            if answer.json { screen.json(&project) } else { screen.fields(&flat(&project)) }
        }
    }
}

/// What the owner of the bucket does now.
fn next_for_bucket(id: &str, of_stack: &Value) -> String {
    format!(
        "What it is sent is refused until its bucket is connected. In the bucket's account and region:\n  \
         aws cloudformation deploy --template-file infra/byo-bucket.yaml --stack-name plimsoll-{id} \\\n    \
         --capabilities CAPABILITY_NAMED_IAM --parameter-overrides {} BucketName=<a new name>\n\
         then with the stack's outputs:\n  \
         plimsoll bucket connect --project {id} --bucket <BucketName> --region <Region> --role-arn <RoleArn>",
        parameters(of_stack)
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

fn table(projects: &[Value]) -> Table {
    let left = ["id", "name", "data in"].map(|name| (name, Align::Left));
    let right = ["logs and spans", "metrics", "requests/s", "a day", "created (UTC)"].map(|name| (name, Align::Right));
    let mut table = Table::new(left.into_iter().chain(right));
    for project in projects {
        let text = |field: &str| project[field].as_str().unwrap_or_default();
        let setting = |name: &str| project["settings"][name].as_u64();
        let days = |name| setting(name).map(|days| units::counted(days, "day", "days")).unwrap_or_default();
        table.row([
            text("id").to_owned(),
            text("name").to_owned(),
            place(&project["storage"]),
            days("retention_days_logs_and_spans"),
            days("retention_days_metrics"),
            setting("requests_per_second_max").map(units::count).unwrap_or_default(),
            setting("bytes_per_day_max").map(units::bytes).unwrap_or_default(),
            units::minute(text("created_at")),
        ]);
    }
    table
}

/// Where its data lies.
fn place(storage: &Value) -> String {
    let connected = &storage["connected"];
    match (storage["kind"].as_str(), connected["bucket"].as_str()) {
        (Some("bucket"), None) => "a bucket, not connected yet".to_owned(),
        (Some("bucket"), Some(bucket)) => {
            let parts = [bucket, connected["prefix"].as_str().unwrap_or_default()];
            format!("s3://{}", parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/"))
        }
        (Some("own"), _) => "own storage".to_owned(),
        _ => cell(storage),
    }
}

/// All fields on one floor, the settings last.
fn flat(project: &Value) -> Value {
    let mut flat = Map::new();
    for (name, value) in project.as_object().into_iter().flatten() {
        match name.as_str() {
            "settings" => {}
            "storage" => {
                flat.insert("data_in".to_owned(), place(value).into());
                let connected = value["connected"].as_object().into_iter().flatten();
                let known =
                    connected.filter(|(name, value)| !["bucket", "prefix"].contains(&&***name) && !value.is_null());
                flat.extend(known.map(|(name, value)| (name.clone(), value.clone())));
                flat.extend(value.get("external_id").map(|id| ("external_id".to_owned(), id.clone())));
            }
            "stack" => {
                flat.insert("stack_template".to_owned(), value["template"].clone());
                flat.insert("stack_parameters".to_owned(), parameters(&value["parameters"]).into());
            }
            _ => {
                flat.insert(name.clone(), value.clone());
            }
        }
    }
    flat.extend(project["settings"].as_object().cloned().into_iter().flatten());
    flat.into()
}

/// As `--parameter-overrides` takes them.
fn parameters(of_stack: &Value) -> String {
    let parameters = of_stack.as_object().into_iter().flatten();
    let parameters = parameters.map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or("<unknown>")));
    parameters.collect::<Vec<_>>().join(" ")
}
