//! The stage: every outside call of every process waits here until the director lets it go, and takes effect at once or
//! not at all. Between two calls nothing that a process does can be seen by others, so the order of calls is the whole
//! run: who draws that order from a seed can draw it again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::{Future, pending};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use clock::Sleep;
use futures::FutureExt;
use model::panic_words;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

/// A process of the world, never used twice; 0 is the network, where calls are whose caller gave up or died.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ProcessId(pub u32);

pub(crate) const NETWORK: ProcessId = ProcessId(0);

/// Whether a call changes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Effect {
    Reads,
    Writes,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Go,
    /// It fails and does nothing.
    FailBefore,
    /// It takes effect, and its caller is told that it failed.
    LoseReply,
    /// Its caller is told that it failed, and it takes effect later, or never.
    LandLater,
}

/// A call that waits, in the order in which calls are told apart: it does not depend on which came first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Call {
    pub process: ProcessId,
    pub label: String,
    pub effect: Effect,
    nth: u64,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.process {
            NETWORK => write!(f, "network: {}", self.label),
            ProcessId(id) => write!(f, "p{id}: {}", self.label),
        }
    }
}

/// Turns of the runtime in which nothing moves until nothing will.
const QUIET_TURNS: u32 = 4;

/// See the module.
#[derive(Default)]
pub(crate) struct Stage {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: BTreeMap<Call, oneshot::Sender<Verdict>>,
    actors: BTreeMap<ProcessId, Vec<AbortHandle>>,
    dead: BTreeSet<ProcessId>,
    /// Who sleeps until when, by the time since the world began.
    sleepers: BTreeMap<(Duration, u64), oneshot::Sender<()>>,
    now: Duration,
    /// Whatever arrived, ended or fell asleep so far.
    moves: u64,
    /// The words of a task's panic.
    panicked: Option<String>,
}

impl Stage {
    /// Takes the calls of a process one by one. `act` is what the call does; it must do all of it without waiting.
    pub(crate) async fn call<T, E, F>(
        self: &Arc<Self>,
        process: ProcessId,
        effect: Effect,
        label: String,
        act: F,
        lost: fn() -> E,
    ) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        let verdict = self.arrive(process, effect, label.clone());
        let (tell, told) = oneshot::channel();
        let stage = Arc::clone(self);
        // A task of its own: a call that is under way goes on without its caller.
        tokio::spawn(async move {
            let Ok(verdict) = verdict.await else { return };
            stage.moved();
            // Nobody is told if the caller is gone.
            let _ = match verdict {
                Verdict::Go => tell.send(act.await),
                Verdict::FailBefore => tell.send(Err(lost())),
                Verdict::LoseReply => tell.send(act.await.and_then(|_| Err(lost()))),
                Verdict::LandLater => {
                    let told = tell.send(Err(lost()));
                    if stage.arrive(NETWORK, effect, label).await.is_ok() {
                        let _ = act.await;
                    }
                    told
                }
            };
        });
        match told.await {
            Ok(answer) => answer,
            // The call was taken from the stage with its process: nobody answers.
            Err(_) => pending().await,
        }
    }

    fn arrive(&self, process: ProcessId, effect: Effect, label: String) -> oneshot::Receiver<Verdict> {
        let (sender, verdict) = oneshot::channel();
        let mut state = self.state();
        state.moves += 1;
        let call = Call { process, label, effect, nth: state.moves };
        if !state.dead.contains(&process) {
            state.waiting.insert(call, sender);
        }
        verdict
    }

    /// Lets a task of a process begin.
    pub(crate) fn enter(self: &Arc<Self>, process: ProcessId, task: impl Future<Output = ()> + Send + 'static) {
        let stage = Arc::clone(self);
        let task = async move {
            if let Err(panic) = AssertUnwindSafe(task).catch_unwind().await {
                stage.state().panicked = Some(panic_words(panic.as_ref()));
            }
        };
        let handle = tokio::spawn(task).abort_handle();
        self.state().actors.entry(process).or_default().push(handle);
    }

    /// Waits until every task waits, here or for time to pass. There is one thread, and no task waits for anything else:
    /// when nothing has moved for some turns of the runtime, nothing will.
    pub(crate) async fn settle(&self) {
        let (mut quiet, mut moves) = (0, self.state().moves);
        while quiet < QUIET_TURNS {
            tokio::task::yield_now().await;
            let now = self.state().moves;
            quiet = if now == moves { quiet + 1 } else { 0 };
            moves = now;
        }
    }

    /// Ends when so much time has passed on the stage.
    pub(crate) fn sleep(&self, time: Duration) -> Sleep {
        let (wake, woken) = oneshot::channel();
        let mut state = self.state();
        state.moves += 1;
        let (until, nth) = (state.now + time, state.moves);
        state.sleepers.insert((until, nth), wake);
        drop(state);
        Box::pin(async move { drop(woken.await) })
    }

    /// Time passes for all who sleep.
    pub(crate) fn pass(&self, time: Duration) {
        let mut state = self.state();
        state.now += time;
        let now = state.now;
        let later = state.sleepers.split_off(&(now, u64::MAX));
        let woken = std::mem::replace(&mut state.sleepers, later);
        state.moves += woken.len() as u64;
        for sleeper in woken.into_values() {
            let _ = sleeper.send(());
        }
    }

    /// How long until somebody wakes up; none: nobody sleeps.
    pub(crate) fn until_next(&self) -> Option<Duration> {
        let mut state = self.state();
        state.sleepers.retain(|_, sleeper| !sleeper.is_closed());
        let next = state.sleepers.keys().next().map(|(until, _)| *until);
        next.map(|until| until.saturating_sub(state.now))
    }

    fn moved(&self) {
        self.state().moves += 1;
    }

    /// All calls that wait, in their order.
    pub(crate) fn waiting(&self) -> Vec<Call> {
        self.state().waiting.keys().cloned().collect()
    }

    pub(crate) fn release(&self, call: &Call, verdict: Verdict) {
        let mut state = self.state();
        state.moves += 1;
        let sender = state.waiting.remove(call).expect("it was seen waiting");
        let _ = sender.send(verdict);
    }

    /// A call that was under way is lost.
    pub(crate) fn drop_call(&self, call: &Call) {
        self.state().waiting.remove(call);
    }

    pub(crate) fn panicked(&self) -> Option<String> {
        self.state().panicked.clone()
    }

    /// Ends a process where it is. Of its calls, those that `goes_on` says stay under way without it.
    pub(crate) fn kill(&self, process: ProcessId, mut goes_on: impl FnMut(&Call) -> bool) {
        let mut state = self.state();
        state.dead.insert(process);
        for actor in state.actors.remove(&process).unwrap_or_default() {
            actor.abort();
        }
        let calls: Vec<Call> = state.waiting.keys().filter(|call| call.process == process).cloned().collect();
        for call in calls {
            let sender = state.waiting.remove(&call).expect("it was listed above");
            if call.effect == Effect::Writes && goes_on(&call) {
                state.waiting.insert(Call { process: NETWORK, ..call }, sender);
            }
        }
    }

    /// True if a process has tasks that have not ended.
    pub(crate) fn is_busy(&self, process: ProcessId) -> bool {
        let mut state = self.state();
        let Some(actors) = state.actors.get_mut(&process) else { return false };
        actors.retain(|actor| !actor.is_finished());
        !actors.is_empty()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no task panics with the stage in hand")
    }
}
