//! What an OTLP/HTTP request is answered with: `Export*ServiceResponse` and `google.rpc.Status`, in the request's media type.

use model::Signal;
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsPartialSuccess, ExportMetricsServiceResponse};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTracePartialSuccess, ExportTraceServiceResponse};
use prost::Message;
use serde::Serialize;

use crate::ContentType;

/// Messages are cut to this many bytes: clients log them, and proxies limit what they carry.
pub const MESSAGE_BYTES_MAX: usize = 4 * 1024;

/// Records that were refused, or a warning (`rejected` = 0 and a message).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartialSuccess {
    pub rejected: u64,
    pub message: String,
}

/// The body of a 200; without `partial` everything was accepted.
pub fn success(signal: Signal, content_type: ContentType, partial: Option<PartialSuccess>) -> Vec<u8> {
    let partial = partial.map(|partial| (partial.rejected, cut(&partial.message).to_owned()));
    match content_type {
        ContentType::Protobuf => success_protobuf(signal, partial),
        ContentType::Json => success_json(signal, partial),
    }
}

/// The body of an error; `grpc_code` is one of google.rpc.Code, for example 3 for an invalid argument.
pub fn status(content_type: ContentType, grpc_code: i32, message: &str) -> Vec<u8> {
    let status = Status { code: grpc_code, message: cut(message).to_owned() };
    match content_type {
        ContentType::Protobuf => status.encode_to_vec(),
        ContentType::Json => json(&status),
    }
}

/// google.rpc.Status; its `details` are never sent.
#[derive(Clone, PartialEq, Message, Serialize)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

fn success_protobuf(signal: Signal, partial: Option<(u64, String)>) -> Vec<u8> {
    let partial = partial.map(|(rejected, message)| (i64::try_from(rejected).unwrap_or(i64::MAX), message));
    match signal {
        Signal::Traces => ExportTraceServiceResponse {
            partial_success: partial
                .map(|(rejected_spans, error_message)| ExportTracePartialSuccess { rejected_spans, error_message }),
        }
        .encode_to_vec(),
        Signal::Logs => ExportLogsServiceResponse {
            partial_success: partial.map(|(rejected_log_records, error_message)| ExportLogsPartialSuccess {
                rejected_log_records,
                error_message,
            }),
        }
        .encode_to_vec(),
        Signal::Metrics => ExportMetricsServiceResponse {
            partial_success: partial.map(|(rejected_data_points, error_message)| ExportMetricsPartialSuccess {
                rejected_data_points,
                error_message,
            }),
        }
        .encode_to_vec(),
    }
}

fn success_json(signal: Signal, partial: Option<(u64, String)>) -> Vec<u8> {
    let Some((rejected, message)) = partial else { return b"{}".to_vec() };
    let rejected_name = match signal {
        Signal::Traces => "rejectedSpans",
        Signal::Logs => "rejectedLogRecords",
        Signal::Metrics => "rejectedDataPoints",
    };
    // 64-bit numbers are strings in protobuf's JSON.
    json(&serde_json::json!({ "partialSuccess": { rejected_name: rejected.to_string(), "errorMessage": message } }))
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("numbers and text always serialise")
}

/// At most [`MESSAGE_BYTES_MAX`] bytes, whole characters.
fn cut(message: &str) -> &str {
    &message[..message.floor_char_boundary(MESSAGE_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partial(rejected: u64, message: &str) -> Option<PartialSuccess> {
        Some(PartialSuccess { rejected, message: message.to_owned() })
    }

    #[test]
    fn json_answers_follow_the_json_mapping() {
        let cases = [
            (Signal::Traces, partial(3, "why"), r#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"why"}}"#),
            (
                Signal::Logs,
                partial(1, "\"q\""),
                r#"{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"\"q\""}}"#,
            ),
            (
                Signal::Metrics,
                partial(0, "hint"),
                r#"{"partialSuccess":{"rejectedDataPoints":"0","errorMessage":"hint"}}"#,
            ),
            (Signal::Traces, None, "{}"),
        ];
        for (signal, partial, expected) in cases {
            assert_eq!(String::from_utf8(success(signal, ContentType::Json, partial)).expect("text"), expected);
        }
        assert_eq!(status(ContentType::Json, 3, "bad"), br#"{"code":3,"message":"bad"}"#);
    }

    #[test]
    fn protobuf_answers_are_read_back() {
        let bytes = success(Signal::Logs, ContentType::Protobuf, partial(2, "late"));
        let read = ExportLogsServiceResponse::decode(&bytes[..]).expect("valid").partial_success.expect("set");
        assert_eq!((read.rejected_log_records, read.error_message.as_str()), (2, "late"));
        assert!(success(Signal::Traces, ContentType::Protobuf, None).is_empty());
        assert_eq!(status(ContentType::Protobuf, 3, "bad"), b"\x08\x03\x12\x03bad");
    }

    #[test]
    fn messages_are_cut_between_characters() {
        let long = "ü".repeat(MESSAGE_BYTES_MAX);
        let read = Status::decode(&status(ContentType::Protobuf, 3, &format!("x{long}"))[..]).expect("valid");
        assert_eq!(read.message.len(), MESSAGE_BYTES_MAX - 1);
        assert!(read.message.ends_with('ü'));
    }
}
