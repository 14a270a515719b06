//! API keys: shown once, stored by their SHA-256, looked up through a short-lived cache.
//!
//! | partition | sort key | item |
//! |---|---|---|
//! | `key/<key id>` | `key` | `{v: 1, sha256, project, scopes, reach, name, hint, created_at, revoked_at}` |
//! | `keys/<project id>` | `<created_at, 20 digits>/<key id>` | the same without `sha256`, for lists |
//!
//! The key id is the first half of the SHA-256 in hex: so a secret finds its item, and the id says nothing about it. A
//! revoked key stays for [`REVOKED_KEPT`], so that a list shows it. `last used` is not kept: it would cost a write a use.

mod lookup;
mod record;
mod secret;

pub use lookup::{CALLER_AGE_MAX, Caller, NOBODY_AGE_MAX};
pub use record::{Key, KeyId, KeyPage, Reach};
pub use secret::Secret;

use std::sync::Arc;
use std::time::Duration;

use clock::{Clock, Ids};
use model::{Micros, ProjectId, Scopes};

use self::lookup::Lookups;
use self::record::{put_both, read};
use crate::{Condition, ItemKey, ItemStore, SortRange, StoreError};

/// How long a revoked key is still listed.
pub const REVOKED_KEPT: Duration = Duration::from_secs(90 * 24 * 3600);

/// The acts on API keys.
pub struct Keys {
    store: Arc<dyn ItemStore>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    lookups: Lookups,
}

/// What a new key is to be.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// The project must be there.
    pub project: ProjectId,
    pub scopes: Scopes,
    pub reach: Reach,
    /// For people.
    pub name: String,
}

/// What became of a key whose secret was drawn before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Enrolled {
    /// It works from now on.
    Now(Key),
    /// It was there already, as it stands; it may be revoked.
    Before(Key),
}

impl Keys {
    pub fn new(store: Arc<dyn ItemStore>, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        Self { store, clock, ids, lookups: Lookups::default() }
    }

    /// Draws a secret and stores its hash. The secret is in the answer, and nowhere else.
    pub async fn create(&self, new: NewKey) -> Result<(Key, Secret), StoreError> {
        let secret = self.draw(&new.scopes);
        Ok((self.store(new, &secret).await?, secret))
    }

    /// A secret that is nobody's yet: to be kept somewhere before it is enrolled, so that no key works whose secret was lost.
    pub fn draw(&self, scopes: &Scopes) -> Secret {
        Secret::draw(self.ids.as_ref(), scopes)
    }

    /// Makes a drawn secret work. May be repeated.
    pub async fn enroll(&self, new: NewKey, secret: &Secret) -> Result<Enrolled, StoreError> {
        match self.store(new, secret).await {
            Ok(key) => Ok(Enrolled::Now(key)),
            Err(error) if error.is_condition() => match self.get(&KeyId::of(secret)).await? {
                Some(key) => Ok(Enrolled::Before(key)),
                // Another key of the same moment in the list: impossible, since its id is in the sort key.
                None => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    async fn store(&self, new: NewKey, secret: &Secret) -> Result<Key, StoreError> {
        let key = Key {
            id: KeyId::of(secret),
            project: new.project,
            scopes: new.scopes,
            reach: new.reach,
            name: new.name,
            hint: secret.hint(),
            created_at: self.clock.now(),
            revoked_at: None,
        };
        let [by_id, in_list] = put_both(&key, &secret.sha256(), None);
        self.store.transact(vec![by_id.when(Condition::Absent), in_list.when(Condition::Absent)]).await?;
        Ok(key)
    }

    pub async fn get(&self, id: &KeyId) -> Result<Option<Key>, StoreError> {
        let item = self.store.get(&record::by_id(id)).await?;
        item.as_ref().map(|item| read(item).map(|(key, _)| key)).transpose()
    }

    /// At most `limit` keys of a project, oldest first, after `after`, a `next` of an earlier page.
    pub async fn list(&self, project: &ProjectId, after: Option<&str>, limit: usize) -> Result<KeyPage, StoreError> {
        let page = self.store.query(&record::list_of(project), &SortRange::All, after, limit).await?;
        let keys = page.items.iter().map(record::read_listed).collect::<Result<_, _>>()?;
        Ok(KeyPage { keys, next: page.next })
    }

    /// From now on refused: here at once, in other processes within [`CALLER_AGE_MAX`]. Revoked already: as it was.
    /// None: there is no such key.
    pub async fn revoke(&self, id: &KeyId) -> Result<Option<Key>, StoreError> {
        let Some(item) = self.store.get(&record::by_id(id)).await? else { return Ok(None) };
        let (key, sha256) = read(&item)?;
        if key.revoked_at.is_some() {
            return Ok(Some(key));
        }
        let now = self.clock.now();
        let revoked = Key { revoked_at: Some(now), ..key };
        let until = now + Micros::try_from(REVOKED_KEPT.as_micros()).unwrap_or(Micros::MAX);
        let [by_id, in_list] = put_both(&revoked, &sha256, Some(until));
        match self.store.transact(vec![by_id.when(Condition::Version(item.version)), in_list]).await {
            Ok(()) => {}
            // Somebody else revoked it in between; nothing else ever changes it.
            Err(error) if error.is_condition() => {}
            Err(error) => return Err(error),
        }
        self.lookups.forget(&sha256);
        Ok(Some(revoked))
    }

    /// Who holds this secret; none: nobody, or not any more. Up to [`CALLER_AGE_MAX`] old.
    pub async fn authenticate(&self, secret: &str) -> Result<Option<Caller>, StoreError> {
        let Some(secret) = Secret::parse(secret) else { return Ok(None) };
        let sha256 = secret.sha256();
        let asked_at = self.clock.uptime();
        if let Some(known) = self.lookups.get(&sha256, asked_at) {
            return Ok(known);
        }
        let item = self.store.get(&ItemKey::new(record::partition_of(&KeyId::of(&secret)), record::SORT)).await?;
        let found = item.as_ref().map(read).transpose()?;
        let caller = found.and_then(|(key, stored)| lookup::caller(key, &stored, &sha256));
        self.lookups.put(sha256, caller.clone(), asked_at);
        Ok(caller)
    }
}
