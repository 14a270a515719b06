//! Step 3: what nothing names comes in again, by ingest's own last step. And a segment is written again without bodies
//! that another one holds.

use std::collections::HashSet;
use std::time::Duration;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use bytes::Bytes;
use meta::ledger::{Forgotten, Lease, Recorded};
use model::safeguard::{Safeguard, holds};
use model::{BodyHash, Segment, SegmentId, TableId};
use object_store::ObjectStoreExt;
use objects::{checksum, landing_key};
use rows::segment::{SegmentError, SegmentFooter};

use super::Repaired;
use super::known::Found;
use super::landing::Landed;
use crate::pass::segments::{Fault, check};
use crate::{App, PassError};

/// A segment is recorded within this time of its PUT or not at all, as ingest does it.
const RECORD_WITHIN: Duration = Duration::from_secs(120);

/// Records every body that nothing holds, from the landing objects that nothing names.
pub(super) async fn bring_back(
    app: &App,
    table: &TableId,
    lease: &Lease,
    found: Found,
    did: &mut Repaired,
) -> Result<(), PassError> {
    let Found { mut unnamed, mut holders, named } = found;
    // Those that cannot be divided come first, while none of their bodies has come in with another.
    unnamed.sort_by_key(|(landed, footer)| (is_divisible(footer), landed.at, landed.id.clone()));
    for (landed, footer) in unnamed {
        let mut wanted = Vec::new();
        for hash in &footer.bodies {
            if !holders.hold(hash, landed.at) && !is_known(app, table, lease, hash, &named).await? {
                wanted.push(*hash);
            }
        }
        let recorded = record(app, table, &landed, &footer, wanted, did).await?;
        holders.add(recorded, landed.at);
    }
    Ok(())
}

/// Takes bodies out of a live segment that the table holds already: `held` tells which.
pub(super) async fn take_out(
    app: &App,
    table: &TableId,
    lease: &Lease,
    landed: &Landed,
    footer: &SegmentFooter,
    held: &[bool],
    did: &mut Repaired,
) -> Result<(), PassError> {
    let left: Vec<BodyHash> =
        footer.bodies.iter().zip(held).filter(|(_, held)| !**held).map(|(hash, _)| *hash).collect();
    if left.is_empty() || !holds(Safeguard::RepairDividesGroups) {
        app.ledger.replace_live(table, lease, &landed.id, None).await?;
        did.doubles_removed += 1;
        return Ok(());
    }
    let Some(whole) = read(app, table, landed, footer, did).await? else { return Ok(()) };
    let Some(part) = part_of(table, &whole, footer, &left, did)? else { return Ok(()) };
    let written = write(app, table, &part).await?;
    app.ledger.replace_live(table, lease, &landed.id, Some((&written.segment, &left))).await?;
    did.doubles_removed += 1;
    Ok(())
}

/// True if a body is in a segment that counts. If its `seen#` names one that does not, that goes.
async fn is_known(
    app: &App,
    table: &TableId,
    lease: &Lease,
    hash: &BodyHash,
    named: &HashSet<SegmentId>,
) -> Result<bool, PassError> {
    let Some(segment) = app.ledger.seen_in(table, hash).await? else { return Ok(false) };
    if named.contains(&segment) || !holds(Safeguard::RepairForgetsSeen) {
        return Ok(true);
    }
    Ok(app.ledger.forget_seen(table, lease, hash, &segment).await? == Forgotten::StillKnown)
}

/// Records the wanted bodies of an object: as it lies, or written again without the others. Those that were recorded.
async fn record(
    app: &App,
    table: &TableId,
    landed: &Landed,
    footer: &SegmentFooter,
    mut wanted: Vec<BodyHash>,
    did: &mut Repaired,
) -> Result<Vec<BodyHash>, PassError> {
    if wanted.is_empty() {
        return Ok(wanted);
    }
    let Some(whole) = read(app, table, landed, footer, did).await? else { return Ok(Vec::new()) };
    while !wanted.is_empty() {
        let written = if wanted == footer.bodies {
            Written { segment: whole.segment.clone(), began: None }
        } else {
            let Some(part) = part_of(table, &whole, footer, &wanted, did)? else { return Ok(Vec::new()) };
            write(app, table, &part).await?
        };
        written.refuse_late(app)?;
        match app.ledger.record(table, &written.segment, &wanted).await? {
            Recorded::Live => {
                did.segments_restored += 1;
                did.rows_restored += written.segment.rows;
                break;
            }
            // A producer was faster.
            Recorded::Duplicates(places) => {
                let left = wanted.iter().enumerate().filter(|(place, _)| !places.contains(place));
                wanted = left.map(|(_, hash)| *hash).collect();
            }
        }
    }
    Ok(wanted)
}

/// An object with its rows, and the line of the ledger that would name it.
struct Whole {
    segment: Segment,
    rows: RecordBatch,
}

/// A segment that is durable and not yet recorded.
struct Written {
    segment: Segment,
    /// [`clock::Clock::uptime`] before its PUT began; none: it landed long ago.
    began: Option<Duration>,
}

impl Written {
    fn refuse_late(&self, app: &App) -> Result<(), PassError> {
        match self.began {
            Some(began) if app.clock.uptime().saturating_sub(began) >= RECORD_WITHIN => Err(PassError::TimeUp),
            _ => Ok(()),
        }
    }
}

/// None: it cannot be read, which was said and counted.
async fn read(
    app: &App,
    table: &TableId,
    landed: &Landed,
    footer: &SegmentFooter,
    did: &mut Repaired,
) -> Result<Option<Whole>, PassError> {
    let mut unreadable = |why: String| {
        tracing::error!(%table, key = %landed.key, why, "a landing object that nothing names cannot be read");
        did.unreadable_objects += 1;
        Ok(None)
    };
    let failed = |source| PassError::Store { act: "read a landing object", source };
    let bytes = match app.root(table).store.get(&landed.key).await {
        Ok(found) => found.bytes().await.map_err(failed)?,
        Err(object_store::Error::NotFound { .. }) => return unreadable("it is gone".to_owned()),
        Err(error) => return Err(failed(error)),
    };
    let batches = match rows::segment::read(bytes.clone()) {
        Ok((batches, _)) => batches,
        Err(error @ SegmentError::NewerFormat { .. }) => {
            return Err(PassError::Newer(format!("segment {}: {error}", landed.id)));
        }
        Err(error) => return unreadable(error.to_string()),
    };
    let together = match rows::concat(table.table, &batches) {
        Ok(together) => together,
        Err(error) => return unreadable(error.to_string()),
    };
    let told: Option<usize> = footer.body_rows.as_ref().map(|rows| rows.iter().sum());
    if told.is_some_and(|told| told != together.num_rows()) {
        return unreadable("its footer tells another number of rows".to_owned());
    }
    let Some(segment) = segment(app, landed.id.clone(), landed.key.to_string(), &bytes, &together) else {
        return unreadable("its rows have no time".to_owned());
    };
    match check(table, &segment, std::slice::from_ref(&together)) {
        Ok(()) => Ok(Some(Whole { segment, rows: together })),
        Err(Fault::Newer(why)) => Err(PassError::Newer(format!("segment {}: {why}", landed.id))),
        Err(Fault::Damaged(why)) => unreadable(why),
    }
}

/// None: it has rows without a time.
fn segment(app: &App, id: SegmentId, key: String, bytes: &Bytes, rows: &RecordBatch) -> Option<Segment> {
    let times = rows.column_by_name(lake::SORT_COLUMN)?.as_primitive_opt::<TimestampMicrosecondType>()?;
    Some(Segment {
        id,
        key,
        bytes: bytes.len() as u64,
        checksum: checksum(bytes),
        rows: rows.num_rows() as u64,
        time_min: arrow::compute::min(times)?,
        time_max: arrow::compute::max(times)?,
        recorded_at: app.clock.now(),
        format: Segment::FORMAT,
    })
}

fn is_divisible(footer: &SegmentFooter) -> bool {
    footer.bodies.len() == 1 || footer.body_rows.is_some()
}

/// Some of the bodies of a segment.
struct Part {
    rows: RecordBatch,
    /// How many rows each has, in the order in which they lie.
    bodies: Vec<(BodyHash, usize)>,
}

/// None: nothing tells the rows of the bodies apart, which was said and counted.
fn part_of(
    table: &TableId,
    whole: &Whole,
    footer: &SegmentFooter,
    wanted: &[BodyHash],
    did: &mut Repaired,
) -> Result<Option<Part>, PassError> {
    let Some(body_rows) = &footer.body_rows else {
        let key = &whole.segment.key;
        tracing::error!(%table, key, "a segment of an early version does not tell the rows of its bodies apart");
        did.undivided_objects += 1;
        return Ok(None);
    };
    let (mut slices, mut bodies, mut from) = (Vec::new(), Vec::new(), 0);
    for (hash, n_rows) in footer.bodies.iter().zip(body_rows) {
        if wanted.contains(hash) {
            slices.push(whole.rows.slice(from, *n_rows));
            bodies.push((*hash, *n_rows));
        }
        from += n_rows;
    }
    let rows = rows::concat(table.table, &slices).map_err(|error| PassError::Build(error.into()))?;
    Ok(Some(Part { rows, bodies }))
}

/// Lands a part under a fresh name.
async fn write(app: &App, table: &TableId, part: &Part) -> Result<Written, PassError> {
    let began = Some(app.clock.uptime());
    let bytes =
        rows::segment::write_divided(&part.rows, &part.bodies).map_err(|error| PassError::Build(error.into()))?;
    let id = SegmentId::new(&part.bodies[0].0, &app.ids.fresh());
    let key = landing_key(table.table, app.clock.now(), &id);
    let segment = segment(app, id, key.to_string(), &bytes, &part.rows)
        .ok_or_else(|| PassError::Build("a part of a segment has no times".into()))?;
    let put = app.root(table).store.put(&key, bytes.into()).await;
    put.map_err(|source| PassError::Store { act: "write a landing object", source })?;
    Ok(Written { segment, began })
}
