//! A whole Plimsoll in this process, on ports and in a folder of its own.

use std::ops::Deref;

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

    pub fn data(&self) -> &std::path::Path {
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
