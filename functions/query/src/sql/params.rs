//! The parameters of a request: JSON values for `$1, $2, ...` or for `$name`.

use std::fmt;

use datafusion::sql::sqlparser::ast::{Array, Expr, UnaryOperator, Value};
use datafusion::sql::sqlparser::tokenizer::Span;
use serde_json::Value as Json;

use crate::error::QueryError;

/// Most parameters of a request, and most items of a list among them.
const PARAMS_MAX: usize = 1_000;

/// Values by place or by name. Text, numbers, true, false, null, and lists of these.
#[derive(Clone, Debug, Default)]
pub struct Params {
    /// Named: by name, without the `$`. Else `1`, `2`, ...
    names: Vec<String>,
    values: Vec<Json>,
}

impl Params {
    /// From a JSON list (positional) or object (named).
    pub fn from_json(params: Option<Json>) -> Result<Self, QueryError> {
        let params = match params {
            None | Some(Json::Null) => Self::default(),
            Some(Json::Array(values)) => Self { names: (1..=values.len()).map(|n| n.to_string()).collect(), values },
            Some(Json::Object(map)) => {
                let (names, values) = map.into_iter().unzip();
                Self { names, values }
            }
            Some(_) => return Err(refused("`params` is a list for $1, $2, ... or an object for $name".into())),
        };
        let items = params.values.iter().map(|value| value.as_array().map_or(1, Vec::len)).max().unwrap_or(0);
        if params.values.len().max(items) > PARAMS_MAX {
            return Err(refused(format!("more than {PARAMS_MAX} parameters, or items of a list")));
        }
        for (name, value) in params.names.iter().zip(&params.values) {
            let fits = |value: &Json| !matches!(value, Json::Array(_) | Json::Object(_));
            if !(fits(value) || value.as_array().is_some_and(|items| items.iter().all(fits))) {
                return Err(refused(format!(
                    "parameter ${name} is neither text, number, true, false, null nor a list of these"
                )));
            }
        }
        Ok(params)
    }

    /// Named values, for callers in this process.
    pub fn named<K: Into<String>, V: Into<Json>>(values: impl IntoIterator<Item = (K, V)>) -> Self {
        let (names, values) = values.into_iter().map(|(name, value)| (name.into(), value.into())).unzip();
        Self { names, values }
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn name(&self, at: usize) -> impl fmt::Display {
        format!("${}", self.names[at])
    }

    /// The place of the parameter that a placeholder (`$1`, `$name`) means.
    pub(super) fn find(&self, placeholder: &str) -> Result<usize, QueryError> {
        let name = placeholder.trim_start_matches([':', '$']);
        self.names.iter().position(|known| known == name).ok_or_else(|| {
            let known = self.names.iter().map(|name| format!("${name}")).collect::<Vec<_>>().join(", ");
            let known = if known.is_empty() { "`params` is empty".into() } else { format!("`params` has {known}") };
            refused(format!("no value for {placeholder}: {known}"))
        })
    }

    pub(super) fn literal(&self, at: usize, span: Span) -> Expr {
        literal(&self.values[at], span)
    }
}

fn refused(what: String) -> QueryError {
    QueryError::Parameter { what }
}

fn literal(value: &Json, span: Span) -> Expr {
    let value = match value {
        Json::Null => Value::Null,
        Json::Bool(yes) => Value::Boolean(*yes),
        Json::String(text) => Value::SingleQuotedString(text.clone()),
        Json::Number(number) => {
            let text = number.to_string();
            return match text.strip_prefix('-') {
                Some(positive) => {
                    let positive = Value::Number(positive.to_owned(), false).with_span(span);
                    Expr::UnaryOp { op: UnaryOperator::Minus, expr: Box::new(Expr::Value(positive)) }
                }
                None => Expr::Value(Value::Number(text, false).with_span(span)),
            };
        }
        Json::Array(items) => {
            return Expr::Array(Array { elem: items.iter().map(|item| literal(item, span)).collect(), named: true });
        }
        // Refused when the parameters were read.
        Json::Object(_) => Value::Null,
    };
    Expr::Value(value.with_span(span))
}
