//! What stands before a stack's functions answers instead of them.

use serde_json::{Value, json};

use super::Fake;

fn too_many() -> (u16, String) {
    (429, r#"{"message":"Too Many Requests"}"#.to_owned())
}

fn unavailable() -> (u16, String) {
    (503, r#"{"message":"Service Unavailable"}"#.to_owned())
}

fn tables() -> (u16, String) {
    (200, json!({ "tables": [] }).to_string())
}

#[test]
fn a_throttled_request_is_sent_again_whatever_it_does() {
    for command in [&["status"][..], &["repair"], &["compact"], &["query", "SELECT 1", "--json"]] {
        let answer = match command[0] {
            "query" => "{\"end\":{\"statistics\":{}}}\n".to_owned(),
            _ => tables().1,
        };
        let fake = Fake::telling_to_wait("0", &[too_many(), too_many(), (200, answer)]);
        let (code, out, err) = fake.run(command);
        assert_eq!((code, err.as_str()), (0, ""), "{command:?}: {out}");
        assert_eq!(fake.asked().len(), 3);
    }
}

#[test]
fn a_stack_that_goes_on_throttling_is_named_as_that_with_what_to_do() {
    let fake = Fake::answering_text(&[too_many()]);
    let (code, out, err) = fake.run(&["status"]);
    assert_eq!((code, out.as_str()), (1, ""));
    for part in ["/api/v1/status: the stack throttles", "429", "nothing was done", "ConcurrencyQuota", "Wait a minute"]
    {
        assert!(err.contains(part), "{part} is not in {err}");
    }
    assert!(!err.contains("not Plimsoll's API"), "{err}");
}

#[test]
fn what_no_function_answered_is_asked_again_only_if_it_changes_nothing() {
    let fake = Fake::answering_text(&[unavailable(), tables()]);
    assert_eq!(fake.run(&["status"]).0, 0);
    assert_eq!(fake.asked().len(), 2);

    let fake = Fake::answering_text(&[unavailable(), tables()]);
    let (code, _, err) = fake.run(&["compact"]);
    assert_eq!((code, fake.asked().len()), (1, 1));
    assert!(err.contains("may or may not have been done") && !err.contains("not Plimsoll's API"), "{err}");

    let fake = Fake::answering_text(&[unavailable()]);
    let (code, _, err) = fake.run(&["status"]);
    assert_eq!((code, fake.asked().len()), (1, 3));
    assert!(err.contains("answered 503") && err.contains("no function answered"), "{err}");
}

#[test]
fn plimsoll_s_own_429_keeps_its_words() {
    let error = json!({ "error": { "code": "too_many_queries", "message": "8 queries are running", "hint": "later" } });
    let fake = Fake::answering_text(&[(429, Value::to_string(&error))]);
    let (code, _, err) = fake.run(&["query", "SELECT 1"]);
    assert_eq!((code, err.as_str(), fake.asked().len()), (1, "error: 8 queries are running\n  later\n", 1));
}
