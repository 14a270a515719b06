//! `GET /metrics`: Prometheus text, for a scraper on the same machine.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use compact::{Counter, Deadline, Operate, PassError, TableStatus};
use http::header::CONTENT_TYPE;
use model::TableId;
use prometheus_client::registry::Registry;

/// What OpenMetrics text is called.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

struct Metrics {
    registry: Registry,
    operate: Operate,
}

/// The counters of all functions, and gauges of every table that are read when asked for.
pub(crate) fn router(registry: Registry, operate: Operate) -> Router {
    Router::new().route("/metrics", get(metrics)).with_state(Arc::new(Metrics { registry, operate }))
}

async fn metrics(State(metrics): State<Arc<Metrics>>) -> Response {
    match text(&metrics).await {
        Ok(text) => ([(CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(error) => {
            tracing::error!(error, "metrics could not be read");
            edge::ApiError::new(edge::ErrorCode::Unavailable, format!("metrics could not be read: {error}"))
                .into_response()
        }
    }
}

async fn text(metrics: &Metrics) -> Result<String, String> {
    let mut text = String::new();
    prometheus_client::encoding::text::encode_registry(&mut text, &metrics.registry).map_err(|e| e.to_string())?;
    for counter in Counter::ALL {
        let name = counter.name().trim_end_matches("_total");
        text.push_str(&format!("# TYPE {name} counter\n"));
        text.push_str(&format!("{name}_total {}\n", metrics.operate.app.counters.get(counter)));
    }
    let app = metrics.operate.app.as_ref();
    let projects = app.projects.ids().await.map_err(|e| e.to_string())?;
    let tables = compact::statuses(app, projects, Deadline::after(app.clock.as_ref(), metrics.operate.time)).await;
    let head = |text: &mut String, name, help| text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} gauge\n"));
    for (name, help, holds) in TROUBLES {
        head(&mut text, name, help);
        for (id, status) in &tables {
            text.push_str(&sample(name, id, f64::from(u8::from(status.as_ref().is_err_and(holds)))));
        }
    }
    for (name, help, value) in GAUGES {
        head(&mut text, name, help);
        for (id, status) in &tables {
            if let Ok(status) = status {
                text.push_str(&sample(name, id, value(status)));
            }
        }
    }
    text.push_str("# EOF\n");
    Ok(text)
}

fn sample(name: &str, TableId { project, table }: &TableId, value: f64) -> String {
    format!("{name}{{project=\"{project}\",table=\"{table}\"}} {value}\n")
}

/// Name, help, and whether it is what keeps a table from being read.
type Trouble = (&'static str, &'static str, fn(&PassError) -> bool);

/// Of a table that cannot be read the other gauges are left out. What a bucket's owner has shut is told apart: no alarm of the
/// operator's should hang on it.
const TROUBLES: [Trouble; 2] = [
    ("plimsoll_table_unreadable", "1 if the table cannot be read and is not out of reach, else 0", |error| {
        error.out_of_reach().is_none()
    }),
    (
        "plimsoll_table_out_of_reach",
        "1 if the bucket of the table's project does not let Plimsoll in, else 0",
        |error| error.out_of_reach().is_some(),
    ),
];

/// Name, help and value of what is told of each table.
type Gauge = (&'static str, &'static str, fn(&TableStatus) -> f64);

const GAUGES: [Gauge; 7] = [
    ("plimsoll_live_segments", "Segments that wait for compaction", |t| t.live_segments as f64),
    ("plimsoll_live_bytes", "Bytes of segments that wait for compaction", |t| t.live_bytes as f64),
    ("plimsoll_oldest_live_segment_seconds", "Age of the oldest segment that waits for compaction", |t| {
        t.oldest_live_age_us.unwrap_or(0) as f64 / 1e6
    }),
    ("plimsoll_table_files", "Active data files", |t| t.files as f64),
    ("plimsoll_table_rows", "Rows in active data files", |t| t.rows as f64),
    ("plimsoll_table_bytes", "Bytes of active data files", |t| t.bytes as f64),
    ("plimsoll_quarantined_segments", "Segments that could not be read", |t| t.quarantined.len() as f64),
];
