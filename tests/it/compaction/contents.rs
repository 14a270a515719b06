//! Every column of every row comes out of compaction and merging as it went in.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use model::{BodyHash, ProjectSettings, Signal, TableName};
use prost::Message;
use rows::{BodyContext, Decoder};
use testkit::telemetry::{Sample, logs, metrics, traces};

use super::world::{DAY, NOON, World};

/// Two bodies of each signal of a table, on two days that are over, interleaved in time.
fn batches(world: &World) -> Vec<RecordBatch> {
    let signals: &[Signal] = match world.table.table {
        TableName::LogsAndSpans => &[Signal::Traces, Signal::Logs],
        TableName::Metrics => &[Signal::Metrics],
    };
    let mut batches = Vec::new();
    for (seed, from) in [(1, NOON - 2 * DAY), (3, NOON - DAY), (2, NOON - 2 * DAY + 7), (4, NOON - DAY + 7)] {
        for signal in signals {
            let sample = Sample { seed, n: 300, start_unix_nano: from as u64 * 1_000 };
            let body = match signal {
                Signal::Traces => traces(&sample).encode_to_vec(),
                Signal::Logs => logs(&sample).encode_to_vec(),
                Signal::Metrics => metrics(&sample).encode_to_vec(),
            };
            let context = BodyContext {
                signal: *signal,
                project: &world.table.project,
                hash: BodyHash::from_bytes([seed as u8; 16]),
                arrived_at: NOON,
                accepted: ProjectSettings::default().accepted(world.table.table, NOON),
                records_max: 10_000,
            };
            let mut decoder = Decoder::new(world.table.table);
            decoder.push(&context, &body).expect("decoded");
            batches.push(decoder.finish());
        }
    }
    batches
}

/// Each row as text, the partition columns left out, in any order.
fn texts(batches: &[RecordBatch]) -> BTreeMap<String, usize> {
    let options = FormatOptions::default().with_null("null");
    let mut texts = BTreeMap::new();
    for batch in batches {
        let columns: Vec<_> = batch
            .schema_ref()
            .fields()
            .iter()
            .zip(batch.columns())
            .filter(|(field, _)| !["date", "signal"].contains(&field.name().as_str()))
            .map(|(field, column)| (field.name(), ArrayFormatter::try_new(column, &options).expect("a formatter")))
            .collect();
        for row in 0..batch.num_rows() {
            let text: Vec<_> = columns.iter().map(|(name, column)| format!("{name}={}", column.value(row))).collect();
            *texts.entry(text.join(" | ")).or_default() += 1;
        }
    }
    texts
}

async fn check(table: TableName) {
    let mut world = World::of(table).await;
    let sent = batches(&world);
    let conformed: Vec<_> = sent.iter().map(|batch| rows::conform(batch, table).expect("conforms")).collect();
    let expected = texts(&conformed);
    assert!(expected.len() > 1_000, "{}", expected.len());
    for half in sent.chunks(sent.len() / 2) {
        for batch in half {
            world.send_batch(batch).await;
        }
        world.drain().await;
    }
    assert!(in_table(&world).await == expected, "after compaction");
    // Any two files of a day that is over become one.
    world.settings.merge.day_files = 2;
    assert!(world.maintain(&world.app()).await.merges >= 1);
    assert!(in_table(&world).await == expected, "after merging");
}

async fn in_table(world: &World) -> BTreeMap<String, usize> {
    let mut all = Vec::new();
    for file in world.snapshot().await.files.iter() {
        all.extend(world.read_file(file).await);
    }
    texts(&all)
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_and_spans() {
    check(TableName::LogsAndSpans).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metric_points() {
    check(TableName::Metrics).await;
}
