//! Services whose operation is a method and a path: Lambda, SES.

use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::super::{ACCOUNT, Need};
use super::{Asked, Reading, parameter, parameters};

pub(super) fn reading(asked: &Asked, service: &str, region: &str) -> Reading {
    let method = asked.head.method.as_str();
    let path: Vec<_> = asked.head.uri.path().trim_matches('/').split('/').map(decoded).collect();
    let path: Vec<_> = path.iter().map(String::as_str).collect();
    let one = |operation: &str, action: &str, resource: String| Reading {
        needs: vec![Need::new(action, resource)],
        ..Reading::named(service, operation)
    };
    match (service, method, path.as_slice()) {
        ("lambda", "POST", [_version, "functions", name, "invocations"]) => {
            let alias = parameter(&parameters(asked), "Qualifier").map(str::to_owned);
            one("Invoke", "lambda:InvokeFunction", function(name, alias, region))
        }
        ("ses", "POST", ["v2", "email", "outbound-emails"]) => one("SendEmail", "ses:SendEmail", sender(asked, region)),
        ("ses", "GET", ["v2", "email", "account"]) => one("GetAccount", "ses:GetAccount", "*".to_owned()),
        (_, method, _) => {
            let name = format!("{method} {}", asked.head.uri.path());
            one(&name, &format!("unread:{name}"), "*".to_owned())
        }
    }
}

fn decoded(part: &str) -> String {
    percent_decode_str(part).decode_utf8_lossy().into_owned()
}

/// `name`: a name, or an ARN with or without its alias.
fn function(name: &str, alias: Option<String>, region: &str) -> String {
    let arn = match name.starts_with("arn:") {
        true => name.to_owned(),
        false => format!("arn:aws:lambda:{region}:{ACCOUNT}:function:{name}"),
    };
    alias.map_or(arn.clone(), |alias| format!("{arn}:{alias}"))
}

/// The identity is the address between the angle brackets, if there are any.
fn sender(asked: &Asked, region: &str) -> String {
    let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
    let from = body["FromEmailAddress"].as_str().unwrap_or_default();
    let address = from.rsplit_once('<').map_or(from, |(_, rest)| rest.trim_end_matches('>'));
    format!("arn:aws:ses:{region}:{ACCOUNT}:identity/{address}")
}
