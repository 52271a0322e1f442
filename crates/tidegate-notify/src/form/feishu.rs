//! Custom robots of Feishu (Lark): an interactive card.
//!
//! Documented at <https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot>: at most 100
//! messages a minute and 5 a second, a body of at most 20 kB (30 kB in older text; the lower one
//! is kept), the signature in the body.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tidegate_dispatch::Notice;

use super::answer::Answer;
use super::robot::{self, Code, Draft, RobotRate, RobotRequest, RobotStyle};
use super::text::{self, Language};

/// Largest body, in bytes.
pub const BODY_BYTES_MAX: usize = 20 * 1024;
/// What the platform allows one robot.
pub const RATE: RobotRate = RobotRate {
    per_second: Some(5),
    per_minute: 100,
};
/// What the card itself takes, beside its parts.
const CARD_BYTES: usize = 1_024;
/// What one part takes, beside its text: `{"tag":"div","text":{…}},{"tag":"hr"},`.
const PART_BYTES: usize = 96;

/// The request for `notice`. `secret` is that of the robot's signature check, if it has one, and
/// `now_s` the time in seconds since 1970, which the platform compares with its own within an hour.
///
/// All text is `plain_text`: a venue named `<at id=all>` calls nobody.
pub fn request(
    notice: &Notice,
    style: &RobotStyle,
    secret: Option<&str>,
    now_s: i64,
) -> RobotRequest {
    let draft = Draft::new(notice, style);
    let language = style.languages.first().copied();
    let language = language.unwrap_or(Language::Chinese);
    let blocks: Vec<(String, bool)> = draft
        .blocks
        .iter()
        .map(|block| (plain(block), block.is_alert))
        .collect();
    let title = text::line(&draft.title, 2 * text::TITLE_CHARS_MAX);
    let room = BODY_BYTES_MAX - CARD_BYTES;
    let room = room.saturating_sub(robot::json_len(&title));
    let fitted = robot::fit(&blocks, draft.held_back, room, language, |part| {
        robot::json_len(part) + PART_BYTES
    });
    let mut elements: Vec<Value> = Vec::new();
    for part in &fitted.parts {
        if !elements.is_empty() {
            elements.push(json!({ "tag": "hr" }));
        }
        elements.push(json!({
            "tag": "div",
            "text": { "tag": "plain_text", "content": part },
        }));
    }
    let mut body = json!({
        "msg_type": "interactive",
        "card": {
            "config": { "wide_screen_mode": true },
            "header": {
                "title": { "tag": "plain_text", "content": title },
                "template": template(&draft.severity),
            },
            "elements": elements,
        },
    });
    if let Some(secret) = secret {
        body["timestamp"] = json!(now_s.to_string());
        body["sign"] = json!(signature(secret, now_s));
    }
    RobotRequest {
        query: String::new(),
        body: body.to_string().into_bytes(),
        cut: fitted.cut,
    }
}

fn plain(block: &robot::Block) -> String {
    let facts = block
        .facts
        .iter()
        .map(|(word, value)| format!("{word}: {value}"));
    let heading = (!block.heading.is_empty()).then(|| block.heading.clone());
    let body = (!block.body.is_empty()).then(|| block.body.clone());
    let lines: Vec<String> = heading.into_iter().chain(facts).chain(body).collect();
    lines.join("\n")
}

/// The card's colour.
fn template(severity: &str) -> &'static str {
    match severity {
        "critical" => "red",
        "warning" => "orange",
        "watch" => "yellow",
        "resolved" => "green",
        _ => "blue",
    }
}

/// The signature: HMAC-SHA256 of nothing, keyed with time and secret, in Base64.
pub fn signature(secret: &str, now_s: i64) -> String {
    let key = format!("{now_s}\n{secret}");
    BASE64_STANDARD.encode(robot::hmac_sha256(key.as_bytes(), b""))
}

/// What the platform's answer says. Its status is 200 for nearly every failure.
///
/// 11232 and whatever speaks of a limit is tried again, as are the platform's own troubles; 19001
/// (no such robot), 19021 (signature or clock), 19022 (address not allowed), 19024 (a keyword is
/// missing), 9499 (a body not liked) and all others are not.
pub fn answer(status: u16, body: &[u8]) -> Answer {
    let keys = [("code", "msg"), ("StatusCode", "StatusMessage")];
    robot::read_answer(status, body, &keys, |code, message| match code {
        0 => Code::Taken,
        11232 | 11247 | 99_991_400 => Code::Later,
        _ if robot::speaks_of_rate(message) => Code::Later,
        _ => Code::Never,
    })
}
