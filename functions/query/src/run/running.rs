//! A query under way: its place, its time, and the word that it is to stop.
//!
//! Its time is watched by whoever waits for its answer, not by the threads that compute it: they may not look up for seconds.
//! Its place is given back when the last who works for it is gone, which may be after its time was over: work that nobody waits
//! for any more still takes a place from others. The word reaches the operators by [`super::stoppable`].

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clock::Sleep;
use datafusion::common::DataFusionError;

use super::{Query, panicked};
use crate::App;
use crate::admission::Place;
use crate::error::{Limit, QueryError};
use crate::http::AnswerBy;
use crate::waits::Waits;
use crate::workers::Working;

/// How long a query may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QueryTime {
    /// As it asked for, or the default.
    Asked { timeout_ms: u64 },
    /// All that is left to the process.
    Left { timeout_ms: u64 },
}

/// Kept back of the time that is left to the process: rows are written, and an answer in the store is finished.
const WRITING_TIME: Duration = Duration::from_secs(2);

impl QueryTime {
    pub(super) fn of(asked_ms: u64, answer_by: Option<AnswerBy>, now: Duration) -> Self {
        let asked = Self::Asked { timeout_ms: asked_ms };
        let Some(AnswerBy(by)) = answer_by else { return asked };
        let left = by.saturating_sub(now).saturating_sub(WRITING_TIME);
        let timeout_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        if timeout_ms < asked_ms { Self::Left { timeout_ms } } else { asked }
    }

    fn duration(self) -> Duration {
        let (Self::Asked { timeout_ms } | Self::Left { timeout_ms }) = self;
        Duration::from_millis(timeout_ms)
    }

    fn is_over(self) -> Limit {
        match self {
            Self::Asked { timeout_ms } => Limit::Time { timeout_ms },
            Self::Left { timeout_ms } => Limit::TimeLeft { timeout_ms },
        }
    }
}

/// What all who work for a query share.
pub(crate) struct Running {
    pub(super) query: Query,
    pub(super) waits: Arc<Waits>,
    is_stopped: AtomicBool,
    _place: Place,
}

/// Said by an operator that was told to stop; nobody is told these words.
#[derive(Debug, thiserror::Error)]
#[error("the query was stopped")]
struct Stopped;

impl Running {
    /// Waits for a place.
    pub(super) async fn begin(app: &App, query: Query) -> Result<Arc<Self>, QueryError> {
        let place = app.admission.place(&query.project, time_left(&query, app)).await?;
        let waits = Arc::new(Waits::new(Arc::clone(&app.clock)));
        Ok(Arc::new(Self { query, waits, is_stopped: AtomicBool::new(false), _place: place }))
    }

    pub(super) fn time_left(&self, app: &App) -> Duration {
        time_left(&self.query, app)
    }

    fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }

    /// An error if the query is to stop: for those who compute, between two steps.
    pub(super) fn go_on(&self) -> Result<(), DataFusionError> {
        if self.is_stopped() { Err(DataFusionError::External(Box::new(Stopped))) } else { Ok(()) }
    }

    /// Asking for less helps only if the query itself took the time.
    pub(super) fn out_of_time(&self) -> QueryError {
        match self.waits.unanswered() {
            Some(unanswered) => QueryError::unavailable(unanswered.what, unanswered),
            None => self.query.time.is_over().into(),
        }
    }
}

fn time_left(query: &Query, app: &App) -> Duration {
    query.time.duration().saturating_sub(app.clock.uptime().saturating_sub(query.began))
}

/// The work for a query, as seen by the one who waits for it. Dropped, it stops.
pub(crate) struct Watched<T> {
    running: Arc<Running>,
    work: Working<Result<T, QueryError>>,
    time: Sleep,
}

impl<T> Watched<T> {
    pub(super) fn new(app: &App, running: Arc<Running>, work: Working<Result<T, QueryError>>) -> Self {
        let time = app.clock.sleep(running.time_left(app));
        Self { running, work, time }
    }

    /// What comes of the work, or that its time is over.
    pub(super) async fn done(&mut self) -> Result<T, QueryError> {
        let done = tokio::select! {
            biased;
            done = self.work.done() => done,
            () = &mut self.time => return Err(self.give_up()),
        };
        done.map_err(panicked)?
    }

    /// What comes while the work goes on, or that its time is over.
    pub(super) async fn meanwhile<F: Future>(&mut self, coming: F) -> Result<F::Output, QueryError> {
        tokio::select! {
            biased;
            came = coming => Ok(came),
            () = &mut self.time => Err(self.give_up()),
        }
    }

    /// The work ends by itself, as soon as it looks up, and counts what it read.
    fn give_up(&mut self) -> QueryError {
        // What it waits for is asked before it stops waiting.
        let error = self.running.out_of_time();
        self.running.stop();
        self.work.leave();
        error
    }
}

impl<T> Drop for Watched<T> {
    fn drop(&mut self) {
        self.running.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_takes_what_it_asked_for_or_what_is_left_to_the_process() {
        let now = Duration::from_secs(100);
        let by = |s: u64| Some(AnswerBy(Duration::from_secs(s)));
        for (asked_ms, answer_by, expected) in [
            (30_000, None, QueryTime::Asked { timeout_ms: 30_000 }),
            (30_000, by(200), QueryTime::Asked { timeout_ms: 30_000 }),
            (30_000, by(128), QueryTime::Left { timeout_ms: 26_000 }),
            (5_000, by(128), QueryTime::Asked { timeout_ms: 5_000 }),
            (5_000, by(101), QueryTime::Left { timeout_ms: 0 }),
            (5_000, by(7), QueryTime::Left { timeout_ms: 0 }),
        ] {
            assert_eq!(QueryTime::of(asked_ms, answer_by, now), expected, "{answer_by:?}");
        }
        let said = |time: QueryTime| edge::ApiError::from(QueryError::from(time.is_over()));
        let (asked, left) = (said(QueryTime::Asked { timeout_ms: 5 }), said(QueryTime::Left { timeout_ms: 5 }));
        assert_eq!((asked.code, left.code), (edge::ErrorCode::QueryTimeout, edge::ErrorCode::QueryTimeout));
        assert!(!asked.message.contains("left") && left.message.contains("5 ms that were left"), "{}", left.message);
    }
}
