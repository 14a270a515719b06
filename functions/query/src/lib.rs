//! Answering questions: SQL over a project's tables, in process and over HTTP.
//!
//! - [`App`], [`Doors`], [`Settings`]: what queries work with, and their limits.
//! - [`run`]: one statement, its whole answer. [`router`]: the same over HTTP, with logs, traces, metrics and the schema.
//! - `sql`: from text to a plan that only reads; `functions`: the functions that DataFusion lacks.
//! - `session`: the DataFusion session of one query, in which nothing but the caller's tables can be named.
//! - `table`: a table as a Delta snapshot and live segments, pruned and metered.
//! - `run`: place, time, plan, rows, stopping, and starting over when objects vanish.
//! - `rollups`: aggregates from the sums inside data files.
//! - `waits`: what a query waits for, so that a store that is away is told as that.
//! - `encode`: rows as JSON, NDJSON, CSV and Arrow.
//! - [`Runner`]: the door `QueryRunner` as a direct call.
//! - `http`: the paths, and what they ask in SQL; answers in one piece, streamed, or linked.
//! - [`cloud`]: the function of its own.

mod admission;
mod answer;
mod app;
pub mod cloud;
mod encode;
mod error;
mod functions;
mod http;
mod meter;
mod meters;
mod rollups;
mod run;
mod runner;
mod session;
mod settings;
mod sql;
mod table;
mod waits;
mod workers;

pub use answer::{Answer, ColumnInfo, Statistics, Truncated};
pub use app::{App, Doors, StartError};
pub use error::{Limit, QueryError};
pub use http::{AnswerBy, openapi, router};
pub use meters::Meters;
pub use rollups::Rollups;
pub use run::{SqlRequest, run};
pub use runner::Runner;
pub use settings::{Delivery, LateMaterialisation, Settings};
pub use sql::Params;
pub use table::{Freshness, Lookups, OnMissing, TableView, Tables, tries};
