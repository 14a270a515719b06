//! Reading a request's body: within the limit on its size, and within the process's budget for bodies in flight.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::Refusal;

/// A client that takes longer than this to send its body is told to come back.
const READ_WITHIN: Duration = Duration::from_secs(30);
const BLOCK_BYTES: usize = 1024;

/// The bytes that all bodies in flight may take together.
#[derive(Clone)]
pub(crate) struct Budget(Arc<Semaphore>);

/// A share of the budget, given back when dropped.
pub(crate) struct Share {
    budget: Budget,
    permit: Option<OwnedSemaphorePermit>,
    blocks: usize,
}

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new((bytes / BLOCK_BYTES).min(Semaphore::MAX_PERMITS))))
    }

    fn share(&self) -> Share {
        Share { budget: self.clone(), permit: None, blocks: 0 }
    }
}

impl Share {
    /// Grows the share to `bytes`, or refuses at once; waiting would hold the bodies that are here already.
    pub(crate) fn grow_to(&mut self, bytes: usize) -> Result<(), Refusal> {
        let blocks = bytes.div_ceil(BLOCK_BYTES);
        let Some(more) = blocks.checked_sub(self.blocks).filter(|more| *more > 0) else { return Ok(()) };
        let more_permits = u32::try_from(more).map_err(|_| Refusal::Overloaded)?;
        let semaphore = Arc::clone(&self.budget.0);
        let permit = semaphore.try_acquire_many_owned(more_permits).map_err(|_| Refusal::Overloaded)?;
        match &mut self.permit {
            Some(held) => held.merge(permit),
            none => *none = Some(permit),
        }
        self.blocks = blocks;
        Ok(())
    }
}

/// The whole body as sent, and the share of the budget it holds.
pub(crate) async fn read(
    budget: &Budget,
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
) -> Result<(Bytes, Share), Refusal> {
    let mut share = budget.share();
    if let Some(announced) = content_length(headers).or_else(|| body.size_hint().exact()) {
        let announced = usize::try_from(announced).unwrap_or(usize::MAX);
        if announced > bytes_max {
            return Err(Refusal::TooLarge { bytes_max });
        }
        share.grow_to(announced)?;
    }
    let bytes = tokio::time::timeout(READ_WITHIN, collect(body, bytes_max, &mut share))
        .await
        .map_err(|_| Refusal::SlowBody { within_s: READ_WITHIN.as_secs() })??;
    Ok((bytes, share))
}

async fn collect(mut body: Body, bytes_max: usize, share: &mut Share) -> Result<Bytes, Refusal> {
    let mut first: Option<Bytes> = None;
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Refusal::BrokenBody { what: error.to_string() })?;
        let Ok(piece) = frame.into_data() else { continue };
        let so_far = first.as_ref().map_or(all.len(), Bytes::len) + piece.len();
        if so_far > bytes_max {
            return Err(Refusal::TooLarge { bytes_max });
        }
        share.grow_to(so_far)?;
        match first.take() {
            None if all.is_empty() => first = Some(piece),
            None => all.extend_from_slice(&piece),
            Some(one) => {
                all.extend_from_slice(&one);
                all.extend_from_slice(&piece);
            }
        }
    }
    Ok(first.unwrap_or_else(|| all.freeze()))
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_over_the_limit_or_the_budget_is_refused_and_the_budget_comes_back() {
        let budget = Budget::new(10 * BLOCK_BYTES);
        let send = |n: usize, max: usize| {
            let budget = budget.clone();
            async move { read(&budget, &HeaderMap::new(), Body::from(vec![0; n]), max).await.map(|(b, s)| (b.len(), s)) }
        };
        assert!(matches!(send(11, 10).await, Err(Refusal::TooLarge { bytes_max: 10 })));
        let (n, held) = send(8 * BLOCK_BYTES, 1 << 20).await.expect("fits");
        assert_eq!(n, 8 * BLOCK_BYTES);
        assert!(matches!(send(3 * BLOCK_BYTES, 1 << 20).await, Err(Refusal::Overloaded)));
        drop(held);
        assert!(send(3 * BLOCK_BYTES, 1 << 20).await.is_ok());
    }

    #[tokio::test]
    async fn a_body_in_pieces_without_content_length_is_put_together() {
        let pieces = futures::stream::iter([Ok::<_, std::io::Error>("ab"), Ok("cd"), Ok("e")]);
        let budget = Budget::new(1 << 20);
        let (bytes, _share) =
            read(&budget, &HeaderMap::new(), Body::from_stream(pieces), 5).await.expect("within the limit");
        assert_eq!(bytes, "abcde");
    }
}
