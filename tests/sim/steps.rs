//! Layer 1: every act of the write path, disturbed at every step. The outside calls of an act are counted; then for each
//! of them the world is made anew, and that call fails before, or loses its reply, or lands late, or its process dies with
//! it or just after sending it. The act is then done again by another process, and everything drains.

mod scenarios;

use std::time::Duration;

pub(crate) use self::scenarios::{SCENARIOS, Scenario};
use crate::check::{Invariant, Violation, broken};
use crate::play::{Failure, Order, Play, on_stage};
use crate::stage::{Effect, Verdict};
use crate::world::World;

/// A call of the act, by its number, and what is done to it.
pub(crate) type Point = (usize, Order);

/// Whoever held a lease holds it no more.
const LEASES_RUN_OUT: Duration = Duration::from_secs(130);

/// What may happen to a call, as far as it differs: a read has no effect that could be lost.
fn disturbances(effect: Effect) -> &'static [Order] {
    match effect {
        Effect::Reads => &[Order::Let(Verdict::FailBefore), Order::Die],
        Effect::Writes => &[
            Order::Let(Verdict::FailBefore),
            Order::Let(Verdict::LoseReply),
            Order::Let(Verdict::LandLater),
            Order::Die,
            Order::DieSending,
        ],
    }
}

/// What came of all single disturbances of a scenario.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Covered {
    /// Outside calls of the act.
    pub(crate) calls: usize,
    /// Worlds played.
    pub(crate) worlds: usize,
}

/// Every call of the act is disturbed in every way, one in each world.
pub(crate) fn singles(scenario: &Scenario) -> Result<Covered, (Vec<Point>, Box<Failure>)> {
    let calls = calls_of(scenario).map_err(|failure| (Vec::new(), failure))?;
    let mut covered = Covered { calls: calls.len(), worlds: 1 };
    for point in points(&calls) {
        covered.worlds += 1;
        disturbed(scenario, &[point]).map_err(|failure| (vec![point], failure))?;
    }
    Ok(covered)
}

/// Every pair: one call of the act, and one call of whoever does it again. One in so many of them.
pub(crate) fn pairs(scenario: &Scenario, one_in: usize) -> Result<Covered, (Vec<Point>, Box<Failure>)> {
    let calls = calls_of(scenario).map_err(|failure| (Vec::new(), failure))?;
    let mut covered = Covered { calls: calls.len(), worlds: 1 };
    let all: Vec<Point> = points(&calls).collect();
    let every_pair = all.iter().flat_map(|first| all.iter().map(move |second| [*first, *second]));
    for pair in every_pair.step_by(one_in) {
        covered.worlds += 1;
        disturbed(scenario, &pair).map_err(|failure| (pair.to_vec(), failure))?;
    }
    Ok(covered)
}

fn points(calls: &[Effect]) -> impl Iterator<Item = Point> + '_ {
    let each = calls.iter().enumerate();
    each.flat_map(|(at, effect)| disturbances(*effect).iter().map(move |disturbance| (at, *disturbance)))
}

/// The calls of the act when nothing disturbs it.
fn calls_of(scenario: &Scenario) -> Result<Vec<Effect>, Box<Failure>> {
    play(scenario, async |play| {
        let mut calls = Vec::new();
        let process = play.world.start(0);
        (scenario.act)(&play.world, &process);
        let mut done = false;
        play.finish_as(|call| {
            calls.push(call.effect);
            done |= call.label.contains(scenario.does);
            Order::Let(Verdict::Go)
        })
        .await?;
        if done { Ok(calls) } else { broken(Invariant::OffScript, format!("no call {}", scenario.does)) }
    })
}

/// One world, in which the act is disturbed at the first point, the act again at the second, and so on.
pub(crate) fn disturbed(scenario: &Scenario, points: &[Point]) -> Result<(), Box<Failure>> {
    play(scenario, async |play| {
        for point in points {
            let process = play.world.start(0);
            (scenario.act)(&play.world, &process);
            disturb(play, *point).await?;
            play.pass(LEASES_RUN_OUT);
        }
        play.undisturbed(|world, process| (scenario.act)(world, process)).await
    })
}

async fn disturb(play: &mut Play, (at, order): Point) -> Result<(), Violation> {
    let mut n = 0;
    play.finish_as(|_| {
        n += 1;
        if n == at + 1 { order } else { Order::Let(Verdict::Go) }
    })
    .await
}

/// A world from its beginning through the act, and drained.
fn play<T>(scenario: &Scenario, act: impl AsyncFnOnce(&mut Play) -> Result<T, Violation>) -> Result<T, Box<Failure>> {
    on_stage(async {
        let mut play = Play::new(World::new(scenario.scope()).await);
        let played = async {
            scenario.before(&mut play).await?;
            play.note("--- the act".into());
            let came = act(&mut play).await?;
            // Whatever was restored is repaired by now.
            play.restored = false;
            play.drain().await?;
            Ok(came)
        };
        match played.await {
            Ok(came) => Ok(came),
            Err(violation) => Err(play.failure(violation)),
        }
    })
}
