//! A world that is played: calls are let go one by one, and after each that changed something everything is checked.

mod drain;

use std::fmt;
use std::time::Duration;

use crate::check::{Checker, Invariant, Violation, broken};
use crate::reader::{Finding, Findings};
use crate::stage::{Call, Effect, NETWORK, ProcessId, Verdict};
use crate::world::{Process, World};

/// How a run went wrong.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) violation: Violation,
    /// Calls released until then.
    pub(crate) step: usize,
    /// What happened, a line each.
    pub(crate) trace: Vec<String>,
}

/// What a run went through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Run {
    /// Calls released.
    pub(crate) steps: usize,
    pub(crate) faults: usize,
    pub(crate) kills: usize,
    pub(crate) acknowledged: usize,
    /// Entries of the tables' logs.
    pub(crate) versions: u64,
    /// Of everything that happened, in its order: two runs that are the same have the same.
    pub(crate) fingerprint: u64,
}

impl Run {
    pub(crate) fn add(&mut self, other: Run) {
        self.steps += other.steps;
        self.faults += other.faults;
        self.kills += other.kills;
        self.acknowledged += other.acknowledged;
        self.versions += other.versions;
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { steps, faults, kills, acknowledged, versions, .. } = self;
        write!(
            f,
            "{steps} calls, {faults} faults, {kills} deaths, {acknowledged} bodies acknowledged, {versions} commits"
        )
    }
}

/// What is to become of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Let(Verdict),
    /// Its process dies, and the call with it.
    Die,
    /// Its process dies, and the call arrives all the same.
    DieSending,
}

/// See the module.
pub(crate) struct Play {
    pub(crate) world: World,
    pub(crate) checker: Checker,
    pub(crate) findings: Findings,
    pub(crate) run: Run,
    /// An operator repairs the tables in the end, whether anything is wrong or not: what no worker survived was quarantined
    /// and comes back, and what is sound stays as it is.
    pub(crate) is_repaired: bool,
    /// Somebody else wrote to the table: nothing that others may rely on is cleaned up.
    pub(crate) foreign: bool,
    /// Answers of readers that were looked at.
    readers_judged: usize,
    /// A store was put back in time and is not repaired: nothing holds meanwhile.
    pub(crate) restored: bool,
    trace: Vec<String>,
}

/// Calls of one task at most: more is a task that never ends.
const CALLS_MAX: usize = 20_000;
/// Who waits for company sleeps for less.
const NAP: Duration = Duration::from_millis(5);
/// Nobody who goes on by themselves sleeps for longer.
const SLEEP_MAX: Duration = Duration::from_secs(3_600);

/// Plays on a runtime of its own: one thread, where nothing happens but what is let go.
pub(crate) fn on_stage<T>(play: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(play)
}

impl Play {
    pub(crate) fn new(world: World) -> Self {
        let (checker, findings) = (Checker::default(), Findings::default());
        Self {
            world,
            checker,
            findings,
            run: Run::default(),
            is_repaired: false,
            readers_judged: 0,
            foreign: false,
            restored: false,
            trace: Vec::new(),
        }
    }

    pub(crate) fn failure(self, violation: Violation) -> Box<Failure> {
        Box::new(Failure { violation, step: self.run.steps, trace: self.trace })
    }

    /// Lets a call go, and looks at what came of it.
    pub(crate) async fn release(&mut self, call: &Call, verdict: Verdict) -> Result<(), Violation> {
        let said = if verdict == Verdict::Go { String::new() } else { format!(" [{verdict:?}]") };
        self.note(format!("{call}{said}"));
        self.run.steps += 1;
        self.run.faults += usize::from(verdict != Verdict::Go);
        self.world.stage.release(call, verdict);
        self.world.stage.settle().await;
        if call.effect == Effect::Writes && !self.restored {
            self.checker.check(&self.world).await?;
        }
        if let Some(panic) = self.world.stage.panicked() {
            return broken(Invariant::C9, format!("a task panicked: {panic}"));
        }
        self.judge_readers().await
    }

    /// What readers found since. A quarantined segment is left out of what they read, and they say so.
    async fn judge_readers(&mut self) -> Result<(), Violation> {
        let findings = std::mem::take(&mut *self.findings.lock().expect("not poisoned"));
        for finding in findings {
            let (no, found, must) = match finding {
                Finding::Read { table, found, must } => (table, found, must),
                Finding::Broken(violation) => return Err(violation),
            };
            self.readers_judged += 1;
            let table = self.world.tables[no].clone();
            let quarantined = self.checker.standing(&self.world, &table).await?.quarantined;
            let judged = self.world.bodies.lock().expect("not poisoned").judge(no, &found, &must, &quarantined);
            judged.or_else(|what| broken(Invariant::C2, format!("{what}, for a slow reader")))?;
        }
        Ok(())
    }

    /// A process ends where it is. Of its calls, those that `goes_on` says are still under way.
    pub(crate) fn kill(&mut self, process: ProcessId, goes_on: impl FnMut(&Call) -> bool) {
        self.run.kills += 1;
        self.note(format!("p{} is killed", process.0));
        self.world.stage.kill(process, goes_on);
    }

    /// Lets every call go until nothing waits and nobody sleeps.
    pub(crate) async fn finish(&mut self) -> Result<(), Violation> {
        self.finish_as(|_| Order::Let(Verdict::Go)).await
    }

    /// The same, with an order for each call. What is in the network lands when nobody else goes on.
    pub(crate) async fn finish_as(&mut self, mut order: impl FnMut(&Call) -> Order) -> Result<(), Violation> {
        for _ in 0..CALLS_MAX {
            self.world.stage.settle().await;
            let waiting = self.world.stage.waiting();
            let Some(call) = waiting.iter().find(|call| call.process != NETWORK).or(waiting.first()) else {
                match self.world.stage.until_next() {
                    Some(time) if time <= SLEEP_MAX => self.world.pass(time),
                    _ => return Ok(()),
                }
                continue;
            };
            match order(call) {
                Order::Let(verdict) => self.release(call, verdict).await?,
                Order::Die => self.kill(call.process, |_| false),
                Order::DieSending => self.kill(call.process, |other| other == call),
            }
        }
        broken(Invariant::C9, "a task never ends")
    }

    /// Lets the calls of one process go, nobody else's, until it waits at a call whose name holds `at`: there it stalls.
    pub(crate) async fn stall(&mut self, process: &Process, at: &str) -> Result<Call, Violation> {
        self.stall_again(process, at, 1).await
    }

    /// The same, at the `nth` such call.
    pub(crate) async fn stall_again(&mut self, process: &Process, at: &str, nth: usize) -> Result<Call, Violation> {
        let mut seen = 0;
        let stalled = self.only(process, |call| {
            seen += usize::from(call.label.contains(at));
            seen == nth && call.label.contains(at)
        });
        match stalled.await? {
            Some(call) => Ok(call),
            None => broken(Invariant::OffScript, format!("p{} never comes to {at}", process.id.0)),
        }
    }

    /// The same, if it comes to such a call.
    pub(crate) async fn stall_if(&mut self, process: &Process, at: &str) -> Result<Option<Call>, Violation> {
        self.only(process, |call| call.label.contains(at)).await
    }

    /// Lets one call of a process go, which waits for it.
    pub(crate) async fn step(&mut self, process: &Process) -> Result<(), Violation> {
        let waiting = self.world.stage.waiting().into_iter();
        let call = waiting.into_iter().find(|call| call.process == process.id).expect("it stalls at a call");
        self.release(&call, Verdict::Go).await
    }

    /// What the dead have sent arrives.
    pub(crate) async fn network_lands(&mut self) -> Result<(), Violation> {
        let in_network = |call: &Call| call.process == NETWORK;
        while let Some(call) = self.world.stage.waiting().into_iter().find(in_network) {
            self.release(&call, Verdict::Go).await?;
        }
        Ok(())
    }

    /// Lets the calls of one process go until it has nothing left to do.
    pub(crate) async fn go_on(&mut self, process: &Process) -> Result<(), Violation> {
        self.only(process, |_| false).await.map(drop)
    }

    /// The same, with a verdict for each call.
    pub(crate) async fn go_on_as(
        &mut self,
        process: &Process,
        verdict: impl Fn(&Call) -> Verdict,
    ) -> Result<(), Violation> {
        while let Some(call) = self.only(process, |call| verdict(call) != Verdict::Go).await? {
            let verdict = verdict(&call);
            self.release(&call, verdict).await?;
        }
        Ok(())
    }

    async fn only(
        &mut self,
        process: &Process,
        mut stop: impl FnMut(&Call) -> bool,
    ) -> Result<Option<Call>, Violation> {
        for _ in 0..CALLS_MAX {
            self.world.stage.settle().await;
            let mut waiting = self.world.stage.waiting().into_iter();
            match waiting.find(|call| call.process == process.id) {
                Some(call) if stop(&call) => return Ok(Some(call)),
                Some(call) => self.release(&call, Verdict::Go).await?,
                None if !self.world.stage.is_busy(process.id) => return Ok(None),
                // It waits for company, or for another try.
                None => self.world.pass(NAP),
            }
        }
        broken(Invariant::C9, "a task never ends")
    }

    /// Time passes without anything being done.
    pub(crate) fn pass(&mut self, time: Duration) {
        self.note(format!("{} s pass", time.as_secs()));
        self.world.pass(time);
    }

    /// Something begins, and is done undisturbed.
    pub(crate) async fn undisturbed(&mut self, begin: impl FnOnce(&World, &Process)) -> Result<(), Violation> {
        let process = self.world.start(0);
        begin(&self.world, &process);
        self.go_on(&process).await
    }

    /// A line of the trace.
    pub(crate) fn note(&mut self, line: String) {
        for byte in line.bytes() {
            self.run.fingerprint = (self.run.fingerprint ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self.trace.push(format!("{:>5}  {line}", self.run.steps));
    }
}
