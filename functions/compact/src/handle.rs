//! Triggers in, one outcome each.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use meta::Trigger;
use model::safeguard::{Safeguard, holds};
use model::{DueRule, Micros, TableId};

use crate::pass::{self, Done, Pass};
use crate::{App, Counter, Deadline};

/// Long work ends by itself at the deadline; what does not, is cut off so much later.
const GRACE: Duration = Duration::from_secs(5);

/// What became of a trigger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The table was seen to; the report says what is left.
    Done(Done),
    /// Somebody else holds the table: the holder and the sweeper see to it.
    Busy { until: Micros },
    /// The table's ledger and log do not fit each other; nobody commits until it is repaired.
    Stopped { reason: String },
    /// The project's stores did not answer lately; it is left alone for a while.
    BackedOff,
    /// The time was up before its turn came: the sweeper sees to it.
    NoTime,
    /// It failed, and was logged. Stores may answer later.
    Unavailable { error: String },
    /// The project's own bucket is out of reach until its owner sees to it. The message must not come again: five
    /// receptions would put it aside and wake the operator; the sweeper looks again.
    OutOfReach { error: String },
    /// It failed, and was logged.
    Failed { error: String },
    /// Only a newer version can do it: the message goes back to the queue.
    HandBack { why: String },
}

impl Outcome {
    /// True if the message should come again. Everything else is also found by the sweeper; a busy table must not come
    /// again, or five receptions put its message aside for good.
    pub fn is_retry(&self) -> bool {
        let comes_again = matches!(self, Self::Busy { .. }) && !holds(Safeguard::BusyDropsTrigger);
        matches!(self, Self::Unavailable { .. } | Self::HandBack { .. }) || comes_again
    }
}

/// Sees to every table that the messages name, several side by side. One outcome per message, in their order.
///
/// No new batch is begun with less than [`crate::Settings::deadline_margin`] left.
pub async fn handle(app: &App, messages: Vec<Trigger>, deadline: Deadline) -> Vec<Outcome> {
    let mut tables: BTreeMap<TableId, Outcome> = BTreeMap::new();
    for trigger in messages.iter().filter(|trigger| trigger.v <= Trigger::VERSION) {
        tables.insert(trigger.table.clone(), Outcome::NoTime);
    }
    let worked_on = futures::stream::iter(tables.into_keys())
        .map(|table| async move {
            // What is begun with no time left would be cut off, and would keep the caller waiting.
            let outcome = match deadline.is_near(app.clock.as_ref(), app.settings.deadline_margin) {
                true => Outcome::NoTime,
                false => one(app, &table, app.settings.due, deadline).await,
            };
            (table, outcome)
        })
        .buffer_unordered(app.settings.tables_at_once.max(1));
    let outcomes: BTreeMap<TableId, Outcome> = worked_on.collect().await;
    let newer = || Outcome::HandBack { why: "the trigger was written by a newer version; run that".to_owned() };
    let outcome = |trigger: &Trigger| match outcomes.get(&trigger.table) {
        Some(outcome) if trigger.v <= Trigger::VERSION => outcome.clone(),
        _ => newer(),
    };
    messages.iter().map(outcome).collect()
}

/// Compacts one table, whatever is live and however little, and however lately its stores did not answer.
pub async fn compact_now(app: &App, table: &TableId, deadline: Deadline) -> Outcome {
    turn(app, table, DueRule::NOW, deadline).await
}

/// One table, with the project's patience around it.
pub(crate) async fn one(app: &App, table: &TableId, due: DueRule, deadline: Deadline) -> Outcome {
    if app.backoff.is_waiting(&table.project, app.clock.as_ref()) {
        return Outcome::BackedOff;
    }
    turn(app, table, due, deadline).await
}

/// One turn, and what it says of the project's stores.
async fn turn(app: &App, table: &TableId, due: DueRule, deadline: Deadline) -> Outcome {
    let time: Duration = deadline.remaining(app.clock.as_ref()).min(app.settings.table_time_max);
    let deadline = Deadline(deadline.0.min(Deadline::after(app.clock.as_ref(), time).0));
    // A pass cut off here is a worker that died here: the ledger says where to go on.
    let ran = clock::within(app.clock.as_ref(), time + GRACE, pass::run(app, table, due, deadline)).await;
    let outcome = match ran {
        Some(Ok(Pass::Done(done))) => Outcome::Done(done),
        Some(Ok(Pass::Busy { until })) => Outcome::Busy { until },
        Some(Ok(Pass::Stopped(stop))) => Outcome::Stopped { reason: stop.reason },
        Some(Err(error)) => failed(app, table, &error),
        None => {
            app.counters.add(Counter::Errors, 1);
            tracing::error!(%table, time_ms = time.as_millis(), "compaction took too long; it is tried again");
            let error = format!("it took longer than {} ms; {}", time.as_millis(), crate::PassError::TimeUp.advice());
            Outcome::Unavailable { error }
        }
    };
    match &outcome {
        Outcome::Unavailable { .. } | Outcome::OutOfReach { .. } => {
            app.backoff.failed(&table.project, app.clock.as_ref())
        }
        _ => app.backoff.answered(&table.project),
    }
    app.beyond.note(table, &outcome);
    outcome
}

fn failed(app: &App, table: &TableId, error: &crate::PassError) -> Outcome {
    if matches!(error, crate::PassError::LeaseLost) {
        app.counters.add(Counter::LeasesLost, 1);
        tracing::info!(%table, "the lease was lost; another worker goes on");
        return Outcome::Busy { until: app.clock.now() };
    }
    let text = error.said();
    if error.out_of_reach().is_some() {
        tracing::warn!(%table, error = %text, "the project's bucket is out of reach");
        return Outcome::OutOfReach { error: text };
    }
    app.counters.add(Counter::Errors, 1);
    tracing::error!(%table, error = %text, "compaction failed");
    match error {
        crate::PassError::Newer(_) => Outcome::HandBack { why: text },
        error if error.is_unavailable() => Outcome::Unavailable { error: text },
        _ => Outcome::Failed { error: text },
    }
}
