//! The schemas of the tables, put together from the fixed columns and the promoted ones.
//!
//! Stored things are promises: a column is never renamed, never changes its type; new promoted columns may be added. Every
//! column may be null, so that a reader fills a column that an older file lacks. Lists call their items `element`.

use std::sync::{Arc, LazyLock};

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, FieldRef, Schema, SchemaRef};
use model::TableName;

use crate::promoted::{Place, promoted};
use crate::tables::{LogsAndSpans, Metrics};

pub(crate) const SCOPE_NAME: &str = "scope___name";
pub(crate) const SCOPE_VERSION: &str = "scope___version";

/// The Arrow schema of a table, partition columns included.
pub fn schema(table: TableName) -> SchemaRef {
    Arc::clone(&layout(table).schema)
}

/// The columns of a table, and where those of each kind begin.
struct Layout {
    schema: SchemaRef,
    /// The same columns where they are dictionary-encoded.
    coded: Vec<FieldRef>,
    /// Own columns, of which the last may stand at the end of the table.
    n_own: usize,
    /// The JSON column; promoted ones follow.
    attributes: usize,
    resource: usize,
}

fn layout(table: TableName) -> &'static Layout {
    static LOGS_AND_SPANS: LazyLock<Layout> = LazyLock::new(|| {
        let mut own = LogsAndSpans::fields();
        let last = own.pop();
        Layout::new(own, last)
    });
    static METRICS: LazyLock<Layout> = LazyLock::new(|| Layout::new(Metrics::fields(), None));
    match table {
        TableName::LogsAndSpans => &LOGS_AND_SPANS,
        TableName::Metrics => &METRICS,
    }
}

impl Layout {
    fn new(mut fields: Vec<Field>, last: Option<Field>) -> Self {
        let n_own = fields.len();
        fields.extend([SCOPE_NAME, SCOPE_VERSION].map(|column| Field::new(column, DataType::Utf8, true)));
        let [attributes, resource] = [Place::Attributes, Place::Resource].map(|place| {
            let start = fields.len();
            fields.push(Field::new(place.json_column(), DataType::Utf8, true));
            fields.extend(promoted(place).iter().map(|row| Field::new(&row.column, row.kind.data_type(), true)));
            start
        });
        fields.extend(last);
        let coded = |field: &Field| {
            let data_type = DataType::Dictionary(Box::new(DataType::Int32), Box::new(field.data_type().clone()));
            Arc::new(field.clone().with_data_type(data_type))
        };
        Self {
            coded: fields.iter().map(coded).collect(),
            schema: Arc::new(Schema::new(fields)),
            n_own,
            attributes,
            resource,
        }
    }
}

/// The arrays of a batch on its way, by their place in the table; columns without any value have none.
pub(crate) struct Columns {
    layout: &'static Layout,
    arrays: Vec<Option<ArrayRef>>,
    /// Of the table's own columns.
    n_put: usize,
}

impl Columns {
    pub(crate) fn new(table: TableName) -> Self {
        let layout = layout(table);
        Self { layout, arrays: vec![None; layout.coded.len()], n_put: 0 }
    }

    /// The next of the table's own columns.
    pub(crate) fn put_own(&mut self, array: Option<ArrayRef>) {
        let place = if self.n_put < self.layout.n_own { self.n_put } else { self.arrays.len() - 1 };
        self.arrays[place] = array;
        self.n_put += 1;
    }

    /// The scope's name and version.
    pub(crate) fn put_scope(&mut self, arrays: [Option<ArrayRef>; 2]) {
        for (n, array) in arrays.into_iter().enumerate() {
            self.arrays[self.layout.n_own + n] = array;
        }
    }

    /// What has no column of its own, as JSON.
    pub(crate) fn put_json(&mut self, of: Place, array: Option<ArrayRef>) {
        let start = self.start(of);
        self.arrays[start] = array;
    }

    /// The `n`th promoted column.
    pub(crate) fn put_promoted(&mut self, of: Place, n: usize, array: Option<ArrayRef>) {
        let start = self.start(of);
        self.arrays[start + 1 + n] = array;
    }

    /// The batch of the columns that have a value, in the table's order.
    pub(crate) fn batch(self, n_rows: usize) -> RecordBatch {
        let Layout { schema, coded, .. } = self.layout;
        let (fields, arrays): (Vec<FieldRef>, Vec<ArrayRef>) = self
            .arrays
            .into_iter()
            .zip(schema.fields().iter().zip(coded))
            .filter_map(|(array, (plain, coded))| {
                let array = array?;
                let is_coded = matches!(array.data_type(), DataType::Dictionary(..));
                Some((Arc::clone(if is_coded { coded } else { plain }), array))
            })
            .unzip();
        let options = RecordBatchOptions::new().with_row_count(Some(n_rows));
        RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
            .expect("every column was finished with the same number of rows")
    }

    fn start(&self, of: Place) -> usize {
        match of {
            Place::Attributes => self.layout.attributes,
            Place::Resource => self.layout.resource,
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow_schema::TimeUnit;

    use super::*;

    #[test]
    fn the_tables_have_the_columns_that_users_know() {
        let utc = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let list = |item| DataType::List(Arc::new(Field::new("element", item, true)));
        let cases = [
            (TableName::LogsAndSpans, "date", DataType::Date32),
            (TableName::LogsAndSpans, "timestamp", utc()),
            (TableName::LogsAndSpans, "duration", DataType::Int64),
            (TableName::LogsAndSpans, "hashes", list(DataType::Utf8)),
            (TableName::LogsAndSpans, "severity___severity_number", DataType::Int32),
            (TableName::LogsAndSpans, "context___trace_id", DataType::Utf8),
            (TableName::LogsAndSpans, "context___trace_flags", DataType::Int64),
            (TableName::LogsAndSpans, "attributes___http___response___status_code", DataType::Int64),
            (TableName::LogsAndSpans, "resource___service___name", DataType::Utf8),
            (TableName::LogsAndSpans, "message_size_bytes", DataType::Int64),
            (TableName::Metrics, "start_timestamp", utc()),
            (TableName::Metrics, "is_monotonic", DataType::Boolean),
            (TableName::Metrics, "bucket_counts", list(DataType::Int64)),
            (TableName::Metrics, "quantile_values", list(DataType::Float64)),
            (TableName::Metrics, "attributes___http___route", DataType::Utf8),
        ];
        for (table, column, expected) in cases {
            let schema = schema(table);
            assert_eq!(schema.field_with_name(column).expect(column).data_type(), &expected, "{column}");
        }
        let logs_and_spans = schema(TableName::LogsAndSpans);
        assert_eq!(logs_and_spans.fields().first().expect("columns").name(), "project_id");
        assert_eq!(logs_and_spans.fields().last().expect("columns").name(), "message_size_bytes");
        for table in TableName::ALL {
            let names: std::collections::HashSet<_> = schema(table).fields().iter().map(|f| f.name().clone()).collect();
            assert_eq!(names.len(), schema(table).fields().len(), "no name twice in {table}");
            assert!(table.partition_columns().iter().all(|column| names.contains(*column)));
        }
    }
}
