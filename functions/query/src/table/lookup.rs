//! Files and row groups that cannot hold an asked id, by the look-up indexes of their days: a small read for each day, instead
//! of the footer and the filters of each file.
//!
//! An index only ever saves reads. What it does not name is opened; one that is gone or damaged is passed over, and said in the
//! log and in the metrics.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use datafusion::common::Result;
use datafusion::datasource::physical_plan::parquet::ParquetAccessPlan;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::utils::{Guarantee, LiteralGuarantee};
use futures::{FutureExt, StreamExt, TryStreamExt};
use lake::DataFile;
use lake::layout::ROWS_PER_ROW_GROUP;
use lake::lookup::{Column, FileId, Kept, Layout, Region, RegionPlace, ValueHash};
use meta::ledger::LookupIndex;
use model::{TableId, chain};

use super::parquet::MeteredFiles;
use super::provider::TableParts;
use crate::waits::On;

/// Whether queries ask the look-up indexes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookups {
    Used,
    /// Every file is opened that time and statistics do not rule out.
    Ignored,
}

/// Values of an `IN` list that are looked up; longer ones ask each file.
const VALUES_MAX: usize = 64;
/// Reads without an index up to which it is not asked for at all.
const READS_WITHOUT_MAX: u64 = 3;
/// A read of an index must save so many others.
const READS_SAVED_MIN: u64 = 2;
/// Indexes that are read at once.
const AT_ONCE: usize = 16;

/// A column that must have one of some values in every asked row.
pub(super) struct Needle {
    column: Column,
    values: Vec<ValueHash>,
    /// No other condition is one that Bloom filters inside files could answer.
    is_only: bool,
}

/// What indexes say of files, by path: which of their row groups may hold an asked row.
#[derive(Default)]
pub(super) struct Narrowed {
    row_groups: HashMap<String, Vec<bool>>,
    is_only: bool,
}

impl Narrowed {
    /// True if no row of it is asked for.
    pub(super) fn rules_out(&self, file: &DataFile) -> bool {
        self.row_groups.get(&file.path).is_some_and(|kept| !kept.contains(&true))
    }

    /// None: all of its row groups are to be looked at.
    pub(super) fn access(&self, file: &DataFile) -> Option<ParquetAccessPlan> {
        let kept = self.row_groups.get(&file.path).filter(|kept| kept.contains(&false))?;
        let mut plan = ParquetAccessPlan::new_all(kept.len());
        kept.iter().enumerate().filter(|(_, kept)| !**kept).for_each(|(at, _)| plan.skip(at));
        Some(plan)
    }

    /// True if the filters inside these files would say nothing new.
    pub(super) fn knows_all(&self, files: &[&DataFile]) -> bool {
        self.is_only && files.iter().all(|file| self.row_groups.contains_key(&file.path))
    }
}

impl Needle {
    /// What holds of every row that satisfies the predicate; of several needles the one with the fewest values.
    pub(super) fn of(predicate: &Arc<dyn PhysicalExpr>) -> Option<Self> {
        let mut needles: Vec<Self> =
            LiteralGuarantee::analyze(predicate).iter().filter_map(Self::of_guarantee).collect();
        needles.sort_by_key(|needle| needle.values.len());
        let is_only = needles.len() == 1;
        let first = needles.into_iter().next().filter(|needle| needle.values.len() <= VALUES_MAX)?;
        Some(Self { is_only, ..first })
    }

    fn of_guarantee(guarantee: &LiteralGuarantee) -> Option<Self> {
        let column = Column::of(guarantee.column.name()).filter(|_| guarantee.guarantee == Guarantee::In)?;
        let mut values = Vec::new();
        for literal in &guarantee.literals {
            // Nothing equals NULL; of what is no text nothing is known.
            values.extend(literal.try_as_str()?.map(ValueHash::of));
        }
        (!values.is_empty()).then_some(Self { column, values, is_only: true })
    }
}

/// An index that is worth asking: its files that matter, and the regions of the asked values.
struct Ask<'a> {
    index: LookupIndex,
    files: Vec<&'a DataFile>,
    regions: Vec<(ValueHash, RegionPlace)>,
}

impl<'a> Ask<'a> {
    /// None: it is not worth it, or cannot be asked.
    fn of(index: LookupIndex, needle: &Needle, of_day: &[&'a DataFile]) -> Option<Self> {
        let named = index.looked_at();
        let files: Vec<&DataFile> =
            of_day.iter().filter(|file| named.may_say_of(FileId::of(&file.path).short())).copied().collect();
        let layout = Layout::of_text(&index.layout, index.bytes)?;
        let region = |value: &ValueHash| Some((*value, layout.region(needle.column, *value)?));
        let regions: Vec<_> = needle.values.iter().map(region).collect::<Option<_>>()?;
        let n_reads = regions.iter().map(|(_, place)| place).collect::<HashSet<_>>().len() as u64;
        (reads_without(&files) >= n_reads * READS_SAVED_MIN).then_some(Self { index, files, regions })
    }

    /// The row groups of each file that it speaks of. None: it cannot be read, which was said.
    async fn answer(self, column: Column, read: &MeteredFiles) -> Result<Option<Vec<(&'a DataFile, Vec<bool>)>>> {
        let mut answers: Vec<Option<Vec<bool>>> = vec![Some(Vec::new()); self.files.len()];
        for (value, place) in &self.regions {
            let Some(bytes) = self.region(place, read).await? else { return Ok(None) };
            let region = match Region::parse(&bytes, place) {
                Ok(region) => region,
                Err(damaged) => {
                    read.meter.lookup_failed(&self.index.key, &damaged);
                    return Ok(None);
                }
            };
            for (file, answer) in self.files.iter().zip(&mut answers) {
                let kept = region.row_groups(FileId::of(&file.path), column, *value);
                *answer = answer.take().and_then(|before| either(before, kept));
            }
        }
        let answers = self.files.into_iter().zip(answers);
        Ok(Some(answers.filter_map(|(file, answer)| Some((file, answer?))).collect()))
    }

    async fn region(&self, place: &RegionPlace, read: &MeteredFiles) -> Result<Option<Bytes>> {
        match read.kept(&self.index.key, place.range.clone()).await? {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) => {
                read.meter.lookup_failed(&self.index.key, &error);
                Ok(None)
            }
        }
    }
}

/// Row groups that may hold one value or another. None: nothing is said of the file.
fn either(mut before: Vec<bool>, kept: Kept) -> Option<Vec<bool>> {
    let Kept::RowGroups(kept) = kept else { return None };
    before.resize(before.len().max(kept.len()), false);
    before.iter_mut().zip(kept).for_each(|(before, kept)| *before |= kept);
    Some(before)
}

/// A footer for each file, and the filters of each row group.
fn reads_without(files: &[&DataFile]) -> u64 {
    files.iter().map(|file| 1 + file.rows.div_ceil(ROWS_PER_ROW_GROUP as u64)).sum()
}

/// Asks the indexes of these files' days for a needle, as far as it saves reads.
pub(super) async fn narrow(
    parts: &TableParts,
    table: &TableId,
    read: &MeteredFiles,
    needle: Needle,
    files: Vec<&DataFile>,
) -> Result<Narrowed> {
    if reads_without(&files) <= READS_WITHOUT_MAX {
        return Ok(Narrowed::default());
    }
    let mut days: BTreeMap<&str, Vec<&DataFile>> = BTreeMap::new();
    for file in files {
        if let Some(date) = file.partition.get("date") {
            days.entry(date).or_default().push(file);
        }
    }
    let Some((first, last)) = days.keys().next().zip(days.keys().next_back()) else { return Ok(Narrowed::default()) };
    let indexes = {
        let _waiting = parts.meter.waits.begin(On::Store("the metadata store"));
        parts.tables.lookup_indexes(table, first, last).await
    };
    let indexes = indexes.unwrap_or_else(|error| {
        parts.meter.lookup_failed("the ledger", &chain(&error));
        Vec::new()
    });
    let asks = indexes.into_iter().filter_map(|index| {
        let of_day = days.get(index.date.as_str())?;
        Ask::of(index, &needle, of_day)
    });
    let answers: Vec<_> = asks.map(|ask| ask.answer(needle.column, read).boxed()).collect();
    let mut answers = futures::stream::iter(answers).buffer_unordered(AT_ONCE);
    let mut narrowed = Narrowed { is_only: needle.is_only, ..Narrowed::default() };
    while let Some(answer) = answers.try_next().await? {
        for (file, row_groups) in answer.into_iter().flatten() {
            if !row_groups.contains(&true) {
                parts.meter.ruled_out(table.table, &file.path);
            }
            narrowed.row_groups.insert(file.path.clone(), row_groups);
        }
    }
    Ok(narrowed)
}
