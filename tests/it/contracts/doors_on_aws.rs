//! The doors to the world outside as AWS opens them: Lambda's Invoke before a server that speaks it, SES and KMS on moto.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws::{Cloud, Endpoints, Service};
use aws_credential_types::Credentials;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use clock::{Ids, RandomIds};
use doors::{Answered, Asked, Outcome, QueryRunError, QueryRunner, Question, Refusal, SealContext, SealError, Sealer};
use futures::FutureExt;
use http::StatusCode;
use model::ProjectId;
use testkit::contract::{mail, queries, seal};
use tests::cloud::Emulators;
use tests::tables::Tables;
use tokio::net::TcpListener;

const FUNCTION: &str = "plimsoll-query:live";

/// What stands for Lambda: it answers calls of [`FUNCTION`].
#[derive(Clone)]
enum Lambda {
    /// The query function itself.
    Runs(Arc<dyn QueryRunner>),
    /// Always the same: status, `X-Amz-Function-Error`, body; after so many refusals for being too busy.
    Says { status: u16, function_error: Option<&'static str>, body: String, busy_first: Arc<AtomicUsize> },
}

async fn lambda(lambda: Lambda) -> Cloud {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let routes = Router::new().route("/2015-03-31/functions/{name}/invocations", post(invoke)).with_state(lambda);
    tokio::spawn(async { axum::serve(listener, routes).await });
    Cloud::with_keys("eu-central-1", Credentials::new("id", "secret", None, None, "tests"), Endpoints::everywhere(url))
}

async fn invoke(State(lambda): State<Lambda>, Path(name): Path<String>, body: Bytes) -> Response {
    assert_eq!(name, FUNCTION);
    match lambda {
        Lambda::Runs(runner) => {
            let asked: Asked = serde_json::from_slice(&body).expect("a question reads");
            let outcome = match runner.run(&asked.query).await {
                Ok(answer) => Outcome::Ok(answer),
                Err(QueryRunError::Refused(refusal)) => Outcome::Error(refusal),
                Err(other) => panic!("{other}"),
            };
            serde_json::to_vec(&Answered::new(outcome)).expect("serialises").into_response()
        }
        Lambda::Says { busy_first, .. }
            if busy_first.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() =>
        {
            let words = r#"{"Reason":"ReservedFunctionConcurrentInvocationLimitExceeded","message":"Rate Exceeded."}"#;
            let code = ("x-amzn-errortype", "TooManyRequestsException");
            (StatusCode::TOO_MANY_REQUESTS, [code], words).into_response()
        }
        Lambda::Says { status, function_error, body, .. } => {
            let mut response = (StatusCode::from_u16(status).expect("a status"), body).into_response();
            if status == 404 {
                let code = "ResourceNotFoundException".parse().expect("a value");
                response.headers_mut().insert("x-amzn-errortype", code);
            }
            if let Some(error) = function_error {
                response.headers_mut().insert("x-amz-function-error", error.parse().expect("a value"));
            }
            response
        }
    }
}

fn question(timeout_ms: Option<u64>) -> Question {
    let project = ProjectId::parse("shop").expect("an id");
    Question { project, sql: "SELECT 1".to_owned(), params: None, limit: None, timeout_ms }
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_by_lambda_invoke() {
    let tables = Tables::new();
    let cloud = lambda(Lambda::Runs(Arc::new(query::Runner::new(Arc::clone(&tables.app))))).await;
    for (name, case) in queries::CASES {
        println!("{name}");
        let runner = Arc::new(cloud.query_runner(FUNCTION));
        case(queries::World { runner, project: ProjectId::parse("shop").expect("an id") }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lambda_says_is_sorted_by_whether_to_ask_again() {
    let refusal = |code: &str| {
        let refusal = Refusal { code: code.to_owned(), message: "no".to_owned(), hint: None };
        serde_json::to_string(&Answered::new(Outcome::Error(refusal))).expect("serialises")
    };
    let large = format!(r#"{{"v":1,"ok":"{}"}}"#, "x".repeat(doors::PAYLOAD_BYTES_MAX));
    let timed_out =
        r#"{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: 1 Error: Task timed out after 60.00 seconds"}"#;
    let crashed = r#"{"errorType":"Runtime.ExitError","errorMessage":"RequestId: 1 Error: Runtime exited with error: signal: killed"}"#;
    let too_large = r#"{"errorType":"Function.ResponseSizeTooLarge","errorMessage":"Response payload size exceeded"}"#;
    let missing = r#"{"Type":"User","message":"Function not found"}"#;
    let cases: [(&str, u16, Option<&'static str>, &str, &str, bool); 8] = [
        ("a refusal that passes", 200, None, &refusal("unavailable"), "refused", true),
        ("a refusal that stays", 200, None, &refusal("sql_syntax"), "refused", false),
        ("a time-out of the function", 200, Some("Unhandled"), timed_out, "no answer within", false),
        ("a crash", 200, Some("Unhandled"), crashed, "signal: killed", false),
        ("an answer that Lambda does not carry", 200, Some("Unhandled"), too_large, "can be carried at most", false),
        ("an answer that is none", 200, None, "ok", "does not read", false),
        ("an answer beyond what is taken", 200, None, &large, "can be carried at most", false),
        ("no such function", 404, None, missing, "Function not found", false),
    ];
    for (name, status, function_error, body, words, is_retryable) in cases {
        let says = Lambda::Says { status, function_error, body: body.to_owned(), busy_first: Arc::default() };
        let error = lambda(says).await.query_runner(FUNCTION).run(&question(None)).await.expect_err(name);
        assert!(error.to_string().contains(words), "{name}: {error}");
        assert_eq!(error.is_retryable(), is_retryable, "{name}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_function_is_asked_again_and_then_said_to_be_busy() {
    let answer = r#"{"v":1,"ok":{"columns":[],"rows":[],"statistics":{"rows":0,"bytes_scanned":0,"total_ms":0.0}}}"#;
    let says = |busy: usize| Lambda::Says {
        status: 200,
        function_error: None,
        body: answer.to_owned(),
        busy_first: Arc::new(AtomicUsize::new(busy)),
    };
    assert!(lambda(says(1)).await.query_runner(FUNCTION).run(&question(None)).await.is_ok());
    let error = lambda(says(100)).await.query_runner(FUNCTION).run(&question(None)).await.expect_err("busy");
    assert!(error.is_retryable() && matches!(error, QueryRunError::Unavailable { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_retryable() {
    let keys = Credentials::new("id", "secret", None, None, "tests");
    // A port that was free a moment ago.
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port").local_addr().expect("bound").port();
    let cloud = Cloud::with_keys("eu-central-1", keys, Endpoints::everywhere(format!("http://127.0.0.1:{port}")));
    let error = cloud.query_runner(FUNCTION).run(&question(None)).await.expect_err("nobody");
    assert!(error.is_retryable(), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_by_ses() {
    // Of its own: moto shows its mail together with everything else it holds.
    let emulators = Emulators::start();
    let cloud = emulators.cloud();
    let client = aws_sdk_sesv2::Client::new(&cloud.config(Service::Ses));
    for (name, case) in mail::CASES {
        println!("{name}");
        let from = format!("plimsoll-{}@example.com", RandomIds.fresh());
        client.create_email_identity().email_identity(&from).send().await.expect("verified");
        let url = format!("{}/moto-api/data.json", emulators.moto_url());
        let taken = Box::new(move |id: String| std::future::ready(message(&url, &id)).boxed());
        case(mail::World { mailer: Arc::new(cloud.mailer(None)), from, taken }).await;
    }
}

/// The message as moto keeps it, envelope first.
fn message(url: &str, id: &str) -> String {
    let data = ureq::get(url).call().expect("moto answers").body_mut().read_to_string().expect("text");
    let data: serde_json::Value = serde_json::from_str(&data).expect("JSON");
    let kinds = data["sesv2"].as_object().into_iter().chain(data["ses"].as_object()).flatten();
    let messages = kinds.flat_map(|(_, items)| items.as_array().into_iter().flatten());
    let mut found = messages.filter(|message| message["id"] == id);
    let message = found.next().unwrap_or_else(|| panic!("no message {id} in {data}"));
    let to = message["destinations"].as_array().into_iter().flatten().map(|to| to.as_str().unwrap_or_default());
    format!("X-To: {}\r\n{}", to.collect::<Vec<_>>().join(", "), message["raw_data"].as_str().unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_sealed_by_kms() {
    let cloud = Emulators::shared().cloud();
    let client = aws_sdk_kms::Client::new(&cloud.config(Service::Kms));
    let key = async || {
        let made = client.create_key().send().await.expect("a key");
        cloud.sealer(made.key_metadata().expect("told").key_id())
    };
    for (name, case) in seal::CASES {
        println!("{name}");
        case(seal::World { sealer: Arc::new(key().await), stranger: Arc::new(key().await) }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_not_there_is_said() {
    let cloud = Emulators::shared().cloud();
    let context = SealContext::new(&ProjectId::parse("shop").expect("an id"), "token");
    let error = cloud.sealer("no-such-key").seal(&context, b"s3cret").await.expect_err("not sealed");
    assert!(matches!(error, SealError::Key(_)) && !error.is_retryable(), "{error}");
    assert!(error.to_string().contains("NotFoundException"), "{error}");
}
