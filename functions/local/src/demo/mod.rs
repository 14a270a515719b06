//! A small shop that makes realistic telemetry: eight services in eight languages, people who browse and buy, traces, logs,
//! metrics of all five types, and troubles to find. For `plimsoll demo`, for tests, and for benches.
//!
//! ```text
//!                          ┌─ inventory ── PostgreSQL
//! people ── web ── gateway ┼─ recommendation ── vectors, language model
//!                          ├─ cart ── Redis
//!                          └─ checkout ┬─ cart, inventory
//!                                      ├─ payment ── card providers
//!                                      ├─ PostgreSQL
//!                                      └─ Kafka ··> shipping ── MySQL, carrier
//! ```
//!
//! [`Shop::requests`] yields OTLP export requests for any range of time, always the same ones for the same seed; [`trouble`]
//! lists what is wrong in the shop, when and where. Nothing here sends: that is [`send`].

mod calls;
mod meters;
mod outbox;
mod pace;
mod points;
mod processes;
pub mod send;
mod service;
mod shop;
mod stack;
mod steady;
mod trace;
pub mod trouble;
mod visitor;
mod visits;
mod wire;

#[cfg(test)]
mod tests;

pub use outbox::RECORDS_MAX;
pub use pace::Scale;
pub use service::Service;
pub use shop::{Request, Requests, Shop};
pub use steady::Steady;
