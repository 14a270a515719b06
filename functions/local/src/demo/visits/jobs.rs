//! What no visitor asked for: the rebuilding of the vector index, and the killing of `recommendation`.

use super::super::calls::{self, Completion};
use super::super::service::Service;
use super::super::trace::{Kind, Severity, Trace};

/// Every 15 minutes `recommendation` embeds what is new.
pub(in super::super) fn rebuild_index(t: &mut Trace) {
    t.within(Service::Recommendation, Kind::Internal, "rebuild index", |t| {
        let batches = 2 + t.number(3);
        for batch in 0..batches {
            let tokens = 1_800 + t.number(2_200).cast_signed();
            let embed = Completion {
                operation: "embeddings",
                model: "text-embedding-3-small",
                input_tokens: tokens,
                output_tokens: 0,
                typical_ms: 160.0,
            };
            calls::complete(t, Service::Recommendation, &embed);
            t.log(Severity::Debug, &format!("embedded batch {} of {batches}, {tokens} tokens", batch + 1), &[]);
        }
        t.log(Severity::Info, &format!("index rebuilt from {batches} batches"), &[]);
    });
}

/// At 04:00 UTC the memory is full: see [`super::super::trouble`].
pub(in super::super) fn killed(t: &mut Trace) {
    t.within(Service::Recommendation, Kind::Internal, "allocate", |t| {
        let body = "Out of memory: killed process 1 (python3) total-vm:2214532kB, anon-rss:1998848kB, limit 2097152kB";
        t.log(Severity::Fatal, body, &[("k8s.event.reason", "OOMKilled".into())]);
        t.fail("OOMKilled", body);
    });
}
