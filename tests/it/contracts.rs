//! Every implementation of a door keeps the door's contract: the fakes as well as the real things.

mod doors;
mod doors_on_aws;
mod logs;

use std::sync::Arc;

use clock::{Clock, ManualClock, SystemClock};
use embedded::{DurableDisk, SqliteItems, SqliteQueue};
use futures::FutureExt;
use futures::future::join_all;
use meta::{ItemStore, Queue};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use tempfile::TempDir;
use testkit::contract::{items, objects, queue, table_log};
use testkit::{MemoryItems, MemoryQueue};
use tests::cloud::Emulators;

const NOW: i64 = 1_763_600_000_000_000;

async fn items_keep_their_contract(open: impl Fn(&TempDir, Arc<dyn Clock>) -> Arc<dyn ItemStore>) {
    for (name, case) in items::CASES {
        println!("{name}");
        let (folder, clock) = (TempDir::new().expect("a folder"), Arc::new(ManualClock::new(NOW)));
        let store = open(&folder, Arc::clone(&clock) as Arc<dyn Clock>);
        case(items::World { store, clock, scope: (*name).to_owned() }).await;
    }
}

async fn queues_keep_their_contract(open: impl Fn(&TempDir, Arc<dyn Clock>) -> Arc<dyn Queue>) {
    for (name, case) in queue::CASES.iter().chain(queue::LOCAL_CASES) {
        println!("{name}");
        let (folder, clock) = (TempDir::new().expect("a folder"), Arc::new(ManualClock::new(NOW)));
        let queue = open(&folder, Arc::clone(&clock) as Arc<dyn Clock>);
        let pass = Arc::new(move |time| {
            clock.advance(time);
            std::future::ready(()).boxed()
        });
        case(queue::World { queue, pass }).await;
    }
}

async fn objects_keep_their_contract(open: impl Fn(&TempDir) -> Arc<dyn ObjectStore>) {
    for (name, case) in objects::CASES {
        println!("{name}");
        let folder = TempDir::new().expect("a folder");
        case(objects::World { store: open(&folder), scope: (*name).to_owned() }).await;
    }
}

async fn logs_keep_their_contract(world: impl Fn(&TempDir) -> table_log::World) {
    for (name, case) in table_log::CASES {
        println!("{name}");
        let folder = TempDir::new().expect("a folder");
        case(world(&folder)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_items() {
    items_keep_their_contract(|_, clock| Arc::new(MemoryItems::new(clock))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_items() {
    items_keep_their_contract(|folder, clock| {
        Arc::new(SqliteItems::open(folder.path().join("meta.db"), clock).expect("opened"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dynamodb_items() {
    let (cloud, table) = (Emulators::shared().cloud(), Emulators::shared().table().await);
    items_keep_their_contract(|_, clock| cloud.items(&table, clock)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_queue() {
    queues_keep_their_contract(|_, clock| Arc::new(MemoryQueue::new(clock))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_queue() {
    queues_keep_their_contract(|folder, clock| {
        Arc::new(SqliteQueue::open(folder.path().join("queue.db"), clock).expect("opened"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqs_queue() {
    let emulators = Emulators::shared();
    // SQS has a clock of its own, so time passes as it does: for all cases at once.
    let cases = queue::CASES.iter().map(async |(name, case)| {
        let queue = emulators.cloud().queue(&emulators.queue().await);
        let pass = Arc::new(|time| tokio::time::sleep(time).boxed());
        case(queue::World { queue, pass }).await;
        println!("{name}");
    });
    join_all(cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_in_memory() {
    objects_keep_their_contract(|_| Arc::new(InMemory::new())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_on_disk() {
    objects_keep_their_contract(|folder| Arc::new(DurableDisk::open(folder.path(), &SystemClock).expect("opened")))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn model_log() {
    logs_keep_their_contract(|_| logs::model()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn delta_log_in_memory() {
    logs_keep_their_contract(|_| logs::delta(Arc::new(InMemory::new()))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn delta_log_on_disk() {
    let disk = |folder: &TempDir| Arc::new(DurableDisk::open(folder.path(), &SystemClock).expect("opened"));
    logs_keep_their_contract(|folder| logs::delta(disk(folder))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_on_s3() {
    let emulators = Emulators::shared();
    let (cloud, bucket) = (emulators.cloud(), emulators.bucket().await);
    let root = format!("s3://{bucket}/a/root").parse().expect("a root");
    objects_keep_their_contract(|_| cloud.root_store(&root).expect("a store")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn delta_log_on_s3() {
    let emulators = Emulators::shared();
    let (cloud, bucket) = (emulators.cloud(), emulators.bucket().await);
    logs_keep_their_contract(|folder| {
        // Each case has a place of its own, as it has a folder.
        let name = folder.path().file_name().expect("a name").to_string_lossy().replace('.', "");
        logs::delta(cloud.root_store(&format!("s3://{bucket}/{name}").parse().expect("a root")).expect("a store"))
    })
    .await;
}
