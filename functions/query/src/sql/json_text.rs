//! Answers hold JSON as text: columns of the JSON union that `->` makes are turned into text at the very end.

use datafusion::common::{Column, Result};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion_functions_json::JSON_UNION_DATA_TYPE;
use datafusion_functions_json::functions::json_union_to_text;

/// The plan with its JSON columns as text.
pub(crate) fn text_of_json(plan: LogicalPlan) -> Result<LogicalPlan> {
    let schema = plan.schema().clone();
    if schema.fields().iter().all(|field| *field.data_type() != *JSON_UNION_DATA_TYPE) {
        return Ok(plan);
    }
    let columns = schema.iter().map(|(qualifier, field)| {
        let column = Expr::Column(Column::new(qualifier.cloned(), field.name()));
        if *field.data_type() == *JSON_UNION_DATA_TYPE {
            json_union_to_text(column).alias(field.name())
        } else {
            column
        }
    });
    LogicalPlanBuilder::from(plan).project(columns)?.build()
}
