//! Messages for a topic of an ntfy server, published as JSON: titles may hold any character there,
//! while headers would need RFC 2047.

use serde_json::json;
use tidegate_dispatch::{Notice, NoticeKind};

use super::Request;
use super::text::{Language, cut, notice_body, notice_title};

/// Longest message, in bytes: a server makes a file of what is longer than 4,096.
const MESSAGE_BYTES_MAX: usize = 4_000;
/// Longest title, in bytes.
const TITLE_BYTES_MAX: usize = 240;

/// The request for a notice; it goes to the server's base, not to the topic.
pub fn request(notice: &Notice, topic: &str, languages: &[Language]) -> Request {
    let join = |of: fn(&Notice, Language) -> String, between: &str| {
        let all: Vec<String> = languages
            .iter()
            .map(|language| of(notice, *language))
            .collect();
        all.join(between)
    };
    let (priority, tag) = look(notice);
    let runbook = notice
        .alerts
        .iter()
        .find_map(|alert| alert.record.runbook.as_deref());
    let mut body = json!({
        "topic": topic,
        "title": cut(&join(notice_title, " / "), TITLE_BYTES_MAX),
        "message": cut(&join(notice_body, "\n\n"), MESSAGE_BYTES_MAX),
        "priority": priority,
        "tags": [tag],
    });
    if let Some(url) =
        runbook.filter(|url| url.starts_with("https://") || url.starts_with("http://"))
    {
        body["click"] = json!(url);
    }
    Request {
        headers: Vec::new(),
        content_type: "application/json",
        body: body.to_string().into_bytes(),
    }
}

/// Priority, 1 to 5, and a tag that ntfy shows as a picture: those of the worst alert.
fn look(notice: &Notice) -> (u8, &'static str) {
    if notice.kind == NoticeKind::Test {
        return (3, "test_tube");
    }
    let Some(worst) = notice.alerts.first() else {
        return (3, "clipboard");
    };
    match (worst.record.state.as_str(), worst.record.severity.as_str()) {
        ("resolved", _) => (3, "white_check_mark"),
        (_, "critical") => (5, "rotating_light"),
        (_, "warning") => (4, "warning"),
        (_, "watch") => (3, "eyes"),
        _ => (2, "information_source"),
    }
}
