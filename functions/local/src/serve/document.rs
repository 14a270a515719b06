//! What the description of the API holds beside the paths of `api`: queries, what operators ask, and the paths that only a
//! server has.

use utoipa::OpenApi;

/// To be merged into the document that `api` serves.
pub(crate) fn of_others() -> utoipa::openapi::OpenApi {
    #[derive(OpenApi)]
    #[openapi(paths(described::health, described::ready, described::metrics))]
    struct OfServer;
    let mut document = query::openapi();
    document.merge(compact::openapi());
    document.merge(OfServer::openapi());
    document
}

/// The paths outside of `/api/v1`, as the document describes them; `health` and `metrics` next door answer them.
mod described {
    /// Whether the process runs
    #[utoipa::path(get, path = "/health", tag = "operations", security(()),
        responses((status = 200, description = "It runs", content_type = "application/json")))]
    #[expect(dead_code, reason = "its description is what counts")]
    fn health() {}

    /// Whether the stores answer
    #[utoipa::path(get, path = "/ready", tag = "operations", security(()),
        responses(
            (status = 200, description = "They do", content_type = "application/json"),
            (status = 503, description = "One does not; the body says which", content_type = "application/json"),
        ))]
    #[expect(dead_code, reason = "its description is what counts")]
    fn ready() {}

    /// Metrics of the process and of the tables
    #[utoipa::path(get, path = "/metrics", operation_id = "process_metrics", tag = "operations", security(()),
        responses(
            (status = 200, description = "OpenMetrics text", content_type = "application/openmetrics-text"),
            (status = 503, description = "A store did not answer", content_type = "text/plain"),
        ))]
    #[expect(dead_code, reason = "its description is what counts")]
    fn metrics() {}
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_operation_of_the_whole_document_says_what_it_answers_and_which_key_it_needs() {
        let document = serde_json::to_value(api::openapi(of_others())).expect("JSON");
        let schemes = document["components"]["securitySchemes"].as_object().expect("schemes");
        let mut n_open = 0;
        let mut ids = std::collections::BTreeSet::new();
        for (path, methods) in document["paths"].as_object().expect("paths") {
            for (method, operation) in methods.as_object().expect("methods") {
                let id = operation["operationId"].as_str().expect("an id");
                assert!(ids.insert(id.to_owned()), "{method} {path}: `{id}` is the id of two");
                let responses = operation["responses"].as_object().expect("responses");
                for (status, response) in responses {
                    let said = response["description"].as_str().unwrap_or_default();
                    assert!(!said.is_empty(), "{method} {path}: {status} says nothing");
                }
                let security = operation.get("security").unwrap_or(&document["security"]).as_array().expect("a list");
                for name in security.iter().filter_map(Value::as_object).flat_map(|one| one.keys()) {
                    assert!(schemes.contains_key(name), "{method} {path}: there is no scheme `{name}`");
                }
                let is_open = security.iter().all(|one| one.as_object().is_some_and(serde_json::Map::is_empty));
                n_open += usize::from(is_open);
                assert!(is_open || ["401", "403", "503"].iter().all(|s| responses.contains_key(*s)), "{method} {path}");
            }
        }
        assert_eq!(n_open, 4, "health, ready, metrics and the document itself");
    }
}
