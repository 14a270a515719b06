//! DuckDB and chDB, each in a process of its own: `tests/bench-peers/engine.py`.

use std::fmt;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use serde_json::{Map, Value, json};

use super::THREADS;
use super::same::{Cell, Rows};
use crate::server::on_cores;

/// Python with the engines.
const PYTHON_VARIABLE: &str = "PLIMSOLL_BENCH_PYTHON";
const ENGINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/bench-peers/engine.py");

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PeerName {
    DuckDb,
    ChDb,
}

impl PeerName {
    pub(super) const ALL: [PeerName; 2] = [PeerName::DuckDb, PeerName::ChDb];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            PeerName::DuckDb => "duckdb",
            PeerName::ChDb => "chdb",
        }
    }
}

impl fmt::Display for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Killed when dropped.
pub(super) struct Peer {
    pub(super) name: PeerName,
    pub(super) version: String,
    child: Child,
    requests: ChildStdin,
    replies: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    pub(super) fn start(name: PeerName) -> Self {
        let python = std::env::var_os(PYTHON_VARIABLE).unwrap_or_else(|| panic!("tests/bench sets {PYTHON_VARIABLE}"));
        let mut command = on_cores(THREADS, Path::new(&python));
        command.args([ENGINE, name.as_str(), &THREADS.to_string()]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Python starts");
        let requests = child.stdin.take().expect("piped above");
        let replies = BufReader::new(child.stdout.take().expect("piped above")).lines();
        let mut peer = Self { name, version: String::new(), child, requests, replies };
        let hello = peer.reply().unwrap_or_else(|error| panic!("{name}: {error}"));
        peer.version = hello["version"].as_str().expect("it says its version").to_owned();
        peer
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// From now on the tables have these files.
    pub(super) fn read(&mut self, tables: &Map<String, Value>) {
        self.send(&json!({"tables": tables})).unwrap_or_else(|error| panic!("{}: {error}", self.name));
    }

    /// Milliseconds that an answer took.
    pub(super) fn ask(&mut self, sql: &str) -> Result<f64, String> {
        let reply = self.send(&json!({"sql": sql, "columns": []}))?;
        Ok(reply["ms"].as_f64().expect("it says how long"))
    }

    pub(super) fn rows(&mut self, sql: &str, columns: Option<&[&str]>) -> Result<Rows, String> {
        let mut reply = self.send(&json!({"sql": sql, "columns": columns}))?;
        let rows: Vec<Vec<Value>> = serde_json::from_value(reply["rows"].take()).map_err(|error| error.to_string())?;
        Ok(rows.into_iter().map(|row| row.into_iter().map(Cell::from).collect()).collect())
    }

    fn send(&mut self, request: &Value) -> Result<Value, String> {
        writeln!(self.requests, "{request}").map_err(|error| error.to_string())?;
        self.reply()
    }

    fn reply(&mut self) -> Result<Value, String> {
        let line = self.replies.next().ok_or("it ended")?.map_err(|error| error.to_string())?;
        let reply: Value = serde_json::from_str(&line).map_err(|error| format!("{error}: {line}"))?;
        match reply["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(reply),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Ended already: nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
