//! SQL type names that PostgreSQL and DataFusion understand differently, as PostgreSQL does.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::Result;
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::sql::sqlparser::ast::{DataType as SqlType, ExactNumberInfo, TimezoneInfo};

/// `FLOAT` is double precision, `TIMESTAMPTZ` is the tables' own time type, `JSON` is text.
#[derive(Debug)]
pub(crate) struct PostgresTypes;

/// `FLOAT(n)` is single precision up to this.
const SINGLE_PRECISION_BITS: u64 = 24;

impl TypePlanner for PostgresTypes {
    fn plan_type_field(&self, sql_type: &SqlType) -> Result<Option<FieldRef>> {
        let planned = match sql_type {
            SqlType::Float(ExactNumberInfo::Precision(bits)) if *bits <= SINGLE_PRECISION_BITS => DataType::Float32,
            SqlType::Float(_) => DataType::Float64,
            SqlType::Timestamp(_, TimezoneInfo::Tz | TimezoneInfo::WithTimeZone) => {
                DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
            }
            SqlType::JSON | SqlType::JSONB => DataType::Utf8View,
            _ => return Ok(None),
        };
        Ok(Some(Arc::new(Field::new("", planned, true))))
    }
}
