//! The HTTPS client of all AWS SDKs: `reqwest`, as in `object_store`, so that a function carries one HTTP and TLS stack. (S3
//! has a pool of its own: `object_store` builds its client itself.)

use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use reqwest::redirect::Policy;
use reqwest::{Body, Client, Request};

/// Time for a connection, TLS handshake included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// One pool of connections; clones share it.
#[derive(Clone, Debug)]
struct Https(Client);

#[derive(Debug)]
struct Connector {
    client: Client,
    /// Until the head of the answer is there; None: as long as it takes.
    read_timeout: Option<Duration>,
}

/// Its connections are made as they are needed. AWS answers no call with a redirect that could be followed: it would have to
/// be signed anew.
pub(crate) fn https_client() -> SharedHttpClient {
    SharedHttpClient::new(Https(client()))
}

fn client() -> Client {
    let client = Client::builder().connect_timeout(CONNECT_TIMEOUT).http1_only().redirect(Policy::none()).build();
    client.expect("built from constants and the roots of the system")
}

impl HttpClient for Https {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Connector { client: self.0.clone(), read_timeout: settings.read_timeout() })
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (client, read_timeout) = (self.client.clone(), self.read_timeout);
        HttpConnectorFuture::new(async move {
            let asked = client.execute(outgoing(request)?);
            let answered = match read_timeout {
                Some(limit) => {
                    tokio::time::timeout(limit, asked).await.map_err(|late| ConnectorError::timeout(late.into()))?
                }
                None => asked.await,
            };
            incoming(http::Response::from(answered.map_err(told)?))
        })
    }
}

fn outgoing(request: HttpRequest) -> Result<Request, ConnectorError> {
    let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
    Request::try_from(request.map(Body::wrap)).map_err(told)
}

fn incoming(answer: http::Response<Body>) -> Result<HttpResponse, ConnectorError> {
    HttpResponse::try_from(answer.map(SdkBody::from_body_1_x))
        .map_err(|error| ConnectorError::other(error.into(), None))
}

/// As the SDK's retries want it: what may be tried again, and what not.
fn told(error: reqwest::Error) -> ConnectorError {
    if error.is_timeout() {
        ConnectorError::timeout(error.into())
    } else if error.is_builder() {
        ConnectorError::user(error.into())
    } else {
        // No connection, or it broke: whoever calls knows by a token whether a call was done.
        ConnectorError::io(error.into())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    async fn ask(port: u16, read_timeout: Duration) -> Result<HttpResponse, ConnectorError> {
        let connector = Connector { client: client(), read_timeout: Some(read_timeout) };
        let mut request = HttpRequest::new(SdkBody::from("{}"));
        request.set_method("POST").expect("a method");
        request.set_uri(format!("http://127.0.0.1:{port}/a?b=%20c")).expect("a URI");
        request.headers_mut().insert("x-amz-target", "DynamoDB_20120810.GetItem");
        connector.call(request).await
    }

    #[tokio::test]
    async fn a_request_goes_out_and_its_answer_comes_back_as_they_are() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a client");
            let mut seen = Vec::new();
            while !seen.ends_with(b"{}") {
                assert!(stream.read_buf(&mut seen).await.expect("a request") > 0);
            }
            // Not followed, not an error: what it means is for the SDK to say.
            let answer = b"HTTP/1.1 307 Temporary Redirect\r\nlocation: /c\r\nx-amzn-requestid: 7\r\ncontent-length: 2\r\n\r\nno";
            stream.write_all(answer).await.expect("answered");
            String::from_utf8(seen).expect("a text")
        });
        let answer = ask(port, Duration::from_secs(5)).await.expect("an answer");
        assert_eq!((answer.status().as_u16(), answer.headers().get("x-amzn-requestid")), (307, Some("7")));
        let body = aws_smithy_types::byte_stream::ByteStream::new(answer.into_body()).collect().await.expect("a body");
        assert_eq!(body.into_bytes(), "no");
        let seen = server.await.expect("it saw the request").to_lowercase();
        assert!(seen.starts_with("post /a?b=%20c http/1.1\r\n"), "{seen}");
        assert!(
            seen.contains("x-amz-target: dynamodb_20120810.getitem\r\n") && seen.contains("content-length: 2\r\n"),
            "{seen}"
        );
    }

    #[tokio::test]
    async fn an_answer_that_does_not_come_is_a_timeout_and_a_closed_port_may_be_tried_again() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let late = ask(port, Duration::from_millis(50)).await.expect_err("nobody answers");
        assert!(late.is_timeout(), "{late:?}");
        drop(listener);
        let closed = ask(port, Duration::from_secs(5)).await.expect_err("nobody listens");
        assert!(closed.is_io(), "{closed:?}");
    }
}
