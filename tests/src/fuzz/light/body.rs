//! What holds for every request on the wire: decoded as `ingest` does it, written as a segment, read back.

use std::sync::LazyLock;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use model::{BodyHash, Micros, ProjectId, Signal, TableName, TimeRange};
use rows::{BodyContext, BodyOutcome, DecodeError, Decoder, concat, conform, segment};
use serde::de::IgnoredAny;

use super::request::Request;

/// 2026-11-20, about.
const ARRIVED_AT: Micros = 1_795_166_400_000_000;
const DAY: Micros = 86_400_000_000;
/// Small enough to be reached.
const RECORDS_MAX: usize = 100;
/// Groups in unknown fields nest deeper in prost than in ours.
const STRICTER_THAN_PROST: &str = "groups nested too deep";
/// Columns that hold nothing but JSON.
const JSON_COLUMNS: [&str; 5] = ["attributes", "resource", "events", "links", "exemplars"];

type Decoded = Result<(RecordBatch, BodyOutcome), DecodeError>;

/// Decoded twice it is the same; what protobuf takes is taken; every record is a row or counted as rejected; a segment gives
/// back its rows; before and after other bodies it gives the same rows, or, refused, none.
pub(super) fn check(signal: Signal, wire: &[u8]) {
    let decoded = decode(signal, wire);
    assert_eq!(decoded, decode(signal, wire), "decoded twice");
    let request = Request::decode(signal, wire);
    match &decoded {
        Ok((batch, outcome)) => {
            check_rows(signal, batch, outcome);
            if let Ok(request) = request {
                let n_records = request.n_records() as u64;
                assert_eq!(outcome.rows as u64 + outcome.rejected, n_records, "every record is a row or rejected");
                assert!(outcome.warnings.is_empty(), "all text is UTF-8: {:?}", outcome.warnings);
            }
        }
        Err(error) => {
            assert!(error.offset <= wire.len(), "{error} lies outside the body");
            assert!(request.is_err() || error.what == STRICTER_THAN_PROST, "{error}, and prost takes it");
        }
    }
    check_in_company(signal, wire, &decoded);
}

fn decode(signal: Signal, wire: &[u8]) -> Decoded {
    let mut decoder = Decoder::new(signal.table());
    let outcome = push(&mut decoder, signal, wire)?;
    assert_eq!(decoder.n_rows(), outcome.rows);
    Ok((decoder.finish(), outcome))
}

fn push(decoder: &mut Decoder, signal: Signal, wire: &[u8]) -> Result<BodyOutcome, DecodeError> {
    let project = ProjectId::parse("shop").expect("a valid id");
    let context = BodyContext {
        signal,
        project: &project,
        hash: BodyHash::from_bytes([0xab; 16]),
        arrived_at: ARRIVED_AT,
        accepted: accepted(),
        records_max: RECORDS_MAX,
    };
    decoder.push(&context, wire)
}

fn accepted() -> TimeRange {
    TimeRange::new(ARRIVED_AT - 30 * DAY, ARRIVED_AT + DAY)
}

fn check_rows(signal: Signal, batch: &RecordBatch, outcome: &BodyOutcome) {
    let BodyOutcome { rows, rejected, rejected_message, records_without_time, time_min, time_max, .. } = outcome;
    assert_eq!((batch.num_rows(), rejected_message.is_empty()), (*rows, *rejected == 0));
    assert!(*rows <= RECORDS_MAX && *records_without_time <= *rows as u64, "{outcome:?}");
    if *rows == 0 {
        assert_eq!((*time_min, *time_max), (Micros::MAX, Micros::MIN));
        return;
    }
    assert!(time_min <= time_max && accepted().contains(*time_min) && accepted().contains(*time_max), "{outcome:?}");
    let plain = conform(batch, signal.table()).expect("the table's columns");
    check_json(&plain);
    check_segment(signal.table(), batch, &plain);
}

fn check_json(plain: &RecordBatch) {
    for name in JSON_COLUMNS {
        let Some(column) = plain.column_by_name(name) else { continue };
        for text in column.as_string::<i32>().iter().flatten() {
            serde_json::from_str::<IgnoredAny>(text).unwrap_or_else(|error| panic!("{name}: {error} in {text}"));
        }
    }
}

fn check_segment(table: TableName, batch: &RecordBatch, plain: &RecordBatch) {
    let bodies = [BodyHash::from_bytes([1; 16]), BodyHash::from_bytes([2; 16])];
    let file = segment::write(batch, &bodies).expect("any batch can be written");
    let (read, footer) = segment::read(file.clone()).expect("just written");
    assert_eq!((read.len(), &footer.bodies[..]), (1, &bodies[..]));
    assert_eq!(conform(&read[0], table).expect("the table's columns"), *plain, "read back");
    let columns = ["timestamp", "attributes"];
    let (part, _) = segment::read_columns(file, &columns).expect("just written");
    for name in columns {
        let (found, wanted) = (part[0].column_by_name(name), read[0].column_by_name(name));
        assert_eq!(found, wanted, "`{name}` alone");
    }
}

/// In one decoder with others: between two good bodies.
fn check_in_company(signal: Signal, wire: &[u8], alone: &Decoded) {
    let other = &*OTHERS[signal as usize];
    let (other_alone, _) = decode(signal, other).expect("a valid body");
    let mut decoder = Decoder::new(signal.table());
    push(&mut decoder, signal, other).expect("a valid body");
    let pushed = push(&mut decoder, signal, wire);
    assert_eq!(pushed.as_ref().ok(), alone.as_ref().ok().map(|(_, outcome)| outcome), "after another body");
    push(&mut decoder, signal, other).expect("a valid body");
    let mut parts = vec![other_alone.clone(), other_alone];
    if let Ok((batch, _)) = alone {
        parts.insert(1, batch.clone());
    }
    let plain = |batch: &RecordBatch| conform(batch, signal.table()).expect("the table's columns");
    let joined = concat(signal.table(), &parts).expect("one table");
    assert_eq!(plain(&decoder.finish()), plain(&joined), "between two others");
}

/// By the number of the signal: a record with a resource, a scope and an attribute.
static OTHERS: LazyLock<[Vec<u8>; 3]> = LazyLock::new(|| {
    const RESOURCE: &str =
        r#""resource":{"attributes":[{"key":"service.name","value":{"stringValue":"other"}}]},"schemaUrl":"u""#;
    const SCOPE: &str = r#""scope":{"name":"s"}"#;
    const ATTRIBUTES: &str = r#""attributes":[{"key":"k","value":{"intValue":"1"}}]"#;
    [
        (
            Signal::Traces,
            format!(
                r#"{{"resourceSpans":[{{{RESOURCE},"scopeSpans":[{{{SCOPE},"spans":[{{
                    "traceId":"00000000000000000000000000000001","spanId":"0000000000000001","name":"n",{ATTRIBUTES}}}]}}]}}]}}"#
            ),
        ),
        (
            Signal::Logs,
            format!(
                r#"{{"resourceLogs":[{{{RESOURCE},"scopeLogs":[{{{SCOPE},"logRecords":[{{"severityNumber":9,{ATTRIBUTES}}}]}}]}}]}}"#
            ),
        ),
        (
            Signal::Metrics,
            format!(
                r#"{{"resourceMetrics":[{{{RESOURCE},"scopeMetrics":[{{{SCOPE},"metrics":[{{"name":"m","sum":{{
                    "aggregationTemporality":2,"dataPoints":[{{"asInt":"1",{ATTRIBUTES}}}]}}}}]}}]}}]}}"#
            ),
        ),
    ]
    .map(|(signal, json)| otlp::json::to_protobuf(signal, json.as_bytes()).expect("valid JSON"))
});
