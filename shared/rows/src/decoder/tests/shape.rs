//! The messages as the wire has them: which fields there are, and which of them hold messages or lists of numbers.
//!
//! Written from the .proto files, beside the views, so that tests can take messages apart and put them together again.

use model::Signal;

/// A message.
pub(super) struct Shape {
    pub(super) name: &'static str,
    pub(super) fields: &'static [(u32, Inner)],
}

/// What is inside a field.
#[derive(Clone, Copy)]
pub(super) enum Inner {
    /// A number, a text or bytes.
    Plain,
    /// A message, merged if it comes twice.
    One(&'static Shape),
    /// A message of which the last counts if it comes twice: values, where the views are stricter than protobuf.
    Value(&'static Shape),
    Many(&'static Shape),
    Varints,
    Fixed64s,
}

use Inner::*;

pub(super) fn request(signal: Signal) -> &'static Shape {
    match signal {
        Signal::Traces => &TRACES,
        Signal::Logs => &LOGS,
        Signal::Metrics => &METRICS,
    }
}

impl Shape {
    pub(super) fn inner(&self, number: u32) -> Inner {
        self.fields.iter().find(|(known, _)| *known == number).map_or(Plain, |(_, inner)| *inner)
    }

    /// It and all messages inside.
    pub(super) fn all(&'static self) -> Vec<&'static Shape> {
        let mut found = vec![self];
        let mut at = 0;
        while let Some(shape) = found.get(at).copied() {
            for (_, inner) in shape.fields {
                if let One(inner) | Value(inner) | Many(inner) = inner
                    && found.iter().all(|known| known.name != inner.name)
                {
                    found.push(inner);
                }
            }
            at += 1;
        }
        found
    }
}

macro_rules! shape {
    ($constant:ident, $name:literal, $($number:literal: $inner:expr),* $(,)?) => {
        static $constant: Shape = Shape { name: $name, fields: &[$(($number, $inner)),*] };
    };
}

shape!(TRACES, "ExportTraceServiceRequest", 1: Many(&RESOURCE_SPANS));
shape!(RESOURCE_SPANS, "ResourceSpans", 1: One(&RESOURCE), 2: Many(&SCOPE_SPANS), 3: Plain);
shape!(SCOPE_SPANS, "ScopeSpans", 1: One(&SCOPE), 2: Many(&SPAN), 3: Plain);
shape!(LOGS, "ExportLogsServiceRequest", 1: Many(&RESOURCE_LOGS));
shape!(RESOURCE_LOGS, "ResourceLogs", 1: One(&RESOURCE), 2: Many(&SCOPE_LOGS), 3: Plain);
shape!(SCOPE_LOGS, "ScopeLogs", 1: One(&SCOPE), 2: Many(&LOG_RECORD), 3: Plain);
shape!(METRICS, "ExportMetricsServiceRequest", 1: Many(&RESOURCE_METRICS));
shape!(RESOURCE_METRICS, "ResourceMetrics", 1: One(&RESOURCE), 2: Many(&SCOPE_METRICS), 3: Plain);
shape!(SCOPE_METRICS, "ScopeMetrics", 1: One(&SCOPE), 2: Many(&METRIC), 3: Plain);

shape!(RESOURCE, "Resource", 1: Many(&KEY_VALUE), 2: Plain, 3: Many(&ENTITY_REF));
shape!(ENTITY_REF, "EntityRef", 1: Plain, 2: Plain, 3: Plain, 4: Plain);
shape!(SCOPE, "InstrumentationScope", 1: Plain, 2: Plain, 3: Many(&KEY_VALUE), 4: Plain);
shape!(KEY_VALUE, "KeyValue", 1: Plain, 2: Value(&ANY_VALUE));
shape!(ANY_VALUE, "AnyValue",
    1: Plain, 2: Plain, 3: Plain, 4: Plain, 5: Value(&ARRAY_VALUE), 6: Value(&KEY_VALUE_LIST), 7: Plain);
shape!(ARRAY_VALUE, "ArrayValue", 1: Many(&ANY_VALUE));
shape!(KEY_VALUE_LIST, "KeyValueList", 1: Many(&KEY_VALUE));

shape!(SPAN, "Span",
    1: Plain, 2: Plain, 3: Plain, 4: Plain, 5: Plain, 6: Plain, 7: Plain, 8: Plain, 9: Many(&KEY_VALUE), 10: Plain,
    11: Many(&EVENT), 12: Plain, 13: Many(&LINK), 14: Plain, 15: One(&STATUS), 16: Plain);
shape!(EVENT, "Span.Event", 1: Plain, 2: Plain, 3: Many(&KEY_VALUE), 4: Plain);
shape!(LINK, "Span.Link", 1: Plain, 2: Plain, 3: Plain, 4: Many(&KEY_VALUE), 5: Plain, 6: Plain);
shape!(STATUS, "Status", 2: Plain, 3: Plain);

shape!(LOG_RECORD, "LogRecord",
    1: Plain, 2: Plain, 3: Plain, 5: Value(&ANY_VALUE), 6: Many(&KEY_VALUE), 7: Plain, 8: Plain, 9: Plain, 10: Plain,
    11: Plain, 12: Plain);

shape!(METRIC, "Metric",
    1: Plain, 2: Plain, 3: Plain, 5: One(&GAUGE), 7: One(&SUM), 9: One(&HISTOGRAM), 10: One(&EXPONENTIAL),
    11: One(&SUMMARY), 12: Many(&KEY_VALUE));
shape!(GAUGE, "Gauge", 1: Many(&NUMBER_POINT));
shape!(SUM, "Sum", 1: Many(&NUMBER_POINT), 2: Plain, 3: Plain);
shape!(HISTOGRAM, "Histogram", 1: Many(&HISTOGRAM_POINT), 2: Plain);
shape!(EXPONENTIAL, "ExponentialHistogram", 1: Many(&EXPONENTIAL_POINT), 2: Plain);
shape!(SUMMARY, "Summary", 1: Many(&SUMMARY_POINT));
shape!(NUMBER_POINT, "NumberDataPoint",
    2: Plain, 3: Plain, 4: Plain, 5: Many(&EXEMPLAR), 6: Plain, 7: Many(&KEY_VALUE), 8: Plain);
shape!(HISTOGRAM_POINT, "HistogramDataPoint",
    2: Plain, 3: Plain, 4: Plain, 5: Plain, 6: Fixed64s, 7: Fixed64s, 8: Many(&EXEMPLAR), 9: Many(&KEY_VALUE),
    10: Plain, 11: Plain, 12: Plain);
shape!(EXPONENTIAL_POINT, "ExponentialHistogramDataPoint",
    1: Many(&KEY_VALUE), 2: Plain, 3: Plain, 4: Plain, 5: Plain, 6: Plain, 7: Plain, 8: One(&BUCKETS),
    9: One(&BUCKETS), 10: Plain, 11: Many(&EXEMPLAR), 12: Plain, 13: Plain, 14: Plain);
shape!(BUCKETS, "Buckets", 1: Plain, 2: Varints);
shape!(SUMMARY_POINT, "SummaryDataPoint",
    2: Plain, 3: Plain, 4: Plain, 5: Plain, 6: Many(&QUANTILE), 7: Many(&KEY_VALUE), 8: Plain);
shape!(QUANTILE, "ValueAtQuantile", 1: Plain, 2: Plain);
shape!(EXEMPLAR, "Exemplar", 2: Plain, 3: Plain, 4: Plain, 5: Plain, 6: Plain, 7: Many(&KEY_VALUE));
