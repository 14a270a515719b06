//! Requests a second and bytes a day, per project.

use std::sync::Arc;
use std::time::Duration;

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use clock::{Clock, ManualClock};
use meta::quota::{Quota, USAGE_KEPT};
use meta::{Item, ItemKey, ItemStore, Operation, Page, SortRange, StoreError};
use model::{MICROS_PER_DAY, ProjectId, ProjectSettings};
use testkit::MemoryItems;

/// Ten seconds before midnight UTC.
const LATE: i64 = 20_000 * MICROS_PER_DAY - 10_000_000;

struct World {
    clock: Arc<ManualClock>,
    store: Arc<dyn ItemStore>,
    quota: Quota,
}

fn world(now: i64) -> World {
    let clock = Arc::new(ManualClock::new(now));
    let store: Arc<dyn ItemStore> = Arc::new(MemoryItems::new(clock.clone()));
    let quota = Quota::new(Arc::clone(&store), clock.clone());
    World { clock, store, quota }
}

fn shop() -> ProjectId {
    ProjectId::parse("shop").expect("an id")
}

fn limits(requests_per_second_max: u32, bytes_per_day_max: u64) -> ProjectSettings {
    ProjectSettings { requests_per_second_max, bytes_per_day_max, ..ProjectSettings::default() }
}

#[test]
fn a_seconds_worth_of_requests_comes_back_in_a_second() {
    let w = world(LATE);
    w.quota.admit_bytes(&shop(), &limits(10, 1_000), 0).expect("admitted");
    let admitted = |n: usize| (0..n).filter(|_| w.quota.admit_request(&shop()).is_ok()).count();
    assert_eq!(admitted(50), 10);
    let refusal = w.quota.admit_request(&shop()).expect_err("used up");
    assert_eq!((refusal.limit, refusal.retry_after_s), ("requests_per_second_max", 1));
    assert!(refusal.to_string().contains("at most 10 requests a second"), "{refusal}");
    w.clock.advance(Duration::from_millis(300));
    assert_eq!(admitted(50), 3);
    w.clock.advance(Duration::from_secs(60));
    assert_eq!(admitted(50), 10, "no more than a second's worth is saved up");
    let other = ProjectId::parse("other").expect("an id");
    assert!(w.quota.admit_request(&other).is_ok(), "projects do not share");
}

#[tokio::test]
async fn bytes_are_refused_until_midnight() {
    let w = world(LATE);
    let settings = limits(10, 1_000);
    w.quota.admit_bytes(&shop(), &settings, 600).expect("admitted");
    let refusal = w.quota.admit_bytes(&shop(), &settings, 401).expect_err("too many");
    assert_eq!((refusal.limit, refusal.retry_after_s), ("bytes_per_day_max", 10));
    w.quota.admit_bytes(&shop(), &settings, 400).expect("what was refused was not counted");
    assert!(w.quota.admit_bytes(&shop(), &settings, 1).is_err());
    w.clock.advance(Duration::from_secs(10));
    w.quota.admit_bytes(&shop(), &settings, 1_000).expect("a new day");
}

#[tokio::test]
async fn processes_count_together_and_a_restart_forgets_nothing_that_was_settled() {
    let w = world(LATE);
    let settings = limits(10, 1_000);
    let other = Quota::new(Arc::clone(&w.store), w.clock.clone());
    for quota in [&w.quota, &other] {
        quota.admit_bytes(&shop(), &settings, 300).expect("admitted");
        quota.settle().await;
    }
    w.quota.settle().await;
    assert_eq!(w.quota.bytes_of_day(&shop(), w.clock.now()).await.expect("read"), 600);
    w.quota.admit_bytes(&shop(), &settings, 100).expect("admitted");
    w.quota.settle().await;
    assert!(w.quota.admit_bytes(&shop(), &settings, 301).is_err(), "it knows of the other's 300");

    let restarted = Quota::new(Arc::clone(&w.store), w.clock.clone());
    restarted.admit_bytes(&shop(), &settings, 1).expect("not known yet");
    restarted.settle().await;
    assert!(restarted.admit_bytes(&shop(), &settings, 300).is_err());
    assert_eq!(w.quota.bytes_of_day(&shop(), w.clock.now()).await.expect("read"), 701);

    w.clock.advance(Duration::from_secs(10));
    w.quota.settle().await;
    assert_eq!(w.quota.bytes_of_day(&shop(), w.clock.now()).await.expect("read"), 0);
    assert_eq!(w.quota.bytes_of_day(&shop(), LATE).await.expect("read"), 701, "the day before can be looked up");
    w.clock.advance(USAGE_KEPT);
    assert_eq!(w.quota.bytes_of_day(&shop(), LATE).await.expect("read"), 0);
}

/// Answers the first writes as a store does whose answer is lost, or not at all, although they took effect.
struct Forgetful {
    store: Arc<dyn ItemStore>,
    answers: AtomicUsize,
    how: Lost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lost {
    /// As a refusal: the first try landed, the second one met it.
    AsRefusal,
    AsTimeOut,
    /// Whoever waits gives up.
    Never,
}

#[async_trait]
impl ItemStore for Forgetful {
    async fn get(&self, key: &ItemKey) -> Result<Option<Item>, StoreError> {
        self.store.get(key).await
    }

    async fn write(&self, operation: Operation) -> Result<u64, StoreError> {
        let done = self.store.write(operation).await?;
        if self.answers.fetch_add(1, Ordering::SeqCst) > 1 {
            return Ok(done);
        }
        match self.how {
            Lost::AsRefusal => Err(StoreError::ConditionFailed { failed: vec![0] }),
            Lost::AsTimeOut => {
                Err(StoreError::Unavailable { context: "lost".into(), may_have_happened: true, source: None })
            }
            Lost::Never => std::future::pending().await,
        }
    }

    async fn query(&self, p: &str, r: &SortRange, after: Option<&str>, limit: usize) -> Result<Page, StoreError> {
        self.store.query(p, r, after, limit).await
    }

    async fn transact(&self, operations: Vec<Operation>) -> Result<(), StoreError> {
        self.store.transact(operations).await
    }
}

/// They were counted again with the next settling.
#[tokio::test]
async fn bytes_whose_settling_was_not_answered_count_once() {
    for how in [Lost::AsRefusal, Lost::AsTimeOut, Lost::Never] {
        let w = world(LATE);
        let store = Forgetful { store: Arc::clone(&w.store), answers: AtomicUsize::new(0), how };
        let quota = Quota::new(Arc::new(store), w.clock.clone());
        let settings = limits(10, 1_000);
        quota.admit_bytes(&shop(), &settings, 300).expect("admitted");
        let unanswered = tokio::time::timeout(Duration::from_millis(10), quota.settle()).await;
        assert_eq!(unanswered.is_err(), how == Lost::Never);
        // Others settle in between, and more comes.
        w.quota.admit_bytes(&shop(), &settings, 50).expect("admitted");
        w.quota.settle().await;
        quota.admit_bytes(&shop(), &settings, 100).expect("admitted");
        for _ in 0..4 {
            let _ = tokio::time::timeout(Duration::from_millis(10), quota.settle()).await;
        }
        let total = quota.bytes_of_day(&shop(), w.clock.now()).await.expect("read");
        assert_eq!(total, 450, "{how:?}");
        quota.admit_bytes(&shop(), &settings, 550).expect("all that is left");
        assert!(quota.admit_bytes(&shop(), &settings, 1).is_err(), "{how:?}");
    }
}
