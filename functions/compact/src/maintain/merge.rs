//! Merging: the same rows in fewer, larger, sorted files that do not overlap in time.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use clock::{Clock, Ids};
use lake::{APP_MERGE, Commit, CommitKind, FileName, FileWriter, LogError, NewFile, Snapshot};
use model::safeguard::{Safeguard, holds};
use model::{Micros, TableId, TableName};
use object_store::ObjectStore;

use super::kway::Merged;
use super::plan::{Plan, open_bytes, plan};
use super::{Maintained, Pace};
use crate::aside::aside;
use crate::pass::{self, Held, Pass};
use crate::{App, Counter, Deadline, PassError};

/// Merges while there is something to merge and time left; compacts in between if that is due.
pub(super) async fn merge_all(
    app: &App,
    table: &TableId,
    held: &mut Held<'_>,
    pace: Pace,
    deadline: Deadline,
    did: &mut Maintained,
) -> Result<(), PassError> {
    let rule = match pace {
        Pace::Scheduled => app.settings.merge,
        Pace::Drain => app.settings.merge.without_waiting(),
    };
    while !deadline.is_near(app.clock.as_ref(), app.settings.deadline_margin) {
        // Planned anew each time, on a snapshot on which no batch is open.
        let Some(snapshot) = pass::settled(app, table, held).await? else { return Ok(()) };
        let Some(plan) = plan(&snapshot.files, &rule, app.clock.now()) else { return Ok(()) };
        if merge(app, table, held, &snapshot, plan).await? {
            did.merges += 1;
        }
        if let Pass::Stopped(_) = pass::work(app, table, held, app.settings.due, deadline).await? {
            return Ok(());
        }
    }
    Ok(())
}

/// One merge, committed on the very snapshot that it was planned on. False: another's commit got in between.
async fn merge(
    app: &App,
    table: &TableId,
    held: &mut Held<'_>,
    snapshot: &Snapshot,
    plan: Plan,
) -> Result<bool, PassError> {
    let memory = app.reserve(plan.inputs.iter().map(open_bytes).sum());
    let _memory = held.while_renewing(memory).await?;
    let rows_in: u64 = plan.inputs.iter().map(|file| file.rows).sum();
    let remove: Vec<String> = plan.inputs.iter().map(|file| file.path.clone()).collect();
    let work = Work {
        store: app.root(table).store,
        table: table.table,
        merge: snapshot.merged + 1,
        fence: held.fence(),
        ids: Arc::clone(&app.ids),
        clock: Arc::clone(&app.clock),
    };
    let partition = plan.partition.clone();
    let add = held.while_renewing(aside(work.run(plan))).await???;
    let rows_out: u64 = add.iter().map(|file| file.rows).sum();
    if rows_in != rows_out {
        return Err(PassError::Build(format!("{rows_in} rows went in and {rows_out} came out").into()));
    }
    let (n_in, n_out) = (remove.len(), add.len());
    let outputs: HashSet<String> = add.iter().map(|file| file.path.clone()).collect();
    let version = holds(Safeguard::MergeCarriesTxn).then_some((APP_MERGE, snapshot.merged + 1));
    let commit = Commit {
        add,
        remove,
        transactions: version.into_iter().collect(),
        at: app.clock.now(),
        kind: CommitKind::Merge,
        ..Commit::default()
    };
    let log = app.log(table);
    #[cfg(debug_assertions)]
    let (newest, commit) = pass::broken::merge_on_newest(log.as_ref(), snapshot, commit).await?;
    #[cfg(debug_assertions)]
    let snapshot = &newest;
    let said = log.commit(snapshot, commit).await;
    let fresh = log.snapshot().await?.ok_or(PassError::NoTable)?;
    let stands = fresh.files.iter().any(|file| outputs.contains(&file.path));
    match said {
        // Whatever was said: it stands. If not, the outputs stay until vacuum knows that nothing can name them.
        _ if stands => {}
        Err(LogError::Conflict { .. }) => return Ok(false),
        Err(error) => return Err(error.into()),
        Ok(()) => return Err(PassError::NotReadable { app: APP_MERGE, version: snapshot.merged + 1 }),
    }
    app.counters.add(Counter::Merges, 1);
    app.counters.add(Counter::MergedRows, rows_in);
    tracing::info!(%table, ?partition, files_in = n_in, files_out = n_out, rows = rows_in, "files merged");
    Ok(true)
}

struct Work {
    store: Arc<dyn ObjectStore>,
    table: TableName,
    merge: u64,
    fence: u64,
    ids: Arc<dyn Ids>,
    clock: Arc<dyn Clock>,
}

/// What still is to be written of one merge, and what is.
struct Outputs {
    work: Work,
    partition: BTreeMap<String, String>,
    rows_per_file: u64,
    boundary: Option<Micros>,
    rewrites: u32,
    writing: Option<FileWriter>,
    files: Vec<NewFile>,
}

impl Work {
    async fn run(self, plan: Plan) -> Result<Vec<NewFile>, PassError> {
        let mut merged = Merged::new(Arc::clone(&self.store), self.table, plan.inputs);
        let mut outputs = Outputs {
            work: self,
            partition: plan.partition,
            rows_per_file: plan.rows_per_file,
            boundary: plan.boundary,
            rewrites: plan.rewrites,
            writing: None,
            files: Vec::new(),
        };
        while let Some(rows) = merged.next().await? {
            outputs.write(rows).await?;
            // Others may stop this work here.
            tokio::task::yield_now().await;
        }
        outputs.finish().await?;
        Ok(outputs.files)
    }
}

impl Outputs {
    async fn write(&mut self, rows: RecordBatch) -> Result<(), PassError> {
        let times =
            rows.column_by_name(lake::SORT_COLUMN).and_then(|c| c.as_primitive_opt::<TimestampMicrosecondType>());
        let times = times.ok_or_else(|| PassError::Build("rows without a time".into()))?.values().clone();
        let mut from = 0;
        while from < times.len() {
            let (written, last) = self.writing.as_ref().map_or((0, None), |file| (file.rows(), file.time_max()));
            match self.next_cut(&times[from..], written, last) {
                Some(0) => self.finish().await?,
                cut => {
                    let n = cut.unwrap_or(times.len() - from);
                    self.file()?.write(&rows.slice(from, n)).await?;
                    from += n;
                }
            }
        }
        Ok(())
    }

    /// How many of these rows still belong to the file being written; none: all of them.
    fn next_cut(&self, times: &[Micros], written: u64, last: Option<Micros>) -> Option<usize> {
        let before = |i: usize| if i == 0 { last } else { Some(times[i - 1]) };
        (0..times.len()).find(|i| {
            let Some(before) = before(*i) else { return false };
            let is_full = written + *i as u64 >= self.rows_per_file;
            let crosses = self.boundary.is_some_and(|boundary| before < boundary && boundary <= times[*i]);
            // Only where the time changes, so that no two files share a moment.
            (is_full && before < times[*i]) || crosses
        })
    }

    fn file(&mut self) -> Result<&mut FileWriter, PassError> {
        if self.writing.is_none() {
            let Work { merge, fence, table, .. } = self.work;
            let fresh = FileName::fresh(self.work.ids.as_ref(), self.files.len());
            let path = FileName::Merge { merge, fence, fresh }.path(table, &self.partition);
            let file = FileWriter::create(&self.work.store, table, path, self.partition.clone())?;
            self.writing = Some(file);
        }
        Ok(self.writing.as_mut().expect("it was created above"))
    }

    async fn finish(&mut self) -> Result<(), PassError> {
        if let Some(file) = self.writing.take() {
            self.files.push(file.finish(self.rewrites, self.work.clock.now()).await?);
        }
        Ok(())
    }
}
