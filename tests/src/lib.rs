//! What the tests share: a server in this process or as the real binary, and a plain HTTP client against either.

mod binary;
mod client;
pub mod cloud;
pub mod delta;
pub mod disk;
pub mod events;
pub mod fuzz;
pub mod programs;
pub mod shop;
pub mod soak;
pub mod tables;
mod world;

pub use binary::Binary;
pub use client::{Client, Reply, eventually};
pub use world::World;
