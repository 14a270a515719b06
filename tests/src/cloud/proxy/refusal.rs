//! Errors as the services say them, in each one's own protocol, so that the SDKs read them as they would AWS's.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::Full;
use serde_json::{Value, json};

use super::read::{Protocol, Reading};

/// A refusal that AWS answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// S3: 503, ask less often.
    SlowDown,
    /// 500, from any service.
    Internal,
    /// 503, from any service.
    Unavailable,
    /// 400 (Lambda: 429), too many calls.
    Throttled,
    /// DynamoDB: a partition or table has no more capacity for now.
    ProvisionedThroughputExceeded,
    /// DynamoDB: another transaction holds one of the items; in a transaction it is one of the reasons.
    TransactionConflict,
    /// DynamoDB: the same client token is at work.
    TransactionInProgress,
    /// The policy of the caller, of the role or of the bucket says no.
    AccessDenied,
}

impl Refusal {
    pub(super) fn reply(self, call: &Reading) -> Response<Full<Bytes>> {
        match call.protocol {
            Protocol::S3 => self.of_s3(call),
            Protocol::DynamoDb => self.of_dynamodb(call),
            Protocol::Json => self.of_json(),
            Protocol::Query => self.of_query(),
            Protocol::Rest => self.of_rest(),
        }
    }

    fn of_s3(self, call: &Reading) -> Response<Full<Bytes>> {
        let (status, code) = match self {
            Self::AccessDenied => (403, "AccessDenied"),
            Self::Internal => (500, "InternalError"),
            Self::Unavailable => (503, "ServiceUnavailable"),
            _ => (503, "SlowDown"),
        };
        let xml = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>injected</Message>\
             <RequestId>0</RequestId><HostId>0</HostId></Error>"
        );
        let body = if call.is_head { String::new() } else { xml };
        answer(status, "application/xml", body)
    }

    fn of_dynamodb(self, call: &Reading) -> Response<Full<Bytes>> {
        let error = |status, name: &str, more: Value| {
            let mut body = json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{name}"), "message": "injected"});
            body.as_object_mut().expect("made above").extend(more.as_object().cloned().unwrap_or_default());
            answer(status, "application/x-amz-json-1.0", body.to_string())
        };
        let cancelled = |code: &str| {
            let reason =
                |n| if n == 0 { json!({"Code": code, "Message": "injected"}) } else { json!({"Code": "None"}) };
            let reasons: Vec<_> = (0..call.needs.len().max(1)).map(reason).collect();
            error(400, "TransactionCanceledException", json!({"CancellationReasons": reasons}))
        };
        let is_transaction = matches!(call.operation.as_str(), "TransactWriteItems" | "TransactGetItems");
        match self {
            Self::TransactionConflict if is_transaction => cancelled("TransactionConflict"),
            Self::TransactionConflict => error(400, "TransactionConflictException", json!({})),
            Self::TransactionInProgress => error(400, "TransactionInProgressException", json!({})),
            Self::ProvisionedThroughputExceeded => error(400, "ProvisionedThroughputExceededException", json!({})),
            Self::SlowDown | Self::Throttled => error(400, "ThrottlingException", json!({})),
            Self::AccessDenied => error(400, "AccessDeniedException", json!({})),
            Self::Internal => error(500, "InternalServerError", json!({})),
            Self::Unavailable => error(503, "ServiceUnavailable", json!({})),
        }
    }

    /// SQS, KMS and Secrets Manager.
    fn of_json(self) -> Response<Full<Bytes>> {
        let (status, name) = self.common();
        answer(status, "application/x-amz-json-1.1", json!({"__type": name, "message": "injected"}).to_string())
    }

    /// STS.
    fn of_query(self) -> Response<Full<Bytes>> {
        let (status, name) = match self {
            Self::AccessDenied => (403, "AccessDenied"),
            other => other.common(),
        };
        let xml = format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
             <Code>{name}</Code><Message>injected</Message></Error><RequestId>0</RequestId></ErrorResponse>"
        );
        answer(status, "text/xml", xml)
    }

    /// Lambda and SES.
    fn of_rest(self) -> Response<Full<Bytes>> {
        let (status, name) = match self {
            Self::SlowDown | Self::Throttled => (429, "TooManyRequestsException"),
            Self::AccessDenied => (403, "AccessDeniedException"),
            other => other.common(),
        };
        let mut reply = answer(status, "application/json", json!({"message": "injected"}).to_string());
        reply.headers_mut().insert("x-amzn-errortype", HeaderValue::from_static(name));
        reply
    }

    fn common(self) -> (u16, &'static str) {
        match self {
            Self::AccessDenied => (400, "AccessDeniedException"),
            Self::Internal => (500, "InternalFailure"),
            Self::Unavailable => (503, "ServiceUnavailable"),
            _ => (400, "ThrottlingException"),
        }
    }
}

fn answer(status: u16, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut reply = Response::new(Full::new(Bytes::from(body)));
    *reply.status_mut() = StatusCode::from_u16(status).expect("a status from the tables above");
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}
