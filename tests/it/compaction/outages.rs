//! A project whose store does not answer, or denies access: it is waited for, nothing is put aside, and others flow.

use std::sync::Arc;
use std::time::Duration;

use compact::{App, Outcome};
use meta::Trigger;
use model::{DueRule, ProjectId, TableId};

use super::bent::{Bend, BentStore, Call};
use super::world::{MINUTE, NOON, Row, World, exactly_once};

/// Beyond the longest time that a project is left alone.
const PATIENCE: Duration = Duration::from_secs(301);

/// Two projects, "shop" and "other", in one process over a store that can be bent.
struct Two {
    world: World,
    store: Arc<BentStore>,
    app: App,
    tables: [TableId; 2],
    rows: [Vec<Row>; 2],
}

impl Two {
    async fn new() -> Self {
        let mut world = World::new().await;
        world.settings.due = DueRule::NOW;
        let store = BentStore::over(&world.store);
        let app = world.app_on(store.clone());
        let shop = world.table.clone();
        let other = TableId::new(ProjectId::parse("other").expect("an id"), shop.table);
        Self { world, store, app, tables: [shop, other], rows: Default::default() }
    }

    /// Some rows for both.
    async fn send(&mut self) {
        for (table, rows) in self.tables.iter().zip(&mut self.rows) {
            self.world.table = table.clone();
            let some = self.world.rows(4, NOON, MINUTE);
            self.world.send(&some).await;
            rows.extend(some);
        }
        self.world.table = self.tables[0].clone();
    }

    /// The outcomes of "shop" and of "other" for one message each.
    async fn turn(&self) -> [Outcome; 2] {
        let messages = self.tables.iter().cloned().map(Trigger::new).collect();
        let outcomes = compact::handle(&self.app, messages, self.world.deadline()).await;
        outcomes.try_into().expect("one for each message")
    }

    /// "other" is in its table, and nothing of "shop" is lost, put aside or blamed.
    async fn check(&mut self, what: &str) {
        self.world.table = self.tables[1].clone();
        assert_eq!(self.world.in_table().await, exactly_once(&self.rows[1]), "other; {what}");
        self.world.table = self.tables[0].clone();
        assert_eq!(self.world.seen_by_reader().await, exactly_once(&self.rows[0]), "a reader; {what}");
        let (table, ledger) = (&self.world.table, self.world.ledger());
        assert!(ledger.quarantined(table).await.expect("read").is_empty(), "{what}");
        assert_eq!(ledger.stopped(table).await.expect("read"), None, "{what}");
        let view = ledger.read(table).await.expect("read");
        assert!(
            view.batches.iter().filter(|batch| batch.is_open()).all(|batch| batch.attempts == 0),
            "{what}: {view:?}"
        );
    }

    /// The store answers again: everything is in the tables, once.
    async fn recovers(mut self, what: &str) {
        self.store.straighten();
        self.world.advance(PATIENCE);
        let outcomes = self.turn().await;
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Done(_))), "{what}: {outcomes:?}");
        for (table, rows) in self.tables.iter().zip(&self.rows) {
            self.world.table = table.clone();
            self.world.drain().await;
            assert_eq!(self.world.in_table().await, exactly_once(rows), "{table}; {what}");
            assert_eq!(self.world.snapshot().await.voided, 0, "{table}; {what}");
        }
    }
}

fn is_of_shop(path: &str) -> bool {
    path.starts_with("shop")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_answers_503_for_minutes_is_waited_for_while_others_flow() {
    for had_a_table in [false, true] {
        let mut two = Two::new().await;
        two.send().await;
        if had_a_table {
            two.turn().await;
            two.send().await;
        }
        two.store.bend(|_, path| is_of_shop(path).then_some(Bend::Busy));
        let mut asked = 0;
        for turn in 0..20 {
            let what = format!("turn {turn}, had a table: {had_a_table}");
            let [shop, other] = two.turn().await;
            match shop {
                Outcome::Unavailable { error } => {
                    asked += 1;
                    assert!(error.contains("503") && error.contains("nothing is lost"), "{what}: {error}");
                }
                shop => assert_eq!(shop, Outcome::BackedOff, "{what}"),
            }
            assert!(matches!(other, Outcome::Done(done) if done.left == 0), "{what}: {other:?}");
            if turn % 5 == 0 {
                two.check(&what).await;
                two.send().await;
            }
            two.world.advance(Duration::from_secs(30));
        }
        assert!((3..=8).contains(&asked), "ten minutes, asked {asked} times: less and less often");
        two.recovers("after 503").await;
    }
}

/// What its owner has shut used to keep the alarm on the lag of the whole stack on.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_out_of_reach_is_counted_and_is_not_late() {
    let mut two = Two::new().await;
    two.send().await;
    two.store.bend(|_, path| is_of_shop(path).then_some(Bend::Shut));
    for table in &two.tables {
        two.world.ledger().put_due(table).await.expect("due");
    }
    for turn in 0..4 {
        two.world.advance(if turn == 3 { PATIENCE } else { Duration::from_secs(3) });
        let swept = compact::sweep(&two.app, two.world.deadline()).await.expect("swept");
        let shop = swept.iter().find(|swept| swept.table == two.tables[0]).expect("it is due");
        assert!(matches!(shop.outcome, Outcome::OutOfReach { .. } | Outcome::BackedOff), "{:?}", shop.outcome);
        let behind = compact::lag(&two.app).await.expect("read");
        assert_eq!((behind.longest, behind.out_of_reach), (None, 1), "turn {turn}");
    }
    two.check("its bucket is shut").await;
    // Within reach and not yet taken up, it is late like any other.
    two.store.bend(|_, path| is_of_shop(path).then_some(Bend::Busy));
    two.world.advance(PATIENCE);
    compact::sweep(&two.app, two.world.deadline()).await.expect("swept");
    let behind = compact::lag(&two.app).await.expect("read");
    assert_eq!((behind.longest.map(|lag| lag.table), behind.out_of_reach), (Some(two.tables[0].clone()), 0));
    two.recovers("after it was shut").await;
}

/// Which calls of "shop" are refused; each stands for a permission that somebody took away.
const DENIED: [(&str, Call, &str); 5] = [
    ("put data files", Call::Put, "date="),
    ("read segments", Call::Get, "landing/"),
    ("list the log", Call::List, "_delta_log"),
    ("read the log", Call::Get, "_delta_log"),
    ("write the log", Call::Put, "_delta_log"),
];

#[tokio::test(flavor = "multi_thread")]
async fn access_denied_is_never_poison() {
    for bend in [Bend::Denied, Bend::Unauthenticated] {
        let mut two = Two::new().await;
        two.send().await;
        two.turn().await;
        let mut list = None;
        for (denied, call, part) in DENIED {
            two.store
                .bend(move |asked, path| (asked == call && is_of_shop(path) && path.contains(part)).then_some(bend));
            // More often than an attempt may fail.
            for turn in 0..4 {
                let what = format!("{bend:?}: {denied}, turn {turn}");
                if turn == 0 {
                    two.send().await;
                }
                two.world.advance(PATIENCE);
                let [shop, other] = two.turn().await;
                let Outcome::Unavailable { error } = shop else { panic!("{what}: {shop:?}") };
                assert!(
                    error.contains("lacked") && error.contains("lets Plimsoll read, list, write and delete"),
                    "{error}"
                );
                assert!(matches!(other, Outcome::Done(done) if done.left == 0), "{what}: {other:?}");
                let view = two.world.ledger().read(&two.world.table).await.expect("read");
                let open = view.open_batch().expect("the batch stays open").segments.clone();
                assert_eq!(*list.get_or_insert(open.clone()), open, "{what}: that batch with that list");
            }
            two.check(denied).await;
            assert!(two.store.n_bent() >= 4, "{denied}: {}", two.store.n_bent());
        }
        two.recovers(&format!("{bend:?}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn segments_that_may_not_be_read_are_not_put_aside() {
    for bend in [Bend::Denied, Bend::Unauthenticated, Bend::Busy] {
        let mut two = Two::new().await;
        two.store.bend(move |call, path| (call == Call::Get && path.starts_with("shop/landing")).then_some(bend));
        for _ in 0..4 {
            two.send().await;
            two.world.advance(PATIENCE);
            let [shop, other] = two.turn().await;
            assert!(matches!(shop, Outcome::Unavailable { .. }), "{bend:?}: {shop:?}");
            assert!(matches!(other, Outcome::Done(_)), "{bend:?}: {other:?}");
            two.check(&format!("{bend:?}")).await;
        }
        two.recovers(&format!("{bend:?}")).await;
    }
}
