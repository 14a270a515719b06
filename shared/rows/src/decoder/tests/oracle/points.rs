//! Rows of metric data points.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{Exemplar, Metric, NumberDataPoint, exemplar, number_data_point};

use super::super::{Cell, Row, double, text};
use super::json_text::*;
use super::series::sorted;
use super::{fill, put_micros, put_time};
use crate::promoted::Place;

/// A row or None for each point, and whether it has no time.
pub(super) fn points(metric: &Metric, series_of_scope: &str) -> Vec<(Option<Row>, bool)> {
    let mut points = points_of(metric);
    for (row, _) in &mut points {
        if let Some(Cell::Text(attributes)) = row.as_mut().and_then(|row| row.get_mut("series_id")) {
            *attributes = format!("{series_of_scope} {:?} {attributes}", metric.name);
        }
    }
    points
}

fn points_of(metric: &Metric) -> Vec<(Option<Row>, bool)> {
    match &metric.data {
        None => Vec::new(),
        Some(Data::Gauge(gauge)) => gauge.data_points.iter().map(|p| number_point(metric, "gauge", p)).collect(),
        Some(Data::Sum(sum)) => sum.data_points.iter().map(|p| number_point(metric, "sum", p)).collect(),
        Some(Data::Histogram(histogram)) => {
            let points = histogram.data_points.iter();
            points
                .map(|p| {
                    let row = point(
                        metric,
                        "histogram",
                        (p.start_time_unix_nano, p.time_unix_nano, p.flags),
                        &p.attributes,
                        &p.exemplars,
                        |row, json| {
                            put_stats(row, json, p.count, p.sum, p.min, p.max);
                            put_counts(row, json, "bucket_counts", &p.bucket_counts);
                            put_doubles(row, "explicit_bounds", p.explicit_bounds.iter().copied());
                        },
                    );
                    (row, p.time_unix_nano == 0)
                })
                .collect()
        }
        Some(Data::ExponentialHistogram(histogram)) => {
            let points = histogram.data_points.iter();
            points
                .map(|p| {
                    let row = point(
                        metric,
                        "exponential_histogram",
                        (p.start_time_unix_nano, p.time_unix_nano, p.flags),
                        &p.attributes,
                        &p.exemplars,
                        |row, json| {
                            put_stats(row, json, p.count, p.sum, p.min, p.max);
                            row.insert("scale".into(), Cell::Int(p.scale.into()));
                            put_count(row, json, "zero_count", p.zero_count);
                            row.insert("zero_threshold".into(), double(p.zero_threshold));
                            for (side, buckets) in [("positive", &p.positive), ("negative", &p.negative)] {
                                if let Some(buckets) = buckets {
                                    row.insert(format!("{side}_offset"), Cell::Int(buckets.offset.into()));
                                    put_counts(row, json, &format!("{side}_counts"), &buckets.bucket_counts);
                                }
                            }
                        },
                    );
                    (row, p.time_unix_nano == 0)
                })
                .collect()
        }
        Some(Data::Summary(summary)) => {
            let points = summary.data_points.iter();
            points
                .map(|p| {
                    let times = (p.start_time_unix_nano, p.time_unix_nano, p.flags);
                    let row = point(metric, "summary", times, &p.attributes, &[], |row, json| {
                        put_stats(row, json, p.count, Some(p.sum), None, None);
                        put_doubles(row, "quantiles", p.quantile_values.iter().map(|at| at.quantile));
                        put_doubles(row, "quantile_values", p.quantile_values.iter().map(|at| at.value));
                    });
                    (row, p.time_unix_nano == 0)
                })
                .collect()
        }
    }
}

fn number_point(metric: &Metric, kind: &str, p: &NumberDataPoint) -> (Option<Row>, bool) {
    let times = (p.start_time_unix_nano, p.time_unix_nano, p.flags);
    let row = point(metric, kind, times, &p.attributes, &p.exemplars, |row, _| match p.value {
        None => {}
        Some(number_data_point::Value::AsDouble(number)) => drop(row.insert("value".into(), double(number))),
        Some(number_data_point::Value::AsInt(number)) => {
            row.insert("value".into(), double(number as f64));
            row.insert("value_int".into(), Cell::Int(number));
        }
    });
    (row, p.time_unix_nano == 0)
}

fn point(
    metric: &Metric,
    kind: &str,
    (start, time, flags): (u64, u64, u32),
    attributes: &[KeyValue],
    exemplars: &[Exemplar],
    put_values: impl FnOnce(&mut Row, &mut Vec<(String, String)>),
) -> Option<Row> {
    let mut row = Row::new();
    put_time(&mut row, time)?;
    put_micros(&mut row, "start_timestamp", start);
    put_text(&mut row, "metric_name", &metric.name);
    put_text(&mut row, "unit", &metric.unit);
    put_text(&mut row, "description", &metric.description);
    row.insert("series_id".into(), text(sorted(attributes)));
    row.insert("metric_type".into(), text(kind));
    row.insert("flags".into(), Cell::Int(flags.into()));
    let mut json = Vec::new();
    fill(&mut row, &mut json, Place::Attributes, attributes, false);
    push_huge_time(&mut json, "otel.start_time_unix_nano", start);
    if flags & 1 == 0 {
        put_values(&mut row, &mut json);
    } else {
        let (mut values, mut huge) = (Row::new(), Vec::new());
        put_values(&mut values, &mut huge);
        json.extend(unrecorded(kind, &values, &huge).map(|value| ("otel.value".to_owned(), value)));
    }
    let temporality = match &metric.data {
        Some(Data::Sum(sum)) => {
            row.insert("is_monotonic".into(), Cell::Flag(sum.is_monotonic));
            Some(sum.aggregation_temporality)
        }
        Some(Data::Histogram(histogram)) => Some(histogram.aggregation_temporality),
        Some(Data::ExponentialHistogram(histogram)) => Some(histogram.aggregation_temporality),
        _ => None,
    };
    match temporality {
        None => {}
        Some(1) => drop(row.insert("temporality".into(), text("delta"))),
        Some(2) => drop(row.insert("temporality".into(), text("cumulative"))),
        Some(other) => {
            row.insert("temporality".into(), text("unspecified"));
            push_number(&mut json, "otel.temporality", other.into());
        }
    }
    if !metric.metadata.is_empty() {
        json.push(("otel.metric.metadata".to_owned(), pairs(&metric.metadata)));
    }
    put_json(&mut row, "attributes", &json);
    if !exemplars.is_empty() {
        let exemplars = exemplars.iter().map(|exemplar| {
            let mut fields = Vec::new();
            push_time(&mut fields, exemplar.time_unix_nano);
            match exemplar.value {
                None => {}
                Some(exemplar::Value::AsDouble(n)) => {
                    fields.push(("value".to_owned(), value(Some(&Value::DoubleValue(n)))))
                }
                Some(exemplar::Value::AsInt(n)) => fields.push(("value".to_owned(), n.to_string())),
            }
            push_text(&mut fields, "trace_id", &hex(&exemplar.trace_id));
            push_text(&mut fields, "span_id", &hex(&exemplar.span_id));
            push_pairs(&mut fields, &exemplar.filtered_attributes);
            object(&fields)
        });
        row.insert("exemplars".into(), text(list(exemplars)));
    }
    Some(row)
}

/// The values of a point that says it has none, as JSON.
fn unrecorded(kind: &str, values: &Row, huge: &[(String, String)]) -> Option<String> {
    const NAMES: [&str; 15] = [
        "count",
        "sum",
        "min",
        "max",
        "bucket_counts",
        "explicit_bounds",
        "scale",
        "zero_count",
        "zero_threshold",
        "positive_offset",
        "positive_counts",
        "negative_offset",
        "negative_counts",
        "quantiles",
        "quantile_values",
    ];
    let of_bits = |bits: &u64| value(Some(&Value::DoubleValue(f64::from_bits(*bits))));
    let written = |cell: &Cell| match cell {
        Cell::Int(number) => number.to_string(),
        Cell::Double(bits) => of_bits(bits),
        Cell::Ints(numbers) => list(numbers.iter().map(i64::to_string)),
        Cell::Doubles(numbers) => list(numbers.iter().map(of_bits)),
        other => panic!("no value is {other:?}"),
    };
    if let Some(number) = values.get("value_int").or(values.get("value")) {
        return Some(written(number));
    }
    let mut fields = Vec::new();
    for name in NAMES {
        let exact = huge.iter().find(|(key, _)| *key == format!("otel.{name}"));
        let is_left_out = |cell: &Cell| match cell {
            Cell::Int(number) => *number == 0,
            Cell::Double(bits) => *bits == 0 && (name == "zero_threshold" || kind == "summary"),
            _ => false,
        };
        let plain = values.get(name).filter(|cell| !is_left_out(cell)).map(written);
        fields.extend(exact.map(|(_, exact)| exact.clone()).or(plain).map(|text| (name.to_owned(), text)));
    }
    (!fields.is_empty()).then(|| object(&fields))
}

fn put_stats(
    row: &mut Row,
    json: &mut Vec<(String, String)>,
    count: u64,
    sum: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
) {
    put_count(row, json, "count", count);
    for (column, number) in [("sum", sum), ("min", min), ("max", max)] {
        if let Some(number) = number {
            row.insert(column.into(), double(number));
        }
    }
}

fn put_count(row: &mut Row, json: &mut Vec<(String, String)>, column: &str, count: u64) {
    row.insert(column.into(), Cell::Int(i64::try_from(count).unwrap_or(i64::MAX)));
    if i64::try_from(count).is_err() {
        json.push((format!("otel.{column}"), count.to_string()));
    }
}

fn put_counts(row: &mut Row, json: &mut Vec<(String, String)>, column: &str, counts: &[u64]) {
    if counts.is_empty() {
        return;
    }
    let clamped = counts.iter().map(|count| i64::try_from(*count).unwrap_or(i64::MAX)).collect();
    row.insert(column.into(), Cell::Ints(clamped));
    if counts.iter().any(|count| i64::try_from(*count).is_err()) {
        json.push((format!("otel.{column}"), list(counts.iter().map(u64::to_string))));
    }
}

fn put_doubles(row: &mut Row, column: &str, numbers: impl Iterator<Item = f64>) {
    let bits: Vec<u64> = numbers.map(f64::to_bits).collect();
    if !bits.is_empty() {
        row.insert(column.into(), Cell::Doubles(bits));
    }
}
