//! Suggestions: an index of vectors, and now and then a language model that says why.

use super::super::calls::{self, Completion, HttpCall, Query};
use super::super::service::Service;
use super::super::stack;
use super::super::trace::{Kind, Severity, Trace};

const MODEL: &str = "gpt-5-mini";

pub(super) fn for_visitor(t: &mut Trace) {
    suggest(t, "/recommendations", "/recommendations?for=visitor&n=12", 0.05);
}

pub(super) fn similar(t: &mut Trace, sku: &str) {
    suggest(t, "/recommendations/{sku}", &format!("/recommendations/{sku}?n=6"), 0.12);
}

fn suggest(t: &mut Trace, route: &'static str, path: &str, explained: f64) {
    let call = HttpCall { from: Service::Gateway, to: Service::Recommendation, method: "GET", route, path };
    calls::http(t, &call, |t| {
        t.within(Service::Recommendation, Kind::Internal, "rank candidates", |t| {
            let candidates = 40 + t.number(160).cast_signed();
            t.set("recommendation.candidates", candidates);
            t.set("code.function.name", "recommendation.rank.rank_candidates");
            t.set("code.file.path", "/app/recommendation/rank.py");
            t.set("code.line.number", 118);
            calls::query(t, Service::Recommendation, &NEAREST, candidates);
            t.spend(5.0);
        });
        if t.chance(explained) { explain(t) } else { 200 }
    });
}

const NEAREST: Query = Query {
    system: "postgresql",
    host: "vectors.shop.internal",
    port: 5432,
    namespace: "vectors",
    operation: "SELECT",
    collection: "embeddings",
    text: "SELECT sku FROM embeddings ORDER BY embedding <=> $1 LIMIT 200",
    typical_ms: 6.0,
};

/// A sentence for each suggestion; an answer that is no JSON is one of the shop's rarer errors.
fn explain(t: &mut Trace) -> i64 {
    let (input, output) = (420 + t.number(900), 60 + t.number(240));
    let question = Completion {
        operation: "chat",
        model: MODEL,
        input_tokens: input.cast_signed(),
        output_tokens: output.cast_signed(),
        typical_ms: 240.0 + 2.0 * output as f64,
    };
    calls::complete(t, Service::Recommendation, &question);
    if t.chance(0.03) {
        let position = 20 + t.number(400);
        t.throw(&stack::answer_not_json(position));
        return 500;
    }
    t.log(
        Severity::Debug,
        &format!("explained with {input} tokens in, {output} out"),
        &[("gen_ai.request.model", MODEL.into())],
    );
    200
}
