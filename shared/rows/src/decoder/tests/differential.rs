//! The decoder against the oracle, over random messages.

use std::collections::{HashMap, HashSet};

use model::{Signal, TableName};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;

use super::generate::Generator;
use super::oracle::{self, Expected};
use super::{Cell, Row, context, decode, project, rows_of};
use crate::decoder::{BodyOutcome, Decoder};
use crate::{concat, schema, segment};

const ROUNDS: u64 = 2_000;

/// A random body of each signal, and what should become of it.
pub(super) fn bodies(seed: u64) -> [(Signal, Vec<u8>, Expected); 3] {
    let mut generator = Generator::new(seed);
    let wires = [
        (Signal::Traces, generator.traces().encode_to_vec()),
        (Signal::Logs, generator.logs().encode_to_vec()),
        (Signal::Metrics, generator.metrics().encode_to_vec()),
    ];
    // From the wire, since encoding takes -0.0 for the default.
    wires.map(|(signal, wire)| {
        let expected = expected(signal, &wire).expect("just encoded");
        (signal, wire, expected)
    })
}

/// What the oracle says of any bytes that protobuf takes.
pub(super) fn expected(signal: Signal, wire: &[u8]) -> Option<Expected> {
    Some(match signal {
        Signal::Traces => oracle::traces(&ExportTraceServiceRequest::decode(wire).ok()?),
        Signal::Logs => oracle::logs(&ExportLogsServiceRequest::decode(wire).ok()?),
        Signal::Metrics => oracle::metrics(&ExportMetricsServiceRequest::decode(wire).ok()?),
    })
}

/// The oracle does not know hashes.
pub(super) fn without_series(mut rows: Vec<Row>) -> Vec<Row> {
    for row in &mut rows {
        row.remove("series_id");
    }
    rows
}

/// Column by column, so that a failure is readable.
pub(super) fn assert_same(what: &str, rows: &[Row], wanted: &[Row]) {
    for (n, (found, wanted)) in rows.iter().zip(wanted).enumerate() {
        for column in wanted.keys().chain(found.keys()).filter(|column| *column != "series_id") {
            assert_eq!(found.get(column), wanted.get(column), "{what}, row {n}, column {column}");
        }
    }
    assert_eq!(rows.len(), wanted.len(), "{what}");
}

fn check(what: &str, expected: &Expected, rows: &[Row], outcome: &BodyOutcome) {
    assert_same(what, rows, &expected.rows);
    assert_eq!((outcome.rows, outcome.rejected), (expected.rows.len(), expected.rejected), "{what}: {outcome:?}");
    assert_eq!(outcome.records_without_time, expected.without_time, "{what}");
    assert_eq!(outcome.rejected_message.is_empty(), outcome.rejected == 0, "{what}");
}

#[test]
fn rows_are_those_of_the_oracle_field_by_field() {
    let mut n_rows = 0;
    let mut columns: HashSet<String> = HashSet::new();
    for seed in 0..ROUNDS {
        for (signal, wire, expected) in bodies(seed) {
            let (rows, outcome) = decode(signal, &wire).expect("valid protobuf");
            n_rows += rows.len();
            check(&format!("seed {seed}, {signal:?}"), &expected, &rows, &outcome);
            columns.extend(expected.rows.into_iter().flatten().map(|(column, _)| column));
        }
    }
    assert!(n_rows > 10_000, "{n_rows} rows are too few to say anything");
    for table in TableName::ALL {
        let schema = schema(table);
        let missing: Vec<_> = schema.fields().iter().filter(|field| !columns.contains(field.name())).collect();
        assert!(missing.is_empty(), "no message had a value for {missing:?}");
    }
}

#[test]
fn points_have_one_series_id_if_and_only_if_they_are_of_one_series() {
    let (mut ids, mut series, mut n_points) = (HashMap::new(), HashMap::new(), 0);
    for seed in 0..ROUNDS {
        let [.., (signal, wire, expected)] = bodies(seed);
        let (rows, _) = decode(signal, &wire).expect("valid protobuf");
        for (found, wanted) in rows.iter().zip(&expected.rows) {
            let (Cell::Text(id), Cell::Text(what)) = (&found["series_id"], &wanted["series_id"]) else {
                panic!("{found:?}");
            };
            assert_eq!(ids.entry(what.clone()).or_insert(id.clone()), id, "seed {seed}: two ids of {what}");
            assert_eq!(series.entry(id.clone()).or_insert(what.clone()), what, "seed {seed}: one id of two");
            n_points += 1;
        }
    }
    assert!(n_points > series.len() + 10, "{n_points} points, {} series: too few share one", series.len());
}

#[test]
fn several_bodies_give_the_same_rows_in_one_decoder_and_joined() {
    let project = project();
    for seed in (0..ROUNDS).step_by(8) {
        let groups = [bodies(seed), bodies(seed + 1), bodies(seed + 2)];
        for n in 0..3 {
            let signal = groups[0][n].0;
            let table = signal.table();
            let (mut rows, mut batches, mut together) = (Vec::new(), Vec::new(), Decoder::new(table));
            for group in &groups {
                let (signal, wire, _) = &group[n];
                rows.extend(decode(*signal, wire).expect("valid protobuf").0);
                let mut alone = Decoder::new(table);
                alone.push(&context(*signal, &project), wire).expect("valid protobuf");
                batches.push(alone.finish());
                together.push(&context(*signal, &project), wire).expect("valid protobuf");
                // A broken body in between leaves nothing.
                let broken = [&wire[..], &[0x0a, 0x7f]].concat();
                together.push(&context(*signal, &project), &broken).expect_err("cut off");
            }
            assert_same(&format!("seed {seed}, one decoder"), &rows_of(&together.finish(), table), &rows);
            let joined = concat(table, &batches).expect("one table");
            assert_same(&format!("seed {seed}, joined"), &rows_of(&joined, table), &rows);
            let (read, _) = segment::read(segment::write(&joined, &[]).expect("writable")).expect("readable");
            assert_same(&format!("seed {seed}, as a segment"), &rows_of(&read[0], table), &rows);
        }
    }
}

#[test]
fn large_bodies_are_dictionary_encoded_and_read_back_the_same() {
    let project = project();
    let mut generator = Generator::new(1);
    let mut request = generator.traces();
    while request
        .resource_spans
        .iter()
        .flat_map(|group| &group.scope_spans)
        .map(|scope| scope.spans.len())
        .sum::<usize>()
        < 500
    {
        request.resource_spans.extend(generator.traces().resource_spans);
    }
    let mut decoder = Decoder::new(TableName::LogsAndSpans);
    let wire = request.encode_to_vec();
    decoder.push(&context(Signal::Traces, &project), &wire).expect("valid protobuf");
    let batch = decoder.finish();
    let kind = batch.column_by_name("kind").expect("always there");
    assert!(matches!(kind.data_type(), arrow_schema::DataType::Dictionary(..)));
    let rows = rows_of(&batch, TableName::LogsAndSpans);
    assert_same("large", &rows, &expected(Signal::Traces, &wire).expect("just encoded").rows);
    let small = batch.slice(3, 5);
    let joined = concat(TableName::LogsAndSpans, &[small, batch.clone()]).expect("one table");
    let joined = rows_of(&joined, TableName::LogsAndSpans);
    assert_eq!((&joined[..5], &joined[5..]), (&rows[3..8], &rows[..]));
}
