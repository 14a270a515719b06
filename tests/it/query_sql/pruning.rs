//! What is not asked for is not opened: seen in the statistics of answers.

use model::MICROS_PER_HOUR;
use query::Statistics;
use serde_json::json;
use tests::tables::{NOW, Tables, at, batch};

use super::{BEFORE, logs_and_spans, shop, spans};

/// Twenty files of a thousand spans, an hour each, the last one ending now.
async fn twenty_files() -> Tables {
    let tables = Tables::new();
    let id = logs_and_spans();
    for n in 0..20 {
        let start = NOW - (20 - n) * MICROS_PER_HOUR;
        tables.files(&id, &batch(&shop(), id.table, &spans(start, n as usize * 1_000, 1_000))).await;
    }
    tables
}

async fn statistics(tables: &Tables, sql: &str) -> Statistics {
    tables.ask(&shop(), sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}")).statistics
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_rows_are_found_in_the_newest_files() {
    let tables = twenty_files().await;
    for sql in [
        "SELECT * FROM otel_logs_and_spans ORDER BY timestamp DESC LIMIT 100",
        "SELECT * FROM otel_logs_and_spans WHERE kind = 'server' ORDER BY timestamp DESC LIMIT 100",
        "SELECT id, name FROM otel_logs_and_spans ORDER BY timestamp DESC, id DESC LIMIT 100",
        "SELECT * FROM otel_logs_and_spans WHERE signal = 'span' ORDER BY timestamp DESC LIMIT 100",
    ] {
        let of = statistics(&tables, sql).await;
        assert_eq!((of.rows, of.files_considered), (100, 20), "{sql}");
        // One per partition at most, and the one that a partition began before the other was done.
        assert!(of.files_opened <= 3 && of.row_groups_opened <= 3, "{sql}: {of:?}");
    }
    let oldest = statistics(&tables, "SELECT * FROM otel_logs_and_spans ORDER BY timestamp LIMIT 100").await;
    assert!(oldest.files_opened <= 3, "{oldest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_wide_rows_reads_little_more_than_its_rows() {
    let tables = Tables::new();
    let id = logs_and_spans();
    let mut rows = spans(BEFORE, 0, 60_000);
    for (n, row) in rows.iter_mut().enumerate() {
        row["attributes"] = json!(json!({ "n": n * 7919, "text": format!("{:x}", n * 104_729) }).to_string());
    }
    tables.files(&id, &batch(&shop(), id.table, &rows)).await;
    let all = statistics(&tables, "SELECT * FROM otel_logs_and_spans").await;
    assert_eq!((all.row_groups_considered, all.row_groups_opened), (1, 1));
    for sql in [
        "SELECT * FROM otel_logs_and_spans ORDER BY timestamp DESC LIMIT 100",
        "SELECT * FROM otel_logs_and_spans ORDER BY timestamp LIMIT 100",
        "SELECT * FROM otel_logs_and_spans WHERE kind = 'server' ORDER BY timestamp DESC LIMIT 100",
    ] {
        let of = statistics(&tables, sql).await;
        assert!(of.rows == 100 && of.bytes_scanned * 2 < all.bytes_scanned, "{sql}: {of:?} of {all:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn live_rows_that_are_newer_than_all_files_leave_the_files_closed() {
    let tables = twenty_files().await;
    let id = logs_and_spans();
    for n in 0..10_i64 {
        let start = NOW - (10 - n) * 60_000_000;
        tables.live(&id, &batch(&shop(), id.table, &spans(start, 50_000 + n as usize * 500, 500))).await;
    }
    let of = statistics(&tables, "SELECT * FROM otel_logs_and_spans ORDER BY timestamp DESC LIMIT 100").await;
    assert_eq!((of.rows, of.files_considered, of.live_segments_considered), (100, 20, 10));
    assert!(of.files_opened <= 2 && of.live_segments_read <= 6, "{of:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_by_id_opens_the_row_group_that_holds_it() {
    let tables = twenty_files().await;
    let trace_id = format!("{:032x}", 12_340 / 10 * 7919 + 1);
    let sql = format!("SELECT * FROM otel_logs_and_spans WHERE context___trace_id = '{trace_id}' ORDER BY timestamp");
    let of = statistics(&tables, &sql).await;
    assert_eq!((of.rows, of.files_considered, of.files_opened, of.row_groups_opened), (10, 20, 1, 1), "{of:?}");
    let of = statistics(&tables, "SELECT * FROM otel_logs_and_spans WHERE context___trace_id = 'ffff'").await;
    assert_eq!((of.rows, of.files_opened, of.row_groups_opened), (0, 0, 0), "{of:?}");
    let many = (0..40).map(|n| format!("'{:032x}'", (12_000 + n * 10) / 10 * 7919 + 1)).collect::<Vec<_>>().join(", ");
    let sql = format!("SELECT count(*) FROM otel_logs_and_spans WHERE context___trace_id IN ({many})");
    let of = statistics(&tables, &sql).await;
    assert!(of.files_opened <= 1, "{of:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn times_dates_and_signals_rule_files_out_by_the_log_alone() {
    let tables = twenty_files().await;
    let id = logs_and_spans();
    let logs: Vec<_> = (0..10)
        .map(|n| json!({"timestamp": at(BEFORE + n), "signal": "log", "id": n.to_string(), "body": "b"}))
        .collect();
    tables.files(&id, &batch(&shop(), id.table, &logs)).await;
    let live = tables.live(&id, &batch(&shop(), id.table, &spans(NOW - 10_000, 90_000, 5))).await;
    assert_eq!(live.rows, 5);
    // 20 files of spans over two dates, one of logs; the segment lies in the last hour.
    for (condition, files, segments) in [
        ("timestamp > now() - INTERVAL '90 minutes'", 2, 1),
        ("timestamp >= '2026-11-20T01:00:00Z' AND timestamp < '2026-11-20T01:30:00Z'", 2, 0),
        ("timestamp BETWEEN '2026-11-19T10:00:00Z' AND '2026-11-19T10:20:00Z'", 1, 0),
        ("timestamp BETWEEN '2026-11-19T10:00:00+00:00'::timestamptz AND '2026-11-19T10:20:00Z'::timestamp", 1, 0),
        ("date = '2026-11-19'", 18, 0),
        ("signal = 'log'", 1, 1),
        ("signal = 'log' AND timestamp < '2026-11-20T00:00:00Z'", 0, 0),
        ("project_id = 'shop' AND signal = 'log'", 1, 1),
        ("project_id = 'other'", 0, 0),
        ("timestamp > '2030-01-01'", 0, 0),
        ("time_bucket('1 hour', timestamp) = '2026-11-20T01:00:00Z' AND timestamp >= '2026-11-20T01:00:00Z'", 2, 1),
        ("duration > 1000000000", 1, 1),
        ("resource___service___name = 'aaa'", 0, 1),
    ] {
        let of = statistics(&tables, &format!("SELECT count(id) FROM otel_logs_and_spans WHERE {condition}")).await;
        assert!(of.files_probed <= files && of.live_segments_read == segments, "{condition}: {of:?}");
        assert_eq!((of.files_considered, of.live_segments_considered), (21, 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_before_is_not_read_again() {
    let tables = twenty_files().await;
    let id = logs_and_spans();
    tables.live(&id, &batch(&shop(), id.table, &spans(NOW - 10_000, 90_000, 5))).await;
    let sql = format!("SELECT * FROM otel_logs_and_spans WHERE context___trace_id = '{:032x}'", 12_340 / 10 * 7919 + 1);
    let first = statistics(&tables, &sql).await;
    let second = statistics(&tables, &sql).await;
    assert!(first.bytes_scanned > 0 && second.bytes_scanned == 0, "{first:?} {second:?}");
    // Other columns of the same rows: what was not read before, and no more than that.
    let sql = "SELECT max(id) FROM otel_logs_and_spans WHERE timestamp BETWEEN '2026-11-19T10:00:00Z' AND '2026-11-19T10:20:00Z'";
    let ids = statistics(&tables, sql).await;
    let more = statistics(&tables, &sql.replace("max(id)", "max(id), max(name)")).await;
    assert!(0 < more.bytes_scanned && more.bytes_scanned < ids.bytes_scanned, "{ids:?} {more:?}");
    assert_eq!((second.rows, second.files_probed, second.files_opened), (10, first.files_probed, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_was_never_written_is_empty() {
    let tables = Tables::new();
    let of =
        statistics(&tables, "SELECT * FROM otel_metrics WHERE timestamp > now() ORDER BY timestamp DESC LIMIT 5").await;
    assert_eq!(of, Statistics::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn files_wholly_inside_a_window_and_those_at_its_edges_give_the_rows_of_the_window() {
    let tables = twenty_files().await;
    let id = logs_and_spans();
    tables.live(&id, &batch(&shop(), id.table, &spans(NOW - 90 * 60_000_000, 70_000, 500))).await;
    let logs: Vec<_> = (0..500)
        .map(|n| json!({"timestamp": at(NOW - n * 20_000_000), "signal": "log", "id": n.to_string(), "body": "b"}))
        .collect();
    tables.files(&id, &batch(&shop(), id.table, &logs)).await;
    let asked = [
        "SELECT count(*), count(id), count(DISTINCT id), min(timestamp), max(timestamp) FROM t",
        "SELECT count(*) FROM t",
        "SELECT kind, name, count(*), sum(duration) FROM t GROUP BY 1, 2 ORDER BY 1, 2",
        "SELECT id, timestamp FROM t ORDER BY timestamp DESC, id LIMIT 20",
        "SELECT * FROM t ORDER BY timestamp, id LIMIT 20",
        "SELECT count(*) FROM (SELECT id FROM t LIMIT 700)",
        "SELECT count(*), count(a.id) FROM t AS a JOIN t AS b ON a.id = b.id AND a.timestamp = b.timestamp",
    ];
    for condition in [
        "timestamp BETWEEN '2026-11-19T09:30:00Z' AND '2026-11-20T01:45:00Z'",
        "timestamp >= '2026-11-19T09:30:00Z' AND timestamp < '2026-11-19T09:40:00Z'",
        "timestamp > '2026-11-20T00:30:00Z' AND project_id = 'shop'",
        "timestamp < '2026-11-19T12:00:00Z'",
        "timestamp <= '2026-11-20T01:20:00Z' AND kind = 'server' AND duration > 0",
        "'2026-11-20T00:10:00Z' <= timestamp AND signal = 'log'",
        "signal = 'span' AND project_id = 'shop'",
        "project_id = 'shop'",
        "project_id = 'other'",
        "timestamp = '2026-11-20T00:00:00Z'",
        "(timestamp > '2026-11-20T00:30:00Z' OR signal = 'log')",
    ] {
        // The same in words by which the log cannot answer for whole files.
        let row_by_row = condition
            .replace("timestamp", "(timestamp + INTERVAL '0 seconds')")
            .replace("signal", "concat(signal, '')")
            .replace("project_id", "concat(project_id, '')");
        for sql in asked {
            let of = |condition: &str| {
                sql.replace("FROM t", &format!("FROM (SELECT * FROM otel_logs_and_spans WHERE {condition})"))
                    .replace("JOIN t", &format!("JOIN (SELECT * FROM otel_logs_and_spans WHERE {condition})"))
            };
            let (whole, rows) =
                (tables.ask(&shop(), &of(condition)).await, tables.ask(&shop(), &of(&row_by_row)).await);
            let (whole, rows) = (whole.expect("an answer").rows(), rows.expect("an answer").rows());
            assert_eq!(whole, rows, "{condition}: {sql}");
        }
    }
}
