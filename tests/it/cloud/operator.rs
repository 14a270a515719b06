//! The dev cloud as its operator sees it: found by the name of its stack, as in an account of AWS.

use std::process::Command;

use serde_json::Value;
use tests::Binary;
use tests::cloud::Emulators;
use tests::cloud::dev::{Settings, Throttled};

use super::world::{cloud, operate};

/// What emulators lack, and `doctor` warns of: backups, and versions of functions.
const LACKING: [&str; 2] = ["table backups", "functions"];

#[test]
fn the_commands_that_make_cloud_prints_do_what_they_say() {
    let cloud = cloud(Settings::default());
    cloud.describe();
    let home = tempfile::tempdir().expect("a folder");
    let run = |args: &[&str]| {
        let mut command = Command::new(Binary::path());
        for name in ["PLIMSOLL_URL", "PLIMSOLL_OTLP_URL", "PLIMSOLL_KEY", "AWS_PROFILE"] {
            command.env_remove(name);
        }
        let variables = Emulators::shared().variables();
        command
            .args(args)
            .env("HOME", home.path())
            .envs(variables)
            .env("PLIMSOLL_STACK", cloud.stack().template.stack());
        let output = command.output().expect("it runs");
        let [out, err] = [output.stdout, output.stderr].map(|said| String::from_utf8(said).expect("utf-8"));
        assert_eq!(output.status.code(), Some(0), "{args:?}\n{out}\n{err}");
        out
    };
    let found: Value = serde_json::from_str(&run(&["doctor", "--send", "--json"])).expect("JSON");
    for check in found["checks"].as_array().expect("checks") {
        let expected = if LACKING.iter().any(|name| check["check"] == *name) { "warn" } else { "ok" };
        assert_eq!(check["verdict"], expected, "{check}");
    }
    let sent = run(&["demo", "--backfill", "1h", "--spans-per-day", "20000"]);
    assert!(sent.contains(&format!("plimsoll query --stack {} ", cloud.stack().template.stack())), "{sent}");
    let kinds = run(&["query", "SELECT kind, count(*) AS n FROM otel_logs_and_spans GROUP BY 1", "--csv"]);
    assert!(kinds.contains("server,"), "{kinds}");
    // 7 MB, which the HTTP API does not let through: they come by way of the bucket.
    let long = "SELECT value, repeat('x', 40) AS pad FROM generate_series(1, 150000)";
    let csv = run(&["query", long, "--csv", "--limit", "150000"]);
    assert_eq!((csv.lines().count(), csv.lines().next()), (150_001, Some("value,pad")));
    let status = run(&["status"]);
    assert!(status.contains("otel_metrics") && status.contains("s3://"), "{status}");
    assert!(run(&["stack", "init"]).contains(&cloud.keys.otlp_url), "the addresses of this machine");
}

/// Three of a route that lets two through at once, and one more in five seconds; `doctor` asks it, too.
#[test]
fn an_operator_who_asks_faster_than_the_stack_allows_is_answered_a_little_later() {
    let cloud = cloud(Settings { throttling: Throttled::Below("/"), ..Settings::default() });
    cloud.describe();
    for _ in 0..3 {
        let (code, out, err) = operate(&cloud, &["status"]);
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
    }
    let (code, out, err) = operate(&cloud, &["doctor", "--json"]);
    assert_eq!(code, 0, "{out}{err}");
    let found: Value = serde_json::from_str(&out).expect("JSON");
    let tables = found["checks"].as_array().expect("checks").iter().find(|check| check["check"] == "tables");
    assert_eq!(tables.expect("a check of tables")["verdict"], "ok", "{out}");
    assert!(cloud.n_throttled() >= 2, "the edge throttled {} requests", cloud.n_throttled());
}
