//! What takes an event and answers it.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use lambda_runtime::{Diagnostic, FunctionResponse, LambdaEvent, StreamResponse, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::Call;
use crate::streamed::Pieces;

/// A function of ours. Lambda calls it once at a time.
#[async_trait]
pub trait Function: Send + Sync + 'static {
    /// What it is called with; anything else is refused before it, with the error of its `Deserialize`.
    type Event: DeserializeOwned + Send;

    /// An error here is an error of the call: Lambda repeats those of queues and schedules.
    async fn handle(&self, event: Self::Event, call: &Call) -> Result<Answer, Failure>;
}

/// What a call returns.
pub enum Answer {
    /// Any JSON, at once.
    Whole(Box<RawValue>),
    /// An HTTP response piece by piece; only a function URL in the mode RESPONSE_STREAM takes it.
    Streamed(StreamResponse<Pieces>),
}

/// Why a call failed, for Lambda's log and for whoever called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// A short fixed name.
    pub kind: &'static str,
    pub message: String,
}

impl Answer {
    /// Of what always serialises: plain fields, lists and maps with text for keys.
    pub fn json(answer: &impl Serialize) -> Self {
        Self::Whole(serde_json::value::to_raw_value(answer).expect("plain fields always serialise"))
    }
}

impl From<Failure> for Diagnostic {
    fn from(failure: Failure) -> Self {
        Self { error_type: failure.kind.to_owned(), error_message: failure.message }
    }
}

/// Asks Lambda for events and answers them, one after the other; returns only if Lambda cannot be asked.
pub(crate) async fn poll<F: Function>(function: F) -> Result<(), lambda_runtime::Error> {
    let function = Arc::new(function);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<F::Event>| {
        let function = Arc::clone(&function);
        async move { function.handle(event.payload, &Call::from(&event.context)).await.map(FunctionResponse::from) }
    }))
    .await
}

impl From<Answer> for FunctionResponse<Box<RawValue>, Pieces> {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Whole(json) => Self::BufferedResponse(json),
            Answer::Streamed(response) => Self::StreamingResponse(response),
        }
    }
}

/// What the pieces of a streamed answer are; named here since `poll` sends them.
pub(crate) type Piece = Result<Bytes, axum::Error>;
