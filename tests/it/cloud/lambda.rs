//! The dev cloud itself, with a function that does what it is told (`tests/cloud/echo.py`): what Lambda promises about
//! environments, limits, time-outs and failures, and what its edges answer.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tests::cloud::function::Function;
use tests::cloud::http::{HttpApi, Route, Throttling, UrlAuth, function_url, invoke_api};
use tests::cloud::invocation::{Answer, InvokeError, PAYLOAD_BYTES_MAX};
use tests::cloud::lambda::Lambda;
use tests::{eventually, programs};
use tokio::runtime::Runtime;

const ECHO: &str = "echo";

fn echo() -> Function {
    Function {
        concurrency_max: 3,
        timeout: Duration::from_secs(20),
        memory_mib: 256,
        environment: [("PLIMSOLL_TABLE".to_owned(), "t".to_owned())].into(),
        ..Function::new(ECHO, programs::file("cloud/echo.py"))
    }
}

struct World {
    lambda: Arc<Lambda>,
    runtime: Runtime,
}

impl World {
    fn of(function: Function) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        Self { lambda: Arc::new(Lambda::new([function])), runtime }
    }

    fn answer(&self, event: &Value) -> Result<Answer, InvokeError> {
        self.runtime.block_on(self.lambda.invoke(ECHO, "test", event.to_string().into()))
    }

    fn invoke(&self, event: &Value) -> Result<Value, InvokeError> {
        match self.answer(event)? {
            Answer::Whole(answer) => Ok(serde_json::from_slice(&answer).unwrap()),
            Answer::Streamed(_) => panic!("streamed"),
        }
    }

    fn failure(&self, event: &Value) -> (String, String) {
        match self.invoke(event) {
            Err(InvokeError::Failed { error_type, message }) => (error_type, message),
            other => panic!("{other:?}"),
        }
    }
}

fn failed(error_type: &str, message: &str) -> (String, String) {
    (error_type.to_owned(), message.to_owned())
}

/// `T`: stopped.
fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

fn frozen(pid: u32) -> bool {
    state(pid) == Some('T')
}

fn request(url: &str, event: &Value) -> (u16, String) {
    let config =
        ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(60)));
    let mut response = ureq::Agent::from(config.build()).post(url).send(event.to_string()).unwrap();
    (response.status().as_u16(), response.body_mut().read_to_string().unwrap_or_else(|error| format!("({error})")))
}

#[test]
fn a_function_sees_what_lambda_sets_and_nothing_of_ours() {
    let world = World::of(echo());
    let answer = world.invoke(&json!({ "hello": 1 })).unwrap();
    assert_eq!(answer["event"], json!({ "hello": 1 }));
    let environment = answer["environment"].as_object().unwrap();
    for (name, value) in [
        ("AWS_LAMBDA_FUNCTION_NAME", "echo"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_REGION", "eu-central-1"),
        ("PLIMSOLL_TABLE", "t"),
    ] {
        assert_eq!(environment[name], value);
    }
    assert!(!environment.contains_key("HOME") && !environment.contains_key("CARGO_MANIFEST_DIR"), "{environment:?}");
    let headers = &answer["headers"];
    assert_eq!(
        headers["lambda-runtime-invoked-function-arn"],
        "arn:aws:lambda:eu-central-1:123456789012:function:echo"
    );
    assert!(headers["lambda-runtime-trace-id"].as_str().unwrap().starts_with("Root=1-"));
    let left_ms = headers["lambda-runtime-deadline-ms"].as_str().unwrap().parse::<i64>().unwrap()
        - clock::Clock::now(&clock::SystemClock) / 1_000;
    assert!((10_000..=20_000).contains(&left_ms), "{left_ms}");
    let invoked = &world.lambda.journal().invoked(ECHO)[0];
    let said = format!("invoked {}", invoked.request_id);
    eventually("what it wrote is in the journal", Duration::from_secs(10), || {
        world.lambda.journal().lines(ECHO).contains(&said)
    });
    assert!(invoked.init.is_some() && invoked.memory_peak_bytes > 1 << 20, "{invoked:?}");
}

#[test]
fn environments_are_warm_for_the_next_event_and_frozen_until_then() {
    let world = World::of(echo());
    let first = world.invoke(&json!({})).unwrap();
    let pid = u32::try_from(first["pid"].as_u64().unwrap()).unwrap();
    eventually("it is frozen", Duration::from_secs(10), || frozen(pid));
    // What it counts in the background stands still.
    std::thread::sleep(Duration::from_millis(300));
    let second = world.invoke(&json!({})).unwrap();
    assert_eq!(second["pid"], first["pid"]);
    let counted = second["counted"].as_u64().unwrap() - first["counted"].as_u64().unwrap();
    assert!(counted < 20, "it counted {counted} while it was frozen");
    assert!(world.lambda.journal().invoked(ECHO)[1].init.is_none(), "it was warm");

    // Its answer is there a moment before it asks for the next event.
    eventually("it is idle again", Duration::from_secs(10), || frozen(pid));
    world.lambda.cool_down(ECHO);
    let third = world.invoke(&json!({})).unwrap();
    assert_ne!(third["pid"], first["pid"]);
    assert_eq!(world.lambda.processes(ECHO).len(), 1);
}

#[test]
fn events_at_once_have_environments_of_their_own_up_to_the_concurrency() {
    let world = World::of(echo());
    let at_once = |n: usize| {
        let event = json!({ "sleep_ms": 1_000 }).to_string();
        let invocations = (0..n).map(|_| {
            let (lambda, event) = (Arc::clone(&world.lambda), event.clone());
            world.runtime.spawn(async move { lambda.invoke(ECHO, "test", event.into()).await })
        });
        let invocations: Vec<_> = invocations.collect();
        world
            .runtime
            .block_on(futures::future::join_all(invocations))
            .into_iter()
            .map(Result::unwrap)
            .collect::<Vec<_>>()
    };
    let answers = at_once(4);
    let pids: HashSet<u64> = answers
        .iter()
        .filter_map(|answer| match answer {
            Ok(Answer::Whole(answer)) => serde_json::from_slice::<Value>(answer).unwrap()["pid"].as_u64(),
            _ => None,
        })
        .collect();
    assert_eq!(pids.len(), 3);
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Err(InvokeError::Throttled))).count(), 1);
}

#[test]
fn payloads_up_to_six_megabytes_pass_and_larger_ones_are_refused() {
    let world = World::of(echo());
    let event = |bytes: usize| json!({ "answer_bytes": 10, "pad": "a".repeat(bytes - 28) });
    assert_eq!(event(1_000).to_string().len(), 1_000);
    assert!(world.invoke(&event(PAYLOAD_BYTES_MAX)).is_ok());
    let refused = InvokeError::EventTooLarge { bytes: PAYLOAD_BYTES_MAX + 1 };
    assert_eq!(world.invoke(&event(PAYLOAD_BYTES_MAX + 1)), Err(refused));

    let answer = world.invoke(&json!({ "answer_bytes": PAYLOAD_BYTES_MAX })).unwrap();
    assert_eq!(answer.as_str().unwrap().len(), PAYLOAD_BYTES_MAX - 2);
    let (kind, _) = world.failure(&json!({ "answer_bytes": PAYLOAD_BYTES_MAX + 1 }));
    assert_eq!(kind, "Function.ResponseSizeTooLarge");
    assert!(world.invoke(&json!({})).is_ok(), "it goes on");
}

#[test]
fn what_goes_wrong_in_a_function_is_told_in_lambdas_words_and_the_next_event_is_served() {
    let world = World::of(Function { timeout: Duration::from_secs(1), ..echo() });
    world.invoke(&json!({})).unwrap();
    let cases = [
        (json!({ "fail": "on purpose" }), failed("Echo", "on purpose")),
        (json!({ "exit": 7 }), failed("Runtime.ExitError", "Runtime exited with error: exit status 7")),
        (json!({ "sleep_ms": 60_000 }), failed("Sandbox.Timedout", "Task timed out after 1.00 seconds")),
    ];
    for (event, expected) in cases {
        assert_eq!(world.failure(&event), expected);
        assert!(world.invoke(&json!({})).is_ok(), "after {event}");
    }
    world.lambda.kill_next(ECHO, Duration::from_millis(50));
    let killed = failed("Runtime.ExitError", "Runtime exited with error: signal: killed");
    assert_eq!(world.failure(&json!({ "sleep_ms": 60_000 })), killed);
    assert!(world.invoke(&json!({})).is_ok());
}

#[test]
fn a_function_that_dies_in_its_init_fails_the_invocation_and_says_why() {
    for (how, expected) in [
        ("exit", failed("Runtime.ExitError", "Runtime exited with error: exit status 3")),
        ("error", failed("Config.Missing", "PLIMSOLL_TABLE is missing")),
    ] {
        let world = World::of(Function { environment: [("DIE_IN_INIT".to_owned(), how.to_owned())].into(), ..echo() });
        for _ in 0..2 {
            assert_eq!(world.failure(&json!({})), expected, "{how}");
        }
        // It may still be on its way out.
        eventually("none is left", Duration::from_secs(10), || world.lambda.processes(ECHO).is_empty());
    }
    let world = World::of(Function::new(ECHO, "/nowhere/bootstrap"));
    let (kind, why) = world.failure(&json!({}));
    assert!(kind.starts_with("Runtime."), "{kind}: {why}");
}

#[test]
fn streamed_answers_pass_through_a_function_url_as_they_come() {
    let world = World::of(echo());
    let url = world.runtime.block_on(function_url(Arc::clone(&world.lambda), ECHO, UrlAuth::Open)).unwrap();
    // The event is the request; what the echo is told is in its body.
    let direct = world.answer(&json!({ "stream": ["one ", "two"] })).unwrap();
    let Answer::Streamed(mut streamed) = direct else { panic!("{direct:?}") };
    assert_eq!((streamed.prelude.status_code.as_u16(), &*streamed.prelude.cookies), (201, &["a=1".to_owned()][..]));
    let text = world.runtime.block_on(async {
        let mut text = Vec::new();
        while let Some(piece) = streamed.body.recv().await {
            text.extend_from_slice(&piece.unwrap());
        }
        text
    });
    assert_eq!(text, b"one two");

    let cut_off = world.answer(&json!({ "stream": ["one"], "cut_off": true })).unwrap();
    let Answer::Streamed(mut streamed) = cut_off else { panic!("{cut_off:?}") };
    let is_cut_off = world.runtime.block_on(async {
        while let Some(piece) = streamed.body.recv().await {
            if piece.is_err() {
                return true;
            }
        }
        false
    });
    assert!(is_cut_off);
    let (status, body) = request(&url.url(), &json!({}));
    assert_eq!(status, 200, "{body}");
}

#[test]
fn edges_answer_what_aws_answers() {
    let world = World::of(Function { concurrency_max: 1, timeout: Duration::from_secs(5), ..echo() });
    let route = |throttling| Route { key: "POST /v1/{signal}".into(), function: ECHO.into(), throttling };
    let (api, throttled, url, invoke) = world.runtime.block_on(async {
        let api = HttpApi::new(Arc::clone(&world.lambda), vec![route(None)]).start().await.unwrap();
        let one = vec![route(Some(Throttling { rate_per_second: 0.0, burst: 1.0 }))];
        let throttled = HttpApi::new(Arc::clone(&world.lambda), one).start().await.unwrap();
        let url = function_url(Arc::clone(&world.lambda), ECHO, UrlAuth::Open).await.unwrap();
        (api, throttled, url, invoke_api(Arc::clone(&world.lambda)).await.unwrap())
    });
    let internal = |status| (status, json!({ "message": "Internal Server Error" }).to_string());
    assert_eq!(request(&format!("{}/v2", api.url()), &json!({})), (404, r#"{"message":"Not Found"}"#.to_owned()));

    let event = |event: Value| format!("{}/2015-03-31/functions/{}/invocations", invoke.url(), event.as_str().unwrap());
    let (status, body) = request(&event(json!("echo:live")), &json!({ "a": 1 }));
    assert_eq!((status, serde_json::from_str::<Value>(&body).unwrap()["event"].clone()), (200, json!({ "a": 1 })));
    let failure = json!({ "errorType": "Echo", "errorMessage": "no" }).to_string();
    assert_eq!(request(&event(json!("echo")), &json!({ "fail": "no" })), (200, failure));
    assert_eq!(request(&event(json!("other")), &json!({})).0, 404);

    // One environment, which is busy.
    let busy = world.runtime.spawn({
        let lambda = Arc::clone(&world.lambda);
        async move { lambda.invoke(ECHO, "test", json!({ "sleep_ms": 60_000 }).to_string().into()).await }
    });
    let journal = world.lambda.journal();
    let n_before = journal.lines(ECHO).len();
    eventually("it is busy", Duration::from_secs(10), || {
        journal.lines(ECHO).len() > n_before || { world.lambda.processes(ECHO).iter().any(|pid| !frozen(*pid)) }
    });
    assert_eq!(request(&format!("{}/v1/traces", api.url()), &json!({})), internal(500));
    assert_eq!(request(&url.url(), &json!({})), (429, r#"{"message":"Rate Exceeded."}"#.to_owned()));
    assert_eq!(request(&event(json!("echo")), &json!({})).0, 429);
    let timed_out = world.runtime.block_on(busy).unwrap();
    assert!(matches!(timed_out, Err(InvokeError::Failed { .. })), "{timed_out:?}");

    assert_eq!(request(&format!("{}/v1/traces", throttled.url()), &json!({})).0, 200);
    let too_many = (429, r#"{"message":"Too Many Requests"}"#.to_owned());
    assert_eq!(request(&format!("{}/v1/traces", throttled.url()), &json!({})), too_many);
}
