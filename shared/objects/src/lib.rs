//! Objects: how they are named below a project's root, how a root is opened, and how a segment is fetched and checked.
//!
//! Everything of a project lives under one root, `<base>/<project_id>/`: `landing/...` and one Delta table per table name. The
//! base is the installation's own, or a bucket that the project's owner brings.
//! Stores are `object_store::ObjectStore` as it is.

mod bucket;
mod buckets;
mod error;
mod fetch;
mod keys;
mod links;
mod owner;
mod preflight;
mod probe;
mod root;
mod store;
mod trouble;

pub use bucket::{BucketError, CheckBucket, Entrance, OpenBucket, OpenedBucket, RootError};
pub use error::ObjectError;
pub use fetch::{checksum, fetch_segment};
pub use keys::{
    landing_key, landing_prefix, lookup_key, lookup_prefix, result_key, results_prefix, segment_of_landing_key,
    table_path,
};
pub use links::Links;
pub use owner::{Claim, Claimed, Mark, OwnerError, Unmarked, claim_root, owner_of};
pub use preflight::{Preflight, PreflightCheck, STEP_WITHIN, try_root};
pub use probe::{ProbeError, probe_create_only};
pub use root::{ProjectRoot, Roots};
pub use trouble::Trouble;
