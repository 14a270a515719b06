//! The OpenAPI document: generated from the handlers, merged with what other functions serve on the same port.

use axum::Json;
use axum::extract::State;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use crate::{App, bucket, errors, keys, projects};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Plimsoll",
        description = "Manage projects and API keys, and query their telemetry. Every error has one shape: see `ErrorAnswer`."
    ),
    paths(
        projects::create, projects::list, projects::show, projects::change,
        bucket::connect, bucket::check,
        keys::create, keys::list, keys::revoke, serve,
    ),
    components(schemas(edge::ErrorAnswer)),
    tags(
        (name = "projects", description = "The unit of isolation. With an admin key."),
        (name = "keys", description = "API keys and what they may do. With an admin key."),
    ),
    security(("bearer" = []), ("x-api-key" = [])),
    modifiers(&Keys),
)]
struct Document;

/// Both ways to send a key.
struct Keys;

impl Modify for Keys {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let bearer = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
        components.add_security_scheme("bearer", bearer);
        let header = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new("x-api-key")));
        components.add_security_scheme("x-api-key", header);
    }
}

/// The document of this API together with `others`, say the query API's.
pub fn openapi(others: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi().merge_from(others);
    errors::add(&mut document);
    document
}

/// This document
///
/// Needs no key.
#[utoipa::path(get, path = "/api/v1/openapi.json", operation_id = "openapi", tag = "openapi", security(()),
    responses((status = 200, description = "OpenAPI, as JSON", content_type = "application/json")))]
pub(crate) async fn serve(State(app): State<App>) -> Json<utoipa::openapi::OpenApi> {
    Json(app.document.as_ref().clone())
}
