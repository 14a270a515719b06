//! One OTLP export: check, read, decode, land, answer.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use meta::keys::Caller;
use model::{Scope, Signal, TableId};
use otlp::answer::{self, PartialSuccess};
use otlp::{ContentType, Encoding};

use crate::body;
use crate::group::join;
use crate::land::Landed;
use crate::prepare::{Checked, prepare};
use crate::{App, Refusal};

/// Answers an export request in the encoding it came in, refusals too.
pub(crate) async fn export(app: Arc<App>, signal: Signal, request: Request<Body>) -> Response {
    let content_type = content_type_of(request.headers());
    let reply_as = content_type.as_ref().copied().unwrap_or(ContentType::Json);
    let answered = match content_type {
        Ok(content_type) => {
            // A task of its own: a client that hangs up does not stop a landing half way, and a panic is a refusal.
            let app = Arc::clone(&app);
            let task = tokio::spawn(async move { accept(&app, signal, content_type, request).await });
            task.await.unwrap_or(Err(Refusal::Crashed))
        }
        Err(refusal) => Err(refusal),
    };
    match answered {
        Ok(partial) => reply(StatusCode::OK, reply_as, answer::success(signal, reply_as, partial)),
        Err(refusal) => {
            app.meters.refused(signal, &refusal);
            refuse(&refusal, reply_as)
        }
    }
}

/// The recipe. What it returns goes into the answer of a 200.
async fn accept(
    app: &Arc<App>,
    signal: Signal,
    content_type: ContentType,
    request: Request<Body>,
) -> Result<Option<PartialSuccess>, Refusal> {
    let (head, body) = request.into_parts();
    let encoding = encoding_of(&head.headers)?;
    let caller = authenticate(app, &head.headers).await?;
    app.quota.admit_request(&caller.project)?;
    let on_the_way = app.groups.announce();
    let (body, mut share) = body::read(&app.budget, &head.headers, body, app.settings.wire_bytes_max).await?;
    let settings = app.projects.settings(&caller.project).await.map_err(Refusal::Metadata)?;
    let arrived_at = app.clock.now();
    let checked = Checked {
        accepted: settings.accepted(signal.table(), arrived_at),
        project: caller.project.clone(),
        signal,
        content_type,
        encoding,
        arrived_at,
        body,
    };
    let decoded = prepare(app, checked).await?;
    share.grow_to(decoded.bytes)?;
    app.quota.admit_bytes(&caller.project, &settings, decoded.bytes as u64)?;
    let (rows, bytes) = (decoded.outcome.rows, decoded.bytes);
    let landed = match decoded.prepared {
        Some(prepared) => {
            let table = TableId::new(caller.project.clone(), signal.table());
            join(app, table, prepared, on_the_way).await.map_err(Refusal::Storage)?
        }
        None => Landed::Recorded,
    };
    app.meters.accepted(&caller.project, signal, landed, rows as u64, decoded.outcome.rejected, bytes as u64);
    Ok(partial_success(decoded.outcome))
}

/// What the client should know although its request was taken: rejected records, or warnings.
fn partial_success(outcome: rows::BodyOutcome) -> Option<PartialSuccess> {
    let mut said = Vec::new();
    if outcome.rejected > 0 {
        said.push(outcome.rejected_message);
    }
    if outcome.records_without_time > 0 {
        said.push(format!(
            "{} records have no time of their own; a retry of this request would store them again",
            outcome.records_without_time
        ));
    }
    said.extend(outcome.warnings);
    (!said.is_empty()).then(|| PartialSuccess { rejected: outcome.rejected, message: said.join("; ") })
}

async fn authenticate(app: &App, headers: &HeaderMap) -> Result<Caller, Refusal> {
    let secret = edge::key_of(headers).ok_or(Refusal::NoKey)?;
    let caller = app.keys.authenticate(secret).await.map_err(Refusal::Metadata)?.ok_or(Refusal::WrongKey)?;
    if caller.scopes.allows(Scope::Ingest) { Ok(caller) } else { Err(Refusal::MissingScope(Scope::Ingest)) }
}

fn content_type_of(headers: &HeaderMap) -> Result<ContentType, Refusal> {
    let sent = headers.get(CONTENT_TYPE).map(|v| v.to_str().unwrap_or("(not text)"));
    ContentType::parse(sent).map_err(|_| Refusal::UnsupportedMediaType(shortened(sent)))
}

fn encoding_of(headers: &HeaderMap) -> Result<Encoding, Refusal> {
    let sent = headers.get(CONTENT_ENCODING).map(|v| v.to_str().unwrap_or("(not text)"));
    Encoding::parse(sent).map_err(|_| Refusal::UnsupportedEncoding(shortened(sent)))
}

/// What a client sent, short enough to be said back.
fn shortened(sent: Option<&str>) -> String {
    sent.unwrap_or("(none)").chars().take(100).collect()
}

/// A refusal as a google.rpc.Status.
pub(crate) fn refuse(refusal: &Refusal, reply_as: ContentType) -> Response {
    match refusal.http_status() {
        StatusCode::SERVICE_UNAVAILABLE => {
            tracing::error!(reason = refusal.reason(), error = refusal as &dyn std::error::Error, "export refused");
        }
        _ => tracing::debug!(reason = refusal.reason(), error = %refusal, "export refused"),
    }
    let body = answer::status(reply_as, refusal.rpc_code(), &refusal.to_string());
    let mut response = reply(refusal.http_status(), reply_as, body);
    let headers = response.headers_mut();
    if let Some(seconds) = refusal.retry_after_s() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if refusal.http_status() == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

fn reply(status: StatusCode, reply_as: ContentType, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(reply_as.as_str()));
    response
}
