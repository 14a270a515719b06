//! The light checks, by their path: the package `tests`, where they live, takes DataFusion to build.

#[path = "../../src/fuzz/light/mod.rs"]
pub mod light;

mod hook;

pub use hook::tell_each_place_once;
