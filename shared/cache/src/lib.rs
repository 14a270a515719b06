//! Bytes of objects, kept in memory and on a disk, so that they are fetched once.
//!
//! Objects never change and no name is ever used twice, so what is kept never goes stale. Whatever is wrong with the disk (full,
//! damaged, gone, another process in its folder) makes that less is kept: never an error, never other bytes than were put.
//!
//! - [`Cache`]: both tiers as one, and what it counts. [`Limits`]: how much.
//! - [`Piece`]: what is kept: some bytes of one object of one project. [`cut`], [`join`]: which pieces hold what is asked for.
//! - [`Kind`]: what bytes are. Rows and the bytes that lead to rows have room of their own each: a scan of everything pushes no
//!   footer out.
//! - `disk`: files that are written from end to end, and dropped whole, oldest first.

mod disk;
mod kept;
mod limits;
mod meters;
mod piece;

pub use kept::Cache;
pub use limits::{DiskLimits, Limits};
pub use meters::{Meters, Tier};
pub use piece::{Kind, ObjectId, PIECE_BYTES_MAX, Piece, cut, join};
