//! Does a root give what Plimsoll needs of it? Each act on its own, so that its owner learns all that is wrong at once, and
//! each within a time, so that its owner learns which one hangs.

use std::time::Duration;

use clock::{Clock, Ids, within};
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions, Result};

use crate::owner::{Claim, Claimed, OwnerError, Unmarked, claim_root, owner_of};
use crate::probe::OVERWRITES;
use crate::trouble::{SILENT, Trouble, said};

/// Folder of what a preflight writes and deletes again.
pub(crate) const PROBE_FOLDER: &str = "probe";
/// Time for one act; an HTTP API waits 30 s for all of them, and the first that hangs is the last that is tried.
pub const STEP_WITHIN: Duration = Duration::from_secs(10);

const CONNECT_AGAIN: &str = "put back what it held, if there is a copy; if it is its owner's and what it held is given up, run \
                             `plimsoll bucket connect` again and then `plimsoll repair`";

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
    pub found: Result<String, Trouble>,
}

impl Preflight {
    pub fn is_passed(&self) -> bool {
        !self.checks.is_empty() && self.checks.iter().all(|check| check.found.is_ok())
    }

    pub fn good(&mut self, name: &'static str, found: impl Into<String>) {
        self.checks.push(PreflightCheck { name, found: Ok(found.into()) });
    }

    pub fn bad(&mut self, name: &'static str, trouble: Trouble) {
        self.checks.push(PreflightCheck { name, found: Err(trouble) });
    }

    /// The step took longer than [`STEP_WITHIN`].
    pub fn hung(&mut self, name: &'static str) {
        self.bad(name, Trouble::new(format!("no answer within {} s", STEP_WITHIN.as_secs()), SILENT));
    }
}

/// Puts, lists, loses a conditional put, gets and deletes one object below `probe/`, and asks for one that is absent; then,
/// if nothing was wrong so far, claims the root.
pub async fn try_root(
    store: &dyn ObjectStore,
    claim: &Claim,
    clock: &dyn Clock,
    ids: &dyn Ids,
    preflight: &mut Preflight,
) {
    let mut steps = Steps { store, clock, key: Path::from(format!("{PROBE_FOLDER}/{}", ids.fresh())), preflight };
    if steps.all().await.is_some() && steps.preflight.is_passed() {
        steps.claimed(claim).await;
    }
}

/// One try of a root.
struct Steps<'a> {
    store: &'a dyn ObjectStore,
    clock: &'a dyn Clock,
    /// Of the object that is written and deleted.
    key: Path,
    preflight: &'a mut Preflight,
}

impl Steps<'_> {
    /// None: nothing more can be tried.
    async fn all(&mut self) -> Option<()> {
        let (store, key) = (self.store, self.key.clone());
        let create = || PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let absent = self.done("absent key", store.head(&key)).await?;
        self.absent(absent);
        let put = self.done("put", store.put_opts(&key, "first".into(), create())).await?;
        self.judge("put", put, "objects can be written", "write an object", "s3:PutObject below the prefix")?;
        let folder = Path::from(PROBE_FOLDER);
        let listed = self.done("list", store.list(Some(&folder)).try_collect::<Vec<_>>()).await?;
        self.listed(listed);
        let second = self.done("conditional put", store.put_opts(&key, "second".into(), create())).await?;
        let got = self.done("get", async { store.get(&key).await?.bytes().await }).await?;
        let stands = self.judge("get", got, "objects can be read", "read an object", "s3:GetObject below the prefix");
        self.second_put(second, stands.as_deref());
        let deleted = self.done("delete", store.delete(&key)).await?;
        self.judge("delete", deleted, "objects can be deleted", "delete an object", "s3:DeleteObject below the prefix");
        Some(())
    }

    /// None: it hangs, and that is noted.
    async fn done<T>(&mut self, name: &'static str, act: impl Future<Output = T>) -> Option<T> {
        let done = within(self.clock, STEP_WITHIN, act).await;
        if done.is_none() {
            self.preflight.hung(name);
        }
        done
    }

    fn judge<T>(&mut self, name: &'static str, done: Result<T>, good: &str, act: &str, permissions: &str) -> Option<T> {
        match done {
            Ok(value) => {
                self.preflight.good(name, good);
                Some(value)
            }
            Err(error) => {
                self.preflight.bad(name, Trouble::of(&error, act, permissions));
                None
            }
        }
    }

    /// S3 answers 403 for an absent key where s3:ListBucket is lacking: then nobody can tell a lost object from a locked one.
    fn absent<T>(&mut self, asked: Result<T>) {
        const NAME: &str = "absent key";
        let permissions = "s3:ListBucket on the bucket for the prefix (without it S3 answers 403 instead of 404), and \
                           s3:GetObject below it";
        let trouble = match asked {
            Err(Error::NotFound { .. }) => return self.preflight.good(NAME, "answered with 404"),
            Err(error) => Trouble::of(&error, "ask for an object that is absent", permissions),
            Ok(_) => Trouble::new("a key that nobody wrote is there", "see what else writes below the prefix"),
        };
        self.preflight.bad(NAME, trouble);
    }

    fn listed(&mut self, found: Result<Vec<object_store::ObjectMeta>>) {
        const NAME: &str = "list";
        let trouble = match found {
            Ok(all) if all.iter().any(|meta| meta.location == self.key) => {
                return self.preflight.good(NAME, "what was written is listed at once");
            }
            Ok(_) => Trouble::new("what was written is not listed", "use a store whose listings are consistent"),
            Err(error) => Trouble::of(&error, "list objects", "s3:ListBucket on the bucket for the prefix"),
        };
        self.preflight.bad(NAME, trouble);
    }

    /// `stands`: what could be read after it.
    fn second_put<T>(&mut self, second: Result<T>, stands: Option<&[u8]>) {
        const NAME: &str = "conditional put";
        let trouble = match second {
            Err(Error::AlreadyExists { .. }) if stands.is_none_or(|bytes| bytes == b"first") => {
                return self.preflight.good(NAME, "a second create-only PUT of a key is refused");
            }
            Err(Error::AlreadyExists { .. }) | Ok(_) => {
                Trouble::new("a second create-only PUT of the same key was accepted", OVERWRITES)
            }
            Err(error) => Trouble::new(said(&error), "a second create-only PUT must be answered with 412"),
        };
        self.preflight.bad(NAME, trouble);
    }

    async fn claimed(&mut self, claim: &Claim) {
        const NAME: &str = "owner";
        if claim.unmarked == Unmarked::Tell {
            let Some(mark) = self.done(NAME, owner_of(self.store)).await else { return };
            if let Ok(None) = mark {
                let what = "it does not bear this installation's mark, as it did when it was connected: it was deleted and \
                            made again, or emptied";
                return self.preflight.bad(NAME, Trouble::new(what, CONNECT_AGAIN));
            }
        }
        let Some(claimed) = self.done(NAME, claim_root(self.store, claim)).await else { return };
        match claimed {
            Ok(Claimed::Now) if claim.unmarked == Unmarked::TakeAgain => self.preflight.good(
                NAME,
                "it bore no mark any more, as after it was made again; marked as this installation's: run `plimsoll repair`, \
                 which says what is gone",
            ),
            Ok(Claimed::Now) => self.preflight.good(NAME, "nobody's until now; marked as this installation's"),
            Ok(Claimed::Before) => self.preflight.good(NAME, "this installation"),
            Ok(Claimed::TakenOver) => self.preflight.good(NAME, "taken over; marked as this installation's"),
            Err(error) => self.preflight.bad(NAME, not_ours(&error)),
        }
    }
}

/// What an owner's bucket is told that is another installation's.
fn not_ours(error: &OwnerError) -> Trouble {
    let advice = match error {
        OwnerError::Another(mark) => format!(
            "a project that is not connected yet is connected with another --prefix; only if the ledger of that installation is \
             lost for good, connect it with --take-over {} and then run `plimsoll repair`",
            mark.installation
        ),
        OwnerError::Store { source, .. } => {
            return Trouble::of(
                source,
                "read and write the mark of the owner",
                "s3:GetObject and s3:PutObject below the prefix",
            );
        }
        OwnerError::Unreadable { .. } => "look at that object; if nobody needs it, delete it".to_owned(),
        OwnerError::Contended => "see who else connects this bucket, and try again".to_owned(),
    };
    Trouble::new(error.to_string(), advice)
}

#[cfg(test)]
mod tests {
    use clock::{CountingIds, ManualClock, Sleep};
    use model::{InstallationId, Micros};
    use object_store::memory::InMemory;
    use object_store::throttle::{ThrottleConfig, ThrottledStore};

    use super::*;

    /// Time passes at once for whoever waits.
    struct Hasty(ManualClock);

    impl Clock for Hasty {
        fn now(&self) -> Micros {
            self.0.now()
        }

        fn uptime(&self) -> Duration {
            self.0.uptime()
        }

        fn sleep(&self, _: Duration) -> Sleep {
            Box::pin(std::future::ready(()))
        }
    }

    async fn tried(store: &dyn ObjectStore, installation: u8) -> Preflight {
        let claim = Claim {
            installation: InstallationId::from_random(&[installation; 32]),
            ledger: "a ledger".to_owned(),
            claimed_at: 0,
            unmarked: Unmarked::Take,
            in_place_of: None,
        };
        let mut preflight = Preflight::default();
        let clock = Hasty(ManualClock::new(0));
        try_root(store, &claim, &clock, &CountingIds::default(), &mut preflight).await;
        preflight
    }

    async fn left(store: &InMemory) -> Vec<String> {
        let all: Vec<_> = store.list(None).try_collect().await.expect("listed");
        all.into_iter().map(|meta| meta.location.to_string()).collect()
    }

    #[tokio::test]
    async fn a_good_root_passes_and_holds_nothing_but_its_owners_mark() {
        let store = InMemory::new();
        for _ in 0..2 {
            let preflight = tried(&store, 1).await;
            assert!(preflight.is_passed(), "{preflight:?}");
            assert_eq!(preflight.checks.last().expect("checks").name, "owner");
            assert_eq!(left(&store).await, ["_plimsoll/owner.json"]);
        }
    }

    #[tokio::test]
    async fn a_root_of_another_installation_does_not_pass() {
        let store = InMemory::new();
        tried(&store, 1).await;
        let preflight = tried(&store, 2).await;
        let trouble = preflight.checks.last().expect("checks").found.as_ref().expect_err("another's");
        assert!(trouble.what.contains(&"01".repeat(16)) && trouble.what.contains("a ledger"), "{trouble:?}");
        assert!(trouble.advice.contains("--prefix") && trouble.advice.contains("--take-over"), "{trouble:?}");
    }

    #[tokio::test]
    async fn the_step_that_hangs_is_named_and_is_the_last() {
        let hour = Duration::from_secs(3_600);
        let slow = ThrottleConfig { wait_list_per_call: hour, ..ThrottleConfig::default() };
        let preflight = tried(&ThrottledStore::new(InMemory::new(), slow), 1).await;
        let names: Vec<_> = preflight.checks.iter().map(|check| check.name).collect();
        assert_eq!(names, ["absent key", "put", "list"]);
        let trouble = preflight.checks[2].found.as_ref().expect_err("it hangs");
        assert!(trouble.what.contains("no answer within 10 s"), "{trouble:?}");
    }
}
