//! The ledger on DynamoDB: how many calls each of its acts is, what they cost, and many at once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use clock::{Clock, RandomIds, SystemClock};
use futures::future::join_all;
use meta::ledger::{Recorded, Taken};
use meta::{Item, ItemKey, ItemStore, Ledger, Operation, Page, SortRange, StoreError};
use model::{BodyHash, ProjectId, Segment, SegmentId, TableId, TableName};
use tests::cloud::Emulators;

fn table() -> TableId {
    TableId::new(ProjectId::parse("shop").expect("an id"), TableName::LogsAndSpans)
}

fn segment(n: u8) -> (Segment, BodyHash) {
    let hash = BodyHash::from_bytes([n; 16]);
    let id = SegmentId::new(&hash, &clock::Ids::fresh(&RandomIds));
    let now = SystemClock.now();
    let segment = Segment {
        key: format!("landing/otel_logs_and_spans/2026-11-20T16/{id}.arrow"),
        id,
        bytes: 1_234_567,
        checksum: "0123456789abcdef".repeat(4),
        rows: 8_192,
        time_min: now - 1_000_000,
        time_max: now,
        recorded_at: now,
        format: Segment::FORMAT,
    };
    (segment, hash)
}

async fn store() -> Arc<dyn ItemStore> {
    let emulators = Emulators::shared();
    emulators.cloud().items(&emulators.table().await, Arc::new(SystemClock))
}

/// What a call is billed: DynamoDB's rules on the bytes that our items have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Bill {
    /// Calls by name.
    calls: BTreeMap<&'static str, usize>,
    write_units: usize,
    read_units: usize,
}

/// Counts what goes through. Every call of the store is one of DynamoDB's, unless it is tried again.
struct Billed {
    inner: Arc<dyn ItemStore>,
    bill: Mutex<Bill>,
}

/// Of what a put writes; a delete is billed as one small item, which all but batches are.
fn kilobytes(operation: &Operation) -> usize {
    match operation {
        Operation::Put { key, attributes, .. } => {
            let text = serde_json::to_string(attributes).expect("JSON").len();
            (key.partition.len() + key.sort.len() + text).div_ceil(1_024)
        }
        Operation::Delete { .. } | Operation::Check { .. } => 1,
    }
}

fn read_units(items: &[Item]) -> usize {
    let bytes: usize =
        items.iter().map(|item| serde_json::to_string(&item.attributes).expect("JSON").len() + 100).sum();
    bytes.div_ceil(4_096).max(1)
}

impl Billed {
    fn count(&self, call: &'static str, write_units: usize, read_units: usize) {
        let mut bill = self.bill.lock().unwrap();
        *bill.calls.entry(call).or_default() += 1;
        bill.write_units += write_units;
        bill.read_units += read_units;
    }

    fn taken(&self) -> Bill {
        std::mem::take(&mut *self.bill.lock().unwrap())
    }
}

#[async_trait]
impl ItemStore for Billed {
    async fn get(&self, key: &ItemKey) -> Result<Option<Item>, StoreError> {
        self.count("get", 0, 1);
        self.inner.get(key).await
    }

    async fn write(&self, operation: Operation) -> Result<u64, StoreError> {
        self.count("write", kilobytes(&operation), 0);
        self.inner.write(operation).await
    }

    async fn query(
        &self,
        partition: &str,
        range: &SortRange,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let page = self.inner.query(partition, range, after, limit).await?;
        self.count("query", 0, read_units(&page.items));
        Ok(page)
    }

    async fn transact(&self, operations: Vec<Operation>) -> Result<(), StoreError> {
        self.count("transact", operations.iter().map(|operation| 2 * kilobytes(operation)).sum(), 0);
        self.inner.transact(operations).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_acts_of_the_ledger_cost() {
    const SEGMENTS: u8 = 20;
    let billed = Arc::new(Billed { inner: store().await, bill: Mutex::default() });
    let ledger = Ledger::new(billed.clone(), Arc::new(SystemClock), Arc::new(RandomIds));
    let table = table();
    let mut bills: Vec<(&str, Bill)> = Vec::new();
    let mut act = |name: &'static str| bills.push((name, billed.taken()));

    let landed: Vec<_> = (0..SEGMENTS).map(segment).collect();
    for (n, (segment, hash)) in landed.iter().enumerate() {
        assert_eq!(ledger.record(&table, segment, &[*hash]).await.expect("recorded"), Recorded::Live);
        if n == 0 {
            act("record a request");
        }
    }
    billed.taken();
    let (again, hash) = segment(0);
    assert_eq!(ledger.record(&table, &again, &[hash]).await.expect("asked"), Recorded::Duplicates(vec![0]));
    act("find a duplicate");
    ledger.put_due(&table).await.expect("put");
    act("note that a table is due");

    let Taken::Ours(lease) = ledger.take_lease(&table).await.expect("asked") else { panic!("it is free") };
    act("take the lease");
    let view = ledger.read(&table).await.expect("read");
    act("read the ledger, 20 segments live");
    let ids: Vec<_> = view.live.iter().map(|segment| segment.id.clone()).collect();
    let (batch, lease) = ledger.open_batch(&table, &lease, ids.clone()).await.expect("opened");
    act("open a batch of 20");
    let batch = ledger.count_attempt(&table, &lease, &batch).await.expect("counted");
    act("count an attempt");
    let lease = ledger.renew_lease(&table, &lease).await.expect("renewed");
    act("renew the lease");
    ledger.mark_committed(&table, &batch).await.expect("marked");
    act("mark a batch committed");
    ledger.raise_mark(&table, batch.seq).await.expect("raised");
    act("raise the mark, the first time");
    ledger.delete_live(&table, &ids).await.expect("deleted");
    act("delete 20 live segments");
    ledger.delete_batch(&table, batch.seq).await.expect("deleted");
    act("delete a batch");
    ledger.release_lease(&table, &lease).await.expect("released");
    act("release the lease");

    let said: Vec<_> = bills
        .iter()
        .map(|(name, bill)| {
            let calls: Vec<_> = bill.calls.iter().map(|(call, n)| format!("{n} {call}")).collect();
            format!("{name}: {}; {} WCU, {} RCU", calls.join(", "), bill.write_units, bill.read_units)
        })
        .collect();
    assert_eq!(
        said,
        [
            "record a request: 1 transact; 4 WCU, 0 RCU",
            "find a duplicate: 1 transact; 4 WCU, 0 RCU",
            "note that a table is due: 1 write; 1 WCU, 0 RCU",
            "take the lease: 1 get, 1 write; 1 WCU, 1 RCU",
            "read the ledger, 20 segments live: 1 get, 2 query; 0 WCU, 5 RCU",
            "open a batch of 20: 1 transact; 6 WCU, 0 RCU",
            "count an attempt: 1 transact; 6 WCU, 0 RCU",
            "renew the lease: 1 write; 1 WCU, 0 RCU",
            "mark a batch committed: 1 write; 2 WCU, 0 RCU",
            "raise the mark, the first time: 2 write; 2 WCU, 0 RCU",
            "delete 20 live segments: 1 transact; 40 WCU, 0 RCU",
            "delete a batch: 1 write; 1 WCU, 0 RCU",
            "release the lease: 1 write; 1 WCU, 0 RCU",
        ],
        "{said:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_record_the_same_bodies_at_once_one_each_is_live() {
    const SENDERS: usize = 16;
    const BODIES: u8 = 12;
    let ledger = Ledger::new(store().await, Arc::new(SystemClock), Arc::new(RandomIds));
    let table = table();
    let began = SystemClock.uptime();
    let senders = (0..SENDERS).map(|sender| {
        let (ledger, table) = (ledger.clone(), table.clone());
        tokio::spawn(async move {
            let mut live = Vec::new();
            for turn in 0..BODIES {
                // Each sends all of them, and each in an order of its own.
                let (segment, hash) = segment((turn + sender as u8) % BODIES);
                match ledger.record(&table, &segment, &[hash]).await.expect("an answer") {
                    Recorded::Live => live.push(segment.id),
                    Recorded::Duplicates(places) => assert_eq!(places, [0]),
                }
                ledger.put_due(&table).await.expect("put");
            }
            live
        })
    });
    let mut live: Vec<SegmentId> = Vec::new();
    for sender in join_all(senders).await {
        live.extend(sender.expect("no panic"));
    }
    let took = SystemClock.uptime().saturating_sub(began);
    let calls = 2 * SENDERS * usize::from(BODIES);
    println!("{calls} calls of {SENDERS} senders at once in {took:?}: {:?} each", took / calls as u32);
    let view = ledger.read(&table).await.expect("read");
    let mut found: Vec<_> = view.live.into_iter().map(|segment| segment.id).collect();
    live.sort();
    found.sort();
    assert_eq!(found, live, "what was answered as live is live, and nothing else");
    assert_eq!(live.len(), usize::from(BODIES));
}
