//! Answering HTTP/1.1 on a port: a bounded number of connections, none of which may sit there saying nothing.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use boot::CancellationToken;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tower::ServiceExt;

/// A connection on which no whole request head arrives for so long is closed; exporters open it anew.
const HEAD_WITHIN: Duration = Duration::from_secs(30);
/// How long to wait when the process has no descriptor left for a connection.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Answers until told to stop; returns when the last request under way is answered.
pub(crate) async fn serve(port: TcpListener, router: Router, stop: CancellationToken, connections_max: usize) {
    let places = Arc::new(Semaphore::new(connections_max));
    let mut connections = JoinSet::new();
    loop {
        // Further connections wait in the kernel's queue for a place.
        let place = Arc::clone(&places).acquire_owned();
        tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&port, place) => {
                if let Some((stream, place)) = accepted {
                    connections.spawn(converse(stream, router.clone(), stop.clone(), place));
                }
            }
        }
        while connections.try_join_next().is_some() {}
    }
    drop(port);
    while connections.join_next().await.is_some() {}
}

async fn accept(
    port: &TcpListener,
    place: impl Future<Output = Result<OwnedSemaphorePermit, tokio::sync::AcquireError>>,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let place = place.await.ok()?;
    match port.accept().await {
        Ok((stream, _)) => Some((stream, place)),
        Err(error) => {
            tracing::warn!(%error, "a connection was not accepted");
            tokio::time::sleep(ACCEPT_AGAIN).await;
            None
        }
    }
}

/// One connection, until it ends; on a stop, until the request under way is answered.
async fn converse(stream: TcpStream, router: Router, stop: CancellationToken, _place: OwnedSemaphorePermit) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection is gone already");
    }
    let service = router.map_request(|request: http::Request<Incoming>| request.map(Body::new));
    let service = TowerToHyperService::new(service.map_err(|never: Infallible| never));
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}
