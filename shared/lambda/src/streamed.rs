//! An answer piece by piece, for a function URL: the head first, then the body as it comes, until the deadline.
//!
//! A body that breaks off, or that is cut at the deadline, never ends as a whole one does. That is said in the body itself: the
//! client of a function URL sees nothing else. `lambda_runtime` 1.5 writes an error of the stream as two lines of text into the
//! body and then ends it as usual, so it is never handed one.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use clock::{Clock, Sleep};
use edge::LastWords;
use futures::Stream;
use http::Response;
use lambda_runtime::{MetadataPrelude, StreamResponse};

use crate::Call;
use crate::answer::one_value_each;
use crate::function::Piece;

/// For a body that does not say how its readers are told: no JSON and no text of ours ends so.
const CUT: &[u8] = b"\n{\"broken_off\":\"the time for this answer was over before all of it was sent\"\n";

/// The body of a streamed answer; never an error.
pub struct Pieces {
    body: BodyDataStream,
    late: Sleep,
    /// Sent when the body is cut; taken when it has ended.
    last_words: Option<LastWords>,
    /// The body says itself that it broke off.
    speaks_for_itself: bool,
}

pub(crate) fn streamed(response: Response<Body>, call: &Call, clock: &Arc<dyn Clock>) -> StreamResponse<Pieces> {
    let (mut head, body) = response.into_parts();
    let (headers, cookies) = one_value_each(head.headers);
    let own = head.extensions.remove::<LastWords>();
    StreamResponse {
        metadata_prelude: MetadataPrelude { status_code: head.status, headers, cookies },
        stream: Pieces {
            body: body.into_data_stream(),
            late: clock.sleep(call.time_left(clock.as_ref())),
            speaks_for_itself: own.is_some(),
            last_words: Some(own.unwrap_or(LastWords(Bytes::from_static(CUT)))),
        },
    }
}

impl Stream for Pieces {
    type Item = Piece;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Piece>> {
        let this = &mut *self;
        if this.last_words.is_none() {
            return Poll::Ready(None);
        }
        if this.late.as_mut().poll(context).is_ready() {
            tracing::warn!("a streamed answer was cut at its deadline");
            return Poll::Ready(this.last_words.take().map(|LastWords(words)| Ok(words)));
        }
        match Pin::new(&mut this.body).poll_next(context) {
            Poll::Ready(Some(Err(error))) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a streamed answer broke off");
                let said = this.last_words.take().filter(|_| !this.speaks_for_itself);
                Poll::Ready(said.map(|LastWords(words)| Ok(words)))
            }
            Poll::Ready(None) => {
                this.last_words = None;
                Poll::Ready(None)
            }
            next => next,
        }
    }
}

#[cfg(test)]
mod tests {
    use clock::SystemClock;
    use futures::StreamExt;

    use super::*;

    fn call(stop_at: i64) -> Call {
        Call { request_id: "r".into(), stop_at }
    }

    async fn sent(response: Response<Body>, call: &Call) -> String {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let pieces: Vec<Piece> = streamed(response, call, &clock).stream.collect().await;
        let bytes: Vec<u8> = pieces.into_iter().flat_map(|piece| piece.expect("never an error")).collect();
        String::from_utf8(bytes).expect("text")
    }

    #[tokio::test]
    async fn a_body_comes_piece_by_piece() {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let pieces = futures::stream::iter([Ok::<_, axum::Error>(Bytes::from("a")), Ok(Bytes::from("b"))]);
        let response = Response::builder().status(206).header("x", "1").header("x", "2");
        let answer = streamed(response.body(Body::from_stream(pieces)).expect("a response"), &call(i64::MAX), &clock);
        assert_eq!(answer.metadata_prelude.status_code, 206);
        assert_eq!(answer.metadata_prelude.headers["x"], "1, 2");
        let sent: Vec<Bytes> = answer.stream.map(|piece| piece.expect("never an error")).collect().await;
        assert_eq!(sent, ["a", "b"]);
    }

    /// It ended as a whole answer does, behind two lines of text that the runtime wrote for its own use.
    #[tokio::test]
    async fn an_answer_that_is_cut_does_not_end_as_a_whole_one() {
        let ok = |piece: &'static str| Ok(Bytes::from(piece));
        let broken = || Err(axum::Error::new(std::io::Error::other("gone")));
        let cut = std::str::from_utf8(CUT).expect("text");
        let cases = [
            (None, i64::MAX, vec![ok("a"), ok("b")], false, "ab".to_owned()),
            (None, i64::MAX, vec![ok("a"), broken(), ok("b")], false, format!("a{cut}")),
            (Some("!"), i64::MAX, vec![ok("a"), ok("?"), broken()], false, "a?".to_owned()),
            (None, 0, vec![], true, cut.to_owned()),
            (Some("!"), 0, vec![], true, "!".to_owned()),
        ];
        for (own, stop_at, pieces, is_endless, expected) in cases {
            let pieces = futures::stream::iter(pieces);
            let body = match is_endless {
                true => Body::from_stream(pieces.chain(futures::stream::pending())),
                false => Body::from_stream(pieces),
            };
            let mut response = Response::new(body);
            if let Some(words) = own {
                response.extensions_mut().insert(LastWords(Bytes::from(words)));
            }
            assert_eq!(sent(response, &call(stop_at)).await, expected, "{own:?} until {stop_at}");
        }
    }
}
