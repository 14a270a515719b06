//! The contract of [`meta::Queue`].

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use meta::{Message, Queue};

/// A queue to try.
#[derive(Clone)]
pub struct World {
    pub queue: Arc<dyn Queue>,
    /// Lets time pass for the queue: moves its clock, or waits.
    pub pass: Arc<dyn Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync>,
}

pub type Case = fn(World) -> BoxFuture<'static, ()>;

/// What every queue gives, SQS standard too.
pub const CASES: &[(&str, Case)] = &[
    ("what_is_sent_is_received_until_it_is_deleted", |w| Box::pin(until_deleted(w))),
    ("a_received_message_is_hidden_and_comes_again", |w| Box::pin(comes_again(w))),
    ("hiding_is_prolonged_and_ended_from_now_on", |w| Box::pin(extended(w))),
    ("stale_receipts_are_no_error", |w| Box::pin(stale(w))),
    ("no_more_than_asked_for", |w| Box::pin(at_most(w))),
    ("a_message_comes_again_until_it_is_deleted_and_is_counted", |w| Box::pin(counted(w))),
    ("each_message_is_hidden_on_its_own", |w| Box::pin(hidden_alone(w))),
    ("a_late_delete_counts_if_nobody_received_it_since", |w| Box::pin(late_delete(w))),
    ("a_long_queue_is_received_to_its_end", |w| Box::pin(long(w))),
];

/// What our own queues give beyond that.
pub const LOCAL_CASES: &[(&str, Case)] = &[
    ("a_body_that_waits_is_not_put_twice", |w| Box::pin(coalesced(w))),
    ("a_stale_receipt_does_nothing", |w| Box::pin(stale_does_nothing(w))),
    ("each_message_goes_to_one_receiver", |w| Box::pin(one_receiver(w))),
];

/// Whole seconds, as SQS counts; so long that a receive, which may wait a second, ends well before half of it.
const VISIBILITY: Duration = Duration::from_secs(4);

impl World {
    async fn send(&self, bodies: &[&str]) {
        let bodies: Vec<String> = bodies.iter().map(|body| (*body).to_owned()).collect();
        self.queue.send(&bodies).await.expect("send");
    }

    async fn receive(&self, max: usize) -> Vec<Message> {
        self.queue.receive(max, VISIBILITY).await.expect("receive")
    }

    /// Sorted, since a queue keeps no order.
    async fn bodies(&self) -> Vec<String> {
        let mut bodies: Vec<_> = self.receive(10).await.into_iter().map(|message| message.body).collect();
        bodies.sort();
        bodies
    }

    async fn pass(&self, duration: Duration) {
        (self.pass)(duration).await;
    }
}

async fn until_deleted(w: World) {
    assert_eq!(w.receive(10).await, []);
    w.queue.send(&[]).await.expect("sending nothing is fine");
    w.send(&["a", r#"{"v":1,"project":"ü"}"#]).await;
    let messages = w.receive(10).await;
    let bodies: HashSet<_> = messages.iter().map(|message| message.body.as_str()).collect();
    assert_eq!(bodies, HashSet::from(["a", r#"{"v":1,"project":"ü"}"#]));
    assert!(messages.iter().all(|message| message.receives == 1));
    for message in &messages {
        w.queue.delete(&message.receipt).await.expect("delete");
        w.queue.delete(&message.receipt).await.expect("deleting twice is no error");
    }
    w.pass(VISIBILITY).await;
    assert_eq!(w.receive(10).await, []);
}

async fn comes_again(w: World) {
    w.send(&["a"]).await;
    let first = w.receive(10).await.remove(0);
    assert_eq!(w.receive(10).await, []);
    w.pass(VISIBILITY).await;
    let second = w.receive(10).await.remove(0);
    assert_eq!((second.body.as_str(), second.receives), ("a", 2));
    assert_ne!(first.receipt, second.receipt);
}

async fn extended(w: World) {
    w.send(&["a"]).await;
    let message = w.receive(10).await.remove(0);
    w.pass(VISIBILITY / 2).await;
    w.queue.extend(&message.receipt, VISIBILITY).await.expect("extend");
    w.pass(VISIBILITY / 2).await;
    assert_eq!(w.receive(10).await, [], "the first time-out would be over");
    w.pass(VISIBILITY / 2).await;
    let message = w.receive(10).await.remove(0);
    w.queue.extend(&message.receipt, Duration::ZERO).await.expect("extend");
    assert_eq!(w.receive(10).await.remove(0).receives, 3, "handed back, it is there at once");
}

async fn stale(w: World) {
    w.send(&["a"]).await;
    let old = w.receive(10).await.remove(0);
    w.pass(VISIBILITY).await;
    let new = w.receive(10).await.remove(0);
    w.queue.extend(&old.receipt, VISIBILITY).await.expect("extending by a stale receipt is no error");
    w.queue.delete(&old.receipt).await.expect("deleting by a stale receipt is no error");
    w.queue.delete(&new.receipt).await.expect("delete");
    w.queue.extend(&new.receipt, VISIBILITY).await.expect("extending what is gone is no error");
    w.pass(VISIBILITY * 2).await;
    assert_eq!(w.receive(10).await, []);
}

async fn at_most(w: World) {
    w.send(&["a", "b", "c"]).await;
    let (some, rest) = (w.receive(2).await, w.receive(10).await);
    assert!(some.len() <= 2);
    let bodies: HashSet<_> = some.iter().chain(&rest).map(|message| message.body.as_str()).collect();
    assert_eq!(bodies, HashSet::from(["a", "b", "c"]));
}

async fn counted(w: World) {
    w.send(&["a"]).await;
    for receives in 1..=3 {
        let message = w.receive(10).await.remove(0);
        assert_eq!((message.body.as_str(), message.receives), ("a", receives));
        w.pass(VISIBILITY).await;
    }
    let last = w.receive(10).await.remove(0);
    w.queue.delete(&last.receipt).await.expect("delete");
    w.pass(VISIBILITY).await;
    assert_eq!(w.receive(10).await, []);
    w.send(&["a"]).await;
    assert_eq!(w.receive(10).await.remove(0).receives, 1, "the same body, sent again, is another message");
}

async fn hidden_alone(w: World) {
    w.send(&["a"]).await;
    let first = w.receive(10).await.remove(0);
    w.send(&["b"]).await;
    w.pass(VISIBILITY / 2).await;
    let second = w.receive(10).await.remove(0);
    assert_eq!((first.body.as_str(), second.body.as_str()), ("a", "b"));
    w.pass(VISIBILITY / 2).await;
    assert_eq!(w.bodies().await, ["a"], "the other one is hidden for longer");
    w.queue.delete(&second.receipt).await.expect("delete");
    w.pass(VISIBILITY).await;
    assert_eq!(w.bodies().await, ["a"], "deleting one leaves the other");
}

async fn late_delete(w: World) {
    w.send(&["a"]).await;
    let message = w.receive(10).await.remove(0);
    w.pass(VISIBILITY * 2).await;
    w.queue.delete(&message.receipt).await.expect("delete");
    assert_eq!(w.receive(10).await, []);
}

async fn long(w: World) {
    const MESSAGES: usize = 137;
    let bodies: Vec<String> = (0..MESSAGES).map(|n| n.to_string()).collect();
    w.queue.send(&bodies).await.expect("send");
    let mut found = HashSet::new();
    // A queue may give fewer than asked for.
    for _ in 0..10 * MESSAGES {
        for message in w.receive(10).await {
            w.queue.delete(&message.receipt).await.expect("delete");
            found.insert(message.body);
        }
        if found.len() == MESSAGES {
            break;
        }
    }
    assert_eq!(found, bodies.into_iter().collect());
    w.pass(VISIBILITY).await;
    assert_eq!(w.receive(10).await, []);
}

async fn coalesced(w: World) {
    w.send(&["a", "b", "a"]).await;
    w.send(&["a"]).await;
    assert_eq!(w.bodies().await, ["a", "b"]);
    w.send(&["a"]).await;
    assert_eq!(w.bodies().await, ["a"], "one that somebody holds does not count: it may have looked already");
    w.pass(VISIBILITY).await;
    w.send(&["a", "b"]).await;
    assert_eq!(w.bodies().await, ["a", "a", "b"], "one that came back waits again");
}

async fn stale_does_nothing(w: World) {
    w.send(&["a"]).await;
    let old = w.receive(10).await.remove(0);
    w.pass(VISIBILITY).await;
    let new = w.receive(10).await.remove(0);
    w.queue.delete(&old.receipt).await.expect("delete");
    w.queue.extend(&old.receipt, Duration::ZERO).await.expect("extend");
    assert_eq!(w.receive(10).await, []);
    w.pass(VISIBILITY).await;
    assert_eq!(w.receive(10).await.remove(0).receives, new.receives + 1, "it is still there");
}

async fn one_receiver(w: World) {
    let bodies: Vec<String> = (0..50).map(|n| n.to_string()).collect();
    w.queue.send(&bodies).await.expect("send");
    let receivers = (0..10).map(|_| {
        let w = w.clone();
        tokio::spawn(async move { [w.receive(3).await, w.receive(3).await].concat() })
    });
    let received: Vec<Message> =
        join_all(receivers).await.into_iter().flat_map(|some| some.expect("no panic")).collect();
    let distinct: HashSet<_> = received.iter().map(|message| &message.body).collect();
    assert_eq!((received.len(), distinct.len()), (50, 50));
}
