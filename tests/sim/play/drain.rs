//! The end of a world: faults have stopped, and everything drains through nothing but the sweeper.

use std::collections::BTreeSet;
use std::time::Duration;

use lake::FileName;
use object_store::path::Path;

use super::Play;
use crate::check::{Invariant, Violation, broken, file_path};
use crate::reader;
use crate::world::Process;

/// Sweeps after which nothing may be left to do.
const SWEEPS_MAX: usize = 40;
/// A `due` item is old enough to be settled.
const SETTLED: Duration = Duration::from_secs(310);
/// Landing objects, removed files and log entries that nobody needs may go.
const DAY: Duration = Duration::from_secs(25 * 3_600);

impl Play {
    /// What is still in the network lands; then a fresh worker sweeps until nothing is left, and keeps up for days.
    pub(crate) async fn drain(&mut self) -> Result<(), Violation> {
        self.finish().await?;
        self.note("faults stop".into());
        let worker = self.world.start(0);
        self.sweep_until_nothing_is_left(&worker).await?;
        if self.is_repaired {
            self.repair(&worker).await?;
            self.sweep_until_nothing_is_left(&worker).await?;
        }
        self.everything_is_in_the_table().await?;
        self.readers_are_answered().await?;
        self.keep_up_for_days(&worker).await?;
        self.everything_is_in_the_table().await?;
        if !self.foreign {
            self.nothing_is_left_behind().await?;
        }
        self.run.acknowledged = self.world.bodies.lock().expect("not poisoned").acknowledged().len();
        self.run.versions = self.world.tables.iter().filter_map(|table| self.world.logs.log(table).version()).sum();
        Ok(())
    }

    async fn sweep_until_nothing_is_left(&mut self, worker: &Process) -> Result<(), Violation> {
        for _ in 0..SWEEPS_MAX {
            self.pass(SETTLED);
            self.world.sweep(worker);
            self.finish().await?;
            if self.world.ledger().due_tables().await.expect("memory answers").is_empty() {
                return Ok(());
            }
        }
        broken(Invariant::C9, "the sweeper finds something to do for ever")
    }

    async fn repair(&mut self, worker: &Process) -> Result<(), Violation> {
        for table in 0..self.world.tables.len() {
            self.world.repair(worker, table);
            self.finish().await?;
        }
        Ok(())
    }

    async fn everything_is_in_the_table(&mut self) -> Result<(), Violation> {
        for no in 0..self.world.tables.len() {
            let table = self.world.tables[no].clone();
            let standing = self.checker.standing(&self.world, &table).await?;
            if let Some(id) = standing.quarantined.first() {
                return broken(Invariant::C9, format!("record {id} was quarantined, and nothing was damaged"));
            }
            let found = self.checker.in_table(&self.world, &table, standing.snapshot.as_ref()).await;
            let bodies = self.world.bodies.lock().expect("not poisoned");
            // What was never acknowledged may stay live, and be in a batch: its sender may have died before `due`.
            let left = self.checker.left(&standing.view);
            let acknowledged = bodies.acknowledged();
            if acknowledged.iter().any(|body| bodies.all[*body].ids.iter().any(|id| left.contains(id))) {
                return broken(Invariant::C9, format!("something is left to do for {table}, and it is not due"));
            }
            let judged = bodies.judge(no, &found, &acknowledged, &BTreeSet::new());
            judged.or_else(|what| broken(Invariant::C1, format!("{what}, after the drain")))?;
        }
        Ok(())
    }

    /// Nothing fails any more: every reader gets an answer, which is judged as any other.
    async fn readers_are_answered(&mut self) -> Result<(), Violation> {
        for table in 0..self.world.tables.len() {
            let reader = self.world.start(0);
            reader::read(&self.world, &reader, table, &self.findings);
            let judged = self.readers_judged;
            self.finish().await?;
            self.judge_readers().await?;
            if self.readers_judged == judged {
                return broken(Invariant::C2, "a reader got no answer");
            }
        }
        Ok(())
    }

    async fn keep_up_for_days(&mut self, worker: &Process) -> Result<(), Violation> {
        for _ in 0..3 {
            self.pass(DAY);
            for table in 0..self.world.tables.len() {
                self.world.maintain(worker, table);
                self.finish().await?;
            }
        }
        Ok(())
    }

    /// What crashes leaked is gone in the end: no landing object, no look-up index that the ledger does not name, and no data
    /// file that the table does not name. Files
    /// of a merge that never came about stay until a later one decides that they cannot be named any more, and nothing is
    /// kept up below a table that never was.
    async fn nothing_is_left_behind(&mut self) -> Result<(), Violation> {
        let mut named = BTreeSet::new();
        let mut swept = Vec::new();
        for table in &self.world.tables {
            let standing = self.checker.standing(&self.world, table).await?;
            let bad = self.world.ledger().quarantined(table).await.expect("memory answers");
            let kept = standing.view.live.iter().chain(bad.iter().map(|bad| &bad.segment));
            let indexes = self.world.ledger().lookup_indexes(table, "", "~").await.expect("memory answers");
            named.extend(indexes.iter().map(|index| Path::from(format!("{}/{}", table.project, index.key))));
            let live = kept.map(|segment| Path::from(format!("{}/{}", table.project, segment.key)));
            named.extend(live);
            let snapshot = standing.snapshot;
            swept.extend(snapshot.as_ref().map(|_| Path::from(table.project.as_str())));
            let (committed, merged) = snapshot.as_ref().map_or((0, 0), |s| (s.committed, s.merged));
            let may_be_named =
                |path: &Path| FileName::parse(path.as_ref()).is_some_and(|name| !name.is_decided(committed, merged));
            named.extend(self.world.shelf.all().await.into_iter().filter(may_be_named));
            named.insert(Path::from(format!("{}/probe/clock", table.project)));
            named.extend(snapshot.iter().flat_map(|s| s.files.iter()).map(|file| file_path(table, &file.path)));
        }
        let is_swept = |path: &Path| swept.iter().any(|root| path.prefix_matches(root));
        match self.world.shelf.all().await.into_iter().find(|path| is_swept(path) && !named.contains(path)) {
            Some(path) => broken(Invariant::C9, format!("{path} is left behind")),
            None => Ok(()),
        }
    }
}
