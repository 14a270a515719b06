//! The real binary, as a user starts it; it can be killed as only a kernel can.

use std::io::{BufRead, BufReader, Lines};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use local::serve::Credentials;
use rustix::process::{Pid, Signal, kill_process};

use crate::Client;

/// Time for a start on a busy machine.
const START_WITHIN: Duration = Duration::from_secs(60);

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

    /// Starts what says on stdout where it listens, as `plimsoll serve` does, and waits until it has.
    pub fn start(command: Command, data: &Path) -> Self {
        Self::try_start(command, data, START_WITHIN).unwrap_or_else(|why| panic!("{why}"))
    }

    /// The same; a server that ends, or is not ready within `within` and is killed for it, is told of.
    pub fn try_start(mut command: Command, data: &Path, within: Duration) -> Result<Self, String> {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the binary starts");
        let (ready, addresses) = channel();
        let lines = BufReader::new(child.stdout.take().expect("piped above")).lines();
        // Reads on when it has told them, so that the server never waits for us.
        std::thread::spawn(move || addresses_in(lines, &ready));
        let told = addresses.recv_timeout(within).map_err(|why| match why {
            RecvTimeoutError::Timeout => format!("it was not ready within {within:?}"),
            RecvTimeoutError::Disconnected => "it ended before it was ready".to_owned(),
        });
        match told {
            Ok((otlp_url, api_url)) => {
                let stored =
                    std::fs::read(seen_by(child.id(), &data.join("credentials.json"))).expect("credentials.json");
                let keys: Credentials = serde_json::from_slice(&stored).expect("credentials are JSON");
                Ok(Self { child, client: Client::new(Credentials { otlp_url, api_url, ..keys }) })
            }
            Err(why) => {
                // It may have ended already.
                let _ = child.kill();
                let _ = child.wait();
                Err(why)
            }
        }
    }

    /// SIGKILL: no destructor runs, no buffer is flushed.
    pub fn kill(mut self) {
        self.child.kill().expect("it was running");
        self.child.wait().expect("it was ours");
    }

    /// SIGTERM; returns once it has ended, with its exit code.
    pub fn terminate(mut self) -> Option<i32> {
        self.signal(Signal::TERM);
        self.child.wait().expect("it was ours").code()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it was running");
    }

    /// Whether it ended by itself, and how.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("it is ours")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

/// A path as a process sees it, which may have mounts of its own.
fn seen_by(pid: u32, path: &Path) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/root{}", path.display()))
}

/// Tells the URLs of OTLP and of the API once both were said; reads to the end.
fn addresses_in(lines: Lines<impl BufRead>, ready: &Sender<(String, String)>) {
    // `OTLP/HTTP  http://127.0.0.1:4318/v1/traces, ...`
    let url = |line: &str, name: &str, path: &str| {
        let rest = line.trim().strip_prefix(name)?.trim();
        rest.split_once(path).map(|(url, _)| url.to_owned())
    };
    let mut otlp_url = None;
    // A server that is killed may end in the middle of a character.
    for line in lines.map_while(Result::ok) {
        otlp_url = otlp_url.or_else(|| url(&line, "OTLP/HTTP", "/v1/"));
        if let (Some(otlp_url), Some(api_url)) = (&otlp_url, url(&line, "API", "/api/")) {
            // Nobody waits any more: it took too long, and was killed for it.
            let _ = ready.send((otlp_url.clone(), api_url));
        }
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
