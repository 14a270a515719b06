//! `plimsoll bucket`: connect the bucket that a project's owner brings, and look into it.

use clap::{Args, Subcommand};
use model::InstallationId;
use serde_json::{Value, json};

use super::connection::{Connection, For};
use super::{Align, CliError, Screen, Table};

#[derive(Debug, Args)]
pub(super) struct BucketArgs {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Say where a project's bucket is; it is tried first, and stays the project's for good
    Connect {
        /// Its name
        #[arg(long)]
        bucket: String,
        /// The AWS region it is in, say eu-central-1
        #[arg(long)]
        region: String,
        /// Folders in it, below which the project has its own
        #[arg(long, default_value = "")]
        prefix: String,
        /// The role that lets Plimsoll in, as the stack of infra/byo-bucket.yaml prints it
        #[arg(long, value_name = "ARN")]
        role_arn: String,
        /// The KMS key by which the bucket encrypts, if it is one of its owner's
        #[arg(long, value_name = "ARN")]
        kms_key_arn: Option<String>,
        /// Go on with the data of an installation whose ledger is lost for good: the one that the folder in it belongs to, as
        /// the refusal of it says; then run `plimsoll repair`
        #[arg(long, value_name = "INSTALLATION")]
        take_over: Option<InstallationId>,
        #[command(flatten)]
        of: OfProject,
    },
    /// Try everything that Plimsoll needs of the bucket, and say what is wrong
    Check {
        #[command(flatten)]
        of: OfProject,
    },
}

#[derive(Debug, Args)]
struct OfProject {
    /// The project
    #[arg(long)]
    project: String,
    /// What the API answers
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(args: &BucketArgs, screen: &mut Screen) -> Result<(), CliError> {
    match &args.act {
        Act::Connect { bucket, region, prefix, role_arn, kms_key_arn, take_over, of } => {
            let place = json!({
                "bucket": bucket, "region": region, "prefix": prefix, "role_arn": role_arn, "kms_key_arn": kms_key_arn,
                "take_over": take_over,
            });
            let answer = of.connection.open(For::Admin)?.put(&of.path(""), &place)?;
            show(&answer, of, screen)?;
            if of.json {
                return Ok(());
            }
            screen.line(&format!("Project `{}` has its data in bucket `{bucket}`.", of.project))
        }
        Act::Check { of } => {
            let answer = of.connection.open(For::Admin)?.post(&of.path("/check"), &json!({}))?;
            show(&answer, of, screen)?;
            if answer["ok"] == true { Ok(()) } else { Err(CliError::Reported) }
        }
    }
}

impl OfProject {
    fn path(&self, act: &str) -> String {
        format!("/api/v1/projects/{}/bucket{act}", self.project)
    }
}

fn show(answer: &Value, of: &OfProject, screen: &mut Screen) -> Result<(), CliError> {
    if of.json {
        return screen.json(answer);
    }
    let columns = ["check", "result", "found", "advice"];
    let mut table = Table::new(columns.map(|name| (name, Align::Left)));
    for check in answer["checks"].as_array().into_iter().flatten() {
        let text = |field: &str| check[field].as_str().unwrap_or_default().to_owned();
        let result = if check["ok"] == true { "ok" } else { "failed" };
        table.row([text("check"), result.to_owned(), text("found"), text("advice")]);
    }
    screen.whole_table(&table)
}
