//! The proxy in front of the AWS emulators: it records every call, and breaks some.
//!
//! The emulators enforce no permission, no external id and no session policy, and never throttle. So every process that is
//! a function of Plimsoll is given an access key id that says which function it is ([`access_key_id`]) and this proxy as
//! `AWS_ENDPOINT_URL`; the [`Journal`] then holds who called what with whose credentials, and the checks beside this room
//! (`policy`, `isolation`, `cost`) read it. [`Rule`]s turn calls away, lose their replies or hold them up.
//!
//! What it passes on it passes on exactly: status, headers and bodies, but for the headers that belong to one connection.
//! (Signatures cover the host, which is the proxy's; the emulators do not check them.) It listens on loopback, on a port
//! of its own choosing.

mod call;
mod faults;
mod identity;
mod journal;
mod pass;
mod read;
mod refusal;
mod serve;

pub use call::{AccessKey, Assumed, Call, Need, Outcome};
pub use faults::{Act, Faults, Rule, RuleId, When};
pub use identity::{Who, access_key_id};
pub use journal::{Journal, Line, journal_of_this_run, read_journal};
pub use refusal::Refusal;
pub use serve::Proxy;

/// Of everything, unless a session of a role of another account asks.
pub use super::ACCOUNT;

/// Where calls go: each service to its emulator, all others to moto.
#[derive(Clone, Debug)]
pub struct Upstreams {
    others: String,
    by_service: Vec<(String, String)>,
}

impl Upstreams {
    /// Addresses are like `127.0.0.1:5000`; `others` is moto's.
    pub fn new(others: &str) -> Self {
        Self { others: host_of(others), by_service: Vec::new() }
    }

    /// `service` is named as signatures name it: `dynamodb`, `lambda`.
    pub fn with(mut self, service: &str, address: &str) -> Self {
        self.by_service.push((service.to_owned(), host_of(address)));
        self
    }

    fn of(&self, service: &str) -> &str {
        let own = self.by_service.iter().find(|(name, _)| name == service);
        own.map_or(self.others.as_str(), |(_, address)| address)
    }
}

/// An endpoint URL will do as well.
fn host_of(address: &str) -> String {
    address.trim_start_matches("http://").trim_end_matches('/').to_owned()
}
