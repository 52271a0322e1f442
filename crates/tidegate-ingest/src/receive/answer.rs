//! What a sender is told: 202 with a position, or a problem (RFC 9457) in two languages.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};
use tidegate_model::Position;

use crate::counts::Refusal;

/// Why a request is not answered 202.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Problem {
    Unauthorized,
    UnknownFeed,
    NotHere,
    WrongMethod,
    Empty,
    BrokenBody,
    BadKey,
    SlowClient,
    TooLarge,
    KeyReused,
    TooManyRequests,
    NotStored,
    NotAcknowledged,
    TooManyBytes,
    TooManyConnections,
}

/// The words of a problem: name, titles and what to do.
struct Words {
    name: &'static str,
    en: &'static str,
    zh: &'static str,
    detail: &'static str,
}

impl Problem {
    const fn status(self) -> StatusCode {
        match self {
            Self::Empty | Self::BrokenBody | Self::BadKey => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::UnknownFeed | Self::NotHere => StatusCode::NOT_FOUND,
            Self::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::SlowClient => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::NotStored => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NotAcknowledged | Self::TooManyBytes | Self::TooManyConnections => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }

    /// How it is counted; those without are counted where they come from.
    const fn refusal(self) -> Option<Refusal> {
        match self {
            Self::Empty => Some(Refusal::Empty),
            Self::BrokenBody => Some(Refusal::BrokenBody),
            Self::BadKey | Self::KeyReused => Some(Refusal::BadKey),
            Self::SlowClient => Some(Refusal::SlowClient),
            Self::TooLarge => Some(Refusal::TooLarge),
            Self::TooManyRequests => Some(Refusal::TooManyRequests),
            Self::TooManyBytes => Some(Refusal::TooManyBytes),
            Self::TooManyConnections => Some(Refusal::TooManyConnections),
            Self::Unauthorized
            | Self::UnknownFeed
            | Self::NotHere
            | Self::WrongMethod
            | Self::NotStored
            | Self::NotAcknowledged => None,
        }
    }

    const fn words(self) -> Words {
        let (name, en, zh, detail) = match self {
            Self::Unauthorized => (
                "unauthorized",
                "A valid token is needed",
                "需要有效的令牌",
                "send Authorization: Bearer TOKEN with a token of this feed",
            ),
            Self::UnknownFeed => (
                "unknown-feed",
                "This token opens no such feed",
                "此令牌不能访问该数据源",
                "check the name in POST /feeds/NAME and the token",
            ),
            Self::NotHere => (
                "not-here",
                "Nothing is here",
                "此地址不存在",
                "use POST /feeds/NAME or GET /healthz",
            ),
            Self::WrongMethod => (
                "wrong-method",
                "This method does nothing here",
                "此地址不支持该方法",
                "use POST /feeds/NAME or GET /healthz",
            ),
            Self::Empty => (
                "empty-body",
                "The body is empty",
                "请求体为空",
                "send the bytes of one message of the feed as the body",
            ),
            Self::BrokenBody => (
                "broken-body",
                "The body did not come whole",
                "请求体不完整",
                "nothing was stored; send it again",
            ),
            Self::BadKey => (
                "bad-idempotency-key",
                "The Idempotency-Key cannot be used",
                "Idempotency-Key 无效",
                "send one key of 1 to 128 visible characters",
            ),
            Self::SlowClient => (
                "slow-client",
                "The request took too long to arrive",
                "请求发送过慢",
                "nothing was stored; send it again over a faster connection",
            ),
            Self::TooLarge => (
                "too-large",
                "The body is too large",
                "请求体过大",
                "nothing was stored; send smaller messages or have bytes_max of the feed raised",
            ),
            Self::KeyReused => (
                "idempotency-key-reused",
                "The Idempotency-Key was used for other bytes",
                "Idempotency-Key 已用于其他内容",
                "nothing was stored; use a new key for each message",
            ),
            other => other.words_of_limits(),
        };
        Words {
            name,
            en,
            zh,
            detail,
        }
    }

    const fn words_of_limits(self) -> (&'static str, &'static str, &'static str, &'static str) {
        match self {
            Self::TooManyRequests => (
                "too-many-requests",
                "Too many requests for this feed",
                "该数据源的请求过多",
                "nothing was stored; send it again after the seconds in Retry-After",
            ),
            Self::NotAcknowledged => (
                "not-acknowledged",
                "Kafka has not acknowledged the message in time",
                "Kafka 未能及时确认消息",
                "the message may have been stored: send it again after the seconds in Retry-After \
                 with the same Idempotency-Key, so that it is not stored twice",
            ),
            Self::TooManyBytes => (
                "too-many-bytes",
                "Too much is being received at once",
                "同时接收的数据过多",
                "nothing was stored; send it again after the seconds in Retry-After",
            ),
            Self::TooManyConnections => (
                "too-many-connections",
                "Too many connections",
                "连接数过多",
                "nothing was stored; send it again after the seconds in Retry-After",
            ),
            _ => (
                "not-stored",
                "Kafka refused the message",
                "Kafka 拒绝了该消息",
                "nothing was stored; the operator of this server must look at its log",
            ),
        }
    }
}

/// An answer without its language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// Stored here.
    Stored(Position),
    /// Not stored, or not known to be; with how long to wait.
    Problem(Problem, Option<Duration>),
}

impl From<Problem> for Answer {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem, None)
    }
}

impl Answer {
    pub(super) fn retry_after(problem: Problem, wait: Duration) -> Self {
        Self::Problem(problem, Some(wait))
    }

    /// How it is to be counted.
    pub(super) fn refusal(self) -> Option<Refusal> {
        match self {
            Self::Stored(_) => None,
            Self::Problem(problem, _) => problem.refusal(),
        }
    }

    /// The whole answer; titles are in both languages, and `title` in the one that is asked for.
    pub(super) fn in_language_of(self, request: &HeaderMap) -> Response {
        let (problem, wait) = match self {
            Self::Stored(Position {
                partition, offset, ..
            }) => {
                let body = json!({ "partition": partition, "offset": offset });
                return with_body(StatusCode::ACCEPTED, "application/json", &body);
            }
            Self::Problem(problem, wait) => (problem, wait),
        };
        let language = language(request);
        let body = problem_body(problem, language);
        let mut response = with_body(problem.status(), "application/problem+json", &body);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(language));
        if problem == Problem::Unauthorized {
            let challenge = HeaderValue::from_static("Bearer realm=\"tidegate\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(wait) = wait {
            headers.insert(header::RETRY_AFTER, seconds(wait).into());
        }
        response
    }
}

/// Whole seconds, at least one.
fn seconds(wait: Duration) -> u64 {
    let begun = u64::from(wait.subsec_nanos() > 0);
    wait.as_secs().saturating_add(begun).max(1)
}

fn problem_body(problem: Problem, language: &str) -> Value {
    let Words {
        name,
        en,
        zh,
        detail,
    } = problem.words();
    json!({
        "type": format!("urn:tidegate:problem:{name}"),
        "title": if language == "en" { en } else { zh },
        "titles": { "en": en, "zh-CN": zh },
        "status": problem.status().as_u16(),
        "detail": detail,
    })
}

fn with_body(status: StatusCode, media: &'static str, body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    response
}

/// The process lives. Whether Kafka does is told by the answers 503.
pub(super) fn healthy() -> Response {
    with_body(
        StatusCode::OK,
        "application/json",
        &json!({ "status": "ok" }),
    )
}

/// The first of our languages that `Accept-Language` names, without weights; else English.
fn language(request: &HeaderMap) -> &'static str {
    let wanted = request.get(header::ACCEPT_LANGUAGE);
    let wanted = wanted.and_then(|value| value.to_str().ok());
    for range in wanted.unwrap_or_default().split(',') {
        let tag = range.split(';').next().unwrap_or_default().trim();
        match tag.split('-').next().unwrap_or_default() {
            "zh" => return "zh-CN",
            "en" => return "en",
            _ => {}
        }
    }
    "en"
}

/// The answer as bytes, for a connection that HTTP does not work on; it is then closed.
pub(super) fn raw(problem: Problem, wait: Option<Duration>) -> String {
    let body = problem_body(problem, "en").to_string();
    let wait = wait.map_or(String::new(), |wait| {
        format!("retry-after: {}\r\n", seconds(wait))
    });
    format!(
        "HTTP/1.1 {}\r\ncontent-type: application/problem+json\r\ncontent-language: en\r\n{wait}\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        problem.status(),
        body.len()
    )
}
