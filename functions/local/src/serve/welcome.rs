//! What `plimsoll serve` says when it is ready.

use std::path::Path;

use super::credentials::Credentials;
use super::root::Root;

/// Whether the keys were made by this start.
#[derive(Clone, Copy)]
pub(crate) enum ShowKeys {
    Once,
    Never,
}

/// The lines after a start; on the first one with the keys, which are shown only then.
pub(crate) fn welcome(data: &Path, root: &Root, credentials: &Credentials, show_keys: ShowKeys) -> String {
    let Credentials { otlp_url, api_url, .. } = credentials;
    let objects = match root {
        Root::Folder => String::new(),
        Root::S3(root) => format!("  objects    {root}\n"),
    };
    let head = format!(
        "Plimsoll is ready.\n  OTLP/HTTP  {otlp_url}/v1/traces, /v1/logs, /v1/metrics\n  API        {api_url}/api/v1/query\n  data       {}\n{objects}",
        data.display()
    );
    match show_keys {
        ShowKeys::Once => format!("{head}\n{}", first_keys(credentials)),
        ShowKeys::Never => format!("{head}  keys       in {}\n", data.join("credentials.json").display()),
    }
}

fn first_keys(keys: &Credentials) -> String {
    let Credentials { project, ingest_key, read_key, admin_key, otlp_url, api_url } = keys;
    let (curl, env) = (curl_lines(otlp_url, api_url, ingest_key, read_key), env_lines(otlp_url, ingest_key));
    format!(
        r#"Project `{project}` was made. Its keys, shown once here and kept in credentials.json:
  ingest  {ingest_key}
  read    {read_key}
  admin   {admin_key}

Send a span, then read it back:

{curl}

OpenTelemetry SDKs and the Collector:

{env}

  exporters:
    otlp_http/plimsoll:    # before Collector 0.144: otlphttp
      endpoint: {otlp_url}
      compression: zstd
      headers:
        x-api-key: {ingest_key}
"#
    )
}

/// Sends a span of this moment, and asks for the newest.
pub fn curl_lines(otlp_url: &str, query_url: &str, ingest_key: &str, read_key: &str) -> String {
    format!(
        r#"  curl -sS {otlp_url}/v1/traces -H 'x-api-key: {ingest_key}' -H 'content-type: application/json' -d '{{"resourceSpans":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"hello"}}}}]}},"scopeSpans":[{{"spans":[{{"traceId":"'$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')'","spanId":"'$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')'","name":"first span","kind":1,"startTimeUnixNano":"'$(date +%s%N)'","endTimeUnixNano":"'$(date +%s%N)'"}}]}}]}}]}}'

  curl -sS {query_url}/api/v1/query -H 'x-api-key: {read_key}' -H 'content-type: application/json' -d '{{"sql":"SELECT timestamp, resource___service___name, name FROM otel_logs_and_spans ORDER BY timestamp DESC LIMIT 5"}}'"#
    )
}

/// What every OpenTelemetry SDK reads.
pub fn env_lines(otlp_url: &str, ingest_key: &str) -> String {
    format!(
        "  export OTEL_EXPORTER_OTLP_ENDPOINT={otlp_url}\n  export OTEL_EXPORTER_OTLP_HEADERS=x-api-key={ingest_key}"
    )
}
