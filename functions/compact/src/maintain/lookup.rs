//! Look-up indexes: a day's Bloom filters, taken out of its files and laid out so that one read answers for all of them
//! (`lake::lookup`). Made beside the table and never part of it: without one, or with an old one, answers are the same.

mod plan;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use lake::lookup::{self, Encoded, FileId, Filters, Layout};
use lake::{DataFile, FileName};
use meta::ledger::LookupIndex;
use model::{Micros, TableId, TableName};
use object_store::buffered::BufWriter;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use objects::{lookup_key, lookup_prefix};
use tokio::io::AsyncWriteExt;

use self::plan::{Day, due};
use super::delete::delete_each;
use super::kway::failure;
use super::{Maintained, Pace, store_time};
use crate::aside::aside;
use crate::pass::Held;
use crate::{App, Counter, Deadline, PassError};

pub use self::plan::LookupRule;

/// Files whose filters are read at once.
const AT_ONCE: usize = 8;
/// Above so many bytes an index goes up in parts of that size.
const PART_BYTES: usize = 16 << 20;
/// What filters take of a row, about.
const FILTER_BYTES_PER_ROW: u64 = 8;
/// Filters as they were read, those of the old index, and the new one.
const COPIES: u64 = 3;

/// Of metrics no ids are looked up.
fn is_indexed(table: &TableId) -> bool {
    table.table == TableName::LogsAndSpans
}

/// Makes the indexes that are due, and forgets those of days that are gone.
pub(super) async fn keep_up(
    app: &App,
    table: &TableId,
    held: &mut Held<'_>,
    pace: Pace,
    deadline: Deadline,
    did: &mut Maintained,
) -> Result<(), PassError> {
    if !is_indexed(table) {
        return Ok(());
    }
    let Some(snapshot) = app.log(table).snapshot().await? else { return Ok(()) };
    let indexes = all(app, table).await?;
    let days: HashSet<&str> = snapshot.files.iter().filter_map(plan::date_of).collect();
    for index in indexes.iter().filter(|index| !days.contains(index.date.as_str())) {
        held.drop_lookup(index).await?;
    }
    let merge = match pace {
        Pace::Scheduled => app.settings.merge,
        Pace::Drain => app.settings.merge.without_waiting(),
    };
    for day in due(&snapshot.files, indexes, &app.settings.lookup, &merge, app.clock.now()) {
        if deadline.is_near(app.clock.as_ref(), app.settings.deadline_margin) {
            break;
        }
        make(app, table, held, day).await?;
        did.lookup_indexes += 1;
    }
    Ok(())
}

async fn all(app: &App, table: &TableId) -> Result<Vec<LookupIndex>, PassError> {
    Ok(app.ledger.lookup_indexes(table, "", "~").await?)
}

/// Durable first, then named.
async fn make(app: &App, table: &TableId, held: &mut Held<'_>, day: Day) -> Result<(), PassError> {
    let rows: u64 = day.files.iter().map(|file| file.rows).sum();
    let filters = (rows * FILTER_BYTES_PER_ROW).min(app.settings.lookup.bytes_max as u64);
    let _memory = held.while_renewing(app.reserve(filters * COPIES)).await?;
    let key = lookup_key(table.table, &day.date, held.fence(), &app.ids.fresh());
    let date = day.date.clone();
    let looked_at = LookupIndex::pack(day.looked_at().map(|file| FileId::of(&file.path).short()));
    let making = Making { store: app.root(table).store, table: table.table, rule: app.settings.lookup, key, day };
    let Made { key, bytes, layout, n_files } = held.while_renewing(aside(making.run())).await???;
    let made_at: Micros = app.clock.now();
    let (files, format) = (looked_at, LookupIndex::FORMAT);
    let index = LookupIndex { date, key: key.to_string(), bytes, layout: layout.to_text(), files, made_at, format };
    held.put_lookup(&index).await?;
    app.counters.add(Counter::LookupIndexes, 1);
    tracing::info!(%table, day = index.date, files = n_files, bytes, "look-up index made");
    Ok(())
}

struct Making {
    store: Arc<dyn ObjectStore>,
    table: TableName,
    rule: LookupRule,
    key: Path,
    day: Day,
}

struct Made {
    key: Path,
    bytes: u64,
    layout: Layout,
    n_files: usize,
}

impl Making {
    async fn run(self) -> Result<Made, PassError> {
        let filters = self.filters().await?;
        let Encoded { bytes, layout } = lookup::encode(&filters);
        let n_bytes = bytes.len() as u64;
        let failed = |source: object_store::Error| PassError::Store { act: "put a look-up index", source };
        let mut upload = BufWriter::with_capacity(Arc::clone(&self.store), self.key.clone(), PART_BYTES);
        upload.put(Bytes::from(bytes)).await.map_err(failed)?;
        upload
            .shutdown()
            .await
            .map_err(|error| failed(object_store::Error::Generic { store: "upload", source: error.into() }))?;
        Ok(Made { key: self.key, bytes: n_bytes, layout, n_files: filters.len() })
    }

    /// Of as many files as fit, those with few rows first: they save the most reads for their bytes.
    async fn filters(&self) -> Result<Vec<Filters>, PassError> {
        let mut known = self.taken_over().await;
        let mut files: Vec<&DataFile> =
            self.day.files.iter().filter(|file| FileName::parse(&file.path).is_some()).collect();
        files.sort_by_key(|file| file.rows);
        let read = files.into_iter().map(|file| {
            let known = known.remove(&FileId::of(&file.path));
            async move {
                match known {
                    Some(filters) => Ok(Some(filters)),
                    None => self.read(file).await,
                }
            }
        });
        let read: Vec<_> = read.collect();
        let mut read = futures::stream::iter(read).buffered(AT_ONCE);
        let (mut taken, mut bytes) = (Vec::new(), 0);
        while let Some(filters) = read.try_next().await? {
            let Some(filters) = filters else { continue };
            bytes += filters.bytes();
            if bytes > self.rule.bytes_max || taken.len() == self.rule.files_max {
                tracing::warn!(
                    day = self.day.date,
                    files = taken.len(),
                    of = self.day.files.len(),
                    "a day is too large for its look-up index: look-ups open the rest of its files"
                );
                break;
            }
            taken.push(filters);
        }
        Ok(taken)
    }

    /// None: no index can speak of it.
    async fn read(&self, file: &DataFile) -> Result<Option<Filters>, PassError> {
        match Filters::read(&self.store, self.table, file).await.map_err(|error| failure(&file.path, error)) {
            Err(PassError::Build(error)) => {
                tracing::warn!(file = file.path, error = %model::chain(error.as_ref()), "a file's Bloom filters do not read");
                Ok(None)
            }
            read => read,
        }
    }

    /// What the old index holds of files; nothing if it is gone or damaged.
    async fn taken_over(&self) -> HashMap<FileId, Filters> {
        let Some(old) = &self.day.old else { return HashMap::new() };
        let read = async {
            let got = self.store.get(&Path::from(old.key.as_str())).await.map_err(|error| error.to_string())?;
            let object = got.bytes().await.map_err(|error| error.to_string())?;
            let layout = Layout::of_text(&old.layout, object.len() as u64).ok_or("its layout does not fit it")?;
            lookup::decode(&object, &layout).map_err(|damaged| damaged.to_string())
        };
        match read.await {
            Ok(filters) => filters.into_iter().map(|of| (of.file, of)).collect(),
            Err(error) => {
                tracing::warn!(index = old.key, error, "an old look-up index does not read: its files are read again");
                HashMap::new()
            }
        }
    }
}

/// Deletes the objects that no item names any more, and forgets items whose object is gone, as after a restore: their
/// days get an index anew.
pub(super) async fn clean(
    app: &App,
    table: &TableId,
    held: &mut Held<'_>,
    did: &mut Maintained,
) -> Result<(), PassError> {
    if !is_indexed(table) {
        return Ok(());
    }
    let store = app.root(table).store;
    let failed = |source| PassError::Store { act: "list look-up indexes", source };
    let listed = store.list(Some(&lookup_prefix(table.table))).try_collect::<Vec<_>>();
    let listed = held.while_renewing(listed).await?.map_err(failed)?;
    // After the listing: what is named by now was put before it, or by us.
    let indexes = all(app, table).await?;
    let is_there = |index: &&LookupIndex| {
        listed.iter().any(|object| object.location.as_ref() == index.key && object.size == index.bytes)
    };
    for index in indexes.iter().filter(|index| !is_there(index)) {
        tracing::warn!(%table, day = index.date, "a look-up index is gone; it is made anew");
        held.drop_lookup(index).await?;
    }
    let named: HashSet<&str> = indexes.iter().map(|index| index.key.as_str()).collect();
    let unnamed: Vec<_> = listed.into_iter().filter(|object| !named.contains(object.location.as_ref())).collect();
    if unnamed.is_empty() {
        return Ok(());
    }
    let horizon = Micros::try_from(app.settings.vacuum_horizon.as_micros()).unwrap_or(Micros::MAX);
    let older_than = store_time::now(store.as_ref()).await? - horizon;
    let old = unnamed.into_iter().filter(|object| object.last_modified.timestamp_micros() < older_than);
    let old: Vec<Path> = old.map(|object| object.location).take(app.settings.deletes_max).collect();
    let deleted = delete_each(store.as_ref(), old, "delete a look-up index");
    did.lookup_indexes_deleted += held.while_renewing(deleted).await??;
    Ok(())
}
