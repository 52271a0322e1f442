//! Connections: how many, and how long a head may take.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::Shared;
use super::answer::{Problem, raw};
use crate::counts::{NO_FEED, Refusal};
use crate::stop::Stop;

/// When who found no room is to come back.
pub(super) const BUSY_WAIT: Duration = Duration::from_secs(1);
/// Most connections beyond the bound that are still told why; further ones are closed at once.
const TOLD_MAX: usize = 32;
/// Headers of a request, in number and in bytes.
const HEADERS_MAX: usize = 64;
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// How long and how much is still read from a client that was answered before it had sent all, so
/// that it reads the answer instead of an error of its own sending.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How long a server without free file handles waits before it accepts again.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Takes connections until the work is to stop, and waits until the last one is answered.
pub(super) async fn accept(
    listener: TcpListener,
    shared: Arc<Shared>,
    router: Router,
    mut stop: Stop,
) {
    let room = Arc::new(Semaphore::new(shared.plan.connections_max));
    let told = Arc::new(Semaphore::new(TOLD_MAX));
    let mut connections = JoinSet::new();
    while let Some(accepted) = stop.or(listener.accept()).await {
        while connections.try_join_next().is_some() {}
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "A connection could not be accepted.");
                tokio::time::sleep(ACCEPT_AGAIN).await;
                continue;
            }
        };
        if let Ok(place) = Arc::clone(&room).try_acquire_owned() {
            let (shared, router, stop) = (Arc::clone(&shared), router.clone(), stop.clone());
            connections.spawn(async move {
                serve(stream, &shared, router, stop).await;
                drop(place);
            });
            continue;
        }
        let refusal = Refusal::TooManyConnections;
        shared.outlet.counters.refused(NO_FEED, refusal);
        if let Ok(place) = Arc::clone(&told).try_acquire_owned() {
            connections.spawn(async move {
                let text = raw(Problem::TooManyConnections, Some(BUSY_WAIT));
                close(stream, text.as_bytes()).await;
                drop(place);
            });
        }
    }
    drop(listener);
    connections.join_all().await;
}

type Answering = Pin<Box<dyn Future<Output = Result<Response, std::convert::Infallible>> + Send>>;

async fn serve(stream: TcpStream, shared: &Shared, router: Router, mut stop: Stop) {
    let service = TowerToHyperService::new(router);
    // Boxed, since a connection whose socket is wanted back must be movable.
    let service = service_fn(move |request: Request<Incoming>| -> Answering {
        Box::pin(service.call(request))
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(shared.plan.header_timeout)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut stopping = false;
    let ended = loop {
        tokio::select! {
            ended = poll_fn(|cx| connection.poll_without_shutdown(cx)) => break ended,
            () = stop.asked(), if !stopping => {
                stopping = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
        }
    };
    let slow = ended.as_ref().is_err_and(hyper::Error::is_timeout);
    let parts = connection.into_parts();
    // An idle connection that is closed owes no answer; half a head does.
    let text = if slow && !parts.read_buf.is_empty() {
        shared.outlet.counters.refused(NO_FEED, Refusal::SlowClient);
        raw(Problem::SlowClient, None)
    } else {
        String::new()
    };
    close(parts.io.into_inner(), text.as_bytes()).await;
}

/// Says the last words, then reads on for a moment: closing a socket that still has unread bytes
/// would throw away what was written to it.
async fn close(mut stream: TcpStream, last_words: &[u8]) {
    let closing = async {
        stream.write_all(last_words).await?;
        stream.shutdown().await?;
        let mut buffer = [0; 8 * 1024];
        let mut left = LINGER_BYTES_MAX;
        while left > 0 {
            match stream.read(&mut buffer).await? {
                0 => break,
                read => left = left.saturating_sub(read),
            }
        }
        Ok::<(), std::io::Error>(())
    };
    // The client may be gone already, which is what is wanted.
    drop(tokio::time::timeout(LINGER, closing).await);
}
