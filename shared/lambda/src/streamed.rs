//! An answer piece by piece, for a function URL: the head first, then the body as it comes, until the deadline.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, BodyDataStream};
use clock::{Clock, Sleep};
use futures::Stream;
use http::Response;
use lambda_runtime::{MetadataPrelude, StreamResponse};

use crate::Call;
use crate::answer::one_value_each;
use crate::function::Piece;

/// The body of a streamed answer. It breaks off with an error when the time of its call is over.
pub struct Pieces {
    body: BodyDataStream,
    late: Sleep,
    has_ended: bool,
}

#[derive(Debug, thiserror::Error)]
#[error("the time of this call was over before the answer was complete")]
struct BrokenOff;

pub(crate) fn streamed(response: Response<Body>, call: &Call, clock: &Arc<dyn Clock>) -> StreamResponse<Pieces> {
    let (head, body) = response.into_parts();
    let (headers, cookies) = one_value_each(head.headers);
    StreamResponse {
        metadata_prelude: MetadataPrelude { status_code: head.status, headers, cookies },
        stream: Pieces {
            body: body.into_data_stream(),
            late: clock.sleep(call.time_left(clock.as_ref())),
            has_ended: false,
        },
    }
}

impl Stream for Pieces {
    type Item = Piece;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Piece>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        if self.late.as_mut().poll(context).is_ready() {
            self.has_ended = true;
            tracing::warn!("a streamed answer was broken off at its deadline");
            return Poll::Ready(Some(Err(axum::Error::new(BrokenOff))));
        }
        Pin::new(&mut self.body).poll_next(context)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use clock::SystemClock;
    use futures::StreamExt;

    use super::*;

    fn call(stop_at: i64) -> Call {
        Call { request_id: "r".into(), stop_at }
    }

    #[tokio::test]
    async fn a_body_comes_piece_by_piece_and_breaks_off_at_the_deadline() {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let pieces = || futures::stream::iter([Ok::<_, axum::Error>(Bytes::from("a")), Ok(Bytes::from("b"))]);
        let response = Response::builder().status(206).header("x", "1").header("x", "2");
        let response = response.body(Body::from_stream(pieces())).expect("a response");
        let answer = streamed(response, &call(i64::MAX), &clock);
        assert_eq!(answer.metadata_prelude.status_code, 206);
        assert_eq!(answer.metadata_prelude.headers["x"], "1, 2");
        let sent: Vec<Bytes> = answer.stream.map(|piece| piece.expect("no error")).collect().await;
        assert_eq!(sent, ["a", "b"]);

        let endless = pieces().chain(futures::stream::pending());
        let answer = streamed(Response::new(Body::from_stream(endless)), &call(0), &clock);
        let sent: Vec<Piece> = answer.stream.collect().await;
        assert!(sent.last().expect("it ends").is_err(), "with an error");
    }
}
