//! How the columns of a table stand to those that we write.

use deltalake::DeltaResult;
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake::kernel::{StructField, StructType};
use deltalake::table::state::DeltaTableState;
use model::TableName;

use crate::log::SchemaFit;

/// `rows::schema` in Delta's words.
pub(super) fn delta_schema(table: TableName) -> DeltaResult<StructType> {
    Ok(rows::schema(table).as_ref().try_into_kernel()?)
}

/// Compares a loaded table with what we write.
pub(super) fn fit(state: &DeltaTableState, table: TableName) -> DeltaResult<SchemaFit> {
    let partitioned_by = state.metadata().partition_columns();
    if partitioned_by != table.partition_columns() {
        return Ok(SchemaFit::Differs(format!("it is partitioned by {partitioned_by:?}")));
    }
    let stands = state.schema();
    let mut lacks = Vec::new();
    for field in delta_schema(table)?.fields() {
        match stands.field(field.name()) {
            None => lacks.push(field.name().clone()),
            Some(there) if there.data_type() != field.data_type() => {
                return Ok(SchemaFit::Differs(format!(
                    "column {} is {} instead of {}",
                    field.name(),
                    there.data_type(),
                    field.data_type()
                )));
            }
            Some(_) => {}
        }
    }
    Ok(if lacks.is_empty() { SchemaFit::Fits } else { SchemaFit::Lacks(lacks) })
}

/// The table's columns as they stand, and behind them those that it lacks, nullable.
pub(super) fn widened(state: &DeltaTableState, table: TableName) -> DeltaResult<(StructType, Vec<StructField>)> {
    let stands = state.schema();
    let added: Vec<StructField> = delta_schema(table)?
        .fields()
        .filter(|field| stands.field(field.name()).is_none())
        .map(|field| StructField::nullable(field.name().clone(), field.data_type().clone()))
        .collect();
    let widened = StructType::try_new(stands.fields().cloned().chain(added.iter().cloned()))?;
    Ok((widened, added))
}
