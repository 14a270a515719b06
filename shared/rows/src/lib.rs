//! The table schemas, and OTLP as rows of them. No I/O, no clock.
//!
//! [`Decoder::push`] walks the protobuf wire bytes of one request straight into columns; [`Decoder::finish`] gives the Arrow
//! batch. [`segment`] is the file that a batch lands in, [`conform`] what readers call on a batch before anything else, [`concat`]
//! makes one batch of several. [`schema`] and [`promoted`] say which columns there are.
//!
//! A batch holds only columns with a value, and text that repeats is dictionary-encoded: a body with one resource of 2 KB over
//! 8,192 records holds it once. [`conform`] gives the plain columns of the table.
//!
//! What stands where, beyond the columns' names (see `tables.rs` for the columns themselves):
//! - Nothing that was sent is dropped silently. What has no column of its own is kept in the JSON columns: `attributes` for what
//!   is said of one record, `resource` for what is said once for a resource or a scope.
//! - Keys of our own in `attributes`: `otel.dropped_attributes_count`, `otel.dropped_events_count`, `otel.dropped_links_count`,
//!   `otel.kind`, `otel.status_code`, `otel.temporality` (a number that the specification does not know), `otel.metric.metadata`,
//!   and for counts beyond 63 bits, which the columns hold as the largest they can, the exact `otel.count`, `otel.zero_count`,
//!   `otel.bucket_counts`, `otel.positive_counts`, `otel.negative_counts`. Times of 2^63 ns and more, which no column holds (null,
//!   and so is the duration): `otel.end_time_unix_nano`, `otel.observed_time_unix_nano`, `otel.start_time_unix_nano` (of points).
//!   `otel.value`: what a point says although its flags say that it has no recorded value; a number, or for histograms and
//!   summaries an object with the columns' names.
//! - Keys of our own in `resource`: `otel.schema_url`, `otel.dropped_attributes_count`, `otel.entity_refs`,
//!   `otel.scope.schema_url`, `otel.scope.attributes`, `otel.scope.dropped_attributes_count`.
//! - JSON values: lists and maps as such, 64-bit integers as numbers, NaN and the infinities as text, bytes as base64 text.
//! - Text that is not UTF-8 is kept with U+FFFD in place of what is broken, and counted in the outcome's warnings.

mod column;
mod conform;
mod decoder;
mod fingerprint;
mod json;
pub mod promoted;
mod schema;
pub mod segment;
mod tables;

pub use conform::{ConformError, concat, conform, conform_to};
pub use decoder::{BodyContext, BodyOutcome, Decoder};
pub use otlp::DecodeError;
pub use promoted::{Place, Promoted, promoted_column};
pub use schema::schema;
pub use segment::{SegmentError, SegmentFooter};
