//! Layer 1, the other half: what no single disturbance shows. One process stalls at a certain call while others go on and
//! time passes, then it wakes up. Each story ends well, in a world that keeps its promise, as long as every safeguard
//! holds; most are the shortest way to what happens without one.

mod damage;
mod due;
mod groups;
mod leases;
mod readers;
pub(crate) mod restored;
mod upkeep;

use std::time::Duration;

use clock::Clock;
use futures::future::BoxFuture;

use crate::check::Violation;
use crate::play::{Failure, Play, Run, on_stage};
use crate::world::{Process, Scope, World};

/// One story.
pub(crate) struct Story {
    pub(crate) name: &'static str,
    tell: Tell,
}

type Tell = for<'a> fn(&'a mut Play) -> BoxFuture<'a, Result<(), Violation>>;

/// Whoever held a lease holds it no more.
const LEASE: Duration = Duration::from_secs(130);
/// The mark may be raised.
const MARK: Duration = Duration::from_secs(40);
/// What is due may be settled.
const SETTLED: Duration = Duration::from_secs(310);
/// Landing objects, replaced files and log entries may go.
const DAYS: Duration = Duration::from_secs(50 * 3_600);

/// All of them.
pub(crate) fn stories() -> impl Iterator<Item = &'static Story> {
    [
        groups::STORIES,
        leases::STORIES,
        due::STORIES,
        readers::STORIES,
        upkeep::STORIES,
        damage::STORIES,
        restored::STORIES,
    ]
    .into_iter()
    .flatten()
}

/// Tells one story, and drains its world.
pub(crate) fn tell(story: &Story) -> Result<Run, Box<Failure>> {
    on_stage(async {
        let mut play = Play::new(World::new(Scope::default()).await);
        let told = async {
            (story.tell)(&mut play).await?;
            play.drain().await
        };
        match told.await {
            Ok(()) => Ok(play.run),
            Err(violation) => Err(play.failure(violation)),
        }
    })
}

/// A new body of so many days ago, sent and acknowledged. Its place.
async fn sent(play: &mut Play, days_ago: i64) -> Result<usize, Violation> {
    let body = added(play, days_ago);
    play.undisturbed(|world, process| world.send(process, body)).await?;
    Ok(body)
}

/// A new body that is not sent yet.
fn added(play: &mut Play, days_ago: i64) -> usize {
    let now = play.world.clock.now();
    let mut bodies = play.world.bodies.lock().expect("not poisoned");
    bodies.add(0, 2, now, days_ago);
    bodies.all.len() - 1
}

/// A new process that begins something.
fn begin(play: &mut Play, act: impl FnOnce(&World, &Process)) -> Process {
    let process = play.world.start(0);
    act(&play.world, &process);
    process
}

fn compact(world: &World, process: &Process) {
    world.compact(process, 0);
}

fn maintain(world: &World, process: &Process) {
    world.maintain(process, 0);
}

/// A body in the table, and nothing left to clean.
async fn committed(play: &mut Play, days_ago: i64) -> Result<(), Violation> {
    sent(play, days_ago).await?;
    play.undisturbed(compact).await?;
    play.pass(MARK);
    play.undisturbed(compact).await
}
