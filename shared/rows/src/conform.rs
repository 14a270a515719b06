//! From the columns that a batch happens to hold to the columns that were asked for, and several batches into one.
//!
//! A batch fresh from the decoder or from a segment holds only columns with a value, and what is said once for many rows (the
//! resource, the scope, names of enumerations) is dictionary-encoded: that keeps the batch small however long the resource is.
//! Readers and the compactor call [`conform`] or [`conform_to`] before anything else.

use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, DictionaryArray, RecordBatch, RecordBatchOptions, make_array, new_null_array};
use arrow_data::ArrayData;
use arrow_data::transform::MutableArrayData;
use arrow_schema::{ArrowError, DataType, Schema, SchemaRef};
use model::TableName;
use std::sync::Arc;

use crate::column::spelled_out;
use crate::schema::schema;

/// A batch does not fit a schema.
#[derive(Debug, thiserror::Error)]
pub enum ConformError {
    #[error("the batch has a column `{column}` that {table} does not have: it was written by a newer version")]
    UnknownColumn { column: String, table: TableName },
    #[error("column `{column}` is {found}, the table has {expected}")]
    WrongType { column: String, found: DataType, expected: DataType },
    #[error("failed to put the columns of a batch together")]
    Columns(#[from] ArrowError),
}

/// The batch with all columns of its table, in the table's order and types; missing columns are null.
///
/// A column that the table does not have is an error, so that nothing is dropped silently.
pub fn conform(batch: &RecordBatch, table: TableName) -> Result<RecordBatch, ConformError> {
    let schema = schema(table);
    refuse_unknown_columns(batch, table, &schema)?;
    conform_to(batch, &schema)
}

/// The columns of `schema` only, in its order and types; missing columns are null, others are left out.
pub fn conform_to(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ConformError> {
    let mut columns = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        columns.push(match batch.column_by_name(field.name()) {
            Some(column) => plain(column, field.name(), field.data_type())?,
            None => new_null_array(field.data_type(), batch.num_rows()),
        });
    }
    put_together(Arc::clone(schema), columns, batch.num_rows())
}

/// The rows of all batches, one after the other, with the columns that any of them has.
pub fn concat(table: TableName, batches: &[RecordBatch]) -> Result<RecordBatch, ConformError> {
    if let [batch] = batches {
        return Ok(batch.clone());
    }
    let schema = schema(table);
    let mut cursors: Vec<Cursor<'_>> = batches.iter().map(|batch| Cursor::new(batch, &schema)).collect();
    for cursor in cursors.iter().filter(|cursor| cursor.next.is_none()) {
        refuse_unknown_columns(cursor.batch, table, &schema)?;
    }
    let mut fields = Vec::new();
    let mut columns = Vec::new();
    for field in schema.fields() {
        let found: Vec<Option<&ArrayRef>> = cursors.iter_mut().map(|cursor| cursor.column(field.name())).collect();
        let Some(held) = encoding(&found) else { continue };
        let held = held.unwrap_or_else(|| field.data_type().clone());
        let mut parts = Vec::with_capacity(batches.len());
        for (batch, column) in batches.iter().zip(found) {
            parts.push(match column {
                Some(column) if *column.data_type() == held => Arc::clone(column),
                Some(column) => plain(column, field.name(), field.data_type())?,
                None => new_null_array(&held, batch.num_rows()),
            });
        }
        fields.push(field.as_ref().clone().with_data_type(held));
        columns.push(one_after_the_other(&parts)?);
    }
    put_together(Arc::new(Schema::new(fields)), columns, batches.iter().map(RecordBatch::num_rows).sum())
}

/// `parts`, all of one type and at least one, as one array. Not by `arrow_select::concat`, whose kernels for all types weigh half a
/// megabyte in a function.
fn one_after_the_other(parts: &[ArrayRef]) -> Result<ArrayRef, ArrowError> {
    let parts: Vec<_> = parts.iter().map(Array::to_data).collect();
    let n_rows = parts.iter().map(ArrayData::len).sum();
    let mut whole = MutableArrayData::new(parts.iter().collect(), false, n_rows);
    for (n, part) in parts.iter().enumerate() {
        whole.try_extend(n, 0, part.len())?;
    }
    Ok(make_array(whole.freeze()))
}

/// The columns of a batch, asked for in the order of its table.
struct Cursor<'b> {
    batch: &'b RecordBatch,
    /// The first that was not asked for; None if the batch has another order, or columns that the table does not have, so that
    /// it has to be searched each time.
    next: Option<usize>,
}

impl<'b> Cursor<'b> {
    fn new(batch: &'b RecordBatch, schema: &Schema) -> Self {
        let mut names = schema.fields().iter().map(|field| field.name());
        let is_in_order = batch.schema_ref().fields().iter().all(|held| names.any(|name| name == held.name()));
        Self { batch, next: is_in_order.then_some(0) }
    }

    fn column(&mut self, name: &str) -> Option<&'b ArrayRef> {
        let Some(next) = self.next else { return self.batch.column_by_name(name) };
        let field = self.batch.schema_ref().fields().get(next)?;
        if field.name() != name {
            return None;
        }
        self.next = Some(next + 1);
        Some(self.batch.column(next))
    }
}

/// None: no batch has the column. Some(None): they hold it in different encodings.
fn encoding(found: &[Option<&ArrayRef>]) -> Option<Option<DataType>> {
    let mut types = found.iter().flatten().map(|array| array.data_type());
    let first = types.next()?;
    Some(types.all(|other| other == first).then(|| first.clone()))
}

/// The column without a dictionary.
fn plain(column: &ArrayRef, name: &str, expected: &DataType) -> Result<ArrayRef, ConformError> {
    if column.data_type() == expected {
        return Ok(Arc::clone(column));
    }
    if let Some(coded) = column.as_any().downcast_ref::<DictionaryArray<Int32Type>>()
        && coded.values().data_type() == expected
    {
        return Ok(spelled_out(coded.values(), coded.keys())?);
    }
    let (column, found) = (name.to_owned(), column.data_type().clone());
    Err(ConformError::WrongType { column, found, expected: expected.clone() })
}

fn refuse_unknown_columns(batch: &RecordBatch, table: TableName, schema: &Schema) -> Result<(), ConformError> {
    for field in batch.schema_ref().fields() {
        if schema.index_of(field.name()).is_err() {
            return Err(ConformError::UnknownColumn { column: field.name().clone(), table });
        }
    }
    Ok(())
}

fn put_together(schema: SchemaRef, columns: Vec<ArrayRef>, n_rows: usize) -> Result<RecordBatch, ConformError> {
    let options = RecordBatchOptions::new().with_row_count(Some(n_rows));
    Ok(RecordBatch::try_new_with_options(schema, columns, &options)?)
}

#[cfg(test)]
mod tests {
    use arrow_array::{Int64Array, StringArray};

    use super::*;

    fn batch(columns: &[(&str, ArrayRef)]) -> RecordBatch {
        RecordBatch::try_from_iter(columns.iter().cloned()).expect("columns of one length")
    }

    fn texts(texts: &[Option<&str>]) -> ArrayRef {
        Arc::new(StringArray::from(texts.to_vec()))
    }

    #[test]
    fn missing_columns_are_null_and_dictionaries_are_spelled_out() {
        let codes = (0..100).map(|n| (n % 3 > 0).then_some(n % 2)).collect();
        let kinds = crate::column::coded_array(codes, texts(&[Some("server"), None]));
        assert!(matches!(kinds.data_type(), DataType::Dictionary(..)));
        let batch = batch(&[("kind", kinds), ("duration", Arc::new(Int64Array::from_iter_values(0..100)))]);
        let whole = conform(&batch, TableName::LogsAndSpans).expect("the table's columns");
        assert_eq!(whole.schema(), schema(TableName::LogsAndSpans));
        let kind = whole.column_by_name("kind").expect("in the table");
        assert_eq!((kind.data_type(), kind.null_count()), (&DataType::Utf8, 34 + 33));
        assert_eq!(whole.column_by_name("name").expect("in the table").null_count(), 100);
        let narrow: SchemaRef = Arc::new(whole.schema().project(&[0, 3]).expect("two columns"));
        assert_eq!(conform_to(&batch, &narrow).expect("fits").schema(), narrow);
    }

    #[test]
    fn columns_that_do_not_fit_are_named() {
        let newer = batch(&[("from_the_future", texts(&[None]))]);
        let error = conform(&newer, TableName::Metrics).expect_err("not a column").to_string();
        assert!(error.contains("from_the_future") && error.contains("otel_metrics"), "{error}");
        assert!(concat(TableName::Metrics, &[newer.clone(), newer]).is_err());
        let wrong = conform(&batch(&[("count", texts(&[None]))]), TableName::Metrics).expect_err("no number");
        assert!(matches!(wrong, ConformError::WrongType { .. }), "{wrong}");
    }

    #[test]
    fn batches_with_other_columns_join() {
        let first = batch(&[("kind", texts(&[Some("log")])), ("name", texts(&[Some("a")]))]);
        let codes = (0..70).map(|_| Some(0)).collect();
        let second = batch(&[("kind", crate::column::coded_array(codes, texts(&[Some("server")])))]);
        let joined = concat(TableName::LogsAndSpans, &[second, first]).expect("one table");
        assert_eq!((joined.num_rows(), joined.num_columns()), (71, 2));
        assert_eq!(joined.schema().field(0).name(), "name", "in the table's order");
        assert_eq!(joined.column_by_name("name").expect("held").null_count(), 70);
        assert_eq!(concat(TableName::Metrics, &[]).expect("nothing").num_rows(), 0);
    }
}
