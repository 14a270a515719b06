//! OTLP requests to rows: the top of the decoder.
//!
//! One [`Decoder`] takes one body, or several after each other (group commit); each [`Decoder::push`] either adds the body's
//! acceptable records or, on an error, leaves the decoder as it was. Records that cannot be accepted are counted with their
//! reason and cost nothing else; only bytes that are no protobuf message refuse the whole body.
//!
//! The walk is one pass: a record's fields are read as slices of the body (`otlp::view`), looked at, and appended to the columns
//! that they belong to. What is said once for many records (resource, scope) is decoded once and referred to by a code.

mod attributes;
mod logs;
mod metrics;
mod origin;
mod outcome;
mod record;
mod series;
mod spans;

#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use arrow_array::RecordBatch;
use model::{BodyHash, Micros, ProjectId, Signal, TableName, TimeRange, day_of};
use otlp::DecodeError;
use otlp::view::logs::LogRecord;
use otlp::view::metrics::{Metric, Point};
use otlp::view::trace::Span;
use otlp::view::{ResourceGroup, ScopeGroup, resource_groups};
use otlp::wire::Malformed;

use crate::json::{Lossy, ValueError};
use crate::promoted::{Place, promoted};
use crate::schema::Columns;
use crate::tables::{LogsAndSpans, Metrics};
use attributes::{Attributes, Pending};
use origin::{Origin, Origins, TakenResource};
pub use outcome::BodyOutcome;
use outcome::{Refusal, Tally};
use record::RecordTime;

/// Wire bytes that one decoder takes over all bodies. A column's text is at most about nine times as long as the bytes it came
/// from (an event that is only a time), so no column reaches the 2 GiB that its 32-bit offsets can address.
const WIRE_BYTES_MAX: usize = 128 << 20;

/// Rows of one decoder: bounds what every row has whatever its size on the wire.
const ROWS_MAX: usize = 8 << 20;

/// JSON of attributes beyond which points are refused: what a metric says of itself (`Metric.metadata`) is repeated for each of
/// its points, so that a body of a few MB could ask for gigabytes.
const JSON_BYTES_MAX: usize = 128 << 20;

/// What is known of a body besides its bytes.
#[derive(Clone, Copy, Debug)]
pub struct BodyContext<'c> {
    pub signal: Signal,
    pub project: &'c ProjectId,
    /// Of project, signal and body: record ids are made from it.
    pub hash: BodyHash,
    /// The time of records that have none.
    pub arrived_at: Micros,
    /// Records outside are refused.
    pub accepted: TimeRange,
    /// Records beyond are refused.
    pub records_max: usize,
}

/// Takes OTLP bodies, gives one batch of a table.
pub struct Decoder {
    table: TableName,
    n_rows: usize,
    wire_bytes: usize,
    /// Filled if `table` is that one.
    logs_and_spans: Box<LogsAndSpans>,
    /// Filled if `table` is that one.
    metrics: Box<Metrics>,
    attributes: Attributes,
    origins: Origins,
    /// See [`exception_columns`].
    exception_columns: [usize; 3],
}

/// A body on its way, and memory that its records share.
struct Body<'a, 'c> {
    context: BodyContext<'c>,
    project_code: i32,
    tally: Tally,
    lossy: Lossy,
    /// Log records so far, refused ones included: their places must not depend on what is accepted when.
    n_logs: u32,
    rows_max: usize,
    span: Span<'a>,
    log: LogRecord<'a>,
    point: Point<'a>,
    pending: Vec<Pending<'a>>,
    hashes: Vec<String>,
    canonical: Vec<u8>,
}

/// A record that is not taken, or a body that is none.
enum Refused {
    Record(Refusal),
    Body(Malformed),
}

impl From<Malformed> for Refused {
    fn from(broken: Malformed) -> Self {
        Refused::Body(broken)
    }
}

impl From<Refusal> for Refused {
    fn from(reason: Refusal) -> Self {
        Refused::Record(reason)
    }
}

impl From<ValueError> for Refused {
    fn from(error: ValueError) -> Self {
        match error {
            ValueError::Malformed(broken) => Refused::Body(broken),
            ValueError::TooDeep => Refused::Record(Refusal::TooDeep),
        }
    }
}

impl Decoder {
    pub fn new(table: TableName) -> Self {
        Self {
            table,
            n_rows: 0,
            wire_bytes: 0,
            logs_and_spans: Box::default(),
            metrics: Box::default(),
            attributes: Attributes::new(Place::Attributes),
            origins: Origins::default(),
            exception_columns: exception_columns(),
        }
    }

    /// Rows taken so far.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// Takes the protobuf wire bytes of one export request.
    ///
    /// An error refuses the whole body and leaves the decoder as it was before: the bytes are no protobuf, or more than one
    /// decoder takes, or the signal belongs to another table.
    pub fn push(&mut self, context: &BodyContext<'_>, wire: &[u8]) -> Result<BodyOutcome, DecodeError> {
        if context.signal.table() != self.table {
            return Err(DecodeError { offset: 0, what: "the signal belongs to another table" });
        }
        let bytes_left = WIRE_BYTES_MAX - self.wire_bytes;
        if wire.len() > bytes_left {
            return Err(DecodeError { offset: bytes_left, what: "too many bytes for one batch" });
        }
        let before = self.n_rows;
        let mut body = self.begin(context);
        match self.resource_groups(&mut body, wire) {
            Ok(()) => {
                self.wire_bytes += wire.len();
                Ok(body.tally.outcome(self.n_rows - before, body.lossy.0, context))
            }
            Err(broken) => {
                self.truncate(before);
                Err(broken.within(wire))
            }
        }
    }

    /// The rows of all bodies, with the columns that hold a value, in the table's order.
    pub fn finish(self) -> RecordBatch {
        let n_rows = self.n_rows;
        let mut columns = Columns::new(self.table);
        match self.table {
            TableName::LogsAndSpans => self.logs_and_spans.finish(n_rows, &mut columns),
            TableName::Metrics => self.metrics.finish(n_rows, &mut columns),
        }
        self.attributes.finish(n_rows, &mut columns);
        if n_rows > 0 {
            self.origins.finish(&mut columns);
        }
        columns.batch(n_rows)
    }

    fn begin<'a, 'c>(&mut self, context: &BodyContext<'c>) -> Body<'a, 'c> {
        let projects = match self.table {
            TableName::LogsAndSpans => &mut self.logs_and_spans.project_id,
            TableName::Metrics => &mut self.metrics.project_id,
        };
        Body {
            context: *context,
            project_code: projects.code_of(context.project.as_str()),
            tally: Tally::default(),
            lossy: Lossy::default(),
            n_logs: 0,
            rows_max: self.n_rows.saturating_add(context.records_max).min(ROWS_MAX),
            span: Span::default(),
            log: LogRecord::default(),
            point: Point::default(),
            pending: Vec::new(),
            hashes: Vec::new(),
            canonical: Vec::new(),
        }
    }

    fn resource_groups<'a>(&mut self, body: &mut Body<'a, '_>, wire: &'a [u8]) -> Result<(), Malformed> {
        for group in resource_groups(wire)? {
            let group = ResourceGroup::read(group?)?;
            // Taken with the first scope that has records.
            let mut resource = None;
            for scope in group.scopes {
                let scope = ScopeGroup::read(scope?)?;
                if scope.records.is_empty() {
                    continue;
                }
                let resource = match &mut resource {
                    Some(resource) => resource,
                    None => resource.insert(self.resource(body, &group)?),
                };
                let origin = match resource {
                    Ok(resource) => self.origins.scope(resource, &scope, body.context.signal, &mut body.lossy),
                    Err(reason) => Err(Refused::Record(*reason)),
                };
                match origin {
                    Ok(origin) => self.records(body, &origin, &scope)?,
                    Err(Refused::Record(reason)) => refuse_all(body, &scope, reason)?,
                    Err(Refused::Body(broken)) => return Err(broken),
                }
            }
        }
        Ok(())
    }

    /// Takes a resource, or says why its records are refused.
    fn resource<'a>(
        &mut self,
        body: &mut Body<'a, '_>,
        group: &ResourceGroup<'a>,
    ) -> Result<Result<TakenResource<'a>, Refusal>, Malformed> {
        match self.origins.resource(group, &mut body.lossy, &mut body.pending) {
            Ok(resource) => Ok(Ok(resource)),
            Err(Refused::Record(reason)) => Ok(Err(reason)),
            Err(Refused::Body(broken)) => Err(broken),
        }
    }

    fn records<'a>(
        &mut self,
        body: &mut Body<'a, '_>,
        origin: &Origin,
        group: &ScopeGroup<'a>,
    ) -> Result<(), Malformed> {
        self.origins.reserve(group.records.len().min(body.rows_max.saturating_sub(self.n_rows)));
        for record in group.records {
            let record = record?;
            match body.context.signal {
                Signal::Traces => {
                    let taken = self.room(body).and_then(|()| self.span(body, origin, record));
                    self.count(body, origin, taken)?;
                }
                Signal::Logs => {
                    let place = body.n_logs;
                    body.n_logs = body.n_logs.saturating_add(1);
                    let taken = self.room(body).and_then(|()| self.log(body, origin, record, place));
                    self.count(body, origin, taken)?;
                }
                Signal::Metrics => self.metric(body, origin, record)?,
            }
        }
        Ok(())
    }

    /// Room for one more record.
    fn room(&self, body: &Body<'_, '_>) -> Result<(), Refused> {
        if self.n_rows < body.rows_max { Ok(()) } else { Err(Refusal::TooMany.into()) }
    }

    /// Makes a row of a record that was taken, and forgets one that was not.
    fn count(
        &mut self,
        body: &mut Body<'_, '_>,
        origin: &Origin,
        taken: Result<RecordTime, Refused>,
    ) -> Result<(), Malformed> {
        match taken {
            Ok(time) => {
                let row = self.n_rows;
                let (date, timestamp, time_unix_nano) = match self.table {
                    TableName::LogsAndSpans => {
                        let columns = &mut *self.logs_and_spans;
                        (&mut columns.date, &mut columns.timestamp, &mut columns.time_unix_nano)
                    }
                    TableName::Metrics => {
                        let columns = &mut *self.metrics;
                        (&mut columns.date, &mut columns.timestamp, &mut columns.time_unix_nano)
                    }
                };
                date.set(row, day_of(time.micros));
                timestamp.set(row, time.micros);
                time_unix_nano.set(row, time.nanos);
                self.origins.add_row(origin);
                self.n_rows += 1;
                body.tally.take(time.micros, time.has_time);
                Ok(())
            }
            Err(Refused::Record(reason)) => {
                if reason.comes_late() {
                    self.truncate(self.n_rows);
                }
                body.tally.refuse(reason, 1);
                Ok(())
            }
            Err(Refused::Body(broken)) => Err(broken),
        }
    }

    fn truncate(&mut self, n_rows: usize) {
        self.n_rows = n_rows;
        self.logs_and_spans.truncate(n_rows);
        self.metrics.truncate(n_rows);
        self.attributes.truncate(n_rows);
        self.origins.truncate(n_rows);
    }
}

/// The columns of exception.type, exception.message and exception.stacktrace among the promoted attributes.
fn exception_columns() -> [usize; 3] {
    static COLUMNS: LazyLock<[usize; 3]> = LazyLock::new(|| {
        let place_of = |key| promoted(Place::Attributes).iter().position(|row| row.key == key);
        ["exception.type", "exception.message", "exception.stacktrace"].map(|key| place_of(key).expect("in the table"))
    });
    *COLUMNS
}

/// Refuses every record of a scope that could not be taken.
fn refuse_all<'a>(body: &mut Body<'a, '_>, group: &ScopeGroup<'a>, reason: Refusal) -> Result<(), Malformed> {
    let mut n_records = group.records.len() as u64;
    if body.context.signal == Signal::Metrics {
        n_records = 0;
        for record in group.records {
            n_records += Metric::read(record?)?.points.len() as u64;
        }
    }
    if body.context.signal == Signal::Logs {
        body.n_logs = body.n_logs.saturating_add(u32::try_from(n_records).unwrap_or(u32::MAX));
    }
    body.tally.refuse(reason, n_records);
    Ok(())
}
