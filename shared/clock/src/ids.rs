//! Names that are never used twice, and secrets.

use std::sync::atomic::{AtomicU64, Ordering};

/// Draws names and secrets.
pub trait Ids: Send + Sync + 'static {
    /// A fresh name: lower-case hex, never given twice by any process.
    fn fresh(&self) -> String;

    /// 32 bytes nobody can guess.
    fn secret(&self) -> [u8; 32];
}

/// From the operating system's randomness; fresh names sort by time (UUID v7).
#[derive(Clone, Copy, Debug, Default)]
pub struct RandomIds;

impl Ids for RandomIds {
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    fn fresh(&self) -> String {
        uuid::Uuid::now_v7().simple().to_string()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    fn secret(&self) -> [u8; 32] {
        rand::random()
    }
}

/// Counts up, so that a run replays. For tests and simulation only: its secrets can be guessed.
#[derive(Debug, Default)]
pub struct CountingIds {
    next: AtomicU64,
}

impl Ids for CountingIds {
    fn fresh(&self) -> String {
        format!("{:016x}", self.next.fetch_add(1, Ordering::SeqCst))
    }

    fn secret(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&self.next.fetch_add(1, Ordering::SeqCst).to_be_bytes());
        bytes
    }
}
