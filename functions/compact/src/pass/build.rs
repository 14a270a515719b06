//! Step 5: segments become sorted Parquet files, one per partition.
//!
//! File names carry seq, fence and a fresh id per file and attempt, so that no two workers and no two attempts ever write
//! the same object. What is written is durable before it is named.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::{DataType, Date32Type, Field, Schema, TimeUnit, TimestampMicrosecondType};
use clock::{Clock, Ids};
use lake::{FileName, FileWriter, NewFile};
use model::{Micros, TableId, TableName};
use object_store::ObjectStore;

use super::choose::Chosen;
use crate::aside::aside;
use crate::maintain::days;
use crate::{App, PassError};

/// Rows put in order at a time.
const ROWS_AT_ONCE: usize = 8_192;

/// The rows of one partition, by their place in the whole, ascending by time.
struct Group {
    partition: BTreeMap<String, String>,
    places: Vec<u32>,
}

/// Writes all rows of a batch; the files are durable, and nothing names them yet.
pub(super) async fn write_files(
    app: &App,
    table: &TableId,
    seq: u64,
    fence: u64,
    chosen: Chosen,
) -> Result<Vec<NewFile>, PassError> {
    let build = Build {
        store: app.root(table).store,
        table: table.table,
        seq,
        fence,
        ids: Arc::clone(&app.ids),
        clock: Arc::clone(&app.clock),
    };
    aside(build.run(chosen)).await?
}

struct Build {
    store: Arc<dyn ObjectStore>,
    table: TableName,
    seq: u64,
    fence: u64,
    ids: Arc<dyn Ids>,
    clock: Arc<dyn Clock>,
}

impl Build {
    async fn run(self, chosen: Chosen) -> Result<Vec<NewFile>, PassError> {
        let batches: Vec<RecordBatch> = chosen.loaded.into_iter().flat_map(|loaded| loaded.rows).collect();
        let all = rows::concat(self.table, &batches).map_err(|error| PassError::Build(error.into()))?;
        drop(batches);
        let mut files = Vec::new();
        for group in groups(&all, self.table)? {
            files.push(self.write(&all, group, files.len()).await?);
        }
        Ok(files)
    }

    async fn write(&self, all: &RecordBatch, group: Group, nth: usize) -> Result<NewFile, PassError> {
        let fresh = FileName::fresh(self.ids.as_ref(), nth);
        let name = FileName::Part { seq: self.seq, fence: self.fence, fresh };
        let path = name.path(self.table, &group.partition);
        let mut file = FileWriter::create(&self.store, self.table, path, group.partition)?;
        for places in group.places.chunks(ROWS_AT_ONCE) {
            let places = UInt32Array::from(places.to_vec());
            let taken = take_record_batch(all, &places).map_err(|error| PassError::Build(error.into()))?;
            let rows = rows::conform(&taken, self.table).map_err(|error| PassError::Build(error.into()))?;
            file.write(&rows).await?;
            // Others may stop this work here.
            tokio::task::yield_now().await;
        }
        Ok(file.finish(0, self.clock.now()).await?)
    }
}

/// The rows by partition, each ascending by time; rows of one time stay in their order.
fn groups(all: &RecordBatch, table: TableName) -> Result<Vec<Group>, PassError> {
    let keys = rows::conform_to(all, &key_schema()).map_err(|error| PassError::Build(error.into()))?;
    let n_rows = u32::try_from(keys.num_rows()).map_err(|error| PassError::Build(error.into()))?;
    let times = keys.column(0).as_primitive::<TimestampMicrosecondType>();
    let dates = keys.column(1).as_primitive::<Date32Type>();
    let signals = keys.column(2).as_string::<i32>();
    let by_signal = table.partition_columns().contains(&"signal");
    let mut partitions: BTreeMap<(i32, &str), Vec<(Micros, u32)>> = BTreeMap::new();
    for row in 0..n_rows {
        let at = row as usize;
        let signal = if by_signal && signals.is_valid(at) { signals.value(at) } else { "" };
        partitions.entry((dates.value(at), signal)).or_default().push((times.value(at), row));
    }
    let grouped = partitions.into_iter().map(|((day, signal), mut places)| {
        places.sort_unstable();
        let mut partition = BTreeMap::from([("date".to_owned(), days::text(day))]);
        if by_signal {
            partition.insert("signal".to_owned(), signal.to_owned());
        }
        Group { partition, places: places.into_iter().map(|(_, row)| row).collect() }
    });
    Ok(grouped.collect())
}

fn key_schema() -> Arc<Schema> {
    Arc::new(Schema::new(vec![
        Field::new(lake::SORT_COLUMN, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
        Field::new("date", DataType::Date32, true),
        Field::new("signal", DataType::Utf8, true),
    ]))
}
