//! The schemas of the tables, put together from the fixed columns and the promoted ones.
//!
//! Stored things are promises: a column is never renamed, never changes its type; new promoted columns may be added. Every
//! column may be null, so that a reader fills a column that an older file lacks. Lists call their items `element`.

use std::sync::{Arc, LazyLock};

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use model::TableName;

use crate::promoted::{Place, promoted};
use crate::tables::{LogsAndSpans, Metrics};

pub(crate) const SCOPE_NAME: &str = "scope___name";
pub(crate) const SCOPE_VERSION: &str = "scope___version";

/// The Arrow schema of a table, partition columns included.
pub fn schema(table: TableName) -> SchemaRef {
    static LOGS_AND_SPANS: LazyLock<SchemaRef> = LazyLock::new(|| {
        let mut own = LogsAndSpans::fields();
        let last = own.pop();
        put_together(own, last)
    });
    static METRICS: LazyLock<SchemaRef> = LazyLock::new(|| put_together(Metrics::fields(), None));
    match table {
        TableName::LogsAndSpans => Arc::clone(&LOGS_AND_SPANS),
        TableName::Metrics => Arc::clone(&METRICS),
    }
}

fn put_together(mut fields: Vec<Field>, last: Option<Field>) -> SchemaRef {
    fields.extend([SCOPE_NAME, SCOPE_VERSION].map(|column| Field::new(column, DataType::Utf8, true)));
    for place in [Place::Attributes, Place::Resource] {
        fields.push(Field::new(place.json_column(), DataType::Utf8, true));
        fields.extend(promoted(place).iter().map(|row| Field::new(&row.column, row.kind.data_type(), true)));
    }
    fields.extend(last);
    Arc::new(Schema::new(fields))
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
