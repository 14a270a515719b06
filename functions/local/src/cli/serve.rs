//! `plimsoll serve`: its arguments. What it does is [`crate::serve`].

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use aws::S3Root;
use clap::Args;
use model::InstallationId;

use super::CliError;
use super::connection::{DATA_DEFAULT, folder};
use super::units::{duration, size};

#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    /// Where everything is kept; made if it is missing
    #[arg(long, env = "PLIMSOLL_DATA", default_value = DATA_DEFAULT, value_name = "FOLDER", value_parser = folder)]
    pub data: PathBuf,
    /// Keep the objects in a bucket, `s3://bucket/prefix`, with credentials and region as the AWS command line takes them;
    /// AWS_ENDPOINT_URL_S3 names a store that speaks S3 [default: <DATA>/objects]
    #[arg(long, env = "PLIMSOLL_ROOT", value_name = "URL")]
    pub root: Option<S3Root>,
    /// Go on with the data of a root whose ledger is lost for good: the installation that it belongs to, as the refusal of it
    /// says; then run `plimsoll repair`
    #[arg(long, requires = "root", value_name = "INSTALLATION")]
    pub take_over: Option<InstallationId>,
    /// Where OTLP over HTTP comes in
    #[arg(long, env = "PLIMSOLL_OTLP_LISTEN", default_value = "127.0.0.1:4318", value_name = "ADDRESS")]
    pub otlp_listen: SocketAddr,
    /// Where queries, management, health and metrics are served
    #[arg(long, env = "PLIMSOLL_LISTEN", default_value = "127.0.0.1:4319", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// An origin whose web pages may send OTLP from the browser, or `*` (may be repeated)
    #[arg(long = "cors-origin", env = "PLIMSOLL_CORS_ORIGINS", value_delimiter = ',', value_name = "ORIGIN")]
    pub cors_origins: Vec<String>,
    #[command(flatten)]
    pub cache: CacheArgs,
    #[command(flatten)]
    pub pace: PaceArgs,
}

/// How much of what was read of objects is kept, so that it is not read again.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Caches")]
pub struct CacheArgs {
    /// Memory for footers, indexes, live segments, and rows of objects in buckets
    #[arg(long, env = "PLIMSOLL_CACHE_MEMORY", default_value = "512MB", value_name = "SIZE", value_parser = size)]
    pub cache_memory: u64,
    /// Disk for the same below <DATA>/cache, if the objects lie in a bucket; less if that would not leave 4 GB free; 0: none
    #[arg(long, env = "PLIMSOLL_CACHE_DISK", default_value = "100GB", value_name = "SIZE", value_parser = size)]
    pub cache_disk: u64,
}

/// How patient compaction and upkeep are. The defaults suit production.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Compaction and upkeep")]
pub struct PaceArgs {
    /// Age of the oldest live segment at which a table is compacted
    #[arg(long, env = "PLIMSOLL_COMPACT_AFTER", default_value = "5m", value_name = "TIME", value_parser = duration)]
    pub compact_after: Duration,
    /// How often tables that are due are looked for
    #[arg(long, env = "PLIMSOLL_SWEEP_EVERY", default_value = "30s", value_name = "TIME", value_parser = duration)]
    pub sweep_every: Duration,
    /// How often merging, retention, vacuum and checkpoints are seen to
    #[arg(long, env = "PLIMSOLL_UPKEEP_EVERY", default_value = "10m", value_name = "TIME", value_parser = duration)]
    pub upkeep_every: Duration,
    /// How long files that were replaced are kept for readers
    #[arg(long, env = "PLIMSOLL_VACUUM_HORIZON", default_value = "24h", value_name = "TIME", value_parser = duration)]
    pub vacuum_horizon: Duration,
    /// How long entries of the Delta log are kept
    #[arg(long, env = "PLIMSOLL_LOG_KEPT", default_value = "48h", value_name = "TIME", value_parser = duration)]
    pub log_kept: Duration,
}

pub(super) fn run(args: ServeArgs) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_stack_size(crate::STACK_BYTES)
        .enable_all()
        .build()
        .map_err(|source| CliError::Io { what: "cannot start the runtime".to_owned(), source })?;
    runtime.block_on(crate::serve::run(args)).map_err(|error| CliError::Serve(error.into()))
}
