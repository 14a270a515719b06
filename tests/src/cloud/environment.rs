//! One execution environment: a process of a function, the Runtime API that only it sees, and what Lambda does to it.
//!
//! As in Lambda it handles one event at a time and is frozen (SIGSTOP) from the moment it asks for the next event until
//! there is one: work that a function leaves behind stands still then, and what it waited for runs out. A process that
//! takes too long is killed with SIGKILL. It ends with this process, however this process ends.

use std::os::fd::OwnedFd;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use clock::{Clock, SystemClock};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::function::Function;
use super::invocation::{Answer, InvokeError};
use super::journal::Journal;
use super::{REGION, runtime_api};

/// An event on its way to a process.
pub(crate) struct Work {
    pub(crate) request_id: String,
    pub(crate) event: Bytes,
    pub(crate) function_arn: String,
    pub(crate) timeout: Duration,
    /// Told when the process has it.
    pub(crate) delivered: oneshot::Sender<()>,
    pub(crate) reply: oneshot::Sender<Result<Answer, InvokeError>>,
}

/// What a process is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Started, or working, or done but not yet asking for more.
    Busy {
        answered: bool,
    },
    /// Asked for an event; frozen.
    Idle,
    Ended,
}

pub(crate) struct Environment {
    pub(crate) pid: u32,
    process: OwnedFd,
    pub(crate) started: Duration,
    phase: Mutex<Phase>,
    /// The pool looks again: a phase has changed.
    changed: Arc<Notify>,
    work: mpsc::Sender<Work>,
    first_poll: watch::Sender<Option<Duration>>,
    /// How it ended.
    ended: watch::Sender<Option<String>>,
    /// `/tmp`, as far as `TMPDIR` reaches.
    _temporary: TempDir,
}

impl Environment {
    /// Starts a process, with the event that it is started for; without one it is idle once it asks.
    pub(crate) async fn start(
        function: Function,
        first: Option<Work>,
        changed: Arc<Notify>,
        journal: Arc<Journal>,
    ) -> std::io::Result<Arc<Self>> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let temporary = TempDir::with_prefix("plimsoll-lambda-")?;
        let started = SystemClock.uptime();
        let mut child = command(&function, &listener.local_addr()?.to_string(), &temporary).spawn()?;
        let pid = child.id().expect("it was not waited for");
        let pid = Pid::from_raw(i32::try_from(pid).expect("a process id")).expect("not 0");
        let (work, events) = mpsc::channel(1);
        if let Some(first) = first {
            work.try_send(first).expect("there is room for one");
        }
        let environment = Arc::new(Self {
            pid: pid.as_raw_nonzero().get().unsigned_abs(),
            process: pidfd_open(pid, PidfdFlags::empty())?,
            started,
            phase: Mutex::new(Phase::Busy { answered: false }),
            changed,
            work,
            first_poll: watch::Sender::new(None),
            ended: watch::Sender::new(None),
            _temporary: temporary,
        });
        for output in [reading(child.stdout.take()), reading(child.stderr.take())].into_iter().flatten() {
            tokio::spawn(keep_lines(output, function.name.clone(), Arc::clone(&journal)));
        }
        let api = axum::serve(listener, runtime_api::router(Arc::clone(&environment), events));
        tokio::spawn(see_it_end(Arc::clone(&environment), child, tokio::spawn(api.into_future())));
        Ok(environment)
    }

    pub(crate) fn phase(&self) -> Phase {
        *self.phase.lock().expect("not poisoned")
    }

    /// Takes it for an event, if it is idle.
    pub(crate) fn take(&self) -> bool {
        let mut phase = self.phase.lock().expect("not poisoned");
        let is_idle = *phase == Phase::Idle;
        if is_idle {
            *phase = Phase::Busy { answered: false };
        }
        is_idle
    }

    /// Hands it an event; whoever calls has taken it.
    pub(crate) async fn give(&self, work: Work) {
        // Whoever waits for the reply also watches its end.
        let _ = self.work.send(work).await;
    }

    /// The process asks for an event and there is none.
    pub(crate) fn idle(&self) {
        self.polled();
        self.set(Phase::Idle);
    }

    /// The process has given its answer, and is about to ask for the next event.
    pub(crate) fn answered(&self) {
        self.set(Phase::Busy { answered: true });
    }

    pub(crate) fn polled(&self) {
        self.first_poll.send_if_modified(|first| {
            let is_first = first.is_none();
            first.get_or_insert_with(|| SystemClock.uptime() - self.started);
            is_first
        });
    }

    /// How long it took until it asked for its first event; waits for that.
    pub(crate) async fn init(&self) -> Option<Duration> {
        let mut first_poll = self.first_poll.subscribe();
        tokio::select! {
            biased;
            polled = first_poll.wait_for(Option::is_some) => polled.ok().and_then(|took| *took),
            _ = self.end() => None,
        }
    }

    /// Waits until it has ended; how.
    pub(crate) async fn end(&self) -> String {
        let mut ended = self.ended.subscribe();
        let how = ended.wait_for(Option::is_some).await.expect("it is ours");
        how.clone().expect("waited for")
    }

    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    pub(crate) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// SIGKILL: no destructor runs, nothing is flushed.
    pub(crate) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// The most that it ever had resident.
    pub(crate) fn memory_peak_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib: Option<u64> = peak.and_then(|kib| kib.trim().trim_end_matches(" kB").parse().ok());
        kib.unwrap_or_default() * 1024
    }

    fn signal(&self, signal: Signal) {
        // It may have ended already; by the descriptor no other process can be meant.
        let _ = pidfd_send_signal(&self.process, signal);
    }

    fn set(&self, to: Phase) {
        let mut phase = self.phase.lock().expect("not poisoned");
        if *phase != Phase::Ended {
            *phase = to;
        }
        drop(phase);
        self.changed.notify_waiters();
    }
}

/// The program with Lambda's own variables and nothing else of ours; it dies with the thread that starts it, which is one of
/// the runtime's workers.
fn command(function: &Function, runtime_api: &str, temporary: &TempDir) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(&function.program);
    command
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("LANG", "en_US.UTF-8")
        .env("TZ", ":UTC")
        .env("TMPDIR", temporary.path())
        .env("_HANDLER", "bootstrap")
        .env("AWS_REGION", REGION)
        .env("AWS_DEFAULT_REGION", REGION)
        .env("AWS_LAMBDA_FUNCTION_NAME", &function.name)
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", function.memory_mib.to_string())
        .env("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", function.name))
        .env("AWS_LAMBDA_LOG_STREAM_NAME", "dev-cloud")
        .env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
        .env("AWS_LAMBDA_RUNTIME_API", runtime_api)
        .envs(&function.environment)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn see_it_end(environment: Arc<Environment>, mut child: Child, api: JoinHandle<std::io::Result<()>>) {
    let how = match child.wait().await {
        Ok(status) => told(status),
        Err(error) => format!("cannot be waited for: {error}"),
    };
    environment.set(Phase::Ended);
    environment.ended.send_replace(Some(how));
    api.abort();
}

/// In Lambda's words.
fn told(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(9)) => "signal: killed".to_owned(),
        (None, signal) => format!("signal: {}", signal.unwrap_or_default()),
    }
}

fn reading(output: Option<impl AsyncRead + Send + Unpin + 'static>) -> Option<Box<dyn AsyncRead + Send + Unpin>> {
    Some(Box::new(output?))
}

async fn keep_lines(output: Box<dyn AsyncRead + Send + Unpin>, function: String, journal: Arc<Journal>) {
    let mut lines = BufReader::new(output).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        journal.said(&function, String::from_utf8_lossy(&line).into_owned());
    }
}
