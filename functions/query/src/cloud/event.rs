//! What the function does with each event: HTTP requests by the router, questions of other functions directly.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::{Extension, Router};
use doors::{Answered, Asked, Outcome, PAYLOAD_BYTES_MAX, QueryRunError, Refusal};
use lambda::{Answer, Call, Event, Failure, Function, Http, HttpEvent, Sending, api_refusal};
use model::Micros;
use serde_json::json;

use crate::http::AnswerBy;
use crate::{App, Runner, router};

/// An HTTP API answers after 30 s whatever we do; by then our own words are to be out.
const HTTP_API_TIME: Duration = Duration::from_secs(29);

/// What stands in front of the function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// An HTTP API: answers in one piece, within 30 s.
    HttpApi,
    /// A function URL that streams.
    FunctionUrl,
}

/// As `PLIMSOLL_QUERY_ANSWER` says.
impl FromStr for Edge {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "buffered" => Ok(Self::HttpApi),
            "streamed" => Ok(Self::FunctionUrl),
            _ => Err("there are buffered (behind an HTTP API) and streamed (behind a function URL)"),
        }
    }
}

/// The function.
pub struct Queries {
    app: Arc<App>,
    runner: Runner,
    face: Router,
    edge: Edge,
}

impl Queries {
    pub fn new(app: Arc<App>, cors_origins: &[String], edge: Edge) -> Self {
        let face = edge::face(router(Arc::clone(&app)), Arc::clone(&app.ids), cors_origins);
        Self { runner: Runner::new(Arc::clone(&app)), app, face, edge }
    }

    async fn request(&self, event: HttpEvent, call: &Call) -> Answer {
        let clock = &self.app.clock;
        let (time, sending) = match self.edge {
            Edge::HttpApi => (call.time_left(clock.as_ref()).min(HTTP_API_TIME), Sending::Whole),
            Edge::FunctionUrl => (call.time_left(clock.as_ref()), Sending::Streamed),
        };
        let stop_at = clock.now().saturating_add(Micros::try_from(time.as_micros()).unwrap_or(Micros::MAX));
        let face = self.face.clone().layer(Extension(self.answer_by(time)));
        let http = Http::new(face, api_refusal, sending, Arc::clone(clock));
        http.answer(event, &Call { stop_at, ..call.clone() }).await
    }

    /// Who may ask is decided by who may invoke the function: nobody but functions of the same stack.
    async fn question(&self, asked: &Asked, call: &Call) -> Result<Answer, Failure> {
        let answer_by = self.answer_by(call.time_left(self.app.clock.as_ref()));
        let outcome = match self.runner.run_by(&asked.query, Some(answer_by)).await {
            Ok(answer) => Outcome::Ok(answer),
            Err(QueryRunError::Refused(refusal)) => Outcome::Error(refusal),
            Err(error) => return Err(Failure { kind: "Plimsoll.QueryFailed", message: error.to_string() }),
        };
        let Answer::Whole(json) = Answer::json(&Answered::new(outcome)) else { unreachable!("JSON is whole") };
        let bytes = json.get().len();
        if bytes <= PAYLOAD_BYTES_MAX {
            return Ok(Answer::Whole(json));
        }
        Ok(Answer::json(&Answered::new(Outcome::Error(too_large(bytes)))))
    }

    fn answer_by(&self, time: Duration) -> AnswerBy {
        AnswerBy(self.app.clock.uptime().saturating_add(time))
    }
}

#[async_trait]
impl Function for Queries {
    type Event = Event<Asked>;

    async fn handle(&self, event: Event<Asked>, call: &Call) -> Result<Answer, Failure> {
        match event {
            Event::Http(request) => Ok(self.request(request, call).await),
            Event::Own(asked) => self.question(&asked, call).await,
            Event::S3Test => Ok(Answer::json(&json!({}))),
            Event::Sqs(_) => {
                Err(Failure { kind: "Plimsoll.UnknownEvent", message: "this function takes no messages".to_owned() })
            }
        }
    }
}

fn too_large(bytes: usize) -> Refusal {
    Refusal {
        code: "result_too_large".to_owned(),
        message: format!("the answer has {bytes} bytes; {PAYLOAD_BYTES_MAX} can be carried"),
        hint: Some("select fewer columns, or lower `limit`".to_owned()),
    }
}
