//! Simulation of the write path: the real ingest, compaction, upkeep, repair and way of reading, over stores and a clock
//! of the simulation's own, under every fault it can think of. A run replays exactly.
//!
//! - `stage`: every outside call waits there, and goes, fails, loses its reply or lands late
//! - `doors`: the stores as a process sees them
//! - `world`: what lasts and what runs; the bodies that are sent
//! - `check`: the invariants C1 to C9, looked at after every call; `reader`: a reader, call by call; `lookup`:
//!   what look-up indexes say
//! - `play`: a world that is played call by call, to its end, when everything has drained
//! - `steps`: layer 1, every act disturbed at every step, in pairs if asked for
//! - `stories`: layer 1, one process stalls while others go on
//! - `random`: layer 2, a world from a seed
//! - `mutants`: the write path without one of its safeguards must break
//!
//! Layer 3, the real Delta log over a faulty store, which draws its own ids and times and cannot replay, is in
//! `tests/it/compaction`.
//!
//! `make sim` plays more than `make test`: `PLIMSOLL_SEED` is the first seed, `PLIMSOLL_SEEDS` says how many follow,
//! `PLIMSOLL_PAIRS=n` plays every n-th pair of disturbances.

mod check;
mod doors;
mod lookup;
mod mutants;
mod play;
mod random;
mod reader;
mod stage;
mod steps;
mod stories;
mod world;

use play::Failure;

/// Worlds of layer 2 that `make test` plays.
const SEEDS: u64 = 150;

fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is `{text}`, and must be a number")))
}

/// Ends a test with what happened and how to see it again.
fn failed(what: &str, again: &str, failure: &Failure) -> ! {
    let lines = failure.trace.join("\n");
    panic!("{lines}\n\n{what}, step {}: {}\nto see it again: {again}\n", failure.step, failure.violation)
}

/// The command that runs one test again.
fn one(test: &str) -> String {
    format!("cargo test --workspace --test sim {test}")
}

#[test]
fn every_act_survives_every_disturbance_at_every_step() {
    println!("{:<56} {:>5} {:>6}", "act", "calls", "worlds");
    for scenario in steps::SCENARIOS {
        match steps::singles(scenario) {
            Ok(covered) => println!("{:<56} {:>5} {:>6}", scenario.name, covered.calls, covered.worlds),
            Err((points, failure)) => failed(&format!("{}, {points:?}", scenario.name), &one("every_act"), &failure),
        }
    }
}

#[test]
fn pairs_of_disturbances_are_survived() {
    let Some(one_in) = setting("PLIMSOLL_PAIRS") else { return };
    for scenario in steps::SCENARIOS {
        match steps::pairs(scenario, one_in.max(1) as usize) {
            Ok(covered) => println!("{:<56} {:>6} pairs", scenario.name, covered.worlds),
            Err((points, failure)) => {
                let again = format!("make sim PAIRS={one_in}");
                failed(&format!("{}, {points:?}", scenario.name), &again, &failure)
            }
        }
    }
}

#[test]
fn every_story_ends_well() {
    for story in stories::stories() {
        if let Err(failure) = stories::tell(story) {
            failed(story.name, &one("every_story"), &failure);
        }
    }
}

#[test]
fn random_worlds_keep_every_promise() {
    let (first, n) = (setting("PLIMSOLL_SEED").unwrap_or(0), setting("PLIMSOLL_SEEDS").unwrap_or(SEEDS));
    let (mut all, mut busy) = (play::Run::default(), 0);
    for seed in first..first + n {
        match random::run(seed) {
            Ok(run) => {
                if n == 1 {
                    println!("seed {seed} keeps every promise: {run}");
                }
                busy += u64::from(run.versions > 2 && run.acknowledged > 1);
                all.add(run);
            }
            Err(failure) => failed(&format!("seed {seed}"), &format!("make sim SEED={seed} SEEDS=1"), &failure),
        }
        if (seed + 1 - first) % 100 == 0 || seed + 1 == first + n {
            println!("seeds {first} to {seed}: {all}; {busy} worlds with several bodies and commits");
        }
    }
    assert!(n < 100 || busy * 4 > n, "only {busy} of {n} worlds went anywhere");
}

#[test]
fn a_seed_replays_exactly() {
    for seed in [3, 17, 71] {
        let again = || random::run(seed).unwrap_or_else(|failure| failed("seed", "make sim", &failure));
        assert_eq!(again(), again(), "seed {seed}");
    }
}

/// Half of the mutants each, side by side.
#[test]
fn without_any_of_its_safeguards_the_write_path_breaks_first_half() {
    mutants::all_are_caught(0);
}

#[test]
fn without_any_of_its_safeguards_the_write_path_breaks_second_half() {
    mutants::all_are_caught(1);
}

#[test]
fn every_safeguard_is_taken_away_or_it_is_said_why_not() {
    mutants::none_is_forgotten();
}
