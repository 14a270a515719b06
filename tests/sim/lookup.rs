//! What look-up indexes say, asked as a reader asks them: of no record of a file may one say that it is not there.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use lake::DataFile;
use lake::lookup::{Column, FileId, Kept, Layout, Region, ValueHash};
use meta::ledger::{LookedAt, LookupIndex};
use model::TableId;
use object_store::path::Path;

use crate::world::World;

/// Items that are asked again when others have taken their place, as a slow reader would.
const HELD_MAX: usize = 6;

/// Remembers items as readers may still hold them.
#[derive(Default)]
pub(crate) struct Readers {
    held: BTreeMap<TableId, Vec<LookupIndex>>,
}

/// The indexes of a table at one moment, by date.
pub(crate) struct Indexes(HashMap<String, Vec<Index>>);

struct Index {
    item: LookupIndex,
    looked_at: LookedAt,
    object: Bytes,
}

impl Readers {
    /// Those whose object is there.
    pub(crate) async fn indexes(&mut self, world: &World, table: &TableId) -> Indexes {
        let held = self.held.entry(table.clone()).or_default();
        for item in world.ledger().lookup_indexes(table, "", "~").await.expect("memory answers") {
            if !held.contains(&item) {
                held.push(item);
            }
        }
        held.drain(..held.len().saturating_sub(HELD_MAX));
        let mut indexes: HashMap<String, Vec<Index>> = HashMap::new();
        for item in held.iter() {
            let object = world.shelf.read(&Path::from(format!("{}/{}", table.project, item.key))).await;
            if let Some(object) = object {
                let of_day = indexes.entry(item.date.clone()).or_default();
                of_day.push(Index { item: item.clone(), looked_at: item.looked_at(), object });
            }
        }
        Indexes(indexes)
    }
}

impl Indexes {
    /// True if a reader who looks for the record would pass over its file.
    pub(crate) fn hide(&self, file: &DataFile, record: &str) -> bool {
        let of_day = file.partition.get("date").and_then(|date| self.0.get(date));
        of_day.into_iter().flatten().any(|index| index.hides(file, record))
    }
}

impl Index {
    fn hides(&self, file: &DataFile, record: &str) -> bool {
        let is_asked = self.looked_at.may_say_of(FileId::of(&file.path).short());
        is_asked && ["id", "context___span_id"].iter().any(|column| self.denies(file, column, record) == Some(true))
    }

    /// None: it says nothing.
    fn denies(&self, file: &DataFile, column: &str, record: &str) -> Option<bool> {
        let (column, value) = (Column::of(column)?, ValueHash::of(record));
        let place = Layout::of_text(&self.item.layout, self.item.bytes)?.region(column, value)?;
        let range = usize::try_from(place.range.start).ok()?..usize::try_from(place.range.end).ok()?;
        let region = Region::parse(self.object.get(range)?, &place).ok()?;
        match region.row_groups(FileId::of(&file.path), column, value) {
            Kept::NotNamed => None,
            Kept::RowGroups(kept) => Some(!kept.contains(&true)),
        }
    }
}
