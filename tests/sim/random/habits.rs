//! What a world tends to do; drawn once from its seed.

use std::time::Duration;

use model::Micros;
use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;

use crate::stage::{Call, Effect, Verdict};
use crate::world::Scope;

pub(crate) struct Habits {
    pub scope: Scope,
    /// Calls after which faults stop.
    pub steps: usize,
    pub ingest: usize,
    pub workers: usize,
    pub bodies: usize,
    /// Chance that something begins although calls wait.
    pub starts: f64,
    /// Chance that whoever went last goes on.
    pub sticky: f64,
    /// Chance that a known body is sent again instead of a new one.
    pub resends: f64,
    /// Chance that a process dies at a call.
    kills: f64,
    /// Chance that a call of the dead goes on without it.
    pub goes_on: f64,
    fails: f64,
    loses_reply: f64,
    lands_late: f64,
    /// Chance that a worker dies when it writes a data file, over and above.
    kills_builders: f64,
    clocks_apart: Micros,
    /// A worker's clock is wrong by this much.
    bad_clock: Micros,
    weights: [(Start, u32); 10],
}

/// What may begin.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Start {
    Send,
    Compact,
    Sweep,
    Maintain,
    Read,
    Pass(Duration),
}

const SECOND: Micros = 1_000_000;

impl Habits {
    pub(crate) fn draw(rng: &mut Xoshiro256PlusPlus) -> Self {
        let mut scope = Scope { page: [1, 2, 1_000][rng.random_range(0..3)], ..Scope::default() };
        scope.projects = if rng.random_bool(0.15) { 2 } else { 1 };
        // A level: never, seldom, often.
        let mut level = |often: f64| [0.0, often / 5.0, often][rng.random_range(0..3)];
        let (kills, fails, loses_reply, lands_late) = (level(0.03), level(0.08), level(0.08), level(0.08));
        let sticky = [0.0, 0.6, 0.9, 0.97][rng.random_range(0..4)];
        let mut weight = |most: u32| rng.random_range(0..=most);
        let weights = [
            (Start::Send, 3 + weight(6)),
            (Start::Compact, 3 + weight(6)),
            (Start::Sweep, weight(2)),
            (Start::Maintain, weight(3)),
            (Start::Read, weight(3)),
            (Start::Pass(Duration::from_secs(2)), weight(2)),
            // The mark may be raised, and leases run out.
            (Start::Pass(Duration::from_secs(35)), weight(2)),
            (Start::Pass(Duration::from_secs(70)), weight(2)),
            // What is due may be settled.
            (Start::Pass(Duration::from_secs(310)), weight(1)),
            // Senders may no longer record, and landing objects, removed files and log entries may go.
            (Start::Pass(Duration::from_secs(25 * 3_600)), u32::from(weight(3) == 0)),
        ];
        Self {
            steps: rng.random_range(150..500),
            ingest: rng.random_range(1..=2),
            workers: rng.random_range(1..=3),
            bodies: rng.random_range(2..=7),
            starts: [0.02, 0.1, 0.3][rng.random_range(0..3)],
            resends: [0.1, 0.5][rng.random_range(0..2)],
            goes_on: 0.5,
            kills_builders: [0.0, 0.0, 0.5][rng.random_range(0..3)],
            bad_clock: [0, 0, 0, 365 * 24 * 3_600 * SECOND][rng.random_range(0..4)],
            clocks_apart: [0, 0, 20 * SECOND, 90 * SECOND][rng.random_range(0..4)],
            scope,
            kills,
            sticky,
            fails,
            loses_reply,
            lands_late,
            weights,
        }
    }

    pub(crate) fn start(&self, rng: &mut Xoshiro256PlusPlus) -> Start {
        let total: u32 = self.weights.iter().map(|(_, weight)| weight).sum();
        let mut drawn = rng.random_range(0..total);
        for (start, weight) in self.weights {
            if drawn < weight {
                return start;
            }
            drawn -= weight;
        }
        Start::Send
    }

    pub(crate) fn verdict(&self, rng: &mut Xoshiro256PlusPlus, call: &Call) -> Verdict {
        if rng.random_bool(self.fails) {
            return Verdict::FailBefore;
        }
        if call.effect == Effect::Reads {
            return Verdict::Go;
        }
        if rng.random_bool(self.loses_reply) {
            return Verdict::LoseReply;
        }
        if call.process != crate::stage::NETWORK && rng.random_bool(self.lands_late) {
            return Verdict::LandLater;
        }
        Verdict::Go
    }

    /// True if the process dies at this call.
    pub(crate) fn dies(&self, rng: &mut Xoshiro256PlusPlus, call: &Call) -> bool {
        let builds = call.label.starts_with("PUT") && call.label.ends_with(".parquet");
        rng.random_bool(if builds { self.kills_builders.max(self.kills) } else { self.kills })
    }

    /// By how much a new worker's clock is wrong: one in three has the bad clock of its world.
    pub(crate) fn worker_skew(&self, rng: &mut Xoshiro256PlusPlus) -> Micros {
        if rng.random_bool(0.3) { self.bad_clock + self.skew(rng) } else { self.skew(rng) }
    }

    /// By how much a new process's clock is wrong.
    pub(crate) fn skew(&self, rng: &mut Xoshiro256PlusPlus) -> Micros {
        if self.clocks_apart == 0 { 0 } else { rng.random_range(-self.clocks_apart..=self.clocks_apart) }
    }
}
