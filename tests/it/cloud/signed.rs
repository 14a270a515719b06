//! A stack whose function URLs ask for SigV4 (`FunctionUrlAuth=AWS_IAM`): the command line signs, the key travels beside the
//! signature, and whoever does not sign is turned away before a function is called.

use serde_json::{Value, json};
use tests::cloud::dev::{DevCloud, Settings};

use super::world::{cloud, invoked, operate};

fn signed() -> DevCloud {
    let mut settings = Settings::default();
    settings.parameters.extend([("Edge", "function-url".to_owned()), ("FunctionUrlAuth", "AWS_IAM".to_owned())]);
    let cloud = cloud(settings);
    cloud.describe();
    cloud
}

fn done(cloud: &DevCloud, args: &[&str]) -> String {
    let (code, out, err) = operate(cloud, args);
    assert_eq!(code, 0, "{args:?}\n{out}\n{err}");
    out
}

#[test]
fn the_command_line_signs_what_goes_to_function_urls() {
    let cloud = signed();
    done(&cloud, &["demo", "--backfill", "1h", "--spans-per-day", "20000"]);
    let answer = done(&cloud, &["query", "SELECT count(*) AS n FROM otel_logs_and_spans", "--json"]);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert!(answer[0]["n"].as_u64().unwrap() > 100, "{answer}");
    assert!(done(&cloud, &["status"]).contains("otel_logs_and_spans"), "the HTTP API takes keys alone");

    let (_, out, err) = operate(&cloud, &["doctor", "--send", "--json"]);
    let checks: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}\n{err}"));
    for name in ["ingest", "query", "management", "tables", "one record"] {
        let found = checks["checks"].as_array().unwrap().iter().find(|check| check["check"] == name);
        assert_eq!(found.unwrap_or_else(|| panic!("{name}: {out}"))["verdict"], "ok", "{name}: {out}");
    }
}

#[test]
fn a_request_without_a_signature_is_turned_away_and_nobody_blames_the_keys() {
    let cloud = signed();
    let url = cloud.url("ingest").unwrap();
    let key = ("x-api-key", cloud.keys.ingest_key.as_str());
    let json = ("content-type", "application/json");
    let refused = cloud.send("POST", &format!("{url}/v1/logs"), &[key, json], b"{}");
    assert_eq!((refused.status, refused.json()), (403, json!({ "message": "Forbidden" })));
    assert!(invoked(&cloud, "ingest").is_empty());

    let stranger = ["--url", &cloud.url("query").unwrap(), "--key", &cloud.keys.read_key].map(str::to_owned);
    let mut command = std::process::Command::new(tests::Binary::path());
    let output = command.args(["query", "SELECT 1"]).args(stranger).env_remove("PLIMSOLL_STACK").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("answered 403: Forbidden"), "{said}");
    assert!(said.contains("lambda:InvokeFunctionUrl") && said.contains("keys are not the cause"), "{said}");
}
