//! `plimsoll serve`: everything in one process on embedded storage.
//!
//! - [`server`](Server): starts and stops the whole; `data`, `root`: the data folder, and where its objects lie; `aws`:
//!   what of it needs AWS; `owner`: whose a bucket is; `background`: compaction, sweeper, upkeep
//! - `credentials`, `welcome`: the first start; `listen`, `port`: the ports
//! - `metrics`, `health`: what a supervisor asks; `document`: what the description of the API adds to that of `api`

mod aws;
mod background;
mod credentials;
mod data;
mod document;
mod health;
mod listen;
mod metrics;
pub(crate) mod owner;
mod port;
pub(crate) mod root;
mod server;
mod welcome;

pub use self::aws::{Aws, BucketDoors};
pub use background::Rhythm;
pub use credentials::Credentials;
pub use data::{DataError, DataFolder, ObjectsLayer};
pub use root::Root;
pub use server::{ServeConfig, ServeError, Server};
pub use welcome::{curl_lines, env_lines};

use crate::cli::ServeArgs;

/// Serves until Ctrl-C or SIGTERM, then finishes what is acknowledged and stops within seconds.
pub async fn run(args: ServeArgs) -> Result<(), ServeError> {
    let stop = boot::shutdown_signal().map_err(ServeError::Signals)?;
    let server = Server::start(ServeConfig::from_args(&args)).await?;
    print!("{}", server.welcome());
    stop.cancelled().await;
    tracing::info!("stopping");
    server.stop().await;
    Ok(())
}
