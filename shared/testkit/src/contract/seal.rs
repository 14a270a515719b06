//! What every [`Sealer`] promises.

use std::sync::Arc;

use doors::{SEALED_BYTES_MAX, SealContext, SealError, Sealer};
use futures::future::BoxFuture;
use model::ProjectId;

/// A sealer, and another one with a key of its own.
pub struct World {
    pub sealer: Arc<dyn Sealer>,
    pub stranger: Arc<dyn Sealer>,
}

pub type Case = fn(World) -> BoxFuture<'static, ()>;

pub const CASES: &[(&str, Case)] = &[
    ("what was sealed opens, whatever its bytes", |w| Box::pin(opens(w))),
    ("sealing twice gives different bytes, without the secret in them", |w| Box::pin(hidden(w))),
    ("another context does not open it", |w| Box::pin(other_context(w))),
    ("changed bytes do not open", |w| Box::pin(tampered(w))),
    ("another key does not open it", |w| Box::pin(other_key(w))),
    ("a secret has a size", |w| Box::pin(sizes(w))),
];

async fn opens(world: World) {
    let context = context("shop", "token");
    for secret in [&b"s3cret"[..], &[0], "ü\n".as_bytes(), &[255; SEALED_BYTES_MAX]] {
        let sealed = world.sealer.seal(&context, secret).await.expect("sealed");
        assert_eq!(world.sealer.open(&context, &sealed).await.expect("opens"), secret);
    }
}

async fn hidden(world: World) {
    let context = context("shop", "token");
    let secret = b"a secret long enough to be seen";
    let first = world.sealer.seal(&context, secret).await.expect("sealed");
    let second = world.sealer.seal(&context, secret).await.expect("sealed");
    assert_ne!(first, second);
    assert!(!first.windows(secret.len()).any(|window| window == secret));
}

async fn other_context(world: World) {
    let sealed = world.sealer.seal(&context("shop", "token"), b"s3cret").await.expect("sealed");
    for other in [context("shop", "tokens"), context("shops", "token"), context("sho", "ptoken")] {
        does_not_open(&world.sealer, &other, &sealed).await;
    }
}

async fn tampered(world: World) {
    let context = context("shop", "token");
    let sealed = world.sealer.seal(&context, b"s3cret").await.expect("sealed");
    // The last byte of each part of any layout is near one of these.
    for place in [0, sealed.len() / 2, sealed.len() - 1] {
        let mut changed = sealed.clone();
        changed[place] ^= 1;
        does_not_open(&world.sealer, &context, &changed).await;
    }
    for part in [&sealed[..sealed.len() - 1], &sealed[..5], &[], &[9; 100_000]] {
        does_not_open(&world.sealer, &context, part).await;
    }
}

async fn other_key(world: World) {
    let context = context("shop", "token");
    let sealed = world.stranger.seal(&context, b"s3cret").await.expect("sealed");
    does_not_open(&world.sealer, &context, &sealed).await;
}

async fn sizes(world: World) {
    let context = context("shop", "token");
    for secret in [Vec::new(), vec![1; SEALED_BYTES_MAX + 1]] {
        let error = world.sealer.seal(&context, &secret).await.expect_err("refused");
        assert!(matches!(error, SealError::Size { bytes } if bytes == secret.len()), "{error}");
    }
}

async fn does_not_open(sealer: &Arc<dyn Sealer>, context: &SealContext, sealed: &[u8]) {
    let error = sealer.open(context, sealed).await.expect_err("does not open");
    // Where the name of the key was changed, KMS speaks of that.
    assert!(matches!(error, SealError::DoesNotOpen | SealError::Key(_)) && !error.is_retryable(), "{error}");
}

fn context(project: &str, field: &str) -> SealContext {
    SealContext::new(&ProjectId::parse(project).expect("an id"), field)
}
