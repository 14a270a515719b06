//! What makes a series: the text is the same for two points if and only if they are of the same series.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;

/// The part that the points of a scope have in common.
pub(super) fn series_of_scope(resource: Option<&Resource>, scope: Option<&InstrumentationScope>) -> String {
    let resource = resource.map_or(&[][..], |resource| &resource.attributes);
    let scope = scope.cloned().unwrap_or_default();
    format!("{} {:?} {:?} {}", sorted(resource), scope.name, scope.version, sorted(&scope.attributes))
}

/// Attributes by key; of equal keys the first sent comes first.
pub(super) fn sorted(pairs: &[KeyValue]) -> String {
    let mut pairs: Vec<&KeyValue> = pairs.iter().collect();
    pairs.sort_by_key(|pair| &pair.key);
    let pairs: Vec<String> =
        pairs.iter().map(|pair| format!("{:?}={}", pair.key, value(pair.value.as_ref()))).collect();
    format!("{{{}}}", pairs.join(","))
}

fn value(any: Option<&AnyValue>) -> String {
    match any.and_then(|any| any.value.as_ref()) {
        None => "nothing".to_owned(),
        Some(Value::DoubleValue(number)) => format!("double {:x}", number.to_bits()),
        Some(Value::ArrayValue(list)) => {
            let items: Vec<String> = list.values.iter().map(|item| value(Some(item))).collect();
            format!("[{}]", items.join(","))
        }
        Some(Value::KvlistValue(map)) => sorted(&map.values),
        Some(other) => format!("{other:?}"),
    }
}
