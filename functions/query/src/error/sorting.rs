//! DataFusion's errors, sorted by whose fault they are.

use std::error::Error;
use std::sync::LazyLock;

use arrow::error::ArrowError;
use datafusion::common::{DataFusionError, SchemaError, Span};
use datafusion::sql::sqlparser::parser::ParserError;
use edge::Position;
use objects::RootError;
use regex::Regex;

use super::{Limit, QueryError, hints};
use crate::Settings;
use crate::waits::OBJECTS;

/// Characters of a message that are answered; plans inside messages can be long.
const MESSAGE_CHARS_MAX: usize = 600;

pub(super) fn planning(error: DataFusionError, sql: &str) -> QueryError {
    if let Some(limit) = limit_in(&error) {
        return limit.into();
    }
    let position = span_of(&error).map(position_of);
    let Some(error) = innermost(&error) else { return semantic(error.to_string(), position) };
    match error {
        DataFusionError::SQL(error, _) => syntax(error, sql),
        DataFusionError::SchemaError(error, _) => match error.as_ref() {
            SchemaError::FieldNotFound { field, valid_fields } => QueryError::UnknownColumn {
                message: format!("no column is called {}", field.flat_name().replace('"', "")),
                hint: hints::for_column(field, valid_fields),
                position,
            },
            other => semantic(other.to_string(), position),
        },
        DataFusionError::Plan(message)
        | DataFusionError::NotImplemented(message)
        | DataFusionError::Execution(message) => semantic(message.clone(), position),
        DataFusionError::Configuration(message) => semantic(message.clone(), position),
        // Planning reads nothing: what others say here, they say of the SQL; a regular expression, for instance.
        DataFusionError::External(said) => semantic(said.to_string(), position),
        other => running_one(other, None),
    }
}

pub(super) fn running(error: DataFusionError, settings: &Settings) -> QueryError {
    match innermost(&error) {
        Some(inner) => match running_one(inner, Some(settings)) {
            QueryError::Internal { .. } => QueryError::internal(error),
            sorted => sorted,
        },
        None => QueryError::internal(error),
    }
}

fn running_one(error: &DataFusionError, settings: Option<&Settings>) -> QueryError {
    if let Some(limit) = limit_in(error) {
        return limit.into();
    }
    // DataFusion's words for a full spill folder, `DiskManager` in datafusion-execution: at times an error of its own, at
    // times one of I/O.
    if let Some(settings) = settings
        && error.to_string().contains("disk space during the spilling process")
    {
        return Limit::Spill { bytes_max: settings.spill_bytes_max }.into();
    }
    if let Some(error) = chain(error).find(|error| error.is::<regex::Error>()) {
        return semantic(error.to_string(), None);
    }
    if let Some(error) = chain(error).find_map(|error| error.downcast_ref::<RootError>())
        && error.is_the_owners()
    {
        return QueryError::Bucket { said: error.to_string() };
    }
    // Whatever it came wrapped in: Arrow and Parquet errors carry a store's, too.
    if source_is::<object_store::Error>(error) {
        return QueryError::Unavailable { what: OBJECTS, source: error.to_string().into() };
    }
    match error {
        // Of an expression that is too large, not one that is wrong.
        DataFusionError::Internal(message) if message.contains("Regular expression did not compile") => {
            semantic("the regular expression is too large".to_owned(), None)
        }
        DataFusionError::Plan(message)
        | DataFusionError::NotImplemented(message)
        | DataFusionError::Execution(message)
        | DataFusionError::Configuration(message) => semantic(message.clone(), None),
        DataFusionError::SchemaError(error, _) => semantic(error.to_string(), None),
        DataFusionError::SQL(error, _) => syntax(error, ""),
        DataFusionError::ArrowError(error, _) => match error.as_ref() {
            ArrowError::DivideByZero => {
                let hint = "guard the divisor: x / NULLIF(y, 0)";
                QueryError::Semantic { message: "division by zero".into(), hint: Some(hint.into()), position: None }
            }
            ArrowError::ArithmeticOverflow(message) => QueryError::Semantic {
                message: format!("overflow: {}", shorten(message.trim_start_matches("Overflow happened on: "))),
                hint: Some("compute with a wider type: x::numeric(38, 0), or x::double precision".into()),
                position: None,
            },
            ArrowError::CastError(message)
            | ArrowError::ParseError(message)
            | ArrowError::ComputeError(message)
            | ArrowError::InvalidArgumentError(message) => {
                let hint = matches!(error.as_ref(), ArrowError::CastError(_) | ArrowError::ParseError(_))
                    .then(|| "TRY_CAST(x AS type) gives NULL where a value does not convert".to_owned());
                QueryError::Semantic { message: shorten(message), hint, position: None }
            }
            other => QueryError::internal(other.to_string()),
        },
        DataFusionError::ResourcesExhausted(message) => match settings {
            Some(settings) => Limit::Memory { bytes_max: settings.memory_bytes }.into(),
            None => QueryError::internal(message.clone()),
        },
        other => QueryError::internal(other.to_string()),
    }
}

/// The limit of ours that an error carries.
fn limit_in(error: &(dyn Error + 'static)) -> Option<Limit> {
    chain(error).find_map(|error| error.downcast_ref::<Limit>().copied())
}

/// True if an object that a snapshot or the ledger names is not there.
pub(crate) fn is_missing_object(error: &DataFusionError) -> bool {
    chain(error).any(|error| matches!(error.downcast_ref(), Some(object_store::Error::NotFound { .. })))
}

fn source_is<T: Error + 'static>(error: &(dyn Error + 'static)) -> bool {
    chain(error).any(|error| error.is::<T>())
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| match error.downcast_ref::<DataFusionError>() {
        Some(DataFusionError::External(inner)) => Some(inner.as_ref() as &(dyn Error + 'static)),
        Some(DataFusionError::ParquetError(inner)) => Some(inner.as_ref()),
        Some(DataFusionError::ArrowError(inner, _)) => Some(inner.as_ref()),
        Some(DataFusionError::Shared(inner)) => Some(inner.as_ref()),
        _ => match error.downcast_ref() {
            Some(parquet::errors::ParquetError::External(inner)) => Some(inner.as_ref()),
            _ => match error.downcast_ref() {
                Some(ArrowError::ExternalError(inner)) => Some(inner.as_ref()),
                _ => error.source(),
            },
        },
    })
}

/// The error inside contexts, diagnostics and collections that says what is wrong.
fn innermost(error: &DataFusionError) -> Option<&DataFusionError> {
    let mut at = error;
    loop {
        at = match at {
            DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => inner,
            DataFusionError::Shared(inner) => inner,
            DataFusionError::Collection(errors) => errors.first()?,
            DataFusionError::External(inner) => match inner.downcast_ref::<DataFusionError>() {
                Some(inner) => inner,
                None => return Some(at),
            },
            DataFusionError::ArrowError(arrow, _) => match arrow.as_ref() {
                ArrowError::ExternalError(inner) => match inner.downcast_ref::<DataFusionError>() {
                    Some(inner) => inner,
                    None => return Some(at),
                },
                _ => return Some(at),
            },
            _ => return Some(at),
        }
    }
}

fn span_of(error: &DataFusionError) -> Option<Span> {
    match error {
        DataFusionError::Diagnostic(diagnostic, inner) => diagnostic.span.or_else(|| span_of(inner)),
        DataFusionError::Context(_, inner) => span_of(inner),
        DataFusionError::Collection(errors) => errors.first().and_then(span_of),
        _ => None,
    }
}

fn position_of(span: Span) -> Position {
    Position { line: span.start.line, column: span.start.column }
}

fn semantic(message: String, position: Option<Position>) -> QueryError {
    // DataFusion puts what kind of error it is into the words, sometimes several times over.
    let message =
        ["Internal error: ", "Error during planning: ", "Execution error: ", "This feature is not implemented: "]
            .iter()
            .fold(message, |message, kind| message.replace(kind, ""));
    let (message, hint) = match message.split_once("\nDid you mean ") {
        Some((message, meant)) => (message.trim_end_matches('.').to_owned(), Some(format!("did you mean {meant}"))),
        None if message.starts_with("table '") && message.contains("not found") => {
            (message, Some("the tables are otel_logs_and_spans and otel_metrics".to_owned()))
        }
        None if message.starts_with("Cannot access field") => {
            (message, Some("an attribute is attributes ->> 'key'".to_owned()))
        }
        None => (message, None),
    };
    QueryError::Semantic { message: shorten(&message), hint, position }
}

fn syntax(error: &ParserError, sql: &str) -> QueryError {
    static PLACE: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r" at Line: (\d+), Column: (\d+)").expect("a constant pattern"));
    let text = match error {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text.clone(),
        ParserError::RecursionLimitExceeded => "the statement is nested too deeply".into(),
    };
    let number = |text: &str| text.parse::<u64>().ok();
    let position = PLACE.captures(&text).and_then(|found| {
        Some(Position { line: number(found.get(1)?.as_str())?, column: number(found.get(2)?.as_str())? })
    });
    // The parser says `found: EOF` without a place: that is the end of the text.
    let position = position.or_else(|| {
        let last = sql.lines().last()?;
        text.contains("EOF")
            .then(|| Position { line: sql.lines().count() as u64, column: last.chars().count() as u64 + 1 })
    });
    QueryError::Syntax { message: shorten(PLACE.replace(&text, "").trim()), position }
}

fn shorten(message: &str) -> String {
    match message.char_indices().nth(MESSAGE_CHARS_MAX) {
        Some((end, _)) => format!("{}...", &message[..end]),
        None => message.to_owned(),
    }
}
