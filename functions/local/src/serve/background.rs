//! What runs beside the two ports: the compaction worker, the sweeper, upkeep, and the settling of quotas.
//!
//! On a runtime of its own, whose threads stand back where the processors are busy, so that sorting a batch delays no
//! acknowledgement.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use boot::CancellationToken;
use compact::{Chores, Deadline, Fate};
use meta::quota::{Quota, SETTLE_EVERY};
use meta::{Message, Queue};
use tokio::runtime::{Builder, Runtime};

/// How long an empty queue is left alone.
const POLL_EVERY: Duration = Duration::from_millis(500);
/// Messages of one reception.
const MESSAGES_MAX: usize = 10;
/// Time for the tables of one reception; their messages stay hidden for longer.
const WORK_TIME: Duration = Duration::from_secs(15 * 60);
const VISIBILITY: Duration = Duration::from_secs(20 * 60);
/// A thread of the background gets about a third of what another gets while all are busy; alone it gets everything.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 5;
/// Time for one sweep, and for one round of upkeep.
const SWEEP_TIME: Duration = Duration::from_secs(10 * 60);
const UPKEEP_TIME: Duration = Duration::from_secs(30 * 60);
/// How long a stop waits for work under way; what is cut off is taken up by the next start.
const STOP_WITHIN: Duration = Duration::from_secs(3);

/// How often the timers strike.
#[derive(Clone, Copy, Debug)]
pub struct Rhythm {
    pub sweep_every: Duration,
    pub upkeep_every: Duration,
}

impl Default for Rhythm {
    fn default() -> Self {
        Self { sweep_every: Duration::from_secs(30), upkeep_every: Duration::from_secs(10 * 60) }
    }
}

/// The running background; stopped by [`Background::stop`].
pub(crate) struct Background {
    runtime: Option<Runtime>,
    stop: CancellationToken,
    quota: Arc<Quota>,
}

impl Background {
    pub(crate) fn start(
        app: Arc<compact::App>,
        queue: Arc<dyn Queue>,
        quota: Arc<Quota>,
        rhythm: Rhythm,
    ) -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("background")
            .thread_stack_size(crate::STACK_BYTES)
            .on_thread_start(stand_back)
            .enable_all()
            .build()?;
        let stop = CancellationToken::new();
        runtime.spawn(until(stop.clone(), work(Arc::clone(&app), queue)));
        let sweeper = Arc::clone(&app);
        runtime.spawn(until(stop.clone(), every(rhythm.sweep_every, move || sweep(Arc::clone(&sweeper)))));
        runtime.spawn(until(stop.clone(), every(rhythm.upkeep_every, move || upkeep(Arc::clone(&app)))));
        let settled = Arc::clone(&quota);
        runtime.spawn(until(stop.clone(), every(SETTLE_EVERY, move || settle(Arc::clone(&settled)))));
        Ok(Self { runtime: Some(runtime), stop, quota })
    }

    /// Where work that may be heavy is to run.
    pub(crate) fn handle(&self) -> tokio::runtime::Handle {
        self.runtime.as_ref().expect("taken only when it is stopped").handle().clone()
    }

    /// Lets go of what runs: a pass that is cut off is a worker that died, and the ledger says where to go on.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        self.quota.settle().await;
        if let Some(runtime) = self.runtime.take() {
            // Waits for blocking work; a task must not do that on the runtime it runs on.
            let ended = tokio::task::spawn_blocking(move || runtime.shutdown_timeout(STOP_WITHIN)).await;
            if let Err(error) = ended {
                tracing::error!(%error, "the background did not stop cleanly");
            }
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Linux counts niceness by thread, others by process.
fn stand_back() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "a background thread does not stand back");
    }
}

async fn until(stop: CancellationToken, task: impl Future<Output = ()>) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = task => {}
    }
}

async fn every<F: Future<Output = ()>>(period: Duration, mut act: impl FnMut() -> F) {
    loop {
        tokio::time::sleep(period).await;
        act().await;
    }
}

/// Takes triggers off the queue for ever.
async fn work(app: Arc<compact::App>, queue: Arc<dyn Queue>) {
    loop {
        let messages = match queue.receive(MESSAGES_MAX, VISIBILITY).await {
            Ok(messages) => messages,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "queue did not answer");
                Vec::new()
            }
        };
        if messages.is_empty() {
            tokio::time::sleep(POLL_EVERY).await;
            continue;
        }
        see_to(&app, queue.as_ref(), messages).await;
    }
}

/// One reception: what is done leaves the queue, what is to be tried again comes back by itself.
async fn see_to(app: &compact::App, queue: &dyn Queue, messages: Vec<Message>) {
    let bodies: Vec<&str> = messages.iter().map(|message| message.body.as_str()).collect();
    let fates = compact::see_to(app, &bodies, Deadline::after(app.clock.as_ref(), WORK_TIME)).await;
    for (message, fate) in messages.iter().zip(fates) {
        if fate == Fate::Leaves {
            delete(queue, &message.receipt).await;
        }
    }
}

async fn delete(queue: &dyn Queue, receipt: &str) {
    if let Err(error) = queue.delete(receipt).await {
        tracing::warn!(error = &error as &dyn std::error::Error, "a message will come again");
    }
}

async fn sweep(app: Arc<compact::App>) {
    if let Err(error) = compact::sweep(&app, Deadline::after(app.clock.as_ref(), SWEEP_TIME)).await {
        tracing::warn!(error = &error as &dyn std::error::Error, "the sweep broke off");
    }
}

async fn settle(quota: Arc<Quota>) {
    quota.settle().await;
}

async fn upkeep(app: Arc<compact::App>) {
    let deadline = Deadline::after(app.clock.as_ref(), UPKEEP_TIME);
    if let Err(error) = compact::maintain_all(&app, Chores::All, deadline).await {
        tracing::warn!(error = &error as &dyn std::error::Error, "upkeep broke off");
    }
}
