//! Feeds that are sent to us: `POST /feeds/NAME`, answered once Kafka has the bytes.

mod answer;
mod body;
mod bucket;
mod keys;
mod server;
mod store;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Request, header};
use axum::response::Response;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::counts::{NO_FEED, Refusal};
use crate::deliver::Outlet;
use crate::error::IngestError;
use crate::plan::{ReceiveFeedPlan, ReceivePlan};
use crate::secret::{Tokens, hash};
use crate::stop::stop;
use answer::{Answer, Problem};
use bucket::Bucket;
use keys::Keys;

/// How often the files of tokens are read again.
const TOKENS_EVERY: Duration = Duration::from_secs(2);
/// Longest `Idempotency-Key`, in bytes.
const KEY_BYTES_MAX: usize = 128;

/// An open port.
#[derive(Debug)]
pub struct Receiver {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// What all requests share.
#[derive(Debug)]
pub(crate) struct Shared {
    plan: ReceivePlan,
    outlet: Outlet,
    feeds: BTreeMap<String, Feed>,
    /// One permit a byte of bodies.
    budget: Arc<Semaphore>,
    /// Records on their way to Kafka, whether or not somebody still waits for them.
    stores: Mutex<JoinSet<()>>,
}

/// One feed of the server.
#[derive(Debug)]
struct Feed {
    plan: ReceiveFeedPlan,
    tokens: RwLock<Tokens>,
    bucket: Mutex<Bucket>,
    keys: Mutex<Keys>,
}

/// A lock whose holder panicked still guards plain data that is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Receiver {
    pub(crate) async fn bind(plan: &ReceivePlan, outlet: &Outlet) -> Result<Self, IngestError> {
        let unusable = |error| IngestError::Listen {
            address: plan.listen,
            error,
        };
        let listener = TcpListener::bind(plan.listen).await.map_err(unusable)?;
        let address = listener.local_addr().map_err(unusable)?;
        let feeds = plan.feeds.iter().map(|feed| {
            let state = Feed {
                plan: feed.clone(),
                tokens: RwLock::new(feed.tokens.clone()),
                bucket: Mutex::new(Bucket::new(feed.requests_per_second, feed.burst)),
                keys: Mutex::new(Keys::new(plan.keys_max, plan.keys_kept)),
            };
            (feed.target.feed.to_string(), state)
        });
        Ok(Self {
            listener,
            address,
            shared: Arc::new(Shared {
                feeds: feeds.collect(),
                budget: Arc::new(Semaphore::new(plan.bodies_bytes_max)),
                stores: Mutex::default(),
                plan: plan.clone(),
                outlet: outlet.clone(),
            }),
        })
    }

    /// Where it listens; with port 0 in `ingest.toml` the system chose one.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `shutdown` is over; then it takes no more requests and finishes those that it
    /// has.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let (stopper, stopping) = stop();
        let shared = self.shared;
        let router = router(&shared);
        let reload = tokio::spawn(reload_tokens(Arc::clone(&shared)));
        let accepting = server::accept(self.listener, Arc::clone(&shared), router, stopping);
        let mut accepting = Box::pin(accepting);
        tokio::select! {
            () = &mut accepting => {}
            () = shutdown => {
                stopper.stop();
                accepting.await;
            }
        }
        reload.abort();
        let stores = std::mem::take(&mut *lock(&shared.stores));
        stores.join_all().await;
    }
}

fn router(shared: &Arc<Shared>) -> Router {
    Router::new()
        .route("/feeds/{name}", post(post_feed))
        .route("/healthz", get(health))
        .fallback(not_here)
        .method_not_allowed_fallback(wrong_method)
        .with_state(Arc::clone(shared))
}

/// Reads the files of tokens again and again; one that is not right changes nothing.
async fn reload_tokens(shared: Arc<Shared>) {
    let mut told = BTreeMap::new();
    loop {
        tokio::time::sleep(TOKENS_EVERY).await;
        for (name, feed) in &shared.feeds {
            let path = feed.plan.token_file.clone();
            let Ok(read) = tokio::task::spawn_blocking(move || Tokens::read(&path)).await else {
                continue;
            };
            match read {
                Ok(tokens) => {
                    told.remove(name);
                    let mut known = feed.tokens.write().unwrap_or_else(PoisonError::into_inner);
                    if *known != tokens {
                        *known = tokens;
                        tracing::info!(feed = %name, "Tokens were read anew.");
                    }
                }
                Err(error) => {
                    if told.insert(name.clone(), error.clone()).as_ref() != Some(&error) {
                        tracing::warn!(feed = %name, %error, "Tokens stay as they were.");
                    }
                }
            }
        }
    }
}

async fn health() -> Response {
    answer::healthy()
}

async fn not_here(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    shared.outlet.counters.refused(NO_FEED, Refusal::NotHere);
    Answer::from(Problem::NotHere).in_language_of(&headers)
}

async fn wrong_method(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    shared.outlet.counters.refused(NO_FEED, Refusal::NotHere);
    Answer::from(Problem::WrongMethod).in_language_of(&headers)
}

async fn post_feed(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    request: Request<axum::body::Body>,
) -> Response {
    let (head, body) = request.into_parts();
    let feed = match authorize(&shared, &name, &head.headers) {
        Ok(feed) => feed,
        Err(problem) => return Answer::from(problem).in_language_of(&head.headers),
    };
    let answer = match handle(&shared, feed, &head.headers, body).await {
        Ok(answer) | Err(answer) => answer,
    };
    if let Some(refusal) = answer.refusal() {
        let name = &feed.plan.target.feed;
        shared.outlet.counters.refused(name, refusal);
    }
    answer.in_language_of(&head.headers)
}

/// The feed, if the request has a token for it.
///
/// Every token of every feed is compared, so that neither the answer nor its time tells somebody
/// without any token which feeds there are; and with a token only which one it opens.
fn authorize<'a>(shared: &'a Shared, name: &str, headers: &HeaderMap) -> Result<&'a Feed, Problem> {
    let given = headers.get(header::AUTHORIZATION);
    let token = given
        .map(axum::http::HeaderValue::as_bytes)
        .and_then(bearer);
    let hash = hash(token.unwrap_or_default());
    let mut opened = None;
    let mut known = false;
    for (feed_name, feed) in &shared.feeds {
        let tokens = feed.tokens.read().unwrap_or_else(PoisonError::into_inner);
        let opens = tokens.opens(&hash);
        known |= opens;
        if opens && feed_name == name {
            opened = Some(feed);
        }
    }
    let (refusal, problem) = match (opened, known) {
        (Some(feed), _) => return Ok(feed),
        (None, true) => (Refusal::UnknownFeed, Problem::UnknownFeed),
        (None, false) => (Refusal::Unauthorized, Problem::Unauthorized),
    };
    shared.outlet.counters.refused(NO_FEED, refusal);
    Err(problem)
}

/// The token of `Bearer TOKEN` (RFC 6750, section 2.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| token.trim_ascii())
}

/// Reads the body, stores it and says where, for who may send to `feed`.
async fn handle(
    shared: &Arc<Shared>,
    feed: &Feed,
    headers: &HeaderMap,
    body: axum::body::Body,
) -> Result<Answer, Answer> {
    let taken = lock(&feed.bucket).take(tokio::time::Instant::now());
    if let Err(wait) = taken {
        return Err(Answer::retry_after(Problem::TooManyRequests, wait));
    }
    let key = idempotency_key(headers)?;
    let body = body::read(shared, feed, headers, body).await?;
    store::store(shared, feed, key, body).await
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Answer> {
    let mut keys = headers.get_all("idempotency-key").iter();
    let Some(key) = keys.next() else {
        return Ok(None);
    };
    let text = key.to_str().map(str::trim).unwrap_or_default();
    if text.is_empty() || text.len() > KEY_BYTES_MAX || keys.next().is_some() {
        return Err(Problem::BadKey.into());
    }
    Ok(Some(text.to_owned()))
}
