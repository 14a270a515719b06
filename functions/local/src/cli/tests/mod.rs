//! The commands against a small API of their own that answers from a script and keeps what it was asked.

mod demo;
mod gateway;
mod manage;
mod operate;
mod query;

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use clap::{CommandFactory, FromArgMatches, Parser};
use serde_json::{Value, json};

use super::{Cli, Hints, Screen, execute};

/// Method, path with query, authorization, body.
type Asked = (Method, String, String, Vec<u8>);

/// Answers every request with the next of its answers; the last one again and again.
struct Fake {
    url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    _runtime: tokio::runtime::Runtime,
}

#[derive(Clone)]
struct Script {
    asked: Arc<Mutex<Vec<Asked>>>,
    answers: Arc<Vec<(u16, String)>>,
    /// Of answers 429.
    retry_after_s: &'static str,
}

/// Longer than anybody waits.
const HOURS_S: &str = "7200";

impl Fake {
    fn answering(answers: &[(u16, Value)]) -> Self {
        Self::answering_text(&answers.iter().map(|(status, body)| (*status, body.to_string())).collect::<Vec<_>>())
    }

    fn answering_text(answers: &[(u16, String)]) -> Self {
        Self::telling_to_wait(HOURS_S, answers)
    }

    fn telling_to_wait(retry_after_s: &'static str, answers: &[(u16, String)]) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let script = Script { asked: Arc::clone(&asked), answers: Arc::new(answers.to_vec()), retry_after_s };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        runtime.spawn(async move { axum::serve(listener, Router::new().fallback(answer).with_state(script)).await });
        Self { url, asked, _runtime: runtime }
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no panic holds it").clone()
    }

    /// Exit code, stdout and stderr of a command line spoken to this API with the key `k`.
    fn run(&self, args: &[&str]) -> (u8, String, String) {
        self.run_within(None, args)
    }

    fn run_within(&self, width: Option<usize>, args: &[&str]) -> (u8, String, String) {
        let connection = ["--url", &self.url, "--key", "k"];
        run(width, &args.iter().chain(&connection).copied().collect::<Vec<_>>())
    }
}

async fn answer(
    State(script): State<Script>,
    method: Method,
    uri: Uri,
    headers: header::HeaderMap,
    body: Bytes,
) -> Response {
    let key = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let path = uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let mut asked = script.asked.lock().expect("no panic holds it");
    let (status, text) = script.answers[asked.len().min(script.answers.len() - 1)].clone();
    asked.push((method, path, key, body.to_vec()));
    let retry_after_s = if status == 429 { script.retry_after_s } else { "0" };
    let head = (StatusCode::from_u16(status).expect("a status"), [(header::RETRY_AFTER, retry_after_s)]);
    // As the API does with a link.
    if text.starts_with(r#"{"result":{"url":"#) {
        return (head.0, head.1, [("plimsoll-result", "linked")], text).into_response();
    }
    (head.0, head.1, text).into_response()
}

fn run(width: Option<usize>, args: &[&str]) -> (u8, String, String) {
    let matches = Cli::command().try_get_matches_from(["plimsoll"].iter().chain(args)).expect("a valid command line");
    let cli = Cli::from_arg_matches(&matches).expect("what matches reads");
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let hints = Hints::of(&matches);
    let code = execute(cli.command, &mut Screen { out: &mut out, err: &mut err, width, hints });
    (code, String::from_utf8(out).expect("utf-8"), String::from_utf8(err).expect("utf-8"))
}

#[test]
fn whoever_answers_but_is_not_plimsoll_is_shown() {
    let (code, _, err) = Fake::answering_text(&[(502, "<html>bad gateway".to_owned())]).run(&["status"]);
    assert_eq!(code, 1);
    assert!(err.contains("answered 502") && err.contains("<html>bad gateway"), "{err}");
}

#[test]
fn nobody_there_is_said_with_what_to_do() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
    let url = format!("http://127.0.0.1:{port}");
    let (code, _, err) = run(None, &["query", "SELECT 1", "--url", &url, "--key", "k"]);
    assert_eq!(code, 1);
    assert!(
        err.starts_with(&format!("error: cannot reach {url}")) && err.contains("is `plimsoll serve` running?"),
        "{err}"
    );
    let (code, _, err) = run(None, &["demo", "--backfill", "1h", "--otlp-url", &url, "--key", "k"]);
    assert_eq!(code, 1);
    assert!(err.contains("is `plimsoll serve` running?"), "{err}");
}

#[test]
fn the_right_key_comes_from_the_credentials_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().to_str().expect("utf-8");
    let fake = Fake::answering(&[(200, json!({ "tables": [] }))]);
    let (code, _, err) = run(None, &["status", "--url", &fake.url, "--data", data]);
    assert_eq!(code, 1);
    assert!(err.contains("credentials.json") && err.contains("PLIMSOLL_KEY"), "{err}");

    let credentials = json!({
        "project": "default", "ingest_key": "i", "read_key": "r", "admin_key": "a", "otlp_url": "http://o", "api_url": "http://a",
    });
    std::fs::write(folder.path().join("credentials.json"), credentials.to_string()).expect("written");
    let (code, out, _) = run(None, &["status", "--url", &fake.url, "--data", data]);
    assert_eq!((code, out.contains("no tables yet")), (0, true));
    assert_eq!(fake.asked()[0].2, "Bearer a");
    run(None, &["key", "list", "--url", &fake.url, "--data", data]);
    assert_eq!(fake.asked()[1].1, "/api/v1/projects/default/keys");
}

#[test]
fn wrong_usage_is_told_apart_from_failure() {
    for args in [
        &["plimsoll", "query"][..],
        &["plimsoll", "query", "SELECT 1", "--json", "--csv"],
        &["plimsoll", "demo", "--backfill", "7"],
        &["plimsoll", "demo", "--backfill", "7d", "--rate", "5"],
        &["plimsoll", "key", "create", "--scope", "everything"],
        &["plimsoll", "status", "--unknown"],
        &["plimsoll", "status", "--url", "127.0.0.1:4319"],
        &["plimsoll", "demo", "--rate", "1e9"],
        &["plimsoll", "demo", "--rate", "NaN"],
        &["plimsoll", "demo", "--backfill", "1h", "--spans-per-day", "1e12"],
        &["plimsoll", "demo", "--backfill", "91d"],
    ] {
        assert_eq!(Cli::try_parse_from(args).map(|_| ()).map_err(|error| error.exit_code()), Err(2), "{args:?}");
    }
    assert!(matches!(Cli::try_parse_from(["plimsoll", "--help"]), Err(error) if error.exit_code() == 0));
}
