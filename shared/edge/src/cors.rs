//! Which browsers may call: origins are set by the operator, none by default.

use std::time::Duration;

use http::header::{ALLOW, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Method};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::REQUEST_ID;

/// How long a browser may remember the answer to a preflight.
const PREFLIGHT_AGE: Duration = Duration::from_secs(3600);
/// Alone in the list it means: any origin. Keys are sent in headers, never as cookies, so that is no danger by itself.
const ANY: &str = "*";

/// For origins as a browser sends them, `https://app.example.com`. An empty list allows none.
pub fn cors(origins: &[String]) -> CorsLayer {
    let origin = match origins {
        [] => return CorsLayer::new(),
        [any] if any == ANY => AllowOrigin::any(),
        some => AllowOrigin::list(some.iter().filter_map(|origin| header_value(origin))),
    };
    CorsLayer::new()
        .allow_origin(origin)
        .allow_methods([Method::GET, Method::POST, Method::PATCH, Method::DELETE])
        .allow_headers([
            AUTHORIZATION,
            CONTENT_TYPE,
            CONTENT_ENCODING,
            HeaderName::from_static("x-api-key"),
            REQUEST_ID,
        ])
        .expose_headers([REQUEST_ID, RETRY_AFTER, ALLOW])
        .max_age(PREFLIGHT_AGE)
}

/// `*` among others would make the layer panic; what is no header value no browser sends.
fn header_value(origin: &str) -> Option<HeaderValue> {
    let value = HeaderValue::from_str(origin).ok().filter(|_| origin != ANY);
    if value.is_none() {
        tracing::warn!(origin, "this CORS origin is left out: it is no single origin");
    }
    value
}
