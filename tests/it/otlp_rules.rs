//! What a correct OTLP/HTTP receiver does, point by point, at its door.

use std::io::Write;

use model::Signal;
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use serde_json::json;
use tests::{Client, Reply, World};
use tonic_types::Status;

const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
const JSON: (&str, &str) = ("content-type", "application/json");

fn now_ns() -> u64 {
    clock::Clock::now(&clock::SystemClock) as u64 * 1_000
}

fn text(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.into(),
        value: Some(AnyValue { value: Some(Any::StringValue(value.into())) }),
        ..KeyValue::default()
    }
}

fn span(seed: u8, name: &str) -> Span {
    Span {
        trace_id: vec![seed; 16],
        span_id: vec![seed; 8],
        name: name.into(),
        start_time_unix_nano: now_ns(),
        end_time_unix_nano: now_ns() + 1_000,
        ..Span::default()
    }
}

fn request(spans: Vec<Span>) -> Vec<u8> {
    let resource = Resource { attributes: vec![text("service.name", "rules")], ..Resource::default() };
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

fn export(client: &Client, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    let key = client.keys.ingest_key.clone();
    let mut all = vec![("x-api-key", key.as_str())];
    all.extend_from_slice(headers);
    client.export_as(Signal::Traces, &all, body)
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn zlib(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_span_is_readable_right_after_the_200_in_every_encoding() {
    let world = World::start();
    let bodies: [(&str, fn(&[u8]) -> Vec<u8>); 4] = [
        ("identity", |b| b.to_vec()),
        ("gzip", gzip),
        ("deflate", zlib),
        ("zstd", |b| zstd::encode_all(b, 1).unwrap()),
    ];
    for (n, (encoding, encode)) in bodies.into_iter().enumerate() {
        let body = encode(&request(vec![span(n as u8 + 1, encoding)]));
        let reply = export(&world, &[PROTOBUF, ("content-encoding", encoding)], &body);
        assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/x-protobuf")), "{encoding}");
        assert!(ExportTraceServiceResponse::decode(reply.body.as_slice()).unwrap().partial_success.is_none());
        assert_eq!(world.count(&format!("otel_logs_and_spans WHERE name = '{encoding}'")), 1);
    }
}

#[test]
fn json_is_taken_and_answered_as_json() {
    let world = World::start();
    let body = json!({"resourceSpans": [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "js"}}]},
        "scopeSpans": [{"spans": [{"traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "EEE19B7EC3C1B174",
            "name": "from json", "kind": 2, "startTimeUnixNano": now_ns().to_string(), "endTimeUnixNano": now_ns(),
            "unknownField": {"a": [1]}, "attributes": [{"key": "http.request.method", "value": {"stringValue": "GET"}}]}]}]}]});
    let reply = export(&world, &[("content-type", "application/json; charset=utf-8")], body.to_string().as_bytes());
    assert_eq!((reply.status, reply.text().as_str()), (200, "{}"));
    let rows = world.sql(
        "SELECT context___trace_id, kind, attributes___http___request___method, resource___service___name \
         FROM otel_logs_and_spans WHERE name = 'from json'",
    );
    assert_eq!(rows, [[json!("5b8efff798038103d269b633813fc60c"), json!("server"), json!("GET"), json!("js")]]);
}

#[test]
fn an_empty_request_is_a_success() {
    let world = World::start();
    assert_eq!(export(&world, &[PROTOBUF], b"").status, 200);
    assert_eq!(export(&world, &[JSON], b"{}").status, 200);
    assert_eq!(world.count("otel_logs_and_spans"), 0);
}

#[test]
fn refusals_are_a_status_in_the_encoding_of_the_request() {
    let world = World::start();
    let good = request(vec![span(1, "x")]);
    let (ingest, read) = (world.keys.ingest_key.clone(), world.keys.read_key.clone());
    let cases: Vec<(&str, Vec<(&str, &str)>, Vec<u8>, u16, &str)> = vec![
        ("no key", vec![PROTOBUF], good.clone(), 401, "API key"),
        ("wrong key", vec![PROTOBUF, ("x-api-key", "nonsense")], good.clone(), 401, "unknown"),
        ("wrong scope", vec![PROTOBUF, ("x-api-key", &read)], good.clone(), 403, "ingest"),
        ("media type", vec![("content-type", "text/plain"), ("x-api-key", &ingest)], good.clone(), 415, "text/plain"),
        ("encoding", vec![PROTOBUF, ("content-encoding", "br"), ("x-api-key", &ingest)], good.clone(), 415, "br"),
        ("not gzip", vec![PROTOBUF, ("content-encoding", "gzip"), ("x-api-key", &ingest)], good.clone(), 400, "gzip"),
        ("cut off", vec![PROTOBUF, ("x-api-key", &ingest)], good[..good.len() - 3].to_vec(), 400, "byte"),
        ("broken json", vec![JSON, ("x-api-key", &ingest)], b"{\"resourceSpans\":\n [}".to_vec(), 400, "line 2"),
    ];
    for (name, headers, body, status, says) in cases {
        let reply = world.export_as(Signal::Traces, &headers, &body);
        assert_eq!(reply.status, status, "{name}: {}", reply.text());
        let message = match headers[0] == PROTOBUF {
            true => Status::decode(reply.body.as_slice()).unwrap().message,
            false => reply.json()["message"].as_str().unwrap().to_owned(),
        };
        assert!(message.contains(says), "{name}: {message}");
    }
    let other = |method, path| {
        let reply = world.send(method, &format!("{}{path}", world.keys.otlp_url), &[PROTOBUF], b"");
        (reply.status, Status::decode(reply.body.as_slice()).unwrap().message, reply.header("allow").map(str::to_owned))
    };
    let (status, message, _) = other("POST", "/v1/profiles");
    assert_eq!(status, 404);
    assert!(message.contains("/v1/traces"), "{message}");
    let (status, _, allow) = other("PUT", "/v1/traces");
    assert_eq!((status, allow.as_deref()), (405, Some("POST")));
    assert_eq!(world.count("otel_logs_and_spans"), 0);
}

#[test]
fn both_ways_to_send_the_key_work() {
    let world = World::start();
    let bearer = format!("Bearer {}", world.keys.ingest_key);
    let reply = world.export_as(Signal::Traces, &[PROTOBUF, ("authorization", &bearer)], &request(vec![span(1, "b")]));
    assert_eq!(reply.status, 200);
}

#[test]
fn bad_records_are_counted_and_the_good_ones_kept() {
    let world = World::start();
    let short = Span { trace_id: vec![1; 15], ..span(2, "short trace id") };
    let old = Span { start_time_unix_nano: 1_000, ..span(3, "from 1970") };
    let future = Span { start_time_unix_nano: now_ns() + 48 * 3_600_000_000_000, ..span(4, "in two days") };
    let reply = export(&world, &[PROTOBUF], &request(vec![span(1, "good"), short, old, future]));
    assert_eq!(reply.status, 200);
    let partial = ExportTraceServiceResponse::decode(reply.body.as_slice()).unwrap().partial_success.unwrap();
    assert_eq!(partial.rejected_spans, 3, "{}", partial.error_message);
    assert!(partial.error_message.contains("trace"), "{}", partial.error_message);
    assert_eq!(world.sql("SELECT name FROM otel_logs_and_spans"), [[json!("good")]]);
}

#[test]
fn a_zip_bomb_costs_a_413_and_no_memory() {
    let world = World::start();
    let resident = || {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
    };
    let zeros = vec![0; 1 << 20];
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    (0..2_048).for_each(|_| encoder.write_all(&zeros).unwrap());
    let bomb = encoder.finish().unwrap();
    assert!(bomb.len() < 1 << 20);
    let before = resident();
    for _ in 0..4 {
        let reply = export(&world, &[PROTOBUF, ("content-encoding", "zstd")], &bomb);
        assert_eq!(reply.status, 413, "{}", reply.text());
    }
    assert!(resident() - before < 512 << 20, "2 GiB of zeros must not be held");
}

#[test]
fn a_body_over_the_limit_is_refused_before_and_after_decompression() {
    let world = World::start_with(|config| {
        config.ingest.wire_bytes_max = 10_000;
        config.ingest.body_bytes_max = 20_000;
    });
    assert_eq!(export(&world, &[PROTOBUF], &vec![0; 10_001]).status, 413);
    let long = request(vec![span(1, &"x".repeat(20_001))]);
    assert_eq!(export(&world, &[PROTOBUF, ("content-encoding", "gzip")], &gzip(&long)).status, 413);
    let fits = request(vec![span(1, &"x".repeat(19_000))]);
    assert_eq!(export(&world, &[PROTOBUF, ("content-encoding", "gzip")], &gzip(&fits)).status, 200);
}

#[test]
fn a_browser_may_send_from_the_origins_that_are_configured() {
    let world = World::start_with(|config| config.ingest.cors_origins = vec!["https://shop.example".into()]);
    let preflight = |origin| {
        let url = format!("{}/v1/traces", world.keys.otlp_url);
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "content-type,x-api-key"),
        ];
        world.send("OPTIONS", &url, &headers, b"")
    };
    let allowed = preflight("https://shop.example");
    assert_eq!(allowed.status, 200);
    assert_eq!(allowed.header("access-control-allow-origin"), Some("https://shop.example"));
    assert_eq!(preflight("https://evil.example").header("access-control-allow-origin"), None);
}

#[test]
fn the_same_body_again_adds_nothing_also_after_a_restart_and_compaction() {
    let mut world = World::start();
    let body = request(vec![span(1, "once"), span(2, "once")]);
    for _ in 0..3 {
        assert_eq!(export(&world, &[PROTOBUF], &body).status, 200);
    }
    assert_eq!(export(&world, &[PROTOBUF, ("content-encoding", "gzip")], &gzip(&body)).status, 200);
    assert_eq!(world.count("otel_logs_and_spans"), 2);
    world.compact();
    assert_eq!(world.count("otel_logs_and_spans"), 2);
    world.restart();
    assert_eq!(export(&world, &[PROTOBUF], &body).status, 200);
    assert_eq!(world.count("otel_logs_and_spans"), 2);
    let metrics = world.send("GET", &format!("{}/metrics", world.keys.api_url), &[], b"").text();
    assert!(
        metrics.contains("plimsoll_ingest_duplicate_requests_total{project=\"default\",signal=\"traces\"} 1"),
        "{metrics}"
    );
}

#[test]
fn a_log_without_any_time_is_stored_with_a_warning_each_time_it_is_sent() {
    let world = World::start();
    let body =
        json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": "timeless"}}]}]}]}).to_string();
    let key = world.keys.ingest_key.clone();
    for n in 1..=2 {
        let reply = world.export_as(Signal::Logs, &[JSON, ("x-api-key", &key)], body.as_bytes());
        assert_eq!(reply.status, 200);
        let message = reply.json()["partialSuccess"]["errorMessage"].as_str().unwrap_or_default().to_owned();
        assert!(message.contains("no time"), "{}", reply.text());
        assert_eq!(world.count("otel_logs_and_spans WHERE body = 'timeless'"), n);
    }
    assert_eq!(world.scalar("SELECT count(DISTINCT id) FROM otel_logs_and_spans"), 2);
}

#[test]
fn many_small_requests_at_once_share_segments() {
    const REQUESTS: u8 = 120;
    let world = World::start_with(|config| config.ingest.company_wait = std::time::Duration::from_millis(5));
    std::thread::scope(|scope| {
        for lane in 0..12_u8 {
            let client = Client::clone(&world);
            scope.spawn(move || {
                for n in (lane..REQUESTS).step_by(12) {
                    assert_eq!(export(&client, &[PROTOBUF], &request(vec![span(n + 1, "small")])).status, 200);
                }
            });
        }
    });
    assert_eq!(world.count("otel_logs_and_spans WHERE name = 'small'"), u64::from(REQUESTS));
    let status = world.status();
    let spans = status["tables"].as_array().unwrap().iter().find(|t| t["table"] == "otel_logs_and_spans").unwrap();
    let segments = spans["live_segments"].as_u64().unwrap();
    assert!(segments > 0 && segments < u64::from(REQUESTS), "{segments} segments for {REQUESTS} requests");
}

#[test]
fn a_project_over_its_limits_gets_429_that_names_the_limit() {
    let world = World::start();
    let path = format!("/api/v1/projects/{}", world.keys.project);
    let key = world.keys.admin_key.clone();
    let set = world.api("PATCH", &path, &key, Some(&json!({"settings": {"bytes_per_day_max": 100}})));
    assert_eq!(set.status, 200, "{}", set.text());
    let send = |seed| {
        export(
            &world,
            &[JSON],
            json!({"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": format!("{seed:032x}"),
        "spanId": "eee19b7ec3c1b174", "name": "over", "startTimeUnixNano": now_ns().to_string()}]}]}]})
            .to_string()
            .as_bytes(),
        )
    };
    let replies: Vec<Reply> = (1..=3_u32).map(send).collect();
    let refused = replies.last().unwrap();
    assert_eq!(refused.status, 429, "{}", refused.text());
    assert!(refused.json()["message"].as_str().unwrap().contains("bytes_per_day_max"), "{}", refused.text());
    assert!(refused.header("retry-after").unwrap().parse::<u64>().unwrap() > 0);
}
