//! Plimsoll, asked as its users ask it: `POST /api/v1/query` over loopback, answers as Arrow.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, TimeUnit};
use arrow::ipc::reader::StreamReader;
use serde_json::Value;
use tempfile::TempDir;
use tests::Binary;

use super::THREADS;
use super::same::{Cell, Rows};
use crate::measure::Stopwatch;
use crate::server::{on_cores, on_request, this_program};

const ARROW: &str = "application/vnd.apache.arrow.stream";

/// A server on data that nothing changes meanwhile.
pub(super) struct Ours {
    pub(super) server: Binary,
    data: TempDir,
}

/// What one asking took; `planning_ms` is a part of `ms`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Took {
    pub(super) ms: f64,
    pub(super) planning_ms: f64,
}

impl Ours {
    pub(super) fn start(data: TempDir) -> Self {
        let command = on_cores(THREADS, &this_program());
        Self { server: on_request(command, data.path()), data }
    }

    /// The same data in a fresh process.
    pub(super) fn restarted(self) -> Self {
        self.server.kill();
        Self::start(self.data)
    }

    pub(super) fn ask(&self, request: &Value) -> Result<(Took, Vec<u8>), String> {
        let keys = &self.server.keys;
        let url = format!("{}/api/v1/query", keys.api_url);
        let key = format!("Bearer {}", keys.read_key);
        let headers = [("authorization", key.as_str()), ("content-type", "application/json"), ("accept", ARROW)];
        let body = request.to_string();
        let watch = Stopwatch::start();
        let reply = self.server.send("POST", &url, &headers, body.as_bytes());
        let ms = watch.elapsed().as_secs_f64() * 1e3;
        if reply.status != 200 {
            return Err(reply.text());
        }
        if let Some(truncated) = reply.header("plimsoll-truncated").filter(|said| *said != "null") {
            return Err(format!("truncated: {truncated}"));
        }
        let statistics = reply.header("plimsoll-statistics").and_then(|said| serde_json::from_str::<Value>(said).ok());
        // Of long answers they are trailers, which this client does not read.
        let planning_ms = statistics.and_then(|said| said["planning_ms"].as_f64()).unwrap_or(f64::NAN);
        Ok((Took { ms, planning_ms }, reply.body))
    }
}

/// The rows of an answer, of all columns or of some.
pub(super) fn rows(answer: &[u8], columns: Option<&[&str]>) -> Rows {
    let reader = StreamReader::try_new(answer, None).expect("an Arrow stream");
    let schema = reader.schema();
    let places: Vec<usize> = match columns {
        Some(names) => names.iter().map(|name| schema.index_of(name).expect("a column")).collect(),
        None => (0..schema.fields().len()).collect(),
    };
    let mut rows = Rows::new();
    for batch in reader {
        let batch = batch.expect("a whole batch");
        let columns: Vec<Vec<Cell>> = places.iter().map(|at| cells(batch.column(*at))).collect();
        rows.extend((0..batch.num_rows()).map(|row| columns.iter().map(|column| column[row].clone()).collect()));
    }
    rows
}

fn cells(column: &ArrayRef) -> Vec<Cell> {
    let to = |column: &ArrayRef, kind: &DataType| cast(column, kind).expect("it is of this kind");
    let kind = column.data_type();
    let numbers = match kind {
        DataType::Timestamp(_, zone) => {
            let micros = to(column, &DataType::Timestamp(TimeUnit::Microsecond, zone.clone()));
            Some(to(&to(&micros, &DataType::Int64), &DataType::Float64))
        }
        kind if kind.is_numeric() => Some(to(column, &DataType::Float64)),
        _ => None,
    };
    match numbers {
        Some(numbers) => {
            numbers.as_primitive::<Float64Type>().iter().map(|n| n.map_or(Cell::Null, Cell::Number)).collect()
        }
        None => {
            let texts = to(column, &DataType::Utf8);
            let texts = texts.as_string::<i32>();
            texts.iter().map(|text| text.map_or(Cell::Null, |text| Cell::Text(text.to_owned()))).collect()
        }
    }
}
