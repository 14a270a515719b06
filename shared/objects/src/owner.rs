//! Whose root this is: a mark in the root, made by the installation that took it first.
//!
//! ```text
//! _plimsoll/owner.json  {"v":1,"installation":"<32 hex>","ledger":"..","since":"<RFC 3339>","in_place_of":"<32 hex>"?}
//! ```
//!
//! Below the root of an installation, or of a project in a bucket of its owner's. No project and no table can be called
//! so, and neither cleaners nor readers of tables look there. The ledger says what each object is for: an installation
//! with another ledger would take the objects for left-overs and delete them, and its commits would collide.
//!
//! The mark is made by a create-only PUT, and changes hands by a PUT on condition of what was read: of many who come
//! together one wins, and the others are told whose the root is.

use std::fmt;

use bytes::Bytes;
use model::{InstallationId, Micros, rfc3339};
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, UpdateVersion};
use serde::{Deserialize, Serialize};

const MARK: &str = "_plimsoll/owner.json";
const FORMAT: u32 = 1;
/// A mark is a few hundred bytes; what is longer is none.
const MARK_BYTES_MAX: u64 = 16 << 10;
/// Reads, each after somebody else was faster.
const TRIES_MAX: u32 = 4;

/// Who takes a root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub installation: InstallationId,
    /// Where its ledger is, for people: whoever is turned away has to find it.
    pub ledger: String,
    pub claimed_at: Micros,
    pub unmarked: Unmarked,
    /// The owner whose ledger is lost for good, if its root is to be taken over. Of no effect on a root of anybody else's.
    pub in_place_of: Option<InstallationId>,
}

/// What is done with a root that bears no mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmarked {
    /// Nobody has taken it yet: it is taken.
    Take,
    /// It bore ours, and is taken again.
    TakeAgain,
    /// It bore ours: it is told, and nothing is written.
    Tell,
}

/// Whose the root is, as it stands there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    v: u32,
    pub installation: InstallationId,
    pub ledger: String,
    pub since: String,
    /// Whose it was before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_place_of: Option<InstallationId>,
}

/// What a claim came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// It was nobody's.
    Now,
    /// It was ours.
    Before,
    /// It was [`Claim::in_place_of`]'s.
    TakenOver,
}

/// Why a root is not ours.
#[derive(Debug, thiserror::Error)]
pub enum OwnerError {
    #[error("it belongs to another Plimsoll: {0}")]
    Another(Mark),
    #[error("`{MARK}` in it is no mark of an owner: {why}")]
    Unreadable { why: String },
    #[error("others claimed it again and again")]
    Contended,
    #[error("cannot {act} `{MARK}`, the mark of its owner")]
    Store {
        act: &'static str,
        #[source]
        source: Error,
    },
}

/// A mark, and which of the objects that stood there it is.
struct Standing {
    mark: Mark,
    version: UpdateVersion,
}

/// Takes a root that is nobody's, ours already, or [`Claim::in_place_of`]'s; refuses any other.
pub async fn claim_root(root: &dyn ObjectStore, claim: &Claim) -> Result<Claimed, OwnerError> {
    let mut wrote = None;
    for _ in 0..TRIES_MAX {
        let mode = match standing(root).await? {
            Some(standing) if standing.mark.installation == claim.installation => {
                return Ok(wrote.unwrap_or(Claimed::Before));
            }
            Some(Standing { mark, version }) if Some(&mark.installation) == claim.in_place_of.as_ref() => {
                wrote = Some(Claimed::TakenOver);
                PutMode::Update(version)
            }
            Some(Standing { mark, .. }) => return Err(OwnerError::Another(mark)),
            None => {
                wrote = Some(Claimed::Now);
                PutMode::Create
            }
        };
        let put = root.put_opts(&Path::from(MARK), claim.mark(&mode).into(), mode.into()).await;
        match put {
            // Somebody else was faster, or our own first try whose reply was lost: whatever the answer, read back.
            Ok(_) | Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => {}
            Err(source) => return Err(OwnerError::Store { act: "write", source }),
        }
    }
    Err(OwnerError::Contended)
}

/// Whose it is; none: nobody's.
pub async fn owner_of(root: &dyn ObjectStore) -> Result<Option<Mark>, OwnerError> {
    Ok(standing(root).await?.map(|standing| standing.mark))
}

async fn standing(root: &dyn ObjectStore) -> Result<Option<Standing>, OwnerError> {
    let failed = |source| OwnerError::Store { act: "read", source };
    let found = match root.get(&Path::from(MARK)).await {
        Ok(found) => found,
        Err(Error::NotFound { .. }) => return Ok(None),
        Err(source) => return Err(failed(source)),
    };
    if found.meta.size > MARK_BYTES_MAX {
        return Err(OwnerError::Unreadable { why: format!("it has {} bytes", found.meta.size) });
    }
    let version = UpdateVersion { e_tag: found.meta.e_tag.clone(), version: found.meta.version.clone() };
    let bytes = found.bytes().await.map_err(failed)?;
    let mark = serde_json::from_slice(&bytes).map_err(|error| OwnerError::Unreadable { why: error.to_string() })?;
    Ok(Some(Standing { mark, version }))
}

impl Claim {
    fn mark(&self, mode: &PutMode) -> Bytes {
        let in_place_of = match mode {
            PutMode::Update(_) => self.in_place_of.clone(),
            PutMode::Create | PutMode::Overwrite => None,
        };
        let mark = Mark {
            v: FORMAT,
            installation: self.installation.clone(),
            ledger: self.ledger.clone(),
            since: rfc3339(self.claimed_at),
            in_place_of,
        };
        serde_json::to_vec(&mark).expect("a mark is plain texts").into()
    }
}

/// Which installation, where, since when.
impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { installation, ledger, since, .. } = self;
        write!(f, "installation {installation} ({ledger}), since {since}")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::future::join_all;
    use object_store::memory::InMemory;

    use super::*;

    fn id(n: u8) -> InstallationId {
        InstallationId::from_random(&[n; 32])
    }

    fn claim(n: u8) -> Claim {
        Claim {
            installation: id(n),
            ledger: format!("ledger {n}"),
            claimed_at: 1_763_600_000_000_000,
            unmarked: Unmarked::Take,
            in_place_of: None,
        }
    }

    fn taking_over(n: u8, from: u8) -> Claim {
        Claim { in_place_of: Some(id(from)), ..claim(n) }
    }

    fn owner(claimed: Result<Claimed, OwnerError>) -> Mark {
        match claimed {
            Err(OwnerError::Another(mark)) => mark,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_root_is_the_first_ones_and_others_are_told_whose_it_is() {
        let root = InMemory::new();
        assert_eq!(claim_root(&root, &claim(1)).await.expect("free"), Claimed::Now);
        assert_eq!(claim_root(&root, &claim(1)).await.expect("ours"), Claimed::Before);
        let mark = owner(claim_root(&root, &claim(2)).await);
        assert_eq!(
            mark.to_string(),
            format!("installation {} (ledger 1), since 2025-11-20T00:53:20.000000Z", "01".repeat(16))
        );
    }

    #[tokio::test]
    async fn of_many_first_starts_one_wins() {
        let root = Arc::new(InMemory::new());
        let claims = (1..=20).map(|n| {
            let root = Arc::clone(&root);
            tokio::spawn(async move { claim_root(root.as_ref(), &claim(n)).await })
        });
        let all = join_all(claims).await.into_iter().map(|done| done.expect("no panic"));
        let (won, lost): (Vec<_>, Vec<_>) = all.partition(Result::is_ok);
        assert_eq!((won.len(), lost.len()), (1, 19));
        let owners: Vec<_> = lost.into_iter().map(|lost| owner(lost).installation).collect();
        assert!(owners.iter().all(|other| *other == owners[0]), "all are told of the same one");
    }

    #[tokio::test]
    async fn a_root_is_taken_over_from_the_one_that_was_named_and_only_once() {
        let root = InMemory::new();
        claim_root(&root, &claim(1)).await.expect("free");
        assert_eq!(
            owner(claim_root(&root, &taking_over(2, 9)).await).installation,
            id(1),
            "not the one that was named"
        );
        assert_eq!(claim_root(&root, &taking_over(2, 1)).await.expect("named"), Claimed::TakenOver);
        assert_eq!(claim_root(&root, &taking_over(2, 1)).await.expect("said again"), Claimed::Before);
        assert_eq!(owner(claim_root(&root, &claim(1)).await).in_place_of, Some(id(1)), "the first one is out");
        assert_eq!(owner(claim_root(&root, &taking_over(3, 1)).await).installation, id(2), "1 is the owner no more");
    }

    #[tokio::test]
    async fn what_is_no_mark_is_not_written_over() {
        let root = InMemory::new();
        for (what, says) in [(b"{}".to_vec(), "missing field"), (vec![b' '; 20 << 10], "20480 bytes")] {
            root.put(&Path::from(MARK), what.into()).await.expect("put");
            let refused = claim_root(&root, &claim(1)).await.expect_err("no mark").to_string();
            assert!(refused.contains(says) && refused.contains("_plimsoll/owner.json"), "{refused}");
        }
    }

    /// Marks are promises: they outlive the version that made them.
    #[test]
    fn marks_that_were_stored_still_read() {
        let stored =
            r#"{"v":1,"installation":"0123456789abcdef0123456789abcdef","ledger":"x","since":"2026-11-20T18:00:00Z"}"#;
        let mark: Mark = serde_json::from_str(stored).expect("reads");
        assert_eq!(serde_json::to_string(&mark).expect("writes"), stored);
        let newer = stored.replace("\"v\":1", "\"v\":2,\"more\":true");
        assert!(serde_json::from_str::<Mark>(&newer).is_ok(), "whose it is can be read of a newer one, too");
    }
}
