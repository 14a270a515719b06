//! Attributes, resources and scopes.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::resource::v1::Resource;

use super::{SERVICES, Sample};

pub fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..Default::default() }
}

pub fn text(value: impl Into<String>) -> Value {
    Value::StringValue(value.into())
}

pub(super) fn list(values: impl IntoIterator<Item = Value>) -> Value {
    let values = values.into_iter().map(|value| AnyValue { value: Some(value) }).collect();
    Value::ArrayValue(ArrayValue { values })
}

pub(super) fn map(values: impl IntoIterator<Item = KeyValue>) -> Value {
    Value::KvlistValue(KeyValueList { values: values.into_iter().collect() })
}

/// One of each kind of value, under keys that are not promoted.
pub(super) fn every_kind(sample: &Sample, i: usize) -> Vec<KeyValue> {
    let n = sample.number(i, 10, 1_000_000) as i64;
    vec![
        attribute("app.text", text(format!("value {n} \u{1F980}"))),
        attribute("app.flag", Value::BoolValue(n % 2 == 0)),
        attribute("app.count", Value::IntValue(n - 500_000)),
        attribute("app.big", Value::IntValue(i64::MAX - n)),
        attribute("app.ratio", Value::DoubleValue(n as f64 / 1_000.0 + 0.5)),
        attribute("app.tags", list([text("a"), Value::IntValue(n), Value::BoolValue(true)])),
        attribute("app.nested", map([attribute("inner", map([attribute("deep.key", text(n.to_string()))]))])),
        attribute("app.bytes", Value::BytesValue(n.to_be_bytes().to_vec())),
    ]
}

pub(super) fn resource(service: usize) -> Option<Resource> {
    let attributes = vec![
        attribute("service.name", text(SERVICES[service])),
        attribute("service.version", text(format!("1.{service}.0"))),
        attribute("service.instance.id", text(format!("{}-0", SERVICES[service]))),
        attribute("deployment.environment.name", text("production")),
        attribute("telemetry.sdk.language", text("rust")),
        attribute("host.name", text(format!("host-{service}"))),
        attribute("k8s.pod.name", text(format!("{}-7d9f-{service}", SERVICES[service]))),
        attribute("team", text("shop")),
    ];
    Some(Resource { attributes, ..Default::default() })
}

pub(super) fn scope() -> Option<InstrumentationScope> {
    Some(InstrumentationScope { name: "testkit".into(), version: "1.0.0".into(), ..Default::default() })
}
