//! What belongs to aggregate functions and stands behind or in others: DataFusion 55.2 passes over it in silence, so that
//! `approx_percentile(0.9, percentile_agg(x)) FILTER (WHERE ...)` would answer for all rows.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArguments, Statement as SqlStatement, Visit, Visitor,
};

use crate::error::QueryError;

/// `is_scalar` knows the functions of the session, by their names in lower case.
pub(crate) fn check_clauses(statement: &Statement, is_scalar: impl Fn(&str) -> bool) -> Result<(), QueryError> {
    match statement {
        Statement::Statement(sql) => check(sql, is_scalar),
        Statement::Explain(explain) => check_clauses(&explain.statement, is_scalar),
        // Refused before.
        Statement::CreateExternalTable(_) | Statement::CopyTo(_) | Statement::Reset(_) => Ok(()),
    }
}

fn check(sql: &SqlStatement, is_scalar: impl Fn(&str) -> bool) -> Result<(), QueryError> {
    match sql.visit(&mut Clauses { is_scalar }) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Clauses<F> {
    is_scalar: F,
}

impl<F: Fn(&str) -> bool> Visitor for Clauses<F> {
    type Break = QueryError;

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<QueryError> {
        let Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
        let name = function.name.to_string().to_lowercase();
        match clause(function) {
            Some(clause) if (self.is_scalar)(&name) => ControlFlow::Break(QueryError::Semantic {
                message: format!("{clause} belongs to an aggregate function, and {name} is none"),
                hint: Some(format!("write {clause} at the aggregate function inside {name}(...)")),
                position: None,
            }),
            _ => ControlFlow::Continue(()),
        }
    }
}

fn clause(function: &Function) -> Option<&'static str> {
    let list = match &function.args {
        FunctionArguments::List(list) => Some(list),
        _ => None,
    };
    if function.filter.is_some() {
        Some("FILTER")
    } else if function.over.is_some() {
        Some("OVER")
    } else if !function.within_group.is_empty() {
        Some("WITHIN GROUP")
    } else if list.is_some_and(|list| list.duplicate_treatment == Some(DuplicateTreatment::Distinct)) {
        Some("DISTINCT")
    } else {
        None
    }
}
