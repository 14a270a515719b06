//! `plimsoll query`: SQL in, a table out.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::time::Duration;

use clap::Args;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::connection::{Connection, For};
use super::table::{Align, Table};
use super::units;
use super::{CliError, Screen};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  plimsoll query \"SELECT resource___service___name, count(*) FROM otel_logs_and_spans GROUP BY 1\"
  plimsoll query \"SELECT * FROM otel_logs_and_spans WHERE context___trace_id = \\$id\" -p id=4bf92f3577b34da6a3ce929d0e0e4736
  plimsoll query - < report.sql --csv > report.csv")]
pub(super) struct QueryArgs {
    /// One SELECT, SHOW, DESCRIBE or EXPLAIN; `-` reads it from stdin
    sql: String,
    /// A value for $NAME in the SQL: JSON, or else text (may be repeated)
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = param)]
    param: Vec<(String, Value)>,
    /// Rows at most
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// How long it may take: 30s, 2m
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    timeout: Option<Duration>,
    /// A JSON list with an object a row
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// CSV with a head line
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

/// The API's answer.
#[derive(Deserialize)]
pub(super) struct Answer {
    pub(super) columns: Vec<AnswerColumn>,
    pub(super) rows: Vec<Vec<Value>>,
    #[serde(default)]
    truncated: Option<Truncated>,
    #[serde(default)]
    warnings: Vec<Value>,
    #[serde(default)]
    statistics: Statistics,
}

/// What the answer took.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Statistics {
    files_considered: u64,
    files_opened: u64,
    row_groups_considered: u64,
    row_groups_opened: u64,
    bytes_scanned: u64,
    live_segments_considered: u64,
    live_segments_read: u64,
    snapshot_version: BTreeMap<String, u64>,
    planning_ms: f64,
    total_ms: f64,
}

#[derive(Deserialize)]
pub(super) struct AnswerColumn {
    pub(super) name: String,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Truncated {
    limit: Value,
    #[serde(default)]
    advice: Option<String>,
}

pub(super) fn run(args: &QueryArgs, screen: &mut Screen) -> Result<(), CliError> {
    let sql = match args.sql.as_str() {
        "-" => read_stdin()?,
        sql => sql.to_owned(),
    };
    let api = args.connection.open(For::Read)?;
    let answer = api.post_again("/api/v1/query", &args.request(&sql)).map_err(|error| with_sql(error, &sql))?;
    // One that is too large to be sent by the cloud lies in the bucket.
    let answer = match answer.pointer("/result/url").and_then(Value::as_str) {
        Some(url) => api.linked(url)?,
        None => answer,
    };
    let answer: Answer = serde_json::from_value(answer).map_err(std::io::Error::from)?;
    match (args.json, args.csv) {
        (true, _) => answer.write_json(screen.out)?,
        (_, true) => answer.write_csv(screen.out)?,
        _ => answer.table().write(screen.out, if args.wide { None } else { screen.width })?,
    }
    answer.remarks().iter().for_each(|remark| screen.remark(remark));
    if args.stats {
        screen.remark(&answer.statistics_line());
    }
    Ok(())
}

impl QueryArgs {
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

impl Answer {
    fn table(&self) -> Table {
        let mut table = Table::new(self.columns.iter().map(|column| (column.name.as_str(), column.align())));
        for row in &self.rows {
            table.row(row.iter().map(cell));
        }
        table
    }

    /// A row a line, so that the output can be cut and compared.
    fn write_json(&self, out: &mut dyn Write) -> Result<(), CliError> {
        for (n, row) in self.rows.iter().enumerate() {
            let object: Map<String, Value> =
                self.columns.iter().map(|column| column.name.clone()).zip(row.iter().cloned()).collect();
            let object = serde_json::to_string(&object).map_err(std::io::Error::from)?;
            write!(out, "{}{object}", if n == 0 { "[" } else { ",\n " })?;
        }
        Ok(writeln!(out, "{}", if self.rows.is_empty() { "[]" } else { "]" })?)
    }

    fn write_csv(&self, out: &mut dyn Write) -> Result<(), CliError> {
        let mut out = csv::Writer::from_writer(out);
        let written = out
            .write_record(self.columns.iter().map(|column| &column.name))
            .and_then(|()| self.rows.iter().try_for_each(|row| out.write_record(row.iter().map(cell))));
        written.map_err(|error| match error.into_kind() {
            csv::ErrorKind::Io(error) => CliError::Output(error),
            other => CliError::Output(std::io::Error::other(format!("{other:?}"))),
        })?;
        Ok(out.flush()?)
    }

    /// What must be known beside the rows.
    fn remarks(&self) -> Vec<String> {
        let truncated = self.truncated.iter().map(|truncated| {
            let advice = truncated.advice.as_deref().unwrap_or("ask for less");
            format!("truncated: {} rows are shown, the limit is {}: {advice}", self.rows.len(), cell(&truncated.limit))
        });
        truncated.chain(self.warnings.iter().map(|warning| format!("warning: {}", cell(warning)))).collect()
    }

    fn statistics_line(&self) -> String {
        let s = &self.statistics;
        let rows = units::count(self.rows.len() as u64);
        let of = |part: u64, whole: u64| format!("{} of {}", units::count(part), units::count(whole));
        let mut line = format!(
            "{rows} row{} in {:.1} ms (planning {:.1} ms); {} files, {} row groups, {}; {} live segments",
            if self.rows.len() == 1 { "" } else { "s" },
            s.total_ms,
            s.planning_ms,
            of(s.files_opened, s.files_considered),
            of(s.row_groups_opened, s.row_groups_considered),
            units::bytes(s.bytes_scanned),
            of(s.live_segments_read, s.live_segments_considered),
        );
        for (table, version) in &s.snapshot_version {
            line.push_str(&format!("; {table} at version {version}"));
        }
        line
    }
}

impl AnswerColumn {
    fn align(&self) -> Align {
        const NUMBERS: [&str; 10] =
            ["int", "uint", "float", "decimal", "bigint", "smallint", "tinyint", "double", "real", "numeric"];
        let kind = self.kind.to_ascii_lowercase();
        if NUMBERS.iter().any(|number| kind.starts_with(number)) && !kind.starts_with("interval") {
            Align::Right
        } else {
            Align::Left
        }
    }
}

/// As text; null is nothing.
pub(super) fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// With the SQL, to point at a place in it, and with the name of the option instead of the API's.
fn with_sql(error: CliError, sql: &str) -> CliError {
    match error {
        CliError::Refused { status, mut detail, .. } => {
            detail.message = detail.message.replace("`timeout_ms` is", "`--timeout` in ms is");
            detail.hint = detail.hint.map(|hint| hint.replace("`timeout_ms`", "`--timeout`"));
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
