//! DataFusion's `date_part`, and `extract`, which is planned as it, with one difference: the epoch of a difference of two times
//! has its fraction of a second, as PostgreSQL has it. DataFusion 55.2 cuts it off.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef, Int64Type, TimeUnit};
use datafusion::common::{Result, ScalarValue};
use datafusion::functions::datetime::date_part;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult};
use datafusion::logical_expr::preimage::PreimageResult;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

/// Plans `extract(... from ...)`.
#[derive(Debug)]
pub(crate) struct ExtractPlanner;

impl ExprPlanner for ExtractPlanner {
    fn plan_extract(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        let function = Arc::new(ScalarUDF::from(DatePart::default()));
        Ok(PlannerResult::Planned(Expr::ScalarFunction(ScalarFunction::new_udf(function, args))))
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct DatePart {
    function: Arc<ScalarUDF>,
}

impl Default for DatePart {
    fn default() -> Self {
        Self { function: date_part() }
    }
}

impl ScalarUDFImpl for DatePart {
    fn name(&self) -> &str {
        self.function.name()
    }

    fn aliases(&self) -> &[String] {
        self.function.aliases()
    }

    fn signature(&self) -> &Signature {
        self.function.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.function.inner().return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.function.return_field_from_args(args)
    }

    fn preimage(&self, args: &[Expr], value: &Expr, context: &SimplifyContext) -> Result<PreimageResult> {
        self.function.preimage(args, value, context)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.function.documentation()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(unit) = unit_of_epoch(&args.args) else { return self.function.invoke_with_args(args) };
        match &args.args[1] {
            ColumnarValue::Array(of) => Ok(ColumnarValue::Array(seconds(of, unit)?)),
            ColumnarValue::Scalar(of) => {
                let seconds = seconds(&of.to_array()?, unit)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&seconds, 0)?))
            }
        }
    }
}

/// The unit of the difference of times whose epoch is asked for; none if something else is.
fn unit_of_epoch(args: &[ColumnarValue]) -> Option<TimeUnit> {
    let [ColumnarValue::Scalar(part), of] = args else { return None };
    let part = part.try_as_str()??.trim_matches(['\'', '"']);
    match of.data_type() {
        DataType::Duration(unit) if part.eq_ignore_ascii_case("epoch") => Some(unit),
        _ => None,
    }
}

fn seconds(durations: &ArrayRef, unit: TimeUnit) -> Result<ArrayRef> {
    let per_second = match unit {
        TimeUnit::Second => 1.0,
        TimeUnit::Millisecond => 1e3,
        TimeUnit::Microsecond => 1e6,
        TimeUnit::Nanosecond => 1e9,
    };
    let whole = cast(durations, &DataType::Int64)?;
    let seconds: Float64Array = whole.as_primitive::<Int64Type>().unary(|n| n as f64 / per_second);
    Ok(Arc::new(seconds))
}
