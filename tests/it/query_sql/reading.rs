//! No row is missed and none is read twice, whatever compaction is about, and whatever is lost or damaged.

use std::time::Duration;

use lake::{Commit, CommitKind};
use meta::ledger::{Batch, Lease, Taken};
use model::{Segment, TableName};
use serde_json::json;
use tests::tables::{Tables, at, batch};

use super::{BEFORE, logs_and_spans, shop, spans};

const COUNT: &str = "SELECT count(*), count(DISTINCT id), sum(duration)::bigint FROM otel_logs_and_spans";

async fn lease(tables: &Tables) -> Lease {
    match tables.ledger.take_lease(&logs_and_spans()).await.expect("asked") {
        Taken::Ours(lease) => lease,
        Taken::Busy { .. } => panic!("nobody else is here"),
    }
}

/// Opens the next batch over these segments.
async fn open(tables: &Tables, lease: &Lease, segments: &[&Segment]) -> (Batch, Lease) {
    let ids = segments.iter().map(|segment| segment.id.clone()).collect();
    tables.ledger.open_batch(&logs_and_spans(), lease, ids).await.expect("opened")
}

/// Every step of compaction, with a snapshot that is always fresh and with one that is as old as can be.
#[tokio::test(flavor = "multi_thread")]
async fn every_step_of_compaction_gives_the_same_answer() {
    for age_max in [Duration::ZERO, Duration::from_secs(3_600)] {
        let tables = Tables::with(|settings| settings.snapshot_age_max = age_max);
        let id = logs_and_spans();
        let [a, b, c] = [0, 100, 200].map(|first| batch(&shop(), id.table, &spans(BEFORE, first, 100)));
        let expected = [[json!(300), json!(300), json!(14_850_000)]];
        let ask = async |step: &str| {
            assert_eq!(tables.rows(&shop(), COUNT).await, expected, "{step}, snapshots up to {age_max:?} old");
        };

        let first = tables.live(&id, &a).await;
        let second = tables.live(&id, &b).await;
        tables.live(&id, &c).await;
        ask("live only").await;
        let (opened, _) = open(&tables, &lease(&tables).await, &[&first, &second]).await;
        ask("batch open").await;
        let both = rows::concat(id.table, &[a, b]).expect("one table");
        tables.files(&id, &rows::conform(&both, id.table).expect("conforms")).await;
        ask("committed").await;
        tables.ledger.mark_committed(&id, &opened).await.expect("marked");
        ask("marked").await;
        tables.ledger.raise_mark(&id, opened.seq).await.expect("raised");
        ask("mark raised").await;
        tables.ledger.delete_live(&id, &opened.segments).await.expect("deleted");
        ask("live items gone").await;
        tables.ledger.delete_batch(&id, opened.seq).await.expect("deleted");
        ask("batch gone").await;
        tables.lose(&id, &first.key).await;
        tables.lose(&id, &second.key).await;
        ask("landing objects gone").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_segments_of_a_voided_batch_are_read_as_live() {
    let tables = Tables::new();
    let id = logs_and_spans();
    let segment = tables.live(&id, &batch(&shop(), id.table, &spans(BEFORE, 0, 100))).await;
    open(&tables, &lease(&tables).await, &[&segment]).await;
    let log = tables.log(&id).await;
    let base = log.snapshot().await.expect("a snapshot").expect("created");
    let void = Commit { transactions: vec![(lake::APP_COMPACT, 1), (lake::APP_VOID, 1)], ..Commit::default() };
    log.commit(&base, void).await.expect("committed");
    assert_eq!(tables.rows(&shop(), COUNT).await, [[json!(100), json!(100), json!(4_950_000)]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_merged_away_under_an_old_snapshot_makes_the_query_start_over() {
    let tables = Tables::with(|settings| settings.snapshot_age_max = Duration::from_secs(3_600));
    let id = logs_and_spans();
    let rows = batch(&shop(), id.table, &spans(BEFORE, 0, 100));
    tables.files(&id, &rows).await;
    let log = tables.log(&id).await;
    let base = log.snapshot().await.expect("a snapshot").expect("created");
    let expected = [[json!(100), json!(100), json!(4_950_000)]];
    assert_eq!(tables.rows(&shop(), COUNT).await, expected);

    let add = tables.write(&id, &rows, 1).await;
    let remove: Vec<String> = base.files.iter().map(|file| file.path.clone()).collect();
    let gone = format!("{}/{}", id.table, remove[0]);
    let merge =
        Commit { add, remove, transactions: vec![(lake::APP_MERGE, 1)], kind: CommitKind::Merge, ..Commit::default() };
    log.commit(&base, merge).await.expect("committed");
    tables.lose(&id, &gone).await;
    let answer = tables.ask(&shop(), COUNT).await.expect("answered");
    assert_eq!((answer.rows(), answer.warnings), (expected.map(Vec::from).to_vec(), vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_file_is_an_error_and_never_fewer_rows() {
    let tables = Tables::new();
    let id = logs_and_spans();
    tables.files(&id, &batch(&shop(), id.table, &spans(BEFORE, 0, 100))).await;
    let log = tables.log(&id).await;
    let base = log.snapshot().await.expect("a snapshot").expect("created");
    tables.lose(&id, &format!("{}/{}", id.table, base.files[0].path)).await;
    let error = tables.ask(&shop(), COUNT).await.expect_err("the file is gone");
    let answered: edge::ApiError = error.into();
    assert_eq!(answered.code, edge::ErrorCode::Unavailable);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_or_damaged_segment_is_left_out_with_a_warning_that_names_it_and_its_rows() {
    let id = logs_and_spans();
    for (harm, word) in [("lose", "not there"), ("damage", "checksum")] {
        let tables = Tables::new();
        tables.live(&id, &batch(&shop(), id.table, &spans(BEFORE, 0, 100))).await;
        let harmed = tables.live(&id, &batch(&shop(), id.table, &spans(BEFORE, 100, 50))).await;
        if harm == "lose" {
            tables.lose(&id, &harmed.key).await
        } else {
            tables.damage(&id, &harmed.key).await
        }
        let answer = tables.ask(&shop(), "SELECT count(*) FROM otel_logs_and_spans").await.expect("answered");
        assert_eq!(answer.rows(), [[json!(100)]], "{harm}");
        let [warning] = answer.warnings.as_slice() else { panic!("{:?}", answer.warnings) };
        for part in [harmed.id.as_str(), "50 rows", word] {
            assert!(warning.contains(part), "{part}: {warning}");
        }

        // Compaction puts it aside: the answer is the same, and so is what it says.
        let Taken::Ours(lease) = tables.ledger.take_lease(&id).await.expect("asked") else { panic!("busy") };
        tables.ledger.quarantine(&id, &lease, &harmed, word).await.expect("put aside");
        let answer = tables.ask(&shop(), "SELECT count(*) FROM otel_logs_and_spans").await.expect("answered");
        assert_eq!(answer.rows(), [[json!(100)]], "{harm}");
        let [warning] = answer.warnings.as_slice() else { panic!("{:?}", answer.warnings) };
        for part in [harmed.id.as_str(), "50 rows", word, "quarantined", "plimsoll repair"] {
            assert!(warning.contains(part), "{part}: {warning}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_of_a_newer_format_is_left_out_with_a_warning() {
    let tables = Tables::new();
    let id = logs_and_spans();
    let mut segment = tables.land(&id, &batch(&shop(), id.table, &spans(BEFORE, 0, 10))).await;
    let store = tables.roots.open(&shop()).store;
    let key = object_store::path::Path::from(segment.key.as_str());
    let bytes = object_store::ObjectStoreExt::get(&store, &key).await.expect("there").bytes().await.expect("read");
    let newer = find_replace(&bytes, b"plimsoll.format", b"plimsoll.FORMAT");
    segment.checksum = objects::checksum(&newer);
    object_store::ObjectStoreExt::put(&store, &key, newer.into()).await.expect("put");
    tables.record(&id, &segment).await;
    let answer = tables.ask(&shop(), COUNT).await.expect("answered");
    assert_eq!(answer.rows()[0][0], json!(0));
    assert!(answer.warnings[0].contains("10 rows") && answer.warnings[0].contains("plimsoll.format"), "{answer:?}");
}

fn find_replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes.windows(from.len()).position(|window| window == from).expect("it is in there");
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_and_projections_mean_the_same_early_and_late() {
    use query::LateMaterialisation::{Always, ByShape, Never};
    let questions = [
        "SELECT * FROM otel_logs_and_spans WHERE name = 'name 3' OR kind = 'client' ORDER BY timestamp, id LIMIT 50",
        "SELECT id, name, body FROM otel_logs_and_spans WHERE name IN ('name 1', 'name 2') AND duration > 500000 ORDER BY id LIMIT 50",
        "SELECT id, attributes FROM otel_logs_and_spans WHERE name LIKE '%3' AND status_code IS NULL ORDER BY id DESC LIMIT 20",
        "SELECT id, attributes FROM otel_logs_and_spans WHERE status_code <> 'OK' ORDER BY id",
        "SELECT id, attributes FROM otel_logs_and_spans WHERE NOT (status_code = 'OK') OR status_code IS NULL ORDER BY id LIMIT 7",
        "SELECT count(*), min(id), max(duration) FROM otel_logs_and_spans WHERE attributes ->> 'a' = 'x' AND kind = 'server'",
        "SELECT id, attributes ->> 'a' AS a FROM otel_logs_and_spans WHERE (attributes ->> 'a') IS NOT NULL ORDER BY id LIMIT 9",
        "SELECT id FROM otel_logs_and_spans WHERE array_has(hashes, 'err:1') ORDER BY id LIMIT 9",
        "SELECT id, date, signal FROM otel_logs_and_spans WHERE date = '2026-11-20' AND signal = 'span' ORDER BY id DESC LIMIT 9",
        "SELECT name, count(*) FROM otel_logs_and_spans WHERE id BETWEEN '0000000000000010' AND '0000000000000040' GROUP BY name ORDER BY name",
        "SELECT * FROM otel_logs_and_spans WHERE timestamp <= '2026-11-20T01:00:00.050Z' ORDER BY timestamp DESC, id LIMIT 10",
        "SELECT a.id, b.id FROM otel_logs_and_spans a JOIN otel_logs_and_spans b ON a.context___trace_id = b.context___trace_id AND a.id < b.id ORDER BY 1, 2 LIMIT 30",
    ];
    let mut answers = Vec::new();
    for late in [Never, Always, ByShape] {
        let tables = Tables::with(|settings| settings.late_materialisation = late);
        let id = logs_and_spans();
        let mut rows = spans(BEFORE, 0, 600);
        for (n, row) in rows.iter_mut().enumerate().filter(|(n, _)| n % 3 == 0) {
            row["attributes"] = json!(json!({"a": if n % 2 == 0 { "x" } else { "y" }}).to_string());
            row["status_code"] = json!(if n % 2 == 0 { "OK" } else { "ERROR" });
            row["hashes"] = json!([format!("err:{}", n % 4)]);
        }
        tables.files(&id, &batch(&shop(), id.table, &rows[..200])).await;
        tables.files(&id, &batch(&shop(), id.table, &rows[200..400])).await;
        tables.live(&id, &batch(&shop(), id.table, &rows[400..500])).await;
        tables.live(&id, &batch(&shop(), id.table, &rows[500..])).await;
        let mut these = Vec::new();
        for question in questions {
            these.push(tables.rows(&shop(), question).await);
        }
        answers.push(these);
    }
    for (n, question) in questions.iter().enumerate() {
        assert!(!answers[0][n].is_empty(), "{question}");
        assert_eq!(answers[0][n], answers[1][n], "{question}");
        assert_eq!(answers[0][n], answers[2][n], "{question}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn late_rows_land_in_their_own_date_and_every_order_is_right() {
    let tables = Tables::new();
    let id = logs_and_spans();
    let day = model::MICROS_PER_DAY;
    // Files overlap in time with each other and with live segments.
    for n in 0..6 {
        let rows = batch(&shop(), id.table, &spans(BEFORE - (n % 3) * day / 2, n as usize * 100, 100));
        if n % 2 == 0 { tables.files(&id, &rows).await } else { drop(tables.live(&id, &rows).await) }
    }
    for order in ["DESC", "ASC"] {
        let sql = format!("SELECT timestamp, id FROM otel_logs_and_spans ORDER BY timestamp {order}, id {order}");
        let all = tables.rows(&shop(), &sql).await;
        assert_eq!(all.len(), 600);
        let keys: Vec<String> = all.iter().map(|row| format!("{} {}", row[0], row[1])).collect();
        assert!(keys.is_sorted_by(|a, b| if order == "ASC" { a <= b } else { a >= b }), "{order}");
        for limit in [1, 99, 250] {
            assert_eq!(tables.rows(&shop(), &format!("{sql} LIMIT {limit}")).await, all[..limit], "{order} {limit}");
        }
        let page = tables.rows(&shop(), &format!("{sql} LIMIT 10 OFFSET 295")).await;
        assert_eq!(page, all[295..305]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_wide_rows_hold_the_same_rows_as_narrow_ones() {
    let tables = Tables::new();
    let id = logs_and_spans();
    // Times come many times over, in files and in segments that overlap.
    for n in 0..6_usize {
        let mut rows = spans(BEFORE, n * 200, 200);
        for (at_row, row) in rows.iter_mut().enumerate() {
            row["timestamp"] = at(BEFORE + (at_row as i64 / 7) * 1_000 + n as i64 % 2);
        }
        let rows = batch(&shop(), id.table, &rows);
        if n % 2 == 0 { tables.files(&id, &rows).await } else { drop(tables.live(&id, &rows).await) }
    }
    let conditions = [
        "true",
        "kind = 'server'",
        "name = 'name 3' AND duration > 150000",
        "id = '0000000000000123'",
        "duration < 0",
        "timestamp > '2026-11-20T01:00:00.010Z'",
        "name IN ('name 1', 'name 4') OR kind IS NULL",
    ];
    for condition in conditions {
        for (order, page) in [
            ("timestamp DESC, id DESC", "LIMIT 25"),
            ("timestamp DESC, id", "LIMIT 40 OFFSET 30"),
            ("timestamp, id DESC", "LIMIT 25"),
            ("timestamp, id", "LIMIT 2000"),
            ("timestamp DESC, id", ""),
        ] {
            let narrow = format!("SELECT id FROM otel_logs_and_spans WHERE {condition} ORDER BY {order} {page}");
            let narrow = tables.rows(&shop(), &narrow).await;
            for wide in [
                format!("SELECT id, * FROM otel_logs_and_spans WHERE {condition} ORDER BY {order} {page}"),
                format!(
                    "SELECT w.id, w.attributes, upper(w.name) FROM (SELECT * FROM otel_logs_and_spans WHERE {condition}) AS w \
                     ORDER BY {order} {page}"
                ),
                format!(
                    "WITH w AS (SELECT id, timestamp, body, resource FROM otel_logs_and_spans WHERE {condition} ORDER BY {order} {page}) \
                     SELECT id, body FROM w ORDER BY {order}"
                ),
            ] {
                let found = tables.rows(&shop(), &wide).await;
                let found: Vec<_> = found.into_iter().map(|mut row| vec![row.swap_remove(0)]).collect();
                assert_eq!(found, narrow, "{wide}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_tables_can_be_asked_at_once() {
    let tables = Tables::new();
    let (id, metrics) = (logs_and_spans(), model::TableId::new(shop(), TableName::Metrics));
    tables.live(&id, &batch(&shop(), id.table, &spans(BEFORE, 0, 10))).await;
    let point = json!({"timestamp": at(BEFORE), "metric_name": "m", "value": 1.5, "bucket_counts": [1, 2], "resource___service___name": "shop"});
    tables.files(&metrics, &batch(&shop(), metrics.table, &[point])).await;
    let sql = "SELECT m.metric_name, m.value, m.bucket_counts, count(*) FROM otel_metrics m \
               JOIN otel_logs_and_spans s USING (resource___service___name) GROUP BY 1, 2, 3";
    let answer = tables.ask(&shop(), sql).await.expect("answered");
    assert_eq!(answer.rows(), [[json!("m"), json!(1.5), json!([1, 2]), json!(10)]]);
    assert_eq!(answer.statistics.snapshot_version.keys().collect::<Vec<_>>(), [&TableName::Metrics]);
    assert_eq!((answer.statistics.live_segments_read, answer.statistics.files_opened), (1, 1));
}
