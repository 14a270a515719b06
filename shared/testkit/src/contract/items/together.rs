//! Many at once: one wins, nothing is lost, and no read is behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use futures::future::join_all;
use meta::{Condition, Item, Operation, SortRange, query_all};
use serde_json::json;

use super::{World, failed_at};

pub(super) async fn one_winner(w: World) {
    let tries = (0..32).map(|n| {
        let w = w.clone();
        tokio::spawn(async move { w.store.write(w.put("one", json!({"n": n})).when(Condition::Absent)).await })
    });
    let results: Vec<_> = join_all(tries).await.into_iter().map(|result| result.expect("no panic")).collect();
    let winners: Vec<_> = results.iter().enumerate().filter(|(_, result)| result.is_ok()).collect();
    assert_eq!(winners.len(), 1, "{results:?}");
    assert_eq!(w.get("one").await.expect("there").attributes["n"], json!(winners[0].0));
    for result in results.into_iter().filter(Result::is_err) {
        assert_eq!(failed_at(result), [0]);
    }
}

pub(super) async fn counting(w: World) {
    w.write(w.put("count", json!({"n": 0}))).await;
    let count_up = async |w: &World| {
        loop {
            let item = w.get("count").await.expect("there");
            let n = item.attributes["n"].as_i64().expect("a number");
            let put = w.put("count", json!({"n": n + 1})).when(Condition::Version(item.version));
            match w.store.write(put).await {
                Ok(version) => return assert_eq!(version, item.version + 1),
                Err(error) => assert!(error.is_condition(), "{error}"),
            }
        }
    };
    let counters = (0..8).map(|_| {
        let w = w.clone();
        tokio::spawn(async move {
            for _ in 0..10 {
                count_up(&w).await;
            }
        })
    });
    assert!(join_all(counters).await.into_iter().all(|result| result.is_ok()));
    assert_eq!(w.get("count").await.expect("there").attributes["n"], json!(80));
}

/// Whoever puts, and however, the version tells how often.
pub(super) async fn versions(w: World) {
    const WRITERS: u64 = 8;
    const PUTS: u64 = 10;
    let writers = (0..WRITERS).map(|writer| {
        let w = w.clone();
        tokio::spawn(async move {
            let mut seen = Vec::new();
            for turn in 0..PUTS {
                let put = w.put("counted", json!({"by": writer}));
                if (writer + turn) % 2 == 0 {
                    seen.push(w.write(put).await);
                } else {
                    w.store.transact(vec![put, w.put(&format!("{writer}"), json!({}))]).await.expect("transact");
                }
            }
            seen
        })
    });
    let mut seen: Vec<u64> = Vec::new();
    for writer in join_all(writers).await {
        seen.extend(writer.expect("no panic"));
    }
    seen.sort_unstable();
    assert!(seen.is_sorted_by(|a, b| a < b), "no version was given twice: {seen:?}");
    assert_eq!(w.get("counted").await.expect("there").version, WRITERS * PUTS);
}

pub(super) async fn transfers(w: World) {
    const ACCOUNTS: i64 = 4;
    for n in 0..ACCOUNTS {
        w.write(w.put(&n.to_string(), json!({"n": 100}))).await;
    }
    let transfer = async |w: &World, from: i64, to: i64| {
        let (from, to) = (from.to_string(), to.to_string());
        let (a, b) = (w.get(&from).await.expect("there"), w.get(&to).await.expect("there"));
        let moved = |item: &Item, by: i64| {
            let n = item.attributes["n"].as_i64().expect("a number") + by;
            w.put(&item.key.sort, json!({"n": n})).when(Condition::Version(item.version))
        };
        match w.store.transact(vec![moved(&a, -1), moved(&b, 1)]).await {
            Ok(()) => {}
            Err(error) => assert!(error.is_condition(), "{error}"),
        }
    };
    let tellers = (0..8).map(|n| {
        let w = w.clone();
        tokio::spawn(async move {
            for turn in 0..20 {
                transfer(&w, (n + turn) % ACCOUNTS, (n + turn + 1 + turn % 2) % ACCOUNTS).await;
            }
        })
    });
    assert!(join_all(tellers).await.into_iter().all(|result| result.is_ok()));
    let items = query_all(w.store.as_ref(), &w.key("-").partition, &SortRange::All).await.expect("query");
    let sum: i64 = items.iter().map(|item| item.attributes["n"].as_i64().expect("a number")).sum();
    assert_eq!(sum, 100 * ACCOUNTS);
    assert!(items.iter().any(|item| item.version > 1), "some transfer took place");
}

pub(super) async fn rivals(w: World) {
    const RIVALS: usize = 8;
    for round in 0..5 {
        let slots = |n: usize| {
            let slot = |slot| w.put(&format!("{round}-slot-{slot}"), json!({"n": n})).when(Condition::Absent);
            (0..4).map(slot).chain([w.put(&format!("{round}-receipt-{n}"), json!({}))]).collect::<Vec<_>>()
        };
        let tries = (0..RIVALS).map(|n| {
            let (w, operations) = (w.clone(), slots(n));
            tokio::spawn(async move { w.store.transact(operations).await })
        });
        let results: Vec<_> = join_all(tries).await.into_iter().map(|result| result.expect("no panic")).collect();
        let winners: Vec<_> = (0..RIVALS).filter(|n| results[*n].is_ok()).collect();
        assert_eq!(winners.len(), 1, "{results:?}");
        for slot in 0..4 {
            let item = w.get(&format!("{round}-slot-{slot}")).await.expect("there");
            assert_eq!((item.version, &item.attributes["n"]), (1, &json!(winners[0])));
        }
        for (n, result) in results.into_iter().enumerate() {
            let receipt = w.get(&format!("{round}-receipt-{n}")).await;
            assert_eq!(receipt.is_some(), result.is_ok(), "of a loser nothing stands");
            if result.is_err() {
                assert_eq!(failed_at(result), [0, 1, 2, 3]);
            }
        }
    }
}

/// One writer counts up and says how far it was answered; readers look only then.
pub(super) async fn strong_reads(w: World) {
    const WRITES: i64 = 200;
    let answered = Arc::new(AtomicI64::new(0));
    // The item that is counted up is on the second page.
    w.write(w.put("before", json!({}))).await;
    w.write(w.put("count", json!({"n": 0}))).await;
    let readers = (0..4).map(|reader| {
        let (w, answered) = (w.clone(), Arc::clone(&answered));
        tokio::spawn(async move {
            loop {
                let at_least = answered.load(Ordering::SeqCst);
                let item = if reader % 2 == 0 {
                    w.get("count").await.expect("there")
                } else {
                    let partition = w.key("-").partition;
                    let page = w.store.query(&partition, &SortRange::All, Some("before"), 1).await.expect("query");
                    page.items.into_iter().next().expect("there")
                };
                let read = item.attributes["n"].as_i64().expect("a number");
                assert!(read >= at_least, "{read} was read after {at_least} was answered");
                if at_least == WRITES {
                    return;
                }
                tokio::task::yield_now().await;
            }
        })
    });
    let readers: Vec<_> = readers.collect();
    for n in 1..=WRITES {
        let put = w.put("count", json!({"n": n}));
        if n % 2 == 0 {
            w.write(put).await;
        } else {
            w.store.transact(vec![put]).await.expect("transact");
        }
        answered.store(n, Ordering::SeqCst);
    }
    assert!(join_all(readers).await.into_iter().all(|result| result.is_ok()));
}

pub(super) async fn pages_under_writers(w: World) {
    let stable: Vec<String> = (0..30).map(|n| format!("{n:02}")).collect();
    for sort in &stable {
        w.write(w.put(sort, json!({}))).await;
    }
    let done = Arc::new(AtomicBool::new(false));
    let writers = (0..4).map(|writer| {
        let (w, done) = (w.clone(), Arc::clone(&done));
        tokio::spawn(async move {
            for turn in (0..30).cycle() {
                if done.load(Ordering::SeqCst) {
                    return;
                }
                let sort = format!("{turn:02}-{writer}");
                w.write(w.put(&sort, json!({}))).await;
                w.write(Operation::delete(w.key(&sort))).await;
                tokio::task::yield_now().await;
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    for limit in [1, 2, 3, 7, 29, 30, 31] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let partition = w.key("-").partition;
            let page = w.store.query(&partition, &SortRange::All, after.as_deref(), limit).await.expect("query");
            found.extend(page.items.into_iter().map(|item| item.key.sort));
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        assert!(found.is_sorted_by(|a, b| a < b), "by {limit}, nothing twice: {found:?}");
        found.retain(|sort| stable.contains(sort));
        assert_eq!(found, stable, "by {limit}");
    }
    done.store(true, Ordering::SeqCst);
    assert!(join_all(writers).await.into_iter().all(|result| result.is_ok()));
}
