//! Rows in the form that was asked for, piece by piece.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use serde::Serialize;

use super::accept::RowsAs;
use crate::answer::{Statistics, Truncated};
use crate::encode::{ArrowStream, NdjsonNames, csv_head, write_csv, write_ndjson};
use crate::error::QueryError;
use crate::run::{AnswerStream, Summary};

/// Whether NDJSON or CSV ends with a line that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LastLine {
    Row,
    End,
}

/// The rows of an answer, as they come, written in one form.
pub(super) struct Pieces {
    answer: AnswerStream,
    writer: Writer,
    last_line: LastLine,
    has_ended: bool,
}

impl Pieces {
    pub(super) fn of(answer: AnswerStream, rows_as: RowsAs, last_line: LastLine) -> Result<Self, QueryError> {
        Ok(Self { writer: Writer::of(rows_as, &answer.schema)?, answer, last_line, has_ended: false })
    }

    /// What stands before the first row.
    pub(super) fn head(&mut self) -> Vec<u8> {
        match &mut self.writer {
            Writer::Ndjson(_) => Vec::new(),
            Writer::Csv(head) => std::mem::take(head).into_bytes(),
            Writer::Arrow(stream) => stream.take(),
        }
    }

    /// The next rows, at last what stands after them, then none, when [`Pieces::summary`] has the rest.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<u8>>, QueryError> {
        if self.has_ended {
            return Ok(None);
        }
        match self.answer.next().await? {
            Some(batch) => self.writer.rows(&batch).map(Some),
            None => {
                self.has_ended = true;
                self.tail().map(Some)
            }
        }
    }

    pub(super) fn summary(&self) -> Option<&Summary> {
        self.answer.summary()
    }

    /// What no reader of this form takes for its end: the answer broke off, and nobody is to take a part for the whole.
    pub(super) fn broken_off(&self, words: &str) -> Vec<u8> {
        match &self.writer {
            Writer::Ndjson(_) => format!("{{\"broken_off\":{}\n", serde_json::Value::from(words)).into_bytes(),
            Writer::Csv(_) => format!("\"broken off: {}", words.replace('"', "'")).into_bytes(),
            // The head of a message that does not follow.
            Writer::Arrow(_) => vec![0xff, 0xff, 0xff, 0xff, 8, 0, 0, 0],
        }
    }

    fn tail(&mut self) -> Result<Vec<u8>, QueryError> {
        match &mut self.writer {
            Writer::Arrow(stream) => {
                stream.finish().map_err(QueryError::internal)?;
                Ok(stream.take())
            }
            Writer::Ndjson(_) | Writer::Csv(_) if self.last_line == LastLine::End => {
                Ok(self.answer.summary().map(end_line).unwrap_or_default())
            }
            Writer::Ndjson(_) | Writer::Csv(_) => Ok(Vec::new()),
        }
    }
}

/// Writes rows in one form.
enum Writer {
    Ndjson(NdjsonNames),
    /// The head line, until it is written.
    Csv(String),
    Arrow(Box<ArrowStream>),
}

impl Writer {
    fn of(rows_as: RowsAs, schema: &SchemaRef) -> Result<Self, QueryError> {
        Ok(match rows_as {
            RowsAs::Ndjson => Self::Ndjson(NdjsonNames::of(schema)),
            RowsAs::Csv => Self::Csv(csv_head(schema)),
            RowsAs::Arrow => Self::Arrow(Box::new(ArrowStream::new(schema).map_err(QueryError::internal)?)),
        })
    }

    fn rows(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, QueryError> {
        let mut text = String::new();
        match self {
            Self::Ndjson(names) => write_ndjson(batch, names, &mut text),
            Self::Csv(_) => write_csv(batch, &mut text),
            Self::Arrow(stream) => {
                stream.write(batch).map_err(QueryError::internal)?;
                return Ok(stream.take());
            }
        }
        Ok(text.into_bytes())
    }
}

#[derive(Serialize)]
struct EndLine<'a> {
    end: End<'a>,
}

#[derive(Serialize)]
struct End<'a> {
    truncated: &'a Option<Truncated>,
    warnings: &'a [String],
    statistics: &'a Statistics,
}

fn end_line(summary: &Summary) -> Vec<u8> {
    let Summary { truncated, warnings, statistics } = summary;
    let mut line = serde_json::to_vec(&EndLine { end: End { truncated, warnings, statistics } })
        .expect("text and numbers always serialise");
    line.push(b'\n');
    line
}
