//! Bytes that nobody's SDK sends.

use model::{Signal, TableName};

use super::differential::{assert_same, bodies, expected, without_series};
use super::generate::Generator;
use super::{context, decode, project};
use crate::decoder::{BodyOutcome, Decoder};

#[test]
fn cut_off_bodies_are_refused_with_their_place_or_taken_whole() {
    for seed in 0..40 {
        for (signal, wire, _) in bodies(seed) {
            for length in 0..wire.len() {
                match (decode(signal, &wire[..length]), expected(signal, &wire[..length])) {
                    (Ok((rows, _)), Some(expected)) => {
                        assert_same(&format!("seed {seed}, cut at {length}"), &rows, &expected.rows)
                    }
                    (Err(error), None) => assert!(error.offset <= length, "{error}"),
                    (found, expected) => panic!("seed {seed}, {signal:?}, cut at {length}: {found:?}, {expected:?}"),
                }
            }
        }
    }
}

#[test]
fn bodies_with_broken_bytes_never_panic_and_agree_with_protobuf() {
    let (mut n_taken, mut n_agreed) = (0, 0);
    for seed in 0..6_000 {
        let mut generator = Generator::new(seed ^ 0xdead);
        for (signal, mut wire, _) in bodies(seed % 300) {
            if wire.is_empty() {
                continue;
            }
            for _ in 0..=generator.below(3) {
                let at = generator.below(wire.len());
                wire[at] = generator.below(256) as u8;
            }
            let found = decode(signal, &wire);
            let Some(expected) = expected(signal, &wire) else { continue };
            // What protobuf takes we take; what it refuses (text that is not UTF-8, other wire types) we may take.
            let (rows, outcome) = found.unwrap_or_else(|error| panic!("seed {seed}, {signal:?}: {error}"));
            n_taken += 1;
            let (mut found, mut wanted) = (without_series(rows), without_series(expected.rows));
            for row in found.iter_mut().chain(&mut wanted) {
                // Differs where the bytes are not how an encoder writes them.
                row.remove("message_size_bytes");
            }
            if found == wanted && outcome.rejected == expected.rejected {
                n_agreed += 1;
            } else {
                println!("seed {seed}, {signal:?}: {found:?}\nnot {wanted:?}");
            }
        }
    }
    // The few others: an attribute whose key became that of another one, a oneof that is there twice.
    assert!(n_taken > 1_000 && n_taken - n_agreed < n_taken / 200, "{n_agreed} of {n_taken} agree");
}

fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut wire = vec![number << 3 | 2];
    let mut length = content.len();
    while length >= 0x80 {
        wire.push(length as u8 | 0x80);
        length >>= 7;
    }
    wire.push(length as u8);
    wire.extend_from_slice(content);
    wire
}

fn pushed(signal: Signal, records_max: usize, wire: &[u8]) -> (BodyOutcome, Decoder) {
    let project = project();
    let mut decoder = Decoder::new(signal.table());
    let context = crate::BodyContext { records_max, ..context(signal, &project) };
    let outcome = decoder.push(&context, wire).expect("valid protobuf");
    (outcome, decoder)
}

#[test]
fn the_order_of_fields_does_not_matter() {
    // Records before the scope, the scope's records before the resource.
    let record = [&[0x09][..], &(super::NOW as u64 * 1_000).to_le_bytes()].concat();
    let scope = [field(3, b"url"), field(2, &record), field(1, &field(1, b"lib"))].concat();
    let service = field(1, &[field(2, &field(1, b"shop")), field(1, b"service.name")].concat());
    let version = field(1, &[field(1, b"service.version"), field(2, &field(1, b"2"))].concat());
    let group = [field(2, &scope), field(1, &service), field(1, &version)].concat();
    let (rows, _) = decode(Signal::Logs, &field(1, &group)).expect("valid protobuf");
    assert_eq!(rows[0]["resource___service___name"], super::text("shop"));
    assert_eq!(rows[0]["resource___service___version"], super::text("2"), "a second resource is merged");
    assert_eq!(rows[0]["scope___name"], super::text("lib"));
    assert_eq!(rows[0]["resource"], super::text(r#"{"otel.scope.schema_url":"url"}"#));
}

#[test]
fn of_a_value_given_twice_the_last_counts_where_protobuf_would_merge_two_lists() {
    let list = |text: &[u8]| field(5, &field(1, &field(1, text)));
    let pair = [field(1, b"k"), field(2, &list(b"a")), field(2, &list(b"b"))].concat();
    let record = [field(5, &list(b"c")), field(6, &pair), field(5, &list(b"d"))].concat();
    let (rows, _) = decode(Signal::Logs, &field(1, &field(2, &field(2, &record)))).expect("valid protobuf");
    assert_eq!((&rows[0]["body"], &rows[0]["attributes"]), (&super::text(r#"["d"]"#), &super::text(r#"{"k":["b"]}"#)));
}

#[test]
fn text_that_is_not_utf8_is_kept_repaired_and_said() {
    let record =
        [field(3, b"IN\xffFO"), field(6, &[field(1, b"k\xff"), field(2, &field(1, b"v\xc3"))].concat())].concat();
    let wire = field(1, &field(2, &field(2, &record)));
    let (rows, outcome) = decode(Signal::Logs, &wire).expect("valid protobuf");
    assert_eq!(rows[0]["severity___severity_text"], super::text("IN\u{fffd}FO"));
    assert_eq!(rows[0]["attributes"], super::text("{\"k\u{fffd}\":\"v\u{fffd}\"}"));
    assert_eq!(outcome.warnings.len(), 1, "{:?}", outcome.warnings);
    assert!(outcome.warnings[0].starts_with("3 texts"), "{:?}", outcome.warnings);
}

#[test]
fn a_record_nested_too_deep_is_refused_alone() {
    let mut value = field(1, b"bottom");
    for _ in 0..33 {
        value = field(5, &field(1, &value));
    }
    let deep = field(6, &[field(1, b"k"), field(2, &value)].concat());
    let plain = field(6, &[field(1, b"k"), field(2, &field(1, b"v"))].concat());
    let records = [field(2, &plain), field(2, &deep), field(2, &field(5, &value)), field(2, &plain)].concat();
    let (rows, outcome) = decode(Signal::Logs, &field(1, &field(2, &records))).expect("valid protobuf");
    assert_eq!((rows.len(), outcome.rejected), (2, 2));
    assert!(outcome.rejected_message.contains("nested deeper than 32"), "{}", outcome.rejected_message);
    assert!(rows.iter().all(|row| row["attributes"] == super::text(r#"{"k":"v"}"#) && !row.contains_key("body")));
    // In the resource it concerns all of its records, and nobody else's.
    let resource = field(1, &field(1, &[field(1, b"k"), field(2, &value)].concat()));
    let bad = field(1, &[resource, field(2, &field(2, &plain))].concat());
    let good = field(1, &field(2, &field(2, &plain)));
    let (rows, outcome) = decode(Signal::Logs, &[bad, good].concat()).expect("valid protobuf");
    assert_eq!((rows.len(), outcome.rejected), (1, 1));
    assert_eq!(rows[0]["id"], super::text("abababab-abab-8bab-abab-abab00000001"), "its place counts the refused one");
}

#[test]
fn records_beyond_the_limit_are_refused() {
    let wire = field(1, &field(2, &field(2, &[]).repeat(1_000)));
    let (outcome, decoder) = pushed(Signal::Logs, 10, &wire);
    assert_eq!((outcome.rows, outcome.rejected, decoder.n_rows()), (10, 990, 10));
    assert!(outcome.rejected_message.contains("a request may have 10 records"), "{}", outcome.rejected_message);
}

#[test]
fn a_body_that_is_one_long_list_of_nothing_leaves_nothing() {
    // 2 million empty spans, all refused; as many empty resources; as many resources with an empty scope.
    let spans = field(1, &field(2, &field(2, &[]).repeat(2 << 20)));
    let resources = field(1, &[]).repeat(2 << 20);
    let scopes = field(1, &field(2, &[])).repeat(2 << 20);
    for (wire, n_refused) in [(spans, 2 << 20), (resources, 0), (scopes, 0)] {
        let (outcome, decoder) = pushed(Signal::Traces, 1_000_000, &wire);
        assert_eq!((outcome.rows, outcome.rejected), (0, n_refused));
        assert!(decoder.n_origins() <= 1, "a scope with records, all refused");
    }
}

#[test]
fn a_long_resource_over_many_records_is_held_once() {
    let resource = field(1, &field(1, &[field(1, b"k"), field(2, &field(1, &vec![b'x'; 1 << 20]))].concat()));
    let scope = field(2, &field(2, &[]).repeat(10_000));
    let (outcome, decoder) = pushed(Signal::Logs, 1_000_000, &field(1, &[resource.clone(), scope].concat()));
    assert_eq!(outcome.rows, 10_000);
    let batch = decoder.finish();
    assert!(batch.get_array_memory_size() < 16 << 20, "{}", batch.get_array_memory_size());
    // Spelled out for each scope, it meets a limit.
    let scopes = field(2, &[field(3, b"u"), field(2, &[])].concat()).repeat(1_000);
    let (outcome, _) = pushed(Signal::Logs, 1_000_000, &field(1, &[resource, scopes].concat()));
    assert!(outcome.rows > 100 && outcome.rejected > 100, "{outcome:?}");
    assert!(outcome.rejected_message.contains("too much room"), "{}", outcome.rejected_message);
}

/// The most memory that this process ever held, in bytes. Linux only; nextest runs each test in a process of its own.
#[cfg(target_os = "linux")]
fn memory_peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("in every status");
    let kib: usize = line.split_whitespace().nth(1).expect("a number").parse().expect("a number");
    kib << 10
}

#[cfg(target_os = "linux")]
#[test]
fn records_beyond_the_limit_cost_no_memory() {
    // 4 million of everything that is a list: 64 MiB if they were collected as slices.
    const N: usize = 4 << 20;
    // Built one by one and inside out, so that what building takes does not hide what is measured.
    let long = |numbers: &[u8]| {
        let (innermost, around) = numbers.split_last().expect("one at least");
        around.iter().rev().fold(field(*innermost, &[]).repeat(N), |wire, number| field(*number, &wire))
    };
    let bodies = [
        (Signal::Logs, long(&[1, 2, 2]), N as u64),
        (Signal::Metrics, long(&[1, 2, 2, 5, 1]), N as u64),
        (Signal::Traces, long(&[1, 2]), 0),
        (Signal::Traces, long(&[1, 1]), 0),
        (Signal::Traces, long(&[1]), 0),
    ];
    let before = memory_peak();
    for (signal, wire, n_records) in &bodies {
        let (outcome, decoder) = pushed(*signal, 10, wire);
        assert_eq!((outcome.rows as u64 + outcome.rejected, decoder.n_rows()), (*n_records, outcome.rows));
        assert!(outcome.rows <= 10);
    }
    let grown = memory_peak() - before;
    assert!(grown < 16 << 20, "{grown} bytes for {N} empty records");
}

#[test]
fn metadata_that_would_be_repeated_without_end_is_refused() {
    let metadata = field(12, &[field(1, b"k"), field(2, &field(1, &vec![b'x'; 1 << 20]))].concat());
    let metric = [metadata, field(5, &field(1, &[]).repeat(1_000))].concat();
    let (outcome, decoder) = pushed(Signal::Metrics, 1_000_000, &field(1, &field(2, &field(2, &metric))));
    assert_eq!((outcome.rows, outcome.rejected), (128, 872));
    assert!(outcome.rejected_message.contains("too much room"), "{}", outcome.rejected_message);
    assert!(decoder.attributes.json_bytes() < 130 << 20);
}

#[test]
fn a_signal_goes_to_its_own_table_only() {
    let project = project();
    let mut decoder = Decoder::new(TableName::Metrics);
    decoder.push(&context(Signal::Logs, &project), &[]).expect_err("another table");
    assert_eq!(decoder.finish().num_rows(), 0);
}

#[test]
fn more_bytes_than_a_batch_holds_are_refused() {
    let project = project();
    let mut decoder = Decoder::new(TableName::LogsAndSpans);
    let wire = field(15, &vec![0; 100 << 20]);
    decoder.push(&context(Signal::Logs, &project), &wire).expect("unknown fields only");
    decoder.push(&context(Signal::Logs, &project), &wire).expect_err("too much");
}
