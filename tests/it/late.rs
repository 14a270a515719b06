//! Records that come late: into their own days, or not at all. And answers that do not depend on where rows lie.

use std::collections::BTreeMap;

use clock::{Clock, SystemClock};
use model::{MICROS_PER_DAY, MICROS_PER_HOUR, Micros, Signal, TimeRange, rfc3339};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceResponse;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use serde_json::{Value, json};
use testkit::telemetry::{self, Sample};
use tests::delta::DeltaFolder;
use tests::shop::{self, Days};
use tests::{Client, World};

const SPANS_PER_DAY: f64 = 3_000.0;
const RECORDS: usize = 30;

/// A request of each signal, whose records begin at the given time.
fn bodies(seed: u64, at: Micros) -> [(Signal, Vec<u8>); 3] {
    let sample = Sample { seed, n: RECORDS, start_unix_nano: at as u64 * 1_000 };
    [
        (Signal::Traces, telemetry::traces(&sample).encode_to_vec()),
        (Signal::Logs, telemetry::logs(&sample).encode_to_vec()),
        (Signal::Metrics, telemetry::metrics(&sample).encode_to_vec()),
    ]
}

/// Number of records rejected, and why; of one request of each signal.
fn send(client: &Client, seed: u64, at: Micros) -> [(i64, String); 3] {
    bodies(seed, at).map(|(signal, body)| {
        let reply = client.export(signal, &body);
        assert_eq!(reply.status, 200, "{}", reply.text());
        let body = reply.body.as_slice();
        match signal {
            Signal::Traces => ExportTraceServiceResponse::decode(body)
                .expect("an answer")
                .partial_success
                .map(|p| (p.rejected_spans, p.error_message)),
            Signal::Logs => ExportLogsServiceResponse::decode(body)
                .expect("an answer")
                .partial_success
                .map(|p| (p.rejected_log_records, p.error_message)),
            Signal::Metrics => ExportMetricsServiceResponse::decode(body)
                .expect("an answer")
                .partial_success
                .map(|p| (p.rejected_data_points, p.error_message)),
        }
        .unwrap_or_default()
    })
}

/// Rows by table and date.
fn rows_by_date(client: &Client) -> BTreeMap<(String, String), u64> {
    let sql = "SELECT signal, date, count(*) FROM otel_logs_and_spans GROUP BY 1, 2 \
               UNION ALL SELECT 'metric', date, count(*) FROM otel_metrics GROUP BY 2";
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    client.sql(sql).iter().map(|row| ((text(&row[0]), text(&row[1])), row[2].as_u64().unwrap())).collect()
}

#[test]
fn late_records_land_in_their_own_days_also_in_days_that_were_finished() {
    shop::not_at_midnight();
    let world = World::with_small_files(|_| {});
    let now = SystemClock.now();
    Days::last(4, SPANS_PER_DAY).send(&world);
    shop::drain(&world);
    let mut expected = rows_by_date(&world);
    // Into the middle of days that are finished, into one before the first, and into today's last minute.
    let late = [now - 2 * MICROS_PER_DAY, now - 3 * MICROS_PER_DAY, now - 20 * MICROS_PER_DAY, now - 60_000_000];
    for (seed, at) in late.into_iter().enumerate() {
        assert!(send(&world, seed as u64, at).iter().all(|(rejected, _)| *rejected == 0));
        for signal in ["span", "log", "metric"] {
            *expected.entry((signal.into(), rfc3339(at)[..10].into())).or_default() += RECORDS as u64;
        }
    }
    assert_eq!(rows_by_date(&world), expected, "live");
    let before = shop::answers(&world);
    shop::drain(&world);
    assert_eq!(rows_by_date(&world), expected, "compacted and merged");
    shop::assert_same_answers(&before, &shop::answers(&world), "late records were compacted");

    for table in ["otel_logs_and_spans", "otel_metrics"] {
        let folder = DeltaFolder::of(&world, "default", table);
        let mut days: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for file in folder.active().into_values() {
            days.entry(file.partition.clone()).or_default().push(file);
        }
        let past = days.into_iter().filter(|(partition, _)| shop::is_over(&partition["date"]));
        for (partition, files) in past {
            assert!(files.len() <= 10, "{partition:?}");
            super::backfill::layout::assert_sorted_and_disjoint(&folder, &files.iter().collect::<Vec<_>>());
        }
    }
}

#[test]
fn records_outside_of_retention_or_of_tomorrow_are_rejected_and_say_why() {
    let world = World::start();
    let now = SystemClock.now();
    // (age in hours, rejected by logs and spans, rejected by metrics)
    let all = RECORDS as i64;
    let cases = [
        (30 * 24 - 1, 0, 0),
        (30 * 24 + 1, all, 0),
        (90 * 24 - 1, all, 0),
        (90 * 24 + 1, all, all),
        (-23, 0, 0),
        (-25, all, all),
    ];
    for (seed, (age_hours, of_logs_and_spans, of_metrics)) in cases.into_iter().enumerate() {
        let answers = send(&world, seed as u64, now - age_hours * MICROS_PER_HOUR);
        let expected = [of_logs_and_spans, of_logs_and_spans, of_metrics];
        assert_eq!(answers.each_ref().map(|(rejected, _)| *rejected), expected, "{age_hours} h");
        for (rejected, why) in &answers {
            let said = why.contains("outside the accepted range from") && why.contains(&format!("{rejected} rejected"));
            assert_eq!(said, *rejected > 0, "{age_hours} h: {why}");
        }
    }
    let taken = rows_by_date(&world);
    let of = |signal: &str| taken.iter().filter(|((of, _), _)| of == signal).map(|(_, rows)| rows).sum::<u64>();
    assert_eq!((of("span"), of("log"), of("metric")), (2 * all as u64, 2 * all as u64, 4 * all as u64));

    // A project that keeps less takes less, at once.
    shop::set(&world, "default", &json!({ "retention_days_logs_and_spans": 3 }));
    for (seed, age_hours, expected) in [(10, 3 * 24 + 1, all), (11, 3 * 24 - 1, 0)] {
        let [spans, logs, metrics] = send(&world, seed, now - age_hours * MICROS_PER_HOUR);
        assert_eq!((spans.0, logs.0, metrics.0), (expected, expected, 0), "{age_hours} h");
    }
}

#[test]
fn answers_are_the_same_from_live_segments_from_files_and_from_both() {
    let world = World::start_with(|config| {
        // Only when asked.
        config.compact.due = model::DueRule { bytes: u64::MAX, segments: usize::MAX, age: Micros::MAX };
    });
    let days = Days::last(3, SPANS_PER_DAY);
    let middle = days.range.start + 36 * MICROS_PER_HOUR;
    let places = |client: &Client| {
        let answer = client
            .query(&json!({ "sql": "SELECT count(*), max(body), max(attributes) FROM otel_logs_and_spans" }))
            .json();
        let number = |name: &str| answer["statistics"][name].as_u64().unwrap();
        (number("files_opened") > 0, number("live_segments_read") > 0)
    };

    days.within(TimeRange::new(days.range.start, middle)).send(&world);
    let live = shop::answers(&world);
    assert_eq!(places(&world), (false, true));
    shop::drain(&world);
    assert_eq!(places(&world), (true, false));
    shop::assert_same_answers(&live, &shop::answers(&world), "the first half was compacted");

    days.within(TimeRange::new(middle, days.range.end)).send(&world);
    for (seed, back) in [(1, MICROS_PER_DAY), (2, 2 * MICROS_PER_DAY)] {
        send(&world, seed, days.range.end - back);
    }
    let both = shop::answers(&world);
    assert_eq!(places(&world), (true, true));
    shop::drain(&world);
    assert_eq!(places(&world), (true, false));
    shop::assert_same_answers(&both, &shop::answers(&world), "the second half was compacted");
}
