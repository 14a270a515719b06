//! SQL text to one statement, with its parameters bound as literals in the syntax tree: no text is ever pasted together.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, Ident, Select, SelectItem, SetExpr, Statement as SqlStatement,
    TableFactor, Value, ValueWithSpan, VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use super::Params;
use super::size::{check_calls, check_size};
use crate::error::QueryError;

/// Nesting beyond which a statement is refused.
const DEPTH_MAX: usize = 64;

/// Operators in a row make a tree as deep as the row is long, and not all who walk it mind their stack.
const OPERATORS_MAX: usize = 2_000;

/// The one statement of `sql`, which must be a reading one. To be called on a deep stack only.
pub(crate) fn parse(sql: &str, params: &Params) -> Result<Statement, QueryError> {
    let dialect = PostgreSqlDialect {};
    // What does not tokenise is left to the parser's words.
    let tokens = Tokenizer::new(&dialect, sql).tokenize().unwrap_or_default();
    let operators = count_operators(&tokens);
    if operators > OPERATORS_MAX {
        return Err(QueryError::TooManyOperators { operators, operators_max: OPERATORS_MAX });
    }
    check_calls(&tokens)?;
    let mut statements = DFParserBuilder::new(sql)
        .with_dialect(&dialect)
        .with_recursion_limit(DEPTH_MAX)
        .build()
        .and_then(|mut parser| parser.parse_statements())
        .map_err(|error| QueryError::planning(error, sql))?;
    let (Some(mut statement), rest) = (statements.pop_front(), statements) else { return Err(QueryError::NoStatement) };
    if !rest.is_empty() {
        return Err(QueryError::SeveralStatements { count: rest.len() + 1 });
    }
    check_reads(&statement)?;
    check_size(&statement)?;
    bind(&mut statement, params)?;
    Ok(statement)
}

/// Whatever may stand in a row without end, other than lists.
fn count_operators(tokens: &[Token]) -> usize {
    let chains = |token: &&Token| match token {
        Token::Word(word) => matches!(
            word.keyword,
            Keyword::AND
                | Keyword::OR
                | Keyword::NOT
                | Keyword::IS
                | Keyword::LIKE
                | Keyword::ILIKE
                | Keyword::SIMILAR
                | Keyword::BETWEEN
                | Keyword::COLLATE
                | Keyword::UNION
                | Keyword::EXCEPT
                | Keyword::INTERSECT
                | Keyword::JOIN
        ),
        Token::Whitespace(_) | Token::Number(_, _) | Token::SingleQuotedString(_) | Token::Placeholder(_) => false,
        Token::Comma | Token::Period | Token::SemiColon | Token::LParen | Token::RParen => false,
        _ => true,
    };
    tokens.iter().filter(chains).count()
}

/// Refuses early, by kind, what the check on the plan would refuse as well: planning such statements gives worse messages.
fn check_reads(statement: &Statement) -> Result<(), QueryError> {
    let refused = |what: String| Err(QueryError::ReadOnly { what });
    match statement {
        Statement::Explain(explain) => check_reads(&explain.statement),
        Statement::Statement(sql) => match sql.as_ref() {
            SqlStatement::Query(query) => match query.body.as_ref() {
                SetExpr::Insert(_) => refused("INSERT".into()),
                SetExpr::Update(_) => refused("UPDATE".into()),
                SetExpr::Delete(_) => refused("DELETE".into()),
                SetExpr::Merge(_) => refused("MERGE".into()),
                _ => Ok(()),
            },
            SqlStatement::Explain { .. }
            | SqlStatement::ExplainTable { .. }
            | SqlStatement::ShowVariable { .. }
            | SqlStatement::ShowTables { .. }
            | SqlStatement::ShowColumns { .. }
            | SqlStatement::ShowFunctions { .. } => Ok(()),
            other => refused(first_words(&other.to_string())),
        },
        Statement::CreateExternalTable(_) => refused("CREATE EXTERNAL TABLE".into()),
        Statement::CopyTo(_) => refused("COPY".into()),
        Statement::Reset(_) => refused("RESET".into()),
    }
}

/// `DROP TABLE` of `DROP TABLE orders CASCADE`: the words that name a statement's kind.
fn first_words(statement: &str) -> String {
    let words = statement.split_whitespace().take(2).take_while(|word| word.bytes().all(|c| c.is_ascii_uppercase()));
    let words: Vec<&str> = words.collect();
    if words.is_empty() { "this statement".into() } else { words.join(" ") }
}

fn bind(statement: &mut Statement, params: &Params) -> Result<(), QueryError> {
    let mut binder = Binder { params, used: vec![false; params.len()] };
    if let Some(error) = bind_into(statement, &mut binder) {
        return Err(error);
    }
    match binder.used.iter().position(|used| !used) {
        Some(unused) => {
            Err(QueryError::Parameter { what: format!("parameter {} is nowhere in the SQL", params.name(unused)) })
        }
        None => Ok(()),
    }
}

fn bind_into(statement: &mut Statement, binder: &mut Binder<'_>) -> Option<QueryError> {
    match statement {
        Statement::Statement(sql) => match sql.visit(binder) {
            ControlFlow::Break(error) => Some(error),
            ControlFlow::Continue(()) => None,
        },
        Statement::Explain(explain) => bind_into(&mut explain.statement, binder),
        // Refused before.
        Statement::CreateExternalTable(_) | Statement::CopyTo(_) | Statement::Reset(_) => None,
    }
}

/// Puts values in place of `$1` and `$name`, and the node that the planner knows in place of `LATERAL unnest(...)`.
struct Binder<'a> {
    params: &'a Params,
    used: Vec<bool>,
}

impl Binder<'_> {
    /// The value in place of a placeholder; none if `expr` is none.
    fn bound(&mut self, expr: &Expr) -> Result<Option<Expr>, QueryError> {
        let Expr::Value(ValueWithSpan { value: Value::Placeholder(id), span }) = expr else { return Ok(None) };
        let at = self.params.find(id)?;
        self.used[at] = true;
        Ok(Some(self.params.literal(at, *span)))
    }
}

impl VisitorMut for Binder<'_> {
    type Break = QueryError;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<QueryError> {
        match self.bound(expr) {
            Ok(Some(bound)) => *expr = bound,
            Ok(None) => {}
            Err(error) => return ControlFlow::Break(error),
        }
        // `x = ANY($list)` becomes `x IN (...)`, which prunes.
        if let Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } = expr
            && let Expr::Value(_) = right.as_ref()
        {
            match self.bound(right) {
                Ok(Some(Expr::Array(items))) if !items.elem.is_empty() => {
                    *expr = Expr::InList { expr: left.clone(), list: items.elem, negated: false };
                }
                Ok(_) => {}
                Err(error) => return ControlFlow::Break(error),
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<QueryError> {
        name_apart(&mut select.projection);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<QueryError> {
        if let TableFactor::Function { name, args, with_ordinality, alias, .. } = factor
            && name.to_string().eq_ignore_ascii_case("unnest")
        {
            let exprs = args.iter().map(|arg| match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
                _ => None,
            });
            if let Some(array_exprs) = exprs.collect::<Option<Vec<_>>>() {
                *factor = TableFactor::UNNEST {
                    alias: alias.take(),
                    array_exprs,
                    with_offset: false,
                    with_offset_alias: None,
                    with_ordinality: *with_ordinality,
                };
            }
        }
        ControlFlow::Continue(())
    }
}

/// Gives items that would have the same name names of their own, as their text has it: to DataFusion `t::date` and `t::text`
/// are both called `t`, and it refuses them together.
fn name_apart(items: &mut [SelectItem]) {
    let mut taken: HashSet<String> = HashSet::new();
    // `*` takes the names of all columns.
    let all = items.iter().any(|item| matches!(item, SelectItem::Wildcard(_)));
    for item in items {
        let expr = match item {
            SelectItem::UnnamedExpr(expr) => expr,
            // An alias that says what the name is anyway.
            SelectItem::ExprWithAlias { expr, alias } if last_name(expr).is_some_and(|name| name == alias) => expr,
            _ => continue,
        };
        let bare = without_casts(expr).to_string().to_lowercase();
        if taken.insert(bare) && !(all && last_name(expr).is_some()) {
            continue;
        }
        let text = expr.to_string();
        let names = std::iter::once(text.clone()).chain((2..).map(|n| format!("{text}_{n}")));
        let name = names.into_iter().find(|name| taken.insert(name.to_lowercase())).expect("the numbers never end");
        *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: Ident::with_quote('"', name) };
    }
}

fn last_name(expr: &Expr) -> Option<&Ident> {
    match expr {
        Expr::Identifier(name) => Some(name),
        Expr::CompoundIdentifier(names) => names.last(),
        _ => None,
    }
}

fn without_casts(mut expr: &Expr) -> &Expr {
    while let Expr::Cast { expr: inner, .. } | Expr::Nested(inner) = expr {
        expr = inner;
    }
    expr
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(sql: &str, params: serde_json::Value) -> Result<String, QueryError> {
        let params = Params::from_json(Some(params))?;
        parse(sql, &params).map(|statement| statement.to_string())
    }

    #[test]
    fn parameters_become_literals_and_never_sql() {
        for (sql, params, bound) in [
            ("SELECT $1", json!(["it's"]), "SELECT 'it''s'"),
            ("SELECT $a, $b, 2 * $a", json!({"a": 1, "b": null}), "SELECT 1, NULL, 2 * 1"),
            ("SELECT $1 + $2", json!([-1, 2.5]), "SELECT -1 + 2.5"),
            ("SELECT x = ANY($1)", json!([["a", "b"]]), "SELECT x IN ('a', 'b')"),
            ("SELECT array_has($1, x)", json!([["a", "b"]]), "SELECT array_has(ARRAY['a', 'b'], x)"),
            (
                "SELECT time_bucket($w, t) LIMIT $n",
                json!({"w": "5 minutes", "n": 10}),
                "SELECT time_bucket('5 minutes', t) LIMIT 10",
            ),
            ("EXPLAIN SELECT $1", json!([true]), "EXPLAIN SELECT true"),
        ] {
            assert_eq!(parsed(sql, params).expect(sql), bound);
        }
    }

    #[test]
    fn items_of_one_name_are_told_apart() {
        for (sql, named) in [
            ("SELECT t::date, t::text", "SELECT t::DATE, t::TEXT AS \"t::TEXT\""),
            ("SELECT a, a, a", "SELECT a, a AS \"a_2\", a AS \"a_3\""),
            ("SELECT count(*), count(*)::float", "SELECT count(*), count(*)::FLOAT AS \"count(*)::FLOAT\""),
            ("SELECT a, b.a, a AS c", "SELECT a, b.a, a AS c"),
            ("SELECT a, *", "SELECT a AS \"a_2\", *"),
            ("SELECT t.a, t.*, upper(a)", "SELECT t.a, t.*, upper(a)"),
            ("SELECT a, a AS a", "SELECT a, a AS \"a_2\""),
        ] {
            assert_eq!(parsed(sql, json!([])).expect(sql), named);
        }
    }

    #[test]
    fn parameters_that_do_not_fit_the_sql_are_refused() {
        for (sql, params) in [
            ("SELECT $1", json!([])),
            ("SELECT $1", json!({"a": 1})),
            ("SELECT $a", json!([1])),
            ("SELECT 1", json!([1])),
            ("SELECT $a", json!({"a": 1, "b": 2})),
            ("SELECT $1", json!([{"a": 1}])),
            ("SELECT $0", json!([1])),
        ] {
            assert!(matches!(parsed(sql, params), Err(QueryError::Parameter { .. })), "{sql}");
        }
    }

    #[test]
    fn what_writes_is_refused_by_kind() {
        for (sql, kind) in [
            ("DROP TABLE otel_metrics", "DROP TABLE"),
            ("create external table t stored as parquet location '/etc'", "CREATE EXTERNAL TABLE"),
            ("COPY otel_metrics TO '/tmp/x'", "COPY"),
            ("EXPLAIN COPY otel_metrics TO '/tmp/x'", "COPY"),
            ("SET datafusion.execution.batch_size = 1", "SET"),
            ("INSERT INTO otel_metrics VALUES (1)", "INSERT INTO"),
        ] {
            match parsed(sql, json!([])) {
                Err(QueryError::ReadOnly { what }) => assert_eq!(what, kind, "{sql}"),
                other => panic!("{sql}: {other:?}"),
            }
        }
        assert!(matches!(parsed("SELECT 1; SELECT 2", json!([])), Err(QueryError::SeveralStatements { count: 2 })));
        assert!(matches!(parsed(" -- nothing", json!([])), Err(QueryError::NoStatement)));
        assert!(parsed("SELECT 1;", json!([])).is_ok());
    }

    #[test]
    fn deep_nesting_is_an_error_and_not_a_stack_overflow() {
        let sql = format!("SELECT {}1{}", "(".repeat(10_000), ")".repeat(10_000));
        assert!(parsed(&sql, json!([])).is_err());
    }
}
