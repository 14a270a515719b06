//! How services speak to each other, to databases and to the world, in the attribute names of the semantic conventions; the
//! older ones for [`Service::Shipping`].

use super::meters::{Exemplar, Instrument, LabelValue, NO_LABEL};
use super::service::Service;
use super::trace::{Context, Kind, Nanos, Severity, Trace};
use super::wire::Value;

/// A request by HTTP within the shop.
pub(super) struct HttpCall<'a> {
    pub(super) from: Service,
    pub(super) to: Service,
    pub(super) method: &'static str,
    pub(super) route: &'static str,
    pub(super) path: &'a str,
}

/// The client's span, the server's within it, and between them the network. `answer` is what the server does: a status code.
pub(super) fn http(t: &mut Trace, call: &HttpCall, answer: impl FnOnce(&mut Trace) -> i64) -> i64 {
    t.within(call.from, Kind::Client, call.method, |t| {
        let host = call.to.name();
        t.set("http.request.method", call.method);
        t.set("server.address", host);
        t.set("server.port", 8080);
        t.set("url.full", &format!("http://{host}:8080{}", call.path));
        t.set("network.protocol.version", "1.1");
        t.spend(0.3);
        let status = serve(t, call, |t| t.set("client.address", "10.0.1.17"), answer);
        t.spend(0.3);
        t.set("http.response.status_code", status);
        if status >= 400 {
            t.fail(status_text(status), "");
        }
        status
    })
}

/// The server's span alone: for requests from outside. `introduce` says who asks.
pub(super) fn serve(
    t: &mut Trace,
    call: &HttpCall,
    introduce: impl FnOnce(&mut Trace),
    answer: impl FnOnce(&mut Trace) -> i64,
) -> i64 {
    let started = t.now();
    let name = format!("{} {}", call.method, call.route);
    let (status, context) = t.within(call.to, Kind::Server, &name, |t| {
        t.set("http.request.method", call.method);
        t.set("http.route", call.route);
        let (path, query) = call.path.split_once('?').unwrap_or((call.path, ""));
        t.set("url.path", path);
        if !query.is_empty() {
            t.set("url.query", query);
        }
        t.set("url.scheme", if call.to == Service::Web { "https" } else { "http" });
        t.set("network.protocol.version", if call.to == Service::Web { "2" } else { "1.1" });
        introduce(t);
        let status = answer(t);
        t.set("http.response.status_code", status);
        if status >= 500 {
            t.fail(status_text(status), "");
        }
        (status, t.context())
    });
    let labels = [
        ("http.request.method", LabelValue::Text(call.method)),
        ("http.route", LabelValue::Text(call.route)),
        ("http.response.status_code", LabelValue::Int(status)),
    ];
    measure(t, Instrument::HttpServer, call.to, labels, started, context);
    status
}

/// A gRPC call; `answer` is the status code.
pub(super) fn grpc(
    t: &mut Trace,
    from: Service,
    to: Service,
    method: &'static str,
    answer: impl FnOnce(&mut Trace) -> &'static str,
) -> &'static str {
    let describe = |t: &mut Trace| {
        t.set("rpc.system.name", "grpc");
        t.set("rpc.method", method);
        t.set("server.address", to.name());
        t.set("server.port", 50051);
    };
    t.within(from, Kind::Client, method, |t| {
        describe(t);
        t.spend(0.2);
        let started = t.now();
        let (status, context) = t.within(to, Kind::Server, method, |t| {
            describe(t);
            let status = answer(t);
            t.set("rpc.response.status_code", status);
            if matches!(status, "INTERNAL" | "UNAVAILABLE" | "DEADLINE_EXCEEDED") {
                t.fail(status, "");
            }
            (status, t.context())
        });
        let labels = [
            ("rpc.method", LabelValue::Text(method)),
            ("rpc.response.status_code", LabelValue::Text(status)),
            NO_LABEL,
        ];
        measure(t, Instrument::RpcServer, to, labels, started, context);
        t.spend(0.2);
        t.set("rpc.response.status_code", status);
        if status != "OK" {
            t.fail(status, "");
        }
        status
    })
}

/// A call to a database.
pub(super) struct Query<'a> {
    pub(super) system: &'static str,
    pub(super) host: &'static str,
    pub(super) port: i64,
    pub(super) namespace: &'static str,
    pub(super) operation: &'static str,
    pub(super) collection: &'static str,
    pub(super) text: &'a str,
    pub(super) typical_ms: f64,
}

pub(super) fn query(t: &mut Trace, from: Service, query: &Query, rows: i64) {
    let summary = [query.operation, query.collection].join(" ");
    t.within(from, Kind::Client, summary.trim_end(), |t| {
        t.set("db.system.name", query.system);
        t.set("db.namespace", query.namespace);
        t.set("db.operation.name", query.operation);
        if !query.collection.is_empty() {
            t.set("db.collection.name", query.collection);
        }
        t.set("db.query.summary", summary.trim_end());
        t.set("db.query.text", query.text);
        t.set("server.address", query.host);
        t.set("server.port", query.port);
        t.spend(query.typical_ms);
        t.set("db.response.returned_rows", rows);
    });
}

/// Sends to a Kafka topic; what the consumer links to.
pub(super) fn send(t: &mut Trace, from: Service, topic: &'static str, message_id: &str, key: &str) -> Context {
    t.within(from, Kind::Producer, &format!("send {topic}"), |t| {
        t.set("messaging.system", "kafka");
        t.set("messaging.destination.name", topic);
        t.set("messaging.operation.name", "send");
        t.set("messaging.operation.type", "send");
        t.set("messaging.message.id", message_id);
        t.set("messaging.kafka.message.key", key);
        t.set("messaging.client.id", "checkout-producer-1");
        t.set("server.address", "kafka.shop.internal");
        t.set("server.port", 9092);
        t.spend(2.5);
        t.context()
    })
}

/// A question to a language model, and what it costs.
pub(super) struct Completion {
    pub(super) operation: &'static str,
    pub(super) model: &'static str,
    pub(super) input_tokens: i64,
    pub(super) output_tokens: i64,
    pub(super) typical_ms: f64,
}

pub(super) fn complete(t: &mut Trace, from: Service, question: &Completion) {
    let started = t.now();
    let name = format!("{} {}", question.operation, question.model);
    let context = t.within(from, Kind::Client, &name, |t| {
        let response_id = format!("resp_{:012x}", t.number(1 << 48));
        t.set("gen_ai.operation.name", question.operation);
        t.set("gen_ai.provider.name", "openai");
        t.set("gen_ai.request.model", question.model);
        t.set("gen_ai.response.model", question.model);
        t.set("gen_ai.usage.input_tokens", question.input_tokens);
        if question.output_tokens > 0 {
            t.set("gen_ai.request.temperature", 0.2);
            t.set("gen_ai.response.id", &response_id);
            t.set("gen_ai.response.finish_reasons", Value::Texts(&["stop"]));
            t.set("gen_ai.usage.output_tokens", question.output_tokens);
        }
        t.set("server.address", "models.shop.internal");
        t.set("server.port", 443);
        t.spend(question.typical_ms);
        t.context()
    });
    for (kind, tokens) in [("input", question.input_tokens), ("output", question.output_tokens)] {
        if tokens > 0 {
            let labels = [
                ("gen_ai.operation.name", LabelValue::Text(question.operation)),
                ("gen_ai.request.model", LabelValue::Text(question.model)),
                ("gen_ai.token.type", LabelValue::Text(kind)),
            ];
            let exemplar = Exemplar { value: tokens as f64, at: started, of: context };
            let instance = t.instance(from);
            t.meters.record(Instrument::ModelTokens, instance, labels, exemplar);
        }
    }
}

fn measure(
    t: &mut Trace,
    instrument: Instrument,
    service: Service,
    labels: [super::meters::Label; 3],
    started: Nanos,
    of: Context,
) {
    let instance = t.instance(service);
    let exemplar = Exemplar { value: (t.now() - started) as f64 / 1e9, at: t.now(), of };
    t.meters.record(instrument, instance, labels, exemplar);
}

/// A line that a service writes for each request it has answered.
pub(super) fn access_log(t: &mut Trace, method: &str, path: &str, status: i64, started: Nanos) {
    let ms = (t.now() - started) as f64 / 1e6;
    let severity = if status >= 500 { Severity::Error } else { Severity::Info };
    t.log(severity, &format!("{method} {path} {status} {ms:.1} ms"), &[("log.iostream", "stdout".into())]);
}

fn status_text(status: i64) -> &'static str {
    match status {
        404 => "404",
        409 => "409",
        502 => "502",
        503 => "503",
        504 => "504",
        _ => "500",
    }
}
