//! What goes through the proxy comes out as it went in.

use std::time::Duration;

use tests::cloud::proxy::{Outcome, Proxy, Upstreams, Who, access_key_id};

use super::upstream::{Upstream, exchange};

const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

#[tokio::test]
async fn answers_come_back_as_they_were_given() {
    let cases = [
        // (method, what the emulator answers, what the caller reads)
        ("GET", HELLO, HELLO),
        (
            "GET",
            "HTTP/1.1 206 PARTIAL CONTENT\r\nServer: moto\r\nETag: \"x\"\r\nContent-Range: bytes 0-1/5\r\nContent-Length: 2\r\n\r\nhe",
            "HTTP/1.1 206 PARTIAL CONTENT\r\nServer: moto\r\nETag: \"x\"\r\nContent-Range: bytes 0-1/5\r\nContent-Length: 2\r\n\r\nhe",
        ),
        // The length of an object, without the object.
        ("HEAD", "HTTP/1.1 200 OK\r\ncontent-length: 123\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 123\r\n\r\n"),
        (
            "HEAD",
            "HTTP/1.1 404 NOT FOUND\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 404 NOT FOUND\r\ncontent-length: 0\r\n\r\n",
        ),
        ("DELETE", "HTTP/1.1 204 No Content\r\nx-a: 1\r\n\r\n", "HTTP/1.1 204 No Content\r\nx-a: 1\r\n\r\n"),
        (
            "PUT",
            "HTTP/1.1 412 Precondition Failed\r\nConnection: close\r\ncontent-length: 8\r\n\r\n<Error/>",
            "HTTP/1.1 412 Precondition Failed\r\ncontent-length: 8\r\n\r\n<Error/>",
        ),
        (
            "GET",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        ),
    ];
    for (method, given, read) in cases {
        let upstream = Upstream::start(given).await;
        let proxy = upstream.behind_a_proxy().await;
        assert_eq!(exchange(&proxy, &format!("{method} /b/x HTTP/1.1\r\nhost: a\r\n\r\n")).await, read);
    }
}

#[tokio::test]
async fn requests_arrive_as_they_were_sent() {
    let cases = [
        // Nothing in a path is decoded or tidied up.
        "GET /b/a%2Fb//c%20d/../e?x=%20&y&prefix=a%2F HTTP/1.1\r\nHost: s3.local:1\r\nX-Amz-Date: 1\r\naccept: */*\r\n\r\n",
        "PUT /b/x HTTP/1.1\r\nHost: a\r\nIf-None-Match: *\r\nContent-Length: 5\r\n\r\nhello",
        // Chunks of a signed stream belong to the body.
        "PUT /b/x HTTP/1.1\r\nhost: a\r\nContent-Encoding: aws-chunked\r\nx-amz-decoded-content-length: 2\r\n\
         content-length: 17\r\n\r\n2\r\nhe\r\n0\r\nx:1\r\n\r\n",
    ];
    for request in cases {
        let upstream = Upstream::start(HELLO).await;
        let proxy = upstream.behind_a_proxy().await;
        assert_eq!(exchange(&proxy, request).await, HELLO);
        assert_eq!(upstream.sent(), [request]);
    }
}

#[tokio::test]
async fn a_body_in_chunks_of_the_transfer_arrives_in_one_piece() {
    let upstream = Upstream::start(HELLO).await;
    let proxy = upstream.behind_a_proxy().await;
    let chunked = "PUT /b/x HTTP/1.1\r\nhost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
    assert_eq!(exchange(&proxy, chunked).await, HELLO);
    assert_eq!(upstream.sent(), ["PUT /b/x HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello"]);
}

#[tokio::test]
async fn the_journal_tells_who_asked_for_what() {
    let upstream = Upstream::start(HELLO).await;
    let proxy = upstream.behind_a_proxy().await;
    let credential = format!("{}/20261120/eu-west-1/s3/aws4_request", access_key_id("ingest"));
    let request = format!(
        "PUT /b/k HTTP/1.1\r\nhost: a\r\nauthorization: AWS4-HMAC-SHA256 Credential={credential}, Signature=0\r\n\
         content-length: 3\r\n\r\nabc"
    );
    exchange(&proxy, &request).await;
    let calls = proxy.journal().calls();
    let [call] = calls.as_slice() else { panic!("{calls:?}") };
    assert_eq!(call.who, Who::Own { name: "ingest".to_owned() });
    assert_eq!((call.service.as_str(), call.operation.as_str(), call.request_bytes), ("s3", "PutObject", 3));
    assert_eq!(call.needs[0].resource, "arn:aws:s3:::b/k");
    assert_eq!(call.outcome, Outcome::Answered { status: 200, reply_bytes: 5, capacity_units: 0.0 });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_caller_went_away_is_in_the_journal() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstreams = Upstreams::new(&silent.local_addr().unwrap().to_string());
    let proxy = Proxy::start(upstreams).await.unwrap();
    let request = exchange(&proxy, "GET /b/x HTTP/1.1\r\nhost: a\r\n\r\n");
    let gone = tokio::select! {
        _ = request => false,
        // The proxy has passed it on; the caller gives up.
        _ = silent.accept() => true,
    };
    assert!(gone);
    tests::eventually("the call is written down", Duration::from_secs(10), || !proxy.journal().is_empty());
    assert_eq!(proxy.journal().calls()[0].outcome, Outcome::Lost);
}

#[tokio::test]
async fn an_emulator_that_is_gone_is_told_from_a_fault() {
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let upstreams = Upstreams::new(&gone.to_string());
    let proxy = Proxy::start(upstreams).await.unwrap();
    let answer = exchange(&proxy, "GET /b/x HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
    assert_eq!(proxy.journal().calls()[0].fault, None);
}
