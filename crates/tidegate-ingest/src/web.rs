//! What every client of an HTTP server here keeps to: no proxy that was not named, no redirect that
//! reqwest follows by itself, no body beyond its limit, no secret in a message.

mod address;
mod body;

use std::error::Error;
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use reqwest::{Client, Proxy, Response, Url};

use crate::counts::Trouble;
use crate::plan::ProxyPlan;

pub(crate) use address::{authorities, http_url, is_loopback, keeps_secrets, proxy};
pub(crate) use body::{BodyFault, judge};
use body::{BodyReader, too_large};

/// A host that does not take a connection by then will not.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// Why a server gave nothing.
pub(crate) struct Failure {
    pub(crate) trouble: Trouble,
    pub(crate) detail: String,
    pub(crate) retry_after: Option<Duration>,
}

impl Failure {
    pub(crate) fn new(trouble: Trouble, detail: impl Into<String>) -> Self {
        Self {
            trouble,
            detail: detail.into(),
            retry_after: None,
        }
    }
}

/// A client that leaves redirects to us; what is wrong with its settings otherwise.
pub(crate) fn client(
    proxy: &ProxyPlan,
    authorities: &[reqwest::Certificate],
    timeout: Duration,
) -> Result<Client, String> {
    let told = |error: reqwest::Error| chain(&error.without_url());
    let mut builder = Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(CONNECT_WITHIN.min(timeout))
        .user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")));
    for authority in authorities {
        builder = builder.add_root_certificate(authority.clone());
    }
    builder = match proxy {
        ProxyPlan::Environment => builder,
        ProxyPlan::Direct => builder.no_proxy(),
        ProxyPlan::Url(url) => builder
            .no_proxy()
            .proxy(Proxy::all(url.clone()).map_err(told)?),
    };
    builder.build().map_err(told)
}

/// All of a body, unpacked, as long as it keeps to `bytes_max` as sent and after decompression.
pub(crate) async fn read_body(
    response: &mut Response,
    bytes_max: usize,
) -> Result<Vec<u8>, BodyFault> {
    let declared = response.content_length().unwrap_or(0);
    if usize::try_from(declared).map_or(true, |declared| declared > bytes_max) {
        return Err(too_large(bytes_max));
    }
    let encoding = response.headers().get(header::CONTENT_ENCODING);
    let mut reader = BodyReader::new(encoding.map(HeaderValue::as_bytes), bytes_max)?;
    loop {
        match response.chunk().await {
            Ok(Some(piece)) => reader.push(&piece)?,
            Ok(None) => return reader.finish(),
            Err(error) => {
                let Failure {
                    trouble, detail, ..
                } = failure(error);
                return Err(BodyFault::Broken(trouble, detail));
            }
        }
    }
}

/// Whether an answer sends us elsewhere.
pub(crate) fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Where an answer sends us.
pub(crate) fn redirected(from: &Url, response: &Response) -> Result<Url, Failure> {
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
pub(crate) fn shown(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map_or(String::new(), |port| format!(":{port}"));
    format!("{}://{host}{port}{}", url.scheme(), url.path())
}

/// Why reqwest gave nothing, without the URL: it may hold a secret.
pub(crate) fn failure(error: reqwest::Error) -> Failure {
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
    fn a_shown_url_has_neither_query_nor_login() {
        for (url, expected) in [
            ("https://u:p@h.example/a?key=s#f", "https://h.example/a"),
            ("http://[::1]:81/", "http://[::1]:81/"),
        ] {
            assert_eq!(shown(&Url::parse(url).unwrap()), expected);
        }
    }
}
