//! From SQL text to a logical plan that only reads.
//!
//! - [`parse`]: one statement, with its parameters bound as literals.
//! - [`read_only`]: the plan, and every plan inside it, does nothing but read.
//! - `attributes`: `attributes ->> 'key'` for every key, promoted or not.
//! - `clauses`: what belongs to aggregate functions is refused elsewhere.
//! - `json_text`: values of DataFusion's JSON type leave as text.
//! - `lateral`: `LATERAL unnest(...)`.
//! - `unnest_keys`: keys end at an unnest.
//! - `numbers`: numbers that DataFusion would run over with are refused.
//! - `overflow`: whole numbers that leave their type are an error.
//! - `size`: statements that would take for ever to plan are refused.
//! - `types`: SQL type names as PostgreSQL means them.

mod attributes;
mod clauses;
mod json_text;
mod lateral;
mod numbers;
mod overflow;
mod params;
mod parse;
mod read_only;
mod size;
mod types;
mod unnest_keys;

pub(crate) use attributes::{AttributePlanner, ResolveAttributes, json_quote};
pub(crate) use clauses::check_clauses;
pub(crate) use json_text::text_of_json;
pub(crate) use lateral::UnnestLateral;
pub(crate) use numbers::check_numbers;
pub(crate) use overflow::{OverflowIsAnError, checked_addition, checked_product};
pub use params::Params;
pub(crate) use parse::parse;
pub(crate) use read_only::check_reads_only;
pub(crate) use types::PostgresTypes;
pub(crate) use unnest_keys::UnnestKeys;
