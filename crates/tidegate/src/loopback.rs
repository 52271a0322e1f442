//! HTTP for programs on the same machine.
//!
//! There is no login, so nothing but loopback is listened at. A server has a thread of its own, so
//! that it answers while others work, and is over with the process.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde_json::Value;
use tokio::sync::Semaphore;

/// Connections at a time; further ones wait.
const CONNECTIONS_MAX: usize = 16;
/// How long the head of a request may take.
const HEAD_WITHIN: Duration = Duration::from_secs(5);
/// How long one connection may last.
const CONNECTION_WITHIN: Duration = Duration::from_mins(1);
/// How long it waits after a connection that could not be accepted.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Listens at `address` from now on; a port of 0 becomes a free one, which the log tells.
pub(crate) fn serve(address: SocketAddr, name: &'static str, router: Router) -> Result<()> {
    ensure!(
        address.ip().is_loopback(),
        "{address} is not on loopback, and there is no login"
    );
    let unusable = || format!("nothing can listen at {address}");
    let listener = TcpListener::bind(address).with_context(unusable)?;
    listener.set_nonblocking(true).with_context(unusable)?;
    let address = listener.local_addr().with_context(unusable)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .with_context(unusable)?;
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || runtime.block_on(accept(listener, router)))
        .with_context(unusable)?;
    tracing::info!(name, %address, "A port on loopback listens.");
    Ok(())
}

async fn accept(listener: TcpListener, router: Router) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "A port on loopback does not listen.");
            return;
        }
    };
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    while let Ok(place) = Arc::clone(&room).acquire_owned().await {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "A connection could not be accepted.");
                tokio::time::sleep(ACCEPT_AGAIN).await;
                continue;
            }
        };
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_WITHIN)
                .serve_connection(TokioIo::new(stream), service);
            // A client that breaks off or dawdles is no matter of ours.
            let outcome = tokio::time::timeout(CONNECTION_WITHIN, connection).await;
            tracing::debug!(?outcome, "A connection on loopback is over.");
            drop(place);
        });
    }
}

/// An answer in JSON.
pub(crate) fn answer(status: StatusCode, body: &Value) -> Response<Body> {
    respond(status, "application/json", format!("{body}\n"))
}

/// An answer of this media type.
pub(crate) fn respond(status: StatusCode, kind: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
