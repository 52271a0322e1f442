//! One HTTP POST: no redirect, no proxy that was not named, no address inside, no body beyond its
//! limit, no secret in a message.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url};

use crate::deliver::{Outcome, Tried};
use crate::form::Request;
use crate::guard::{self, Allowed, Guarded, GuardedResolver, Lookup};
use crate::retry::retry_after;

/// A host that does not take a connection by then will not.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Most of an answer's body that is read.
pub(crate) const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// An answer that says yes is yes, however slow its body is.
const BODY_WITHIN: Duration = Duration::from_secs(1);
/// Most of an answer's body that a message shows, in characters.
const SHOWN_CHARS_MAX: usize = 200;

/// How a channel's requests are made.
#[derive(Debug, Clone)]
pub struct NetworkPlan {
    /// The most that a try may take.
    pub timeout: Duration,
    /// What may be reached inside.
    pub allowed: Allowed,
    /// Certificates of authorities beside the system's.
    pub authorities: Vec<reqwest::Certificate>,
    /// The same as they are written (PEM).
    pub authorities_pem: Option<Vec<u8>>,
    /// The proxy.
    pub proxy: Option<Url>,
}

/// Posts requests to one host.
#[derive(Debug, Clone)]
pub struct Poster {
    /// For hosts of the public internet.
    guarded: Client,
    /// For those that were named, if any were.
    open: Option<Client>,
    allowed: Allowed,
}

/// What an answer is worth whose body says more than its status: both, in this order.
pub type JudgeBody = fn(u16, &[u8]) -> Outcome;

impl Poster {
    /// Sets connections up.
    ///
    /// # Errors
    /// What is wrong with the plan.
    pub fn new(plan: &NetworkPlan) -> Result<Self, String> {
        Self::with_lookup(plan, Lookup::System)
    }

    pub(crate) fn with_lookup(plan: &NetworkPlan, lookup: Lookup) -> Result<Self, String> {
        // A proxy looks names up itself, and only its own name is asked for here.
        let guarded = if plan.proxy.is_some() {
            Guarded::No
        } else {
            Guarded::Yes
        };
        let named = (plan.allowed != Allowed::default())
            .then(|| client(plan, GuardedResolver::new(lookup.clone(), Guarded::No)));
        Ok(Self {
            guarded: client(plan, GuardedResolver::new(lookup, guarded))?,
            open: named.transpose()?,
            allowed: plan.allowed.clone(),
        })
    }

    /// Posts once. `judge` looks at the body of an answer that says yes, and of one that says no, in
    /// which it may find that a later try is of use; without it yes is yes and no is no.
    pub async fn post(
        &self,
        url: &Url,
        request: Request,
        judge: Option<JudgeBody>,
        now: Timestamp,
    ) -> Tried {
        if let Err(why) = guard::judge(url, &self.allowed) {
            return Outcome::refused(why).into();
        }
        let headers = match headers(&request) {
            Ok(headers) => headers,
            Err(why) => return Outcome::refused(why).into(),
        };
        let named = self.open.as_ref().filter(|_| self.allowed.has_url(url));
        let client = named.unwrap_or(&self.guarded);
        let sent = client
            .post(url.clone())
            .headers(headers)
            .body(request.body)
            .send()
            .await;
        match sent {
            Ok(response) => judged(response, judge, now).await,
            Err(error) => Outcome::retry(failure(url, error)).into(),
        }
    }
}

fn client(plan: &NetworkPlan, resolver: GuardedResolver) -> Result<Client, String> {
    let told = |error: reqwest::Error| chain(&error.without_url());
    let mut builder = Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .timeout(plan.timeout)
        .connect_timeout(CONNECT_WITHIN.min(plan.timeout))
        .pool_idle_timeout(Duration::from_mins(1))
        .dns_resolver(Arc::new(resolver))
        .user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")));
    for authority in &plan.authorities {
        builder = builder.add_root_certificate(authority.clone());
    }
    if let Some(proxy) = &plan.proxy {
        builder = builder.proxy(reqwest::Proxy::all(proxy.clone()).map_err(told)?);
    }
    builder.build().map_err(told)
}

fn headers(request: &Request) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(request.content_type));
    for (name, value) in &request.headers {
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| format!("{name:?} is no name of a header"))?;
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| format!("the value of the header {name} does not fit a header"))?;
        value.set_sensitive(name == reqwest::header::AUTHORIZATION);
        headers.insert(name, value);
    }
    Ok(headers)
}

async fn judged(mut response: Response, judge: Option<JudgeBody>, now: Timestamp) -> Tried {
    let status = response.status();
    let outcome = if status.is_success() {
        match judge {
            None => {
                // Read, so that the connection can serve the next one; what it says is nothing.
                drop(tokio::time::timeout(BODY_WITHIN, body(&mut response)).await);
                Outcome::Delivered
            }
            Some(judge) => match body(&mut response).await {
                Ok(body) => judge(status.as_u16(), &body),
                Err(why) => Outcome::retry(why),
            },
        }
    } else {
        failed(&mut response, judge, now).await
    };
    Tried {
        outcome,
        status: Some(status.as_u16()),
    }
}

async fn failed(response: &mut Response, judge: Option<JudgeBody>, now: Timestamp) -> Outcome {
    let status = response.status();
    if status.is_redirection() {
        let to = response
            .headers()
            .get(LOCATION)
            .and_then(|to| to.to_str().ok());
        let to = to.and_then(|to| response.url().join(to).ok());
        let to = to.map_or(String::new(), |to| format!(" to {}", shown(&to)));
        return Outcome::retry(format!(
            "the answer is {status}{to}; redirects are not followed, correct the url"
        ));
    }
    let after = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok());
    let after = after.and_then(|text| retry_after(text, now));
    // A server that refuses and then stalls has refused.
    let said = tokio::time::timeout(BODY_WITHIN, body(response)).await;
    let body = said.unwrap_or_else(|_| Ok(Vec::new())).unwrap_or_default();
    if let Some(Outcome::Retry { why, .. }) = judge.map(|judge| judge(status.as_u16(), &body)) {
        return Outcome::Retry { after, why };
    }
    let said = excerpt(&body);
    let why = match said.as_str() {
        "" => format!("the answer is {status}"),
        said => format!("the answer is {status}: {said}"),
    };
    match status {
        StatusCode::GONE => Outcome::Gone { why },
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            Outcome::Retry { after, why }
        }
        status if status.is_client_error() => Outcome::Refused { why },
        _ => Outcome::Retry { after, why },
    }
}

/// At most [`ANSWER_BYTES_MAX`] of a body.
async fn body(response: &mut Response) -> Result<Vec<u8>, String> {
    let mut all = Vec::new();
    while all.len() < ANSWER_BYTES_MAX {
        match response.chunk().await {
            Ok(Some(piece)) => {
                let room = ANSWER_BYTES_MAX - all.len();
                all.extend_from_slice(&piece[..piece.len().min(room)]);
            }
            Ok(None) => break,
            Err(error) => return Err(chain(&error.without_url())),
        }
    }
    Ok(all)
}

/// The beginning of a body on one line, without control characters.
pub(crate) fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let line = words
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    line.chars().take(SHOWN_CHARS_MAX).collect()
}

/// A URL without what may be secret.
pub(crate) fn shown(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map_or(String::new(), |port| format!(":{port}"));
    format!("{}://{host}{port}", url.scheme())
}

/// Why there is no answer, without the URL: it may hold a secret.
fn failure(url: &Url, error: reqwest::Error) -> String {
    let timed_out = error.is_timeout();
    let connecting = error.is_connect();
    let detail = chain(&error.without_url());
    let host = shown(url);
    if detail.contains("invalid peer certificate") {
        return format!(
            "the certificate of {host} does not hold ({detail}); check the name and the date, or \
             name its authority in ca_file"
        );
    }
    match (timed_out, connecting) {
        (true, true) => format!("{host} took no connection in time"),
        (true, false) => format!("{host} gave no answer in time"),
        (false, _) => format!("{host}: {detail}"),
    }
}

/// An error with its causes.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
