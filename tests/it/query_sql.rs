//! What SQL may say, what it reads, where its limits are: asked in process, of rows put into files and segments by hand.

mod attributes;
mod errors;
mod limits;
mod numbers;
mod pruning;
mod reading;
mod stopping;

use model::{Micros, ProjectId, TableId, TableName};
use serde_json::{Value, json};
use tests::tables::{NOW, at, project};

/// The project that most of these tests ask in.
fn shop() -> ProjectId {
    project("shop")
}

fn logs_and_spans() -> TableId {
    TableId::new(shop(), TableName::LogsAndSpans)
}

/// Spans from `start` on, a millisecond apart, with ids from `first` on.
fn spans(start: Micros, first: usize, n: usize) -> Vec<Value> {
    let span = |i: usize| {
        json!({
            "timestamp": at(start + i as Micros * 1_000),
            "signal": "span",
            "id": format!("{:016x}", first + i),
            "context___trace_id": format!("{:032x}", (first + i) / 10 * 7919 + 1),
            "name": format!("name {}", i % 5),
            "kind": if i.is_multiple_of(2) { "server" } else { "client" },
            "duration": (i % 1000) as i64 * 1_000,
            "resource___service___name": "shop",
        })
    };
    (0..n).map(span).collect()
}

/// An hour before the questions are asked.
const BEFORE: Micros = NOW - 3_600_000_000;
