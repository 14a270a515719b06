//! The real binary, as a user starts it; it can be killed as only a kernel can.

use std::io::{BufRead, BufReader};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use local::serve::Credentials;

use crate::Client;

/// A running `plimsoll serve`; killed when dropped.
pub struct Binary {
    child: Child,
    client: Client,
}

impl Binary {
    /// Where cargo put it, beside the test binary that runs.
    pub fn path() -> PathBuf {
        let test = std::env::current_exe().expect("the test binary has a path");
        let path = test.ancestors().nth(2).expect("target/debug").join("plimsoll");
        assert!(path.exists(), "{} is missing: `make test` builds it first", path.display());
        path
    }

    /// `plimsoll serve` on the given data and ports of its own.
    pub fn command(data: &Path, more: &[&str]) -> Command {
        let mut command = Command::new(Self::path());
        command
            .args(["serve", "--otlp-listen", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .args(more);
        command
    }

    /// Starts it and waits until it is ready.
    pub fn serve(data: &Path, more: &[&str]) -> Self {
        Self::start(Self::command(data, more), data)
    }

    /// Starts it with `data` on a disk of its own that holds `bytes`, which only it and [`Binary::inside`] see.
    pub fn serve_on_small_disk(data: &Path, bytes: u64, more: &[&str]) -> Self {
        let script = format!("mount -t tmpfs -o size={bytes} tmpfs \"$0\" && exec \"$@\"");
        let inner = Self::command(data, more);
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", &script]).arg(data).arg(inner.get_program());
        command.args(inner.get_args());
        Self::start(command, data)
    }

    /// A path as the server sees it.
    pub fn inside(&self, path: &Path) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{}", self.pid(), path.display()))
    }

    /// Starts what says on stdout where it listens, as `plimsoll serve` does, and waits until it has.
    pub fn start(mut command: Command, data: &Path) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the binary starts");
        let lines = BufReader::new(child.stdout.take().expect("piped above"));
        let (mut otlp_url, mut api_url) = (None, None);
        let mut lines = lines.lines();
        for line in lines.by_ref() {
            let line = line.expect("stdout is text");
            // `OTLP/HTTP  http://127.0.0.1:4318/v1/traces, ...`
            let url = |name: &str, path: &str| {
                let rest = line.trim().strip_prefix(name)?.trim();
                rest.split_once(path).map(|(url, _)| url.to_owned())
            };
            otlp_url = otlp_url.or_else(|| url("OTLP/HTTP", "/v1/"));
            api_url = api_url.or_else(|| url("API", "/api/"));
            if otlp_url.is_some() && api_url.is_some() {
                break;
            }
        }
        // The rest of its output is read and dropped, so that it never waits for us.
        std::thread::spawn(move || lines.for_each(drop));
        let seen_by_it = format!("/proc/{}/root{}", child.id(), data.join("credentials.json").display());
        let stored = std::fs::read(seen_by_it).expect("credentials.json");
        let keys: Credentials = serde_json::from_slice(&stored).expect("credentials are JSON");
        let keys = Credentials {
            otlp_url: otlp_url.expect("it said where OTLP goes"),
            api_url: api_url.expect("it said where the API is"),
            ..keys
        };
        Self { child, client: Client::new(keys) }
    }

    /// SIGKILL: no destructor runs, no buffer is flushed.
    pub fn kill(mut self) {
        self.child.kill().expect("it was running");
        self.child.wait().expect("it was ours");
    }

    /// SIGTERM; returns once it has ended, with its exit code.
    pub fn terminate(mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it was running");
        self.child.wait().expect("it was ours").code()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Deref for Binary {
    type Target = Client;
    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Drop for Binary {
    fn drop(&mut self) {
        // Ended already: nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
