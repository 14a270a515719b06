//! After the last fault: everything drains within a bound, and is read once more, by us and by an engine that is not ours.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use clock::{Clock, SystemClock};
use local::serve::Credentials;
use model::TableName;
use serde_json::{Value, json};

use super::book::{Book, Tally, Window};
use super::reader::{Count, found, question};
use super::subject::Subject;
use crate::Client;

/// After the last body is acknowledged, every record is in the tables within this time (C9).
pub(super) const COMPACTED_WITHIN: Duration = Duration::from_secs(180);
const ASK_EVERY: Duration = Duration::from_millis(500);
/// With the projects of its own, below `<data>/objects`.
const ENGINE: &str = "duckdb";
const ENGINE_WITHIN_S: u64 = 600;

/// How the tables stand at the end.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tables {
    pub(super) versions: u64,
    pub(super) files: u64,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) quarantined: u64,
    pub(super) stopped: u64,
}

/// Waits until no segment waits; how long that took.
pub(super) fn compact_all(subject: &Subject, keys: &Credentials) -> Result<(Duration, Tables), String> {
    let mut client = Client::patient_for(COMPACTED_WITHIN, keys.clone());
    subject.address().ok_or("it is down")?.point(&mut client);
    let began = SystemClock.uptime();
    loop {
        let passes = client.compact();
        let status = client.status();
        let rows = status["tables"].as_array().expect("a list");
        let sum = |name: &str| rows.iter().map(|row| row[name].as_u64().unwrap_or(0)).sum::<u64>();
        let took = SystemClock.uptime() - began;
        if sum("live_segments") == 0 {
            let stopped = rows.iter().filter(|row| !row["stop"].is_null()).count() as u64;
            let tables = Tables {
                versions: sum("version"),
                files: sum("files"),
                rows: sum("rows"),
                bytes: sum("bytes"),
                quarantined: sum("quarantined"),
                stopped,
            };
            return Ok((took, tables));
        }
        if took > COMPACTED_WITHIN {
            return Err(format!("segments still wait after {took:.0?}: {passes}"));
        }
        std::thread::sleep(ASK_EVERY);
    }
}

/// Where `make test` installs the Python that has the engines; none: it has not.
pub(super) fn python() -> Option<PathBuf> {
    let set = std::env::var_os("PLIMSOLL_TEST_PYTHON").map(PathBuf::from);
    set.filter(|path| path.exists())
}

/// What another engine finds in the tables, record by record, with nothing of ours in between.
pub(super) fn ask_engine(
    python: PathBuf,
    subject: &Subject,
    book: &Book,
    projects: &[Credentials],
) -> Result<Tally, String> {
    let mut tally = Tally::default();
    for (project, keys) in projects.iter().enumerate() {
        let checks: Vec<Value> = TableName::ALL
            .map(|table| json!({"name": table.as_str(), "sql": question(table, "true", Count::Ids)}))
            .to_vec();
        let mut inner = Command::new("timeout");
        inner.arg(ENGINE_WITHIN_S.to_string()).arg(&python).arg(crate::programs::file("engines/check.py"));
        for table in TableName::ALL {
            let folder = subject.data().join("objects").join(&keys.project).join(table.as_str());
            inner.arg("--table").arg(format!("{table}={}", folder.display()));
        }
        inner.args(["--engine", ENGINE]);
        let mut command = subject.disk.enter(&inner);
        let answers = answers(&mut command, &json!(checks))?;
        for table in TableName::ALL {
            let answer = &answers["engines"][ENGINE][table.as_str()];
            let rows = answer["rows"].as_array().ok_or_else(|| format!("{ENGINE}: {answer}"))?;
            let expected = book.expected(Window::whole(project, table));
            let found = book.judge(ENGINE, &expected, &found(rows));
            tally.bodies += found.bodies;
            tally.records += found.records;
        }
    }
    Ok(tally)
}

fn answers(command: &mut Command, checks: &Value) -> Result<Value, String> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let pipe = child.stdin.take().expect("piped above");
    // What it does not read it does not answer either.
    let _ = serde_json::to_writer(pipe, checks);
    let ended = child.wait_with_output().map_err(|error| error.to_string())?;
    serde_json::from_slice(&ended.stdout).map_err(|error| {
        format!("{ENGINE} ended with {}: {error}: {}", ended.status, String::from_utf8_lossy(&ended.stderr))
    })
}
