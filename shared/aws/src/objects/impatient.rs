//! No call waits for ever on a server that has taken a connection and says nothing, or says it byte by byte.
//!
//! A try ends when its answer has not begun in time, longer for bodies that are sent, or when no more of the answer comes
//! for a while. To the library above that is a time-out: what may be repeated is, within its tries; of anything else the
//! outcome is unknown, and the write path treats it so.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use clock::{Clock, Sleep, within};
use http_body::{Body, Frame, SizeHint};
use object_store::client::{
    HttpClient, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
};

/// How long a try waits for what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// For the head of the answer, after the body was sent.
    pub(crate) head_within: Duration,
    /// For the body of the request: slower than this nobody sends.
    pub(crate) sent_bytes_per_s_min: u64,
    /// For more of the answer.
    pub(crate) more_within: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_within: Duration::from_secs(10),
            sent_bytes_per_s_min: 1 << 20,
            more_within: Duration::from_secs(10),
        }
    }
}

/// What a store was not waited for.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {} s", .0.as_secs_f64())]
struct Silent(Duration);

/// A client that gives up.
pub(crate) struct Impatient {
    inner: HttpClient,
    limits: Limits,
    clock: Arc<dyn Clock>,
}

impl Impatient {
    pub(crate) fn new(inner: HttpClient, limits: Limits, clock: Arc<dyn Clock>) -> Self {
        Self { inner, limits, clock }
    }
}

#[async_trait]
impl HttpService for Impatient {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let sent_bytes = request.body().content_length() as u64;
        let sending = Duration::from_secs(sent_bytes / self.limits.sent_bytes_per_s_min);
        let patience = self.limits.head_within + sending;
        let answered = within(self.clock.as_ref(), patience, self.inner.execute(request)).await;
        let (head, body) = answered.ok_or_else(|| silent(patience))??.into_parts();
        let more_within = self.limits.more_within;
        let body = Flowing { body, more_within, clock: Arc::clone(&self.clock), patience: Mutex::default() };
        Ok(HttpResponse::from_parts(head, HttpResponseBody::new(body)))
    }
}

/// An answer of which more must come again and again.
struct Flowing {
    body: HttpResponseBody,
    more_within: Duration,
    clock: Arc<dyn Clock>,
    /// Of the piece that is waited for; a mutex since bodies are shared, which a wait is not.
    patience: Mutex<Option<Sleep>>,
}

impl Body for Flowing {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let this = &mut *self;
        let patience = this.patience.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
            *patience = None;
            return Poll::Ready(frame);
        }
        let waiting = patience.get_or_insert_with(|| this.clock.sleep(this.more_within));
        match waiting.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Some(Err(silent(this.more_within)))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn silent(after: Duration) -> HttpError {
    HttpError::new(HttpErrorKind::Timeout, Silent(after))
}

impl fmt::Debug for Impatient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Impatient").field("inner", &self.inner).field("limits", &self.limits).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use clock::SystemClock;
    use futures::{StreamExt, stream};
    use http_body_util::StreamBody;
    use object_store::client::HttpRequestBody;

    use super::*;

    const LIMITS: Limits = Limits {
        head_within: Duration::from_millis(20),
        sent_bytes_per_s_min: 1 << 20,
        more_within: Duration::from_millis(20),
    };

    /// A server that takes everything and answers so much.
    #[derive(Clone, Copy, Debug)]
    enum Server {
        Nothing,
        /// A head, this many pieces, and no end.
        Pieces(usize),
        All,
    }

    #[async_trait]
    impl HttpService for Server {
        async fn call(&self, _: HttpRequest) -> Result<HttpResponse, HttpError> {
            let pieces = |n: usize| stream::iter((0..n).map(|_| Ok(Frame::data(Bytes::from_static(b"piece")))));
            Ok(HttpResponse::new(match *self {
                Self::Nothing => std::future::pending().await,
                Self::Pieces(n) => HttpResponseBody::new(StreamBody::new(pieces(n).chain(stream::pending()))),
                Self::All => HttpResponseBody::new(StreamBody::new(pieces(3))),
            }))
        }
    }

    /// The answer, or how the call or its body failed.
    async fn answer(server: Server) -> Result<Bytes, HttpErrorKind> {
        let client = Impatient::new(HttpClient::new(server), LIMITS, Arc::new(SystemClock));
        let answered = client.call(HttpRequest::new(HttpRequestBody::empty())).await.map_err(|error| error.kind())?;
        answered.into_body().bytes().await.map_err(|error| error.kind())
    }

    #[tokio::test]
    async fn a_server_that_stays_silent_is_not_waited_for() {
        assert_eq!(answer(Server::All).await, Ok(Bytes::from_static(b"piecepiecepiece")));
        for silent in [Server::Nothing, Server::Pieces(0), Server::Pieces(2)] {
            assert_eq!(answer(silent).await, Err(HttpErrorKind::Timeout), "{silent:?}");
        }
    }
}
