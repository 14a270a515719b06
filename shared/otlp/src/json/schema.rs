//! The OTLP messages as tables: JSON name, field number, type. From opentelemetry-proto 1.11.

use model::Signal;
use opentelemetry_proto::tonic::logs::v1::SeverityNumber;
use opentelemetry_proto::tonic::metrics::v1::AggregationTemporality;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

/// A message.
pub(super) struct Message {
    pub(super) name: &'static str,
    pub(super) fields: &'static [Field],
}

/// A field of a message.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) number: u32,
    pub(super) kind: Kind,
    pub(super) label: Label,
}

/// How often a field comes, and whether its default is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Label {
    /// Left out when it is the default.
    Single,
    /// `optional` or a value in a `oneof`: written also when it is the default.
    Explicit,
    /// A message that is part of a `oneof`: a second one beside it is an error, since only one of them would be kept.
    Choice,
    Repeated,
}

/// The type of a field.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Message(&'static Message),
    Text,
    /// Base64.
    Bytes,
    /// Hex, of so many bytes.
    Id(usize),
    Bool,
    Double,
    Int64,
    Uint64,
    Uint32,
    Sint32,
    Fixed32,
    Fixed64,
    Sfixed64,
    /// By number; the function knows the names.
    Enum(fn(&str) -> Option<i32>),
}

/// The export request of a signal.
pub(super) fn request(signal: Signal) -> &'static Message {
    match signal {
        Signal::Traces => &TRACES,
        Signal::Logs => &LOGS,
        Signal::Metrics => &METRICS,
    }
}

const TRACE_ID: Kind = Kind::Id(16);
const SPAN_ID: Kind = Kind::Id(8);

const fn one(name: &'static str, number: u32, kind: Kind) -> Field {
    Field { name, number, kind, label: Label::Single }
}

const fn explicit(name: &'static str, number: u32, kind: Kind) -> Field {
    Field { name, number, kind, label: Label::Explicit }
}

const fn choice(name: &'static str, number: u32, kind: Kind) -> Field {
    Field { name, number, kind, label: Label::Choice }
}

const fn many(name: &'static str, number: u32, kind: Kind) -> Field {
    Field { name, number, kind, label: Label::Repeated }
}

const fn attributes(name: &'static str, number: u32) -> Field {
    many(name, number, Kind::Message(&KEY_VALUE))
}

// Common.

/// Where values nest: the transcoder counts these.
pub(super) static ANY_VALUE: Message = Message {
    name: "AnyValue",
    fields: &[
        explicit("stringValue", 1, Kind::Text),
        explicit("boolValue", 2, Kind::Bool),
        explicit("intValue", 3, Kind::Int64),
        explicit("doubleValue", 4, Kind::Double),
        explicit("arrayValue", 5, Kind::Message(&ARRAY_VALUE)),
        explicit("kvlistValue", 6, Kind::Message(&KEY_VALUE_LIST)),
        explicit("bytesValue", 7, Kind::Bytes),
    ],
};
static ARRAY_VALUE: Message = Message { name: "ArrayValue", fields: &[many("values", 1, Kind::Message(&ANY_VALUE))] };
static KEY_VALUE_LIST: Message = Message { name: "KeyValueList", fields: &[attributes("values", 1)] };
static KEY_VALUE: Message =
    Message { name: "KeyValue", fields: &[one("key", 1, Kind::Text), one("value", 2, Kind::Message(&ANY_VALUE))] };
static SCOPE: Message = Message {
    name: "InstrumentationScope",
    fields: &[
        one("name", 1, Kind::Text),
        one("version", 2, Kind::Text),
        attributes("attributes", 3),
        one("droppedAttributesCount", 4, Kind::Uint32),
    ],
};
static ENTITY_REF: Message = Message {
    name: "EntityRef",
    fields: &[
        one("schemaUrl", 1, Kind::Text),
        one("type", 2, Kind::Text),
        many("idKeys", 3, Kind::Text),
        many("descriptionKeys", 4, Kind::Text),
    ],
};
static RESOURCE: Message = Message {
    name: "Resource",
    fields: &[
        attributes("attributes", 1),
        one("droppedAttributesCount", 2, Kind::Uint32),
        many("entityRefs", 3, Kind::Message(&ENTITY_REF)),
    ],
};

// Traces.

static TRACES: Message =
    Message { name: "ExportTraceServiceRequest", fields: &[many("resourceSpans", 1, Kind::Message(&RESOURCE_SPANS))] };
static RESOURCE_SPANS: Message = Message {
    name: "ResourceSpans",
    fields: &[
        one("resource", 1, Kind::Message(&RESOURCE)),
        many("scopeSpans", 2, Kind::Message(&SCOPE_SPANS)),
        one("schemaUrl", 3, Kind::Text),
    ],
};
static SCOPE_SPANS: Message = Message {
    name: "ScopeSpans",
    fields: &[
        one("scope", 1, Kind::Message(&SCOPE)),
        many("spans", 2, Kind::Message(&SPAN)),
        one("schemaUrl", 3, Kind::Text),
    ],
};
static SPAN: Message = Message {
    name: "Span",
    fields: &[
        one("traceId", 1, TRACE_ID),
        one("spanId", 2, SPAN_ID),
        one("traceState", 3, Kind::Text),
        one("parentSpanId", 4, SPAN_ID),
        one("name", 5, Kind::Text),
        one("kind", 6, Kind::Enum(|name| SpanKind::from_str_name(name).map(i32::from))),
        one("startTimeUnixNano", 7, Kind::Fixed64),
        one("endTimeUnixNano", 8, Kind::Fixed64),
        attributes("attributes", 9),
        one("droppedAttributesCount", 10, Kind::Uint32),
        many("events", 11, Kind::Message(&EVENT)),
        one("droppedEventsCount", 12, Kind::Uint32),
        many("links", 13, Kind::Message(&LINK)),
        one("droppedLinksCount", 14, Kind::Uint32),
        one("status", 15, Kind::Message(&STATUS)),
        one("flags", 16, Kind::Fixed32),
    ],
};
static EVENT: Message = Message {
    name: "Span.Event",
    fields: &[
        one("timeUnixNano", 1, Kind::Fixed64),
        one("name", 2, Kind::Text),
        attributes("attributes", 3),
        one("droppedAttributesCount", 4, Kind::Uint32),
    ],
};
static LINK: Message = Message {
    name: "Span.Link",
    fields: &[
        one("traceId", 1, TRACE_ID),
        one("spanId", 2, SPAN_ID),
        one("traceState", 3, Kind::Text),
        attributes("attributes", 4),
        one("droppedAttributesCount", 5, Kind::Uint32),
        one("flags", 6, Kind::Fixed32),
    ],
};
static STATUS: Message = Message {
    name: "Status",
    fields: &[
        one("message", 2, Kind::Text),
        one("code", 3, Kind::Enum(|name| StatusCode::from_str_name(name).map(i32::from))),
    ],
};

// Logs.

static LOGS: Message =
    Message { name: "ExportLogsServiceRequest", fields: &[many("resourceLogs", 1, Kind::Message(&RESOURCE_LOGS))] };
static RESOURCE_LOGS: Message = Message {
    name: "ResourceLogs",
    fields: &[
        one("resource", 1, Kind::Message(&RESOURCE)),
        many("scopeLogs", 2, Kind::Message(&SCOPE_LOGS)),
        one("schemaUrl", 3, Kind::Text),
    ],
};
static SCOPE_LOGS: Message = Message {
    name: "ScopeLogs",
    fields: &[
        one("scope", 1, Kind::Message(&SCOPE)),
        many("logRecords", 2, Kind::Message(&LOG_RECORD)),
        one("schemaUrl", 3, Kind::Text),
    ],
};
static LOG_RECORD: Message = Message {
    name: "LogRecord",
    fields: &[
        one("timeUnixNano", 1, Kind::Fixed64),
        one("severityNumber", 2, Kind::Enum(|name| SeverityNumber::from_str_name(name).map(i32::from))),
        one("severityText", 3, Kind::Text),
        one("body", 5, Kind::Message(&ANY_VALUE)),
        attributes("attributes", 6),
        one("droppedAttributesCount", 7, Kind::Uint32),
        one("flags", 8, Kind::Fixed32),
        one("traceId", 9, TRACE_ID),
        one("spanId", 10, SPAN_ID),
        one("observedTimeUnixNano", 11, Kind::Fixed64),
        one("eventName", 12, Kind::Text),
    ],
};

// Metrics.

const TEMPORALITY: Kind = Kind::Enum(|name| AggregationTemporality::from_str_name(name).map(i32::from));

static METRICS: Message = Message {
    name: "ExportMetricsServiceRequest",
    fields: &[many("resourceMetrics", 1, Kind::Message(&RESOURCE_METRICS))],
};
static RESOURCE_METRICS: Message = Message {
    name: "ResourceMetrics",
    fields: &[
        one("resource", 1, Kind::Message(&RESOURCE)),
        many("scopeMetrics", 2, Kind::Message(&SCOPE_METRICS)),
        one("schemaUrl", 3, Kind::Text),
    ],
};
static SCOPE_METRICS: Message = Message {
    name: "ScopeMetrics",
    fields: &[
        one("scope", 1, Kind::Message(&SCOPE)),
        many("metrics", 2, Kind::Message(&METRIC)),
        one("schemaUrl", 3, Kind::Text),
    ],
};
static METRIC: Message = Message {
    name: "Metric",
    fields: &[
        one("name", 1, Kind::Text),
        one("description", 2, Kind::Text),
        one("unit", 3, Kind::Text),
        choice("gauge", 5, Kind::Message(&GAUGE)),
        choice("sum", 7, Kind::Message(&SUM)),
        choice("histogram", 9, Kind::Message(&HISTOGRAM)),
        choice("exponentialHistogram", 10, Kind::Message(&EXPONENTIAL_HISTOGRAM)),
        choice("summary", 11, Kind::Message(&SUMMARY)),
        attributes("metadata", 12),
    ],
};
static GAUGE: Message = Message { name: "Gauge", fields: &[many("dataPoints", 1, Kind::Message(&NUMBER_POINT))] };
static SUM: Message = Message {
    name: "Sum",
    fields: &[
        many("dataPoints", 1, Kind::Message(&NUMBER_POINT)),
        one("aggregationTemporality", 2, TEMPORALITY),
        one("isMonotonic", 3, Kind::Bool),
    ],
};
static HISTOGRAM: Message = Message {
    name: "Histogram",
    fields: &[many("dataPoints", 1, Kind::Message(&HISTOGRAM_POINT)), one("aggregationTemporality", 2, TEMPORALITY)],
};
static EXPONENTIAL_HISTOGRAM: Message = Message {
    name: "ExponentialHistogram",
    fields: &[many("dataPoints", 1, Kind::Message(&EXPONENTIAL_POINT)), one("aggregationTemporality", 2, TEMPORALITY)],
};
static SUMMARY: Message = Message { name: "Summary", fields: &[many("dataPoints", 1, Kind::Message(&SUMMARY_POINT))] };
static NUMBER_POINT: Message = Message {
    name: "NumberDataPoint",
    fields: &[
        one("startTimeUnixNano", 2, Kind::Fixed64),
        one("timeUnixNano", 3, Kind::Fixed64),
        explicit("asDouble", 4, Kind::Double),
        many("exemplars", 5, Kind::Message(&EXEMPLAR)),
        explicit("asInt", 6, Kind::Sfixed64),
        attributes("attributes", 7),
        one("flags", 8, Kind::Uint32),
    ],
};
static HISTOGRAM_POINT: Message = Message {
    name: "HistogramDataPoint",
    fields: &[
        one("startTimeUnixNano", 2, Kind::Fixed64),
        one("timeUnixNano", 3, Kind::Fixed64),
        one("count", 4, Kind::Fixed64),
        explicit("sum", 5, Kind::Double),
        many("bucketCounts", 6, Kind::Fixed64),
        many("explicitBounds", 7, Kind::Double),
        many("exemplars", 8, Kind::Message(&EXEMPLAR)),
        attributes("attributes", 9),
        one("flags", 10, Kind::Uint32),
        explicit("min", 11, Kind::Double),
        explicit("max", 12, Kind::Double),
    ],
};
static EXPONENTIAL_POINT: Message = Message {
    name: "ExponentialHistogramDataPoint",
    fields: &[
        attributes("attributes", 1),
        one("startTimeUnixNano", 2, Kind::Fixed64),
        one("timeUnixNano", 3, Kind::Fixed64),
        one("count", 4, Kind::Fixed64),
        explicit("sum", 5, Kind::Double),
        one("scale", 6, Kind::Sint32),
        one("zeroCount", 7, Kind::Fixed64),
        one("positive", 8, Kind::Message(&BUCKETS)),
        one("negative", 9, Kind::Message(&BUCKETS)),
        one("flags", 10, Kind::Uint32),
        many("exemplars", 11, Kind::Message(&EXEMPLAR)),
        explicit("min", 12, Kind::Double),
        explicit("max", 13, Kind::Double),
        one("zeroThreshold", 14, Kind::Double),
    ],
};
static BUCKETS: Message =
    Message { name: "Buckets", fields: &[one("offset", 1, Kind::Sint32), many("bucketCounts", 2, Kind::Uint64)] };
static SUMMARY_POINT: Message = Message {
    name: "SummaryDataPoint",
    fields: &[
        one("startTimeUnixNano", 2, Kind::Fixed64),
        one("timeUnixNano", 3, Kind::Fixed64),
        one("count", 4, Kind::Fixed64),
        one("sum", 5, Kind::Double),
        many("quantileValues", 6, Kind::Message(&VALUE_AT_QUANTILE)),
        attributes("attributes", 7),
        one("flags", 8, Kind::Uint32),
    ],
};
static VALUE_AT_QUANTILE: Message =
    Message { name: "ValueAtQuantile", fields: &[one("quantile", 1, Kind::Double), one("value", 2, Kind::Double)] };
static EXEMPLAR: Message = Message {
    name: "Exemplar",
    fields: &[
        one("timeUnixNano", 2, Kind::Fixed64),
        explicit("asDouble", 3, Kind::Double),
        one("spanId", 4, SPAN_ID),
        one("traceId", 5, TRACE_ID),
        explicit("asInt", 6, Kind::Sfixed64),
        attributes("filteredAttributes", 7),
    ],
};
