//! The demo shop through the decoder: everything it makes is taken, and its errors are known again after a deploy.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{Array, AsArray};
use local::demo::{Scale, Shop, trouble};
use model::{BodyHash, MICROS_PER_DAY, MICROS_PER_HOUR, Micros, ProjectId, TimeRange};
use rows::{BodyContext, Decoder, conform};

/// 2026-11-16, a Monday: the deploy.
const MONDAY: Micros = 20_773 * MICROS_PER_DAY;

fn hours(from: i64, to: i64) -> TimeRange {
    TimeRange::new(MONDAY + from * MICROS_PER_HOUR, MONDAY + to * MICROS_PER_HOUR)
}

/// The batch of each request; every record must be accepted without a warning.
fn batches(shop: Shop, range: TimeRange) -> Vec<arrow::array::RecordBatch> {
    let project = ProjectId::parse("shop").expect("an id");
    let decode = |request: local::demo::Request| {
        let table = request.signal.table();
        let mut decoder = Decoder::new(table);
        let context = BodyContext {
            signal: request.signal,
            project: &project,
            hash: BodyHash::from_bytes([1; 16]),
            arrived_at: range.end,
            accepted: TimeRange::new(0, Micros::MAX),
            records_max: usize::MAX,
        };
        let outcome = decoder.push(&context, &request.body).expect("the body decodes");
        assert_eq!(outcome.rejected, 0, "{outcome:?}");
        assert_eq!(decoder.n_rows(), request.records);
        conform(&decoder.finish(), table).expect("the table's columns")
    };
    shop.requests(range).map(decode).collect()
}

#[test]
fn every_record_of_the_shop_is_taken() {
    let rows: usize = batches(Shop::new(1, Scale::SpansPerDay(100_000.0)).deployed_at(MONDAY), hours(-1, 5))
        .iter()
        .map(arrow::array::RecordBatch::num_rows)
        .sum();
    assert!(rows > 20_000, "{rows}");
}

#[test]
fn an_error_keeps_its_hash_over_a_deploy_that_moved_its_lines() {
    let shop = Shop::new(1, Scale::SpansPerDay(600_000.0)).deployed_at(MONDAY);
    let hashes = |day: i64| {
        let failing = hours(24 * day + 18, 24 * day + 19);
        assert!(trouble::provider_is_failing(failing.start));
        let mut hashes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for batch in batches(shop, failing) {
            let (Some(services), Some(lists)) =
                (batch.column_by_name("resource___service___name"), batch.column_by_name("hashes"))
            else {
                continue;
            };
            for row in (0..batch.num_rows()).filter(|row| lists.is_valid(*row)) {
                let of_row = lists.as_list::<i32>().value(row);
                let found = of_row.as_string::<i32>().iter().flatten().map(str::to_owned);
                hashes.entry(services.as_string::<i32>().value(row).to_owned()).or_default().extend(found);
            }
        }
        hashes
    };
    let (before, after) = (hashes(-1), hashes(0));
    for service in ["payment", "web", "checkout"] {
        assert_eq!(before[service].len(), 1, "{service}: {:?}", before[service]);
        assert_eq!(before[service], after[service], "{service}");
    }
}
