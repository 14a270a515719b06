//! The one thread that writes: group commit, and the sweep of what has expired.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use clock::Clock;
use meta::StoreError;
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use super::table::{self, Trouble, Write};
use crate::{OpenError, sqlite};

/// Most submissions waiting; further ones are refused as busy.
const WAITING_MAX: usize = 8_192;
/// Most submissions of one commit, so that nobody waits long for company.
const COMMIT_JOBS_MAX: usize = 512;
/// How often expired items are looked for, and how many go in one commit.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
const SWEEP_ROWS_MAX: u32 = 1_000;

/// The door to the thread. Dropping it lets the thread finish what was submitted, and waits for that.
pub(super) struct Writer {
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

struct Job {
    writes: Vec<Write>,
    reply: oneshot::Sender<Result<u64, StoreError>>,
}

impl Writer {
    pub(super) fn start(connection: Connection, path: &Path, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let (jobs, waiting) = sync_channel(WAITING_MAX);
        let desk = Desk { connection, path: path.to_owned(), clock };
        let thread = std::thread::Builder::new()
            .name("items-writer".into())
            .spawn(move || desk.run(&waiting))
            .map_err(|source| OpenError::Io { act: "start the writer of", path: path.to_owned(), source })?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// All or nothing; answered after the commit.
    pub(super) async fn submit(&self, writes: Vec<Write>) -> Result<u64, StoreError> {
        let (reply, answer) = oneshot::channel();
        let jobs = self.jobs.as_ref().expect("only drop takes it");
        jobs.try_send(Job { writes, reply }).map_err(|refused| match refused {
            TrySendError::Full(_) => nothing_happened(format!("{WAITING_MAX} writes are waiting already")),
            TrySendError::Disconnected(_) => nothing_happened("the writer has stopped".to_owned()),
        })?;
        answer.await.unwrap_or_else(|lost| Err(StoreError::unavailable("the writer stopped in between", lost)))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the writer of the metadata store panicked");
        }
    }
}

/// What the thread works with.
struct Desk {
    connection: Connection,
    path: PathBuf,
    clock: Arc<dyn Clock>,
}

impl Desk {
    fn run(mut self, waiting: &Receiver<Job>) {
        let mut swept_at = self.clock.uptime();
        loop {
            match waiting.recv_timeout(SWEEP_EVERY) {
                Ok(first) => self.serve(first, waiting),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            // One small bite at a time; with more left over, the next follows the next commit or comes after the pause.
            if self.clock.uptime().saturating_sub(swept_at) >= SWEEP_EVERY && self.sweep() < SWEEP_ROWS_MAX as usize {
                swept_at = self.clock.uptime();
            }
        }
    }

    /// Commits everything that waits together, then answers everybody.
    fn serve(&mut self, first: Job, waiting: &Receiver<Job>) {
        let mut jobs = vec![first];
        jobs.extend(waiting.try_iter().take(COMMIT_JOBS_MAX - 1));
        match self.commit(&jobs) {
            Ok(answers) => {
                for (job, answer) in jobs.into_iter().zip(answers) {
                    // A caller that is gone does not care.
                    let _ = job.reply.send(answer);
                }
            }
            Err(failure) => {
                let failure = failure.shared(&self.path);
                for job in jobs {
                    let _ = job.reply.send(Err(failure()));
                }
            }
        }
    }

    /// Conditions that failed are an answer like any other: they too are told only after the commit they were decided in.
    fn commit(&mut self, jobs: &[Job]) -> Result<Vec<Result<u64, StoreError>>, Failure> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(Failure::before)?;
        let mut answers = Vec::with_capacity(jobs.len());
        for job in jobs {
            answers.push(match table::apply(&transaction, &job.writes, self.clock.now()) {
                Ok(version) => Ok(version),
                Err(Trouble::Item(error)) => Err(error),
                // Takes the whole commit back: the transaction rolls back when it is dropped.
                Err(Trouble::Sqlite(error)) => return Err(Failure::before(error)),
            });
        }
        transaction.commit().map_err(Failure::at_commit)?;
        Ok(answers)
    }

    /// How many items it removed. Nothing depends on it, so trouble is only told.
    fn sweep(&mut self) -> usize {
        table::sweep(&self.connection, self.clock.now(), SWEEP_ROWS_MAX).unwrap_or_else(|error| {
            tracing::warn!("{}", sqlite::describe("sweep expired items from", &self.path, &error));
            0
        })
    }
}

/// A commit that failed, for everybody in it.
struct Failure {
    error: Arc<rusqlite::Error>,
    may_have_happened: bool,
}

impl Failure {
    fn before(error: rusqlite::Error) -> Self {
        Self { error: Arc::new(error), may_have_happened: false }
    }

    /// The log may hold the commit although its fsync failed; a restart would find it.
    fn at_commit(error: rusqlite::Error) -> Self {
        Self { error: Arc::new(error), may_have_happened: true }
    }

    /// Makes the error once for each.
    fn shared(self, path: &Path) -> impl Fn() -> StoreError {
        let context = sqlite::describe("write", path, &self.error);
        move || StoreError::Unavailable {
            context: context.clone(),
            may_have_happened: self.may_have_happened,
            source: Some(Box::new(Arc::clone(&self.error))),
        }
    }
}

fn nothing_happened(context: String) -> StoreError {
    StoreError::Unavailable { context, may_have_happened: false, source: None }
}
