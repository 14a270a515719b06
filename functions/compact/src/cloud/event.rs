//! What the function does with each event: messages of the queue, ticks of the schedules, requests of operators.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use lambda::{Answer, Call, Event, Failure, Function, Http, HttpEvent, Sending, SqsMessage, api_refusal};
use meta::keys::Keys;
use model::{TableId, chain};
use serde::Deserialize;
use serde_json::json;

use crate::http::repair_each;
use crate::{App, Chores, Deadline, Fate, Operate, log_lag, maintain_all, router, see_to, sweep};

/// An HTTP API answers after 30 s whatever we do; by then our own words are to be out.
const HTTP_TIME: Duration = Duration::from_secs(28);
/// Work of a request ends so much earlier, for the answer and for what is cut off late.
const HTTP_MARGIN: Duration = Duration::from_secs(3);
/// Work of a batch or a tick ends so long before the call does: what is cut off at a deadline has some seconds of grace.
const MARGIN: Duration = Duration::from_secs(8);

/// A tick of a schedule: `{"act":"sweep"}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tick {
    act: Act,
}

/// What a schedule asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Act {
    /// Every table with anything left to do, whatever became of its triggers.
    Sweep,
    /// What keeps reading fast: merging and checkpoints.
    Maintenance,
    /// What makes room: days past retention, replaced files, landing objects, old log entries and answers of queries.
    Retention,
    /// Every table, as an operator asks for it after stores were put back in time: a call has more time than a request.
    Repair,
}

/// The function.
pub struct Compactor {
    app: Arc<App>,
    keys: Arc<Keys>,
    cors_origins: Vec<String>,
}

impl Compactor {
    pub fn new(app: Arc<App>, keys: Arc<Keys>, cors_origins: &[String]) -> Self {
        Self { app, keys, cors_origins: cors_origins.to_owned() }
    }

    /// Tables are seen to once, however often they are named; a message comes again only if that may help.
    async fn messages(&self, messages: Vec<SqsMessage>, call: &Call) -> Answer {
        let bodies: Vec<&str> = messages.iter().map(|message| message.body.as_deref().unwrap_or_default()).collect();
        let fates = see_to(&self.app, &bodies, self.deadline(call)).await;
        let again = messages.iter().zip(fates).filter(|(_, fate)| *fate == Fate::ComesAgain);
        lambda::failed_messages(again.filter_map(|(message, _)| message.message_id.clone()))
    }

    async fn tick(&self, act: Act, call: &Call) -> Result<Answer, Failure> {
        let (app, deadline) = (self.app.as_ref(), self.deadline(call));
        let done = match act {
            Act::Sweep => {
                let swept = sweep(app, deadline).await.map_err(|error| failed(act, &error))?;
                log_lag(app).await.map_err(|error| failed(act, &error))?;
                let attention = swept.iter().filter(|table| table.needs_attention()).count();
                json!({ "tables": swept.len(), "need_attention": attention })
            }
            Act::Maintenance | Act::Retention => {
                let chores = if act == Act::Maintenance { Chores::Merging } else { Chores::Removal };
                let round = maintain_all(app, chores, deadline).await.map_err(|error| failed(act, &error))?;
                json!({ "projects": round.projects, "failed": round.failed, "left": round.left })
            }
            Act::Repair => {
                let projects = app.projects.ids().await.map_err(|error| failed(act, &error))?;
                let repaired = repair_each(app, TableId::all_of(projects), deadline).await;
                let (mut incomplete, mut out_of_reach) = (0, 0);
                for (table, did) in &repaired {
                    match did {
                        Ok(did) => {
                            tracing::info!(%table, ?did, "repaired");
                            incomplete += usize::from(did.busy_until.is_some() || did.is_partial());
                        }
                        Err(error) => {
                            tracing::error!(%table, error = error.said_of("the act `repair`"), "not repaired");
                            let count =
                                if error.out_of_reach().is_some() { &mut out_of_reach } else { &mut incomplete };
                            *count += 1;
                        }
                    }
                }
                json!({ "tables": repaired.len(), "incomplete": incomplete, "out_of_reach": out_of_reach })
            }
        };
        tracing::info!(?act, %done, "tick");
        Ok(Answer::json(&done))
    }

    async fn request(&self, event: HttpEvent, call: &Call) -> Answer {
        let clock = &self.app.clock;
        let time = call.time_left(clock.as_ref()).min(HTTP_TIME);
        let stop_at = call.stop_at.min(clock.now() + i64::try_from(time.as_micros()).unwrap_or(i64::MAX));
        let call = Call { stop_at, ..call.clone() };
        let http = Http::new(self.face(time), api_refusal, Sending::Whole, Arc::clone(clock));
        http.answer(event, &call).await
    }

    fn face(&self, time: Duration) -> Router {
        let operate = Operate {
            app: Arc::clone(&self.app),
            keys: Arc::clone(&self.keys),
            runtime: tokio::runtime::Handle::current(),
            time: time.saturating_sub(HTTP_MARGIN),
        };
        edge::face(router(operate), Arc::clone(&self.app.ids), &self.cors_origins)
    }

    fn deadline(&self, call: &Call) -> Deadline {
        let clock = self.app.clock.as_ref();
        Deadline::after(clock, call.time_left(clock).saturating_sub(MARGIN))
    }
}

#[async_trait]
impl Function for Compactor {
    type Event = Event<Tick>;

    async fn handle(&self, event: Event<Tick>, call: &Call) -> Result<Answer, Failure> {
        match event {
            Event::Sqs(messages) => Ok(self.messages(messages, call).await),
            Event::Http(request) => Ok(self.request(request, call).await),
            Event::Own(tick) => self.tick(tick.act, call).await,
            Event::S3Test => Ok(Answer::json(&json!({}))),
        }
    }
}

/// The metadata store did not answer, so nothing could even be looked for; the next tick does it.
fn failed(act: Act, error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure { kind: "Plimsoll.TickFailed", message: format!("{act:?} broke off: {}", chain(error)) }
}
