//! `attributes ->> 'key'` and `resource ->> 'key'` (and `->`, `?`) for every key, promoted or not.
//!
//! A promoted key is asked of its column first and of the JSON second, since what did not fit the column's type is there. The
//! column may be out of sight, when `attributes` comes from a subquery that names it alone: then the planner leaves a mark,
//! and a rule over the plan brings the column up to it.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, AsArray, StringBuilder};
use arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, Result, ScalarValue, exec_err, internal_err, plan_err};
use datafusion::functions::core::expr_fn::coalesce;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, Projection, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    SubqueryAlias, Volatility, cast, lit,
};
use datafusion::optimizer::AnalyzerRule;
use datafusion::sql::sqlparser::ast::BinaryOperator;
use datafusion_functions_json::functions::{json_as_text, json_contains, json_get_json};
use rows::promoted::{Place, Promoted, Type, promoted_column};

/// What is asked of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Asked {
    /// `->>`: its value as text.
    Text,
    /// `->`: its value as JSON text.
    Json,
    /// `?`: whether it is there.
    Presence,
}

impl Asked {
    fn of(op: &BinaryOperator) -> Option<Self> {
        match op {
            BinaryOperator::LongArrow => Some(Self::Text),
            BinaryOperator::Arrow => Some(Self::Json),
            BinaryOperator::Question => Some(Self::Presence),
            _ => None,
        }
    }

    fn operator(self) -> &'static str {
        match self {
            Self::Text => "->>",
            Self::Json => "->",
            Self::Presence => "?",
        }
    }

    /// The answer from the promoted column and from the JSON.
    fn of_both(self, column: Expr, kind: Type, json: Expr, key: &str) -> Expr {
        match (self, kind) {
            (Self::Text, Type::Text) => coalesce(vec![column, json_as_text(json, lit(key))]),
            (Self::Text, _) => coalesce(vec![cast(column, DataType::Utf8), json_as_text(json, lit(key))]),
            (Self::Json, Type::Text) => coalesce(vec![JSON_QUOTE.call(vec![column]), json_get_json(json, lit(key))]),
            (Self::Json, _) => coalesce(vec![cast(column, DataType::Utf8), json_get_json(json, lit(key))]),
            (Self::Presence, _) => column.is_not_null().or(coalesce(vec![json_contains(json, lit(key)), lit(false)])),
        }
    }

    fn of_json(self, json: Expr, key: &str) -> Expr {
        match self {
            Self::Text => json_as_text(json, lit(key)),
            Self::Json => json_get_json(json, lit(key)),
            Self::Presence => json_contains(json, lit(key)),
        }
    }
}

fn place_of(column: &str) -> Option<Place> {
    [Place::Attributes, Place::Resource].into_iter().find(|place| place.json_column() == column)
}

fn text_of(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(value, _) => value.try_as_str().flatten(),
        _ => None,
    }
}

/// Plans the operators over `attributes` and `resource`; keys that are not promoted are left to the planner for JSON.
#[derive(Debug)]
pub(crate) struct AttributePlanner;

impl ExprPlanner for AttributePlanner {
    fn plan_binary_op(&self, raw: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let (Some(asked), Expr::Column(json), Some(key)) = (Asked::of(&raw.op), &raw.left, text_of(&raw.right)) else {
            return Ok(PlannerResult::Original(raw));
        };
        let Some(promoted) = place_of(&json.name).and_then(|place| promoted_column(key, place)) else {
            return Ok(PlannerResult::Original(raw));
        };
        let column = Column::new(json.relation.clone(), &promoted.column);
        let planned = if schema.has_column(&column) {
            asked.of_both(Expr::Column(column), promoted.kind, raw.left.clone(), key)
        } else {
            mark(asked).call(vec![raw.left.clone(), lit(key)])
        };
        let name = format!("{} {} '{key}'", json.name, asked.operator());
        Ok(PlannerResult::Planned(planned.alias(name)))
    }
}

/// Brings promoted columns up to the marks that the planner left.
#[derive(Debug)]
pub(crate) struct ResolveAttributes;

impl AnalyzerRule for ResolveAttributes {
    fn name(&self) -> &str {
        "resolve_attributes"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(resolve).map(|done| done.data)
    }
}

/// A mark found in an expression.
struct Mark {
    asked: Asked,
    json: Column,
    promoted: &'static Promoted,
}

fn resolve(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let mut marks = Vec::new();
    node.apply_expressions(|expr| {
        expr.apply(|expr| {
            marks.extend(read_mark(expr));
            Ok(datafusion::common::tree_node::TreeNodeRecursion::Continue)
        })
    })?;
    if marks.is_empty() {
        return Ok(Transformed::no(node));
    }
    let mut inputs: Vec<LogicalPlan> = node.inputs().into_iter().cloned().collect();
    let mut seen = Vec::with_capacity(marks.len());
    for mark in &marks {
        let Some(at) = inputs.iter().position(|input| input.schema().has_column(&mark.json)) else {
            return internal_err!("column {} of a mark is in no input", mark.json);
        };
        let exposed = expose(&inputs[at], &mark.json, mark.promoted)?;
        seen.push(matches!(exposed, Exposed::Column(_)));
        if let Exposed::Column(input) = exposed {
            inputs[at] = input;
        }
    }
    let replaced = node.expressions().into_iter().map(|expr| {
        let name = expr.schema_name().to_string();
        let replaced = expr.transform_up(|expr| {
            let Some(found) = read_mark(&expr) else { return Ok(Transformed::no(expr)) };
            let at = marks.iter().position(|mark| mark.json == found.json && mark.promoted.key == found.promoted.key);
            let json = Expr::Column(found.json.clone());
            let key = found.promoted.key;
            Ok(Transformed::yes(if at.is_some_and(|at| seen[at]) {
                let column = Expr::Column(Column::new(found.json.relation.clone(), &found.promoted.column));
                found.asked.of_both(column, found.promoted.kind, json, key)
            } else {
                found.asked.of_json(json, key)
            }))
        })?;
        let changed = replaced.transformed && replaced.data.schema_name().to_string() != name;
        let names_output =
            matches!(node, LogicalPlan::Projection(_) | LogicalPlan::Aggregate(_) | LogicalPlan::Window(_));
        Ok(if changed && names_output { replaced.data.alias(name) } else { replaced.data })
    });
    let replaced = replaced.collect::<Result<Vec<_>>>()?;
    Ok(Transformed::yes(node.with_new_exprs(replaced, inputs)?))
}

/// Whether a plan could be made to hold the promoted column beside its JSON column.
enum Exposed {
    /// It holds it, under the qualifier of the JSON column.
    Column(LogicalPlan),
    /// What is called `attributes` here is no column of a table: its JSON is all there is.
    JsonOnly,
}

fn expose(plan: &LogicalPlan, json: &Column, promoted: &Promoted) -> Result<Exposed> {
    let wanted = Column::new(json.relation.clone(), &promoted.column);
    if plan.schema().has_column(&wanted) {
        return Ok(Exposed::Column(plan.clone()));
    }
    let at = plan.schema().index_of_column(json)?;
    match plan {
        LogicalPlan::Projection(projection) => {
            let Expr::Column(inner) = projection.expr[at].clone().unalias() else { return Ok(Exposed::JsonOnly) };
            let Exposed::Column(input) = expose(&projection.input, &inner, promoted)? else {
                return Ok(Exposed::JsonOnly);
            };
            let column = Expr::Column(Column::new(inner.relation, &promoted.column));
            let mut exprs = projection.expr.clone();
            exprs.push(column.alias_qualified(json.relation.clone(), &promoted.column));
            Ok(Exposed::Column(LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(input))?)))
        }
        LogicalPlan::SubqueryAlias(alias) => {
            let (qualifier, field) = alias.input.schema().qualified_field(at);
            let inner = Column::new(qualifier.cloned(), field.name());
            let Exposed::Column(input) = expose(&alias.input, &inner, promoted)? else { return Ok(Exposed::JsonOnly) };
            Ok(Exposed::Column(LogicalPlan::SubqueryAlias(SubqueryAlias::try_new(
                Arc::new(input),
                alias.alias.clone(),
            )?)))
        }
        LogicalPlan::Filter(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::Join(_)
        | LogicalPlan::Window(_) => {
            let mut inputs: Vec<LogicalPlan> = plan.inputs().into_iter().cloned().collect();
            let Some(input) = inputs.iter_mut().find(|input| input.schema().has_column(json)) else {
                return Ok(Exposed::JsonOnly);
            };
            let Exposed::Column(exposed) = expose(input, json, promoted)? else { return Ok(Exposed::JsonOnly) };
            *input = exposed;
            Ok(Exposed::Column(plan.with_new_exprs(plan.expressions(), inputs)?.recompute_schema()?))
        }
        LogicalPlan::TableScan(_) | LogicalPlan::EmptyRelation(_) | LogicalPlan::Values(_) => Ok(Exposed::JsonOnly),
        _ => plan_err!(
            "`{} ->> '{}'` stands outside a grouping, DISTINCT or UNION of `{}`, where the column {} is out of reach: apply it inside",
            json.name,
            promoted.key,
            json.name,
            promoted.column
        ),
    }
}

fn read_mark(expr: &Expr) -> Option<Mark> {
    let Expr::ScalarFunction(call) = expr else { return None };
    let asked = call.func.inner().downcast_ref::<AttributeMark>()?.asked;
    let [Expr::Column(json), key] = call.args.as_slice() else { return None };
    let promoted = promoted_column(text_of(key)?, place_of(&json.name)?)?;
    Some(Mark { asked, json: json.clone(), promoted })
}

fn mark(asked: Asked) -> Arc<ScalarUDF> {
    Arc::new(ScalarUDF::from(AttributeMark { asked, signature: Signature::any(2, Volatility::Immutable) }))
}

/// Stands for an operator whose promoted column is out of sight; the rule replaces it before anything runs.
#[derive(Debug, PartialEq, Eq, Hash)]
struct AttributeMark {
    asked: Asked,
    signature: Signature,
}

impl ScalarUDFImpl for AttributeMark {
    fn name(&self) -> &str {
        match self.asked {
            Asked::Text => "attribute_text",
            Asked::Json => "attribute_json",
            Asked::Presence => "attribute_presence",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _given: &[DataType]) -> Result<DataType> {
        Ok(if self.asked == Asked::Presence { DataType::Boolean } else { DataType::Utf8 })
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        internal_err!("{} was not replaced", self.name())
    }
}

static JSON_QUOTE: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Arc::new(ScalarUDF::from(JsonQuote::default())));

/// `json_quote(text)`: text as a JSON string.
pub(crate) fn json_quote() -> Arc<ScalarUDF> {
    Arc::clone(&JSON_QUOTE)
}

/// Text as a JSON string.
#[derive(Debug, PartialEq, Eq, Hash)]
struct JsonQuote {
    signature: Signature,
}

impl Default for JsonQuote {
    fn default() -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for JsonQuote {
    fn name(&self) -> &str {
        "json_quote"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        match given {
            [_] => Ok(vec![DataType::Utf8]),
            _ => plan_err!("json_quote takes one text"),
        }
    }

    fn return_type(&self, _given: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let quote = |text: &str| serde_json::Value::from(text).to_string();
        match &args.args[0] {
            ColumnarValue::Scalar(ScalarValue::Utf8(text)) => {
                Ok(ColumnarValue::Scalar(ScalarValue::Utf8(text.as_deref().map(quote))))
            }
            ColumnarValue::Scalar(other) => exec_err!("json_quote takes text, not {other}"),
            ColumnarValue::Array(texts) => {
                let mut quoted = StringBuilder::with_capacity(texts.len(), texts.len() * 16);
                texts.as_string::<i32>().iter().for_each(|text| quoted.append_option(text.map(quote)));
                Ok(ColumnarValue::Array(Arc::new(quoted.finish())))
            }
        }
    }
}
