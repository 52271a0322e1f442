//! Custom robots of DingTalk: Markdown.
//!
//! Documented at <https://open.dingtalk.com/document/orgapp/custom-robot-access>: at most 20
//! messages a minute, beyond which the robot is silent for ten minutes; a body of at most 20,000
//! bytes; time and signature in the query.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;
use tidegate_dispatch::Notice;

use super::answer::Answer;
use super::robot::{self, Block, Code, Draft, RobotRate, RobotRequest, RobotStyle};
use super::text::{self, Language};

/// Largest body, in bytes.
pub const BODY_BYTES_MAX: usize = 20_000;
/// What the platform allows one robot.
pub const RATE: RobotRate = RobotRate {
    per_second: None,
    per_minute: 20,
};
/// What stands around title and text.
const FRAME_BYTES: usize = 256;
/// Between two parts: a blank line, in JSON.
const BETWEEN_BYTES: usize = 4;

/// The request for `notice`. `secret` is that of the robot's signature check (`SEC…`), if it has
/// one, and `now_ms` the time in milliseconds since 1970, which the platform compares with its own
/// within an hour.
pub fn request(
    notice: &Notice,
    style: &RobotStyle,
    secret: Option<&str>,
    now_ms: i64,
) -> RobotRequest {
    let draft = Draft::new(notice, style);
    let language = style.languages.first().copied();
    let language = language.unwrap_or(Language::Chinese);
    let blocks: Vec<(String, bool)> = draft
        .blocks
        .iter()
        .map(|block| (markdown(block), block.is_alert))
        .collect();
    let title = robot::inert(&text::line(&draft.title, 2 * text::TITLE_CHARS_MAX));
    let heading = format!("### {title}");
    let taken = FRAME_BYTES + robot::json_len(&title) + robot::json_len(&heading);
    let room = BODY_BYTES_MAX.saturating_sub(taken);
    let fitted = robot::fit(&blocks, draft.held_back, room, language, |part| {
        robot::json_len(part) + BETWEEN_BYTES
    });
    let mut parts = vec![heading];
    parts.extend(fitted.parts);
    let body = json!({
        "msgtype": "markdown",
        "markdown": { "title": title, "text": parts.join("\n\n") },
    });
    let query = secret.map_or_else(String::new, |secret| {
        format!("&timestamp={now_ms}&sign={}", signature(secret, now_ms))
    });
    RobotRequest {
        query,
        body: body.to_string().into_bytes(),
        cut: fitted.cut,
    }
}

/// One block; a line break needs a blank line or two spaces before it.
fn markdown(block: &Block) -> String {
    let mut lines = Vec::new();
    if !block.heading.is_empty() {
        lines.push(format!("**{}**", robot::inert(&block.heading)));
    }
    for (word, value) in &block.facts {
        lines.push(format!("- {word}: {}", robot::inert(value)));
    }
    if !block.body.is_empty() {
        let body = robot::inert(&block.body);
        let quoted: Vec<String> = body.lines().map(|line| format!("> {line}")).collect();
        lines.push(String::new());
        lines.push(quoted.join("  \n"));
    }
    lines.join("\n")
}

/// The signature as it stands in the query: HMAC-SHA256 of time and secret, keyed with the secret,
/// in Base64, percent-encoded.
pub fn signature(secret: &str, now_ms: i64) -> String {
    let message = format!("{now_ms}\n{secret}");
    let mac = robot::hmac_sha256(secret.as_bytes(), message.as_bytes());
    let encoded = BASE64_STANDARD.encode(mac);
    encoded
        .replace('+', "%2B")
        .replace('/', "%2F")
        .replace('=', "%3D")
}

/// What the platform's answer says. Its status is 200 for every failure.
///
/// 130101 and 410100 (too fast) and -1 (busy) are tried again; 300001 and 300005 (no such token),
/// 310000 (signature, keyword or address not allowed), 400101 and 400102 (robot gone or off),
/// 460101 (too long) and all others are not.
pub fn answer(status: u16, body: &[u8]) -> Answer {
    let keys = [("errcode", "errmsg")];
    robot::read_answer(status, body, &keys, |code, message| match code {
        0 => Code::Taken,
        -1 | 130_101 | 410_100 => Code::Later,
        _ if robot::speaks_of_rate(message) => Code::Later,
        _ => Code::Never,
    })
}
