//! Rows as CSV (RFC 4180): a head line, CRLF, quotes where they are needed. Null is an empty field, empty text is `""`.

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};

use super::value::{As, write_value};

pub(crate) fn csv_head(schema: &SchemaRef) -> String {
    let mut head = String::new();
    for (at, field) in schema.fields().iter().enumerate() {
        head.push_str(if at > 0 { "," } else { "" });
        write_field(field.name(), &mut head);
    }
    head.push_str("\r\n");
    head
}

pub(crate) fn write_csv(batch: &RecordBatch, out: &mut String) {
    let mut field = String::new();
    for row in 0..batch.num_rows() {
        for (at, column) in batch.columns().iter().enumerate() {
            out.push_str(if at > 0 { "," } else { "" });
            if column.is_null(row) {
                continue;
            }
            field.clear();
            write_value(column.as_ref(), row, As::Plain, &mut field);
            let is_text = matches!(column.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
            if is_text && field.is_empty() {
                out.push_str("\"\"");
            } else {
                write_field(&field, out);
            }
        }
        out.push_str("\r\n");
    }
}

fn write_field(field: &str, out: &mut String) {
    if field.contains([',', '"', '\r', '\n']) {
        out.push('"');
        out.push_str(&field.replace('"', "\"\""));
        out.push('"');
    } else {
        out.push_str(field);
    }
}
