//! HTTP for programs on the same machine: a port on loopback with a few fixed answers, for commands
//! that want to be scraped, asked and told.
//!
//! There is no login, so nothing but loopback is listened at.

use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::routing::{MethodRouter, get, post};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::sync::Semaphore;

use crate::error::IngestError;

/// Connections at a time; further ones wait.
const CONNECTIONS_MAX: usize = 16;
/// How long the head of a request may take.
const HEAD_WITHIN: Duration = Duration::from_secs(5);
/// How long one connection may last.
const CONNECTION_WITHIN: Duration = Duration::from_mins(1);
/// How long it waits after a connection that could not be accepted.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// Bytes of a body at most; 413 beyond.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalAnswer {
    /// The status; what is none becomes 500.
    pub status: u16,
    /// The media type.
    pub kind: &'static str,
    /// The body.
    pub body: String,
}

impl LocalAnswer {
    /// An answer in JSON.
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self {
            status,
            kind: "application/json",
            body: format!("{body}\n"),
        }
    }
}

/// An answer that is being made.
pub type Answering = Pin<Box<dyn Future<Output = LocalAnswer> + Send>>;

/// A port on loopback, before it listens.
///
/// ```
/// use tidegate_ingest::{LocalAnswer, LocalServer};
///
/// let server = LocalServer::new("example").get("/hello", || {
///     Box::pin(async { LocalAnswer::json(200, &serde_json::json!("hello")) })
/// });
/// let address = server.serve("127.0.0.1:0".parse().unwrap()).unwrap();
/// assert_ne!(address.port(), 0);
/// # let elsewhere = LocalServer::new("example").serve("0.0.0.0:0".parse().unwrap());
/// # assert!(elsewhere.is_err());
/// ```
#[derive(Debug)]
pub struct LocalServer {
    name: &'static str,
    router: Router,
}

impl LocalServer {
    /// One that answers 404 to everything; its thread has this name.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            router: Router::new(),
        }
    }

    /// Answers `GET path`.
    #[must_use]
    pub fn get(self, path: &str, answer: impl Fn() -> Answering + Send + Sync + 'static) -> Self {
        let answer = Arc::new(answer);
        let asked = move || {
            let answer = Arc::clone(&answer);
            async move { response(answer().await) }
        };
        self.route(path, get(asked))
    }

    /// Answers `POST path`, given the body, of at most 1 MiB.
    #[must_use]
    pub fn post(
        self,
        path: &str,
        answer: impl Fn(Vec<u8>) -> Answering + Send + Sync + 'static,
    ) -> Self {
        let answer = Arc::new(answer);
        let asked = move |body: Bytes| {
            let answer = Arc::clone(&answer);
            async move { response(answer(body.to_vec()).await) }
        };
        self.route(path, post(asked))
    }

    fn route(self, path: &str, method: MethodRouter) -> Self {
        Self {
            router: self.router.route(path, method),
            ..self
        }
    }

    /// Listens from now on, on a thread of its own, so that it answers while others work; it is over
    /// with the process. Gives the address, in which a port of 0 has become a free one.
    ///
    /// # Errors
    /// [`IngestError::Loopback`] when the address is not on loopback or cannot be listened at.
    pub fn serve(self, address: SocketAddr) -> Result<SocketAddr, IngestError> {
        let unusable = |error: std::io::Error| IngestError::Loopback {
            address,
            detail: error.to_string(),
        };
        if !address.ip().is_loopback() {
            return Err(IngestError::Loopback {
                address,
                detail: "it is not on loopback, and there is no login: put a proxy that has one \
                         before it"
                    .to_owned(),
            });
        }
        let listener = TcpListener::bind(address).map_err(unusable)?;
        listener.set_nonblocking(true).map_err(unusable)?;
        let address = listener.local_addr().map_err(unusable)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(unusable)?;
        let router = self.router.layer(DefaultBodyLimit::max(BODY_BYTES_MAX));
        std::thread::Builder::new()
            .name(self.name.to_owned())
            .spawn(move || runtime.block_on(accept(listener, router)))
            .map_err(unusable)?;
        tracing::info!(name = self.name, %address, "A port on loopback listens.");
        Ok(address)
    }
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

fn response(answer: LocalAnswer) -> Response<Body> {
    let mut response = Response::new(Body::from(answer.body));
    let status = StatusCode::from_u16(answer.status);
    *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let kind = HeaderValue::from_static(answer.kind);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    //! Tries to reach more than what is served, and to hold the port up.

    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;

    use super::*;

    fn server() -> SocketAddr {
        let server = LocalServer::new("test")
            .get("/a", || {
                Box::pin(async { LocalAnswer::json(200, &"got".into()) })
            })
            .post("/b", |body| {
                Box::pin(async move { LocalAnswer::json(202, &body.len().into()) })
            });
        server.serve("127.0.0.1:0".parse().unwrap()).unwrap()
    }

    fn ask(to: SocketAddr, head: &str, body: &[u8]) -> String {
        let mut stream = TcpStream::connect(to).unwrap();
        let head = format!(
            "{head} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        // It may answer, and close, before it has all.
        stream.write_all(body).ok();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok();
        answer
    }

    #[test]
    fn only_what_is_served_is_answered() {
        let to = server();
        for (head, body, status, text) in [
            ("GET /a", &b""[..], "200", "\"got\"\n"),
            ("POST /b", b"1234", "202", "4\n"),
            ("GET /b", b"", "405", ""),
            ("GET /c", b"", "404", ""),
        ] {
            let answer = ask(to, head, body);
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status}")),
                "{answer}"
            );
            assert!(answer.ends_with(text), "{answer}");
        }
        let large = ask(to, "POST /b", &vec![b'x'; BODY_BYTES_MAX + 1]);
        assert!(
            large.is_empty() || large.starts_with("HTTP/1.1 413"),
            "{large}"
        );
    }

    #[test]
    fn silent_connections_do_not_hold_it_up() {
        let to = server();
        let silent: Vec<TcpStream> = (0..CONNECTIONS_MAX)
            .map(|_| TcpStream::connect(to).unwrap())
            .collect();
        // They are given up when no head comes.
        assert!(ask(to, "GET /a", b"").starts_with("HTTP/1.1 200"));
        drop(silent);
    }
}
