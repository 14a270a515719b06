//! The same answers, computed from the rows.

use std::collections::BTreeMap;

use model::Micros;
use serde_json::{Value, json};

use super::shop::Record;

pub(super) type Rows = Vec<Vec<Value>>;

/// The start of the bucket that a time falls into, seconds since 1970.
pub(super) fn bucket(at: Micros, width: Micros) -> i64 {
    at.div_euclid(width) * width / 1_000_000
}

/// What `of` makes of the records of each bucket.
pub(super) fn by_bucket<'a, T>(
    records: impl Iterator<Item = &'a Record>,
    width: Micros,
    of: impl Fn(&[&Record]) -> T,
) -> BTreeMap<i64, T> {
    let mut buckets: BTreeMap<i64, Vec<&Record>> = BTreeMap::new();
    for record in records {
        buckets.entry(bucket(record.at, width)).or_default().push(record);
    }
    buckets.into_iter().map(|(t, records)| (t, of(&records))).collect()
}

/// The exact percentile, between two values in proportion.
pub(super) fn percentile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = share * (values.len() - 1) as f64;
    let (below, above) = (values[place.floor() as usize], values[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

/// Percent.
pub(super) fn share(part: usize, whole: usize) -> f64 {
    part as f64 * 100.0 / whole as f64
}

pub(super) fn whole(n: usize) -> Value {
    json!(n as f64)
}

pub(super) fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// In an order of their own, to compare rows whose order is free.
pub(super) fn sorted(mut rows: Rows) -> Rows {
    rows.sort_by_key(|row| json!(row).to_string());
    rows
}
