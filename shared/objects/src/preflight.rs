//! Does a root give what Plimsoll needs of it? Each act on its own, so that its owner learns all that is wrong at once.

use clock::Ids;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions};

use futures::TryStreamExt;

/// Folder of what a preflight writes and deletes again.
pub(crate) const PROBE_FOLDER: &str = "probe";

/// What was tried, in the order of trying.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preflight {
    pub checks: Vec<PreflightCheck>,
}

/// One act and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreflightCheck {
    /// A word for it: `put`, `list`, ...
    pub name: &'static str,
    pub found: Result<String, PreflightTrouble>,
}

/// What is wrong, and what its owner does about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreflightTrouble {
    pub what: String,
    pub advice: String,
}

impl Preflight {
    pub fn is_passed(&self) -> bool {
        !self.checks.is_empty() && self.checks.iter().all(|check| check.found.is_ok())
    }

    pub fn good(&mut self, name: &'static str, found: impl Into<String>) {
        self.checks.push(PreflightCheck { name, found: Ok(found.into()) });
    }

    pub fn bad(&mut self, name: &'static str, what: impl Into<String>, advice: impl Into<String>) {
        let trouble = PreflightTrouble { what: what.into(), advice: advice.into() };
        self.checks.push(PreflightCheck { name, found: Err(trouble) });
    }

    fn of<T>(&mut self, name: &'static str, done: Result<T, Error>, good: &str, advice: &str) -> Option<T> {
        match done {
            Ok(value) => {
                self.good(name, good);
                Some(value)
            }
            Err(error) => {
                self.bad(name, said(&error), advice);
                None
            }
        }
    }
}

/// Puts, lists, loses a conditional put, gets and deletes one object below `probe/`, and asks for one that is absent.
pub async fn try_root(store: &dyn ObjectStore, ids: &dyn Ids, preflight: &mut Preflight) {
    let key = Path::from(format!("{PROBE_FOLDER}/{}", ids.fresh()));
    absent(store, &key, preflight).await;
    let create = || PutOptions { mode: PutMode::Create, ..PutOptions::default() };
    let put = store.put_opts(&key, "first".into(), create()).await;
    if preflight.of("put", put, "objects can be written", "allow s3:PutObject below the prefix").is_none() {
        return;
    }
    listed(store, &key, preflight).await;
    let second = store.put_opts(&key, "second".into(), create()).await;
    let got = match store.get(&key).await {
        Ok(found) => found.bytes().await,
        Err(error) => Err(error),
    };
    let stands = preflight.of("get", got, "objects can be read", "allow s3:GetObject below the prefix");
    match second {
        Err(Error::AlreadyExists { .. }) if stands.is_none_or(|bytes| bytes == "first") => {
            preflight.good("conditional put", "a second create-only PUT of a key is refused");
        }
        Err(Error::AlreadyExists { .. }) | Ok(_) => preflight.bad(
            "conditional put",
            "a second create-only PUT of the same key was accepted",
            "this store ignores `If-None-Match: *` and would lose commits: use Amazon S3, or a store that honours it",
        ),
        Err(error) => {
            preflight.bad("conditional put", said(&error), "a second create-only PUT must be answered with 412")
        }
    }
    let deleted = store.delete(&key).await;
    preflight.of("delete", deleted, "objects can be deleted", "allow s3:DeleteObject below the prefix");
}

/// S3 answers 403 for an absent key where s3:ListBucket is lacking: then nobody can tell a lost object from a locked one.
async fn absent(store: &dyn ObjectStore, key: &Path, preflight: &mut Preflight) {
    const NAME: &str = "absent key";
    match store.head(key).await {
        Err(Error::NotFound { .. }) => preflight.good(NAME, "answered with 404"),
        Err(error) => {
            let advice = "allow s3:ListBucket on the bucket for the prefix (without it S3 answers 403 instead of 404), and \
                          s3:GetObject below it";
            preflight.bad(NAME, said(&error), advice);
        }
        Ok(_) => preflight.bad(NAME, "a key that nobody wrote is there", "see what else writes below the prefix"),
    }
}

async fn listed(store: &dyn ObjectStore, key: &Path, preflight: &mut Preflight) {
    let found: Result<Vec<_>, _> = store.list(Some(&Path::from(PROBE_FOLDER))).try_collect().await;
    let advice = "allow s3:ListBucket on the bucket for the prefix";
    match found {
        Ok(all) if all.iter().any(|meta| meta.location == *key) => {
            preflight.good("list", "what was written is listed at once");
        }
        Ok(_) => preflight.bad("list", "what was written is not listed", "use a store whose listings are consistent"),
        Err(error) => preflight.bad("list", said(&error), advice),
    }
}

/// The error and its causes on one line, each once.
fn said(error: &(dyn std::error::Error + 'static)) -> String {
    const CHARS_MAX: usize = 600;
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text.replace('\n', " ").chars().take(CHARS_MAX).collect()
}
