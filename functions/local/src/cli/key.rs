//! `plimsoll key`: create, list, revoke.

use clap::{Args, Subcommand, ValueEnum};
use model::Scope;
use serde_json::{Value, json};

use super::connection::{Connection, For};
use super::output::joined;
use super::{Align, CliError, Screen, Table, units};

#[derive(Debug, Args)]
pub(super) struct KeyArgs {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Create a key and print it: it is shown only now
    Create {
        /// What it may do: ingest, read, admin (may be repeated)
        #[arg(long = "scope", required = true, value_delimiter = ',', value_name = "SCOPE")]
        scopes: Vec<Scope>,
        /// For people
        #[arg(long, default_value = "made by plimsoll key create")]
        name: String,
        /// How far `admin` reaches
        #[arg(long, value_enum, default_value_t = Reach::Project)]
        reach: Reach,
        #[command(flatten)]
        of: OfProject,
    },
    /// List the keys of a project, without their secrets
    List {
        #[command(flatten)]
        of: OfProject,
    },
    /// Revoke a key: it stops working within a minute
    Revoke {
        /// As `key list` shows it
        key_id: String,
        #[command(flatten)]
        connection: Connection,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Reach {
    /// The key's own project
    Project,
    /// All projects: such a key creates projects, and keys for any of them
    Installation,
}

#[derive(Debug, Args)]
struct OfProject {
    /// The project [default: the one of <DATA>/credentials.json]
    #[arg(long)]
    project: Option<String>,
    /// What the API answers
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(args: &KeyArgs, screen: &mut Screen) -> Result<(), CliError> {
    match &args.act {
        Act::Create { scopes, name, reach, of } => {
            let reach = match reach {
                Reach::Project => "project",
                Reach::Installation => "installation",
            };
            let body = json!({ "name": name, "scopes": scopes, "reach": reach });
            let created = of.connection.open(For::Admin)?.post(&path(&of.project()?), &body)?;
            match created["secret"].as_str() {
                Some(secret) if !of.json => screen.line(secret),
                _ => screen.json(&created),
            }
        }
        Act::List { of } => {
            let project = of.project()?;
            let keys = of.connection.open(For::Admin)?.list(&path(&project), "keys")?;
            match keys.is_empty() {
                _ if of.json => screen.json(&Value::Array(keys)),
                true => screen.line(&format!(
                    "Project `{project}` has no keys. Its first:\n  plimsoll key create --project {project} --scope ingest"
                )),
                false => screen.whole_table(&table(&keys)),
            }
        }
        Act::Revoke { key_id, connection } => {
            connection.open(For::Admin)?.delete(&format!("/api/v1/keys/{key_id}"))?;
            screen.line(&format!("Key {key_id} is revoked; it stops working within a minute."))
        }
    }
}

impl OfProject {
    fn project(&self) -> Result<String, CliError> {
        self.project.clone().map_or_else(|| self.connection.project(), Ok)
    }
}

fn path(project: &str) -> String {
    format!("/api/v1/projects/{project}/keys")
}

fn table(keys: &[Value]) -> Table {
    let columns = ["id", "name", "scopes", "reach", "begins with", "created (UTC)", "revoked (UTC)"];
    let mut table = Table::new(columns.map(|name| (name, Align::Left)));
    for key in keys {
        let text = |field: &str| key[field].as_str().unwrap_or_default();
        table.row([
            text("id").to_owned(),
            text("name").to_owned(),
            joined(&key["scopes"]),
            text("reach").to_owned(),
            text("hint").to_owned(),
            units::minute(text("created_at")),
            units::minute(text("revoked_at")),
        ]);
    }
    table
}
