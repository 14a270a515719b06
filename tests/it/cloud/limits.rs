//! What is too large, too long or broken, through the whole edge.

use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use model::Signal;
use prost::Message;
use serde_json::{Value, json};
use testkit::telemetry::{self, Sample, attribute, text};
use tests::cloud::dev::Settings;
use tests::cloud::function::Function;
use tests::cloud::http::{HttpApi, Route};
use tests::cloud::invocation::PAYLOAD_BYTES_MAX;
use tests::cloud::lambda::Lambda;
use tests::{Binary, Client, Reply, eventually};

use super::world::{cloud, invoked};

const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");

fn export(client: &Client, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    let key = [("x-api-key", client.keys.ingest_key.as_str()), PROTOBUF];
    client.export_as(Signal::Traces, &[&key, headers].concat(), body)
}

/// A request of exactly so many bytes, in one span.
fn body_of(bytes: usize) -> Vec<u8> {
    let now = clock::Clock::now(&clock::SystemClock) as u64 * 1_000;
    let mut request = telemetry::traces(&Sample { seed: 9, n: 1, start_unix_nano: now });
    let mut with = |pad: usize| {
        let span = &mut request.resource_spans[0].scope_spans[0].spans[0];
        span.attributes.retain(|attribute| attribute.key != "pad");
        span.attributes.push(attribute("pad", text("a".repeat(pad))));
        request.encode_to_vec()
    };
    let mut pad = bytes / 2;
    let mut body = with(pad);
    // Lengths are written in one byte more or less.
    for _ in 0..3 {
        pad = pad + bytes - body.len();
        body = with(pad);
    }
    assert_eq!(body.len(), bytes);
    body
}

#[test]
fn a_payload_of_six_megabytes_is_taken_and_one_that_is_larger_is_refused_at_the_edge() {
    let cloud = cloud(Settings::default());
    // As base64 and with its headers around it: what is left of 6 MB.
    let largest = (PAYLOAD_BYTES_MAX - 3_000) / 4 * 3;
    assert_eq!(export(&cloud, &[], &body_of(largest)).status, 200);
    assert_eq!(cloud.count("otel_logs_and_spans"), 1);

    let n_before = invoked(&cloud, "ingest").len();
    let refused = export(&cloud, &[], &body_of(largest + 3_000));
    assert_eq!((refused.status, refused.json()), (413, json!({ "message": "Request Entity Too Large" })));
    assert!(invoked(&cloud, "ingest")[n_before..].iter().all(|invoked| invoked.result.is_err()));
    assert_eq!(export(&cloud, &[], &body_of(2_000_000)).status, 200);
    assert_eq!(cloud.count("otel_logs_and_spans"), 2);
}

#[test]
fn a_zip_bomb_is_refused_and_the_function_lives_on() {
    let cloud = cloud(Settings::default());
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    let zeros = vec![0; 1 << 20];
    (0..1_024).for_each(|_| bomb.write_all(&zeros).unwrap());
    let bomb = bomb.finish().unwrap();
    assert!(bomb.len() < 2 << 20);
    assert_eq!(export(&cloud, &[], &body_of(10_000)).status, 200);
    let processes = cloud.lambda().processes(cloud.function("ingest"));
    let memory = || invoked(&cloud, "ingest").iter().map(|invoked| invoked.memory_peak_bytes).max().unwrap();
    let memory_before = memory();
    let refused = export(&cloud, &[("content-encoding", "gzip")], &bomb);
    assert_eq!(refused.status, 413, "{}", refused.text());
    assert_eq!(refused.header("content-type"), Some("application/x-protobuf"));
    assert!(memory() < memory_before + (160 << 20), "{} -> {}", memory_before, memory());
    assert_eq!(export(&cloud, &[], &body_of(20_000)).status, 200);
    // On a busy machine another one may have been started beside it.
    let processes_after = cloud.lambda().processes(cloud.function("ingest"));
    assert!(processes.iter().all(|process| processes_after.contains(process)), "{processes:?} {processes_after:?}");
}

#[test]
fn a_function_without_its_variables_dies_in_init_and_names_all_of_them() {
    for (program, required) in [
        ("ingest", &["PLIMSOLL_TABLE", "PLIMSOLL_ROOT", "PLIMSOLL_QUEUE_URL"][..]),
        ("compact", &["PLIMSOLL_TABLE", "PLIMSOLL_ROOT"]),
        ("query", &["PLIMSOLL_TABLE", "PLIMSOLL_ROOT"]),
        ("api", &["PLIMSOLL_TABLE", "PLIMSOLL_ROOT"]),
    ] {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let function = Function::new(program, Binary::path().with_file_name(program));
        let lambda = std::sync::Arc::new(Lambda::new([function]));
        let routes = vec![Route { key: "ANY /{path+}".into(), function: program.into(), throttling: None }];
        let api = runtime.block_on(HttpApi::new(lambda.clone(), routes).start()).unwrap();
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .build()
            .into();
        let response = agent.get(format!("{}/any", api.url())).call().unwrap();
        assert_eq!(response.status(), 500, "{program}");
        for name in required {
            eventually(&format!("{program} says that {name} is missing"), Duration::from_secs(10), || {
                lambda.journal().lines(program).join("\n").contains(&format!("{name} is missing"))
            });
        }
    }
}

#[test]
fn a_function_url_streams_what_the_http_api_hands_out_as_a_link() {
    const ROWS: usize = 9;
    let sql = "SELECT name, attributes ->> 'pad' AS pad, resource FROM otel_logs_and_spans";
    let mut totals = Vec::new();
    for edge in ["http-api", "function-url"] {
        let mut settings = Settings::default();
        settings.parameters.push(("Edge", edge.to_owned()));
        let cloud = cloud(settings);
        for n in 0..ROWS {
            assert_eq!(export(&cloud, &[], &body_of(1_000_000 + n)).status, 200);
        }
        let url = cloud.url("query").unwrap_or_else(|| cloud.keys.api_url.clone());
        let headers = [("x-api-key", cloud.keys.read_key.as_str()), ("content-type", "application/json")];
        let body = json!({ "sql": sql }).to_string();
        let mut reply = cloud.send("POST", &format!("{url}/api/v1/query"), &headers, body.as_bytes());
        assert_eq!(reply.status, 200, "{edge}: {}", reply.text());
        eventually("the call of query has ended", Duration::from_secs(10), || !invoked(&cloud, "query").is_empty());
        let streamed = invoked(&cloud, "query").last().unwrap().result.as_ref().unwrap().bytes.is_none();
        assert_eq!(streamed, edge == "function-url");
        if !streamed {
            let told = reply.json();
            let link = told["result"]["url"].as_str().unwrap_or_else(|| panic!("no link in {told}")).to_owned();
            reply = cloud.send("GET", &link, &[], &[]);
            assert_eq!(reply.status, 200, "{}", reply.text());
        }
        let answer = reply.json();
        let rows = answer["rows"].as_array().unwrap();
        let pads: usize = rows.iter().map(|row| row[1].as_str().map_or(0, str::len)).sum();
        assert_eq!(rows.len(), ROWS, "{edge}");
        totals.push((rows.len(), pads > ROWS * 900_000, answer["truncated"].clone()));
    }
    assert_eq!(totals, vec![(ROWS, true, Value::Null); 2]);
}

/// The client takes nothing until the function's time is all but over.
#[test]
fn an_answer_that_is_cut_at_the_deadline_does_not_look_whole() {
    const SQL: &str = "SELECT value, repeat('x', 1000) AS pad FROM generate_series(1, 5000000)";
    let mut settings = Settings::default();
    settings.parameters.extend([("Edge", "function-url".to_owned()), ("QueryTimeoutSeconds", "10".to_owned())]);
    let cloud = cloud(settings);
    let url = format!("{}/api/v1/query", cloud.url("query").unwrap());
    let ask = |accept: &str, sql: &str, wait: Duration| {
        let agent = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(60))).build();
        let asked = ureq::Agent::from(agent).post(&url).header("x-api-key", &cloud.keys.read_key);
        let asked = asked.header("content-type", "application/json").header("accept", accept);
        let mut answer = asked.send(json!({ "sql": sql, "limit": 5_000_000 }).to_string()).unwrap();
        std::thread::sleep(wait);
        answer.body_mut().with_config().limit(8 << 30).read_to_vec()
    };
    let late = Duration::from_millis(9_200);
    std::thread::scope(|scope| {
        let ndjson = scope.spawn(|| ask("application/x-ndjson", SQL, late));
        let csv = scope.spawn(|| ask("text/csv", SQL, late));
        let arrow = scope.spawn(|| ask("application/vnd.apache.arrow.stream", SQL, late));
        let ndjson = String::from_utf8(ndjson.join().unwrap().unwrap()).unwrap();
        let last = ndjson.lines().next_back().unwrap();
        assert!(last.starts_with("{\"broken_off\":\"") && serde_json::from_str::<Value>(last).is_err(), "{last}");
        let csv = String::from_utf8(csv.join().unwrap().unwrap()).unwrap();
        let last = csv.lines().next_back().unwrap();
        assert!(last.starts_with("\"broken off: ") && last.matches('"').count() == 1, "{last}");
        let arrow = arrow.join().unwrap().unwrap();
        assert!(!arrow.ends_with(&[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]), "the end of a whole stream");
        assert!(arrow.ends_with(&[0xff, 0xff, 0xff, 0xff, 8, 0, 0, 0]), "{:?}", &arrow[arrow.len() - 80..]);
    });
}
