//! Group commit: requests that arrive together share one segment, one transaction and one wait for the disk.
//!
//! A request waits at most [`Settings::company_wait`](crate::Settings) for company, and only while other requests are
//! under way; it is answered only when its bytes are durable and recorded. Bodies with the same hash never share a
//! group: the second waits for the next one and is found seen there.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use clock::within;
use meta::ledger::GROUP_BODIES_MAX;
use model::TableId;
use model::safeguard::{Safeguard, carried, holds};
use tokio::sync::oneshot;
use tracing::Instrument;

use crate::body::Share;
use crate::land::{LAND_WITHIN, LandError, Landed, land};
use crate::{App, Prepared};

/// The bodies that wait to land, by table.
#[derive(Default)]
pub(crate) struct Groups {
    tables: Mutex<HashMap<TableId, Waiting>>,
    /// Requests between their first byte and their place in a group.
    on_the_way: AtomicUsize,
}

/// What waits for one table.
#[derive(Default)]
struct Waiting {
    bodies: Vec<Seat>,
    /// Landings under way; more bodies wait when there are enough.
    landings: usize,
}

/// One body and who waits for it.
struct Seat {
    body: Prepared,
    /// Of the budget, as long as the body is here; its request may have been answered before.
    share: Share,
    answer: oneshot::Sender<Result<Landed, Arc<LandError>>>,
}

/// Counts a request as on its way to a group until dropped.
pub(crate) struct OnTheWay<'a>(&'a Groups);

impl Groups {
    /// Announces a request, so that those who wait know that company is coming.
    pub(crate) fn announce(&self) -> OnTheWay<'_> {
        self.on_the_way.fetch_add(1, Ordering::Relaxed);
        OnTheWay(self)
    }

    fn company_is_coming(&self) -> bool {
        self.on_the_way.load(Ordering::Relaxed) > 0
    }

    fn with<T>(&self, act: impl FnOnce(&mut HashMap<TableId, Waiting>) -> T) -> T {
        act(&mut self.tables.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for OnTheWay<'_> {
    fn drop(&mut self) {
        self.0.on_the_way.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Lands a body with whatever company it finds; returns when it is durable and recorded, or known to be a duplicate, or when
/// it has taken too long.
pub(crate) async fn join(
    app: &Arc<App>,
    table: TableId,
    body: Prepared,
    share: Share,
    on_the_way: OnTheWay<'_>,
) -> Result<Landed, Arc<LandError>> {
    let (answer, landed) = oneshot::channel();
    let slow = table.clone();
    let lead = app.groups.with(|tables| {
        let waiting = tables.entry(table.clone()).or_default();
        waiting.bodies.push(Seat { body, share, answer });
        let lead = waiting.landings < app.settings.landings_max;
        waiting.landings += usize::from(lead);
        lead
    });
    drop(on_the_way);
    if lead {
        // A task of its own: a client that hangs up must not take its company's landing with it.
        tokio::spawn(carried(lead_landings(Arc::clone(app), table)).in_current_span());
    }
    let landed = async { landed.await.unwrap_or_else(|_| Err(Arc::new(LandError::Abandoned))) };
    if !holds(Safeguard::AnsweredInTime) {
        return landed.await;
    }
    match within(app.clock.as_ref(), LAND_WITHIN, landed).await {
        Some(landed) => landed,
        // A landing that has begun goes on, and may still be recorded: a retry then adds nothing.
        None => Err(Arc::new(LandError::Slow { table: slow })),
    }
}

/// Lands group after group until nobody waits for this table.
async fn lead_landings(app: Arc<App>, table: TableId) {
    let _down = StepDown { app: &app, table: &table };
    loop {
        if app.groups.company_is_coming() {
            app.clock.sleep(app.settings.company_wait).await;
        }
        let group = app.groups.with(|tables| {
            let waiting = tables.get_mut(&table).map(|w| &mut w.bodies);
            waiting.map(|bodies| take_group(bodies, app.settings.segment_bytes_max)).unwrap_or_default()
        });
        if group.is_empty() {
            return;
        }
        land_group(&app, &table, group).await;
    }
}

/// Takes the place of a lander back, also when the landing panicked.
struct StepDown<'a> {
    app: &'a Arc<App>,
    table: &'a TableId,
}

impl Drop for StepDown<'_> {
    fn drop(&mut self) {
        let orphaned = self.app.groups.with(|tables| {
            let Some(waiting) = tables.get_mut(self.table) else { return false };
            waiting.landings -= 1;
            if waiting.landings == 0 && waiting.bodies.is_empty() {
                tables.remove(self.table);
                return false;
            }
            // Somebody sat down between our last look and now, and saw that we were still here.
            let orphaned = waiting.landings == 0;
            waiting.landings += usize::from(orphaned);
            orphaned
        });
        if orphaned {
            tokio::spawn(carried(lead_landings(Arc::clone(self.app), self.table.clone())));
        }
    }
}

/// The first bodies that fit one segment, without two of the same hash, and without those that nobody waits for any more:
/// their senders were told to send them again.
fn take_group(bodies: &mut Vec<Seat>, segment_bytes_max: usize) -> Vec<Seat> {
    let mut hashes = HashSet::new();
    let mut bytes = 0;
    let mut group = Vec::new();
    let mut left = Vec::new();
    for seat in bodies.drain(..).filter(|seat| !seat.answer.is_closed()) {
        bytes += seat.body.bytes;
        let fits = group.is_empty() || (bytes <= segment_bytes_max && group.len() < GROUP_BODIES_MAX);
        if fits && (hashes.insert(seat.body.hash) || !holds(Safeguard::GroupOfDifferentBodies)) {
            group.push(seat);
        } else {
            bytes -= seat.body.bytes;
            left.push(seat);
        }
    }
    *bodies = left;
    group
}

async fn land_group(app: &App, table: &TableId, group: Vec<Seat>) {
    let (bodies, waiting): (Vec<_>, Vec<_>) = group.into_iter().map(|s| (s.body, (s.share, s.answer))).unzip();
    let (_shares, answers): (Vec<_>, Vec<_>) = waiting.into_iter().unzip();
    #[cfg(debug_assertions)]
    let answers = crate::broken::answered_before(answers);
    match land(app, table, bodies).await {
        Ok(landed) => {
            for (answer, landed) in answers.into_iter().zip(landed) {
                // The client may have hung up; its records are there all the same.
                let _ = answer.send(Ok(landed));
            }
        }
        Err(error) => {
            let error = Arc::new(error);
            for answer in answers {
                let _ = answer.send(Err(Arc::clone(&error)));
            }
        }
    }
}
