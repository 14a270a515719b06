//! What S3 says, made fit for a write path that tells a lost object from a store that does not answer.
//!
//! - A bucket that is not there is answered with 404 like an object: it says nothing about any object. Nor does one that is in
//!   another region, or whose key is disabled.
//! - A refusal is told by its code and message instead of a page of XML, and has the session drawn anew.

use std::error::Error as StdError;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::aws::AmazonS3;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};

use objects::BucketError;

use super::credentials::SigningKeys;

/// Codes by which S3 says that a bucket is elsewhere.
const ELSEWHERE_CODES: [&str; 3] =
    ["PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"];
/// What `object_store` says of a redirect without a page.
const BARE_REDIRECT: &str = "redirect without LOCATION";
/// Of codes about the key that a bucket encrypts with: `KMS.DisabledException` and its like.
const KEY_CODE_PREFIX: &str = "KMS.";
/// Codes by which S3 refuses a session that was good once; some come with 400.
const SESSION_CODES: [&str; 4] = ["ExpiredToken", "InvalidToken", "InvalidAccessKeyId", "TokenRefreshRequired"];

/// A bucket, and the keys its calls are signed with.
#[derive(Clone, Debug)]
pub(crate) struct Truthful {
    inner: Arc<AmazonS3>,
    keys: Arc<SigningKeys>,
}

/// What S3 says of a call, without the page around it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Said(String);

impl Truthful {
    pub(crate) fn new(inner: AmazonS3, keys: Arc<SigningKeys>) -> Self {
        Self { inner: Arc::new(inner), keys }
    }

    pub(crate) fn signer(&self) -> Arc<AmazonS3> {
        Arc::clone(&self.inner)
    }

    fn truth(&self, error: Error) -> Error {
        if let Some(of_bucket) = of_bucket(&error) {
            return of_bucket.into();
        }
        let (code, message) = spoken(&error);
        let said = |code: &str| Box::new(Said(words(code, message.as_deref())));
        match (error, code.as_deref()) {
            (Error::PermissionDenied { path, .. }, Some(code)) => {
                self.keys.refused_by_s3();
                Error::PermissionDenied { path, source: said(code) }
            }
            (error @ (Error::PermissionDenied { .. } | Error::Unauthenticated { .. }), _) => {
                // Not if there were no keys to sign with.
                if objects::RootError::behind(&error).is_none() {
                    self.keys.refused_by_s3();
                }
                error
            }
            (error, Some(code)) if SESSION_CODES.contains(&code) => {
                self.keys.refused_by_s3();
                Error::PermissionDenied { path: String::new(), source: Box::new(error) }
            }
            (error, _) => error,
        }
    }

    /// The answer to HEAD has no body, so a 404 of it may mean the bucket: GET says which.
    async fn absent(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        match self.inner.get_opts(location, GetOptions::default()).await {
            Err(error) => Err(self.truth(error)),
            // It came in between.
            Ok(_) => self.inner.get_opts(location, options).await.map_err(|error| self.truth(error)),
        }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for Truthful {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.inner.put_opts(location, payload, options).await.map_err(|error| self.truth(error))
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await.map_err(|error| self.truth(error))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let is_head = options.head;
        match self.inner.get_opts(location, options.clone()).await {
            Err(Error::NotFound { .. }) if is_head => self.absent(location, options).await,
            result => result.map_err(|error| self.truth(error)),
        }
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.inner.get_ranges(location, ranges).await.map_err(|error| self.truth(error))
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let this = self.clone();
        self.inner.delete_stream(locations).map_err(move |error| this.truth(error)).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let this = self.clone();
        self.inner.list(prefix).map_err(move |error| this.truth(error)).boxed()
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        let this = self.clone();
        self.inner.list_with_offset(prefix, offset).map_err(move |error| this.truth(error)).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await.map_err(|error| self.truth(error))
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await.map_err(|error| self.truth(error))
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.inner.rename_opts(from, to, options).await.map_err(|error| self.truth(error))
    }
}

impl fmt::Display for Truthful {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.inner, f)
    }
}

/// What the answer says of the bucket as a whole, if it does.
fn of_bucket(error: &Error) -> Option<BucketError> {
    let text = chain(error);
    let (code, message) = spoken(error);
    let Some(code) = code else {
        let said = "it answers with a redirect".to_owned();
        return text.contains(BARE_REDIRECT).then_some(BucketError::Elsewhere { said, region: None });
    };
    let said = words(&code, message.as_deref());
    match code.as_str() {
        "NoSuchBucket" => Some(BucketError::Gone { said }),
        code if ELSEWHERE_CODES.contains(&code) => {
            Some(BucketError::Elsewhere { said, region: between(&text, "<Region>", "</Region>") })
        }
        code if code.starts_with(KEY_CODE_PREFIX) => Some(BucketError::Key { said }),
        _ => None,
    }
}

fn words(code: &str, message: Option<&str>) -> String {
    format!("{code}: {}", message.unwrap_or("no more was said"))
}

/// Code and message of S3's answer, which the library keeps as text.
fn spoken(error: &Error) -> (Option<String>, Option<String>) {
    let text = chain(error);
    (between(&text, "<Code>", "</Code>"), between(&text, "<Message>", "</Message>"))
}

/// The error and its causes, whichever of them holds S3's page.
fn chain(error: &Error) -> String {
    let causes = std::iter::successors(Some(error as &(dyn StdError + 'static)), |error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn between(text: &str, start: &str, end: &str) -> Option<String> {
    const CHARS_MAX: usize = 300;
    let from = text.find(start)? + start.len();
    let to = from + text[from..].find(end)?;
    Some(text[from..to].chars().take(CHARS_MAX).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_s3_says_is_found_in_its_page() {
        let page = "Server returned non-2xx status code: 403 Forbidden: <?xml version=\"1.0\"?><Error><Code>AccessDenied</Code>\
                    <Message>User is not authorized</Message></Error>";
        let error = Error::PermissionDenied { path: "a".to_owned(), source: Box::new(Said(page.to_owned())) };
        assert_eq!(spoken(&error), (Some("AccessDenied".to_owned()), Some("User is not authorized".to_owned())));
        let silent = Error::PermissionDenied { path: "a".to_owned(), source: Box::new(Said("403".to_owned())) };
        assert_eq!(spoken(&silent), (None, None));
    }

    #[test]
    fn what_is_said_of_the_bucket_is_told_from_what_is_said_of_an_object() {
        let page = |code: &str, more: &str| {
            format!("400 Bad Request: <Error><Code>{code}</Code><Message>said</Message>{more}</Error>")
        };
        let bare = "Received redirect without LOCATION, this normally indicates an incorrectly configured region";
        for (text, expected) in [
            (page("NoSuchBucket", ""), "Gone { said: \"NoSuchBucket: said\" }"),
            (page("PermanentRedirect", ""), "Elsewhere { said: \"PermanentRedirect: said\", region: None }"),
            (
                page("AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>"),
                "Elsewhere { said: \"AuthorizationHeaderMalformed: said\", region: Some(\"eu-west-1\") }",
            ),
            (bare.to_owned(), "Elsewhere { said: \"it answers with a redirect\", region: None }"),
            (page("KMS.DisabledException", ""), "Key { said: \"KMS.DisabledException: said\" }"),
            (page("KMS.KMSInvalidStateException", ""), "Key { said: \"KMS.KMSInvalidStateException: said\" }"),
            (page("NoSuchKey", ""), "none"),
            (page("AccessDenied", ""), "none"),
            (page("SlowDown", ""), "none"),
            ("connection refused".to_owned(), "none"),
        ] {
            let error = Error::Generic { store: "S3", source: Box::new(Said(text.clone())) };
            let found = of_bucket(&error).map_or("none".to_owned(), |found| format!("{found:?}"));
            assert_eq!(found, expected, "{text}");
        }
    }
}
