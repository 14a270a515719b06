//! Events of several kinds for one function, told apart by their shape, and what SQS is told in return.

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::{Answer, HttpEvent};

pub use aws_lambda_events::sqs::SqsMessage;

/// How S3 calls the event that it sends once, when a bucket's notifications are set.
const S3_TEST: &str = "s3:TestEvent";
const SQS: &str = "aws:sqs";

/// What a function may be called with; `T` are calls of a shape of its own.
#[derive(Clone, Debug)]
pub enum Event<T> {
    /// Messages of a queue; what is to come again is named by [`failed_messages`].
    Sqs(Vec<SqsMessage>),
    Http(HttpEvent),
    /// Nothing is asked.
    S3Test,
    Own(T),
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Event<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let event = Value::deserialize(deserializer)?;
        let read = match kind_of(&event) {
            Kind::Sqs => serde_json::from_value::<SqsEvent>(event).map(|event| Self::Sqs(event.records)),
            Kind::Http => serde_json::from_value(event).map(Self::Http),
            Kind::S3Test => Ok(Self::S3Test),
            Kind::Own => {
                let shown = shape_of(&event);
                return serde_json::from_value(event)
                    .map(Self::Own)
                    .map_err(|error| D::Error::custom(format!("this function takes no event with {shown}: {error}")));
            }
        };
        read.map_err(D::Error::custom)
    }
}

enum Kind {
    Sqs,
    Http,
    S3Test,
    Own,
}

fn kind_of(event: &Value) -> Kind {
    let records = event["Records"].as_array();
    if records.is_some_and(|records| records.iter().all(|record| record["eventSource"] == SQS)) {
        Kind::Sqs
    } else if event["Event"] == S3_TEST {
        Kind::S3Test
    } else if event["requestContext"]["http"].is_object() || event["requestContext"]["httpMethod"].is_string() {
        Kind::Http
    } else {
        Kind::Own
    }
}

/// What may be said of an event that is not known: its values may be somebody's data.
fn shape_of(event: &Value) -> String {
    const KEYS_MAX: usize = 10;
    match event {
        Value::Object(fields) => {
            let keys: Vec<String> = fields.keys().take(KEYS_MAX).map(|key| format!("`{key}`")).collect();
            if keys.is_empty() { "no fields".to_owned() } else { format!("the fields {}", keys.join(", ")) }
        }
        _ => "something else than an object".to_owned(),
    }
}

/// The answer to a batch of messages: those named come again, the others are done.
pub fn failed_messages(ids: impl IntoIterator<Item = String>) -> Answer {
    let mut response = SqsBatchResponse::default();
    response.set_failures(ids);
    Answer::json(&response)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Act {
        act: String,
    }

    fn kind(event: Value) -> Result<String, String> {
        let event: Event<Act> = serde_json::from_value(event).map_err(|error| error.to_string())?;
        Ok(match event {
            Event::Sqs(messages) => format!("sqs {}", messages.len()),
            Event::Http(_) => "http".into(),
            Event::S3Test => "s3 test".into(),
            Event::Own(Act { act }) => act,
        })
    }

    #[test]
    fn events_are_told_apart_by_their_shape() {
        let message = json!({"messageId": "m", "body": "b", "eventSource": "aws:sqs"});
        let http = json!({"version": "2.0", "requestContext": {"http": {"method": "GET"}}});
        for (event, expected) in [
            (json!({"Records": [message, message]}), "sqs 2"),
            (json!({"Records": []}), "sqs 0"),
            (http, "http"),
            (json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"}), "s3 test"),
            (json!({"act": "sweep"}), "sweep"),
        ] {
            assert_eq!(kind(event.clone()).as_deref(), Ok(expected), "{event}");
        }
    }

    #[test]
    fn an_event_of_no_known_shape_is_refused_in_words_without_its_values() {
        let s3 = json!({"Records": [{"eventSource": "aws:s3", "s3": {"object": {"key": "secret"}}}]});
        for (event, part) in [
            (s3, "the fields `Records`"),
            (json!({"act": 7}), "the fields `act`"),
            (json!({}), "no fields"),
            (json!("secret"), "something else"),
            (json!({"version": "1.0", "requestContext": {"httpMethod": "GET"}}), "missing field"),
        ] {
            let error = kind(event.clone()).expect_err("refused");
            assert!(error.contains(part) && !error.contains("key"), "{event}: {error}");
        }
    }

    #[test]
    fn sqs_is_told_which_messages_failed() {
        let Answer::Whole(json) = failed_messages(["a".to_owned()]) else { panic!("not whole") };
        assert_eq!(json.get(), r#"{"batchItemFailures":[{"itemIdentifier":"a"}]}"#);
    }
}
