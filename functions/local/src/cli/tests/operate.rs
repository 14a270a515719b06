//! `plimsoll status`, `compact`, `repair`.

use serde_json::{Value, json};

use super::Fake;

#[test]
fn status_shows_tables_and_what_is_wrong_with_them() {
    let tables = json!({ "tables": [{
        "project": "default", "table": "otel_metrics", "live_segments": 3, "live_bytes": 4096, "oldest_live_age_s": 12.5,
        "open_batch": { "seq": 4 }, "files": 12, "rows": 1234567, "bytes": 9_000_000, "version": 52,
        "last_commit_at": "2020-01-01T00:00:00.000000Z", "compaction_lag_s": 12.5, "quarantined": 2,
        "stop": "the ledger was restored", "uri": "file:///data/objects/default/otel_metrics/",
    }]});
    let fake = Fake::answering(&[(200, tables.clone())]);
    let (code, out, _) = fake.run(&["status"]);
    assert_eq!(code, 0);
    for part in [
        "default",
        "3+",
        "4.1 kB",
        "12 s",
        "1,234,567",
        "9.0 MB",
        " d ago",
        "file:///data/objects/default/otel_metrics/",
    ] {
        assert!(out.contains(part), "{part} is not in {out}");
    }
    assert!(
        out.contains("STOPPED default/otel_metrics: the ledger was restored") && out.contains("2 segments could not"),
        "{out}"
    );
    let (_, out, _) = fake.run(&["status", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&out).expect("JSON"), tables);
}

#[test]
fn status_shows_a_table_that_cannot_be_read_beside_the_others_and_fails() {
    let tables = json!({ "tables": [
        { "project": "default", "table": "otel_metrics", "rows": null, "error": "entry 1 is damaged", "uri": "file:///m/" },
        { "project": "shop", "table": "otel_metrics", "rows": 77, "error": null, "uri": "file:///s/" },
    ]});
    let fake = Fake::answering(&[(200, tables.clone())]);
    let (code, out, _) = fake.run(&["status"]);
    assert_eq!(code, 1);
    for part in ["UNREADABLE default/otel_metrics: entry 1 is damaged", "shop", "77", "file:///m/"] {
        assert!(out.contains(part), "{part} is not in {out}");
    }
    let (code, out, _) = fake.run(&["status", "--json"]);
    assert_eq!((code, serde_json::from_str::<Value>(&out).expect("JSON")), (1, tables));
}

#[test]
fn status_names_the_first_quarantined_segments_and_why() {
    let bad = |n: usize| {
        json!({
            "segment": format!("s{n}"), "key": format!("landing/{n}"), "rows": n, "reason": "object is not there", "since": "2026-01-01",
        })
    };
    let table = |n: usize| {
        json!({ "tables": [{
            "project": "default", "table": "otel_metrics", "quarantined": n,
            "quarantined_segments": (1..=n).map(bad).collect::<Vec<_>>(),
        }]})
    };
    let fake = Fake::answering(&[(200, table(1)), (200, table(12))]);
    let (_, out, _) = fake.run(&["status"]);
    assert!(out.contains("1 segment could not be read"), "{out}");
    assert!(out.ends_with("  landing/1 (1 row, since 2026-01-01): object is not there\n"), "{out}");
    let (_, out, _) = fake.run(&["status"]);
    assert!(out.contains("landing/10 (10 rows") && !out.contains("landing/11"), "{out}");
    assert!(out.ends_with("  and 2 more; `plimsoll status --json` names them\n"), "{out}");
}

#[test]
fn compact_tells_what_it_did_and_fails_if_a_table_did() {
    let fake = Fake::answering(&[
        (
            200,
            json!({ "tables": [{ "project": "default", "table": "otel_metrics", "outcome": "committed", "rows": 7 }] }),
        ),
        (
            200,
            json!({ "tables": [{ "project": "default", "table": "otel_metrics", "outcome": "failed", "error": "disk" }] }),
        ),
        (200, json!({ "tables": [] })),
    ]);
    let (code, out, _) = fake.run(&["compact"]);
    assert_eq!(code, 0);
    assert!(out.contains("committed") && out.contains('7'), "{out}");
    // However narrow the terminal is.
    let (code, out, _) = fake.run_within(Some(40), &["compact"]);
    assert!(code == 1 && out.ends_with("\nFAILED default/otel_metrics: disk\n"), "{out}");
    assert_eq!(fake.run(&["compact"]), (0, "Nothing to compact.\n".to_owned(), String::new()));
}

#[test]
fn repair_says_what_was_wrong_and_fails_if_something_may_be_missing() {
    let row = |outcome: &str| {
        json!({ "tables": [{
            "project": "default", "table": "otel_metrics", "outcome": outcome, "was_stopped": "the ledger ends with batch 4",
            "segments_restored": 2, "rows_restored": 1200, "lost_objects": if outcome == "partial" { 3 } else { 0 },
        }]})
    };
    let fake = Fake::answering(&[(200, row("repaired")), (200, row("partial")), (200, row("repaired"))]);
    let (code, out, _) = fake.run(&["repair", "otel_metrics"]);
    assert_eq!(code, 0);
    for part in ["default/otel_metrics: repaired", "the ledger ends with batch 4", "2 segments", "1,200 rows"] {
        assert!(out.contains(part), "{part} is not in {out}");
    }
    assert!(!out.contains("lost"), "{out}");
    let (code, out, _) = fake.run(&["repair"]);
    assert!(code == 1 && out.contains("3 landing objects") && out.contains("may be lost"), "{out}");
    let (_, out, _) = fake.run(&["repair", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&out).expect("JSON"), row("repaired"));
}

#[test]
fn repair_counts_one_as_one() {
    let row = json!({ "tables": [{
        "project": "default", "table": "otel_metrics", "outcome": "partial", "segments_restored": 1, "rows_restored": 1,
        "batches_dropped": 1, "lost_objects": 1,
    }]});
    let (_, out, _) = Fake::answering(&[(200, row)]).run(&["repair"]);
    for line in [
        "  1 segment that nothing named is live again, with 1 row",
        "  1 batch never reached this table; its segments are live again",
        "  1 landing object older than 24 hours is named by nothing: its records may be lost; the log of the server names it",
    ] {
        assert!(out.lines().any(|one| one == line), "{line} is not in {out}");
    }
}

#[test]
fn a_project_out_of_reach_is_told_once_and_fails_nobody() {
    let row = |table: &str, out_of_reach: bool, error: Option<&str>| {
        let outcome = if out_of_reach { "out_of_reach" } else { "done" };
        json!({ "project": "acme", "table": table, "outcome": outcome, "out_of_reach": out_of_reach, "error": error })
    };
    let shut = Some("its bucket is not connected: run `plimsoll bucket connect --project acme`");
    let tables = json!({ "tables": [row("otel_logs_and_spans", true, shut), row("otel_metrics", true, shut)] });
    let repaired = json!({ "tables": [
        { "project": "default", "table": "otel_metrics", "outcome": "sound" },
        row("otel_logs_and_spans", true, shut), row("otel_metrics", true, shut),
    ]});
    let fake = Fake::answering(&[(200, tables.clone()), (200, tables.clone()), (200, repaired)]);
    for command in ["status", "compact", "repair"] {
        let (code, out, err) = fake.run(&[command]);
        assert_eq!(code, 0, "{command}: {out}{err}");
        assert_eq!(out.matches("OUT OF REACH acme: its bucket is not connected").count(), 1, "{command}: {out}");
        assert!(!out.contains("UNREADABLE") && !out.contains("FAILED"), "{command}: {out}");
        assert!(command != "repair" || out.starts_with("default/otel_metrics: nothing was wrong\n"), "{out}");
    }
    // What is the operator's to mend fails all the same.
    let mixed =
        json!({ "tables": [row("otel_logs_and_spans", true, shut), row("otel_metrics", false, Some("no disk"))] });
    for command in [&["status"][..], &["compact"], &["compact", "--json"], &["status", "--json"]] {
        let (code, out, _) = Fake::answering(&[(200, mixed.clone())]).run(command);
        assert!(code == 1 && out.contains("no disk"), "{command:?}: {out}");
    }
}
