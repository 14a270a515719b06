//! Answers that are sent while they are made.
//!
//! What is said at the end of an answer (truncation, warnings, statistics) comes as headers if the whole answer fits the first
//! piece, and as trailers else. An error after the first piece breaks the body off, so that nobody takes a part for the whole.

use arrow::array::RecordBatch;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use edge::ApiError;
use futures::stream;
use http::header::{CONTENT_TYPE, TRAILER};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::Frame;
use http_body_util::StreamBody;

use super::accept::RowsAs;
use crate::encode::{ArrowStream, NdjsonNames, csv_head, write_csv, write_ndjson};
use crate::error::QueryError;
use crate::run::{AnswerStream, Summary};

/// Answers up to about this size are sent in one piece.
const FIRST_PIECE_BYTES: usize = 256 << 10;

const TRUNCATED: HeaderName = HeaderName::from_static("plimsoll-truncated");
const WARNINGS: HeaderName = HeaderName::from_static("plimsoll-warnings");
const STATISTICS: HeaderName = HeaderName::from_static("plimsoll-statistics");

pub(super) async fn streamed(mut answer: AnswerStream, rows_as: RowsAs) -> Result<Response, ApiError> {
    let mut writer = Writer::of(rows_as, &answer)?;
    let mut piece = writer.head();
    while piece.len() < FIRST_PIECE_BYTES {
        match answer.next().await? {
            Some(batch) => piece.extend(writer.rows(&batch)?),
            None => {
                piece.extend(writer.tail()?);
                let mut response = Response::new(Body::from(piece));
                response.headers_mut().extend(said_at_the_end(answer.summary()));
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(rows_as.content_type()));
                return Ok(response);
            }
        }
    }
    let rest = Rest { answer, writer, next: Next::Piece(piece) };
    let frames = stream::unfold(rest, |rest| async { rest.frame().await });
    let mut response = Response::new(Body::new(StreamBody::new(frames)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(rows_as.content_type()));
    let names = format!("{TRUNCATED}, {WARNINGS}, {STATISTICS}");
    response.headers_mut().insert(TRAILER, HeaderValue::from_str(&names).expect("constant names"));
    Ok(response)
}

/// What is left to send.
struct Rest {
    answer: AnswerStream,
    writer: Writer,
    next: Next,
}

enum Next {
    Piece(Vec<u8>),
    Rows,
    Trailers,
    Nothing,
}

impl Rest {
    async fn frame(mut self) -> Option<(Result<Frame<Bytes>, QueryError>, Self)> {
        let frame = match std::mem::replace(&mut self.next, Next::Rows) {
            Next::Piece(piece) => Ok(Frame::data(Bytes::from(piece))),
            Next::Rows => match self.answer.next().await {
                Ok(Some(batch)) => self.writer.rows(&batch).map(|piece| Frame::data(Bytes::from(piece))),
                Ok(None) => {
                    self.next = Next::Trailers;
                    self.writer.tail().map(|piece| Frame::data(Bytes::from(piece)))
                }
                Err(error) => Err(error),
            },
            Next::Trailers => {
                self.next = Next::Nothing;
                Ok(Frame::trailers(said_at_the_end(self.answer.summary())))
            }
            Next::Nothing => return None,
        };
        if let Err(error) = &frame {
            tracing::warn!(error = error as &dyn std::error::Error, "an answer broke off while it was sent");
            self.next = Next::Nothing;
        }
        Some((frame, self))
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
    fn of(rows_as: RowsAs, answer: &AnswerStream) -> Result<Self, QueryError> {
        Ok(match rows_as {
            RowsAs::Ndjson => Self::Ndjson(NdjsonNames::of(&answer.schema)),
            RowsAs::Csv => Self::Csv(csv_head(&answer.schema)),
            RowsAs::Arrow => Self::Arrow(Box::new(ArrowStream::new(&answer.schema).map_err(QueryError::internal)?)),
        })
    }

    fn head(&mut self) -> Vec<u8> {
        match self {
            Self::Ndjson(_) => Vec::new(),
            Self::Csv(head) => std::mem::take(head).into_bytes(),
            Self::Arrow(stream) => stream.take(),
        }
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

    fn tail(&mut self) -> Result<Vec<u8>, QueryError> {
        match self {
            Self::Ndjson(_) | Self::Csv(_) => Ok(Vec::new()),
            Self::Arrow(stream) => {
                stream.finish().map_err(QueryError::internal)?;
                Ok(stream.take())
            }
        }
    }
}

fn said_at_the_end(summary: Option<&Summary>) -> HeaderMap {
    let Some(summary) = summary else { return HeaderMap::new() };
    let mut said = HeaderMap::new();
    if let Some(truncated) = &summary.truncated {
        said.insert(TRUNCATED, json(truncated));
    }
    if !summary.warnings.is_empty() {
        said.insert(WARNINGS, json(&summary.warnings));
    }
    said.insert(STATISTICS, json(&summary.statistics));
    said
}

/// JSON in ASCII, as header values must be.
fn json<T: serde::Serialize>(value: &T) -> HeaderValue {
    let mut ascii = String::new();
    for c in serde_json::to_string(value).expect("text and numbers always serialise").chars() {
        if c.is_ascii() {
            ascii.push(c);
        } else {
            let mut units = [0; 2];
            c.encode_utf16(&mut units).iter().for_each(|unit| ascii.push_str(&format!("\\u{unit:04x}")));
        }
    }
    HeaderValue::from_str(&ascii).unwrap_or_else(|_| HeaderValue::from_static("null"))
}
