//! Which faults come when: drawn from a seed before anything starts, so that the same seed plans the same run.

use std::fmt;
use std::time::Duration;

use super::dice::Dice;
use super::slow::Slowness;

/// What the server is started as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Program {
    /// The binary `plimsoll`, as a user starts it.
    Plimsoll,
    /// The same server on a disk that can be slow; see `server`.
    OnSlowDisk,
}

/// A fault, and how long it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spell {
    /// kill -9, a while of nothing, a start.
    Kill {
        down: Duration,
        then: Program,
    },
    /// The same, and the next start is killed before it is ready, or soon after.
    KillTwice {
        second_after: Duration,
        then: Program,
    },
    /// The disk is filled but for some bytes, and freed.
    FullDisk {
        lasting: Duration,
        left_bytes: u64,
    },
    /// kill -9 on a full disk; it must start again at the latest when there is room.
    KillOnFullDisk {
        lasting: Duration,
        left_bytes: u64,
        then: Program,
    },
    SlowDisk {
        lasting: Duration,
        slowness: Slowness,
    },
    /// kill -9 on a disk so slow that most kills come between an act and its reply.
    KillOnSlowDisk {
        lasting: Duration,
        slowness: Slowness,
    },
    /// SIGSTOP, SIGCONT.
    Stall {
        lasting: Duration,
    },
}

/// A spell, and the calm before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) calm: Duration,
    pub(super) spell: Spell,
}

/// A run is cut into stretches: in each comes every kind of spell once, in an order of its own.
const KINDS: [Kind; 8] = [
    Kind::Kill,
    Kind::FullDisk,
    Kind::SlowDisk,
    Kind::Stall,
    Kind::KillTwice,
    Kind::KillOnFullDisk,
    Kind::KillOnSlowDisk,
    Kind::KillOnSlowDisk,
];
/// The first so many come in the first stretch in any case, however short the run.
const FIRST: usize = 3;
/// Runs of at least this length have spells beyond a lease's time, and PUTs that hang for longer than they may.
const LONG_RUN: Duration = Duration::from_secs(10 * 60);
/// One stall in so many is longer than a lease, one slow disk in so many has PUTs that hang.
const BEYOND: u64 = 3;

#[derive(Clone, Copy)]
enum Kind {
    Kill,
    KillTwice,
    FullDisk,
    KillOnFullDisk,
    SlowDisk,
    KillOnSlowDisk,
    Stall,
}

/// Spells that end before `length` is over. At least one kill, one full and one slow disk.
pub(super) fn plan(seed: u64, length: Duration) -> Vec<Step> {
    let mut dice = Dice::new(seed, 0);
    let mut steps = Vec::new();
    let mut program = FIRST_PROGRAM;
    let mut planned = Duration::ZERO;
    loop {
        let mut kinds = KINDS;
        // The first stretch begins with the kinds that every run must have; the server that it starts with can be slow.
        let fixed = if steps.is_empty() { FIRST } else { 0 };
        if fixed > 0 {
            dice.shuffle(&mut kinds[..fixed]);
        }
        dice.shuffle(&mut kinds[fixed..]);
        for kind in kinds {
            let step = step(&mut dice, kind, &mut program, length);
            planned += step.calm + step.spell.lasting();
            if planned > length && steps.len() >= FIRST {
                return steps;
            }
            steps.push(step);
        }
    }
}

/// What a run starts with.
pub(super) const FIRST_PROGRAM: Program = Program::OnSlowDisk;

fn step(dice: &mut Dice, kind: Kind, program: &mut Program, length: Duration) -> Step {
    let is_long = length >= LONG_RUN;
    // Seconds; short runs have short spells.
    let longest = (length.as_secs() / 10).clamp(2, 20);
    let calm = Duration::from_millis(dice.within(500..=(longest * 500)));
    let lasting = Duration::from_millis(dice.within(1_000..=(longest * 1_000)));
    let left_bytes = *dice.one_of(&[0, 16 << 10, 300 << 10, 2 << 20]);
    // The disk of `plimsoll` itself is never slow: a short run does without it, in a long one it is stalled instead.
    let mut then = || {
        *program = if length >= LONG_RUN && dice.once_in(2) { Program::Plimsoll } else { Program::OnSlowDisk };
        *program
    };
    let spell = match kind {
        Kind::Kill => Spell::Kill { down: lasting / 8, then: then() },
        Kind::KillTwice => {
            let then = then();
            Spell::KillTwice { second_after: Duration::from_millis(dice.within(20..=1_500)), then }
        }
        Kind::FullDisk => Spell::FullDisk { lasting, left_bytes },
        Kind::KillOnFullDisk => Spell::KillOnFullDisk { lasting, left_bytes, then: then() },
        Kind::SlowDisk if *program == Program::OnSlowDisk && is_long && dice.once_in(BEYOND) => {
            let slowness = Slowness { delay_ms_max: 100, hang_ms: 125_000 };
            Spell::SlowDisk { lasting: Duration::from_secs(20), slowness }
        }
        Kind::SlowDisk if *program == Program::OnSlowDisk => {
            let slowness = Slowness { delay_ms_max: *dice.one_of(&[50, 200, 600, 1_500]), hang_ms: 0 };
            Spell::SlowDisk { lasting, slowness }
        }
        Kind::KillOnSlowDisk if *program == Program::OnSlowDisk => {
            let slowness = Slowness { delay_ms_max: *dice.one_of(&[300, 600, 1_500]), hang_ms: 0 };
            Spell::KillOnSlowDisk { lasting, slowness }
        }
        Kind::Stall if is_long && dice.once_in(BEYOND) => {
            Spell::Stall { lasting: Duration::from_secs(dice.within(62..=75)) }
        }
        Kind::SlowDisk | Kind::KillOnSlowDisk | Kind::Stall => Spell::Stall { lasting },
    };
    Step { calm, spell }
}

impl Spell {
    /// Of what is planned; what a start takes comes on top.
    fn lasting(self) -> Duration {
        match self {
            Spell::Kill { down, .. } => down,
            Spell::KillTwice { second_after, .. } => second_after,
            Spell::SlowDisk { lasting, slowness } => lasting + Duration::from_millis(slowness.hang_ms),
            Spell::FullDisk { lasting, .. }
            | Spell::KillOnFullDisk { lasting, .. }
            | Spell::KillOnSlowDisk { lasting, .. }
            | Spell::Stall { lasting } => lasting,
        }
    }

    /// As the summary names it.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Spell::Kill { .. } => "kill",
            Spell::KillTwice { .. } => "kill_twice",
            Spell::FullDisk { .. } => "full_disk",
            Spell::KillOnFullDisk { .. } => "kill_on_full_disk",
            Spell::SlowDisk { slowness, .. } if slowness.hang_ms > 0 => "hanging_puts",
            Spell::SlowDisk { .. } => "slow_disk",
            Spell::KillOnSlowDisk { .. } => "kill_on_slow_disk",
            Spell::Stall { .. } => "stall",
        }
    }
}

impl fmt::Display for Spell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Spell::Kill { down, then } => write!(f, "kill -9, down for {down:.1?}, then {then:?}"),
            Spell::KillTwice { second_after, then } => {
                write!(f, "kill -9, start, kill -9 after {second_after:.1?}, then {then:?}")
            }
            Spell::FullDisk { lasting, left_bytes } => {
                write!(f, "disk full but for {left_bytes} bytes for {lasting:.1?}")
            }
            Spell::KillOnFullDisk { lasting, left_bytes, then } => {
                write!(f, "disk full but for {left_bytes} bytes for {lasting:.1?}, kill -9 meanwhile, then {then:?}")
            }
            Spell::SlowDisk { lasting, slowness: Slowness { delay_ms_max, hang_ms: 0 } } => {
                write!(f, "each act on the disk up to {delay_ms_max} ms slower for {lasting:.1?}")
            }
            Spell::SlowDisk { lasting, slowness: Slowness { hang_ms, .. } } => {
                write!(f, "some PUTs of {lasting:.1?} hang for {hang_ms} ms")
            }
            Spell::KillOnSlowDisk { lasting, slowness: Slowness { delay_ms_max, .. } } => {
                write!(f, "each act on the disk up to {delay_ms_max} ms slower for {lasting:.1?}, kill -9 meanwhile")
            }
            Spell::Stall { lasting } => write!(f, "SIGSTOP for {lasting:.1?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTHS_S: [u64; 4] = [6, 60, 1_320, 3_600];

    #[test]
    fn a_seed_plans_the_same_run_again_and_another_seed_another() {
        for length in LENGTHS_S.map(Duration::from_secs) {
            assert_eq!(plan(7, length), plan(7, length));
            assert_ne!(plan(7, length), plan(8, length));
        }
    }

    #[test]
    fn every_run_has_a_kill_a_full_and_a_slow_disk_and_ends_in_time() {
        for (seed, length) in (0..200).flat_map(|seed| LENGTHS_S.map(|s| (seed, Duration::from_secs(s)))) {
            let steps = plan(seed, length);
            for kind in ["kill", "full_disk", "slow_disk"] {
                let is_there = steps.iter().any(|step| {
                    step.spell.kind() == kind || kind == "slow_disk" && step.spell.kind() == "hanging_puts"
                });
                assert!(is_there, "{kind} in seed {seed}, {length:?}: {steps:?}");
            }
            let planned: Duration = steps.iter().map(|step| step.calm + step.spell.lasting()).sum();
            assert!(planned <= length || steps.len() == FIRST, "seed {seed}, {length:?}");
        }
    }

    #[test]
    fn a_long_run_has_every_kind_and_both_programs() {
        let steps = plan(1, Duration::from_secs(3_600));
        let kinds = ["kill", "kill_twice", "full_disk", "kill_on_full_disk", "slow_disk", "kill_on_slow_disk"];
        for kind in kinds.into_iter().chain(["hanging_puts", "stall"]) {
            assert!(steps.iter().any(|step| step.spell.kind() == kind), "{kind}");
        }
        let mut programs: Vec<Program> = Vec::new();
        for step in &steps {
            if let Spell::Kill { then, .. } = step.spell {
                programs.push(then);
            }
        }
        assert!(programs.contains(&Program::Plimsoll) && programs.contains(&Program::OnSlowDisk));
    }
}
