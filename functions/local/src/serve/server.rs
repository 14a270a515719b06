//! A whole Plimsoll in one process: what `plimsoll serve` starts, and what tests start in theirs.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use api::OwnersBuckets;
use axum::Router;
use boot::CancellationToken;
use clock::{Clock, SystemClock};
use compact::Operate;
use lake::DeltaLogs;
use meta::Ledger;
use meta::keys::Keys;
use meta::projects::Projects;
use meta::quota::Quota;
use model::{InstallationId, Micros};
use objects::Roots;
use prometheus_client::registry::Registry;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::aws::{Aws, BucketDoors};
use super::background::{Background, Rhythm};
use super::credentials::{self, Credentials, CredentialsError};
use super::data::{DataError, DataFolder, ObjectsLayer};
use super::health::{self, Stores};
use super::listen::{ListenError, bind};
use super::owner;
use super::root::Root;
use super::welcome::{ShowKeys, welcome};
use super::{document, metrics, port};
use crate::cli::ServeArgs;

/// Requests that are being answered when a stop comes get this long.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);

/// How long `POST /api/v1/compact` and its like may work; what is not done by then is found by the sweeper.
const OPERATION_TIME: Duration = Duration::from_secs(20 * 60);

/// Everything that can be set.
#[derive(Clone)]
pub struct ServeConfig {
    pub data: PathBuf,
    /// Where the objects lie.
    pub root: Root,
    /// The installation whose root in a bucket is taken over.
    pub take_over: Option<InstallationId>,
    pub aws: Aws,
    /// How buckets of projects' owners are entered.
    pub buckets: BucketDoors,
    pub otlp_listen: SocketAddr,
    pub listen: SocketAddr,
    pub ingest: ingest::Settings,
    pub compact: compact::Settings,
    pub query: query::Settings,
    pub rhythm: Rhythm,
    pub objects_layer: ObjectsLayer,
    pub clock: Arc<dyn Clock>,
}

impl ServeConfig {
    /// The defaults, on the given data folder.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        let data = data.into();
        let aws = Aws::default();
        Self {
            root: Root::Folder,
            take_over: None,
            buckets: aws.clone().into(),
            aws,
            otlp_listen: SocketAddr::from(([127, 0, 0, 1], 4318)),
            listen: SocketAddr::from(([127, 0, 0, 1], 4319)),
            ingest: ingest::Settings::default(),
            compact: compact::Settings::default(),
            query: query::Settings::new(data.join("spill")),
            rhythm: Rhythm::default(),
            objects_layer: Arc::new(|disk| disk),
            clock: Arc::new(SystemClock),
            data,
        }
    }

    pub(super) fn from_args(args: &ServeArgs) -> Self {
        let mut config = Self { otlp_listen: args.otlp_listen, listen: args.listen, ..Self::new(&args.data) };
        config.root = args.root.clone().map_or(Root::Folder, Root::S3);
        config.query.cache = kept(args, &config.root);
        config.take_over.clone_from(&args.take_over);
        config.ingest.cors_origins.clone_from(&args.cors_origins);
        config.compact.due.age = Micros::try_from(args.pace.compact_after.as_micros()).unwrap_or(Micros::MAX);
        config.compact.vacuum_horizon = args.pace.vacuum_horizon;
        config.compact.log_kept = args.pace.log_kept;
        config.rhythm = Rhythm { sweep_every: args.pace.sweep_every, upkeep_every: args.pace.upkeep_every };
        config
    }
}

/// Room on the disk of the data folder that is left to the ledger, to queries and to whoever else writes there.
const LEFT_BYTES: u64 = 4_000_000_000;
const FREE_BYTES_MIN: u64 = 1_000_000_000;

/// A local disk is not kept on a local disk.
fn kept(args: &ServeArgs, root: &Root) -> cache::Limits {
    let disk = cache::DiskLimits {
        folder: args.data.join("cache"),
        bytes_max: args.cache.cache_disk,
        left_bytes: LEFT_BYTES,
        free_bytes_min: FREE_BYTES_MIN,
    };
    let is_used = *root != Root::Folder && disk.bytes_max > 0;
    cache::Limits { disk: is_used.then_some(disk), ..cache::Limits::in_memory(args.cache.cache_memory) }
}

/// Why a start failed; one line for the operator.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error("cannot start the background threads: {0}")]
    Background(#[source] std::io::Error),
    #[error("cannot wait for signals: {0}")]
    Signals(#[source] std::io::Error),
    #[error("cannot start queries: {0}")]
    Query(#[from] query::StartError),
}

/// A running server.
pub struct Server {
    data: PathBuf,
    root: Root,
    credentials: Credentials,
    show_keys: ShowKeys,
    stop: CancellationToken,
    ports: JoinSet<()>,
    background: Background,
}

impl Server {
    /// Opens the data, makes the first keys if there are none, and answers on both ports when it returns.
    pub async fn start(config: ServeConfig) -> Result<Self, ServeError> {
        let otlp_port = bind(config.otlp_listen, "--otlp-listen").await?;
        let api_port = bind(config.listen, "--listen").await?;
        let folder = DataFolder::open(&config).await?;
        let doors = Doors::open(&folder, &config.buckets);
        let (otlp_url, api_url) = (url_of(&otlp_port, config.otlp_listen), url_of(&api_port, config.listen));
        let kept = folder.credentials();
        let made = credentials::first_start(&doors.projects, &doors.keys, &kept, &otlp_url, &api_url).await?;
        let (credentials, show_keys) = match made {
            Some(made) => (made, ShowKeys::Once),
            None => (Credentials::read(&kept, otlp_url, api_url)?, ShowKeys::Never),
        };
        let parts = Parts::assemble(&config, &folder, &doors)?;
        let background =
            Background::start(Arc::clone(&parts.compact), Arc::clone(&folder.queue), doors.quota, config.rhythm)
                .map_err(ServeError::Background)?;
        let operate =
            Operate { app: parts.compact, keys: doors.keys, runtime: background.handle(), time: OPERATION_TIME };
        let stores = Stores { items: folder.items, objects: folder.roots.base().clone(), folder: folder.path.clone() };
        let routes = parts
            .api
            .merge(compact::router(operate.clone()))
            .merge(metrics::router(parts.registry, operate))
            .merge(health::router(Arc::new(stores)));
        let api = edge::face(routes, folder.ids, &config.ingest.cors_origins);
        let stop = CancellationToken::new();
        let connections = connections();
        let mut ports = JoinSet::new();
        ports.spawn(port::serve(otlp_port, parts.otlp, stop.clone(), connections.otlp_max));
        ports.spawn(port::serve(api_port, api, stop.clone(), connections.api_max));
        Ok(Self { data: folder.path, root: config.root, credentials, show_keys, stop, ports, background })
    }

    /// The keys of the first project, with the addresses that this server has.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// What to tell the operator.
    pub fn welcome(&self) -> String {
        welcome(&self.data, &self.root, &self.credentials, self.show_keys)
    }

    /// Takes no more requests, answers those that are here, and lets the background go.
    pub async fn stop(mut self) {
        self.stop.cancel();
        let answered = async { while self.ports.join_next().await.is_some() {} };
        if tokio::time::timeout(ANSWER_WITHIN, answered).await.is_err() {
            tracing::warn!("requests were cut off; none of them was acknowledged");
        }
        self.ports.shutdown().await;
        self.background.stop().await;
    }
}

/// The acts on the metadata store that several functions share.
struct Doors {
    ledger: Ledger,
    keys: Arc<Keys>,
    projects: Arc<Projects>,
    quota: Arc<Quota>,
    roots: Roots,
    logs: DeltaLogs,
}

impl Doors {
    fn open(folder: &DataFolder, buckets: &BucketDoors) -> Self {
        let DataFolder { items, clock, ids, roots, .. } = folder;
        let projects = Arc::new(Projects::new(Arc::clone(items), Arc::clone(clock)));
        let roots = roots.clone().with_buckets(Arc::clone(&projects), Arc::clone(&buckets.open));
        Self {
            ledger: Ledger::new(Arc::clone(items), Arc::clone(clock), Arc::clone(ids)),
            keys: Arc::new(Keys::new(Arc::clone(items), Arc::clone(clock), Arc::clone(ids))),
            projects,
            quota: Arc::new(Quota::new(Arc::clone(items), Arc::clone(clock))),
            logs: DeltaLogs::new(roots.clone()),
            roots,
        }
    }
}

/// The functions, side by side.
struct Parts {
    otlp: Router,
    api: Router,
    compact: Arc<compact::App>,
    registry: Registry,
}

impl Parts {
    fn assemble(config: &ServeConfig, folder: &DataFolder, doors: &Doors) -> Result<Self, ServeError> {
        let DataFolder { queue, clock, ids, .. } = folder;
        let roots = &doors.roots;
        let mut registry = Registry::default();
        let ingest = ingest::App::new(
            ingest::Doors {
                ledger: doors.ledger.clone(),
                roots: roots.clone(),
                keys: Arc::clone(&doors.keys),
                projects: Arc::clone(&doors.projects),
                quota: Arc::clone(&doors.quota),
                queue: Arc::clone(queue),
                clock: Arc::clone(clock),
                ids: Arc::clone(ids),
            },
            ingest::Meters::register(&mut registry),
            config.ingest.clone(),
        );
        let query = query::App::new(
            query::Doors {
                ledger: doors.ledger.clone(),
                roots: roots.clone(),
                logs: Arc::new(doors.logs.clone()),
                keys: Arc::clone(&doors.keys),
                clock: Arc::clone(clock),
                ids: Arc::clone(ids),
            },
            query::Meters::register(&mut registry),
            config.query.clone(),
        )?;
        let compact = compact::App::new(
            doors.ledger.clone(),
            roots.clone(),
            Arc::new(doors.logs.clone()),
            Arc::clone(&doors.projects),
            Arc::clone(clock),
            Arc::clone(ids),
            config.compact.clone(),
        );
        let manage = api::App::new(Arc::clone(&doors.projects), Arc::clone(&doors.keys), document::of_others())
            .with_buckets(OwnersBuckets {
                door: Arc::clone(&config.buckets.check),
                installation: Arc::clone(&folder.installation),
                ledger: owner::ledger_name(&folder.path),
                own_bucket: config.root.bucket().map(str::to_owned),
            });
        let api = query::router(query).merge(api::router(manage));
        Ok(Self { otlp: ingest::router(ingest), api, compact: Arc::new(compact), registry })
    }
}

/// How many connections each port takes, so that files and the metadata store never lack a descriptor.
struct Connections {
    otlp_max: usize,
    api_max: usize,
}

fn connections() -> Connections {
    const OTLP_MAX: usize = 8_192;
    const API_MAX: usize = 1_024;
    let files = raise_open_files();
    Connections { otlp_max: (files / 2).clamp(8, OTLP_MAX), api_max: (files / 8).clamp(8, API_MAX) }
}

/// Raises the limit on open files to what this user may have; the limit that then holds.
fn raise_open_files() -> usize {
    let limits = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limits.maximum, maximum: limits.maximum };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limits.maximum,
        Err(_) => limits.current,
    };
    current.map_or(usize::MAX, |files| usize::try_from(files).unwrap_or(usize::MAX))
}

/// Where a port is reached from this machine; `asked` tells the port only if it was not 0.
fn url_of(port: &TcpListener, asked: SocketAddr) -> String {
    let mut address = port.local_addr().unwrap_or(asked);
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    format!("http://{address}")
}
