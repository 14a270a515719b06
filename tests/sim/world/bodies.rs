//! Request bodies, and what became of each as its sender knows it.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use model::{MICROS_PER_DAY, Micros};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;

/// How often each record was found, by its span id.
pub(crate) type Found = BTreeMap<String, usize>;

/// One OTLP request, sent until it is acknowledged or its sender gives up.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    /// Place of its project in the world.
    pub project: usize,
    pub bytes: Bytes,
    pub ids: Vec<String>,
    pub fate: Fate,
    /// When it was sent first: retries after the dedup window are the sender's fault.
    pub first_sent_at: Option<Micros>,
    pub in_flight: usize,
    /// Its day is past retention: it may be gone.
    pub may_retire: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Never answered with a 200: in the table once, or not at all.
    Unknown,
    Acknowledged,
    /// Answered with a 200 that says that its records were rejected.
    Rejected,
}

/// All bodies of a world.
#[derive(Debug, Default)]
pub(crate) struct Bodies {
    pub all: Vec<Body>,
}

impl Bodies {
    /// A new body of `n` spans, `days_ago` before `now`.
    pub(crate) fn add(&mut self, project: usize, n: usize, now: Micros, days_ago: i64) {
        let no = self.all.len() as u64;
        let start = u64::try_from(now - days_ago * MICROS_PER_DAY).expect("after 1970") * 1_000;
        let ids: Vec<[u8; 8]> = (0..n as u64).map(|i| ((no + 1) << 8 | (i + 1)).to_be_bytes()).collect();
        let spans = ids.iter().enumerate().map(|(i, id)| Span {
            trace_id: [id.as_slice(), id].concat(),
            span_id: id.to_vec(),
            name: "GET /".into(),
            start_time_unix_nano: start + i as u64,
            end_time_unix_nano: start + i as u64 + 1_000,
            ..Span::default()
        });
        let scope_spans = vec![ScopeSpans { spans: spans.collect(), ..ScopeSpans::default() }];
        let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
        self.all.push(Body {
            project,
            bytes: ExportTraceServiceRequest { resource_spans }.encode_to_vec().into(),
            ids: ids.iter().map(hex_of).collect(),
            fate: Fate::Unknown,
            first_sent_at: None,
            in_flight: 0,
            may_retire: false,
        });
    }

    /// The answer to a body with status 200.
    pub(crate) fn acknowledge(&mut self, body: usize, answer: &[u8]) {
        let answer = ExportTraceServiceResponse::decode(answer).expect("an OTLP answer");
        let rejected = answer.partial_success.map_or(0, |partial| partial.rejected_spans);
        self.all[body].fate = if rejected > 0 { Fate::Rejected } else { Fate::Acknowledged };
    }

    /// Places of all that are acknowledged by now.
    pub(crate) fn acknowledged(&self) -> BTreeSet<usize> {
        let acknowledged = self.all.iter().enumerate().filter(|(_, body)| body.fate == Fate::Acknowledged);
        acknowledged.map(|(place, _)| place).collect()
    }

    /// What is wrong with what a reader of a project found: of the bodies that `must` be there each record exactly once,
    /// of the others whole bodies at most once, and nothing else. `excused` may be missing.
    pub(crate) fn judge(
        &self,
        project: usize,
        found: &Found,
        must: &BTreeSet<usize>,
        excused: &BTreeSet<String>,
    ) -> Result<(), String> {
        let mut known = BTreeSet::new();
        for (place, body) in self.all.iter().enumerate().filter(|(_, body)| body.project == project) {
            known.extend(body.ids.iter());
            let times: BTreeSet<usize> = body.ids.iter().map(|id| found.get(id).copied().unwrap_or(0)).collect();
            let excusable = body.may_retire || body.ids.iter().any(|id| excused.contains(id));
            let all_of = |times: &BTreeSet<usize>| times.iter().copied().collect::<Vec<_>>();
            match all_of(&times)[..] {
                [1] => {}
                [0] if excusable || !must.contains(&place) => {}
                [0] => return Err(format!("body {place} is missing")),
                [times] => return Err(format!("body {place} is there {times} times")),
                _ => return Err(format!("body {place} is there in part: {times:?}")),
            }
            if body.fate == Fate::Rejected && !times.contains(&0) {
                return Err(format!("body {place} was rejected and is there"));
            }
        }
        match found.keys().find(|id| !known.contains(id)) {
            Some(stranger) => Err(format!("record {stranger} was never sent to this project")),
            None => Ok(()),
        }
    }
}

fn hex_of(id: &[u8; 8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}
