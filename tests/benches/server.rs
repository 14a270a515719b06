//! Servers to measure: the real `plimsoll serve`, and one that compacts only when asked, so that it can be measured alone.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use local::serve::{ServeConfig, Server};
use model::{DueRule, Micros};
use serde_json::json;
use tempfile::TempDir;
use tests::{Binary, Client};

use crate::Bench;

/// The argument by which this program starts as [`serve`].
pub(crate) const COMMAND: &str = "serve-on-request";

const NEVER: Duration = Duration::from_secs(24 * 3_600);

/// A server on data of its own; both are gone when it is dropped.
pub(crate) struct Measured {
    pub(crate) server: Binary,
    data: TempDir,
}

impl Measured {
    /// `plimsoll serve` as it is.
    pub(crate) fn plimsoll(bench: &Bench) -> Self {
        let data = bench.data();
        let server = Binary::serve(data.path(), &[]);
        Self::with_room(server, data)
    }

    /// The same in every setting but when a table is due.
    pub(crate) fn on_request(bench: &Bench) -> Self {
        let data = bench.data();
        let server = on_request(Command::new(this_program()), data.path());
        Self::with_room(server, data)
    }

    /// Kills the server; its data are there until the folder is dropped.
    pub(crate) fn stop(self) -> TempDir {
        self.server.kill();
        self.data
    }

    fn with_room(server: Binary, data: TempDir) -> Self {
        give_room(&server);
        Self { server, data }
    }
}

/// A server that compacts only when asked: [`this_program`], however it is started.
pub(crate) fn on_request(mut command: Command, data: &Path) -> Binary {
    command.arg(COMMAND).arg(data);
    Binary::start(command, data)
}

pub(crate) fn this_program() -> PathBuf {
    std::env::current_exe().expect("this program has a path")
}

/// A program that sees the first `cores` of the machine, if it has more.
pub(crate) fn on_cores(cores: usize, program: &Path) -> Command {
    if std::thread::available_parallelism().map_or(1, usize::from) <= cores {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.arg("--cpu-list").arg(format!("0-{}", cores - 1)).arg(program);
    command
}

/// Quotas and retention must not get in the way: payloads are from fixed days, and many.
pub(crate) fn give_room(server: &Binary) {
    let change = json!({"settings": {
        "retention_days_logs_and_spans": 3_650,
        "retention_days_metrics": 3_650,
        "requests_per_second_max": 1_000_000,
        "bytes_per_day_max": i64::MAX,
    }});
    let path = format!("/api/v1/projects/{}", server.keys.project);
    let reply = server.api("PATCH", &path, &server.keys.admin_key, Some(&change));
    assert_eq!(reply.status, 200, "{}", reply.text());
}

impl Bench {
    pub(crate) fn data(&self) -> TempDir {
        TempDir::with_prefix_in("data-", &self.folder).expect("the bench folder takes folders")
    }
}

/// Rows in all tables.
#[derive(Clone, Copy, Default)]
pub(crate) struct Stored {
    pub(crate) in_files: u64,
    /// In segments that wait for compaction.
    pub(crate) live: u64,
}

pub(crate) fn stored(client: &Client) -> Stored {
    let status = client.status();
    let tables = status["tables"].as_array().expect("tables");
    let sum = |name: &str| tables.iter().map(|table| table[name].as_u64().expect("a number")).sum();
    Stored { in_files: sum("rows"), live: sum("live_rows") }
}

/// Serves until killed, and says where as `plimsoll serve` does.
pub(crate) fn serve(data: &Path) {
    let any_port = "127.0.0.1:0".parse().expect("an address");
    let mut config = ServeConfig { otlp_listen: any_port, listen: any_port, ..ServeConfig::new(data) };
    config.compact.due = DueRule { bytes: u64::MAX, segments: usize::MAX, age: Micros::MAX };
    config.rhythm.sweep_every = NEVER;
    config.rhythm.upkeep_every = NEVER;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_stack_size(local::STACK_BYTES)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let server = Server::start(config).await.expect("the server starts");
        print!("{}", server.welcome());
        std::future::pending::<()>().await;
    });
}
