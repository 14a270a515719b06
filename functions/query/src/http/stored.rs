//! Answers that are too large to be sent in one piece: put into the project's own store, and linked.
//!
//! They lie at `results/<day>/<id>.<ending>` below the project's root, so that a project with a bucket of its own keeps its
//! answers there too, and go a day later, with upkeep. Whoever has the link may read the answer, for as long as it lasts.

use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use edge::{ApiError, ErrorCode};
use http::{HeaderName, HeaderValue};
use model::{Micros, rfc3339};
use object_store::path::Path;
use object_store::{Attribute, Attributes, ObjectStore, PutMultipartOptions, WriteMultipart};
use objects::Links;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::reader::Reader;
use crate::answer::{Statistics, Truncated};
use crate::error::QueryError;
use crate::run::Summary;

/// How long a link lasts.
const LINK_LASTS: Duration = Duration::from_secs(15 * 60);
/// Parts of an upload that are under way at once.
const PARTS_AT_ONCE: usize = 4;
/// Says in a header what the body is.
const RESULT: HeaderName = HeaderName::from_static("plimsoll-result");

/// An answer that lies in the store, since it is too large to be sent here.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct LinkedAnswer {
    result: LinkedResult,
    /// Null: these are all rows.
    truncated: Option<Truncated>,
    /// What the answer lacks, for instance a damaged segment.
    warnings: Vec<String>,
    statistics: Statistics,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct LinkedResult {
    /// The answer, as it was asked for. To be fetched with GET, without a key.
    url: String,
    /// When the link ends; the answer itself goes a day after it was made.
    expires_at: String,
    content_type: String,
    bytes: u64,
    rows: u64,
}

/// An answer on its way into the store.
pub(super) struct Stored {
    upload: WriteMultipart,
    links: Links,
    key: Path,
    content_type: &'static str,
    bytes: u64,
    now: Micros,
}

impl Stored {
    pub(super) async fn begin(
        reader: &Reader,
        content_type: &'static str,
        ending: &str,
        bytes_max: usize,
    ) -> Result<Self, ApiError> {
        let app = reader.app();
        let root = app.roots.open(reader.project());
        let Some(links) = root.links else {
            let message = format!("the answer is larger than the {bytes_max} bytes that can be sent in one piece");
            return Err(
                ApiError::new(ErrorCode::ResultTooLarge, message).hint("select fewer columns, or lower `limit`")
            );
        };
        let now = app.clock.now();
        let key = objects::result_key(now, &app.ids.fresh(), ending);
        let attributes = Attributes::from_iter([(Attribute::ContentType, content_type)]);
        let options = PutMultipartOptions { attributes, ..PutMultipartOptions::default() };
        let upload = root.store.put_multipart_opts(&key, options).await.map_err(not_written)?;
        Ok(Self { upload: WriteMultipart::new(upload), links, key, content_type, bytes: 0, now })
    }

    pub(super) async fn put(&mut self, piece: &[u8]) -> Result<(), QueryError> {
        self.upload.wait_for_capacity(PARTS_AT_ONCE).await.map_err(not_written)?;
        self.upload.write(piece);
        self.bytes += piece.len() as u64;
        Ok(())
    }

    /// Of an answer that broke off nothing is left to be linked.
    pub(super) async fn abort(self) {
        if let Err(error) = self.upload.abort().await {
            tracing::warn!(key = %self.key, %error, "parts of an answer are left in the store until the bucket drops them");
        }
    }

    /// The link, and what there is to say of the answer.
    pub(super) async fn finish(self, summary: Summary) -> Result<Response, ApiError> {
        self.upload.finish().await.map_err(not_written)?;
        let url = self.links.to_read(&self.key, LINK_LASTS).await.map_err(not_written)?;
        tracing::info!(key = %self.key, bytes = self.bytes, "an answer was put into the store");
        let result = LinkedResult {
            url: url.into(),
            expires_at: rfc3339(self.now + Micros::try_from(LINK_LASTS.as_micros()).unwrap_or(Micros::MAX)),
            content_type: self.content_type.to_owned(),
            bytes: self.bytes,
            rows: summary.statistics.rows,
        };
        let Summary { truncated, warnings, statistics } = summary;
        let mut response = Json(LinkedAnswer { result, truncated, warnings, statistics }).into_response();
        response.headers_mut().insert(RESULT, HeaderValue::from_static("linked"));
        Ok(response)
    }
}

fn not_written(error: object_store::Error) -> QueryError {
    QueryError::unavailable("the object store", error)
}
