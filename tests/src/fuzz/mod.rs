//! What the fuzz targets check: for each a plain function that takes any bytes and panics when a promise is broken.
//!
//! `make fuzz` runs them under libFuzzer (`tests/fuzz`, a workspace of its own, which takes `light` by its path), the test
//! `it/fuzz.rs` replays the corpus through them. `light` needs no DataFusion; `sql` does.

pub mod light;
mod sql;

/// Checks one input; panics when a promise is broken.
pub type Check = fn(&[u8]);

/// The light targets, by the names of their corpus folders.
pub const LIGHT: [(&str, Check); 4] =
    [("protobuf", light::protobuf), ("json", light::json), ("inflate", light::inflate), ("segment", light::segment)];

pub use sql::{Sql, sql};
