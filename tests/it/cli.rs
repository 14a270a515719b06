//! The command line as a user runs it: the real binary, against a whole Plimsoll.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use serde_json::Value;
use tests::{Binary, World};

/// Exit code, stdout, stderr.
type Ended = (i32, String, String);

fn command(world: &World, args: &[&str]) -> Command {
    let mut command = Command::new(Binary::path());
    command
        .args(args)
        .env("PLIMSOLL_URL", &world.keys.api_url)
        .env("PLIMSOLL_OTLP_URL", &world.keys.otlp_url)
        .env("PLIMSOLL_DATA", world.data())
        .env_remove("PLIMSOLL_KEY");
    command
}

fn run(world: &World, args: &[&str]) -> Ended {
    ended(command(world, args))
}

fn ended(mut command: Command) -> Ended {
    let output = command.output().expect("the binary starts");
    let text = |bytes| String::from_utf8(bytes).expect("utf-8");
    (output.status.code().expect("it was not killed"), text(output.stdout), text(output.stderr))
}

/// Stdout of a command that must succeed.
fn done(world: &World, args: &[&str]) -> String {
    let (code, out, err) = run(world, args);
    assert_eq!(code, 0, "{args:?}\n{out}\n{err}");
    out
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn what_demo_sends_is_queried_compacted_and_counted() {
    let world = World::start();
    let sent = json(&done(&world, &["demo", "--backfill", "6h", "--spans-per-day", "20000", "--json"]));
    let acknowledged = |signal: &str| sent["signals"][signal]["acknowledged"].as_u64().expect("a count");
    let spans_and_logs = acknowledged("traces") + acknowledged("logs");
    assert!(acknowledged("traces") > 1_000 && acknowledged("logs") > 500 && acknowledged("metrics") > 5_000, "{sent}");
    assert_eq!(sent["signals"]["traces"]["rejected"], 0);

    let counts = || {
        let sql = "SELECT signal, count(*) AS n FROM otel_logs_and_spans GROUP BY 1 ORDER BY 1";
        json(&done(&world, &["query", sql, "--json"]))
    };
    let live = counts();
    assert_eq!(live[0]["n"], acknowledged("logs"));
    assert_eq!(live[1]["n"], acknowledged("traces"));
    let metric_types = done(&world, &["query", "SELECT DISTINCT metric_type FROM otel_metrics ORDER BY 1", "--csv"]);
    assert_eq!(metric_types, "metric_type\nexponential_histogram\ngauge\nhistogram\nsum\nsummary\n");

    let compacted = done(&world, &["compact"]);
    assert!(compacted.contains("otel_logs_and_spans") && compacted.contains("done"), "{compacted}");
    assert_eq!(counts(), live);
    let status = json(&done(&world, &["status", "--json"]));
    let table = status["tables"].as_array().expect("tables").iter().find(|t| t["table"] == "otel_logs_and_spans");
    let table = table.expect("the table is there");
    assert_eq!((&table["rows"], &table["live_segments"]), (&spans_and_logs.into(), &0.into()));
    let shown = done(&world, &["status"]);
    assert!(shown.contains(table["uri"].as_str().expect("a URI")), "{shown}");
}

#[test]
fn demo_runs_steadily_for_a_while() {
    let world = World::start();
    let out = done(&world, &["demo", "--rate", "50", "--duration", "2s"]);
    assert!(out.contains("Things to try"), "{out}");
    // Two seconds of fifty visits that begin anywhere within a second: exact counts are tested where the time is given.
    // What else happens depends on the hour: orders are shipped, a bot may be about.
    let traces = world.scalar("SELECT count(DISTINCT context___trace_id) FROM otel_logs_and_spans").as_u64();
    assert!((60..=300).contains(&traces.expect("a count")), "{traces:?} traces in 2 s at 50/s");
}

#[test]
fn a_mistake_in_the_sql_is_pointed_at() {
    let world = World::start();
    done(&world, &["demo", "--backfill", "1h", "--spans-per-day", "5000", "--json"]);
    let (code, out, err) = run(&world, &["query", "SELECT duraton FROM otel_logs_and_spans"]);
    assert_eq!((code, out.as_str()), (1, ""));
    let lines: Vec<&str> = err.lines().collect();
    assert_eq!(lines[1..3], ["  SELECT duraton FROM otel_logs_and_spans", "         ^"], "{err}");
    assert!(lines[0].starts_with("error: ") && lines[3].contains("duration"), "{err}");
}

/// 150,000 rows of 600 bytes: more of both than an answer in one piece may have.
#[test]
fn rows_for_other_programs_are_bound_by_no_limit_of_answers_in_one_piece() {
    let world = World::start();
    let sql = "SELECT value, repeat('x', 600) AS pad FROM generate_series(1, 150000)";
    let csv = done(&world, &["query", sql, "--csv", "--limit", "150000"]);
    assert!(csv.starts_with("value,pad\n1,xxx") && csv.len() > 90_000_000, "{} bytes", csv.len());
    assert_eq!(csv.lines().count(), 150_001);
    let list = done(&world, &["query", sql, "--json", "--limit", "150000"]);
    assert_eq!(json(&list).as_array().expect("a list").len(), 150_000);
    let (code, out, err) = run(&world, &["query", sql, "--csv"]);
    assert_eq!((code, out.lines().count()), (1, 10_001));
    assert!(err.contains("raise `--limit` (up to 50000000)"), "{err}");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let world = World::start();
    done(&world, &["demo", "--backfill", "6h", "--spans-per-day", "40000", "--json"]);
    let sql = "SELECT timestamp, name, attributes, resource FROM otel_logs_and_spans LIMIT 5000";
    let mut child = command(&world, &["query", sql, "--csv"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut head = String::new();
    BufReader::with_capacity(64, child.stdout.take().expect("piped")).read_line(&mut head).expect("a line");
    assert_eq!(head, "timestamp,name,attributes,resource\n");
    let mut err = String::new();
    child.stderr.take().expect("piped").read_to_string(&mut err).expect("utf-8");
    assert_eq!((child.wait().expect("it ends").code(), err.as_str()), (Some(0), ""));
}

#[test]
fn projects_and_keys_are_made_used_and_revoked() {
    let world = World::start();
    done(&world, &["project", "create", "shop"]);
    assert!(done(&world, &["project", "list"]).contains("shop"));
    let settings = done(&world, &["project", "settings", "shop", "--retention-days-metrics", "3"]);
    assert!(
        settings.lines().any(|line| line.starts_with("retention days metrics") && line.ends_with(" 3")),
        "{settings}"
    );

    let key = done(&world, &["key", "create", "--scope", "ingest", "--project", "shop", "--name", "till"]);
    let mut demo = command(&world, &["demo", "--backfill", "1h", "--spans-per-day", "5000", "--json"]);
    demo.env("PLIMSOLL_KEY", key.trim());
    assert_eq!(ended(demo).0, 0);
    // The shop's spans are the shop's alone.
    assert_eq!(world.count("otel_logs_and_spans"), 0);

    let keys = json(&done(&world, &["key", "list", "--project", "shop", "--json"]));
    assert_eq!(keys[0]["name"], "till");
    done(&world, &["key", "revoke", keys[0]["id"].as_str().expect("an id")]);
    let keys = json(&done(&world, &["key", "list", "--project", "shop", "--json"]));
    assert!(!keys[0]["revoked_at"].is_null(), "{keys}");
    let mut demo = command(&world, &["demo", "--backfill", "1h", "--json"]);
    demo.env("PLIMSOLL_KEY", key.trim());
    let (code, _, err) = ended(demo);
    assert!(code == 1 && err.contains("answered 401"), "{err}");
}

#[test]
fn doctor_works_beside_the_server_and_finds_what_is_wrong() {
    let world = World::start();
    let checks = json(&done(&world, &["doctor", "--json"]));
    assert!(checks["checks"].as_array().expect("a list").iter().all(|check| check["ok"] == true), "{checks}");
    let (code, out, _) = run(&world, &["doctor", "--data", "/nowhere/at/all"]);
    assert_eq!(code, 1);
    assert!(out.contains("failed") && out.contains("/nowhere/at/all"), "{out}");
}

#[test]
fn openapi_is_printed_without_a_key() {
    let world = World::start();
    let document = json(&done(&world, &["openapi", "--data", "/nowhere"]));
    for path in ["/api/v1/query", "/api/v1/projects", "/api/v1/keys/{key_id}", "/api/v1/status"] {
        assert!(document["paths"][path].is_object(), "{path} is not described");
    }
}

#[test]
fn exit_codes_tell_failure_from_wrong_usage() {
    let world = World::start();
    assert_eq!(run(&world, &["query"]).0, 2);
    assert_eq!(run(&world, &["query", "SELECT 1", "--url", "http://127.0.0.1:1"]).0, 1);
    let (code, _, err) = run(&world, &["query", "SELECT 1", "--data", "/nowhere"]);
    assert!(code == 1 && err.contains("PLIMSOLL_KEY"), "{err}");
}
