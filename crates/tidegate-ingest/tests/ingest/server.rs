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
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::certificates::Authority;

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
        Self::serve(None, Arc::new(reply)).await
    }

    /// The same by TLS, with a certificate of this authority.
    pub(crate) async fn start_tls(
        authority: &Authority,
        reply: impl Fn(usize, &str) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let (certificate, key) = authority.loopback();
        let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Self::serve(Some(acceptor), Arc::new(reply)).await
    }

    async fn serve(tls: Option<TlsAcceptor>, reply: Arc<Replying>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = JoinSet::new();
        let log = Arc::clone(&seen);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (log, reply) = (Arc::clone(&log), Arc::clone(&reply));
                let tls = tls.clone();
                connections.spawn(async move {
                    match tls {
                        None => talk(stream, log, reply).await,
                        // A client that does not trust us goes away.
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                talk(stream, log, reply).await;
                            }
                        }
                    }
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

/// Decides what a server does with a request.
type Replying = dyn Fn(usize, &str) -> Reply + Send + Sync;

async fn talk(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    log: Arc<Mutex<Vec<Seen>>>,
    reply: Arc<Replying>,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let reply = note(&log, &request, &*reply);
        async move {
            match reply {
                Reply::Answer(response) => Ok::<_, std::convert::Infallible>(response),
                Reply::Silence => std::future::pending().await,
            }
        }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // The client may go away before it has read all.
    drop(connection.await);
}

fn note(log: &Mutex<Vec<Seen>>, request: &Request<Incoming>, reply: &Replying) -> Reply {
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
