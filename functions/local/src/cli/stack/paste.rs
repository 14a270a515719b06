//! What `stack init` says: what it made, and what to paste where.

use meta::keys::NOBODY_AGE_MAX;
use serde_json::{Map, Value, json};

use super::init::Done;
use crate::cli::Screen;
use crate::cli::connection::For;
use crate::serve::{curl_lines, env_lines};

/// One thing that a run made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Made {
    Project,
    /// By its name for people.
    Key(&'static str),
}

/// Whether the keys are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Keys {
    Shown,
    Hidden,
}

/// Warnings that go with either form.
pub(super) fn remark(done: &Done, screen: &mut Screen) {
    for name in &done.gone {
        screen.remark(&format!(
            "warning: the {name} in secret {} does not work any more (it was revoked, or the table was put back to a time before \
             it); see infra/operate.md, `Another admin key`",
            done.deployed.secret
        ));
    }
}

pub(super) fn text(done: &Done, keys: Keys) -> String {
    let Done { deployed, .. } = done;
    let (name, otlp, query, secret) = (&deployed.name, &deployed.otlp_url, &deployed.query_url, &deployed.secret);
    let key = |what: For, place: &'static str| match keys {
        Keys::Shown => done.keys.of(what).to_owned(),
        Keys::Hidden => place.to_owned(),
    };
    let (ingest, read) = (key(For::Ingest, "<ingest key>"), key(For::Read, "<read key>"));
    let ways = match deployed.signer {
        None => {
            let (curl, env) = (curl_lines(otlp, query, &ingest, &read), env_lines(otlp, &ingest));
            format!("Send a span, then read it back:\n\n{curl}\n\nOpenTelemetry SDKs:\n\n{env}")
        }
        Some(_) => {
            "OTLP and queries take requests signed with SigV4 only (FunctionUrlAuth=AWS_IAM). SDKs do not sign: let \
                    them send to a Collector."
                .to_owned()
        }
    };
    let collector: String = deployed.collector.trim_end().lines().map(|line| format!("  {line}\n")).collect();
    format!(
        "{}\n  OTLP/HTTP  {otlp}/v1/traces, /v1/logs, /v1/metrics\n  API        {api}/api/v1/\n  data       {root}/{project}/\n\
         {}\n\n{ways}\n\n\
         The Collector, with the ingest key in PLIMSOLL_INGEST_KEY:\n\n{collector}\n\
         What the command line does from here:\n\n  plimsoll doctor --stack {name} --send\n  plimsoll status --stack {name}\n  \
         plimsoll query --stack {name} \"SELECT count(*) FROM otel_logs_and_spans\"",
        said(done),
        shown_keys(done, keys, secret),
        api = deployed.api_url,
        root = deployed.root,
        project = done.keys.project,
    )
}

fn said(done: &Done) -> String {
    let (name, project) = (&done.deployed.name, &done.keys.project);
    if done.made.is_empty() {
        return format!("Stack `{name}` has project `{project}` and its keys already: nothing was made.");
    }
    let made: Vec<String> = done.made.iter().map(|made| made.words(project)).collect();
    format!("Stack `{name}` is ready. Made: {}.{}", made.join(", "), not_yet(&done.made))
}

/// Keys that were asked for before they worked, as after a take-over, are unknown a little longer.
fn not_yet(made: &[Made]) -> String {
    if !made.iter().any(|made| matches!(made, Made::Key(_))) {
        return String::new();
    }
    format!(
        "\nIf they were in use before (with --take-over, or a table that was emptied): functions that have refused them do so for up \
         to {} s more. Wait that long before you send, or run `plimsoll repair`.",
        NOBODY_AGE_MAX.as_secs()
    )
}

fn shown_keys(done: &Done, keys: Keys, secret: &str) -> String {
    match keys {
        Keys::Hidden => format!("  keys       in secret {secret} (--show-keys shows them)"),
        Keys::Shown => format!(
            "  ingest     {}\n  read       {}\n  admin      {}\n  all three are kept in secret {secret}",
            done.keys.of(For::Ingest),
            done.keys.of(For::Read),
            done.keys.of(For::Admin),
        ),
    }
}

pub(super) fn document(done: &Done, keys: Keys) -> Value {
    let Done { deployed, .. } = done;
    let mut document = Map::from_iter([
        ("stack".to_owned(), json!(deployed.name)),
        ("made".to_owned(), done.made.iter().map(|made| made.words(&done.keys.project)).collect()),
        ("not_working".to_owned(), json!(done.gone)),
        ("project".to_owned(), json!(done.keys.project)),
        ("otlp_endpoint".to_owned(), json!(deployed.otlp_url)),
        ("query_endpoint".to_owned(), json!(deployed.query_url)),
        ("api_endpoint".to_owned(), json!(deployed.api_url)),
        ("root".to_owned(), json!(format!("{}/{}/", deployed.root, done.keys.project))),
        ("secret_arn".to_owned(), json!(deployed.secret)),
        ("collector_config".to_owned(), json!(deployed.collector)),
    ]);
    if keys == Keys::Shown {
        for (name, what) in [("ingest_key", For::Ingest), ("read_key", For::Read), ("admin_key", For::Admin)] {
            document.insert(name.to_owned(), json!(done.keys.of(what)));
        }
    }
    document.into()
}

impl Made {
    fn words(self, project: &str) -> String {
        match self {
            Self::Project => format!("project `{project}`"),
            Self::Key(name) => name.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_given_keys_is_told_how_long_functions_may_not_know_them() {
        let said = not_yet(&[Made::Project, Made::Key("read key")]);
        assert!(said.contains("for up to 5 s more") && said.contains("plimsoll repair"), "{said}");
        assert_eq!(not_yet(&[Made::Project]), "");
        assert!(
            include_str!("../../../../../infra/operate.md").contains("for 5\nseconds more"),
            "the manual says the same"
        );
    }
}
