//! An index says what the filters in its files say, and nothing that is damaged or of another file.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray, new_null_array};
use bytes::Bytes;
use model::TableName;
use object_store::ObjectStore;
use object_store::memory::InMemory;

use super::*;
use crate::layout::{LOOKED_UP, ROWS_PER_ROW_GROUP, file_schema};
use crate::{DataFile, FileWriter};

const TABLE: TableName = TableName::LogsAndSpans;

#[test]
fn every_column_that_is_looked_up_is_in_one_group() {
    let known: Vec<&str> = Column::all().map(|(name, _)| name).collect();
    assert_eq!(known.iter().collect::<HashSet<_>>(), LOOKED_UP.iter().collect::<HashSet<_>>());
    assert_eq!(known.len(), LOOKED_UP.len());
    assert_eq!(Column::of("name"), None);
}

/// The id of a row, alike in no two files.
fn id(file: usize, row: usize) -> String {
    format!("{:016x}", (file * 1_000_000 + row) as u64 * 0x9e37)
}

async fn file(store: &Arc<dyn ObjectStore>, nth: usize, n_rows: usize) -> DataFile {
    let schema = file_schema(TABLE);
    let ids = |share: usize| -> ArrayRef {
        Arc::new((0..n_rows).map(|row| Some(id(nth, row / share))).collect::<StringArray>())
    };
    let columns = schema.fields().iter().map(|field| -> ArrayRef {
        match field.name().as_str() {
            "timestamp" => Arc::new(TimestampMicrosecondArray::from_iter_values(0..n_rows as i64).with_timezone("UTC")),
            "id" | "context___span_id" => ids(1),
            "context___trace_id" => ids(10),
            // Half of the files have users.
            "attributes___user___id" if nth.is_multiple_of(2) => ids(1_000),
            _ => new_null_array(field.data_type(), n_rows),
        }
    });
    let columns = columns.collect::<Vec<_>>();
    let rows = RecordBatch::try_new(Arc::clone(&schema), columns).expect("rows");
    let path = format!("date=1970-01-01/signal=span/part-{nth:020}-1-x.parquet");
    let mut writer = FileWriter::create(store, TABLE, path, BTreeMap::new()).expect("a writer");
    for from in (0..n_rows).step_by(8_192) {
        writer.write(&rows.slice(from, (n_rows - from).min(8_192))).await.expect("written");
    }
    writer.finish(0, 0).await.expect("finished")
}

/// Small files and one of several row groups.
async fn day() -> (Arc<dyn ObjectStore>, Vec<DataFile>, Vec<Filters>) {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let mut files = Vec::new();
    for (nth, n_rows) in [700, 1, 20_000, 2 * ROWS_PER_ROW_GROUP + 5, 40].into_iter().enumerate() {
        files.push(file(&store, nth, n_rows).await);
    }
    let mut filters = Vec::new();
    for file in &files {
        filters.push(Filters::read(&store, TABLE, file).await.expect("read").expect("ours"));
    }
    (store, files, filters)
}

fn asked<'a>(encoded: &'a Encoded, column: &str, value: &str) -> Region<'a> {
    let place = encoded.layout.region(Column::of(column).expect("known"), ValueHash::of(value)).expect("a place");
    let range = place.range.start as usize..place.range.end as usize;
    Region::parse(&encoded.bytes[range], &place).expect("a region")
}

#[tokio::test]
async fn an_index_says_what_the_filters_of_its_files_say() {
    let (_, files, filters) = day().await;
    let encoded = encode(&filters);
    assert!(encoded.layout.groups.iter().any(|group| group.regions_log2 > 3), "{:?}", encoded.layout);
    let values = (0..6).flat_map(|nth| (0..300_000).step_by(977).map(move |row| id(nth, row)));
    let (mut present, mut ruled_out) = (0, 0);
    for value in values.chain(["".to_owned(), "FFFF".to_owned()]) {
        let hash = ValueHash::of(&value);
        for (name, column) in Column::all() {
            let region = asked(&encoded, name, &value);
            for (file, filters) in files.iter().zip(&filters) {
                // As the filter itself would be asked.
                let of_file = |row_group: u16| {
                    let mut of = filters.of_group(column.group).filter(|filter| filter.columns & column.bit != 0);
                    of.any(|filter| {
                        filter.row_group == row_group
                            && parquet::bloom_filter::Sbbf::new(&filter.bits).check(&value.as_str())
                    })
                };
                let expected: Vec<bool> = (0..filters.row_groups).map(of_file).collect();
                present += usize::from(expected.contains(&true));
                ruled_out += usize::from(!expected.contains(&true));
                let kept = region.row_groups(FileId::of(&file.path), column, hash);
                assert_eq!(kept, Kept::RowGroups(expected), "{name} {value} {}", file.path);
            }
        }
    }
    assert!(present > 500 && ruled_out > 10 * present, "{present} {ruled_out}");
}

#[tokio::test]
async fn every_value_of_a_file_is_found_in_its_row_group() {
    let (_, files, filters) = day().await;
    let encoded = encode(&filters);
    let large = 3;
    for row in (0..2 * ROWS_PER_ROW_GROUP + 5).step_by(331) {
        for column in ["id", "context___span_id"] {
            let value = id(large, row);
            let column_of = Column::of(column).expect("known");
            let kept = asked(&encoded, column, &value).row_groups(
                FileId::of(&files[large].path),
                column_of,
                ValueHash::of(&value),
            );
            let Kept::RowGroups(kept) = kept else { panic!("the file is named") };
            assert!(kept[row / ROWS_PER_ROW_GROUP], "{column} of row {row}");
        }
    }
}

#[tokio::test]
async fn an_index_gives_its_filters_back() {
    let (_, _, mut filters) = day().await;
    let Encoded { bytes, layout } = encode(&filters);
    let n_bytes = bytes.len() as u64;
    let held: usize = filters.iter().map(Filters::bytes).sum();
    assert!(bytes.len() < held * 2, "{} bytes for {held}", bytes.len());
    filters.sort_by_key(|of| of.file);
    assert_eq!(decode(&bytes.into(), &layout).expect("it reads"), filters);
    assert_eq!(Layout::of_text(&layout.to_text(), n_bytes), Some(layout.clone()));
    assert_eq!(Layout::of_text(&layout.to_text(), n_bytes - 1), None, "a shorter object is another");
    for bad in
        ["", "v2 0:0:10 0:0:10 0:0:10 0:0:10", "v1 0:0:10", "v1 0:60:1 0:0:1 0:0:1 0:0:1", "v1 x:0:1 0:0:1 0:0:1 0:0:1"]
    {
        assert_eq!(Layout::of_text(bad, 1 << 40), None, "{bad}");
    }
}

#[tokio::test]
async fn a_span_s_two_names_for_its_id_share_a_filter() {
    let (_, _, filters) = day().await;
    let ids: Vec<&Filter> = filters[0].of_group(1).collect();
    assert_eq!((ids.len(), ids[0].columns), (1, 3));
    assert_eq!(filters[1].of_group(3).count(), 0, "where there are no users, there is nothing");
}

#[tokio::test]
async fn what_is_damaged_or_another_region_is_refused_and_unnamed_files_are_not_spoken_of() {
    let (_, files, filters) = day().await;
    let encoded = encode(&filters[1..]);
    let column = Column::of("id").expect("known");
    let hash = ValueHash::of("x");
    let kept = asked(&encoded, "id", "x").row_groups(FileId::of(&files[0].path), column, hash);
    assert_eq!(kept, Kept::NotNamed);

    let place = encoded.layout.region(column, hash).expect("a place");
    let good = &encoded.bytes[place.range.start as usize..place.range.end as usize];
    for at in (0..good.len()).step_by(97) {
        let mut bad = good.to_vec();
        bad[at] ^= 1;
        assert!(Region::parse(&bad, &place).is_err(), "byte {at}");
        assert!(Region::parse(&good[..at], &place).is_err(), "{at} bytes");
    }
    let other = RegionPlace { nth: place.nth ^ 1, ..place.clone() };
    assert_eq!(Region::parse(good, &other).err(), Some(Damaged("it is another region")));
    let mut object = encoded.bytes.clone();
    object[good.len() * 2] ^= 4;
    assert!(decode(&Bytes::from(object), &encoded.layout).is_err());
}
