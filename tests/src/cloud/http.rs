//! What stands in front of the functions: an HTTP API with its routes and throttling, function URLs, and Lambda's own Invoke
//! API. Each answers what AWS answers when a function is throttled, fails, or takes too long; loopback only.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::post;
use bytes::Bytes;
use clock::{Clock, SystemClock, within};
use futures::StreamExt;
use http::{HeaderMap, Method, StatusCode, request};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use super::http_event::{Edge, event, refusal, response};
use super::invocation::{Answer, InvokeError, PAYLOAD_BYTES_MAX, Streamed};
use super::lambda::Lambda;
use super::signature::Signers;

/// Of a request to an HTTP API.
const HTTP_API_BODY_BYTES_MAX: usize = 10 * 1024 * 1024;
/// An HTTP API waits no longer for a function.
const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(30);

/// One route of an HTTP API: `POST /v1/traces`, with `{name}` for a part and `{name+}` for the rest; `ANY` or `$default` too.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    pub key: String,
    pub function: String,
    /// None: not throttled.
    pub throttling: Option<Throttling>,
}

/// Requests a second on a route, and how many may come at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Throttling {
    pub rate_per_second: f64,
    pub burst: f64,
}

/// Something that listens until it is dropped.
pub struct Front {
    address: SocketAddr,
    n_throttled: Arc<AtomicU64>,
    task: AbortHandle,
}

impl Front {
    async fn start(router: Router) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            // It ends with this front.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, n_throttled: Arc::default(), task: task.abort_handle() })
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Requests that it has turned away because they were too many.
    pub fn n_throttled(&self) -> u64 {
        self.n_throttled.load(Ordering::Relaxed)
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An HTTP API with its routes.
pub struct HttpApi {
    lambda: Arc<Lambda>,
    routes: Vec<Route>,
    /// Of the routes, in their order.
    throttles: Vec<Throttle>,
    n_throttled: Arc<AtomicU64>,
}

impl HttpApi {
    pub fn new(lambda: Arc<Lambda>, routes: Vec<Route>) -> Self {
        let throttles = routes.iter().map(|route| Throttle::to(route.throttling)).collect();
        Self { lambda, routes, throttles, n_throttled: Arc::default() }
    }

    pub async fn start(self) -> std::io::Result<Front> {
        let n_throttled = Arc::clone(&self.n_throttled);
        let mut front = Front::start(Router::new().fallback(through_http_api).with_state(Arc::new(self))).await?;
        front.n_throttled = n_throttled;
        Ok(front)
    }
}

async fn through_http_api(State(api): State<Arc<HttpApi>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Some((at, parameters)) = find(&api.routes, &parts.method, parts.uri.path()) else {
        return whole(refusal(StatusCode::NOT_FOUND, "Not Found"));
    };
    let route = &api.routes[at];
    if !api.throttles[at].admits() {
        api.n_throttled.fetch_add(1, Ordering::Relaxed);
        return whole(refusal(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests"));
    }
    let Ok(body) = to_bytes(body, HTTP_API_BODY_BYTES_MAX).await else {
        return whole(refusal(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large"));
    };
    let edge = Edge::HttpApi { route: route.key.clone(), parameters };
    let event = event(&edge, &parts, &body);
    let what = named(&parts);
    let invocation = api.lambda.invoke(&route.function, &what, event);
    let (status, message) = match within(&SystemClock, INTEGRATION_TIMEOUT, invocation).await {
        Some(Ok(Answer::Whole(answer))) => match response(&answer) {
            Some(response) => return whole(response),
            None => (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
        },
        // An HTTP API does not stream.
        Some(Ok(Answer::Streamed(_))) => (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
        Some(Err(InvokeError::EventTooLarge { .. })) => (StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large"),
        // Also of a throttled function: an HTTP API has no other word for it.
        Some(Err(_)) => (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
        None => (StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"),
    };
    whole(refusal(status, message))
}

/// Who may call a function URL.
#[derive(Clone, Debug)]
pub enum UrlAuth {
    /// `NONE`
    Open,
    /// `AWS_IAM`
    Signed(Signers),
}

/// The URL of one function; answers are streamed if the function streams them.
pub async fn function_url(lambda: Arc<Lambda>, function: impl Into<String>, auth: UrlAuth) -> std::io::Result<Front> {
    let url = FunctionUrl { lambda, function: function.into(), auth };
    Front::start(Router::new().fallback(through_function_url).with_state(Arc::new(url))).await
}

struct FunctionUrl {
    lambda: Arc<Lambda>,
    function: String,
    auth: UrlAuth,
}

async fn through_function_url(State(url): State<Arc<FunctionUrl>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, PAYLOAD_BYTES_MAX).await else {
        return whole(refusal(StatusCode::PAYLOAD_TOO_LARGE, "Request Too Long"));
    };
    if let UrlAuth::Signed(signers) = &url.auth
        && let Err(why) = signers.check(&parts, &body)
    {
        return whole(refusal(StatusCode::FORBIDDEN, &why.to_string()));
    }
    let event = event(&Edge::FunctionUrl, &parts, &body);
    let (status, message) = match url.lambda.invoke(&url.function, &named(&parts), event).await {
        Ok(Answer::Whole(answer)) => match response(&answer) {
            Some(response) => return whole(response),
            None => (StatusCode::BAD_GATEWAY, "Internal Server Error"),
        },
        Ok(Answer::Streamed(answer)) => return streamed(answer),
        Err(InvokeError::Throttled) => (StatusCode::TOO_MANY_REQUESTS, "Rate Exceeded."),
        Err(InvokeError::EventTooLarge { .. }) => (StatusCode::PAYLOAD_TOO_LARGE, "Request Too Long"),
        Err(InvokeError::Failed { .. } | InvokeError::Unknown(_)) => (StatusCode::BAD_GATEWAY, "Internal Server Error"),
    };
    whole(refusal(status, message))
}

/// `POST /2015-03-31/functions/{name}/invocations`, which the SDK of Lambda speaks; also by ARN and with an alias.
pub async fn invoke_api(lambda: Arc<Lambda>) -> std::io::Result<Front> {
    let router = Router::new().route("/2015-03-31/functions/{name}/invocations", post(through_invoke_api));
    Front::start(router.with_state(lambda)).await
}

async fn through_invoke_api(
    State(lambda): State<Arc<Lambda>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let name = name.split_once(":function:").map_or(name.as_str(), |(_, name)| name);
    let name = name.split(':').next().unwrap_or_default().to_owned();
    // One more byte than fits is enough to be refused.
    let Ok(event) = to_bytes(body, PAYLOAD_BYTES_MAX + 1).await else {
        return invoke_error(StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLargeException", "the event is too large");
    };
    if headers.get("x-amz-invocation-type").is_some_and(|kind| kind.as_bytes() == b"Event") {
        tokio::spawn(async move { lambda.invoke(&name, "invoke, no answer awaited", event).await });
        return Response::builder().status(StatusCode::ACCEPTED).body(Body::empty()).expect("a response");
    }
    match lambda.invoke(&name, "invoke", event).await {
        Ok(Answer::Whole(answer)) => whole(Response::new(answer)),
        Ok(Answer::Streamed(answer)) => streamed(answer),
        Err(error @ InvokeError::Failed { .. }) => {
            let response = Response::builder().header("x-amz-function-error", "Unhandled");
            response.body(error.payload().to_string().into()).expect("a response")
        }
        Err(error @ InvokeError::Throttled) => {
            invoke_error(StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsException", &error.to_string())
        }
        Err(error @ InvokeError::EventTooLarge { .. }) => {
            invoke_error(StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLargeException", &error.to_string())
        }
        Err(error @ InvokeError::Unknown(_)) => {
            invoke_error(StatusCode::NOT_FOUND, "ResourceNotFoundException", &error.to_string())
        }
    }
}

fn invoke_error(status: StatusCode, kind: &str, message: &str) -> Response {
    let mut response = whole(refusal(status, message));
    response.headers_mut().insert("x-amzn-errortype", kind.parse().expect("a header"));
    response
}

fn whole(response: Response<Bytes>) -> Response {
    response.map(Body::from)
}

fn streamed(answer: Streamed) -> Response {
    let Streamed { prelude, body } = answer;
    let pieces = futures::stream::unfold(body, async |mut body| Some((body.recv().await?, body)));
    let mut response = Response::new(Body::from_stream(pieces.boxed()));
    *response.status_mut() = prelude.status_code;
    *response.headers_mut() = prelude.headers;
    for cookie in prelude.cookies.iter().filter_map(|cookie| cookie.parse().ok()) {
        response.headers_mut().append("set-cookie", cookie);
    }
    response
}

fn named(request: &request::Parts) -> String {
    format!("{} {}", request.method, request.uri.path())
}

/// The place of the route that fits best: the fewest parameters win, and a method before `ANY`.
fn find(routes: &[Route], method: &Method, path: &str) -> Option<(usize, BTreeMap<String, String>)> {
    let fits = routes.iter().enumerate().filter_map(|(at, route)| {
        let (verb, pattern) = route.key.split_once(' ').unwrap_or(("ANY", "/{proxy+}"));
        let parameters = (verb == "ANY" || verb == method.as_str()).then(|| parameters_of(pattern, path)).flatten()?;
        let rank = (pattern.contains("+}"), parameters.len(), verb == "ANY");
        Some((rank, at, parameters))
    });
    fits.min_by_key(|(rank, ..)| *rank).map(|(_, at, parameters)| (at, parameters))
}

fn parameters_of(pattern: &str, path: &str) -> Option<BTreeMap<String, String>> {
    let mut parameters = BTreeMap::new();
    let mut parts = path.trim_start_matches('/').split('/');
    for wanted in pattern.trim_start_matches('/').split('/') {
        let Some(name) = wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}')) else {
            if parts.next()? != wanted {
                return None;
            }
            continue;
        };
        if let Some(name) = name.strip_suffix('+') {
            parameters.insert(name.to_owned(), parts.by_ref().collect::<Vec<_>>().join("/"));
        } else {
            parameters.insert(name.to_owned(), parts.next().filter(|part| !part.is_empty())?.to_owned());
        }
    }
    parts.next().is_none().then_some(parameters)
}

/// A token bucket; without a limit it admits everything.
struct Throttle(Option<(Throttling, Mutex<(f64, Duration)>)>);

impl Throttle {
    fn to(limit: Option<Throttling>) -> Self {
        Self(limit.map(|limit| (limit, Mutex::new((limit.burst, SystemClock.uptime())))))
    }

    fn admits(&self) -> bool {
        let Some((limit, bucket)) = &self.0 else { return true };
        let mut bucket = bucket.lock().expect("not poisoned");
        let (tokens, filled_at) = *bucket;
        let now = SystemClock.uptime();
        let tokens = (tokens + (now - filled_at).as_secs_f64() * limit.rate_per_second).min(limit.burst);
        let is_admitted = tokens >= 1.0;
        *bucket = (if is_admitted { tokens - 1.0 } else { tokens }, now);
        is_admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_goes_to_the_route_that_fits_best() {
        let routes = [
            ("GET /api/v1/traces", "list"),
            ("GET /api/v1/traces/{id}", "one"),
            ("ANY /api/v1/{rest+}", "rest"),
            ("GET /api/v1/traces/newest", "newest"),
        ];
        let routes =
            routes.map(|(key, function)| Route { key: key.into(), function: function.into(), throttling: None });
        let cases: [(&str, &str, Option<(&str, &[(&str, &str)])>); 7] = [
            ("GET", "/api/v1/traces", Some(("list", &[]))),
            ("GET", "/api/v1/traces/4b", Some(("one", &[("id", "4b")]))),
            ("GET", "/api/v1/traces/newest", Some(("newest", &[]))),
            ("POST", "/api/v1/traces", Some(("rest", &[("rest", "traces")]))),
            ("GET", "/api/v1/traces/4b/x", Some(("rest", &[("rest", "traces/4b/x")]))),
            ("GET", "/api", None),
            ("GET", "/", None),
        ];
        for (method, path, expected) in cases {
            let method = Method::from_bytes(method.as_bytes()).expect("a method");
            let found = find(&routes, &method, path);
            let found = found.map(|(at, parameters)| (routes[at].function.clone(), parameters));
            let expected = expected.map(|(function, parameters)| {
                let owned = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
                (function.to_owned(), owned.collect())
            });
            assert_eq!(found, expected, "{method} {path}");
        }
    }

    #[test]
    fn a_throttle_admits_its_burst_and_no_more() {
        let throttle = Throttle::to(Some(Throttling { rate_per_second: 0.0, burst: 3.0 }));
        assert_eq!([(); 5].map(|()| throttle.admits()), [true, true, true, false, false]);
    }
}
