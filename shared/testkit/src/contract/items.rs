//! The contract of [`meta::ItemStore`].

mod together;

use std::sync::Arc;
use std::time::Duration;

use clock::{Clock, ManualClock};
use futures::future::BoxFuture;
use meta::{
    Attributes, Condition, ITEM_BYTES_MAX, Item, ItemKey, ItemStore, Operation, SortRange, StoreError,
    TRANSACTION_BYTES_MAX, TRANSACTION_ITEMS_MAX, query_all,
};
use serde_json::{Value, json};

/// A store to try. Cases use partitions that begin with `scope`, so one table can serve them all.
#[derive(Clone)]
pub struct World {
    pub store: Arc<dyn ItemStore>,
    /// The one the store was opened with.
    pub clock: Arc<ManualClock>,
    pub scope: String,
}

pub type Case = fn(World) -> BoxFuture<'static, ()>;

pub const CASES: &[(&str, Case)] = &[
    ("versions_count_from_one_and_start_again_after_a_delete", |w| Box::pin(versions(w))),
    ("attributes_come_back_as_they_were_put", |w| Box::pin(round_trip(w))),
    ("each_condition_decides_puts_deletes_and_checks", |w| Box::pin(conditions(w))),
    ("an_expired_item_is_absent_everywhere", |w| Box::pin(expiry(w))),
    ("an_expired_item_is_nothing_to_writes_and_transactions", |w| Box::pin(expired_under_writes(w))),
    ("a_transaction_happens_whole_or_not_at_all", |w| Box::pin(transactions(w))),
    ("limits_of_items_keys_and_transactions", |w| Box::pin(limits(w))),
    ("ranges_order_by_bytes_and_stay_in_their_partition", |w| Box::pin(ranges(w))),
    ("pages_join_to_the_whole", |w| Box::pin(pages(w))),
    ("big_items_page_too", |w| Box::pin(big_pages(w))),
    ("one_of_many_creators_wins", |w| Box::pin(together::one_winner(w))),
    ("of_rival_transactions_one_wins_whole", |w| Box::pin(together::rivals(w))),
    ("counting_by_version_loses_nothing", |w| Box::pin(together::counting(w))),
    ("every_put_counts_one_version", |w| Box::pin(together::versions(w))),
    ("transfers_between_items_keep_the_sum", |w| Box::pin(together::transfers(w))),
    ("every_read_sees_what_was_answered_before_it", |w| Box::pin(together::strong_reads(w))),
    ("pages_under_writers_hold_what_stood_throughout", |w| Box::pin(together::pages_under_writers(w))),
];

impl World {
    fn key(&self, sort: &str) -> ItemKey {
        ItemKey::new(format!("{}/p", self.scope), sort)
    }

    fn put(&self, sort: &str, attributes: Value) -> Operation {
        Operation::put(self.key(sort), object(attributes))
    }

    async fn get(&self, sort: &str) -> Option<Item> {
        self.store.get(&self.key(sort)).await.expect("get")
    }

    async fn write(&self, operation: Operation) -> u64 {
        self.store.write(operation).await.expect("write")
    }

    async fn sorts(&self, range: SortRange) -> Vec<String> {
        let items = query_all(self.store.as_ref(), &self.key("-").partition, &range).await.expect("query");
        items.into_iter().map(|item| item.key.sort).collect()
    }
}

fn object(value: Value) -> Attributes {
    value.as_object().expect("an object").clone()
}

fn failed_at<T: std::fmt::Debug>(result: Result<T, StoreError>) -> Vec<usize> {
    match result {
        Err(StoreError::ConditionFailed { failed }) => failed,
        other => panic!("{other:?} instead of a failed condition"),
    }
}

fn assert_invalid<T: std::fmt::Debug>(result: Result<T, StoreError>) {
    assert!(matches!(result, Err(StoreError::Invalid(_))), "{result:?} instead of a refusal");
}

async fn versions(w: World) {
    assert_eq!(w.get("a").await, None);
    assert_eq!(w.write(w.put("a", json!({"n": 1}))).await, 1);
    assert_eq!(w.write(w.put("a", json!({"n": 2}))).await, 2);
    w.store.transact(vec![w.put("a", json!({"n": 3}))]).await.expect("transact");
    let item = w.get("a").await.expect("there");
    assert_eq!((item.version, &item.attributes["n"], item.expires_at), (3, &json!(3), None));
    assert_eq!(w.write(Operation::delete(w.key("a"))).await, 0);
    assert_eq!(w.get("a").await, None);
    assert_eq!(w.write(Operation::delete(w.key("a"))).await, 0, "deleting what is absent succeeds");
    assert_eq!(w.write(w.put("a", json!({}))).await, 1);
}

async fn round_trip(w: World) {
    let values = json!({
        "null": null, "yes": true, "text": "ü \u{1F980} \"quoted\" \n", "empty": "",
        "least": i64::MIN, "greatest": i64::MAX, "zero": 0, "half": 0.5, "tiny": 1.25e-7, "big": -1.5e12,
        "two": 2, "double": 2.0, "sum": 0.1 + 0.2, "third": 1.0 / 3.0, "closest": 5e-324, "farthest": f64::MAX,
        "list": [1, "two", [3.5, null], {}], "nested": {"a": {"b": [true]}, "": 1},
        // Words and signs of DynamoDB's expressions.
        "size": 1, "ttl": 2, "a.b": 3, "#c": 4, ":d": 5, "v": 6, "pk": "p", "x": 7,
    });
    w.write(w.put("ü/ #%", values.clone())).await;
    let item = w.get("ü/ #%").await.expect("there");
    assert_eq!(Value::Object(item.attributes), values);
    assert_eq!(item.key, w.key("ü/ #%"));
    assert_eq!(w.sorts(SortRange::All).await, ["ü/ #%"]);
}

async fn conditions(w: World) {
    let cases = [
        (Condition::Absent, true, false),
        (Condition::Present, false, true),
        (Condition::Version(2), false, true),
        (Condition::Version(1), false, false),
        (Condition::Equals("s", json!("x")), false, true),
        (Condition::Equals("s", json!("y")), false, false),
        (Condition::Equals("n", json!(7)), false, true),
        (Condition::Equals("none", Value::Null), false, false),
        (Condition::Below("n", 8), false, true),
        (Condition::Below("n", 7), false, false),
        (Condition::Below("s", 8), false, false),
        (Condition::Below("d", 9), false, false),
        (Condition::Below("none", 9), false, false),
        (Condition::Below("least", i64::MIN + 1), false, true),
        (Condition::Below("least", i64::MIN), false, false),
        (Condition::Equals("n", json!(7.0)), false, false),
        (Condition::Equals("n", json!("7")), false, false),
        (Condition::Equals("d", json!(8.0)), false, true),
        (Condition::Equals("d", json!(8)), false, false),
        (Condition::Equals("yes", json!(true)), false, true),
        (Condition::Equals("yes", json!(false)), false, false),
        (Condition::Equals("null", Value::Null), false, true),
        (Condition::Equals("list", json!([1, {"b": 1, "a": 2}])), false, true),
        (Condition::Equals("list", json!([{"a": 2, "b": 1}, 1])), false, false),
        (Condition::Equals("ttl", json!("x")), false, true),
        (Condition::Equals("a.b", json!(1)), false, true),
    ];
    let stood = json!({
        "s": "x", "n": 7, "d": 8.0, "yes": true, "null": null, "list": [1, {"a": 2, "b": 1}], "least": i64::MIN,
        "ttl": "x", "a.b": 1,
    });
    for (place, (condition, of_nothing, of_item)) in cases.into_iter().enumerate() {
        for (stands, holds) in [(false, of_nothing), (true, of_item)] {
            let act = |n: usize| {
                let sort = format!("{place}-{stands}-{n}");
                match n {
                    0 => w.put(&sort, json!({"new": true})),
                    1 => Operation::delete(w.key(&sort)),
                    _ => Operation::check(w.key(&sort)),
                }
            };
            for n in 0..3 {
                let operation = act(n).when(condition.clone());
                let sort = operation.key().sort.clone();
                if stands {
                    w.write(w.put(&sort, json!({}))).await;
                    w.write(w.put(&sort, stood.clone())).await;
                }
                let before = w.get(&sort).await;
                let result = if n == 2 {
                    w.store.transact(vec![operation]).await.map(|()| 0)
                } else {
                    w.store.write(operation).await
                };
                let what = format!("{condition:?}, something stands: {stands}, act {n}");
                if !holds {
                    assert_eq!(failed_at(result), [0], "{what}");
                    assert_eq!(w.get(&sort).await, before, "{what}: a refused write changes nothing");
                    continue;
                }
                assert!(result.is_ok(), "{what}: {result:?}");
                let after = w.get(&sort).await;
                match n {
                    0 => assert_eq!(after.expect("put").attributes, object(json!({"new": true})), "{what}"),
                    1 => assert_eq!(after, None, "{what}"),
                    _ => assert_eq!(after, before, "{what}"),
                }
            }
        }
    }
    let both = [Condition::Present, Condition::Equals("n", json!(1))];
    w.write(w.put("all", json!({"n": 2}))).await;
    let put = both.into_iter().fold(w.put("all", json!({})), Operation::when);
    assert_eq!(failed_at(w.store.write(put).await), [0], "all of a list must hold");
    let never = w.put("all", json!({})).when(Condition::Present).when(Condition::Absent);
    assert_eq!(failed_at(w.store.write(never).await), [0], "and no item is both");
    let check = Operation::check(w.key("all"));
    w.store.transact(vec![check]).await.expect("a check of nothing holds");
}

async fn expiry(w: World) {
    let at = w.clock.now() + 1_000_000;
    let standing = || w.put("a", json!({"n": 1})).expiring(at);
    assert_eq!((w.write(standing()).await, w.write(standing()).await), (1, 2));
    w.write(w.put("b", json!({}))).await;
    assert_eq!(w.get("a").await.expect("still there").expires_at, Some(at));
    w.clock.set(at - 1);
    assert_eq!(w.sorts(SortRange::All).await, ["a", "b"], "a microsecond before its expiry it stands");
    w.clock.set(at);
    assert_eq!(w.get("a").await, None);
    assert_eq!(w.sorts(SortRange::All).await, ["b"]);
    for condition in
        [Condition::Present, Condition::Version(2), Condition::Equals("n", json!(1)), Condition::Below("n", 9)]
    {
        assert_eq!(failed_at(w.store.write(standing().when(condition)).await), [0]);
    }
    let check = Operation::check(w.key("a")).when(Condition::Absent);
    w.store.transact(vec![check]).await.expect("an expired item is absent for a check");
    let again = w.put("a", json!({"n": 2})).when(Condition::Absent);
    assert_eq!(w.write(again).await, 1, "what replaces an expired item is new");
    w.clock.advance(Duration::from_secs(1_000));
    assert_eq!(w.get("a").await.expect("it has no expiry any more").expires_at, None);
}

/// Whatever is done to an expired item that still lies in the store is done to nothing.
async fn expired_under_writes(w: World) {
    let at = w.clock.now() + 1_000_000;
    for sort in ["put", "together", "beside", "deleted", "kept"] {
        for n in 0..3 {
            w.write(w.put(sort, json!({"n": n})).expiring(at)).await;
        }
    }
    w.clock.set(at);
    assert_eq!(w.write(w.put("put", json!({"n": 9}))).await, 1, "a put without conditions makes a new item");
    assert_eq!(w.write(w.put("put", json!({"n": 9}))).await, 2);
    let refused = Operation::check(w.key("none")).when(Condition::Present);
    let put = || w.put("beside", json!({"n": 9}));
    assert_eq!(failed_at(w.store.transact(vec![put(), refused]).await), [1], "only what failed is named");
    assert_eq!(w.get("beside").await, None);
    let absent = Operation::check(w.key("kept")).when(Condition::Absent);
    let present = Operation::delete(w.key("put")).when(Condition::Present);
    w.store.transact(vec![w.put("together", json!({})), put(), absent, present]).await.expect("all hold");
    assert_eq!(w.get("together").await.expect("there").version, 1);
    assert_eq!(w.get("beside").await.map(|item| (item.version, item.expires_at)), Some((1, None)));
    assert_eq!(w.write(Operation::delete(w.key("deleted"))).await, 0);
    let again = Operation::delete(w.key("kept")).when(Condition::Present);
    assert_eq!(failed_at(w.store.write(again).await), [0]);
    assert_eq!(w.sorts(SortRange::All).await, ["beside", "together"]);
    w.clock.set(at - 1);
    for sort in ["put", "together", "beside", "deleted"] {
        let left = w.get(sort).await.map(|item| item.attributes);
        assert_ne!(left, Some(object(json!({"n": 2}))), "{sort}: it was replaced, not only hidden");
    }
}

async fn transactions(w: World) {
    w.write(w.put("old", json!({"n": 1}))).await;
    w.write(w.put("guard", json!({"owner": "me"}))).await;
    let mine = |owner: &str| Operation::check(w.key("guard")).when(Condition::Equals("owner", json!(owner)));
    let act = |owner: &str, absent: Condition| {
        vec![
            w.put("new", json!({"n": 2})).when(absent),
            Operation::delete(w.key("old")).when(Condition::Present),
            mine(owner),
        ]
    };
    assert_eq!(failed_at(w.store.transact(act("you", Condition::Present)).await), [0, 2], "all that fail are named");
    assert_eq!(failed_at(w.store.transact(act("you", Condition::Absent)).await), [2]);
    assert_eq!((w.get("new").await, w.get("old").await.map(|item| item.version)), (None, Some(1)));
    w.store.transact(act("me", Condition::Absent)).await.expect("all hold");
    assert_eq!((w.get("old").await, w.get("new").await.map(|item| item.version)), (None, Some(1)));
    assert_eq!(w.get("guard").await.expect("there").version, 1, "a check changes nothing");
    assert_eq!(failed_at(w.store.transact(act("me", Condition::Absent)).await), [0, 1]);
}

async fn limits(w: World) {
    let many = |n: usize| (0..n).map(|i| w.put(&format!("{i:03}"), json!({}))).collect::<Vec<_>>();
    assert_invalid(w.store.transact(many(0)).await);
    assert_invalid(w.store.transact(many(TRANSACTION_ITEMS_MAX + 1)).await);
    assert_invalid(w.store.transact(vec![w.put("a", json!({})), Operation::check(w.key("a"))]).await);
    assert_eq!(w.sorts(SortRange::All).await, [""; 0]);
    w.store.transact(many(TRANSACTION_ITEMS_MAX)).await.expect("the most that is possible");
    assert_eq!(w.sorts(SortRange::All).await.len(), TRANSACTION_ITEMS_MAX);

    let key = w.key("big");
    let room = ITEM_BYTES_MAX - key.partition.len() - key.sort.len() - r#"{"a":""}"#.len();
    w.write(w.put("big", json!({"a": "x".repeat(room)}))).await;
    assert_invalid(w.store.write(w.put("big", json!({"a": "x".repeat(room + 1)}))).await);
    assert_invalid(w.store.transact(vec![w.put("big", json!({"a": "x".repeat(room + 1)}))]).await);
    assert_eq!(w.get("big").await.expect("there").version, 1);

    for bad in ["", &"x".repeat(meta::check::KEY_BYTES_MAX + 1)] {
        assert_invalid(w.store.write(w.put(bad, json!({}))).await);
        assert_invalid(w.store.get(&w.key(bad)).await);
        assert_invalid(w.store.get(&ItemKey::new(bad, "a")).await);
    }
    let longest = "x".repeat(meta::check::KEY_BYTES_MAX);
    w.write(w.put(&longest, json!({}))).await;
    assert!(w.get(&longest).await.is_some());
    assert_invalid(w.store.write(w.put("n", json!({"n": i64::MAX as u64 + 1}))).await);
    assert_invalid(w.store.query(&key.partition, &SortRange::All, None, 0).await);
    assert_invalid(w.store.query("", &SortRange::All, None, 1).await);
    assert_invalid(w.store.query(&key.partition, &SortRange::Prefix(format!("{longest}x")), None, 1).await);
    assert_eq!(w.sorts(SortRange::Prefix(longest.clone())).await, [longest.as_str()]);

    let named = |bytes: usize| Operation::put(w.key("named"), Attributes::from_iter([("n".repeat(bytes), json!(1))]));
    assert_invalid(w.store.write(named(0)).await);
    assert_invalid(w.store.write(named(meta::check::NAME_BYTES_MAX + 1)).await);
    w.write(named(meta::check::NAME_BYTES_MAX)).await;

    let key = w.key("much-0");
    let room = ITEM_BYTES_MAX - key.partition.len() - key.sort.len() - r#"{"a":""}"#.len();
    let much =
        |n: usize| (0..n).map(|i| w.put(&format!("much-{i}"), json!({"a": "x".repeat(room)}))).collect::<Vec<_>>();
    let most = TRANSACTION_BYTES_MAX / ITEM_BYTES_MAX;
    w.store.transact(much(most)).await.expect("the most bytes that are possible");
    let more = much(most).into_iter().chain([w.put("n", json!({}))]).collect();
    assert_invalid(w.store.transact(more).await);
}

async fn ranges(w: World) {
    let sorted = [
        "A",
        "a",
        "a#",
        "a#1",
        "a#10",
        "a#2",
        "a#\u{10FFFF}",
        "a#\u{10FFFF}b",
        "a$",
        "b",
        "z",
        "ß",
        "é",
        "\u{FFFD}",
        "\u{1F980}",
    ];
    for sort in sorted.iter().rev() {
        w.write(w.put(sort, json!({}))).await;
    }
    // Neighbours that a careless prefix would let in.
    for partition in [format!("{}/p/", w.scope), format!("{}/P", w.scope), format!("{}/o", w.scope)] {
        w.write(Operation::put(ItemKey::new(partition, "a#5"), Attributes::new())).await;
    }
    assert_eq!(w.sorts(SortRange::All).await, sorted);
    let prefix = |text: &str| SortRange::Prefix(text.to_owned());
    assert_eq!(w.sorts(prefix("a#")).await, sorted[2..8]);
    assert_eq!(w.sorts(prefix("a#\u{10FFFF}")).await, sorted[6..8]);
    assert_eq!(w.sorts(prefix("a#1")).await, ["a#1", "a#10"]);
    assert_eq!(w.sorts(prefix("c")).await, [""; 0]);
    let between = |first: &str, last: &str| SortRange::Between(first.to_owned(), last.to_owned());
    assert_eq!(w.sorts(between("a#1", "a#2")).await, ["a#1", "a#10", "a#2"], "both ends are inside");
    assert_eq!(w.sorts(between("a#11", "a#1z")).await, [""; 0]);
    assert_eq!(w.sorts(between("b", "a")).await, [""; 0]);
}

async fn pages(w: World) {
    let at = w.clock.now() + 1;
    for n in 0..20 {
        let put = w.put(&format!("x#{n:02}"), json!({}));
        w.write(if n % 3 == 0 { put.expiring(at) } else { put }).await;
    }
    w.write(w.put("w", json!({}))).await;
    w.write(w.put("y", json!({}))).await;
    w.clock.set(at);
    let expected: Vec<String> = (0..20).filter(|n| n % 3 != 0).map(|n| format!("x#{n:02}")).collect();
    let partition = w.key("-").partition;
    for range in [SortRange::Prefix("x#".into()), SortRange::Between("x#00".into(), "x#19".into())] {
        for limit in [1, 2, 5, 13, 14, 100] {
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let page = w.store.query(&partition, &range, after.as_deref(), limit).await.expect("query");
                assert!(page.items.len() <= limit);
                found.extend(page.items.into_iter().map(|item| item.key.sort));
                assert!(found.len() <= expected.len(), "{range:?} by {limit} gives items twice");
                match page.next {
                    Some(next) => after = Some(next),
                    None => break,
                }
            }
            assert_eq!(found, expected, "{range:?} by {limit}");
        }
    }
    // Cursors come from outside.
    let next_after = async |after: String| {
        let page = w.store.query(&partition, &SortRange::All, Some(&after), 5).await.expect("query");
        page.items.into_iter().next().expect("not all five have expired").key.sort
    };
    assert_eq!(next_after(String::new()).await, "w");
    assert_eq!(next_after("x#01-none".to_owned()).await, "x#02");
    assert_eq!(next_after(format!("x#01{}", "x".repeat(2_000))).await, "x#02");

    // A page may hold fewer than asked for: some stores count before they leave out what has expired.
    let page = w.store.query(&partition, &SortRange::All, None, 4).await.expect("query");
    let (next, last) = (page.next.expect("there is more"), page.items.last().expect("not all have expired"));
    w.write(Operation::delete(last.key.clone())).await;
    let mut after = Some(next);
    let found = loop {
        let page = w.store.query(&partition, &SortRange::All, after.as_deref(), 1).await.expect("query");
        if let Some(item) = page.items.into_iter().next() {
            break item;
        }
        after = Some(page.next.expect("there is more"));
    };
    let following = expected.iter().find(|sort| **sort > last.key.sort).expect("there is one");
    assert_eq!(found.key.sort, *following, "a page goes on although its last item was deleted");
}

async fn big_pages(w: World) {
    let text = "x".repeat(ITEM_BYTES_MAX - 2_000);
    for n in 0..8 {
        w.write(w.put(&n.to_string(), json!({"a": text}))).await;
    }
    assert_eq!(w.sorts(SortRange::All).await, ["0", "1", "2", "3", "4", "5", "6", "7"]);
}
