//! A simulation that cannot fail is worth nothing: each safeguard of the write path is taken away, and something must
//! break. Those that another safeguard covers are taken away together with it.

use model::Safeguard;
use model::safeguard::Without;

use crate::check::Invariant;
use crate::play::Failure;
use crate::{random, steps, stories};

/// Worlds of layer 2 in which a mutant is looked for, after all stories.
const SEEDS: u64 = 200;

/// How a mutant was caught.
struct Caught {
    /// The story, the seed, or the act and what was done to it.
    by: String,
    /// Worlds played until then.
    worlds: usize,
    failure: Failure,
}

/// Every second mutant, from `first` on, is caught.
pub(crate) fn all_are_caught(first: usize) {
    let mut survivors = Vec::new();
    for without in mutants().into_iter().skip(first).step_by(2) {
        let name = without.iter().map(|safeguard| safeguard.name()).collect::<Vec<_>>().join(" + ");
        match hunt(&without) {
            Some(Caught { by, worlds, failure: Failure { violation, step, .. } }) => {
                println!("{name:<48} world {worlds:>4}, step {step:>4}  {:?}  {by}", violation.invariant);
            }
            None => survivors.push(name),
        }
    }
    assert!(survivors.is_empty(), "no world broke without {survivors:?}");
}

/// Every safeguard is in a mutant, or among those that are [`BEYOND`].
pub(crate) fn none_is_forgotten() {
    for safeguard in Safeguard::ALL {
        let hunted = mutants().iter().any(|without| without.contains(safeguard));
        let beyond = BEYOND.iter().find(|(beyond, _)| beyond == safeguard);
        assert!(hunted != beyond.is_some(), "{}", safeguard.name());
        if let Some((_, why)) = beyond {
            println!("{:<48} {why}", safeguard.name());
        }
    }
}

/// Safeguards that others cover, with those that must go with them to show it.
const COVERED: &[&[Safeguard]] = &[
    // Owners are fresh at each taking, and the fence is enough without them.
    &[Safeguard::FenceOutlivesRelease, Safeguard::OwnerInFence],
    // The fence is enough without the counter.
    &[Safeguard::CounterAtOpening, Safeguard::FenceAtOpening],
    // Fresh ids are enough without the fence, and the other way round: an attempt under one fence is never repeated
    // after its commit was sent.
    &[Safeguard::FenceInFileNames, Safeguard::FreshIdInFileNames],
    // Who is answered has landed within seconds, and `due` is taken away after minutes; a retry puts it anew.
    &[Safeguard::DuePutAfterLive, Safeguard::AnsweredInTime],
    // A reader whose files are gone starts over.
    &[Safeguard::VacuumHorizon, Safeguard::ReaderStartsOver],
    // Nothing is recorded so long after its PUT that the cleaner could have listed it.
    &[Safeguard::LandingNamesReadLast, Safeguard::RecordedInTime],
];

/// Those that are caught in a pair only.
const COVERED_ALONE: &[Safeguard] = &[
    Safeguard::FenceOutlivesRelease,
    Safeguard::OwnerInFence,
    Safeguard::CounterAtOpening,
    Safeguard::FenceInFileNames,
    Safeguard::FreshIdInFileNames,
    Safeguard::VacuumHorizon,
    Safeguard::LandingNamesReadLast,
    Safeguard::DuePutAfterLive,
    Safeguard::AnsweredInTime,
];

/// Those that no simulation of this kind can catch, and why.
const BEYOND: &[(Safeguard, &str)] = &[
    (Safeguard::OpenBatchFirst, "serves progress only: upkeep would fail on the open batch and try again"),
    (
        Safeguard::CheckpointReadBack,
        "the model log has no checkpoint files: tests/it/compaction shows it on the real one",
    ),
];

/// The mutants that are looked for, each by the safeguards that it lacks.
fn mutants() -> Vec<Vec<Safeguard>> {
    let is_alone = |safeguard: &&Safeguard| {
        !COVERED_ALONE.contains(safeguard) && BEYOND.iter().all(|(beyond, _)| beyond != *safeguard)
    };
    let alone = Safeguard::ALL.iter().filter(is_alone).map(|safeguard| vec![*safeguard]);
    alone.chain(COVERED.iter().map(|pair| pair.to_vec())).collect()
}

/// Takes safeguards away until something breaks: in the stories, which are short, in worlds from seeds, and in every act
/// disturbed at every step.
fn hunt(without: &[Safeguard]) -> Option<Caught> {
    let _without = Without::these(without);
    let mut worlds = 0;
    for story in stories::stories() {
        worlds += 1;
        match stories::tell(story) {
            Err(failure) if breaks(&failure) => {
                return Some(Caught { by: story.name.to_owned(), worlds, failure: *failure });
            }
            _ => {}
        }
    }
    for seed in 0..SEEDS {
        worlds += 1;
        if let Err(failure) = random::run(seed) {
            return Some(Caught { by: format!("seed {seed}"), worlds, failure: *failure });
        }
    }
    for scenario in steps::SCENARIOS {
        match steps::singles(scenario) {
            Ok(covered) => worlds += covered.worlds,
            Err((points, failure)) if breaks(&failure) => {
                return Some(Caught { by: format!("{}, {points:?}", scenario.name), worlds, failure: *failure });
            }
            Err(_) => {}
        }
    }
    None
}

/// A story that goes otherwise than it is told has broken nothing.
fn breaks(failure: &Failure) -> bool {
    failure.violation.invariant != Invariant::OffScript
}
