//! The small part of IAM's policy language that Plimsoll's policies use, evaluated; and what a run's journal says about
//! the roles in `template.yaml`: nothing was done without a grant, no grant is there for nothing.
//!
//! Only what is understood is evaluated: an effect, operator or form that this room does not know ends the test.

mod coverage;
mod names;
mod statement;
mod template;
mod wildcard;

pub use coverage::{Coverage, Grant, Reach, Unreached, coverage};
pub use names::Names;
pub use statement::Statement;
pub use template::{Role, expanded_template, roles};
