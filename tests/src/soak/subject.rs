//! The server under test: started, killed, stopped and started again on one small disk.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use clock::{Clock, SystemClock};
use local::serve::Credentials;
use rustix::process::Signal;

use super::plan::Program;
use super::slow::Slowness;
use crate::disk::SmallDisk;
use crate::{Binary, Client};

/// A start takes less on the busiest machine.
const START_WITHIN: Duration = Duration::from_secs(30);
/// A server that does not come up for so long, on a disk with room, is broken.
const STARTS_WITHIN: Duration = Duration::from_secs(90);

/// How `plimsoll` itself is started: compaction and upkeep as often as they go.
const PACE: [&str; 10] = [
    "--compact-after=4s",
    "--sweep-every=2s",
    "--upkeep-every=5s",
    "--vacuum-horizon=90s",
    "--log-kept=10m",
    "--otlp-listen",
    "127.0.0.1:0",
    "--listen",
    "127.0.0.1:0",
    "--data",
];

/// Makes the command that serves a data folder (the first path) on a disk that is as slow as a file (the second) says.
pub type SlowServer = fn(&Path, &Path) -> Command;

pub(super) struct Subject {
    pub(super) disk: SmallDisk,
    slow_server: SlowServer,
    slowness: PathBuf,
    log: PathBuf,
    running: Mutex<Option<Binary>>,
    at: RwLock<Option<Address>>,
    ended_by_itself: Mutex<Vec<String>>,
}

/// Where the server is now.
#[derive(Clone, Debug)]
pub(super) struct Address {
    otlp_url: String,
    api_url: String,
    pub(super) pid: u32,
}

impl Subject {
    /// Nothing runs yet. `folder` takes the server's log and what steers its disk.
    pub(super) fn new(disk: SmallDisk, folder: &Path, slow_server: SlowServer) -> Self {
        let slowness = folder.join("slowness.json");
        Slowness::default().set(&slowness);
        let log = folder.join("server.log");
        File::create(&log).expect("the folder takes files");
        let (running, at, ended_by_itself) = Default::default();
        Self { disk, slow_server, slowness, log, running, at, ended_by_itself }
    }

    /// Tries until it runs; the first keys, at the first start.
    pub(super) fn start(&self, program: Program) -> Result<Credentials, String> {
        let began = SystemClock.uptime();
        loop {
            match self.try_start(program, START_WITHIN) {
                Ok(keys) => return Ok(keys),
                Err(why) if SystemClock.uptime() - began > STARTS_WITHIN => return Err(why),
                Err(_) => std::thread::sleep(Duration::from_millis(300)),
            }
        }
    }

    /// Once; a server that is not ready in time is killed.
    pub(super) fn try_start(&self, program: Program, within: Duration) -> Result<Credentials, String> {
        let data = self.data();
        let inner = match program {
            Program::Plimsoll => {
                let mut command = Command::new(Binary::path());
                command.arg("serve").args(PACE).arg(&data);
                command
            }
            Program::OnSlowDisk => (self.slow_server)(&data, &self.slowness),
        };
        let mut command = self.disk.enter(&inner);
        let log = File::options().append(true).open(&self.log).expect("made by `new`");
        command.env("PLIMSOLL_LOG", "warn").stderr(log);
        let binary = Binary::try_start(command, &data, within)?;
        let keys = binary.keys.clone();
        let address = Address { otlp_url: keys.otlp_url.clone(), api_url: keys.api_url.clone(), pid: binary.pid() };
        *self.running() = Some(binary);
        self.set_address(Some(address));
        Ok(keys)
    }

    /// SIGKILL.
    pub(super) fn kill(&self) {
        self.set_address(None);
        if let Some(mut binary) = self.running().take() {
            self.note_end(&mut binary);
            binary.kill();
        }
    }

    /// SIGTERM, at the end; the exit code.
    pub(super) fn terminate(&self) -> Option<i32> {
        self.set_address(None);
        self.running().take().and_then(Binary::terminate)
    }

    pub(super) fn signal(&self, signal: Signal) {
        if let Some(binary) = self.running().as_ref() {
            binary.signal(signal);
        }
    }

    /// True if it runs; one that ended by itself is noted as such.
    pub(super) fn is_alive(&self) -> bool {
        let mut running = self.running();
        let is_alive = running.as_mut().is_some_and(|binary| !self.note_end(binary));
        if !is_alive {
            *running = None;
            self.set_address(None);
        }
        is_alive
    }

    pub(super) fn slow_down(&self, slowness: Slowness) {
        slowness.set(&self.slowness);
    }

    /// None while it is down.
    pub(super) fn address(&self) -> Option<Address> {
        self.at.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn ended_by_itself(&self) -> Vec<String> {
        self.ended_by_itself.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the servers wrote to their log.
    pub(super) fn said(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).expect("made by `new`")).into_owned()
    }

    /// As the server and whoever enters its disk see it.
    pub(super) fn data(&self) -> PathBuf {
        self.disk.path().join("data")
    }

    /// On the disk; none while there is ballast on it.
    pub(super) fn data_bytes(&self) -> Option<u64> {
        let had_ballast = self.disk.has_ballast();
        let used = self.disk.used_bytes();
        (!had_ballast && !self.disk.has_ballast()).then_some(used)
    }

    fn note_end(&self, binary: &mut Binary) -> bool {
        let ended = binary.ended();
        if let Some(status) = &ended {
            let said = format!("a server ended by itself: {status}");
            eprintln!("  FINDING {said}");
            self.ended_by_itself.lock().unwrap_or_else(PoisonError::into_inner).push(said);
        }
        ended.is_some()
    }

    fn running(&self) -> MutexGuard<'_, Option<Binary>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_address(&self, address: Option<Address>) {
        *self.at.write().unwrap_or_else(PoisonError::into_inner) = address;
    }
}

impl Address {
    /// The same client, pointed to where the server is now.
    pub(super) fn point(&self, client: &mut Client) {
        client.keys.otlp_url.clone_from(&self.otlp_url);
        client.keys.api_url.clone_from(&self.api_url);
    }
}
