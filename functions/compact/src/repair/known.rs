//! Step 2: the bodies of every segment that something names are known again; and which bodies nothing names.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use meta::ledger::{Lease, SEEN_WINDOW};
use model::safeguard::{Safeguard, holds};
use model::{BodyHash, Micros, Segment, SegmentId, TableId};
use object_store::ObjectStore;
use rows::segment::SegmentFooter;

use super::landing::{self, Landed, Said, footer_of};
use super::numbers::{InTable, Standing};
use super::{Repaired, restore};
use crate::maintain::store_time;
use crate::{App, PassError};

/// Footers read, and segments asked for in the ledger, at a time.
const FOOTERS_AT_ONCE: usize = 16;
/// Bodies that are gathered before they are made known: several transactions full.
const RESTORED_AT_ONCE: usize = 500;

/// What is left to be brought back, and what is needed to decide on it.
pub(super) struct Found {
    /// Named by nothing, landed within the window.
    pub(super) unnamed: Vec<(Landed, SegmentFooter)>,
    pub(super) holders: Holders,
    /// Segments that the table holds, that are in quarantine, or that a batch lists.
    pub(super) named: HashSet<SegmentId>,
}

/// Which of the bodies in question a named segment holds.
#[derive(Default)]
pub(super) struct Holders {
    /// When the last of its holders landed.
    landed_at: HashMap<BodyHash, Micros>,
}

impl Holders {
    pub(super) fn add(&mut self, bodies: impl IntoIterator<Item = BodyHash>, landed_at: Micros) {
        for hash in bodies {
            let at = self.landed_at.entry(hash).or_insert(landed_at);
            *at = landed_at.max(*at);
        }
    }

    /// True if a body that landed then is one that a holder landed with. What landed more than a window after it was a
    /// body of its own, as ingest promises.
    pub(super) fn hold(&self, hash: &BodyHash, landed_at: Micros) -> bool {
        self.landed_at.get(hash).is_some_and(|held_at| landed_at - held_at < window())
    }
}

/// Length of the dedup window.
pub(super) fn window() -> Micros {
    Micros::try_from(SEEN_WINDOW.as_micros()).unwrap_or(Micros::MAX)
}

/// Reads all footers, the rows of none. First the bodies that the table holds are known again; what came in before that is
/// live in a view that is read after it, and gives up what the table holds.
pub(super) async fn gather(
    app: &App,
    table: &TableId,
    lease: &Lease,
    standing: Standing,
    did: &mut Repaired,
) -> Result<Found, PassError> {
    let Standing { in_table, listed } = standing;
    let store = app.root(table).store;
    let since = store_time::now(store.as_ref()).await? - window();
    let listing = landing::list(app, table).await?;
    // After the listing: what landed and was recorded before it is named now.
    let live: HashSet<SegmentId> = app.ledger.read(table).await?.live.into_iter().map(|segment| segment.id).collect();
    let bad: HashSet<SegmentId> = app.ledger.quarantined(table).await?.into_iter().map(|bad| bad.segment.id).collect();
    let (settled, open): (Vec<_>, Vec<_>) = listing.into_iter().partition(|Landed { id, .. }| {
        in_table.contains_key(id) || bad.contains(id) || (listed.contains(id) && !live.contains(id))
    });
    let mut open: HashMap<SegmentId, (Landed, Said)> =
        footers(&store, open).map_ok(|(landed, said)| (landed.id.clone(), (landed, said))).try_collect().await?;
    let in_question = open.values().flat_map(|(_, said)| bodies_of(said)).copied().collect();
    note_gone(&in_table, &settled, since, did);
    let (mut holders, unreadable) =
        know_again(app, table, lease, footers(&store, settled), in_question, since, did).await?;
    let is_unknown = |landed: &&Landed| landed.at >= since && in_table.contains_key(&landed.id);
    did.unknown_segments += unreadable.iter().filter(is_unknown).count();

    for segment in live_oldest_first(app, table).await? {
        let (landed, said) = match open.remove(&segment.id) {
            Some(read) => read,
            None => {
                let landed = Landed::of(&segment);
                let said = footer_of(store.as_ref(), &landed).await?;
                (landed, said)
            }
        };
        // Compaction puts aside what it cannot read.
        let Said::Footer(footer) = said else {
            did.live_unreadable += 1;
            continue;
        };
        let held: Vec<bool> = footer.bodies.iter().map(|hash| holders.hold(hash, landed.at)).collect();
        // A batch goes on with the list it has; ledger and table fit then, and nothing was unknown.
        if held.contains(&true) && holds(Safeguard::RepairTakesOutDoubles) && !listed.contains(&landed.id) {
            restore::take_out(app, table, lease, &landed, &footer, &held, did).await?;
        } else {
            if !app.ledger.knows(table, &landed.id, &footer.bodies).await? {
                let segment = [(landed.id.clone(), footer.bodies.clone())];
                did.bodies_known_again += app.ledger.restore_seen(table, lease, &segment).await?.restored;
            }
        }
        holders.add(footer.bodies, landed.at);
    }
    let unnamed = open.into_values().filter(|(landed, _)| !live.contains(&landed.id)).collect();
    let unnamed = readable(table, unnamed, &holders, since, did);
    let named = in_table.into_keys().chain(bad).chain(listed).collect();
    Ok(Found { unnamed, holders, named })
}

/// The bodies of segments that count are known again. Which of those in question they hold, and of those that somebody
/// made known meanwhile; and the segments that do not tell.
async fn know_again(
    app: &App,
    table: &TableId,
    lease: &Lease,
    settled: BoxStream<'static, Result<(Landed, Said), PassError>>,
    in_question: HashSet<BodyHash>,
    since: Micros,
    did: &mut Repaired,
) -> Result<(Holders, Vec<Landed>), PassError> {
    let (mut holders, mut unreadable) = (Holders::default(), Vec::new());
    let mut unknown = Unknown::default();
    let with_knowledge = |(landed, said): (Landed, Said)| async move {
        let bodies = if landed.at >= since { bodies_of(&said) } else { &[] };
        let is_known = app.ledger.knows(table, &landed.id, bodies).await?;
        Ok::<_, PassError>((landed, said, is_known))
    };
    let mut settled = std::pin::pin!(settled.map_ok(with_knowledge).try_buffered(FOOTERS_AT_ONCE));
    while let Some((landed, said, is_known)) = settled.try_next().await? {
        if !holds(Safeguard::RepairKnowsBodies) {
            continue;
        }
        let Said::Footer(footer) = said else {
            unreadable.push(landed);
            continue;
        };
        if !is_known {
            unknown.add(&landed, &footer.bodies);
        }
        holders.add(footer.bodies.into_iter().filter(|hash| in_question.contains(hash)), landed.at);
        if unknown.n_bodies >= RESTORED_AT_ONCE {
            std::mem::take(&mut unknown).restore(app, table, lease, &mut holders, did).await?;
        }
    }
    unknown.restore(app, table, lease, &mut holders, did).await?;
    Ok((holders, unreadable))
}

/// Segments whose bodies are to be known again, gathered so that a transaction takes many.
#[derive(Default)]
struct Unknown {
    segments: Vec<(SegmentId, Vec<BodyHash>)>,
    landed_at: HashMap<SegmentId, Micros>,
    n_bodies: usize,
}

impl Unknown {
    fn add(&mut self, landed: &Landed, bodies: &[BodyHash]) {
        self.segments.push((landed.id.clone(), bodies.to_vec()));
        self.landed_at.insert(landed.id.clone(), landed.at);
        self.n_bodies += bodies.len();
    }

    async fn restore(
        self,
        app: &App,
        table: &TableId,
        lease: &Lease,
        holders: &mut Holders,
        did: &mut Repaired,
    ) -> Result<(), PassError> {
        let known = app.ledger.restore_seen(table, lease, &self.segments).await?;
        did.bodies_known_again += known.restored;
        for (segment, hash) in known.known_before {
            holders.add([hash], self.landed_at[&segment]);
        }
        Ok(())
    }
}

async fn live_oldest_first(app: &App, table: &TableId) -> Result<Vec<Segment>, PassError> {
    let mut live = app.ledger.read(table).await?.live;
    live.sort_by(|a, b| (a.recorded_at, &a.id).cmp(&(b.recorded_at, &b.id)));
    Ok(live)
}

/// Those that may be brought back; of the others it is said what they are.
fn readable(
    table: &TableId,
    unnamed: Vec<(Landed, Said)>,
    holders: &Holders,
    since: Micros,
    did: &mut Repaired,
) -> Vec<(Landed, SegmentFooter)> {
    let mut readable = Vec::new();
    for (landed, said) in unnamed {
        match said {
            Said::Unreadable(why) => {
                tracing::error!(%table, key = %landed.key, why, "a landing object that nothing names cannot be read");
                did.unreadable_objects += 1;
            }
            Said::Footer(footer) if landed.at >= since => readable.push((landed, footer)),
            Said::Footer(footer) => {
                if !footer.bodies.iter().all(|hash| holders.hold(hash, landed.at)) {
                    tracing::error!(%table, key = %landed.key, "a landing object from before the dedup window is named by nothing");
                    did.lost_objects += 1;
                }
            }
        }
    }
    readable
}

/// Segments that the table took in within the window, and that have no landing object.
fn note_gone(in_table: &InTable, settled: &[Landed], since: Micros, did: &mut Repaired) {
    let there: HashSet<&SegmentId> = settled.iter().map(|landed| &landed.id).collect();
    let recent = in_table.iter().filter(|(_, at)| at.is_some_and(|at| at >= since));
    did.unknown_segments += recent.filter(|(id, _)| !there.contains(id)).count();
}

fn bodies_of(said: &Said) -> &[BodyHash] {
    match said {
        Said::Footer(footer) => &footer.bodies,
        Said::Unreadable(_) => &[],
    }
}

/// In the order of the objects, several at a time.
fn footers(
    store: &Arc<dyn ObjectStore>,
    objects: Vec<Landed>,
) -> BoxStream<'static, Result<(Landed, Said), PassError>> {
    let store = Arc::clone(store);
    futures::stream::iter(objects)
        .map(move |landed| {
            let store = Arc::clone(&store);
            async move {
                let said = footer_of(store.as_ref(), &landed).await?;
                Ok((landed, said))
            }
        })
        .buffered(FOOTERS_AT_ONCE)
        .boxed()
}
