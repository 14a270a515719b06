//! Objects: how they are named below a project's root, how a root is opened, and how a segment is fetched and checked.
//!
//! Everything of a project lives under one root, `<base>/<project_id>/`: `landing/...` and one Delta table per table name.
//! Stores are `object_store::ObjectStore` as it is.

mod error;
mod fetch;
mod keys;
mod links;
mod probe;
mod root;

pub use error::ObjectError;
pub use fetch::{checksum, fetch_segment};
pub use keys::{landing_key, landing_prefix, result_key, results_prefix, segment_of_landing_key, table_path};
pub use links::Links;
pub use probe::{ProbeError, probe_create_only};
pub use root::{ProjectRoot, Roots};
