//! How large a statement is once its common table expressions stand wherever they are named: refused before it is planned.
//!
//! DataFusion plans a common table expression anew for each of its names. The parser reads the arguments of a call twice, as
//! named ones and as others, so that its time doubles with each level: the levels are counted in the text.

use std::collections::HashMap;
use std::convert::Infallible;
use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{Query, Select, Statement as SqlStatement, TableFactor, Visit, Visitor};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Word};

use crate::error::QueryError;

/// Function calls inside one another.
const CALLS_DEEP_MAX: usize = 16;
/// Tables, subqueries and functions in FROM.
const RELATIONS_MAX: u64 = 100;
/// SELECTs, as those of a UNION.
const SELECTS_MAX: u64 = 1_000;
/// Items between SELECT and FROM, of all SELECTs as they are written.
const ITEMS_MAX: u64 = 2_000;

/// To be called before the parser is.
pub(super) fn check_calls(tokens: &[Token]) -> Result<(), QueryError> {
    let mut before: Option<&Token> = None;
    let (mut opened, mut deep) = (Vec::new(), 0);
    for token in tokens.iter().filter(|token| !matches!(token, Token::Whitespace(_))) {
        match token {
            Token::LParen => {
                let is_call = matches!(before, Some(Token::Word(word)) if may_be_called(word));
                opened.push(is_call);
                deep += usize::from(is_call);
            }
            Token::RParen => deep -= usize::from(opened.pop().unwrap_or(false)),
            _ => {}
        }
        if deep > CALLS_DEEP_MAX {
            return Err(too_large("or more calls inside one another", deep as u64, CALLS_DEEP_MAX as u64));
        }
        before = Some(token);
    }
    Ok(())
}

/// Names of functions may be keywords; these stand before other parentheses.
fn may_be_called(word: &Word) -> bool {
    !matches!(
        word.keyword,
        Keyword::ALL
            | Keyword::AND
            | Keyword::AS
            | Keyword::BY
            | Keyword::ELSE
            | Keyword::EXCEPT
            | Keyword::EXISTS
            | Keyword::FROM
            | Keyword::IN
            | Keyword::INTERSECT
            | Keyword::JOIN
            | Keyword::LATERAL
            | Keyword::NOT
            | Keyword::ON
            | Keyword::OR
            | Keyword::SELECT
            | Keyword::THEN
            | Keyword::UNION
            | Keyword::WHEN
            | Keyword::WHERE
    )
}

pub(super) fn check_size(statement: &Statement) -> Result<(), QueryError> {
    match statement {
        Statement::Statement(sql) => check(sql),
        Statement::Explain(explain) => check_size(&explain.statement),
        // Refused before.
        Statement::CreateExternalTable(_) | Statement::CopyTo(_) | Statement::Reset(_) => Ok(()),
    }
}

fn check(sql: &SqlStatement) -> Result<(), QueryError> {
    let mut sizes = Sizes { queries: vec![Size::default()], ..Sizes::default() };
    let ControlFlow::Continue(()) = sql.visit(&mut sizes);
    let size = sizes.queries.pop().unwrap_or_default();
    for (what, count, max) in [
        ("tables in FROM, counting those of a WITH wherever it is named,", size.relations, RELATIONS_MAX),
        ("SELECTs, counting those of a WITH wherever it is named,", size.selects, SELECTS_MAX),
        ("selected items", sizes.items, ITEMS_MAX),
    ] {
        if count > max {
            return Err(too_large(what, count, max));
        }
    }
    Ok(())
}

fn too_large(what: &'static str, count: u64, max: u64) -> QueryError {
    QueryError::StatementTooLarge { what, count, max }
}

/// Of a query, with what it names.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    relations: u64,
    selects: u64,
}

impl Size {
    fn add(&mut self, other: Self) {
        self.relations = self.relations.saturating_add(other.relations);
        self.selects = self.selects.saturating_add(other.selects);
    }
}

#[derive(Default)]
struct Sizes {
    /// The queries that the visit is inside of, the statement first.
    queries: Vec<Size>,
    /// Names of common table expressions that were not visited yet, by the address of their query.
    names: HashMap<*const Query, String>,
    /// The largest of each name, wherever it is defined.
    named: HashMap<String, Size>,
    items: u64,
}

impl Sizes {
    fn add(&mut self, size: Size) {
        if let Some(query) = self.queries.last_mut() {
            query.add(size);
        }
    }
}

impl Visitor for Sizes {
    type Break = Infallible;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Infallible> {
        for table in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.names.insert(std::ptr::from_ref(table.query.as_ref()), table.alias.name.value.to_lowercase());
        }
        self.queries.push(Size::default());
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<Infallible> {
        let size = self.queries.pop().unwrap_or_default();
        match self.names.remove(&std::ptr::from_ref(query)) {
            Some(name) => {
                let known = self.named.entry(name).or_default();
                known.relations = known.relations.max(size.relations);
                known.selects = known.selects.max(size.selects);
            }
            None => self.add(size),
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Infallible> {
        self.items = self.items.saturating_add(select.projection.len() as u64);
        self.add(Size { relations: 0, selects: 1 });
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Infallible> {
        let named = match factor {
            TableFactor::Table { name, .. } => self.named.get(&name.to_string().replace('"', "").to_lowercase()),
            _ => None,
        };
        let named = named.copied().unwrap_or_default();
        self.add(Size { relations: named.relations.max(1), ..named });
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{Params, parse};

    fn nested(call: &str, deep: usize) -> String {
        format!("SELECT {}1{}", format!("{call}(").repeat(deep), ")".repeat(deep))
    }

    fn doubled(times: usize, body: &str) -> String {
        let tables =
            (1..=times).map(|n| body.replace("OF", &format!("t{}", n - 1)).replace("AS_", &format!("t{n} AS")));
        let tables = tables.collect::<Vec<_>>().join(", ");
        format!("WITH t0 AS (SELECT 1 AS a), {tables} SELECT count(*) FROM t{times}")
    }

    #[test]
    fn statements_that_take_for_ever_to_plan_are_refused() {
        let unions = "AS_ (SELECT * FROM OF UNION ALL SELECT * FROM \"OF\")";
        let joins = "AS_ (SELECT 1 AS a FROM OF AS x, OF AS y)";
        for (sql, fits) in [
            (nested("abs", 16), true),
            (nested("abs", 17), false),
            (nested("coalesce", 50), false),
            (nested("abs -- of\n ", 40), false),
            (format!("SELECT {}1{}", "(".repeat(40), ")".repeat(40)), true),
            (format!("SELECT {}", vec!["abs(1)"; 40].join(" + ")), true),
            (format!("EXPLAIN {}", nested("abs", 40)), false),
            (format!("SELECT 1 FROM {}", vec!["t"; 100].join(", ")), true),
            (format!("SELECT 1 FROM {}", vec!["t"; 101].join(", ")), false),
            (format!("SELECT {}", vec!["a"; 2_000].join(", ")), true),
            (format!("SELECT {}", vec!["a"; 2_001].join(", ")), false),
            (vec!["SELECT 1"; 1_000].join(" UNION ALL "), true),
            (vec!["SELECT 1"; 1_001].join(" UNION ALL "), false),
            (doubled(5, unions), true),
            (doubled(25, unions), false),
            (doubled(5, joins), true),
            (doubled(25, joins), false),
            (doubled(300, joins), false),
        ] {
            let parsed = parse(&sql, &Params::default());
            let fitted = match &parsed {
                Ok(_) => true,
                Err(QueryError::StatementTooLarge { .. }) => false,
                Err(other) => panic!("{other}"),
            };
            assert_eq!(fitted, fits, "{} ...", &sql[..sql.len().min(200)]);
        }
    }
}
