//! An HTTP server that answers as a test says.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{Request, Response};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// What a server does with a request.
pub(crate) enum Reply {
    Answer(Response<Body>),
    /// Nothing, for ever.
    Silence,
}

/// An answer of this status with these headers and this body.
pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Body>) -> Reply {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    Reply::Answer(response.body(body.into()).unwrap())
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) target: String,
    pub(crate) headers: axum::http::HeaderMap,
    pub(crate) at: Instant,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// A server on a free port of loopback, until dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// Answers the request of this number, from 0, and target.
    pub(crate) async fn start(
        reply: impl Fn(usize, &str) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let reply = Arc::new(reply);
        let mut tasks = JoinSet::new();
        let log = Arc::clone(&seen);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (reply, log) = (Arc::clone(&reply), Arc::clone(&log));
                let service = service_fn(move |request: Request<Incoming>| {
                    let reply = note(&log, &request, &*reply);
                    async move {
                        match reply {
                            Reply::Answer(response) => Ok::<_, std::convert::Infallible>(response),
                            Reply::Silence => std::future::pending().await,
                        }
                    }
                });
                connections.spawn(async move {
                    let connection = http1::Builder::new();
                    drop(
                        connection
                            .serve_connection(TokioIo::new(stream), service)
                            .await,
                    );
                });
            }
        });
        Self {
            address,
            seen,
            _tasks: tasks,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

fn note(
    log: &Mutex<Vec<Seen>>,
    request: &Request<Incoming>,
    reply: &dyn Fn(usize, &str) -> Reply,
) -> Reply {
    let target = request.uri().to_string();
    let mut log = log.lock().unwrap();
    let reply = reply(log.len(), &target);
    log.push(Seen {
        target,
        headers: request.headers().clone(),
        at: Instant::now(),
    });
    reply
}

/// A body that goes on for ever, or one that stops without an end.
pub(crate) struct Unending {
    pub(crate) piece: Bytes,
    pub(crate) pieces: usize,
}

impl HttpBody for Unending {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Some(left) = self.pieces.checked_sub(1) else {
            return Poll::Pending;
        };
        self.pieces = left;
        Poll::Ready(Some(Ok(Frame::data(self.piece.clone()))))
    }
}
