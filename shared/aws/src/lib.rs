//! The doors of Plimsoll as AWS opens them: one module and one feature a door, so that a function links only what it uses.
//!
//! [`Cloud`] holds region, credentials, endpoints and time-outs; every door is opened by it.

mod cloud;
mod endpoints;

pub use cloud::{Cloud, CloudError};
pub use endpoints::{Endpoints, Service};
