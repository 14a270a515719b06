//! One OTLP export: check, read, decode, land, answer.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use meta::keys::Caller;
use model::safeguard::carried;
use model::{ProjectId, Scope, Signal, TableId};
use otlp::answer::{self, PartialSuccess};
use otlp::{ContentType, Encoding};
use tracing::Instrument;

use crate::body;
use crate::group::join;
use crate::land::Landed;
use crate::prepare::{Checked, prepare, room_factor};
use crate::{App, Refusal, SmallRequests};

/// Answers an export request in the encoding it came in, refusals too.
pub(crate) async fn export(app: Arc<App>, signal: Signal, request: Request<Body>) -> Response {
    let content_type = content_type_of(request.headers());
    let reply_as = content_type.as_ref().copied().unwrap_or(ContentType::Json);
    let answered = match content_type {
        Ok(content_type) => {
            // A task of its own: a client that hangs up does not stop a landing half way, and a panic is a refusal.
            let app = Arc::clone(&app);
            let work = async move { accept(&app, signal, content_type, request).await };
            let task = tokio::spawn(carried(work).in_current_span());
            task.await.unwrap_or(Err((None, Refusal::Crashed)))
        }
        Err(refusal) => Err((None, refusal)),
    };
    match answered {
        Ok(partial) => reply(StatusCode::OK, reply_as, answer::success(signal, reply_as, partial)),
        Err((project, refusal)) => {
            app.meters.refused(project.as_ref(), signal, &refusal);
            refuse(&refusal, reply_as)
        }
    }
}

/// What goes into the answer of a 200; or why not, and whose request it was, if that is known.
async fn accept(
    app: &Arc<App>,
    signal: Signal,
    content_type: ContentType,
    request: Request<Body>,
) -> Result<Option<PartialSuccess>, (Option<ProjectId>, Refusal)> {
    let (head, body) = request.into_parts();
    let caller = authenticate(app, &head.headers).await.map_err(|refusal| (None, refusal))?;
    let received = receive(app, signal, content_type, &caller, &head.headers, body).await;
    received.map_err(|refusal| (Some(caller.project), refusal))
}

/// The recipe.
async fn receive(
    app: &Arc<App>,
    signal: Signal,
    content_type: ContentType,
    caller: &Caller,
    headers: &HeaderMap,
    body: Body,
) -> Result<Option<PartialSuccess>, Refusal> {
    let encoding = encoding_of(headers)?;
    app.quota.admit_request(&caller.project)?;
    let on_the_way = app.groups.announce();
    let factor = room_factor(encoding);
    let (body, share) = body::read(&app.budget, headers, body, app.settings.wire_bytes_max, factor).await?;
    let settings = app.projects.settings(&caller.project).await.map_err(Refusal::Metadata)?;
    let (arrived_at, arrived) = (app.clock.now(), app.clock.uptime());
    let checked = Checked {
        accepted: settings.accepted(signal.table(), arrived_at),
        project: caller.project.clone(),
        signal,
        content_type,
        encoding,
        arrived_at,
        arrived,
        body,
    };
    let (decoded, share) = prepare(app, checked, share).await?;
    app.quota.admit_bytes(&caller.project, &settings, decoded.bytes as u64)?;
    let (rows, bytes) = (decoded.outcome.rows, decoded.bytes);
    let landed = match decoded.prepared {
        Some(prepared) => {
            let table = TableId::new(caller.project.clone(), signal.table());
            join(app, table, prepared, share, on_the_way).await?
        }
        None => Landed::Recorded,
    };
    app.meters.accepted(&caller.project, signal, landed, rows as u64, decoded.outcome.rejected, bytes as u64);
    let advice = match app.settings.small_requests {
        SmallRequests::Told => app.advice.after(&caller.project, bytes as u64, arrived),
        SmallRequests::Fine => None,
    };
    Ok(partial_success(decoded.outcome, advice))
}

/// What the client should know although its request was taken: rejected records, or warnings.
fn partial_success(outcome: rows::BodyOutcome, advice: Option<String>) -> Option<PartialSuccess> {
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
    said.extend(advice);
    (!said.is_empty()).then(|| PartialSuccess { rejected: outcome.rejected, message: said.join("; ") })
}

async fn authenticate(app: &App, headers: &HeaderMap) -> Result<Caller, Refusal> {
    let secret = edge::sent_key(headers).map_err(Refusal::Key)?;
    let caller = app.keys.authenticate(secret).await.map_err(Refusal::Metadata)?.ok_or(Refusal::WrongKey)?;
    if caller.scopes.allows(Scope::Ingest) { Ok(caller) } else { Err(Refusal::MissingScope(Scope::Ingest)) }
}

fn content_type_of(headers: &HeaderMap) -> Result<ContentType, Refusal> {
    let sent = headers.get(CONTENT_TYPE).map(|v| v.to_str().unwrap_or("(not text)"));
    ContentType::parse(sent).map_err(|_| Refusal::UnsupportedMediaType(shortened(sent)))
}

fn encoding_of(headers: &HeaderMap) -> Result<Encoding, Refusal> {
    // Encodings one over the other are not taken, in one header or in several.
    let sent: Vec<&str> =
        headers.get_all(CONTENT_ENCODING).iter().map(|v| v.to_str().unwrap_or("(not text)")).collect();
    let sent = (!sent.is_empty()).then(|| sent.join(", "));
    Encoding::parse(sent.as_deref()).map_err(|_| Refusal::UnsupportedEncoding(shortened(sent.as_deref())))
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
