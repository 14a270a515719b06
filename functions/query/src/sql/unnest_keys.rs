//! After an unnest, what was a key is one no longer.
//!
//! DataFusion 55.2 hands the functional dependencies of an unnest's input to its output, though each input row becomes many: a
//! GROUP BY key below then makes it drop ORDER BY columns, GROUP BY columns and DISTINCT above (wrong answers). This rule puts
//! the columns below such an unnest behind a function that does nothing, which ends their being keys.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, LogicalPlanBuilder, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility,
};
use datafusion::optimizer::AnalyzerRule;

#[derive(Debug)]
pub(crate) struct UnnestKeys;

impl AnalyzerRule for UnnestKeys {
    fn name(&self) -> &str {
        "unnest_keys"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        let rewritten = plan.transform_up_with_subqueries(|node| {
            let LogicalPlan::Unnest(unnest) = &node else { return Ok(Transformed::no(node)) };
            if unnest.input.schema().functional_dependencies().is_empty() {
                return Ok(Transformed::no(node));
            }
            let input = without_keys(&unnest.input, &unnest.exec_columns)?;
            let (columns, options) = (unnest.exec_columns.clone(), unnest.options.clone());
            let plan = LogicalPlanBuilder::from(input).unnest_columns_with_options(columns, options)?.build()?;
            Ok(Transformed::yes(plan))
        });
        rewritten.map(|done| done.data)
    }
}

/// The same rows and names, with every column but the unnested ones computed anew: any of them may stand for a key.
fn without_keys(input: &LogicalPlan, unnested: &[Column]) -> Result<LogicalPlan> {
    let exprs = input.schema().iter().map(|(qualifier, field)| {
        let column = Column::new(qualifier.cloned(), field.name());
        if unnested.contains(&column) {
            return Expr::Column(column);
        }
        SAME.call(vec![Expr::Column(column)]).alias_qualified(qualifier.cloned(), field.name())
    });
    LogicalPlanBuilder::from(input.clone()).project(exprs)?.build()
}

static SAME: LazyLock<Arc<ScalarUDF>> =
    LazyLock::new(|| Arc::new(ScalarUDF::from(Same { signature: Signature::any(1, Volatility::Immutable) })));

/// The value that it is given.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Same {
    signature: Signature,
}

impl ScalarUDFImpl for Same {
    fn name(&self) -> &str {
        "same"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        Ok(given[0].clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        Ok(Arc::clone(&args.arg_fields[0]))
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.pop() {
            Some(value) => Ok(value),
            None => internal_err!("same takes one value"),
        }
    }
}
