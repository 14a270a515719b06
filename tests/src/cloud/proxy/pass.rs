//! Hands a request on to an emulator and brings back its answer, both exactly.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderName, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::read::Asked;

/// Belong to one connection, not to the message (RFC 9110 section 7.6.1); and a wait that this proxy has already answered.
const OF_ONE_CONNECTION: [HeaderName; 4] =
    [CONNECTION, TRANSFER_ENCODING, EXPECT, HeaderName::from_static("keep-alive")];

/// Connections to the emulators, kept open where they keep them.
#[derive(Debug)]
pub(super) struct Passage {
    client: Client<HttpConnector, Full<Bytes>>,
}

/// The emulator gave no whole answer.
#[derive(Debug)]
pub(super) struct NoAnswer(pub(super) String);

impl Passage {
    pub(super) fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let mut client = Client::builder(TokioExecutor::new());
        client.http1_preserve_header_case(true).http1_title_case_headers(false).set_host(false);
        Self { client: client.build(connector) }
    }

    pub(super) async fn ask(&self, address: &str, asked: &Asked) -> Result<Response<Bytes>, NoAnswer> {
        let no_answer = |error: &dyn std::fmt::Display| NoAnswer(format!("{address}: {error}"));
        let reply = self.client.request(onward(address, asked)).await.map_err(|error| no_answer(&error))?;
        let (mut head, body) = reply.into_parts();
        let body = body.collect().await.map_err(|error| no_answer(&error))?.to_bytes();
        without_connection(&mut head.headers);
        Ok(Response::from_parts(head, body))
    }
}

fn onward(address: &str, asked: &Asked) -> Request<Full<Bytes>> {
    let path = asked.head.uri.path_and_query().map_or("/", |path| path.as_str());
    let uri: Uri = format!("http://{address}{path}").parse().expect("the path came from a URI");
    let mut request = Request::new(Full::new(asked.body.clone()));
    *request.method_mut() = asked.head.method.clone();
    *request.uri_mut() = uri;
    *request.headers_mut() = asked.head.headers.clone();
    // Holds how the names of headers were spelt.
    *request.extensions_mut() = asked.head.extensions.clone();
    without_connection(request.headers_mut());
    // Whoever sent it in chunks of the transfer sends it in one piece from here.
    if !asked.body.is_empty() && !request.headers().contains_key(CONTENT_LENGTH) {
        request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(asked.body.len()));
    }
    request.headers_mut().entry(HOST).or_insert_with(|| address.parse().expect("an address is a header"));
    request
}

fn without_connection(headers: &mut HeaderMap) {
    for name in &OF_ONE_CONNECTION {
        headers.remove(name);
    }
}
