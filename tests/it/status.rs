//! What operators are told when something is broken: which table, why, and what to do; and everything else as ever.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use clock::{Clock, SystemClock};
use model::Signal;
use prost::Message;
use serde_json::{Value, json};
use testkit::telemetry::{self, Sample};
use tests::delta::DeltaFolder;
use tests::{Binary, World};

const SPANS: usize = 20;
const HOUR: Duration = Duration::from_secs(3_600);

/// Nothing is compacted but by hand.
fn world() -> World {
    World::start_with(|config| {
        config.compact.due.age = i64::try_from(HOUR.as_micros()).unwrap();
        config.rhythm.sweep_every = HOUR;
        config.rhythm.upkeep_every = HOUR;
    })
}

fn send(world: &World, seed: u64) {
    let sample = Sample { seed, n: SPANS, start_unix_nano: SystemClock.now() as u64 * 1_000 };
    assert_eq!(world.export(Signal::Traces, &telemetry::traces(&sample).encode_to_vec()).status, 200);
    assert_eq!(world.export(Signal::Metrics, &telemetry::metrics(&sample).encode_to_vec()).status, 200);
}

/// Exit code, and what stdout and stderr say.
fn cli(world: &World, args: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(Binary::path());
    command.args(args).env("PLIMSOLL_URL", &world.keys.api_url).env("PLIMSOLL_KEY", &world.keys.admin_key);
    let output = command.output().expect("it runs");
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
    (output.status.code(), said.concat())
}

fn table_of<'a>(answer: &'a Value, table: &str) -> &'a Value {
    let mut rows = answer["tables"].as_array().unwrap().iter();
    rows.find(|row| row["table"] == table).expect("every table is told of")
}

fn metrics(world: &World) -> String {
    let reply = world.api("GET", "/metrics", &world.keys.admin_key, None);
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.text()
}

#[test]
fn one_table_with_an_unreadable_log_is_named_and_all_others_are_shown() {
    let world = world();
    send(&world, 1);
    world.compact();
    let entry =
        DeltaFolder::of(&world, "default", "otel_logs_and_spans").path().join(format!("_delta_log/{:020}.json", 1));
    let whole = fs::read(&entry).expect("the first commit");
    fs::write(&entry, &whole[..whole.len() / 2]).unwrap();

    let status = world.status();
    let broken = table_of(&status, "otel_logs_and_spans");
    let error = broken["error"].as_str().unwrap_or_else(|| panic!("{broken}"));
    assert!(error.contains("00001.json") && error.contains("from a backup"), "{error}");
    assert!(broken["rows"].is_null() && broken["uri"].is_string(), "{broken}");
    let sound = table_of(&status, "otel_metrics");
    assert!(sound["rows"].as_u64() > Some(0) && sound["error"].is_null(), "{sound}");

    let told = metrics(&world);
    let of = |name: &str, table: &str| format!("{name}{{project=\"default\",table=\"{table}\"}}");
    for (table, is_broken) in [("otel_logs_and_spans", true), ("otel_metrics", false)] {
        let unreadable = format!("{} {}\n", of("plimsoll_table_unreadable", table), u8::from(is_broken));
        assert!(told.contains(&unreadable), "{unreadable} is not in {told}");
        assert_eq!(told.contains(&of("plimsoll_table_rows", table)), !is_broken, "{table}: {told}");
    }

    let (code, said) = cli(&world, &["status"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("UNREADABLE default/otel_logs_and_spans: ") && said.contains("00001.json"), "{said}");
    assert!(said.contains("otel_metrics"), "{said}");
    for command in ["compact", "repair"] {
        let (code, said) = cli(&world, &[command]);
        assert!(code == Some(1) && said.contains("00001.json back from a backup"), "{command}: {said}");
        assert!(!said.contains("nothing was lost by it"), "{command}: {said}");
    }

    fs::write(&entry, &whole).unwrap();
    let status = world.status();
    assert!(table_of(&status, "otel_logs_and_spans")["error"].is_null(), "{status}");
    assert_eq!(cli(&world, &["status"]).0, Some(0));
    assert_eq!(cli(&world, &["repair"]).0, Some(0));
    assert!(metrics(&world).contains(&format!("{} 0\n", of("plimsoll_table_unreadable", "otel_logs_and_spans"))));
}

#[test]
fn a_missing_landing_object_is_named_by_status_with_the_reason() {
    let world = world();
    send(&world, 1);
    let objects = landing_objects(&world.data().join("objects"));
    assert_eq!(objects.len(), 2, "{objects:?}");
    objects.iter().for_each(|object| fs::remove_file(object).unwrap());
    world.compact();
    let status = world.status();
    let table = table_of(&status, "otel_logs_and_spans");
    let bad = &table["quarantined_segments"][0];
    let key = bad["key"].as_str().unwrap_or_else(|| panic!("{table}"));
    assert_eq!((&table["quarantined"], &bad["rows"]), (&1.into(), &SPANS.into()), "{table}");
    assert!(objects.iter().any(|object| object.ends_with(key)), "{key} of {objects:?}");
    assert!(bad["reason"].as_str().unwrap().contains("not there") && bad["since"].is_string(), "{bad}");
    let (code, said) = cli(&world, &["status"]);
    assert!(code == Some(0) && said.contains("1 segment could not be read") && said.contains(key), "{said}");
    assert!(said.contains("not there") && !said.contains("stay under landing/"), "{said}");
}

/// The files below folders called `landing`.
fn landing_objects(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let found = entries.flat_map(|path| match path.is_dir() {
        true => landing_objects(&path),
        false => vec![path],
    });
    found.filter(|path| path.components().any(|part| part.as_os_str() == "landing")).collect()
}

#[test]
fn the_document_describes_what_is_said_of_a_broken_table() {
    let world = world();
    let document = world.api("GET", "/api/v1/openapi.json", &world.keys.admin_key, None).json();
    let row = &document["components"]["schemas"]["TableRow"]["properties"];
    for field in ["error", "quarantined", "quarantined_segments"] {
        assert!(row[field]["description"].is_string(), "{field}: {row}");
    }
    assert!(document["paths"]["/api/v1/status"]["get"].is_object());
}

/// `POST /api/v1/repair?table=otel_metrics` would repair all tables if the parameter were passed over.
#[test]
fn no_path_of_the_document_passes_over_a_parameter_that_it_does_not_know() {
    let world = world();
    let document = world.api("GET", "/api/v1/openapi.json", &world.keys.admin_key, None).json();
    let paths = document["paths"].as_object().unwrap().iter();
    let operations =
        paths.flat_map(|(path, all)| all.as_object().unwrap().iter().map(move |(verb, one)| (path, verb, one)));
    let mut asked = 0;
    for (path, verb, operation) in operations.filter(|(path, ..)| path.starts_with("/api/v1/")) {
        // Whatever it is asked for, it is the same for everybody.
        if path.ends_with("openapi.json") {
            continue;
        }
        let concrete =
            path.replace("{project_id}", "shop").replace("{key_id}", "0").replace("{trace_id}", &"0".repeat(32));
        let body = operation["requestBody"].is_object().then(|| json!({}));
        let key = if operation["tags"][0] == "query" { &world.keys.read_key } else { &world.keys.admin_key };
        let reply = world.api(&verb.to_uppercase(), &format!("{concrete}?tabel=otel_metrics"), key, body.as_ref());
        let said = reply.text();
        assert!(reply.status == 400 && said.contains("`tabel`"), "{verb} {path}: {} {said}", reply.status);
        asked += 1;
    }
    assert!(asked > 15, "{asked} operations");
    let reply = world.api("POST", "/api/v1/repair?table=otel_metrics", &world.keys.admin_key, None);
    assert_eq!(reply.json()["error"]["hint"], "what this path takes goes into the body, as JSON: `table`");
}
