//! One AWS call, as it was asked and as it ended.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Who;

/// An access key id, as the signature names it.
pub type AccessKey = String;

/// One call. Written as one JSON line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// In order of arrival at this proxy, from 0.
    pub n: u64,
    /// Since the proxy started.
    pub at_ms: u64,
    pub who: Who,
    pub access_key: Option<AccessKey>,
    /// As signatures name it: `s3`, `dynamodb`, `sqs`, `sts`, `kms`, `secretsmanager`, `ses`, `lambda`.
    pub service: String,
    /// The API's operation: `TransactWriteItems`, `PutObject`.
    pub operation: String,
    /// What IAM checks before the call is done: all of it must be allowed.
    pub needs: Vec<Need>,
    /// Of a read of DynamoDB: whether it asked for a strongly consistent one. None: it is no such read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consistent: Option<bool>,
    /// Of an AssumeRole: what was asked for, and the id that was issued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assumed: Option<Assumed>,
    pub request_bytes: u64,
    /// What this proxy did to the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    pub outcome: Outcome,
    pub took_us: u64,
}

/// How a call ended for its caller.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ended", rename_all = "snake_case")]
pub enum Outcome {
    /// The emulator's answer, or a refusal of ours.
    Answered {
        status: u16,
        reply_bytes: u64,
        #[serde(default)]
        capacity_units: f64,
    },
    /// The caller got no answer: it went away, or the proxy closed the connection.
    Lost,
}

impl Outcome {
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Answered { status, .. } if (200..300).contains(status))
    }
}

/// One thing that IAM asks about a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// As policies name it: `s3:GetObject`. Not always the operation's name.
    pub action: String,
    /// Its ARN, `*` where the action has no resource.
    pub resource: String,
    /// Which item of a DynamoDB table: its key as DynamoDB's JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// Condition keys and what they are in this call.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub context: BTreeMap<String, Vec<String>>,
}

impl Need {
    pub(super) fn new(action: impl Into<String>, resource: impl Into<String>) -> Self {
        Self { action: action.into(), resource: resource.into(), item: None, context: BTreeMap::new() }
    }

    pub(super) fn with(mut self, key: &str, value: &str) -> Self {
        self.context.entry(key.to_owned()).or_default().push(value.to_owned());
        self
    }
}

/// What an AssumeRole asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assumed {
    pub role: String,
    pub external_id: Option<String>,
    /// The session policy, as sent: JSON.
    pub policy: Option<String>,
    pub session_name: Option<String>,
    /// Issued by the emulated STS; none if it refused, or if the answer was lost.
    pub access_key: Option<AccessKey>,
}
