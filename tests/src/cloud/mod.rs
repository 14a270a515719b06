//! The dev cloud: what AWS does around our functions, on one machine and loopback only, with the real `bootstrap` programs;
//! and what is checked about how Plimsoll uses AWS.
//!
//! - [`dev`]: all of it together; [`stack`], [`template`]: what `template.yaml` describes, on emulators; `outputs`: for operators
//! - [`lambda`]: functions, invoked in processes of their own; `environment`, `runtime_api`: one such process and what it sees
//! - [`http`], [`http_event`]: HTTP API, function URLs and the Invoke API in front of them; [`signature`]: SigV4, checked
//! - [`mapping`]: from a queue to a function; [`schedule`]: ticks
//! - [`journal`]: what the functions did and said
//! - [`emulators`]: DynamoDB Local and moto, started as `server`s
//! - [`proxy`]: between functions and emulators; [`policy`], [`isolation`], [`cost`]: what its journal shows

pub mod cost;
pub mod dev;
pub mod emulators;
mod environment;
pub mod function;
pub mod http;
pub mod http_event;
pub mod invocation;
pub mod isolation;
pub mod journal;
pub mod lambda;
pub mod mapping;
mod outputs;
pub mod policy;
pub mod proxy;
mod runtime_api;
pub mod schedule;
mod server;
pub mod signature;
pub mod stack;
pub mod template;

pub use emulators::Emulators;

/// Where the emulators believe to be, and whose account it is.
pub const REGION: &str = "eu-central-1";
pub const ACCOUNT: &str = "123456789012";
