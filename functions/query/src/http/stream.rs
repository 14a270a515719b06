//! Answers in rows: NDJSON, CSV or Arrow, as [`Delivery`] says.
//!
//! What is said at the end of an answer (truncation, warnings, statistics) comes as headers if the whole answer fits the first
//! piece; else as trailers, where there are any, with the link to an answer in the store, and, if asked for, as a last line of
//! NDJSON or CSV. An error after the first piece breaks the body off, so that nobody takes a part for the whole.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use edge::{ApiError, LastWords};
use futures::stream;
use http::header::{CONTENT_TYPE, TRAILER};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::Frame;
use http_body_util::StreamBody;

use super::accept::RowsAs;
use super::fit::{base64_bytes, text_bytes};
use super::reader::Reader;
use super::stored::Stored;
use super::writer::{LastLine, Pieces};
use crate::error::QueryError;
use crate::run::{AnswerStream, Summary};
use crate::settings::Delivery;

/// Answers up to about this size are sent in one piece.
const FIRST_PIECE_BYTES: usize = 256 << 10;

/// Said for an answer that is cut because the process may not go on.
const OUT_OF_TIME: &str = "the time for this answer was over before all of it was sent";

const TRUNCATED: HeaderName = HeaderName::from_static("plimsoll-truncated");
const WARNINGS: HeaderName = HeaderName::from_static("plimsoll-warnings");
const STATISTICS: HeaderName = HeaderName::from_static("plimsoll-statistics");

pub(super) async fn rows(
    reader: &Reader,
    answer: AnswerStream,
    rows_as: RowsAs,
    last_line: LastLine,
) -> Result<Response, ApiError> {
    let delivery = reader.app().settings.delivery;
    let mut pieces = Pieces::of(answer, rows_as, last_line)?;
    let mut first = pieces.head();
    let mut sent_bytes = as_sent(&first, rows_as);
    while sent_bytes <= first_bytes_max(delivery) {
        match pieces.next().await? {
            Some(piece) => {
                sent_bytes += as_sent(&piece, rows_as);
                first.extend(piece);
            }
            None => {
                let mut response = of_rows(Body::from(first), rows_as);
                response.headers_mut().extend(said_at_the_end(pieces.summary()));
                return Ok(response);
            }
        }
    }
    match delivery {
        Delivery::OnePiece { bytes_max } => linked(reader, first, pieces, rows_as, bytes_max).await,
        Delivery::Trailers => {
            let mut response = streamed(first, pieces, rows_as, AfterBody::Trailers);
            let names = format!("{TRUNCATED}, {WARNINGS}, {STATISTICS}");
            response.headers_mut().insert(TRAILER, HeaderValue::from_str(&names).expect("constant names"));
            Ok(response)
        }
        Delivery::Streamed => Ok(streamed(first, pieces, rows_as, AfterBody::Nothing)),
    }
}

fn first_bytes_max(delivery: Delivery) -> usize {
    match delivery {
        Delivery::Trailers | Delivery::Streamed => FIRST_PIECE_BYTES,
        Delivery::OnePiece { bytes_max } => bytes_max,
    }
}

/// How many bytes a piece takes where an answer is sent in one.
fn as_sent(piece: &[u8], rows_as: RowsAs) -> usize {
    match rows_as {
        RowsAs::Ndjson | RowsAs::Csv => text_bytes(piece),
        RowsAs::Arrow => base64_bytes(piece.len()),
    }
}

/// Into the store, piece by piece as the rows come.
async fn linked(
    reader: &Reader,
    first: Vec<u8>,
    mut pieces: Pieces,
    rows_as: RowsAs,
    bytes_max: usize,
) -> Result<Response, ApiError> {
    let mut stored = Stored::begin(reader, rows_as.content_type(), rows_as.ending(), bytes_max).await?;
    let mut piece = Some(first);
    let put = async {
        while let Some(bytes) = piece {
            stored.put(&bytes).await?;
            piece = pieces.next().await?;
        }
        Ok::<(), QueryError>(())
    };
    if let Err(error) = put.await {
        stored.abort().await;
        return Err(error.into());
    }
    let summary = pieces.summary().cloned().ok_or_else(|| QueryError::internal("an answer ended without a summary"))?;
    stored.finish(summary).await
}

/// What follows the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AfterBody {
    Trailers,
    Nothing,
}

fn streamed(first: Vec<u8>, pieces: Pieces, rows_as: RowsAs, after: AfterBody) -> Response {
    let last_words = LastWords(pieces.broken_off(OUT_OF_TIME).into());
    let rest = Rest { pieces, next: Next::Piece(first), after };
    let frames = stream::unfold(rest, |rest| async { rest.frame().await });
    let mut response = of_rows(Body::new(StreamBody::new(frames)), rows_as);
    response.extensions_mut().insert(last_words);
    response
}

fn of_rows(body: Body, rows_as: RowsAs) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(rows_as.content_type()));
    response
}

/// What is left to send.
struct Rest {
    pieces: Pieces,
    next: Next,
    after: AfterBody,
}

enum Next {
    Piece(Vec<u8>),
    Rows,
    /// The marks of an answer that broke off are sent; the body ends with the error.
    Broken(QueryError),
    Nothing,
}

impl Rest {
    async fn frame(mut self) -> Option<(Result<Frame<Bytes>, QueryError>, Self)> {
        let frame = match std::mem::replace(&mut self.next, Next::Rows) {
            Next::Piece(piece) => Ok(Frame::data(Bytes::from(piece))),
            Next::Rows => match self.pieces.next().await {
                Ok(Some(piece)) => Ok(Frame::data(Bytes::from(piece))),
                Ok(None) => {
                    self.next = Next::Nothing;
                    match self.after {
                        AfterBody::Trailers => Ok(Frame::trailers(said_at_the_end(self.pieces.summary()))),
                        AfterBody::Nothing => return None,
                    }
                }
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "an answer broke off while it was sent");
                    let marks = self.pieces.broken_off(&error.to_string());
                    self.next = Next::Broken(error);
                    Ok(Frame::data(Bytes::from(marks)))
                }
            },
            Next::Broken(error) => {
                self.next = Next::Nothing;
                Err(error)
            }
            Next::Nothing => return None,
        };
        Some((frame, self))
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
