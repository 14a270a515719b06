//! Layer 2: a world in which everything happens in an order drawn from a seed. Senders that retry and stall, triggers that
//! are lost, repeated and reordered, several workers at once, leases that run out under them, clocks apart, a sweeper,
//! upkeep, readers with old snapshots; calls that fail, lose their reply or land late; processes that die.
//!
//! Each seed draws its own habits first (how sticky the order is, how often what fails, how time passes), so that
//! different seeds look into different corners.

mod habits;

use std::time::Duration;

use clock::Clock;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use self::habits::{Habits, Start};
use crate::check::Violation;
use crate::play::{Failure, Play, Run, on_stage};
use crate::reader;
use crate::stage::{Call, NETWORK, ProcessId, Verdict};
use crate::world::{Fate, Process, World};

/// Retries later than this are the sender's fault.
const RETRY_WITHIN: i64 = 23 * 3_600 * 1_000_000;

/// Far below retention.
const DAYS_MAX: usize = 8;
/// Who waits for company or for another try sleeps at most so long.
const NAP: Duration = Duration::from_secs(2);

/// The director: draws what happens next.
struct Director {
    play: Play,
    rng: Xoshiro256PlusPlus,
    habits: Habits,
    ingest: Vec<Process>,
    workers: Vec<Process>,
    readers: Vec<Process>,
    /// Whose call went last.
    last: ProcessId,
    /// That have passed at once.
    days: usize,
}

/// One world from a seed, to its end.
pub(crate) fn run(seed: u64) -> Result<Run, Box<Failure>> {
    on_stage(async {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let habits = Habits::draw(&mut rng);
        let mut director = Director::new(rng, habits).await;
        match director.play().await {
            Ok(()) => Ok(director.play.run),
            Err(violation) => Err(director.play.failure(violation)),
        }
    })
}

impl Director {
    async fn new(mut rng: Xoshiro256PlusPlus, habits: Habits) -> Self {
        let mut world = World::new(habits.scope.clone()).await;
        let ingest = (0..habits.ingest).map(|_| world.start(habits.skew(&mut rng))).collect();
        let workers = (0..habits.workers).map(|_| world.start(habits.worker_skew(&mut rng))).collect();
        let readers = vec![world.start(habits.skew(&mut rng))];
        let mut play = Play::new(world);
        play.is_repaired = true;
        Self { play, rng, habits, ingest, workers, readers, last: NETWORK, days: 0 }
    }

    /// Until so many calls were let go; then faults stop, whoever is alive dies, and everything drains.
    async fn play(&mut self) -> Result<(), Violation> {
        while self.play.run.steps < self.habits.steps {
            self.play.world.stage.settle().await;
            self.play.world.pass(Duration::from_millis(1));
            let waiting = self.play.world.stage.waiting();
            if waiting.is_empty() && self.somebody_wakes_up() {
                continue;
            }
            if waiting.is_empty() || self.rng.random_bool(self.habits.starts) {
                self.begin_something().await?;
            } else {
                let call = self.pick(&waiting);
                self.let_go(call).await?;
            }
        }
        for process in self.ingest.iter().chain(&self.workers).chain(&self.readers) {
            self.play.world.stage.kill(process.id, |_| true);
        }
        self.play.drain().await
    }

    /// Nobody but sleepers is under way, and the next of them does not sleep for long.
    fn somebody_wakes_up(&mut self) -> bool {
        match self.play.world.stage.until_next() {
            Some(time) if time <= NAP && self.rng.random_bool(0.8) => {
                self.play.world.pass(time);
                true
            }
            _ => false,
        }
    }

    /// Mostly whoever went last goes on; now and then another is drawn.
    fn pick(&mut self, waiting: &[Call]) -> Call {
        let same: Vec<&Call> = waiting.iter().filter(|call| call.process == self.last).collect();
        if !same.is_empty() && self.rng.random_bool(self.habits.sticky) {
            return same[self.rng.random_range(0..same.len())].clone();
        }
        waiting[self.rng.random_range(0..waiting.len())].clone()
    }

    async fn let_go(&mut self, call: Call) -> Result<(), Violation> {
        if call.process != NETWORK && self.habits.dies(&mut self.rng, &call) {
            self.kill(call.process);
            return Ok(());
        }
        self.last = call.process;
        let verdict = self.habits.verdict(&mut self.rng, &call);
        self.play.release(&call, verdict).await
    }

    /// A process dies, and another takes its place. What it had sent may still arrive.
    fn kill(&mut self, process: ProcessId) {
        let (rng, goes_on) = (&mut self.rng, self.habits.goes_on);
        self.play.kill(process, |_| rng.random_bool(goes_on));
        let is_worker = self.workers.iter().any(|worker| worker.id == process);
        let rng = &mut self.rng;
        let fresh = self.play.world.start(if is_worker { self.habits.worker_skew(rng) } else { self.habits.skew(rng) });
        let all = self.ingest.iter_mut().chain(&mut self.workers).chain(&mut self.readers);
        *all.into_iter().find(|p| p.id == process).expect("it is one of ours") = fresh;
    }

    async fn begin_something(&mut self) -> Result<(), Violation> {
        match self.habits.start(&mut self.rng) {
            Start::Send => self.send(),
            Start::Compact => {
                let (worker, table) = (self.rng.random_range(0..self.workers.len()), self.some_table());
                self.work(worker, "compacts", |world, process| world.compact(process, table));
            }
            Start::Sweep => {
                let worker = self.rng.random_range(0..self.workers.len());
                self.work(worker, "sweeps", |world, process| world.sweep(process));
            }
            Start::Maintain => {
                let (worker, table) = (self.rng.random_range(0..self.workers.len()), self.some_table());
                self.work(worker, "keeps up", |world, process| world.maintain(process, table));
            }
            Start::Read => self.read(),
            Start::Pass(time) => self.pass(time).await?,
        }
        Ok(())
    }

    fn some_table(&mut self) -> usize {
        self.rng.random_range(0..self.play.world.tables.len())
    }

    /// A worker does one thing at a time.
    fn work(&mut self, worker: usize, what: &str, act: impl FnOnce(&World, &Process)) {
        let process = &self.workers[worker];
        if self.play.world.stage.is_busy(process.id) {
            return;
        }
        act(&self.play.world, process);
        let line = format!("p{} {what}", process.id.0);
        self.play.note(line);
    }

    /// A new body, or one that was sent before: not acknowledged, or even so.
    fn send(&mut self) {
        let now = self.play.world.clock.now();
        let resend = {
            let bodies = self.play.world.bodies.lock().expect("not poisoned");
            let may_go = |body: &crate::world::Body| {
                body.in_flight < 2
                    && body.fate != Fate::Rejected
                    && body.first_sent_at.is_none_or(|at| now - at < RETRY_WITHIN)
            };
            let all: Vec<usize> = (0..bodies.all.len()).filter(|place| may_go(&bodies.all[*place])).collect();
            let full = bodies.all.len() >= self.habits.bodies;
            (!all.is_empty() && (full || self.rng.random_bool(self.habits.resends)))
                .then(|| all[self.rng.random_range(0..all.len())])
        };
        let body = match resend {
            Some(body) => body,
            None => {
                let (project, n) = (self.some_table(), self.rng.random_range(1..=2));
                let days_ago = self.rng.random_range(0..=1);
                let mut bodies = self.play.world.bodies.lock().expect("not poisoned");
                if bodies.all.len() >= self.habits.bodies {
                    return;
                }
                bodies.add(project, n, now, days_ago);
                bodies.all.len() - 1
            }
        };
        let ingest = self.rng.random_range(0..self.ingest.len());
        self.play.world.send(&self.ingest[ingest], body);
        let line = format!("body {body} is sent to p{}", self.ingest[ingest].id.0);
        self.play.note(line);
    }

    fn read(&mut self) {
        let (reader, table) = (self.rng.random_range(0..self.readers.len()), self.some_table());
        let process = &self.readers[reader];
        if self.play.world.stage.is_busy(process.id) {
            return;
        }
        reader::read(&self.play.world, process, table, &self.play.findings);
        let line = format!("p{} reads", process.id.0);
        self.play.note(line);
    }

    async fn pass(&mut self, time: Duration) -> Result<(), Violation> {
        if time > Duration::from_secs(3_600) {
            if self.days == DAYS_MAX {
                return Ok(());
            }
            self.days += 1;
            self.before_a_long_time().await?;
        }
        self.play.pass(time);
        Ok(())
    }

    /// No call is under way for hours: what is in the network is lost. A process may well be suspended before a call; but a
    /// commit alone may still be under way, since nothing but the log itself stands between a late one and the table.
    /// No reader takes hours either.
    async fn before_a_long_time(&mut self) -> Result<(), Violation> {
        for call in self.play.world.stage.waiting().iter().filter(|call| call.process == NETWORK) {
            self.play.world.stage.drop_call(call);
        }
        let records = |call: &Call| call.label.starts_with("transact put seen");
        while let Some(call) = self.play.world.stage.waiting().into_iter().find(records) {
            let verdict = if self.rng.random_bool(0.5) { Verdict::Go } else { Verdict::FailBefore };
            self.play.release(&call, verdict).await?;
        }
        for reader in self.readers.iter().map(|reader| reader.id).collect::<Vec<_>>() {
            if self.play.world.stage.is_busy(reader) {
                self.kill(reader);
            }
        }
        Ok(())
    }
}
