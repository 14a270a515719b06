//! The acts of the write path, each with the world in which it begins.

use std::time::Duration;

use futures::future::BoxFuture;

use crate::check::Violation;
use crate::play::{Order, Play};
use crate::stage::{Effect, Verdict};
use crate::stories::restored;
use crate::world::{Process, Scope, World};

/// One act.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// Brings a new world to where the act begins.
    before: Before,
    /// Begins the act in a process.
    pub(super) act: fn(&World, &Process),
    /// A call that the act makes when nothing disturbs it: what it is named for.
    pub(super) does: &'static str,
}

type Before = for<'a> fn(&'a mut Play) -> BoxFuture<'a, Result<(), Violation>>;

impl Scenario {
    pub(super) fn scope(&self) -> Scope {
        Scope::default()
    }

    pub(super) async fn before(&self, play: &mut Play) -> Result<(), Violation> {
        (self.before)(play).await
    }
}

const A_MINUTE: Duration = Duration::from_secs(60);
const MORE_THAN_A_DAY: Duration = Duration::from_secs(25 * 3_600);

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "one body is recorded",
        before: |play| {
            Box::pin(async {
                add(play, &[0]);
                Ok(())
            })
        },
        act: |world, process| world.send(process, 0),
        does: "transact put seen",
    },
    Scenario {
        name: "a group of bodies is recorded, one of which was seen",
        before: |play| {
            Box::pin(async {
                sent(play, &[0]).await?;
                add(play, &[0, 1]);
                Ok(())
            })
        },
        act: |world, process| (0..3).for_each(|body| world.send(process, body)),
        does: "transact put seen",
    },
    Scenario { name: "the first commit", before: |play| Box::pin(sent(play, &[0])), act: compact, does: "creation" },
    Scenario {
        name: "a commit of several segments",
        before: |play| {
            Box::pin(async {
                sent(play, &[0]).await?;
                play.undisturbed(compact).await?;
                sent(play, &[0, 1]).await
            })
        },
        act: compact,
        does: "append",
    },
    Scenario {
        name: "a batch that was left open",
        before: |play| {
            Box::pin(async {
                sent(play, &[0]).await?;
                play.undisturbed(compact).await?;
                sent(play, &[1]).await?;
                dies_at(play, "append").await
            })
        },
        act: compact,
        does: "append",
    },
    Scenario {
        name: "a batch whose commit was not marked",
        before: |play| {
            Box::pin(async {
                sent(play, &[0, 0]).await?;
                dies_at(play, "put batch#").await
            })
        },
        act: compact,
        does: "put batch#",
    },
    Scenario {
        name: "a batch that is voided",
        before: |play| {
            Box::pin(async {
                sent(play, &[0, 0]).await?;
                for _ in 0..3 {
                    dies_at(play, "PUT project-0/otel_logs_and_spans/date").await?;
                }
                Ok(())
            })
        },
        act: compact,
        does: "plimsoll/void",
    },
    Scenario {
        name: "the ledger is cleaned after a commit",
        before: |play| {
            Box::pin(async {
                sent(play, &[0, 0, 1]).await?;
                play.undisturbed(compact).await?;
                play.pass(A_MINUTE);
                Ok(())
            })
        },
        act: compact,
        does: "delete batch#",
    },
    Scenario { name: "files are merged", before: |play| Box::pin(many_files(play)), act: maintain, does: "merge [" },
    Scenario {
        name: "a look-up index is made",
        before: |play| Box::pin(many_files(play)),
        act: maintain,
        does: "transact put lookup#",
    },
    Scenario {
        name: "a look-up index is made anew, and the old one goes",
        before: |play| {
            Box::pin(async {
                many_files(play).await?;
                play.undisturbed(maintain).await?;
                play.pass(MORE_THAN_A_DAY);
                sent(play, &[2]).await?;
                play.undisturbed(compact).await
            })
        },
        act: maintain,
        does: "DELETE project-0/lookup",
    },
    Scenario {
        name: "a look-up index that is gone is made anew",
        before: |play| {
            Box::pin(async {
                many_files(play).await?;
                play.undisturbed(maintain).await?;
                drop(play.world.shelf.hide("/lookup/").await);
                Ok(())
            })
        },
        act: maintain,
        does: "delete lookup#",
    },
    Scenario {
        name: "a day is dropped",
        before: |play| {
            Box::pin(async {
                sent(play, &[29, 0]).await?;
                play.undisturbed(compact).await?;
                play.pass(2 * MORE_THAN_A_DAY);
                play.world.bodies.lock().expect("not poisoned").all[0].may_retire = true;
                Ok(())
            })
        },
        act: maintain,
        does: "retention",
    },
    Scenario {
        name: "old objects and log entries are cleaned up",
        before: |play| {
            Box::pin(async {
                many_files(play).await?;
                play.undisturbed(maintain).await?;
                sent(play, &[0]).await?;
                dies_at(play, "append").await?;
                play.pass(2 * MORE_THAN_A_DAY);
                Ok(())
            })
        },
        act: maintain,
        does: "DELETE",
    },
    Scenario {
        name: "the sweeper settles a table",
        before: |play| {
            Box::pin(async {
                sent(play, &[0]).await?;
                play.pass(5 * A_MINUTE);
                play.undisturbed(|world, process| world.sweep(process)).await?;
                play.pass(A_MINUTE);
                Ok(())
            })
        },
        act: |world, process| world.sweep(process),
        does: "delete due",
    },
    Scenario {
        name: "a table is repaired whose ledger was put back",
        before: |play| {
            Box::pin(async {
                restored::put_ledger_back(play).await?;
                restored::noticed(play).await
            })
        },
        act: |world, process| world.repair(process, 0),
        does: "delete stop",
    },
    Scenario {
        name: "a table is repaired that was put back",
        before: |play| {
            Box::pin(async {
                restored::put_table_back(play).await?;
                restored::noticed(play).await
            })
        },
        act: |world, process| world.repair(process, 0),
        does: "delete stop",
    },
];

fn compact(world: &World, process: &Process) {
    world.compact(process, 0);
}

fn maintain(world: &World, process: &Process) {
    world.maintain(process, 0);
}

/// New bodies of so many days ago; none is sent yet. Their first place.
fn add(play: &mut Play, days_ago: &[i64]) -> usize {
    let now = clock::Clock::now(play.world.clock.as_ref());
    let mut bodies = play.world.bodies.lock().expect("not poisoned");
    let first = bodies.all.len();
    days_ago.iter().for_each(|days_ago| bodies.add(0, 2, now, *days_ago));
    first
}

/// New bodies, each sent and acknowledged by itself.
async fn sent(play: &mut Play, days_ago: &[i64]) -> Result<(), Violation> {
    let first = add(play, days_ago);
    for body in first..first + days_ago.len() {
        play.undisturbed(|world, process| world.send(process, body)).await?;
    }
    Ok(())
}

/// A compaction whose process dies at the first write whose name begins with `label`, after a batch was opened or
/// counted again.
async fn dies_at(play: &mut Play, label: &str) -> Result<(), Violation> {
    let process = play.world.start(0);
    play.world.compact(&process, 0);
    let mut opened = false;
    play.finish_as(|call| {
        let is_it = opened && call.effect == Effect::Writes && call.label.starts_with(label);
        opened |= call.label.starts_with("transact put batch#");
        if is_it { Order::Die } else { Order::Let(Verdict::Go) }
    })
    .await?;
    play.pass(2 * A_MINUTE + A_MINUTE / 6);
    Ok(())
}

/// A day that is over, of several small files; nothing is live.
async fn many_files(play: &mut Play) -> Result<(), Violation> {
    for _ in 0..3 {
        sent(play, &[1]).await?;
        play.undisturbed(compact).await?;
        play.pass(A_MINUTE);
    }
    play.undisturbed(compact).await
}
