//! Lambda itself: functions by name, their execution environments, and one way to invoke them.
//!
//! Environments are started when none is free, reused while they are warm, the latest first, and thrown away when they end. A
//! test can kill one in the middle of an invocation, or all that are warm.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use clock::{Clock, Ids, RandomIds, SystemClock, within};
use tokio::sync::{Notify, oneshot};

use super::environment::{Environment, Phase, Work};
use super::function::Function;
use super::invocation::{Answer, InvokeError, Invoked, PAYLOAD_BYTES_MAX, Summary};
use super::journal::Journal;

/// A process that does not ask for an event by then is killed.
const INIT_WITHIN: Duration = Duration::from_secs(10);
/// An environment that has answered asks for its next event any moment: as long as this is waited before throttling.
const ASKS_AGAIN_WITHIN: Duration = Duration::from_secs(2);
/// What a process said before it ended is in the hands of its Runtime API by then.
const LAST_WORDS_WITHIN: Duration = Duration::from_millis(200);

/// All functions of an account.
pub struct Lambda {
    pools: BTreeMap<String, Arc<Pool>>,
    journal: Arc<Journal>,
}

struct Pool {
    function: Function,
    environments: Mutex<Environments>,
    changed: Arc<Notify>,
    /// How long the next invocations live.
    kills: Mutex<VecDeque<Duration>>,
    journal: Arc<Journal>,
}

#[derive(Default)]
struct Environments {
    living: Vec<Arc<Environment>>,
    n_starting: usize,
}

/// What can be had for an event.
enum Slot {
    Warm(Arc<Environment>),
    /// One more may be started; it is counted already.
    Cold,
    /// All are at work, but one has answered.
    Soon,
    Full,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    Warm,
    Cold,
}

/// An invocation as it went.
struct Run {
    result: Result<Answer, InvokeError>,
    took: Duration,
    init: Option<Duration>,
    memory_peak_bytes: u64,
}

impl Lambda {
    pub fn new(functions: impl IntoIterator<Item = Function>) -> Self {
        let journal = Arc::new(Journal::default());
        let pool = |function: Function| {
            let pool = Pool {
                environments: Mutex::default(),
                changed: Arc::default(),
                kills: Mutex::default(),
                journal: Arc::clone(&journal),
                function,
            };
            (pool.function.name.clone(), Arc::new(pool))
        };
        Self { pools: functions.into_iter().map(pool).collect(), journal }
    }

    /// Invokes and waits for the answer. `what` is for the journal. An invocation runs on when nobody waits for it.
    pub async fn invoke(&self, function: &str, what: &str, event: Bytes) -> Result<Answer, InvokeError> {
        let pool = self.pool(function)?;
        let what = what.to_owned();
        let invocation = tokio::spawn(async move { pool.invoke(what, event).await });
        invocation.await.expect("an invocation does not panic")
    }

    /// Starts a process and waits until it asks for its first event; how long that took.
    pub async fn warm_up(&self, function: &str) -> Result<Duration, InvokeError> {
        let pool = self.pool(function)?;
        pool.environments().n_starting += 1;
        let environment = pool.start(None).await?;
        environment.init().await.ok_or_else(|| InvokeError::failed("Runtime.ExitError", "it ended while it started"))
    }

    /// The next invocation of the function that has no such end yet is killed `after` it got its event, if it is not done.
    pub fn kill_next(&self, function: &str, after: Duration) {
        self.known(function).kills.lock().expect("not poisoned").push_back(after);
    }

    /// Nothing that is to come is killed any more.
    pub fn kill_no_more(&self, function: &str) {
        self.known(function).kills.lock().expect("not poisoned").clear();
    }

    /// Kills every process of a function that does nothing: the next invocations start cold.
    pub fn cool_down(&self, function: &str) {
        let idle = |environment: &mut Arc<Environment>| environment.take();
        self.known(function).environments().living.extract_if(.., idle).for_each(|environment| environment.kill());
    }

    pub fn journal(&self) -> &Arc<Journal> {
        &self.journal
    }

    pub fn functions(&self) -> impl Iterator<Item = &Function> {
        self.pools.values().map(|pool| &pool.function)
    }

    /// Process ids of a function, also of those that are frozen.
    pub fn processes(&self, function: &str) -> Vec<u32> {
        let environments = self.known(function).environments();
        let living = environments.living.iter().filter(|environment| environment.phase() != Phase::Ended);
        living.map(|environment| environment.pid).collect()
    }

    fn known(&self, function: &str) -> &Pool {
        self.pools.get(function).unwrap_or_else(|| panic!("no function is named {function}"))
    }

    fn pool(&self, function: &str) -> Result<Arc<Pool>, InvokeError> {
        self.pools.get(function).cloned().ok_or_else(|| InvokeError::Unknown(function.to_owned()))
    }
}

impl Drop for Lambda {
    fn drop(&mut self) {
        for pool in self.pools.values() {
            pool.environments().living.drain(..).for_each(|environment| environment.kill());
        }
    }
}

impl Pool {
    async fn invoke(&self, what: String, event: Bytes) -> Result<Answer, InvokeError> {
        let request_id = request_id();
        let run = self.run(&request_id, event).await;
        let result = run.result.as_ref().map(Summary::of).map_err(Clone::clone);
        self.journal.ended(Invoked {
            function: self.function.name.clone(),
            request_id,
            what,
            ended_at: SystemClock.now(),
            took: run.took,
            init: run.init,
            memory_peak_bytes: run.memory_peak_bytes,
            result,
        });
        run.result
    }

    async fn run(&self, request_id: &str, event: Bytes) -> Run {
        if event.len() > PAYLOAD_BYTES_MAX {
            return Run::never(InvokeError::EventTooLarge { bytes: event.len() });
        }
        let (delivered, is_delivered) = oneshot::channel();
        let (reply, answer) = oneshot::channel();
        let work = Work {
            request_id: request_id.to_owned(),
            event,
            function_arn: self.function.arn(),
            timeout: self.function.timeout,
            delivered,
            reply,
        };
        let (environment, start) = match self.place(work).await {
            Ok(placed) => placed,
            Err(error) => return Run::never(error),
        };
        tokio::select! {
            biased;
            _ = is_delivered => {}
            // What its Runtime API was told of the reason comes by the answer.
            _ = environment.end() => {}
            () = SystemClock.sleep(INIT_WITHIN) => {
                environment.kill();
                return Run::never(InvokeError::failed("Sandbox.Timedout", format!("init took over {INIT_WITHIN:?}")));
            }
        }
        let init = match start {
            Start::Cold => within(&SystemClock, Duration::ZERO, environment.init()).await.flatten(),
            Start::Warm => None,
        };
        let since = SystemClock.uptime();
        let result = self.answer(&environment, answer).await;
        let memory_peak_bytes = environment.memory_peak_bytes();
        Run { result, took: SystemClock.uptime() - since, init, memory_peak_bytes }
    }

    /// Waits for it for as long as the process may live.
    async fn answer(
        &self,
        environment: &Environment,
        answer: oneshot::Receiver<Result<Answer, InvokeError>>,
    ) -> Result<Answer, InvokeError> {
        let timeout = self.function.timeout;
        let kill_after = match environment.phase() {
            Phase::Ended => None,
            _ => self.kills.lock().expect("not poisoned").pop_front(),
        };
        let answered = async {
            match answer.await {
                Ok(answer) => answer,
                // Dropped with its Runtime API.
                Err(_) => Err(exited(&environment.end().await)),
            }
        };
        tokio::pin!(answered);
        tokio::select! {
            biased;
            answer = &mut answered => answer,
            // What it said before may still be read from its connection.
            how = environment.end() => {
                within(&SystemClock, LAST_WORDS_WITHIN, &mut answered).await.unwrap_or_else(|| Err(exited(&how)))
            }
            () = SystemClock.sleep(kill_after.unwrap_or(timeout)) => {
                environment.kill();
                let how = environment.end().await;
                match kill_after {
                    Some(_) => Err(exited(&how)),
                    None => Err(InvokeError::failed(
                        "Sandbox.Timedout",
                        format!("Task timed out after {:.2} seconds", timeout.as_secs_f64()),
                    )),
                }
            }
        }
    }

    /// Gives the event to a free environment, or to one that is started for it.
    async fn place(&self, work: Work) -> Result<(Arc<Environment>, Start), InvokeError> {
        let asks_again = SystemClock.sleep(ASKS_AGAIN_WITHIN);
        tokio::pin!(asks_again);
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            match self.slot() {
                Slot::Warm(environment) => {
                    environment.give(work).await;
                    return Ok((environment, Start::Warm));
                }
                Slot::Cold => return Ok((self.start(Some(work)).await?, Start::Cold)),
                Slot::Full => return Err(InvokeError::Throttled),
                Slot::Soon => tokio::select! {
                    () = changed => {}
                    () = &mut asks_again => return Err(InvokeError::Throttled),
                },
            }
        }
    }

    fn slot(&self) -> Slot {
        let mut environments = self.environments();
        environments.living.retain(|environment| environment.phase() != Phase::Ended);
        if let Some(idle) = environments.living.iter().rev().find(|environment| environment.take()) {
            return Slot::Warm(Arc::clone(idle));
        }
        if environments.living.len() + environments.n_starting < self.function.concurrency_max {
            environments.n_starting += 1;
            return Slot::Cold;
        }
        let has_answered = |environment: &Arc<Environment>| environment.phase() == Phase::Busy { answered: true };
        if environments.living.iter().any(has_answered) { Slot::Soon } else { Slot::Full }
    }

    /// One that was counted as starting. The task that starts it runs on a worker, with which the process would end.
    async fn start(&self, first: Option<Work>) -> Result<Arc<Environment>, InvokeError> {
        let starting =
            Environment::start(self.function.clone(), first, Arc::clone(&self.changed), Arc::clone(&self.journal));
        let started = tokio::spawn(starting).await.expect("a start does not panic");
        let mut environments = self.environments();
        environments.n_starting -= 1;
        let environment = started.map_err(|error| {
            let program = self.function.program.display();
            InvokeError::failed("Runtime.InvalidEntrypoint", format!("{program} does not start: {error}"))
        })?;
        environments.living.push(Arc::clone(&environment));
        Ok(environment)
    }

    fn environments(&self) -> MutexGuard<'_, Environments> {
        self.environments.lock().expect("not poisoned")
    }
}

impl Run {
    /// The function did not get the event.
    fn never(error: InvokeError) -> Self {
        Self { result: Err(error), took: Duration::ZERO, init: None, memory_peak_bytes: 0 }
    }
}

fn exited(how: &str) -> InvokeError {
    InvokeError::failed("Runtime.ExitError", format!("Runtime exited with error: {how}"))
}

/// In AWS's form, 8-4-4-4-12.
pub(crate) fn request_id() -> String {
    let id = RandomIds.fresh();
    [&id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]].join("-")
}
