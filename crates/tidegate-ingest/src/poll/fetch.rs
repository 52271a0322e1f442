//! One fetch: redirects by hand, since a secret must not follow them to another host.

use std::collections::BTreeSet;
use std::error::Error;
use std::time::{Duration, SystemTime};

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use reqwest::{Client, Proxy, Response, Url};

use super::Memory;
use super::body::{BodyFault, BodyReader, judge, too_large};
use crate::counts::{Refusal, Trouble};
use crate::error::IngestError;
use crate::plan::{PollPlan, ProxyPlan, Unchanged};

/// A host that does not take a connection by then will not.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// What a fetch brought.
pub(super) enum Fetched {
    /// The server says that nothing changed.
    NotModified,
    /// A body, and what to remember once it is stored.
    Body {
        /// All of it.
        bytes: Vec<u8>,
        /// Without the hash.
        memory: Memory,
    },
    /// Something that is not to be stored.
    Refused {
        /// Why.
        refusal: Refusal,
        /// In words.
        detail: String,
    },
}

/// Why a fetch brought nothing.
pub(super) struct Failure {
    pub(super) trouble: Trouble,
    pub(super) detail: String,
    pub(super) retry_after: Option<Duration>,
}

impl Failure {
    fn new(trouble: Trouble, detail: impl Into<String>) -> Self {
        Self {
            trouble,
            detail: detail.into(),
            retry_after: None,
        }
    }
}

/// Fetches one URL.
pub(super) struct Fetcher {
    plan: PollPlan,
    client: Client,
}

impl Fetcher {
    pub(super) fn new(plan: PollPlan) -> Result<Self, IngestError> {
        let setup = |error: reqwest::Error| IngestError::Setup {
            feed: plan.target.feed.to_string(),
            detail: chain(&error.without_url()),
        };
        let mut builder = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_WITHIN.min(plan.timeout))
            .user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")));
        for authority in &plan.authorities {
            builder = builder.add_root_certificate(authority.clone());
        }
        builder = match &plan.proxy {
            ProxyPlan::Environment => builder,
            ProxyPlan::Direct => builder.no_proxy(),
            ProxyPlan::Url(url) => builder
                .no_proxy()
                .proxy(Proxy::all(url.clone()).map_err(setup)?),
        };
        let client = builder.build().map_err(setup)?;
        Ok(Self { plan, client })
    }

    pub(super) fn plan(&self) -> &PollPlan {
        &self.plan
    }

    /// The URL without its query, which may hold a secret.
    pub(super) fn shown_url(&self) -> String {
        shown(&self.plan.url)
    }

    /// Fetches once, within `timeout` in all.
    pub(super) async fn fetch(&self, memory: &Memory) -> Result<Fetched, Failure> {
        let within = self.plan.timeout;
        if let Ok(fetched) = tokio::time::timeout(within, self.follow(memory)).await {
            fetched
        } else {
            let detail = format!("it took longer than {} s", within.as_secs_f64());
            Err(Failure::new(Trouble::Timeout, detail))
        }
    }

    /// Asks, and asks where it is sent, until there is an answer.
    async fn follow(&self, memory: &Memory) -> Result<Fetched, Failure> {
        let secrets = self.secret_headers()?;
        let mut url = self.full_url()?;
        let mut trusted = true;
        let mut seen = BTreeSet::from([url.to_string()]);
        loop {
            let mut headers = self.headers(memory);
            // Once it was sent elsewhere, whoever sends it back chooses what is asked for.
            trusted &= url.origin() == self.plan.url.origin();
            if trusted {
                headers.extend(secrets.clone());
            }
            let request = self.client.get(url.clone()).headers(headers);
            let response = request.send().await.map_err(failure)?;
            if !is_redirect(response.status()) {
                return self.take(response).await;
            }
            let next = redirected(&url, &response)?;
            if !seen.insert(next.to_string()) {
                let detail = format!("{} redirects in a circle", shown(&next));
                return Err(Failure::new(Trouble::RedirectLoop, detail));
            }
            if seen.len() > self.plan.redirects_max + 1 {
                let detail = format!("more than {} redirects", self.plan.redirects_max);
                return Err(Failure::new(Trouble::TooManyRedirects, detail));
            }
            url = next;
        }
    }

    fn full_url(&self) -> Result<Url, Failure> {
        let mut url = self.plan.url.clone();
        for (name, file) in &self.plan.secret_query {
            let secret = file.read().map_err(|e| Failure::new(Trouble::Secret, e))?;
            url.query_pairs_mut().append_pair(name, secret.expose());
        }
        Ok(url)
    }

    fn headers(&self, memory: &Memory) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        headers.extend(self.plan.headers.iter().cloned());
        if self.plan.unchanged == Unchanged::Count {
            let conditions = [
                (header::IF_NONE_MATCH, &memory.etag),
                (header::IF_MODIFIED_SINCE, &memory.last_modified),
            ];
            for (name, value) in conditions {
                headers.extend(value.clone().map(|value| (name, value)));
            }
        }
        headers
    }

    /// Reads the secrets anew, so that they can be changed.
    fn secret_headers(&self) -> Result<Vec<(HeaderName, HeaderValue)>, Failure> {
        let unusable = |detail: String| Failure::new(Trouble::Secret, detail);
        let read = |(name, file): &(HeaderName, crate::secret::SecretFile)| {
            let secret = file.read().map_err(unusable)?;
            let mut value = HeaderValue::from_str(secret.expose())
                .map_err(|_| unusable(format!("the secret of {name} does not fit a header")))?;
            value.set_sensitive(true);
            Ok((name.clone(), value))
        };
        self.plan.secret_headers.iter().map(read).collect()
    }

    async fn take(&self, mut response: Response) -> Result<Fetched, Failure> {
        let status = response.status();
        if status == StatusCode::NOT_MODIFIED {
            return Ok(Fetched::NotModified);
        }
        if status == StatusCode::NO_CONTENT {
            return Ok(Fetched::Refused {
                refusal: Refusal::Empty,
                detail: "the answer is 204, without a body".to_owned(),
            });
        }
        if status != StatusCode::OK {
            return Err(Failure {
                retry_after: retry_after(response.headers(), SystemTime::now()),
                ..Failure::new(Trouble::Status, format!("the answer is {status}"))
            });
        }
        match self.body(&mut response).await {
            Ok(bytes) => Ok(Fetched::Body {
                bytes,
                memory: Memory {
                    etag: response.headers().get(header::ETAG).cloned(),
                    last_modified: response.headers().get(header::LAST_MODIFIED).cloned(),
                    hash: None,
                },
            }),
            Err(BodyFault::Refused(refusal, detail)) => Ok(Fetched::Refused { refusal, detail }),
            Err(BodyFault::Broken(trouble, detail)) => Err(Failure::new(trouble, detail)),
        }
    }

    async fn body(&self, response: &mut Response) -> Result<Vec<u8>, BodyFault> {
        let bytes_max = self.plan.bytes_max;
        let declared = response.content_length().unwrap_or(0);
        if usize::try_from(declared).map_or(true, |declared| declared > bytes_max) {
            return Err(too_large(bytes_max));
        }
        let encoding = response.headers().get(header::CONTENT_ENCODING);
        let mut reader = BodyReader::new(encoding.map(HeaderValue::as_bytes), bytes_max)?;
        loop {
            match response.chunk().await {
                Ok(Some(piece)) => reader.push(&piece)?,
                Ok(None) => break,
                Err(error) => {
                    let Failure {
                        trouble, detail, ..
                    } = failure(error);
                    return Err(BodyFault::Broken(trouble, detail));
                }
            }
        }
        let bytes = reader.finish()?;
        let media = response.headers().get(header::CONTENT_TYPE);
        let media = media.and_then(|value| value.to_str().ok());
        judge(media, &bytes, &self.plan.content_types)?;
        Ok(bytes)
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Where an answer sends us.
fn redirected(from: &Url, response: &Response) -> Result<Url, Failure> {
    let bad = |detail: String| Failure::new(Trouble::BadRedirect, detail);
    let location = response.headers().get(header::LOCATION);
    let location = location.and_then(|value| value.to_str().ok());
    let location = location.ok_or_else(|| bad(format!("{} without a place", response.status())))?;
    let mut next = from
        .join(location)
        .map_err(|error| bad(format!("{} to no URL: {error}", response.status())))?;
    next.set_fragment(None);
    let plain = next.username().is_empty() && next.password().is_none();
    if !matches!(next.scheme(), "http" | "https") || !plain {
        return Err(bad(format!("{} must be plain http or https", shown(&next))));
    }
    if from.scheme() == "https" && next.scheme() == "http" {
        return Err(bad(format!("from https to {}", shown(&next))));
    }
    Ok(next)
}

/// A URL without what may be secret.
fn shown(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map_or(String::new(), |port| format!(":{port}"));
    format!("{}://{host}{port}{}", url.scheme(), url.path())
}

/// The wait that a server asks for: seconds or a date (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

fn failure(error: reqwest::Error) -> Failure {
    let trouble = if error.is_timeout() {
        Trouble::Timeout
    } else if error.is_body() || error.is_decode() {
        Trouble::BrokenBody
    } else {
        Trouble::Connect
    };
    Failure::new(trouble, chain(&error.without_url()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_may_ask_for_a_wait_in_two_ways() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        for (text, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
        ] {
            let headers =
                HeaderMap::from_iter([(header::RETRY_AFTER, HeaderValue::from_str(text).unwrap())]);
            let expected = seconds.map(Duration::from_secs);
            assert_eq!(retry_after(&headers, now), expected, "{text:?}");
        }
    }

    #[test]
    fn a_shown_url_has_neither_query_nor_login() {
        for (url, expected) in [
            ("https://u:p@h.example/a?key=s#f", "https://h.example/a"),
            ("http://[::1]:81/", "http://[::1]:81/"),
        ] {
            assert_eq!(shown(&Url::parse(url).unwrap()), expected);
        }
    }
}
