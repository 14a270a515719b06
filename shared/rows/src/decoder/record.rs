//! What spans, logs and points have in common: ids, times, text.

use model::Micros;

use super::BodyContext;
use super::outcome::{HasTime, Refusal};
use crate::column::Text;
use crate::json::{Lossy, hex};

/// The time of a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct RecordTime {
    pub(super) micros: Micros,
    pub(super) nanos: i64,
    pub(super) has_time: HasTime,
}

impl RecordTime {
    /// `unix_nano` if it is set, else the time of arrival.
    #[inline]
    pub(super) fn new(unix_nano: u64, context: &BodyContext<'_>) -> Result<Self, Refusal> {
        if unix_nano == 0 {
            let (micros, nanos) = (context.arrived_at, context.arrived_at.saturating_mul(1_000));
            return Ok(Self { micros, nanos, has_time: HasTime::No });
        }
        let nanos = i64::try_from(unix_nano).map_err(|_| Refusal::Time)?;
        let micros = nanos / 1_000;
        if !context.accepted.contains(micros) {
            return Err(Refusal::Time);
        }
        Ok(Self { micros, nanos, has_time: HasTime::Yes })
    }
}

/// A time that is not checked: null if it is unset or beyond what the column can say.
#[inline]
pub(super) fn micros(unix_nano: u64) -> Option<Micros> {
    i64::try_from(unix_nano).ok().filter(|nanos| *nanos > 0).map(|nanos| nanos / 1_000)
}

/// An id that has to be there: of the right length, and not all zero.
#[inline]
pub(super) fn required_id(id: &[u8], length: usize, reason: Refusal) -> Result<&[u8], Refusal> {
    if id.len() == length && id.iter().any(|byte| *byte != 0) { Ok(id) } else { Err(reason) }
}

/// An id that may be missing, which some senders write as zeros: None.
#[inline]
pub(super) fn optional_id(id: &[u8], length: usize, reason: Refusal) -> Result<Option<&[u8]>, Refusal> {
    match id {
        [] => Ok(None),
        id if id.len() != length => Err(reason),
        id if id.iter().all(|byte| *byte == 0) => Ok(None),
        id => Ok(Some(id)),
    }
}

/// Sets a text column; nothing sent is null.
#[inline]
pub(super) fn set_text(column: &mut Text, row: usize, text: &[u8], lossy: &mut Lossy) {
    if !text.is_empty() {
        lossy.append(column.open(row), text);
        column.close();
    }
}

/// Sets a text column to an id in hex.
#[inline]
pub(super) fn set_hex(column: &mut Text, row: usize, id: &[u8]) {
    hex(column.open(row), id);
    column.close();
}
