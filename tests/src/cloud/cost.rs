//! What calls cost at AWS's list prices: counted from a journal of the proxy, so that the table in the docs is measured.
//!
//! Not here: what Lambda charges for time, which one machine cannot measure for another; storage; traffic out of AWS.

use std::collections::BTreeMap;

use serde::Serialize;

use super::proxy::{Call, Outcome};

/// US East (N. Virginia), on demand, in dollars for a million, November 2026.
mod price {
    /// PUT, COPY, POST and LIST of S3 Standard, $0.005 for 1,000: <https://aws.amazon.com/s3/pricing/>
    pub(super) const S3_WRITE: f64 = 5.0;
    /// GET, HEAD and all others of S3 Standard, $0.0004 for 1,000. DELETE is free.
    pub(super) const S3_READ: f64 = 0.4;
    /// Write request units: <https://aws.amazon.com/dynamodb/pricing/on-demand/>
    pub(super) const DYNAMODB_WRITE: f64 = 0.625;
    /// Read request units.
    pub(super) const DYNAMODB_READ: f64 = 0.125;
    /// Requests to a standard queue, each 64 KB of one: <https://aws.amazon.com/sqs/pricing/>
    pub(super) const SQS: f64 = 0.40;
    /// Invocations: <https://aws.amazon.com/lambda/pricing/>
    pub(super) const LAMBDA_REQUEST: f64 = 0.20;
    /// Requests to an HTTP API, each 512 KB of one: <https://aws.amazon.com/api-gateway/pricing/>
    pub(super) const HTTP_API: f64 = 1.00;
}

const SQS_CHUNK_BYTES: u64 = 64 * 1024;
const HTTP_API_CHUNK_BYTES: u64 = 512 * 1024;

/// What AWS charges for, one kind of call.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Charge {
    pub n_calls: u64,
    /// Requests, capacity units or chunks, as the service counts.
    pub units: f64,
    pub dollars: f64,
}

/// The charges for what was asked `n_requests` times, by `service operation`.
#[derive(Clone, Debug, Serialize)]
pub struct Bill {
    pub of: String,
    pub n_requests: u64,
    pub charges: BTreeMap<String, Charge>,
}

impl Bill {
    /// For the calls of a metered proxy that served `n_requests` of something.
    pub fn new(of: &str, n_requests: u64, calls: &[Call]) -> Self {
        let mut bill = Self { of: of.to_owned(), n_requests, charges: BTreeMap::new() };
        for call in calls {
            let Outcome::Answered { capacity_units, .. } = call.outcome else { continue };
            let (units, price) = charged(call, capacity_units);
            bill.add(&format!("{} {}", call.service, call.operation), units, price);
        }
        bill
    }

    /// An HTTP API and a function in front of them, for each request a body of `bytes`.
    pub fn with_edge(mut self, bytes: u64) -> Self {
        for _ in 0..self.n_requests {
            self.add("http-api request", chunks(bytes, HTTP_API_CHUNK_BYTES), price::HTTP_API);
        }
        let n = self.n_requests;
        self.with_invocations(n)
    }

    /// Invocations of a function.
    pub fn with_invocations(mut self, n: u64) -> Self {
        for _ in 0..n {
            self.add("lambda invocation", 1.0, price::LAMBDA_REQUEST);
        }
        self
    }

    pub fn dollars_per_million(&self) -> f64 {
        let dollars: f64 = self.charges.values().map(|charge| charge.dollars).sum();
        dollars / self.n_requests as f64 * 1e6
    }

    fn add(&mut self, name: &str, units: f64, dollars_per_million: f64) {
        let charge = self.charges.entry(name.to_owned()).or_default();
        charge.n_calls += 1;
        charge.units += units;
        charge.dollars += units * dollars_per_million / 1e6;
    }
}

/// Units and dollars for a million of them. STS and what is not listed is free.
fn charged(call: &Call, capacity_units: f64) -> (f64, f64) {
    match (call.service.as_str(), call.operation.as_str()) {
        ("s3", "DeleteObject" | "DeleteObjects" | "AbortMultipartUpload") => (1.0, 0.0),
        ("s3", "GetObject" | "HeadObject" | "HeadBucket") => (1.0, price::S3_READ),
        ("s3", _) => (1.0, price::S3_WRITE),
        ("dynamodb", "GetItem" | "BatchGetItem" | "Query" | "Scan" | "TransactGetItems") => {
            (capacity_units, price::DYNAMODB_READ)
        }
        ("dynamodb", _) => (capacity_units, price::DYNAMODB_WRITE),
        ("sqs", _) => (chunks(call.request_bytes, SQS_CHUNK_BYTES), price::SQS),
        (_, _) => (1.0, 0.0),
    }
}

fn chunks(bytes: u64, of: u64) -> f64 {
    bytes.div_ceil(of).max(1) as f64
}

/// A table for people: one block for each bill, calls and units for one request of it.
impl std::fmt::Display for Bill {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let per_request = |n: f64| n / self.n_requests as f64;
        writeln!(f, "{} ({} measured): ${:.2} per million", self.of, self.n_requests, self.dollars_per_million())?;
        writeln!(f, "  {:<32} {:>8} {:>8} {:>14}", "call", "calls", "units", "$ per million")?;
        for (name, charge) in &self.charges {
            let (calls, units) = (per_request(charge.n_calls as f64), per_request(charge.units));
            writeln!(f, "  {name:<32} {calls:>8.2} {units:>8.2} {:>14.3}", per_request(charge.dollars) * 1e6)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::proxy::Who;

    fn call(service: &str, operation: &str, request_bytes: u64, capacity_units: f64) -> Call {
        Call {
            n: 0,
            at_ms: 0,
            who: Who::Own { name: "ingest".to_owned() },
            access_key: None,
            service: service.to_owned(),
            operation: operation.to_owned(),
            needs: Vec::new(),
            consistent: None,
            assumed: None,
            request_bytes,
            fault: None,
            outcome: Outcome::Answered { status: 200, reply_bytes: 0, capacity_units },
            took_us: 0,
        }
    }

    #[test]
    fn a_bill_adds_up_what_each_service_counts() {
        let calls = [
            call("s3", "PutObject", 1_000_000, 0.0),
            call("s3", "GetObject", 0, 0.0),
            call("s3", "DeleteObject", 0, 0.0),
            call("dynamodb", "TransactWriteItems", 900, 4.0),
            call("dynamodb", "GetItem", 100, 1.0),
            call("sqs", "SendMessageBatch", 70_000, 0.0),
            call("sts", "AssumeRole", 0, 0.0),
            Call { outcome: Outcome::Lost, ..call("s3", "PutObject", 0, 0.0) },
        ];
        let bill = Bill::new("a request", 1, &calls).with_edge(1_000_000);
        let dollars = 5.0 + 0.4 + 0.0 + 4.0 * 0.625 + 0.125 + 2.0 * 0.4 + 2.0 * 1.0 + 0.2;
        assert!((bill.dollars_per_million() - dollars).abs() < 1e-6, "{bill}");
        assert_eq!(bill.charges["s3 PutObject"].n_calls, 1);
        assert!(bill.to_string().contains("a request (1 measured): $11.03 per million"), "{bill}");
    }
}
