//! Faults at the proxy: which of them took effect, and what the AWS SDKs make of them.

use std::time::Duration;

use aws::{Cloud, Endpoints, Service};
use aws_credential_types::Credentials;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use tests::cloud::proxy::{Act, Proxy, Refusal, Rule, When, access_key_id};

use super::upstream::{Upstream, exchange};

const GET: &str = "GET /b/x HTTP/1.1\r\nhost: a\r\n\r\n";
const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

#[tokio::test]
async fn a_fault_strikes_before_the_call_or_after_it_took_effect() {
    let cases = [
        // (fault, how often the emulator is asked, what the caller reads begins so)
        (Act::Drop, 0, ""),
        (Act::Refuse(Refusal::SlowDown), 0, "HTTP/1.1 503"),
        (Act::Refuse(Refusal::Internal), 0, "HTTP/1.1 500"),
        (Act::Refuse(Refusal::AccessDenied), 0, "HTTP/1.1 403"),
        (Act::LoseReply, 1, ""),
        (Act::Misreport(Refusal::Internal), 1, "HTTP/1.1 500"),
        (Act::Delay(Duration::from_millis(1)), 1, HELLO),
    ];
    for (act, n_asked, read) in cases {
        let upstream = Upstream::start(HELLO).await;
        let proxy = upstream.behind_a_proxy().await;
        let rule = proxy.faults().add(Rule::new(act, When::First(1)).service("s3").at("b/x"));
        let answer = exchange(&proxy, GET).await;
        assert!(answer.starts_with(read) && answer.is_empty() == read.is_empty(), "{act:?}: {answer}");
        assert_eq!(upstream.sent().len(), n_asked, "{act:?}");
        assert_eq!(exchange(&proxy, GET).await, HELLO, "{act:?} strikes once");
        let faults: Vec<_> = proxy.journal().calls().into_iter().map(|call| call.fault).collect();
        assert_eq!(faults, [Some(format!("{act:?}")), None]);
        assert_eq!(proxy.faults().n_met(rule), 1);
    }
}

#[tokio::test]
async fn a_refused_head_has_no_body() {
    let upstream = Upstream::start(HELLO).await;
    let proxy = upstream.behind_a_proxy().await;
    proxy.faults().add(Rule::new(Act::Refuse(Refusal::SlowDown), When::Always));
    let answer = exchange(&proxy, &GET.replace("GET", "HEAD")).await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.ends_with("\r\n\r\n"), "{answer}");
}

/// As a function's process would call, without retries of its own.
fn cloud(proxy: &Proxy) -> Cloud {
    let keys = Credentials::new(access_key_id("ingest"), "secret", None, None, "test");
    Cloud::with_keys("eu-west-1", keys, Endpoints::everywhere(proxy.endpoint()))
}

fn put(key: &str) -> TransactWriteItem {
    let put = Put::builder().table_name("table").item("pk", AttributeValue::S(key.to_owned())).build().unwrap();
    TransactWriteItem::builder().put(put).build()
}

async fn transact(proxy: &Proxy) -> SdkError<TransactWriteItemsError> {
    let client = aws_sdk_dynamodb::Client::new(&cloud(proxy).config(Service::DynamoDb));
    let items = vec![put("a"), put("b")];
    client.transact_write_items().set_transact_items(Some(items)).send().await.expect_err("it is refused")
}

#[tokio::test]
async fn the_sdk_reads_refusals_of_a_transaction_as_dynamodbs() {
    let cases = [
        (Refusal::Throttled, "ThrottlingException"),
        (Refusal::ProvisionedThroughputExceeded, "ProvisionedThroughputExceededException"),
        (Refusal::TransactionInProgress, "TransactionInProgressException"),
        (Refusal::TransactionConflict, "TransactionCanceledException"),
        (Refusal::Internal, "InternalServerError"),
        (Refusal::AccessDenied, "AccessDeniedException"),
    ];
    for (refusal, code) in cases {
        let proxy = Upstream::start(HELLO).await.behind_a_proxy().await;
        proxy.faults().add(Rule::new(Act::Refuse(refusal), When::Always).operation("dynamodb:PutItem").at("\"b\""));
        let error = transact(&proxy).await.into_service_error();
        assert_eq!(error.code(), Some(code), "{error:?}");
        if let TransactWriteItemsError::TransactionCanceledException(cancelled) = &error {
            let reasons: Vec<_> = cancelled.cancellation_reasons().iter().filter_map(|reason| reason.code()).collect();
            assert_eq!(reasons, ["TransactionConflict", "None"]);
        }
    }
}

#[tokio::test]
async fn the_sdks_of_other_services_read_refusals_as_theirs() {
    let proxy = Upstream::start(HELLO).await.behind_a_proxy().await;
    let cloud = cloud(&proxy);
    let deny = proxy.faults().add(Rule::new(Act::Refuse(Refusal::AccessDenied), When::Always));

    let s3 = aws_sdk_s3::Client::new(&cloud.config(Service::S3));
    let s3_error = || async { s3.get_object().bucket("b").key("x").send().await.unwrap_err().into_service_error() };
    assert_eq!(s3_error().await.code(), Some("AccessDenied"));

    let sts = aws_sdk_sts::Client::new(&cloud.config(Service::Sts));
    let role = "arn:aws:iam::222222222222:role/plimsoll-byo-a";
    let error = sts.assume_role().role_arn(role).role_session_name("s").send().await.unwrap_err();
    assert_eq!(error.into_service_error().code(), Some("AccessDenied"));

    let sqs = aws_sdk_sqs::Client::new(&cloud.config(Service::Sqs));
    let queue = format!("{}/123456789012/q", proxy.endpoint());
    let error = sqs.send_message().queue_url(queue).message_body("m").send().await.unwrap_err();
    assert_eq!(error.into_service_error().code(), Some("AccessDeniedException"));

    proxy.faults().remove(deny);
    proxy.faults().add(Rule::new(Act::Refuse(Refusal::SlowDown), When::Always));
    assert_eq!(s3_error().await.code(), Some("SlowDown"));
}
