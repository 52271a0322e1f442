//! One fetch: redirects by hand, since a secret must not follow them to another host.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use reqwest::{Client, Response, Url};

use super::Memory;
use crate::counts::{Refusal, Trouble};
use crate::error::IngestError;
use crate::plan::{PollPlan, Unchanged};
use crate::web::{
    BodyFault, Failure, client, failure, is_redirect, judge, read_body, redirected, shown,
};

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

/// Fetches one URL.
pub(super) struct Fetcher {
    plan: PollPlan,
    client: Client,
}

impl Fetcher {
    pub(super) fn new(plan: PollPlan) -> Result<Self, IngestError> {
        let setup = |detail: String| IngestError::Setup {
            feed: plan.target.feed.to_string(),
            detail,
        };
        let client = client(&plan.proxy, &plan.authorities, plan.timeout).map_err(setup)?;
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
        let bytes = read_body(response, self.plan.bytes_max).await?;
        let media = response.headers().get(header::CONTENT_TYPE);
        let media = media.and_then(|value| value.to_str().ok());
        judge(media, &bytes, &self.plan.content_types)?;
        Ok(bytes)
    }
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
}
