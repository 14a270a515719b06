//! A whole Plimsoll in this process, on ports and in a folder of its own.

use std::fs::{self, File};
use std::io;
use std::ops::Deref;
use std::path::Path;
use std::time::Duration;

use compact::plan::MergeRule;
use local::serve::{ServeConfig, Server};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::Client;

/// Stops, and takes its data with it, when dropped.
pub struct World {
    client: Client,
    server: Option<Server>,
    config: ServeConfig,
    runtime: Runtime,
    data: TempDir,
}

impl World {
    pub fn start() -> Self {
        Self::start_with(|_| {})
    }

    /// For this one a small shop is large: small batches and files, compaction and upkeep all the time.
    pub fn with_small_files(set: impl FnOnce(&mut ServeConfig)) -> Self {
        Self::start_with(|config| {
            config.compact.due.segments = 8;
            config.compact.batch_bytes_max = 256 << 10;
            config.compact.merge =
                MergeRule { target_bytes: 400 << 10, small_bytes: 350 << 10, ..MergeRule::default() };
            config.rhythm.sweep_every = Duration::from_millis(500);
            config.rhythm.upkeep_every = Duration::from_millis(500);
            set(config);
        })
    }

    /// `set` changes the settings of the first and of every later start.
    pub fn start_with(set: impl FnOnce(&mut ServeConfig)) -> Self {
        let data = TempDir::new().expect("a temporary folder");
        let any_port = "127.0.0.1:0".parse().expect("an address");
        let mut config = ServeConfig { otlp_listen: any_port, listen: any_port, ..ServeConfig::new(data.path()) };
        set(&mut config);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_stack_size(local::STACK_BYTES)
            .enable_all()
            .build()
            .expect("a runtime");
        let server = runtime.block_on(Server::start(config.clone())).expect("the server starts");
        let client = Client::new(server.credentials().clone());
        Self { client, server: Some(server), config, runtime, data }
    }

    /// Stops as on Ctrl-C and starts again on the same data.
    pub fn restart(&mut self) {
        self.stop();
        let server = self.runtime.block_on(Server::start(self.config.clone())).expect("the server starts again");
        self.client = Client::new(server.credentials().clone());
        self.server = Some(server);
    }

    fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.stop());
        }
    }

    /// What lies in the object store is so much older by the store's own clock, which is the one that upkeep goes by.
    pub fn age_objects(&self, by: Duration) {
        age(&self.data.path().join("objects"), by).expect("every file is ours");
    }

    pub fn data(&self) -> &Path {
        self.data.path()
    }

    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }
}

impl Deref for World {
    type Target = Client;
    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Files that vanish meanwhile need not get older.
fn age(path: &Path, by: Duration) -> io::Result<()> {
    let changed = if path.is_dir() {
        fs::read_dir(path)?.try_for_each(|entry| age(&entry?.path(), by))
    } else {
        File::open(path).and_then(|file| file.set_modified(file.metadata()?.modified()? - by))
    };
    changed.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}
