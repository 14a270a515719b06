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
/// A request waits so long for room, its body unread, before it is told to come back.
const ROOM_WITHIN: Duration = Duration::from_secs(2);
/// The part of the budget that one request takes before its body is there, at most.
const ANNOUNCED_PART: usize = 4;
const BLOCK_BYTES: usize = 1024;

/// The bytes that all bodies in flight may take together.
#[derive(Clone)]
pub(crate) struct Budget {
    blocks: Arc<Semaphore>,
    blocks_max: usize,
}

/// A share of the budget, given back when dropped.
pub(crate) struct Share {
    budget: Budget,
    permit: Option<OwnedSemaphorePermit>,
    blocks: usize,
}

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        let blocks_max = (bytes / BLOCK_BYTES).min(Semaphore::MAX_PERMITS);
        Self { blocks: Arc::new(Semaphore::new(blocks_max)), blocks_max }
    }

    fn share(&self) -> Share {
        Share { budget: self.clone(), permit: None, blocks: 0 }
    }
}

impl Share {
    /// Grows the share to `bytes`, or refuses at once; waiting would hold the bodies that are here already.
    pub(crate) fn grow_to(&mut self, bytes: usize) -> Result<(), Refusal> {
        let Some(more) = self.lacks(bytes)? else { return Ok(()) };
        let semaphore = Arc::clone(&self.budget.blocks);
        let permit = semaphore.try_acquire_many_owned(more).map_err(|_| Refusal::Overloaded)?;
        self.take(permit);
        Ok(())
    }

    /// Waits for a share of `bytes`; to be called with none, so that nobody waits for others who wait.
    async fn wait_for(&mut self, bytes: usize) -> Result<(), Refusal> {
        let Some(more) = self.lacks(bytes)? else { return Ok(()) };
        let room = Arc::clone(&self.budget.blocks).acquire_many_owned(more);
        match tokio::time::timeout(ROOM_WITHIN, room).await {
            Ok(Ok(permit)) => self.take(permit),
            Ok(Err(_)) | Err(_) => return Err(Refusal::Overloaded),
        }
        Ok(())
    }

    /// Gives back what is beyond `bytes`.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        let blocks = bytes.div_ceil(BLOCK_BYTES);
        let Some(surplus) = self.blocks.checked_sub(blocks) else { return };
        if let Some(permit) = &mut self.permit
            && permit.split(surplus).is_some()
        {
            self.blocks = blocks;
        }
    }

    /// Blocks that are missing, if any.
    fn lacks(&self, bytes: usize) -> Result<Option<u32>, Refusal> {
        let more = bytes.div_ceil(BLOCK_BYTES).saturating_sub(self.blocks);
        if more > self.budget.blocks_max {
            return Err(Refusal::Overloaded);
        }
        let more = u32::try_from(more).map_err(|_| Refusal::Overloaded)?;
        Ok((more > 0).then_some(more))
    }

    fn take(&mut self, permit: OwnedSemaphorePermit) {
        self.blocks += permit.num_permits();
        match &mut self.permit {
            Some(held) => held.merge(permit),
            none => *none = Some(permit),
        }
    }
}

/// The whole body as sent, and the share of the budget it holds: room for it, and for `factor` times its length if it was
/// announced, so that who has read a body is seldom refused for want of room.
pub(crate) async fn read(
    budget: &Budget,
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
    factor: usize,
) -> Result<(Bytes, Share), Refusal> {
    let mut share = budget.share();
    let announced = content_length(headers).or_else(|| body.size_hint().exact());
    let announced = announced.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    if let Some(announced) = announced {
        if announced > bytes_max {
            return Err(Refusal::TooLarge { bytes_max });
        }
        let part = budget.blocks_max / ANNOUNCED_PART * BLOCK_BYTES;
        share.wait_for(announced.saturating_mul(factor).min(part).max(announced)).await?;
    }
    let room = announced.unwrap_or_default();
    let bytes = tokio::time::timeout(READ_WITHIN, collect(body, room, bytes_max, &mut share))
        .await
        .map_err(|_| Refusal::SlowBody { within_s: READ_WITHIN.as_secs() })??;
    Ok((bytes, share))
}

/// A body that comes in one piece is taken as it is; others are put together in `room` bytes, which the share has, or more.
async fn collect(mut body: Body, room: usize, bytes_max: usize, share: &mut Share) -> Result<Bytes, Refusal> {
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
                all.reserve(room.max(so_far));
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
    async fn a_body_that_finds_no_room_waits_for_it_a_while() {
        let budget = Budget::new(16 * BLOCK_BYTES);
        let send = |blocks: usize, factor: usize| {
            let budget = budget.clone();
            let body = Body::from(vec![0; blocks * BLOCK_BYTES]);
            async move { read(&budget, &HeaderMap::new(), body, 1 << 20, factor).await.map(|(_, share)| share) }
        };
        // A quarter of the budget at most, before it is there.
        assert_eq!(send(2, 10).await.expect("fits").blocks, 4);
        let mut first = send(15, 1).await.expect("fits");
        let second = tokio::spawn(send(4, 1));
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        first.shrink_to(12 * BLOCK_BYTES);
        assert_eq!(second.await.expect("no panic").expect("there is room now").blocks, 4);
        first.grow_to(16 * BLOCK_BYTES).expect("all came back");
        assert!(matches!(send(1, 1).await, Err(Refusal::Overloaded)));
        assert!(matches!(send(17, 1).await, Err(Refusal::Overloaded)), "there is never so much room");
    }

    #[tokio::test]
    async fn a_body_over_the_limit_or_the_budget_is_refused_and_the_budget_comes_back() {
        let budget = Budget::new(10 * BLOCK_BYTES);
        let send = |n: usize, max: usize| {
            let budget = budget.clone();
            async move { read(&budget, &HeaderMap::new(), Body::from(vec![0; n]), max, 1).await.map(|(b, s)| (b.len(), s)) }
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
            read(&budget, &HeaderMap::new(), Body::from_stream(pieces), 5, 3).await.expect("within the limit");
        assert_eq!(bytes, "abcde");
    }
}
