//! A ledger or a table that was put back in time: the table is stopped, and `repair` brings every acknowledged row back
//! exactly once, whatever fails in it and whatever comes in meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use clock::ManualClock;
use compact::{Outcome, Repaired};
use futures::TryStreamExt;
use meta::ledger::Taken;
use meta::{Item, ItemStore, Operation};
use model::{BodyHash, SegmentId};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use testkit::MemoryItems;
use url::Url;

use super::world::{MINUTE, NOON, Row, World, exactly_once};
use crate::stores::{AgedStore, Fault, Faults};

/// What is put back, to one of two moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PutBack {
    Nothing,
    Ledger,
    Table,
    /// Both, the ledger further.
    LedgerFurther,
    /// Both, the table further.
    TableFurther,
}

const ALL: [PutBack; 5] =
    [PutBack::Nothing, PutBack::Ledger, PutBack::Table, PutBack::LedgerFurther, PutBack::TableFurther];

type Body = (BodyHash, Vec<Row>);

/// A world with a past, of which copies were made.
struct Past {
    world: World,
    items: Arc<MemoryItems>,
    bodies: Vec<Body>,
}

/// Everything that a backup holds of the ledger and of the log.
struct Copy {
    items: Vec<Item>,
    log: BTreeMap<Path, Bytes>,
}

impl Past {
    async fn begin() -> Self {
        let clock = Arc::new(ManualClock::new(NOON));
        let items = Arc::new(MemoryItems::new(clock.clone()));
        let store = Arc::new(AgedStore::new(Arc::new(InMemory::new()), clock.clone()));
        let world = World::over(clock, items.clone(), store, Url::parse("memory:///").expect("a url")).await;
        Self { world, items, bodies: Vec::new() }
    }

    /// A body of some rows that was never sent.
    fn body(&mut self) -> Body {
        let n = self.bodies.len();
        let rows = (0..3).map(|i| Row {
            at: NOON + (n as i64 * 3 + i) * MINUTE / 7,
            id: format!("{n}-{i}"),
            signal: if i == 0 { "log" } else { "span" },
        });
        let body = (BodyHash::from_bytes([n as u8 + 1; 16]), rows.collect());
        self.bodies.push(body.clone());
        body
    }

    /// New bodies, acknowledged, in one segment.
    async fn send(&mut self, n: usize) -> Vec<Body> {
        let bodies: Vec<_> = (0..n).map(|_| self.body()).collect();
        assert_eq!(self.world.ingest(&bodies).await, n);
        bodies
    }

    async fn compact(&self) {
        let outcome = self.world.compact(&self.world.app()).await;
        assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    }

    async fn copy(&self) -> Copy {
        let mut log = BTreeMap::new();
        let prefix = Path::from("shop/otel_logs_and_spans/_delta_log");
        let listed: Vec<_> = self.world.store.list(Some(&prefix)).try_collect().await.expect("listed");
        for object in listed {
            let bytes = self.world.store.get(&object.location).await.expect("there").bytes().await.expect("bytes");
            log.insert(object.location, bytes);
        }
        Copy { items: self.items.all(), log }
    }

    async fn put_ledger_back(&mut self, copy: &Copy) {
        let items = MemoryItems::new(self.world.clock.clone());
        for item in &copy.items {
            let put = Operation::put(item.key.clone(), item.attributes.clone());
            let put = match item.expires_at {
                Some(at) => put.expiring(at),
                None => put,
            };
            items.write(put).await.expect("put back");
        }
        self.items = Arc::new(items);
        self.world.items = self.items.clone();
    }

    async fn put_table_back(&self, copy: &Copy) {
        let now = self.copy().await;
        for path in now.log.keys().filter(|path| !copy.log.contains_key(*path)) {
            self.world.store.delete(path).await.expect("deleted");
        }
        for (path, bytes) in copy.log.iter().filter(|(path, bytes)| now.log.get(*path) != Some(bytes)) {
            self.world.store.put(path, bytes.clone().into()).await.expect("put back");
        }
    }

    fn expected(&self) -> BTreeMap<String, usize> {
        exactly_once(&self.bodies.iter().flat_map(|(_, rows)| rows.clone()).collect::<Vec<_>>())
    }

    async fn repair(&self) -> Repaired {
        let app = self.world.app();
        let did = compact::repair(&app, &self.world.table, self.world.deadline()).await.expect("repaired");
        assert_eq!(did.busy_until, None);
        did
    }

    /// Exactly once for a reader at once, in the table after a drain; and no retry of anything adds a row.
    async fn check(&self, what: &str) {
        assert_eq!(self.world.seen_by_reader().await, self.expected(), "a reader at once; {what}");
        self.world.drain().await;
        assert_eq!(self.world.in_table().await, self.expected(), "after a drain; {what}");
        for body in &self.bodies {
            assert_eq!(self.world.ingest(std::slice::from_ref(body)).await, 0, "a retry of {}; {what}", body.0);
        }
        self.world.drain().await;
        assert_eq!(self.world.in_table().await, self.expected(), "after retries; {what}");
        let more = self.world.ledger().stopped(&self.world.table).await.expect("read");
        assert_eq!(more, None, "{what}");
    }
}

/// An hour of which something is lost: bodies in groups and alone, committed and cleaned, committed and not cleaned, in an
/// open batch, live, and refused retries of all kinds.
async fn past(put_back: PutBack) -> Past {
    let mut past = Past::begin().await;
    let old = past.send(3).await;
    past.compact().await;
    past.world.advance(Duration::from_secs(60));
    past.send(2).await;
    past.compact().await;
    let waiting = past.send(2).await;
    past.world.advance(Duration::from_secs(10));
    let first = past.copy().await;

    past.compact().await;
    let cleaned = past.send(3).await;
    past.compact().await;
    past.world.advance(Duration::from_secs(600));
    past.compact().await;
    // Leftovers: a group of which one body is new, and one that is all known.
    let new = past.body();
    let mixed = [cleaned[1].clone(), new, waiting[0].clone()];
    assert_eq!(past.world.ingest(&mixed).await, 1);
    assert_eq!(past.world.ingest(&[old[0].clone(), cleaned[2].clone()]).await, 0);
    past.compact().await;
    let live = past.send(2).await;
    past.world.advance(Duration::from_secs(600));
    let second = past.copy().await;

    past.send(2).await;
    past.compact().await;
    let later = past.send(2).await;
    let new = past.body();
    assert_eq!(past.world.ingest(&[live[1].clone(), later[0].clone(), new, old[1].clone()]).await, 1);
    past.world.advance(Duration::from_secs(2_400));
    match put_back {
        PutBack::Nothing => {}
        PutBack::Ledger => past.put_ledger_back(&first).await,
        PutBack::Table => past.put_table_back(&first).await,
        PutBack::LedgerFurther => {
            past.put_ledger_back(&first).await;
            past.put_table_back(&second).await;
        }
        PutBack::TableFurther => {
            past.put_ledger_back(&second).await;
            past.put_table_back(&first).await;
        }
    }
    past
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_put_back_is_stopped_and_repair_ends_with_every_row_exactly_once() {
    for put_back in ALL {
        let past = past(put_back).await;
        if put_back != PutBack::Nothing {
            let outcome = past.world.compact(&past.world.app()).await;
            assert!(matches!(outcome, Outcome::Stopped { .. }), "{put_back:?}: {outcome:?}");
        }
        let did = past.repair().await;
        assert_eq!(did.was_stopped.is_some(), put_back != PutBack::Nothing, "{put_back:?}: {did:?}");
        assert!(!did.is_partial() && did.unknown_segments == 0, "{put_back:?}: {did:?}");
        past.check(&format!("{put_back:?}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_false_alarm_changes_nothing() {
    let past = past(PutBack::Nothing).await;
    let stop = |items: &[Item]| items.iter().any(|item| item.key.sort == "stop");
    let (before, version) = (past.items.all(), past.world.snapshot().await.version);
    // Somebody wrote a stop for nothing.
    let ledger = past.world.ledger();
    let meta::ledger::Taken::Ours(lease) = ledger.take_lease(&past.world.table).await.expect("taken") else {
        panic!("busy")
    };
    ledger.stop(&past.world.table, &lease, "a rumour").await.expect("stopped");
    ledger.release_lease(&past.world.table, &lease).await.expect("released");
    let did = past.repair().await;
    assert_eq!(did, Repaired { was_stopped: Some("a rumour".to_owned()), ..Repaired::default() });
    let but_the_lease =
        |items: Vec<Item>| items.into_iter().filter(|item| item.key.sort != "lease").collect::<Vec<_>>();
    let after = past.items.all();
    assert!(!stop(&after));
    assert_eq!(but_the_lease(after), but_the_lease(before));
    assert_eq!(past.world.snapshot().await.version, version);
    assert_eq!(past.repair().await, Repaired::default(), "and once more");
    past.check("a false alarm").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_was_never_written_is_left_alone() {
    let past = Past::begin().await;
    assert_eq!(past.repair().await, Repaired::default());
    assert!(past.items.all().iter().all(|item| !item.key.partition.starts_with("ledger/")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_in_while_the_table_was_stopped_is_there_once_too() {
    for put_back in ALL {
        let mut past = past(put_back).await;
        past.world.compact(&past.world.app()).await;
        // Retries of everything: where the ledger has forgotten them, they come in again; and with each something new.
        for n in 0..past.bodies.len() {
            let bodies = [past.body(), past.bodies[n].clone()];
            past.world.ingest(&bodies).await;
        }
        past.world.advance(Duration::from_secs(60));
        let did = past.repair().await;
        assert!(!did.is_partial(), "{put_back:?}: {did:?}");
        past.check(&format!("{put_back:?}")).await;
    }
}

/// Every call with `PLIMSOLL_EVERY_STEP` set, which takes minutes; else one in so many, others for each kind of loss.
const ONE_STEP_IN: usize = 5;

/// One outside call of repair fails, loses its reply or is the last of its worker; exporters go on, and a second repair
/// finds what the first has left.
async fn survives_faults(put_back: PutBack) {
    let faults = Faults::none();
    let probe = past(put_back).await;
    let app = probe.world.faulty_app(&faults);
    compact::repair(&app, &probe.world.table, probe.world.deadline()).await.expect("repaired");
    let calls = faults.calls();
    assert!(calls.len() > 40, "{}", calls.len());
    let step = if std::env::var_os("PLIMSOLL_EVERY_STEP").is_some() { 1 } else { ONE_STEP_IN };
    for (at, effect) in calls.into_iter().enumerate().skip(put_back as usize % step).step_by(step) {
        for fault in Fault::of(effect) {
            let mut past = past(put_back).await;
            let faults = Faults::new(at, *fault);
            let app = past.world.faulty_app(&faults);
            let _ = faults.run(compact::repair(&app, &past.world.table, past.world.deadline())).await;
            let bodies = [past.body(), past.bodies[4].clone()];
            past.world.ingest(&bodies).await;
            // The lease of a worker that died runs out.
            past.world.advance(Duration::from_secs(150));
            let did = past.repair().await;
            let what = format!("{put_back:?}, {fault:?} at call {at}: {did:?}");
            assert!(!did.is_partial(), "{what}");
            assert_eq!(past.world.seen_by_reader().await, past.expected(), "a reader at once; {what}");
            assert_eq!(past.world.ingest(&past.bodies).await, 0, "a retry of everything; {what}");
            past.world.drain().await;
            assert_eq!(past.world.in_table().await, past.expected(), "after a drain; {what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn repair_of_a_ledger_survives_faults_at_its_steps() {
    survives_faults(PutBack::Ledger).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repair_of_a_table_survives_faults_at_its_steps() {
    survives_faults(PutBack::Table).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repair_of_both_survives_faults_at_its_steps() {
    survives_faults(PutBack::LedgerFurther).await;
    survives_faults(PutBack::TableFurther).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ingest_goes_on_beside_repair() {
    for put_back in ALL {
        for round in [0, 3] {
            let mut past = past(put_back).await;
            past.world.compact(&past.world.app()).await;
            let known = past.bodies.clone();
            let mut bodies: Vec<Vec<Body>> = known.iter().skip(round).map(|body| vec![body.clone()]).collect();
            for group in &mut bodies {
                group.push(past.body());
            }
            let app = past.world.app();
            let send = async {
                for group in &bodies {
                    past.world.ingest(group).await;
                    tokio::task::yield_now().await;
                }
            };
            let repair = compact::repair(&app, &past.world.table, past.world.deadline());
            let (repaired, ()) = tokio::join!(repair, send);
            let did = repaired.expect("repaired");
            past.check(&format!("{put_back:?}, round {round}: {did:?}")).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_held_the_lost_version_sees_the_one_that_stands() {
    let past = past(PutBack::Nothing).await;
    let app = past.world.app();
    let copy = past.copy().await;
    let mut past = past;
    past.send(2).await;
    past.world.compact(&app).await;
    let (lost, logs) = (past.world.snapshot().await.version, Arc::clone(&app.logs));
    let warm = logs.open(&past.world.table);
    assert_eq!(warm.snapshot().await.expect("a snapshot").expect("a table").version, lost);
    past.put_table_back(&copy).await;
    let outcome = past.world.compact(&app).await;
    assert!(matches!(outcome, Outcome::Done(_)), "nothing is due: {outcome:?}");
    assert!(warm.snapshot().await.expect("a snapshot").expect("a table").version < lost);
    past.repair().await;
    // The lost version's number is taken again, by another commit.
    let stands = past.world.snapshot().await;
    assert!(stands.version >= lost);
    let seen = warm.snapshot().await.expect("a snapshot").expect("a table");
    assert_eq!((seen.version, seen.committed, &seen.files), (stands.version, stands.committed, &stands.files));
    past.check("warm").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_or_is_too_old_is_counted() {
    let mut past = past(PutBack::Nothing).await;
    let copy = past.copy().await;
    // Acknowledged, and then lost by the ledger: one rots, one grows too old.
    let rotten = past.body();
    let segment = past.world.land_bodies(&[&rotten]).await;
    past.world.store.put(&Path::from(format!("shop/{}", segment.key)), "rotten".into()).await.expect("put");
    let aged = past.body();
    past.world.ingest(&[aged]).await;
    past.put_ledger_back(&copy).await;
    past.world.advance(Duration::from_secs(25 * 3_600));
    let did = past.repair().await;
    assert_eq!((did.unreadable_objects, did.lost_objects, did.segments_restored), (1, 1, 0), "{did:?}");
    assert!(did.is_partial());
}

/// They were put segment by segment, a call each.
#[tokio::test]
async fn bodies_of_many_segments_are_known_again_together_and_one_that_two_hold_is_put_once() {
    let past = Past::begin().await;
    let (ledger, table) = (past.world.ledger(), &past.world.table);
    let Taken::Ours(lease) = ledger.take_lease(table).await.expect("taken") else { panic!("nobody else is here") };
    let hash = |n: usize| {
        let mut bytes = [7; 16];
        bytes[..8].copy_from_slice(&(n as u64).to_be_bytes());
        BodyHash::from_bytes(bytes)
    };
    let id = |n: usize| SegmentId::new(&hash(n), "00");
    // More than one transaction holds, and the last segment holds a body of the one before, too.
    const N: usize = 250;
    let mut segments: Vec<_> = (0..N).map(|n| (id(n), vec![hash(n)])).collect();
    segments.push((id(N), vec![hash(N), hash(N - 1)]));
    assert!(!ledger.knows(table, &segments[0].0, &segments[0].1).await.expect("read"));
    let known = ledger.restore_seen(table, &lease, &segments).await.expect("put");
    assert_eq!((known.restored, known.known_before), (N + 1, vec![(id(N), hash(N - 1))]));
    for (segment, bodies) in &segments {
        assert!(ledger.knows(table, segment, bodies).await.expect("read"), "{segment}");
    }
    assert_eq!(ledger.seen_in(table, &hash(N - 1)).await.expect("read"), Some(id(N - 1)), "by whom it had");
    let again = ledger.restore_seen(table, &lease, &segments).await.expect("nothing to put");
    assert_eq!((again.restored, again.known_before.len()), (0, N + 2));
}
