//! How a queue stands.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;

use crate::fault::{Fault, fault};
use crate::{Cloud, Service};

/// Counts are SQS's estimates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueFacts {
    pub arn: String,
    pub waiting: u64,
    /// Received, and not yet deleted.
    pub in_flight: u64,
    /// Where messages go that are received too often; none: they never leave.
    pub dead_letters_to: Option<String>,
}

impl Cloud {
    pub async fn queue_facts(&self, url: &str) -> Result<QueueFacts, Fault> {
        let client = Client::new(&self.config(Service::Sqs));
        let asked = client.get_queue_attributes().queue_url(url).attribute_names(QueueAttributeName::All);
        let attributes = asked.send().await.map_err(fault)?.attributes.unwrap_or_default();
        let text = |name: QueueAttributeName| attributes.get(&name).cloned();
        let count = |name| text(name).and_then(|text| text.parse().ok()).unwrap_or(0);
        let policy = text(QueueAttributeName::RedrivePolicy);
        let policy: Option<serde_json::Value> = policy.and_then(|policy| serde_json::from_str(&policy).ok());
        let target = policy.as_ref().and_then(|policy| policy["deadLetterTargetArn"].as_str());
        Ok(QueueFacts {
            arn: text(QueueAttributeName::QueueArn).unwrap_or_default(),
            waiting: count(QueueAttributeName::ApproximateNumberOfMessages),
            in_flight: count(QueueAttributeName::ApproximateNumberOfMessagesNotVisible),
            dead_letters_to: target.map(str::to_owned),
        })
    }
}
