//! The door `QueryRunner` as a synchronous Lambda call of the query function's published alias.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::timeout::TimeoutConfig;
use aws_sdk_lambda::primitives::Blob;
use doors::{
    Answer, Answered, Asked, PAYLOAD_BYTES_MAX, QUERY_TIMEOUT_MS_DEFAULT, QueryRunError, QueryRunner, Question,
};
use serde::Deserialize;

use crate::fault::{FaultKind, fault};
use crate::{Cloud, Service};

/// Beyond the query's own time: a cold start, and the way there and back.
const GRACE: Duration = Duration::from_secs(10);

/// Calls one function.
pub struct LambdaQueries {
    client: Client,
    /// `arn:...:function:<name>:<alias>`, or `<name>:<alias>`.
    function: String,
}

/// What Lambda answers for a function that did not.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct FunctionError {
    error_type: String,
    error_message: String,
}

impl Cloud {
    /// Queries by the function's alias: its ARN, or `<name>:<alias>`.
    pub fn query_runner(&self, function: &str) -> LambdaQueries {
        LambdaQueries { client: Client::new(&self.config(Service::Lambda)), function: function.to_owned() }
    }
}

#[async_trait]
impl QueryRunner for LambdaQueries {
    async fn run(&self, question: &Question) -> Result<Answer, QueryRunError> {
        let payload = serde_json::to_vec(&Asked::new(question.clone())).expect("text and numbers always serialise");
        carried("the question", payload.len())?;
        let answer = self.call(payload, wait_for(question)).await?;
        carried("the answer", answer.len())?;
        let answered: Answered = serde_json::from_slice(&answer)
            .map_err(|error| self.broken(format!("its answer does not read: {error}")))?;
        answered.into_result()
    }
}

impl LambdaQueries {
    async fn call(&self, payload: Vec<u8>, wait: Duration) -> Result<Vec<u8>, QueryRunError> {
        let patience = TimeoutConfig::builder();
        let patience = patience.read_timeout(wait).operation_attempt_timeout(wait).operation_timeout(wait).build();
        let call = self.client.invoke().function_name(&self.function).payload(Blob::new(payload)).customize();
        let sent = call.config_override(aws_sdk_lambda::config::Builder::new().timeout_config(patience)).send().await;
        let answered = sent.map_err(|error| self.not_called(fault(error), wait))?;
        let said = answered.payload().map(|blob| blob.as_ref().to_vec()).unwrap_or_default();
        match answered.function_error() {
            None => Ok(said),
            Some(_) => Err(self.died(&said, wait)),
        }
    }

    /// Lambda did not call the function.
    fn not_called(&self, fault: crate::Fault, wait: Duration) -> QueryRunError {
        /// States of a function that pass.
        const PASSING: [&str; 6] = [
            "ResourceConflictException",
            "ResourceNotReadyException",
            "CodeArtifactUserPendingException",
            "SnapStartNotReadyException",
            "EC2ThrottledException",
            "ENINotReadyException",
        ];
        let passing = fault.code.as_deref().is_some_and(|code| PASSING.contains(&code));
        match fault.kind {
            FaultKind::TimedOut => QueryRunError::TimedOut { waited_ms: millis(wait) },
            FaultKind::Unavailable | FaultKind::NoKeys => self.unavailable(fault),
            _ if passing => self.unavailable(fault),
            FaultKind::Denied | FaultKind::Refused => self.broken(fault.to_string()),
        }
    }

    /// Lambda called the function, which ended without an answer of its own.
    fn died(&self, said: &[u8], wait: Duration) -> QueryRunError {
        let FunctionError { error_type, error_message } = serde_json::from_slice(said).unwrap_or_default();
        if error_type == "Sandbox.Timedout" || error_message.contains("Task timed out") {
            return QueryRunError::TimedOut { waited_ms: millis(wait) };
        }
        if error_type == "Function.ResponseSizeTooLarge" {
            let bytes_max = PAYLOAD_BYTES_MAX;
            return QueryRunError::TooLarge { what: "the answer", bytes: bytes_max + 1, bytes_max };
        }
        self.broken(format!("{error_type}: {error_message}"))
    }

    fn broken(&self, why: String) -> QueryRunError {
        QueryRunError::Broken { what: format!("function {}", self.function), why }
    }

    fn unavailable(&self, fault: crate::Fault) -> QueryRunError {
        QueryRunError::Unavailable { what: format!("function {}", self.function), source: Box::new(fault) }
    }
}

fn wait_for(question: &Question) -> Duration {
    Duration::from_millis(question.timeout_ms.unwrap_or(QUERY_TIMEOUT_MS_DEFAULT)) + GRACE
}

fn carried(what: &'static str, bytes: usize) -> Result<(), QueryRunError> {
    let bytes_max = PAYLOAD_BYTES_MAX;
    if bytes > bytes_max { Err(QueryRunError::TooLarge { what, bytes, bytes_max }) } else { Ok(()) }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
