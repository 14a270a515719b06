//! What every [`Mailer`] promises.

use std::sync::Arc;

use bytes::Bytes;
use doors::{MAIL_BYTES_MAX, Mail, MailError, Mailer};
use futures::future::BoxFuture;

/// A carrier that takes mail from `from`, and a look at what it took.
pub struct World {
    pub mailer: Arc<dyn Mailer>,
    /// A sender that the carrier knows.
    pub from: String,
    /// The messages that were taken, each as text, by the ids that `send` answered.
    pub taken: Box<dyn Fn(String) -> BoxFuture<'static, String> + Send + Sync>,
}

pub type Case = fn(World) -> BoxFuture<'static, ()>;

pub const CASES: &[(&str, Case)] = &[
    ("what is sent arrives as it was written", |w| Box::pin(whole(w))),
    ("each message has an id of its own", |w| Box::pin(ids(w))),
    ("what cannot be sent is refused for good", |w| Box::pin(refused(w))),
];

async fn whole(world: World) {
    let id = world.mailer.send(&mail(&world, "Grüße", "line one\r\n.\r\n8-bit: ü\r\n")).await.expect("taken");
    let taken = (world.taken)(id).await;
    for part in ["Subject: Grüße\r\n", "\r\n\r\nline one\r\n.\r\n8-bit: ü\r\n", "to-1@example.com", "to-2@example.com"]
    {
        assert!(taken.contains(part), "{part:?} in {taken:?}");
    }
}

async fn ids(world: World) {
    let first = world.mailer.send(&mail(&world, "one", "1")).await.expect("taken");
    let second = world.mailer.send(&mail(&world, "two", "2")).await.expect("taken");
    assert!(!first.is_empty() && first != second, "{first} {second}");
    assert!((world.taken)(first).await.contains("Subject: one"));
    assert!((world.taken)(second).await.contains("Subject: two"));
}

async fn refused(world: World) {
    let good = mail(&world, "x", "y");
    let bad = [
        Mail { to: Vec::new(), ..good.clone() },
        Mail { to: vec!["not an address".to_owned()], ..good.clone() },
        Mail { raw: Bytes::from(vec![b'x'; MAIL_BYTES_MAX + 1]), ..good },
    ];
    for mail in bad {
        let error = world.mailer.send(&mail).await.expect_err("refused");
        assert!(matches!(error, MailError::Refused(_)) && !error.is_retryable(), "{error}");
    }
}

fn mail(world: &World, subject: &str, body: &str) -> Mail {
    let to = ["to-1@example.com", "to-2@example.com"].map(str::to_owned);
    let head = format!("From: {}\r\nTo: {}\r\nSubject: {subject}\r\n", world.from, to.join(", "));
    let raw = format!("{head}MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{body}");
    Mail { from: world.from.clone(), to: to.into(), raw: raw.into() }
}
