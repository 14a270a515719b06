//! Landing: one segment to the object store, one transaction in the ledger, `due`, one trigger on the queue.
//!
//! The promise of a 200 is made here: an `Ok` means durable, queryable now, and recorded exactly once.

use std::time::Duration;

use arrow_array::RecordBatch;
use bytes::Bytes;
use clock::Clock;
use meta::ledger::Recorded;
use meta::{StoreError, Trigger};
use model::safeguard::{Safeguard, holds};
use model::{BodyHash, Micros, Segment, SegmentId, TableId};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use objects::{RootError, checksum, landing_key};

use crate::App;
use crate::blocking::blocking;

/// A body that was decoded and waits to land.
pub struct Prepared {
    pub hash: BodyHash,
    pub batch: RecordBatch,
    /// Decompressed size, by which a segment's size is bounded.
    pub bytes: usize,
    pub time_min: Micros,
    pub time_max: Micros,
    /// [`clock::Clock::uptime`] when it had been read.
    pub arrived: Duration,
}

/// What became of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Landed {
    Recorded,
    /// A body with the same bytes was recorded within the window; nothing was added.
    Duplicate,
}

/// A landing failed; the client may send the same bytes again, and none of them will count twice.
#[derive(Debug, thiserror::Error)]
pub enum LandError {
    #[error("failed to encode a segment of {table}")]
    Encode {
        table: TableId,
        #[source]
        source: EncodeError,
    },
    #[error("failed to write segment {key}")]
    Write {
        key: Path,
        #[source]
        source: object_store::Error,
    },
    #[error("failed to record segment {segment} in the ledger")]
    Record {
        segment: SegmentId,
        #[source]
        source: StoreError,
    },
    #[error("segment {segment} could not be recorded within {} s of its arrival", RECORD_WITHIN.as_secs())]
    TooLate { segment: SegmentId },
    #[error("failed to note that {table} is due")]
    Due {
        table: TableId,
        #[source]
        source: StoreError,
    },
    #[error("{table} was not reached within {} s; what was begun goes on", LAND_WITHIN.as_secs())]
    Slow { table: TableId },
    #[error("the landing was abandoned")]
    Abandoned,
}

/// What stood in the way of encoding a segment.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    #[error("bodies could not be put together")]
    Together(#[from] rows::ConformError),
    #[error("rows could not be written as Arrow")]
    Write(#[from] rows::SegmentError),
    #[error("the encoder was cut off")]
    CutOff(#[from] tokio::task::JoinError),
}

/// A body is recorded within this time of its arrival or not at all: so the cleaner knows which objects nobody will name,
/// and a process that was suspended for a day does not record a retry whose first try is forgotten by then.
const RECORD_WITHIN: Duration = Duration::from_secs(120);
/// Storage gets this long for a request. Exporters wait 10 s for an answer unless they are told otherwise; a 503 before that
/// tells them to send again, and if the landing was only slow, the body is known by then.
pub const LAND_WITHIN: Duration = Duration::from_secs(8);
/// How long a store that does not answer is asked again before its bodies are given up.
const RETRY_FOR: Duration = Duration::from_secs(3);
const RETRY_FIRST: Duration = Duration::from_millis(20);
const RETRY_LONGEST: Duration = Duration::from_secs(1);

/// Lands a group of bodies with different hashes; what became of each, in their order.
pub(crate) async fn land(app: &App, table: &TableId, bodies: Vec<Prepared>) -> Result<Vec<Landed>, LandError> {
    let mut outcome = vec![Landed::Recorded; bodies.len()];
    // Places of the bodies that are not known to be duplicates.
    let mut fresh: Vec<usize> = (0..bodies.len()).collect();
    if !holds(Safeguard::DuePutAfterLive) {
        announce(app, table).await?;
    }
    #[cfg(debug_assertions)]
    let mut changes = crate::broken::Changes::default();
    while !fresh.is_empty() {
        let group = Group::new(app, fresh.iter().map(|&at| &bodies[at]).collect());
        #[cfg(debug_assertions)]
        let group = changes.applied_to(group, &bodies);
        let segment = write_segment(app, table, group).await?;
        match record(app, table, &segment).await? {
            Recorded::Live => break,
            Recorded::Duplicates(places) => {
                for &place in &places {
                    outcome[fresh[place]] = Landed::Duplicate;
                }
                fresh.retain(|&at| outcome[at] == Landed::Recorded);
            }
        }
        #[cfg(debug_assertions)]
        if changes.end_here(app, table, &segment.segment).await {
            break;
        }
    }
    let is_announced = holds(Safeguard::DuePutForDuplicates) || outcome.contains(&Landed::Recorded);
    if is_announced && holds(Safeguard::DuePutAfterLive) {
        announce(app, table).await?;
    }
    Ok(outcome)
}

/// The bodies of one segment, and its name.
pub(crate) struct Group<'a> {
    pub(crate) id: SegmentId,
    /// Of the bodies, in their order.
    pub(crate) hashes: Vec<BodyHash>,
    pub(crate) bodies: Vec<&'a Prepared>,
}

impl<'a> Group<'a> {
    /// Of at least one body; the name is fresh.
    fn new(app: &App, bodies: Vec<&'a Prepared>) -> Self {
        let hashes: Vec<BodyHash> = bodies.iter().map(|b| b.hash).collect();
        Self { id: SegmentId::new(&hashes[0], &app.ids.fresh()), hashes, bodies }
    }
}

/// A segment that is durable and not yet recorded.
struct Written {
    segment: Segment,
    bodies: Vec<BodyHash>,
    /// When the first of its bodies arrived.
    arrived: Duration,
}

async fn write_segment(app: &App, table: &TableId, group: Group<'_>) -> Result<Written, LandError> {
    let Group { id, hashes, bodies } = group;
    let arrived = bodies.iter().map(|b| b.arrived).min().unwrap_or_default();
    // Its key names the hour of arrival, so nothing is written long after it.
    if is_late(app, arrived) {
        return Err(LandError::TooLate { segment: id });
    }
    let now = app.clock.now();
    let rows = bodies.iter().map(|b| b.batch.num_rows() as u64).sum();
    let time_min = bodies.iter().map(|b| b.time_min).min().unwrap_or(now);
    let time_max = bodies.iter().map(|b| b.time_max).max().unwrap_or(now);
    let bytes = encode(table, &bodies, &hashes).await?;
    let key = landing_key(table.table, now, &id);
    let segment = Segment {
        id,
        key: key.to_string(),
        bytes: bytes.len() as u64,
        checksum: checksum(&bytes),
        rows,
        time_min,
        time_max,
        recorded_at: now,
        format: Segment::FORMAT,
    };
    put(app, table, &key, bytes).await?;
    Ok(Written { segment, bodies: hashes, arrived })
}

/// On a thread for blocking work: compressing a large group takes milliseconds.
async fn encode(table: &TableId, bodies: &[&Prepared], hashes: &[BodyHash]) -> Result<Bytes, LandError> {
    let name = table.table;
    let divided: Vec<_> = hashes.iter().zip(bodies).map(|(hash, body)| (*hash, body.batch.num_rows())).collect();
    let batches: Vec<RecordBatch> = bodies.iter().map(|b| b.batch.clone()).collect();
    let encoded = blocking(move || {
        Ok(match batches.as_slice() {
            [one] => rows::segment::write_divided(one, &divided)?,
            many => rows::segment::write_divided(&rows::concat(name, many)?, &divided)?,
        })
    });
    let flattened = encoded.await.unwrap_or_else(|cut_off| Err(EncodeError::CutOff(cut_off)));
    flattened.map_err(|source| LandError::Encode { table: table.clone(), source })
}

/// The key is fresh, so a PUT may be repeated until it is known to stand.
async fn put(app: &App, table: &TableId, key: &Path, bytes: Bytes) -> Result<(), LandError> {
    let root = app.roots.open(&table.project);
    let mut patience = Patience::new(app.clock.as_ref());
    loop {
        match root.store.put(key, bytes.clone().into()).await {
            Ok(_) => return Ok(()),
            Err(source) => {
                tracing::warn!(%key, error = &source as &dyn std::error::Error, "segment PUT failed");
                // What an owner has to see to takes longer than a client waits.
                let is_the_owners = RootError::behind(&source).is_some_and(RootError::is_the_owners);
                if is_the_owners || !patience.wait(app.clock.as_ref()).await {
                    return Err(LandError::Write { key: key.clone(), source });
                }
            }
        }
    }
}

fn is_late(app: &App, arrived: Duration) -> bool {
    app.clock.uptime().saturating_sub(arrived) >= RECORD_WITHIN && holds(Safeguard::RecordedInTime)
}

async fn record(app: &App, table: &TableId, written: &Written) -> Result<Recorded, LandError> {
    let mut patience = Patience::new(app.clock.as_ref());
    loop {
        if is_late(app, written.arrived) {
            return Err(LandError::TooLate { segment: written.segment.id.clone() });
        }
        match app.ledger.record(table, &written.segment, &written.bodies).await {
            Ok(recorded) => return Ok(recorded),
            Err(source) => {
                tracing::warn!(segment = %written.segment.id, error = &source as &dyn std::error::Error, "ledger did not record");
                if !patience.wait(app.clock.as_ref()).await {
                    return Err(LandError::Record { segment: written.segment.id.clone(), source });
                }
            }
        }
    }
}

/// Notes that the table is due, for duplicates too since their first try may have died before it; then sends a trigger,
/// whose loss the sweeper makes good.
async fn announce(app: &App, table: &TableId) -> Result<(), LandError> {
    let now = app.clock.uptime();
    if app.announced.due_is_stale(table, now) {
        app.ledger.put_due(table).await.map_err(|source| LandError::Due { table: table.clone(), source })?;
        app.announced.due_was_put(table, now);
    }
    if app.announced.trigger_is_wanted(table, now) {
        let trigger = serde_json::to_string(&Trigger::new(table.clone())).expect("a trigger is two plain texts");
        if let Err(error) = app.queue.send(&[trigger]).await {
            tracing::warn!(%table, error = &error as &dyn std::error::Error, "trigger was not sent; the sweeper will find the table");
        }
    }
    Ok(())
}

/// Waits longer and longer between tries, and says when it is enough.
struct Patience {
    /// [`Clock::uptime`]
    since: Duration,
    /// In pauses.
    spent: Duration,
    next: Duration,
}

impl Patience {
    fn new(clock: &dyn Clock) -> Self {
        Self { since: clock.uptime(), spent: Duration::ZERO, next: RETRY_FIRST }
    }

    /// False: the time for trying again is used up.
    async fn wait(&mut self, clock: &dyn Clock) -> bool {
        // A call that took long has used it up as well.
        if self.spent.max(clock.uptime().saturating_sub(self.since)) >= RETRY_FOR {
            return false;
        }
        clock.sleep(self.next).await;
        self.spent += self.next;
        self.next = (self.next * 2).min(RETRY_LONGEST);
        true
    }
}
