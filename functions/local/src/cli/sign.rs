//! Requests to function URLs of a stack with `FunctionUrlAuth=AWS_IAM`, signed with the operator's AWS credentials.

use aws::Signer;
use model::chain;
use serde_json::Value;

use super::{CliError, gateway};
use crate::signing;

/// What is to be added to a request that carries `key` and is sent as it is told here.
pub(super) fn headers(
    signer: &Signer,
    method: &str,
    url: &str,
    key: Option<&str>,
    body: &[u8],
) -> Result<Vec<(String, String)>, CliError> {
    signing::headers(signer, method, url, key, body).map_err(|error| CliError::Cloud {
        what: chain(&error),
        advice: "the stack's function URLs take signed requests only: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and \
                 AWS_SECRET_ACCESS_KEY"
            .to_owned(),
    })
}

/// A function URL that turns a request away says so in words of its own; none: this 403 is ours.
pub(super) fn refused(url: &str, answer: &Value) -> Option<CliError> {
    let words = gateway::words(answer)?;
    Some(CliError::Cloud {
        what: format!("{url} answered 403: {words}"),
        advice: "AWS says so, not Plimsoll: with FunctionUrlAuth=AWS_IAM, function URLs take requests that are signed (--stack \
                 does) by somebody of the stack's account or its SenderAccount who may do lambda:InvokeFunctionUrl and \
                 lambda:InvokeFunction on the functions' alias `live`; the API keys are not the cause"
            .to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_aws_refuses_is_told_from_what_plimsoll_refuses() {
        for (answer, is_of_aws) in [
            (json!({"Message": "Forbidden"}), true),
            (json!({"message": "The request signature we calculated does not match"}), true),
            (json!({"error": {"code": "forbidden", "message": "this API key lacks the scope `read`"}}), false),
            (json!({"code": 7, "message": "this API key lacks the scope `ingest`"}), false),
            (json!({}), false),
        ] {
            assert_eq!(refused("https://u", &answer).is_some(), is_of_aws, "{answer}");
        }
        let said = refused("https://u", &json!({"Message": "Forbidden"})).expect("of AWS").report().join(" ");
        assert!(said.contains("answered 403: Forbidden") && said.contains("keys are not the cause"), "{said}");
    }
}
