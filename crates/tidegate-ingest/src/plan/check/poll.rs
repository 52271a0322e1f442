//! `[poll.NAME]`.

use axum::http::{HeaderName, HeaderValue};
use reqwest::Url;
use tidegate_model::Span;

use super::{BYTES_MAX, Checker, is_loopback};
use crate::config::PollConfig;
use crate::plan::{PollPlan, ProxyPlan, Unchanged};
use crate::secret::SecretFile;

/// Headers that the fetch itself sets.
const OURS: &[&str] = &[
    "accept-encoding",
    "connection",
    "content-length",
    "host",
    "if-modified-since",
    "if-none-match",
    "range",
    "transfer-encoding",
];
/// Most headers of one feed.
const HEADERS_MAX: usize = 64;

pub(super) fn check(
    checker: &mut Checker<'_>,
    name: &str,
    config: &PollConfig,
) -> Option<PollPlan> {
    let key = |field: &str| format!("poll.{name}{field}");
    let target = checker.target(&key(""), name);
    let url = checker.take(&key(".url"), http_url(&config.url));
    let every = Span::micros(100_000)..=Span::hours(24 * 7);
    let every = checker.duration(&key(".every"), &config.every, every);
    let timeout = Span::micros(50_000)..=Span::minutes(60);
    let timeout = checker.duration(&key(".timeout"), &config.timeout, timeout);
    let bytes_max = checker.number(&key(".bytes_max"), config.bytes_max, 1..=BYTES_MAX);
    let redirects_max = checker.number(&key(".redirects_max"), config.redirects_max, 0..=20);
    let headers = headers(checker, name, config);
    let secret_headers = secret_headers(checker, name, config);
    let secret_query = secret_query(checker, name, config);
    let secrets = !config.secret_headers.is_empty() || !config.secret_query.is_empty();
    if secrets && url.as_ref().is_some_and(|url| !keeps_secrets(url)) {
        let message = "secrets go by https:// or to loopback only";
        checker.problem::<()>(&key(".url"), message);
    }
    let proxy = checker.take(&key(".proxy"), proxy(config));
    let authorities = authorities(checker, &key(".ca_file"), config);
    for media in config
        .content_types
        .iter()
        .filter(|text| !is_media_type(text))
    {
        let message = format!("{media:?} is not a media type such as application/json");
        checker.problem::<()>(&key(".content_types"), message);
    }
    Some(PollPlan {
        target: target?,
        url: url?,
        every: every?,
        timeout: timeout?,
        bytes_max: bytes_max?,
        headers,
        secret_headers,
        secret_query,
        proxy: proxy?,
        authorities: authorities?,
        redirects_max: redirects_max?,
        content_types: config
            .content_types
            .iter()
            .map(|media| media.to_ascii_lowercase())
            .collect(),
        unchanged: if config.send_unchanged {
            Unchanged::Send
        } else {
            Unchanged::Count
        },
    })
}

/// Whether nobody between here and the host reads along.
fn keeps_secrets(url: &Url) -> bool {
    url.scheme() == "https" || url.host_str().is_some_and(is_loopback)
}

fn is_media_type(text: &str) -> bool {
    text.split_once('/').is_some_and(|(kind, sub)| {
        !kind.is_empty() && !sub.is_empty() && !text.contains([';', ' '])
    })
}

/// The URL's text is not repeated: what cannot be parsed may hold a secret.
fn http_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("it is not a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!(
            "its scheme {:?} must be http or https",
            url.scheme()
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it must hold no user or password; use secret_headers".to_owned());
    }
    if url.fragment().is_some() {
        return Err("it must end before its #".to_owned());
    }
    Ok(url)
}

fn proxy(config: &PollConfig) -> Result<ProxyPlan, String> {
    match config.proxy.as_deref() {
        None => Ok(ProxyPlan::Direct),
        Some("env") => Ok(ProxyPlan::Environment),
        Some(text) => {
            let url = Url::parse(text).map_err(|error| {
                format!("it is neither \"env\" nor a URL such as http://127.0.0.1:3128: {error}")
            })?;
            if !matches!(url.scheme(), "http" | "https") {
                let scheme = url.scheme();
                return Err(format!("its scheme {scheme:?} must be http or https"));
            }
            if !url.username().is_empty() || url.password().is_some() {
                return Err("it must hold no user or password".to_owned());
            }
            Ok(ProxyPlan::Url(url))
        }
    }
}

fn header_name(checker: &mut Checker<'_>, key: &str, name: &str) -> Option<HeaderName> {
    let Ok(parsed) = name.parse::<HeaderName>() else {
        return checker.problem(key, format!("{name:?} is not the name of a header"));
    };
    if OURS.contains(&parsed.as_str()) {
        return checker.problem(
            key,
            format!("the header {name:?} is set by the fetch itself"),
        );
    }
    Some(parsed)
}

fn headers(
    checker: &mut Checker<'_>,
    feed: &str,
    config: &PollConfig,
) -> Vec<(HeaderName, HeaderValue)> {
    let key = format!("poll.{feed}.headers");
    let all = config.headers.len() + config.secret_headers.len();
    checker.number(&key, all, 0..=HEADERS_MAX);
    let mut headers = Vec::new();
    for (name, value) in &config.headers {
        let parsed = header_name(checker, &key, name);
        let Ok(value) = HeaderValue::from_str(value) else {
            checker.problem::<()>(
                &key,
                format!("the value of {name:?} has control characters"),
            );
            continue;
        };
        if parsed
            .as_ref()
            .is_some_and(|n| n == "authorization" || n == "cookie")
        {
            let message =
                format!("{name:?} is a secret: write it to a file and use secret_headers");
            checker.problem::<()>(&key, message);
        }
        headers.extend(parsed.map(|parsed| (parsed, value)));
    }
    headers
}

fn secret_headers(
    checker: &mut Checker<'_>,
    feed: &str,
    config: &PollConfig,
) -> Vec<(HeaderName, SecretFile)> {
    let key = format!("poll.{feed}.secret_headers");
    let mut headers = Vec::new();
    for (name, path) in &config.secret_headers {
        let parsed = header_name(checker, &key, name);
        let file = SecretFile::new(checker.path(path));
        let read = file.read().and_then(|secret| {
            let fits = HeaderValue::from_str(secret.expose()).is_ok();
            let message = || format!("the secret of {name:?} does not fit into a header");
            if fits { Ok(()) } else { Err(message()) }
        });
        checker.take(&key, read);
        headers.extend(parsed.map(|parsed| (parsed, file)));
    }
    headers
}

fn secret_query(
    checker: &mut Checker<'_>,
    feed: &str,
    config: &PollConfig,
) -> Vec<(String, SecretFile)> {
    let key = format!("poll.{feed}.secret_query");
    checker.number(&key, config.secret_query.len(), 0..=HEADERS_MAX);
    let mut parameters = Vec::new();
    for (name, path) in &config.secret_query {
        let file = SecretFile::new(checker.path(path));
        let read = file.read();
        checker.take(&key, read);
        parameters.push((name.clone(), file));
    }
    parameters
}

fn authorities(
    checker: &mut Checker<'_>,
    key: &str,
    config: &PollConfig,
) -> Option<Vec<reqwest::Certificate>> {
    let Some(file) = &config.ca_file else {
        return Some(Vec::new());
    };
    let path = checker.path(file);
    let read = std::fs::read(&path)
        .map_err(|error| format!("the file {} cannot be read: {error}", path.display()))
        .and_then(|pem| {
            let none = || format!("the file {} holds no certificate (PEM)", path.display());
            match reqwest::Certificate::from_pem_bundle(&pem) {
                Ok(list) if !list.is_empty() => Ok(list),
                Ok(_) | Err(_) => Err(none()),
            }
        });
    checker.take(key, read)
}
