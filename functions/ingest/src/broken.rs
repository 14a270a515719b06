//! Landing without some of its safeguards, for tests that show what breaks then. In builds with debug assertions only;
//! each act here does nothing unless a test has switched its safeguard off.

use std::collections::HashSet;
use std::sync::Arc;

use model::safeguard::{Safeguard, holds};
use model::{Segment, SegmentId, TableId};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use tokio::sync::oneshot;

use crate::App;
use crate::land::{Group, LandError, Landed, Prepared};

/// What changes from one try of a landing to the next.
#[derive(Default)]
pub(crate) struct Changes {
    /// Name of the first try's segment.
    first: Option<SegmentId>,
}

impl Changes {
    /// The group of a try as it is written without the safeguards of a group.
    pub(crate) fn applied_to<'a>(&mut self, mut group: Group<'a>, all: &'a [Prepared]) -> Group<'a> {
        let first = self.first.get_or_insert_with(|| group.id.clone());
        if !holds(Safeguard::GroupRewrittenAfresh) {
            group.id = first.clone();
        }
        if !holds(Safeguard::GroupLeavesOutTheSeen) {
            group.bodies = all.iter().collect();
        }
        if !holds(Safeguard::GroupOfDifferentBodies) {
            let mut named = HashSet::new();
            group.hashes.retain(|hash| named.insert(*hash));
        }
        group
    }

    /// After a refusal: the own object is deleted, or the rest of the group given up. True: the landing ends here.
    pub(crate) async fn end_here(&self, app: &App, table: &TableId, refused: &Segment) -> bool {
        if !holds(Safeguard::OwnSegmentKept) {
            let deleted = app.roots.open(&table.project).store.delete(&Path::from(refused.key.as_str())).await;
            tracing::debug!(segment = %refused.id, is_deleted = deleted.is_ok(), "own segment deleted");
        }
        !holds(Safeguard::GroupRestGoesAgain)
    }
}

type Answer = oneshot::Sender<Result<Landed, Arc<LandError>>>;

/// Without [`Safeguard::GroupAnsweredWhenRecorded`] everybody is answered now, and nobody is left to answer.
pub(crate) fn answered_before(answers: Vec<Answer>) -> Vec<Answer> {
    if holds(Safeguard::GroupAnsweredWhenRecorded) {
        return answers;
    }
    for answer in answers {
        let _ = answer.send(Ok(Landed::Recorded));
    }
    Vec::new()
}
