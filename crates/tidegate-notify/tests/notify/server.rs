//! An HTTP/1.1 server that records what it gets and answers as a test says, byte by byte where it
//! must.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// What a server does with a request.
pub(crate) enum Reply {
    /// This text, and the connection stays.
    Text(String),
    /// This text, after which nothing comes.
    Stall(String),
    /// Headers and a body of so many bytes.
    Flood(usize),
    /// An answer after a time.
    Late(Duration, String),
    /// The connection is closed.
    Close,
}

/// An answer of this status with these header lines and this body.
pub(crate) fn answer(status: u16, headers: &str, body: &str) -> Reply {
    Reply::Text(text(status, headers, body))
}

pub(crate) fn text(status: u16, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} Status\r\n{headers}content-length: {length}\r\n\r\n{body}")
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// When its first byte came.
    pub(crate) at: Instant,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

type Replying = dyn Fn(usize, &Seen) -> Reply + Send + Sync;

/// A server on a free port of loopback, until dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// Answers the request of this number, from 0.
    pub(crate) async fn start(
        reply: impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::serve(None, Arc::new(reply)).await
    }

    /// The same by TLS.
    pub(crate) async fn start_tls(
        (certificate, key): (rcgen::Certificate, rcgen::KeyPair),
        reply: impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        Self::serve(Some(TlsAcceptor::from(Arc::new(config))), Arc::new(reply)).await
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
                let (log, reply, tls) = (Arc::clone(&log), Arc::clone(&reply), tls.clone());
                connections.spawn(async move {
                    match tls {
                        None => drop(talk(stream, &log, &*reply).await),
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                drop(talk(stream, &log, &*reply).await);
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

async fn talk(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    log: &Mutex<Vec<Seen>>,
    reply: &Replying,
) -> std::io::Result<()> {
    while let Some(seen) = read(&mut stream).await? {
        let reply = {
            let mut log = log.lock().unwrap();
            let reply = reply(log.len(), &seen);
            log.push(seen);
            reply
        };
        match reply {
            Reply::Text(text) => stream.write_all(text.as_bytes()).await?,
            Reply::Late(wait, text) => {
                tokio::time::sleep(wait).await;
                stream.write_all(text.as_bytes()).await?;
            }
            Reply::Stall(text) => {
                stream.write_all(text.as_bytes()).await?;
                stream.flush().await?;
                std::future::pending::<()>().await;
            }
            Reply::Flood(bytes) => {
                let head = format!("HTTP/1.1 400 Bad\r\ncontent-length: {bytes}\r\n\r\n");
                stream.write_all(head.as_bytes()).await?;
                let piece = vec![b'x'; 64 * 1024];
                for _ in 0..bytes / piece.len() {
                    stream.write_all(&piece).await?;
                }
            }
            Reply::Close => return Ok(()),
        }
        stream.flush().await?;
    }
    Ok(())
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Option<Seen>> {
    let mut bytes = Vec::new();
    let mut at = None;
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
        at.get_or_insert_with(Instant::now);
    };
    let text = String::from_utf8(bytes[..head].to_vec()).unwrap();
    let mut lines = text.split("\r\n");
    let target = lines.next().unwrap().split(' ').nth(1).unwrap().to_owned();
    let headers: Vec<(String, String)> = lines
        .map(|line| line.split_once(':').unwrap())
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length: usize = length.map_or(0, |(_, value)| value.parse().unwrap());
    let mut body = bytes.split_off(head + 4);
    while body.len() < length {
        if stream.read_buf(&mut body).await? == 0 {
            return Ok(None);
        }
    }
    Ok(Some(Seen {
        target,
        headers,
        body,
        at: at.unwrap_or_else(Instant::now),
    }))
}
