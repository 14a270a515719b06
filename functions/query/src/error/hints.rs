//! "Did you mean ...?"

use datafusion::common::Column;
use datafusion::common::utils::datafusion_strsim::levenshtein;
use rows::promoted::{Place, promoted_column};

/// Names as far from each other as this share of their length are not meant for each other.
const DISTANCE_SHARE_MAX: f64 = 0.4;
const CANDIDATES_MAX: usize = 3;

/// What may have been meant by a column that is not there.
pub(super) fn for_column(asked: &Column, known: &[Column]) -> Option<String> {
    let flat = asked.flat_name().replace('"', "");
    let places = [
        ("attributes.", Place::Attributes),
        ("resource.", Place::Resource),
        ("", Place::Resource),
        ("", Place::Attributes),
    ];
    for (prefix, place) in places {
        if let Some(promoted) = flat.strip_prefix(prefix).and_then(|key| promoted_column(key, place)) {
            return Some(format!("`{flat}` is the column {}", promoted.column));
        }
    }
    if let Some(key) = flat.strip_prefix("attributes.").or_else(|| flat.strip_prefix("resource.")) {
        let json = &flat[..flat.len() - key.len() - 1];
        return Some(format!("an attribute without a column of its own is {json} ->> '{key}'"));
    }
    let near = nearest(&asked.name, known.iter().map(|column| column.name.as_str()));
    (!near.is_empty()).then(|| format!("did you mean {}? GET /api/v1/schema lists all columns", near.join(", ")))
}

/// The known names that are most like the asked one, best first.
pub(super) fn nearest<'a>(asked: &str, known: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let asked = asked.to_lowercase();
    let mut scored: Vec<(usize, &str)> = known.filter_map(|name| Some((distance(&asked, name)?, name))).collect();
    scored.sort_unstable();
    scored.dedup_by_key(|(_, name)| *name);
    scored.into_iter().take(CANDIDATES_MAX).map(|(_, name)| name).collect()
}

/// How far `name` is from what was asked, by its whole or by its last part; none: too far.
fn distance(asked: &str, name: &str) -> Option<usize> {
    let last_part = name.rsplit("___").next().unwrap_or(name);
    let whole = levenshtein(asked, name);
    let part = levenshtein(asked, last_part) + usize::from(last_part != name);
    let longest = asked.chars().count().max(1) as f64;
    let best = whole.min(part);
    (best as f64 / longest <= DISTANCE_SHARE_MAX).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_column_that_was_meant_is_named() {
        let known: Vec<Column> =
            ["timestamp", "duration", "resource___service___name", "context___trace_id", "status_code"]
                .map(Column::from_name)
                .into();
        for (asked, hint) in [
            (Column::from_name("timestmap"), "timestamp"),
            (Column::from_name("trace_id"), "context___trace_id"),
            (Column::from_name("service_name"), ""),
            (Column::new(Some("service"), "name"), "resource___service___name"),
            (Column::new(Some("http.request"), "method"), "attributes___http___request___method"),
            (Column::new(Some("attributes"), "my.own"), "attributes ->> 'my.own'"),
            (Column::from_name("Status_Code"), "status_code"),
        ] {
            let found = for_column(&asked, &known).unwrap_or_default();
            assert!(found.contains(hint), "{asked}: {found}");
        }
        assert_eq!(for_column(&Column::from_name("zzzz"), &known), None);
    }
}
