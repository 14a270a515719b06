//! Step 4, first half: which live segments the next batch takes, read and checked now.
//!
//! Only segments that no `batch#` lists, the oldest first. What cannot be read moves to quarantine, under the fence; a
//! store that does not answer is no reason for that and ends the pass.

use meta::ledger::{BATCH_SEGMENTS_MAX, LedgerView};
use model::safeguard::{Safeguard, holds};
use model::{DueRule, Segment, TableId, choose_within};

use super::Held;
use super::segments::{self, Loaded, Reading};
use crate::{App, Counter, PassError};

/// Memory that a build takes at its peak, in bytes of its segments: measured at ten, with 260,000 spans.
const BUILD_FACTOR: u64 = 12;

/// For whoever reads the log.
pub(super) const QUARANTINED: &str = "a segment is quarantined: its rows are left out, everything else flows; when its \
                                      object is sound again run `plimsoll repair`";

/// What was chosen, in the order of the batch. Empty: nothing is due.
#[derive(Default)]
pub(super) struct Chosen {
    pub(super) loaded: Vec<Loaded>,
    pub(super) quarantined: u32,
    /// Held until the batch is committed.
    pub(super) _memory: Option<tokio::sync::OwnedSemaphorePermit>,
}

pub(super) async fn choose(
    app: &App,
    table: &TableId,
    held: &mut Held<'_>,
    view: &LedgerView,
    due: DueRule,
) -> Result<Chosen, PassError> {
    let (candidates, newer): (Vec<_>, Vec<_>) =
        view.unlisted().into_iter().partition(|s| s.format <= Segment::FORMAT || !holds(Safeguard::FormatsChecked));
    if !newer.is_empty() {
        tracing::warn!(%table, segments = newer.len(), "segments of a newer version are left to it");
    }
    if !due.is_due(&candidates, app.clock.now()) {
        return Ok(Chosen::default());
    }
    let count_max = held.segments_max().unwrap_or(BATCH_SEGMENTS_MAX).clamp(1, BATCH_SEGMENTS_MAX);
    let segments = choose_within(candidates, app.settings.batch_bytes_max, count_max);
    let memory = held.while_renewing(reserve(app, &segments)).await?;
    let readings = held.while_renewing(segments::read(app, table, segments)).await??;
    let mut chosen = Chosen { _memory: Some(memory), ..Chosen::default() };
    let mut decoded_bytes = 0;
    for reading in readings {
        match reading {
            Reading::Rows(loaded) => {
                decoded_bytes += loaded.memory_bytes();
                // What does not fit waits for the next batch; one too big must move too.
                if chosen.loaded.is_empty() || decoded_bytes <= app.settings.batch_decoded_bytes_max {
                    chosen.loaded.push(loaded);
                }
            }
            Reading::Poison { segment, why } => {
                held.quarantine(&segment, &why.to_string()).await?;
                app.counters.add(Counter::Quarantined, 1);
                tracing::error!(%table, segment = %segment.id, rows = segment.rows, %why, "{QUARANTINED}");
                chosen.quarantined += 1;
            }
            Reading::Newer { segment, why } => {
                tracing::warn!(%table, segment = %segment.id, why, "a segment of a newer version is left to it");
            }
        }
    }
    Ok(chosen)
}

pub(super) async fn reserve(app: &App, segments: &[Segment]) -> tokio::sync::OwnedSemaphorePermit {
    let bytes: u64 = segments.iter().map(|segment| segment.bytes).sum();
    app.reserve(bytes.saturating_mul(BUILD_FACTOR)).await
}
