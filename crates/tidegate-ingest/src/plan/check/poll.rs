//! `[poll.NAME]`.

use axum::http::{HeaderName, HeaderValue};
use tidegate_model::Span;

use super::{BYTES_MAX, Checker};
use crate::config::PollConfig;
use crate::plan::{PollPlan, Unchanged};
use crate::secret::SecretFile;
use crate::web::{authorities, http_url, keeps_secrets, proxy};

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
    let url = checker.take(&key(".url"), http_url(&config.url, "secret_headers"));
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
    let proxy = checker.take(&key(".proxy"), proxy(config.proxy.as_deref()));
    let ca_file = config.ca_file.as_ref().map(|file| checker.path(file));
    let authorities = checker.take(&key(".ca_file"), authorities(ca_file.as_deref()));
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

fn is_media_type(text: &str) -> bool {
    text.split_once('/').is_some_and(|(kind, sub)| {
        !kind.is_empty() && !sub.is_empty() && !text.contains([';', ' '])
    })
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
