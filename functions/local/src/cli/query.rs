//! `plimsoll query`: SQL in, a table out; or rows for other programs, which are streamed.

use std::io::Read;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::answer::{Answer, End};
use super::api::Api;
use super::connection::{Connection, For};
use super::export::Form;
use super::parameters::as_options;
use super::units;
use super::{CliError, Screen};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  plimsoll query \"SELECT resource___service___name, count(*) FROM otel_logs_and_spans GROUP BY 1\"
  plimsoll query \"SELECT * FROM otel_logs_and_spans WHERE context___trace_id = \\$id\" -p id=4bf92f3577b34da6a3ce929d0e0e4736
  plimsoll query - < report.sql --csv --limit 1000000 > report.csv

Exit codes: with --json or --csv and no --limit, 1 if there are more rows than the default limit lets through.")]
pub(super) struct QueryArgs {
    /// One SELECT, SHOW, DESCRIBE or EXPLAIN; `-` reads it from stdin
    sql: String,
    /// A value for $NAME in the SQL: JSON, or else text (may be repeated)
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = param)]
    param: Vec<(String, Value)>,
    /// Rows at most [default: 10000]
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// How long it may take: 30s, 2m
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    timeout: Option<Duration>,
    /// A JSON list with an object a row, written as the rows come
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// CSV with a head line, written as the rows come
    #[arg(long)]
    csv: bool,
    /// Do not cut the table to the terminal
    #[arg(long)]
    wide: bool,
    /// What it took, to stderr
    #[arg(long)]
    stats: bool,
    #[command(flatten)]
    connection: Connection,
}

const PATH: &str = "/api/v1/query";

pub(super) fn run(args: &QueryArgs, screen: &mut Screen) -> Result<(), CliError> {
    let sql = match args.sql.as_str() {
        "-" => read_stdin()?,
        sql => sql.to_owned(),
    };
    let api = args.connection.open(For::Read)?;
    let end = match args.form() {
        Some(form) => export(form, &api, args.request(&sql), screen),
        None => table(args, &api, &args.request(&sql), screen),
    };
    let end = end.map_err(|error| with_sql(error, &sql))?;
    end.remarks().iter().for_each(|remark| screen.remark(remark));
    if args.stats {
        screen.remark(&end.statistics_line());
    }
    // Whoever reads a table reads the remark, too.
    let is_cut = end.truncated.is_some() && args.limit.is_none() && args.form().is_some();
    if is_cut { Err(CliError::Reported) } else { Ok(()) }
}

fn export(form: Form, api: &Api, mut request: Value, screen: &mut Screen) -> Result<End, CliError> {
    request["end_line"] = true.into();
    form.write(api.streamed(PATH, &request, form.media_type())?, screen.out)
}

fn table(args: &QueryArgs, api: &Api, request: &Value, screen: &mut Screen) -> Result<End, CliError> {
    let answer = api.post_again(PATH, request)?;
    // One that is too large to be sent by the cloud lies in the bucket.
    let answer = match answer.pointer("/result/url").and_then(Value::as_str) {
        Some(url) => api.linked(url)?,
        None => answer,
    };
    let answer: Answer = serde_json::from_value(answer).map_err(std::io::Error::from)?;
    let (table, end) = answer.into_parts();
    table.write(screen.out, if args.wide { None } else { screen.width })?;
    Ok(end)
}

impl QueryArgs {
    /// None: a table, for people.
    fn form(&self) -> Option<Form> {
        match (self.json, self.csv) {
            (true, _) => Some(Form::Json),
            (_, true) => Some(Form::Csv),
            _ => None,
        }
    }

    fn request(&self, sql: &str) -> Value {
        let mut request = json!({ "sql": sql });
        if !self.param.is_empty() {
            request["params"] = Value::Object(self.param.iter().cloned().collect());
        }
        if let Some(limit) = self.limit {
            request["limit"] = limit.into();
        }
        if let Some(timeout) = self.timeout {
            request["timeout_ms"] = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX).into();
        }
        request
    }
}

/// With the SQL, to point at a place in it, and with options instead of the API's parameters.
fn with_sql(error: CliError, sql: &str) -> CliError {
    match error {
        CliError::Refused { status, mut detail, .. } => {
            detail.message = as_options(&detail.message);
            detail.hint = detail.hint.as_deref().map(as_options);
            CliError::Refused { status, detail, sql: Some(sql.to_owned()) }
        }
        other => other,
    }
}

fn read_stdin() -> Result<String, CliError> {
    let mut sql = String::new();
    let read = std::io::stdin().lock().read_to_string(&mut sql);
    read.map_err(|source| CliError::Io { what: "cannot read the SQL from stdin".to_owned(), source })?;
    Ok(sql)
}

fn param(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    let name = name.trim_start_matches('$');
    if name.is_empty() {
        return Err("the name is empty".to_owned());
    }
    Ok((name.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()))))
}
