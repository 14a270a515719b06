//! Which installation this is: an id that is drawn once and stays with the ledger, in its backups too.
//!
//! | partition | sort key | item |
//! |---|---|---|
//! | `installation` | `id` | `{v: 1, id, made_at}`, see [`InstallationId`] |
//!
//! (`installation` / `root` is `plimsoll serve`'s own.) A root names the installation it belongs to, so a ledger that comes
//! back from a backup is let in, and another one is not.

use std::sync::Arc;

use clock::{Clock, Ids};
use model::{InstallationId, Micros};
use serde::{Deserialize, Serialize};

use crate::items::{attributes, parse};
use crate::{Condition, ItemKey, ItemStore, Operation, StoreError};

/// Of all items about the installation itself.
pub const PARTITION: &str = "installation";
/// Of its id.
pub const SORT: &str = "id";
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Stored {
    v: u32,
    id: InstallationId,
    made_at: Micros,
}

/// The id in the item's attributes, as text; none: nothing that this version reads.
pub fn id_in(attributes: &str) -> Option<InstallationId> {
    serde_json::from_str::<Stored>(attributes).ok().map(|stored| stored.id)
}

/// The acts on the installation's id.
pub struct Installation {
    store: Arc<dyn ItemStore>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

impl Installation {
    pub fn new(store: Arc<dyn ItemStore>, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        Self { store, clock, ids }
    }

    /// Drawn by whoever asks first, on condition that none stands; the same for everybody from then on. Read each time: an
    /// operator may empty the ledger, or take over with another id, under a process that goes on.
    pub async fn id(&self) -> Result<InstallationId, StoreError> {
        if let Some(id) = self.standing().await? {
            return Ok(id);
        }
        let drawn = InstallationId::from_random(&self.ids.secret());
        let stored = Stored { v: FORMAT, id: drawn.clone(), made_at: self.clock.now() };
        match self.store.write(Operation::put(key(), attributes(&stored)).when(Condition::Absent)).await {
            Ok(_) => Ok(drawn),
            // Somebody was faster, or it was our own first try whose reply was lost.
            Err(error) if error.is_condition() => self.standing().await?.ok_or(error),
            Err(error) => Err(error),
        }
    }

    /// None: nobody has asked for one yet.
    pub async fn standing(&self) -> Result<Option<InstallationId>, StoreError> {
        let item = self.store.get(&key()).await?;
        item.map(|item| parse::<Stored>(&item).map(|stored| stored.id)).transpose()
    }
}

fn key() -> ItemKey {
    ItemKey::new(PARTITION, SORT)
}
