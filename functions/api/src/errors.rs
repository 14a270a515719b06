//! The errors that operations have in common, added to each in the OpenAPI document: no handler lists them.

use utoipa::openapi::path::Operation;
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{ContentBuilder, OpenApi, PathItem, Ref, RefOr, Response, ResponseBuilder};

const UNREADABLE: (&str, &str) = ("400", "A parameter or the body does not read");
/// Of every operation that needs a key.
const WITH_KEY: [(&str, &str); 4] = [
    ("401", "No key was sent, or one that is unknown or revoked"),
    ("403", "The key may not do this"),
    ("500", "A bug of ours; the log says more under the request id"),
    ("503", "A store did not answer; the same request may work later"),
];
/// Of every operation that takes a body.
const WITH_BODY: [(&str, &str); 2] = [("413", "The body is too large"), ("415", "The body is not sent as JSON")];
/// Of every operation that runs a query.
const WITH_QUERY: [(&str, &str); 2] = [
    ("422", "A limit of queries: time, memory, bytes scanned, size of the result"),
    ("429", "Too many queries at once"),
];
/// Of a response that says nothing about itself.
const ANSWERED: &str = "The answer";
const MISSING: &str = "There is no such thing";
const QUERY_TAG: &str = "query";

/// Adds to every operation what it can answer beside what it says itself, and words where it has none.
pub(crate) fn add(document: &mut OpenApi) {
    for operation in document.paths.paths.values_mut().flat_map(operations) {
        let needs_key =
            operation.security.as_ref().is_none_or(|all| all.iter().any(|one| *one != SecurityRequirement::default()));
        let takes_body = operation.request_body.is_some();
        let takes_any = takes_body || operation.parameters.as_ref().is_some_and(|all| !all.is_empty());
        let queries = operation.tags.as_ref().is_some_and(|tags| tags.iter().any(|tag| tag == QUERY_TAG));
        let of = |applies: bool, errors: &'static [(&'static str, &'static str)]| if applies { errors } else { &[] };
        let errors = [
            of(takes_any, &[UNREADABLE]),
            of(needs_key, &WITH_KEY),
            of(takes_body, &WITH_BODY),
            of(queries, &WITH_QUERY),
        ];
        for (status, description) in errors.into_iter().flatten() {
            let stands = operation.responses.responses.entry((*status).to_owned());
            if let RefOr::T(response) = stands.or_insert_with(|| RefOr::T(error(description)))
                && response.description.is_empty()
            {
                response.description = (*description).to_owned();
            }
        }
        for (status, response) in &mut operation.responses.responses {
            if let RefOr::T(response) = response
                && response.description.is_empty()
            {
                response.description = if status == "404" { MISSING } else { ANSWERED }.to_owned();
            }
        }
    }
}

fn error(description: &str) -> Response {
    let body = ContentBuilder::new().schema(Some(Ref::from_schema_name("ErrorAnswer"))).build();
    ResponseBuilder::new().description(description).content("application/json", body).build()
}

fn operations(path: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, post, patch, delete, put, .. } = path;
    [get, post, patch, delete, put].into_iter().flatten()
}
