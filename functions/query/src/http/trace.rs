//! `GET /api/v1/traces/{trace_id}`: one trace, spans and logs, as a list that is ready for a tree.

use std::collections::{HashMap, HashSet};

use axum::Json;
use edge::{ApiError, ErrorAnswer, PathOf, QueryOf};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::{IntoParams, ToSchema};

use super::fit::that_fit;
use super::parameters::{self, time};
use super::reader::Reader;
use super::record::records;
use crate::answer::{Statistics, Truncated};
use crate::sql::Params;

/// Spans and logs of a trace that are answered at most.
const ITEMS_MAX: usize = 10_000;

/// Where to look; without both the whole table is searched by its indexes.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct TraceParams {
    /// The trace has nothing before this time: RFC 3339, or before now as in `-1h`.
    start: Option<String>,
    /// The trace has nothing from this time on.
    end: Option<String>,
}

/// A trace: parents before their children, children by time.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct TraceAnswer {
    trace_id: String,
    /// Spans and log records. `type` is span or log, `depth` how many parents are above it; a span whose parent is not there has
    /// `parent_missing`.
    #[schema(value_type = Vec<Object>)]
    items: Vec<Map<String, Value>>,
    truncated: Option<Truncated>,
    warnings: Vec<String>,
    statistics: Statistics,
}

/// The whole of a trace.
#[utoipa::path(
    get,
    path = "/api/v1/traces/{trace_id}",
    tag = "query",
    params(("trace_id" = String, Path, description = "32 hex digits"), TraceParams),
    responses(
        (status = 200, body = TraceAnswer),
        (status = 400, body = ErrorAnswer),
        (status = 401, body = ErrorAnswer),
        (status = 404, body = ErrorAnswer),
    )
)]
pub(super) async fn trace(
    reader: Reader,
    PathOf(trace_id): PathOf<String>,
    QueryOf(asked): QueryOf<TraceParams>,
) -> Result<Json<TraceAnswer>, ApiError> {
    let trace_id = parameters::trace_id("trace_id", &trace_id)?;
    let now = reader.app().clock.now();
    let mut sql = "SELECT * FROM otel_logs_and_spans WHERE context___trace_id = $trace_id".to_owned();
    let mut params = vec![("trace_id", json!(trace_id))];
    if let Some(start) = &asked.start {
        sql.push_str(" AND timestamp >= $start::timestamptz");
        params.push(("start", json!(model::rfc3339(time("start", start, now)?))));
    }
    if let Some(end) = &asked.end {
        sql.push_str(" AND timestamp < $end::timestamptz");
        params.push(("end", json!(model::rfc3339(time("end", end, now)?))));
    }
    sql.push_str(" ORDER BY timestamp, id");
    let answer = reader.ask(sql, Params::named(params), ITEMS_MAX).await?;
    if answer.statistics.rows == 0 {
        return Err(ApiError::not_found(format!("no span and no log has the trace id {trace_id}"))
            .hint("it may be older than the project keeps its data"));
    }
    let mut items = in_tree_order(records(&answer));
    let fit = that_fit(reader.app().settings.delivery, &items);
    let truncated = if fit < items.len() {
        Some(Truncated {
            limit: fit,
            advice: "ask for the rest by POST /api/v1/query, which answers with a link".to_owned(),
        })
    } else {
        answer.truncated
    };
    items.truncate(fit);
    Ok(Json(TraceAnswer { items, trace_id, truncated, warnings: answer.warnings, statistics: answer.statistics }))
}

/// Depth first; records come sorted by time. Whatever hangs on nothing, or on itself, stands at the top.
fn in_tree_order(records: Vec<Map<String, Value>>) -> Vec<Map<String, Value>> {
    let text = |record: &Map<String, Value>, name: &str| record.get(name).and_then(Value::as_str).map(str::to_owned);
    let is_span = |record: &Map<String, Value>| text(record, "kind").as_deref() != Some("log");
    let spans: HashSet<String> = records.iter().filter(|r| is_span(r)).filter_map(|r| text(r, "span_id")).collect();
    let mut children: HashMap<Option<String>, Vec<usize>> = HashMap::new();
    let mut missing = vec![false; records.len()];
    for (at, record) in records.iter().enumerate() {
        let parent = text(record, if is_span(record) { "parent_id" } else { "span_id" });
        let known = parent.filter(|parent| {
            missing[at] = !spans.contains(parent);
            spans.contains(parent)
        });
        children.entry(known).or_default().push(at);
    }
    let mut order = Vec::with_capacity(records.len());
    let mut placed = vec![false; records.len()];
    let roots = children.get(&None).cloned().unwrap_or_default();
    // A ring of parents has no root: its first record stands for one.
    for start in roots.into_iter().chain(0..records.len()) {
        let mut stack = vec![(start, 0_u64)];
        while let Some((at, depth)) = stack.pop() {
            if std::mem::replace(&mut placed[at], true) {
                continue;
            }
            order.push((at, depth));
            if let Some(id) = text(&records[at], "span_id").filter(|_| is_span(&records[at])) {
                let below = children.get(&Some(id)).into_iter().flatten().rev();
                stack.extend(below.map(|child| (*child, depth + 1)));
            }
        }
    }
    let mut records: Vec<Option<Map<String, Value>>> = records.into_iter().map(Some).collect();
    let placed = order.into_iter().filter_map(|(at, depth)| {
        let record = records[at].take()?;
        let mut item = Map::new();
        item.insert("type".into(), json!(if is_span(&record) { "span" } else { "log" }));
        item.insert("depth".into(), json!(depth));
        if missing[at] {
            item.insert("parent_missing".into(), json!(true));
        }
        item.extend(record);
        Some(item)
    });
    placed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: &str, id: &str, parent: Option<&str>) -> Map<String, Value> {
        let mut record = Map::new();
        record.insert("kind".into(), json!(kind));
        record.insert("id".into(), json!(id));
        if kind == "log" {
            record.insert("span_id".into(), json!(parent));
        } else {
            record.insert("span_id".into(), json!(id));
            record.insert("parent_id".into(), json!(parent));
        }
        record
    }

    #[test]
    fn parents_come_before_their_children_and_nothing_is_lost() {
        let records = vec![
            record("server", "root", None),
            record("client", "b", Some("root")),
            record("log", "said", Some("b")),
            record("server", "c", Some("b")),
            record("client", "d", Some("root")),
            record("server", "orphan", Some("gone")),
            record("internal", "ring1", Some("ring2")),
            record("internal", "ring2", Some("ring1")),
            record("log", "loose", None),
        ];
        let placed: Vec<(String, u64, bool)> = in_tree_order(records)
            .iter()
            .map(|item| {
                let id = item["id"].as_str().expect("an id").to_owned();
                (id, item["depth"].as_u64().expect("a depth"), item.contains_key("parent_missing"))
            })
            .collect();
        let expected = [
            ("root", 0, false),
            ("b", 1, false),
            ("said", 2, false),
            ("c", 2, false),
            ("d", 1, false),
            ("orphan", 0, true),
            ("loose", 0, false),
            ("ring1", 0, false),
            ("ring2", 1, false),
        ];
        assert_eq!(placed, expected.map(|(id, depth, missing)| (id.to_owned(), depth, missing)));
    }
}
