//! Step 1: the lease, while it is ours: taken, prolonged during long work, given back.

use std::pin::pin;
use std::time::Duration;

use meta::ledger::{Batch, Lease, LookupIndex, Taken};
use model::{Micros, Segment, SegmentId, TableId};

use crate::{App, Deadline, PassError};

/// A third of the lease's length, so that two renewals may fail.
const RENEW_EVERY: Duration = Duration::from_secs(20);

/// The answer to asking for a table.
pub(crate) enum Taking<'a> {
    Ours(Held<'a>),
    Busy { until: Micros },
}

/// A lease that was ours when it was last written. Every act through it is on condition that it still is.
pub(crate) struct Held<'a> {
    app: &'a App,
    table: &'a TableId,
    lease: Lease,
    deadline: Deadline,
}

impl<'a> Held<'a> {
    /// Long work under it ends at the deadline.
    pub(crate) async fn take(app: &'a App, table: &'a TableId, deadline: Deadline) -> Result<Taking<'a>, PassError> {
        Ok(match app.ledger.take_lease(table).await? {
            Taken::Ours(lease) => Taking::Ours(Self { app, table, lease, deadline }),
            Taken::Busy { until } => Taking::Busy { until },
        })
    }

    /// Goes into the name of every file that is written under this lease.
    pub(crate) fn fence(&self) -> u64 {
        self.lease.fence
    }

    /// As it was read together with the lease, before any page of the ledger; moved only by our own batches.
    pub(crate) fn last_seq(&self) -> u64 {
        self.lease.last_seq
    }

    /// Most segments of the next batch, after one was voided.
    pub(crate) fn segments_max(&self) -> Option<usize> {
        self.lease.segments_max
    }

    /// As it stands now; its owner and fence stay as long as it is ours.
    pub(crate) fn lease(&self) -> &Lease {
        &self.lease
    }

    /// For `repair`: the next batch follows this one.
    pub(crate) async fn set_last_seq(&mut self, last_seq: u64) -> Result<(), PassError> {
        self.lease = self.app.ledger.set_last_seq(self.table, &self.lease, last_seq).await?;
        Ok(())
    }

    pub(crate) async fn open_batch(&mut self, segments: Vec<SegmentId>) -> Result<Batch, PassError> {
        let (batch, moved) = self.app.ledger.open_batch(self.table, &self.lease, segments).await?;
        self.lease = moved;
        Ok(batch)
    }

    pub(crate) async fn count_attempt(&self, batch: &Batch) -> Result<Batch, PassError> {
        Ok(self.app.ledger.count_attempt(self.table, &self.lease, batch).await?)
    }

    pub(crate) async fn forgive_attempt(&self, batch: &Batch) -> Result<Batch, PassError> {
        Ok(self.app.ledger.forgive_attempt(self.table, &self.lease, batch).await?)
    }

    pub(crate) async fn limit_batches(&mut self, segments_max: Option<usize>) -> Result<(), PassError> {
        if self.lease.segments_max != segments_max {
            self.lease = self.app.ledger.limit_batches(self.table, &self.lease, segments_max).await?;
        }
        Ok(())
    }

    pub(crate) async fn quarantine(&self, segment: &Segment, reason: &str) -> Result<(), PassError> {
        Ok(self.app.ledger.quarantine(self.table, &self.lease, segment, reason).await?)
    }

    pub(crate) async fn put_lookup(&self, index: &LookupIndex) -> Result<(), PassError> {
        Ok(self.app.ledger.put_lookup(self.table, &self.lease, index).await?)
    }

    pub(crate) async fn drop_lookup(&self, index: &LookupIndex) -> Result<(), PassError> {
        Ok(self.app.ledger.drop_lookup(self.table, &self.lease, index).await?)
    }

    pub(crate) async fn stop(&self, reason: &str) -> Result<(), PassError> {
        Ok(self.app.ledger.stop(self.table, &self.lease, reason).await?)
    }

    /// Does long work and prolongs the lease meanwhile; ends the work if the lease is lost or the time is up.
    pub(crate) async fn while_renewing<F: Future>(&mut self, work: F) -> Result<F::Output, PassError> {
        let time = self.deadline.remaining(self.app.clock.as_ref());
        let mut work = pin!(work);
        let mut renewal = pin!(keep(self.app, self.table, &mut self.lease));
        tokio::select! {
            biased;
            output = &mut work => Ok(output),
            lost = &mut renewal => Err(lost),
            () = self.app.clock.sleep(time) => Err(PassError::TimeUp),
        }
    }

    /// Gives the lease back. If that fails it runs out by itself.
    pub(crate) async fn release(self) {
        if let Err(error) = self.app.ledger.release_lease(self.table, &self.lease).await {
            tracing::warn!(table = %self.table, %error, "the lease was not given back; it runs out");
        }
    }
}

/// Renews until the lease is found lost.
async fn keep(app: &App, table: &TableId, lease: &mut Lease) -> PassError {
    loop {
        app.clock.sleep(RENEW_EVERY).await;
        match app.ledger.renew_lease(table, lease).await {
            Ok(renewed) => *lease = renewed,
            Err(error) if error.is_condition() => return PassError::LeaseLost,
            Err(error) => tracing::warn!(%table, %error, "the lease was not renewed; trying again"),
        }
    }
}
