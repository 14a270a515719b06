//! What the store asks of DynamoDB, and what it makes of its answers. DynamoDB is played by a script here; the contract
//! suite runs on DynamoDB Local in `tests`.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::Config;
use aws_sdk_dynamodb::config::Region;
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use clock::{ManualClock, Sleep};
use meta::{Attributes, Condition, query_all};
use model::Micros;
use serde_json::{Value, json};

use super::tries::TRIES_MAX;
use super::*;

/// What DynamoDB does with one request; the last of a list is done again and again.
#[derive(Clone)]
enum Turn {
    Answer(Value),
    Refuse(u16, Value),
    /// The request may have taken effect.
    Lose,
    /// Refuses by what stands there, which is what the first request put.
    ShowFirst,
}

#[derive(Clone, Default)]
struct Script {
    turns: Arc<Mutex<VecDeque<Turn>>>,
    /// Operation and body of every request.
    asked: Arc<Mutex<Vec<(String, Value)>>>,
}

impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Script")
    }
}

impl HttpConnector for Script {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").expect("an operation").to_owned();
        let body = serde_json::from_slice(request.body().bytes().expect("in memory")).expect("JSON");
        let mut asked = self.asked.lock().unwrap();
        asked.push((target.rsplit('.').next().unwrap().to_owned(), body));
        let mut turns = self.turns.lock().unwrap();
        let turn = if turns.len() > 1 { turns.pop_front() } else { turns.front().cloned() };
        let answer = |status: u16, body: &Value| {
            Ok(HttpResponse::new(status.try_into().expect("a status"), SdkBody::from(body.to_string())))
        };
        HttpConnectorFuture::ready(match turn.expect("the script has a turn") {
            Turn::Answer(body) => answer(200, &body),
            Turn::Refuse(status, body) => answer(status, &body),
            Turn::Lose => Err(ConnectorError::io("the connection broke".into())),
            Turn::ShowFirst => {
                answer(400, &json!({"__type": "x#ConditionalCheckFailedException", "Item": asked[0].1["Item"]}))
            }
        })
    }
}

/// Sleeps take no time, and pass.
struct Quick(ManualClock);

impl Clock for Quick {
    fn now(&self) -> Micros {
        self.0.now()
    }

    fn uptime(&self) -> Duration {
        self.0.uptime()
    }

    fn sleep(&self, time: Duration) -> Sleep {
        self.0.advance(time);
        Box::pin(std::future::ready(()))
    }
}

const NOW: Micros = 1_763_600_000_000_000;

fn played(turns: impl IntoIterator<Item = Turn>) -> (DynamoItems, Script) {
    let script = Script { turns: Arc::new(Mutex::new(turns.into_iter().collect())), ..Script::default() };
    let connector = SharedHttpConnector::new(script.clone());
    let config = Config::builder()
        .behavior_version_latest()
        .region(Region::from_static("eu-central-1"))
        .credentials_provider(Credentials::new("key", "secret", None, None, "test"))
        .http_client(http_client_fn(move |_, _| connector.clone()));
    (DynamoItems::open(config, "items", Arc::new(Quick(ManualClock::new(NOW)))), script)
}

impl Script {
    fn asked(&self) -> Vec<(String, Value)> {
        self.asked.lock().unwrap().clone()
    }

    /// One field of every request's body.
    fn each(&self, field: &str) -> Vec<Value> {
        self.asked().into_iter().map(|(_, body)| body[field].clone()).collect()
    }
}

fn fails(code: &str) -> Turn {
    let status = if code == "InternalServerError" { 500 } else { 400 };
    Turn::Refuse(status, json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": "no"}))
}

fn cancels(codes: &[&str]) -> Turn {
    let reasons: Vec<_> = codes.iter().map(|code| json!({"Code": code})).collect();
    Turn::Refuse(400, json!({"__type": "x#TransactionCanceledException", "CancellationReasons": reasons}))
}

fn put(sort: &str) -> Operation {
    Operation::put(ItemKey::new("p", sort), Attributes::from_iter([("n".to_owned(), json!(7))]))
}

fn may_have_happened<T: std::fmt::Debug>(result: Result<T, StoreError>) -> bool {
    match result {
        Err(StoreError::Unavailable { may_have_happened, .. }) => may_have_happened,
        other => panic!("{other:?} instead of no answer"),
    }
}

#[tokio::test]
async fn every_read_asks_for_strong_consistency_on_every_page() {
    let item = |sort: &str| json!({"pk": {"S": "p"}, "sk": {"S": sort}, "v": {"N": "1"}, "a": {"M": {}}});
    let key = |sort: &str| json!({"pk": {"S": "p"}, "sk": {"S": sort}});
    let (items, script) = played([
        Turn::Answer(json!({"Item": item("a")})),
        fails("ThrottlingException"),
        Turn::Answer(json!({"Items": [item("a")], "LastEvaluatedKey": key("a")})),
        Turn::Answer(json!({"Items": [], "LastEvaluatedKey": key("b")})),
        Turn::Answer(json!({"Items": [item("c")]})),
    ]);
    assert_eq!(items.get(&ItemKey::new("p", "a")).await.expect("read").expect("there").version, 1);
    let found = query_all(&items, "p", &SortRange::Prefix("x".into())).await.expect("read");
    assert_eq!(found.len(), 2);
    assert_eq!(script.each("ConsistentRead"), vec![json!(true); 5]);
    let starts = [Value::Null, Value::Null, Value::Null, key("a"), key("b")];
    assert_eq!(script.each("ExclusiveStartKey"), starts);
}

#[tokio::test]
async fn a_transaction_keeps_its_token_through_all_its_tries_and_another_has_another() {
    let conflict = cancels(&["TransactionConflict", "None"]);
    let busy = [conflict, Turn::Lose, fails("TransactionInProgressException"), fails("InternalServerError")];
    let (items, script) = played(busy.into_iter().chain([Turn::Answer(json!({}))]));
    items.transact(vec![put("a"), put("b")]).await.expect("done at the fifth try");
    let asked = script.asked();
    assert_eq!(asked.len(), 5);
    assert!(asked.iter().all(|request| *request == asked[0]), "the same request each time: {asked:?}");
    assert!(asked[0].1["ClientRequestToken"].as_str().is_some_and(|token| (32..=36).contains(&token.len())));
    items.transact(vec![put("a"), put("b")]).await.expect("done");
    assert_ne!(script.asked()[5].1["ClientRequestToken"], asked[0].1["ClientRequestToken"]);
}

/// What a call of the store came to.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Refused,
    NothingHappened,
    Unknown,
    Invalid,
}

fn end<T: std::fmt::Debug>(result: &Result<T, StoreError>) -> End {
    match result {
        Err(StoreError::ConditionFailed { .. }) => End::Refused,
        Err(StoreError::Unavailable { may_have_happened: false, .. }) => End::NothingHappened,
        Err(StoreError::Unavailable { .. }) => End::Unknown,
        Err(StoreError::Invalid(_)) => End::Invalid,
        Ok(_) => panic!("{result:?} is no error"),
    }
}

#[tokio::test]
async fn only_a_failed_condition_is_a_refusal() {
    let often = TRIES_MAX as usize;
    let cases = [
        (cancels(&["None", "ConditionalCheckFailed"]), fails("ConditionalCheckFailedException"), End::Refused, 1),
        (cancels(&["None", "TransactionConflict"]), fails("TransactionConflictException"), End::NothingHappened, often),
        (cancels(&["ThrottlingError", "None"]), fails("ThrottlingException"), End::NothingHappened, often),
        (
            cancels(&["ProvisionedThroughputExceeded", "None"]),
            fails("ProvisionedThroughputExceededException"),
            End::NothingHappened,
            often,
        ),
        (fails("RequestLimitExceeded"), fails("RequestLimitExceeded"), End::NothingHappened, often),
        (fails("TransactionInProgressException"), fails("InternalServerError"), End::Unknown, often),
        (Turn::Lose, Turn::Lose, End::Unknown, often),
        (fails("AccessDeniedException"), fails("ResourceNotFoundException"), End::NothingHappened, 1),
        (cancels(&["ValidationError", "None"]), fails("ValidationException"), End::Invalid, 1),
    ];
    for (together, alone, expected, tries) in cases {
        let (items, script) = played([together]);
        let result = items.transact(vec![put("a"), put("b").when(Condition::Absent)]).await;
        assert_eq!((end(&result), script.asked().len()), (expected, tries), "{result:?}");
        let (items, script) = played([alone]);
        let result = items.write(put("a").when(Condition::Absent)).await;
        assert_eq!((end(&result), script.asked().len()), (expected, tries), "{result:?}");
    }
}

#[tokio::test]
async fn a_read_that_is_not_answered_changed_nothing() {
    let (items, script) = played([Turn::Lose]);
    assert!(!may_have_happened(items.get(&ItemKey::new("p", "a")).await));
    assert!(!may_have_happened(items.query("p", &SortRange::All, None, 5).await));
    assert_eq!(script.asked().len(), 2 * TRIES_MAX as usize);
}

#[tokio::test]
async fn conditions_beside_a_conflict_are_asked_again_until_all_that_failed_are_named() {
    let (items, _) = played([
        cancels(&["TransactionConflict", "ConditionalCheckFailed"]),
        cancels(&["ConditionalCheckFailed", "ConditionalCheckFailed"]),
    ]);
    let both = || vec![put("a").when(Condition::Absent), put("b").when(Condition::Absent)];
    let result = items.transact(both()).await;
    assert!(matches!(&result, Err(StoreError::ConditionFailed { failed }) if *failed == [0, 1]), "{result:?}");
    let (items, _) = played([cancels(&["TransactionConflict", "ConditionalCheckFailed"])]);
    let result = items.transact(both()).await;
    assert!(matches!(&result, Err(StoreError::ConditionFailed { failed }) if *failed == [1]), "{result:?}");
}

#[tokio::test]
async fn a_put_whose_reply_was_lost_finds_itself() {
    let (items, script) = played([Turn::Lose, Turn::ShowFirst]);
    assert_eq!(items.write(put("a").when(Condition::Version(4))).await.expect("it landed"), 5);
    let asked = script.asked();
    assert_eq!((asked.len(), &asked[0]), (2, &asked[1]), "the same request again");
}

#[tokio::test]
async fn a_refusal_after_a_lost_reply_is_told_as_no_answer() {
    let others = json!({"pk": {"S": "p"}, "sk": {"S": "a"}, "v": {"N": "9"}, "a": {"M": {}}, "w": {"S": "another"}});
    let refusal = json!({"__type": "x#ConditionalCheckFailedException", "Item": others});
    let (items, _) = played([Turn::Lose, Turn::Refuse(400, refusal.clone())]);
    assert!(may_have_happened(items.write(put("a").when(Condition::Absent)).await));
    let (items, _) = played([Turn::Lose, Turn::Refuse(400, refusal.clone())]);
    let delete = Operation::delete(ItemKey::new("p", "a")).when(Condition::Present);
    assert!(may_have_happened(items.write(delete).await));
    let (items, _) = played([fails("ThrottlingException"), Turn::Refuse(400, refusal)]);
    assert_eq!(end(&items.write(put("a").when(Condition::Absent)).await), End::Refused, "throttled is not lost");
}

/// Sizes as DynamoDB counts them: names, values, 3 bytes a map and 1 an entry, a number about half a byte a digit.
fn stored_bytes(stored: &layout::Stored) -> usize {
    use aws_sdk_dynamodb::types::AttributeValue as V;
    let bytes = |value: &V| match value {
        V::S(text) => text.len(),
        V::N(digits) => digits.len() / 2 + 3,
        V::M(map) => 3 + map.len() + stored_bytes(map),
        _ => 1,
    };
    stored.iter().map(|(name, value)| name.len() + bytes(value)).sum()
}

#[test]
fn an_item_of_the_greatest_size_fits_whatever_it_is_made_of() {
    const DYNAMODB_ITEM_BYTES_MAX: usize = 400 * 1024;
    let values =
        [json!(null), json!(true), json!(1), json!(-1), json!(""), json!(1.5), json!([]), json!({"a": [1, "ü"]})];
    for value in values {
        let key = ItemKey::new("p", "s");
        let mut attributes = Attributes::new();
        let each = value.to_string().len() + 9;
        let n = meta::ITEM_BYTES_MAX / each - 1;
        attributes.extend((0..n).map(|n| (format!("{n:05}"), value.clone())));
        meta::check::encode(&key, &attributes).expect("the most that the store takes");
        let mut stored = layout::content(&attributes, Some(i64::MAX));
        stored.extend(layout::key(&key));
        let bytes = stored_bytes(&stored) + 100;
        assert!(bytes <= DYNAMODB_ITEM_BYTES_MAX, "{n} times {value}: {bytes}");
    }
}

#[test]
fn every_value_comes_back_as_it_was_with_its_own_type() {
    let attributes = json!({
        "null": null, "yes": true, "text": "ü", "empty": "", "least": i64::MIN, "greatest": i64::MAX, "two": 2,
        "double": 2.0, "third": 1.0 / 3.0, "sum": 0.1 + 0.2, "tiny": 5e-324, "huge": f64::MAX, "list": [1, 1.0, null],
        "deep": {"b": {"c": [{"d": "\u{0}"}]}, "a": 1},
    });
    let attributes = attributes.as_object().expect("an object");
    let mut stored = layout::content(attributes, Some(1_000_001));
    assert_eq!(stored[layout::TTL], layout::integer(2), "DynamoDB deletes late rather than early");
    stored.extend(layout::key(&ItemKey::new("p", "s")));
    stored.insert(layout::VERSION.to_owned(), layout::integer(3));
    let item = layout::item(&stored).expect("it reads");
    assert_eq!((&item.attributes, item.version, item.expires_at), (attributes, 3, Some(1_000_001)));
    assert_eq!(item.key, ItemKey::new("p", "s"));
}

#[test]
fn equal_values_are_stored_alike() {
    let one: Value = serde_json::from_str(r#"{"a": 1, "b": [{"c": 1, "d": 2}]}"#).expect("JSON");
    let other: Value = serde_json::from_str(r#"{"b": [{"d": 2, "c": 1}], "a": 1}"#).expect("JSON");
    assert_eq!(layout::stored(&one), layout::stored(&other));
    assert_ne!(layout::stored(&json!(2)), layout::stored(&json!(2.0)));
    assert_ne!(layout::stored(&json!("1.5")), layout::stored(&json!(1.5)));
}

#[test]
fn what_was_not_written_by_us_is_said_and_not_guessed() {
    let (_, integer) = layout::stored(&json!(1));
    let whole = || {
        let mut stored = layout::content(&Attributes::new(), None);
        stored.extend(layout::key(&ItemKey::new("p", "s")));
        stored.insert(layout::VERSION.to_owned(), integer.clone());
        stored
    };
    assert!(layout::item(&whole()).is_ok());
    let (_, text) = layout::stored(&json!("x"));
    for name in [layout::VERSION, layout::EXPIRES_AT, layout::PLAIN, layout::TEXT] {
        let mut stored = whole();
        stored.insert(name.to_owned(), text.clone());
        assert!(matches!(layout::item(&stored), Err(StoreError::Invalid(_))), "{name}");
    }
}
