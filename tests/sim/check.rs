//! The invariants, checked on the stores themselves after every call that changed one: all of a world is looked at in one
//! moment, by nothing but the stores' own faces, the ledger's view and the contents of files.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use lake::{FileName, LogOpener, Snapshot};
use meta::ledger::LedgerView;
use model::{Segment, SegmentId, TableId};
use object_store::path::Path;
use objects::{checksum, table_path};

use crate::lookup::{Indexes, Readers};
use crate::world::contents::{self, Record};
use crate::world::{Found, World};

/// What the write path promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Invariant {
    /// Every acknowledged record is in the table exactly once after the queue drains.
    C1,
    /// Never twice and never missing in any read in between.
    C2,
    /// A batch is marked committed only when its commit is readable.
    C3,
    /// A table never names a missing or overwritten object.
    C4,
    /// Clean-up never deletes what a live snapshot, an open batch or a reader needs.
    C5,
    /// A worker whose lease ended can commit only the step that is still open, with the list the ledger holds.
    C6,
    /// Projects never mix in a file.
    C8,
    /// When faults stop, everything drains within a bound; nothing is stopped that was not restored.
    C9,
    /// No promise: a story went otherwise than it is told.
    OffScript,
}

/// A promise broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub invariant: Invariant,
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.invariant, self.what)
    }
}

pub(crate) fn broken<T>(invariant: Invariant, what: impl Into<String>) -> Result<T, Violation> {
    Err(Violation { invariant, what: what.into() })
}

/// Snapshots of the past that are read again after every call, besides the newest.
const SNAPSHOTS_KEPT: usize = 6;

/// Looks at a world again and again; remembers what never changes.
#[derive(Default)]
pub(crate) struct Checker {
    /// Records of files and segments, by how often they had been written.
    contents: BTreeMap<(Path, u32), Arc<Vec<Record>>>,
    /// Records of every segment that was ever seen live.
    segments: BTreeMap<SegmentId, Arc<Vec<Record>>>,
    /// The list of every batch ever seen.
    lists: BTreeMap<(TableId, u64), Vec<SegmentId>>,
    /// Snapshots as readers may still hold them.
    snapshots: BTreeMap<TableId, Vec<Snapshot>>,
    lookups: Readers,
}

/// A table as it stands.
pub(crate) struct Standing {
    pub view: LedgerView,
    pub snapshot: Option<Snapshot>,
    /// Records of quarantined segments.
    pub quarantined: BTreeSet<String>,
}

impl Checker {
    pub(crate) async fn check(&mut self, world: &World) -> Result<(), Violation> {
        for no in 0..world.tables.len() {
            self.check_table(world, no).await?;
        }
        Ok(())
    }

    async fn check_table(&mut self, world: &World, no: usize) -> Result<(), Violation> {
        let table = &world.tables[no];
        let standing = self.standing(world, table).await?;
        if let Some(stop) = world.ledger().stopped(table).await.expect("memory answers") {
            return broken(Invariant::C9, format!("{table} is stopped: {}", stop.reason));
        }
        self.check_batches(table, &standing)?;
        if let Some(snapshot) = &standing.snapshot {
            self.check_files(world, table, snapshot, &standing.quarantined).await?;
        }
        let indexes = self.lookups.indexes(world, table).await;
        self.check_readers(world, no, standing, &indexes).await
    }

    /// Reads a table's ledger and log in one moment.
    pub(crate) async fn standing(&mut self, world: &World, table: &TableId) -> Result<Standing, Violation> {
        let ledger = world.ledger();
        let view = ledger.read(table).await.expect("memory answers");
        let bad = ledger.quarantined(table).await.expect("memory answers");
        let snapshot = world.logs.open(table).snapshot().await.expect("memory answers");
        let mut quarantined = BTreeSet::new();
        for bad in bad {
            let records = self.records_of_segment(world, table, &bad.segment).await;
            quarantined.extend(records.iter().flat_map(|records| records.iter().map(|(_, id)| id.clone())));
        }
        Ok(Standing { view, snapshot, quarantined })
    }

    fn check_batches(&mut self, table: &TableId, standing: &Standing) -> Result<(), Violation> {
        let batches = &standing.view.batches;
        let (committed, voided) = standing.snapshot.as_ref().map_or((0, 0), |s| (s.committed, s.voided));
        if batches.iter().filter(|batch| batch.is_open()).count() > 1 {
            return broken(Invariant::C6, "two batches are open");
        }
        if standing.view.clean > committed {
            let what =
                format!("the mark is {}, the table ends with {committed}: nobody can read it", standing.view.clean);
            return broken(Invariant::C2, what);
        }
        for batch in batches {
            if !batch.is_open() && batch.seq > committed {
                return broken(
                    Invariant::C3,
                    format!("batch {} is marked, the table ends with {committed}", batch.seq),
                );
            }
            if !batch.is_open() && batch.seq == voided {
                return broken(Invariant::C3, format!("batch {} is marked and was voided", batch.seq));
            }
            let list = self.lists.entry((table.clone(), batch.seq)).or_insert_with(|| batch.segments.clone());
            if *list != batch.segments {
                return broken(Invariant::C6, format!("the list of batch {} has changed", batch.seq));
            }
        }
        Ok(())
    }

    async fn check_files(
        &mut self,
        world: &World,
        table: &TableId,
        snapshot: &Snapshot,
        quarantined: &BTreeSet<String>,
    ) -> Result<(), Violation> {
        let mut found = Found::new();
        for file in snapshot.files.iter() {
            let path = file_path(table, &file.path);
            let name = FileName::parse(&file.path);
            if name.is_some_and(|name| !name.is_decided(snapshot.committed, snapshot.merged)) {
                return broken(Invariant::C5, format!("{path} is in the table, and vacuum will never know"));
            }
            if world.shelf.times_written(&path) > 1 {
                return broken(Invariant::C4, format!("{path} was overwritten"));
            }
            let Some(records) = self.records_of_file(world, &path).await else {
                return broken(Invariant::C4, format!("{path} is missing"));
            };
            if records.len() as u64 != file.rows {
                return broken(Invariant::C4, format!("{path} has {} rows, not {}", records.len(), file.rows));
            }
            for (project, id) in records.iter() {
                if *project != table.project.as_str() {
                    return broken(Invariant::C8, format!("{path} holds a record of {project}"));
                }
                if quarantined.contains(id) {
                    return broken(Invariant::C1, format!("record {id} is quarantined and in the table"));
                }
                *found.entry(id.clone()).or_default() += 1;
            }
        }
        match found.iter().find(|(_, times)| **times > 1) {
            Some((id, times)) => broken(Invariant::C1, format!("record {id} is in the table {times} times")),
            None => Ok(()),
        }
    }

    /// Every reader that would begin to read the ledger now, whichever snapshot it holds.
    async fn check_readers(
        &mut self,
        world: &World,
        no: usize,
        standing: Standing,
        indexes: &Indexes,
    ) -> Result<(), Violation> {
        let table = &world.tables[no];
        let mut snapshots = self.snapshots.remove(table).unwrap_or_default();
        if let Some(newest) = &standing.snapshot
            && snapshots.last().is_none_or(|last| last.version != newest.version)
        {
            if snapshots.len() == SNAPSHOTS_KEPT {
                snapshots.remove(SNAPSHOTS_KEPT / 2);
            }
            snapshots.push(newest.clone());
        }
        let missing_is_seen = standing.snapshot.is_none();
        let mut read = if missing_is_seen { self.read(world, no, None, &standing, indexes).await } else { Ok(()) };
        for snapshot in &snapshots {
            read = match read {
                Ok(()) => self.read(world, no, Some(snapshot), &standing, indexes).await,
                broken => broken,
            };
        }
        self.snapshots.insert(table.clone(), snapshots);
        read
    }

    async fn read(
        &mut self,
        world: &World,
        no: usize,
        snapshot: Option<&Snapshot>,
        standing: &Standing,
        indexes: &Indexes,
    ) -> Result<(), Violation> {
        let table = &world.tables[no];
        let (committed, voided) = snapshot.map_or((0, 0), |s| (s.committed, s.voided));
        if standing.view.clean > committed {
            return Ok(());
        }
        let mut found = Found::new();
        for file in snapshot.iter().flat_map(|snapshot| snapshot.files.iter()) {
            // Vacuumed under an old snapshot: the reader starts over.
            let Some(records) = self.records_of_file(world, &file_path(table, &file.path)).await else { return Ok(()) };
            if let Some((_, id)) = records.iter().find(|(_, id)| indexes.hide(file, id)) {
                return broken(Invariant::C2, format!("record {id} of {} is hidden by a look-up index", file.path));
            }
            records.iter().for_each(|(_, id)| *found.entry(id.clone()).or_default() += 1);
        }
        for segment in standing.view.uncommitted(committed, voided) {
            let Some(records) = self.records_of_segment(world, table, &segment).await else {
                return broken(Invariant::C5, format!("live segment {} is missing or damaged", segment.id));
            };
            records.iter().for_each(|(_, id)| *found.entry(id.clone()).or_default() += 1);
            self.segments.insert(segment.id, records);
        }
        let bodies = world.bodies.lock().expect("not poisoned");
        let judged = bodies.judge(no, &found, &bodies.acknowledged(), &standing.quarantined);
        let version = snapshot.map_or("no table".to_owned(), |snapshot| format!("version {}", snapshot.version));
        judged.or_else(|what| broken(Invariant::C2, format!("{what}, for a reader of {version}")))
    }

    /// Records of all that the ledger still names.
    pub(crate) fn left(&self, view: &LedgerView) -> BTreeSet<String> {
        let live = view.live.iter().map(|segment| &segment.id);
        let named = live.chain(view.batches.iter().flat_map(|batch| &batch.segments));
        let records = named.filter_map(|segment| self.segments.get(segment)).flat_map(|records| records.iter());
        records.map(|(_, id)| id.clone()).collect()
    }

    /// How often each record is in the files of a snapshot that is the newest.
    pub(crate) async fn in_table(&mut self, world: &World, table: &TableId, snapshot: Option<&Snapshot>) -> Found {
        let mut found = Found::new();
        for file in snapshot.iter().flat_map(|snapshot| snapshot.files.iter()) {
            let records = self.records_of_file(world, &file_path(table, &file.path)).await;
            let records = records.expect("a file of the newest snapshot was there when it was checked");
            records.iter().for_each(|(_, id)| *found.entry(id.clone()).or_default() += 1);
        }
        found
    }

    async fn records_of_file(&mut self, world: &World, path: &Path) -> Option<Arc<Vec<Record>>> {
        let bytes = world.shelf.read(path).await?;
        let written = (path.clone(), world.shelf.times_written(path));
        Some(Arc::clone(self.contents.entry(written).or_insert_with(|| Arc::new(contents::of_file(bytes)))))
    }

    /// None: it is missing, or is not what the ledger says.
    async fn records_of_segment(
        &mut self,
        world: &World,
        table: &TableId,
        segment: &Segment,
    ) -> Option<Arc<Vec<Record>>> {
        let path = Path::from(format!("{}/{}", table.project, segment.key));
        let bytes = world.shelf.read(&path).await?;
        let written = (path.clone(), world.shelf.times_written(&path));
        if let Some(known) = self.contents.get(&written) {
            return Some(Arc::clone(known));
        }
        if checksum(&bytes) != segment.checksum {
            return None;
        }
        let records = Arc::new(contents::of_segment(bytes)?);
        self.contents.insert(written, Arc::clone(&records));
        Some(records)
    }
}

/// Where a data file of a table lies.
pub(crate) fn file_path(table: &TableId, file: &str) -> Path {
    Path::from(format!("{}/{}/{file}", table.project, table_path(table.table)))
}
