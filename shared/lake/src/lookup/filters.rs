//! The Bloom filters of one data file.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use model::TableName;
use object_store::ObjectStore;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::bloom_filter::Sbbf;
use parquet::errors::Result;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};

use super::{BLOCK, Column};
use crate::{DataFile, FileReader};

/// What regions call a file: the first half of the BLAKE3 of its path, so that no two are ever called the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub(super) [u8; 16]);

impl FileId {
    /// `path` is relative to the table, as in [`DataFile::path`].
    pub fn of(path: &str) -> Self {
        let mut id = [0; 16];
        id.copy_from_slice(&blake3::hash(path.as_bytes()).as_bytes()[..16]);
        Self(id)
    }

    /// A shorter name, for lists that only save work.
    pub fn short(self) -> [u8; 8] {
        let mut short = [0; 8];
        short.copy_from_slice(&self.0[..8]);
        short
    }
}

/// A file of more row groups is in no index; ours have some tens.
const ROW_GROUPS_MAX: usize = 16_384;

/// The filters of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filters {
    pub file: FileId,
    pub row_groups: u16,
    /// By group, then by row group. Where there is none for a column, no row of that row group has a value in it.
    pub(super) filters: Vec<Filter>,
}

/// The filter of one row group, for one column or for several whose filters are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    pub(super) group: u8,
    pub(super) row_group: u16,
    /// Which columns of the group.
    pub(super) columns: u8,
    pub(super) blocks_log2: u8,
    pub(super) bits: Bytes,
}

impl Filters {
    /// Reads them: the footer, then what lies at the end of each row group. None: the file says not enough, since
    /// somebody else wrote it; then no index can speak of it.
    pub async fn read(store: &Arc<dyn ObjectStore>, table: TableName, file: &DataFile) -> Result<Option<Self>> {
        let mut reader = FileReader::new(store, table, file);
        let footer = reader.get_metadata(None).await?;
        let places = places(&footer).filter(|_| footer.num_row_groups() <= ROW_GROUPS_MAX);
        let Some(places) = places else { return Ok(None) };
        let row_groups = u16::try_from(footer.num_row_groups()).expect("it is limited");
        let read = reader.get_byte_ranges(places.iter().map(|place| place.range.clone()).collect()).await?;
        let mut filters = Vec::new();
        for (place, bytes) in places.iter().zip(read) {
            let Some((blocks_log2, bits)) = bits_of(&bytes)? else { return Ok(None) };
            add(&mut filters, place, blocks_log2, bits);
        }
        filters.sort_by_key(|filter| (filter.group, filter.row_group, filter.columns));
        Ok(Some(Self { file: FileId::of(&file.path), row_groups, filters }))
    }

    /// Bytes of the filters themselves.
    pub fn bytes(&self) -> usize {
        self.filters.iter().map(|filter| filter.bits.len()).sum()
    }

    pub(super) fn of_group(&self, group: u8) -> impl Iterator<Item = &Filter> {
        self.filters.iter().filter(move |filter| filter.group == group)
    }
}

/// Where the filter of a column in a row group lies.
struct Place {
    column: Column,
    row_group: u16,
    range: Range<u64>,
}

/// None: a column, or its filter in some row group, is not there.
fn places(footer: &ParquetMetaData) -> Option<Vec<Place>> {
    let mut places = Vec::new();
    for (row_group, chunks) in (0..).zip(footer.row_groups()) {
        for (name, column) in Column::all() {
            let is_it = |chunk: &&ColumnChunkMetaData| matches!(chunk.column_path().parts(), [only] if only == name);
            let chunk = chunks.columns().iter().find(is_it)?;
            let start = u64::try_from(chunk.bloom_filter_offset()?).ok()?;
            let end = start + u64::try_from(chunk.bloom_filter_length()?).ok()?;
            places.push(Place { column, row_group, range: start..end });
        }
    }
    Some(places)
}

/// None: it has another number of blocks than our writer makes.
fn bits_of(filter: &Bytes) -> Result<Option<(u8, Bytes)>> {
    let filter = Sbbf::from_bytes(filter)?;
    let mut bits = Vec::with_capacity(filter.num_blocks() * BLOCK);
    filter.write_bitset(&mut bits)?;
    let log2 = u8::try_from(filter.num_blocks().ilog2()).ok().filter(|_| filter.num_blocks().is_power_of_two());
    Ok(log2.map(|log2| (log2, bits.into())))
}

/// An empty filter says that there is no value, which is what none says.
fn add(filters: &mut Vec<Filter>, place: &Place, blocks_log2: u8, bits: Bytes) {
    if bits.iter().all(|byte| *byte == 0) {
        return;
    }
    let Place { column: Column { group, bit }, row_group, .. } = *place;
    let same = filters.iter_mut().find(|held| held.group == group && held.row_group == row_group && held.bits == bits);
    match same {
        Some(held) => held.columns |= bit,
        None => filters.push(Filter { group, row_group, columns: bit, blocks_log2, bits }),
    }
}
