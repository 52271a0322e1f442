//! Group robots of WeCom: Markdown.
//!
//! Documented at <https://developer.work.weixin.qq.com/document/path/91770>: at most 20 messages a
//! minute, Markdown of at most 4,096 bytes of UTF-8, the key in the address and no signature.

use serde_json::json;
use tidegate_dispatch::Notice;

use super::answer::Answer;
use super::robot::{self, Block, Code, Draft, RobotRate, RobotRequest, RobotStyle};
use super::text::{self, Language};

/// Longest Markdown, in bytes of UTF-8.
pub const MARKDOWN_BYTES_MAX: usize = 4_096;
/// What the platform allows one robot.
pub const RATE: RobotRate = RobotRate {
    per_second: None,
    per_minute: 20,
};
/// Between two parts: a blank line.
const BETWEEN_BYTES: usize = 2;

/// The request for `notice`.
pub fn request(notice: &Notice, style: &RobotStyle) -> RobotRequest {
    let draft = Draft::new(notice, style);
    let language = style.languages.first().copied();
    let language = language.unwrap_or(Language::Chinese);
    let blocks: Vec<(String, bool)> = draft
        .blocks
        .iter()
        .map(|block| (markdown(block), block.is_alert))
        .collect();
    let title = robot::inert(&text::line(&draft.title, text::TITLE_CHARS_MAX));
    let heading = format!(
        "### <font color=\"{}\">{title}</font>",
        font(&draft.severity)
    );
    let room = MARKDOWN_BYTES_MAX.saturating_sub(heading.len());
    let fitted = robot::fit(&blocks, draft.held_back, room, language, |part| {
        part.len() + BETWEEN_BYTES
    });
    let mut parts = vec![heading];
    parts.extend(fitted.parts);
    let body = json!({
        "msgtype": "markdown",
        "markdown": { "content": parts.join("\n\n") },
    });
    RobotRequest {
        query: String::new(),
        body: body.to_string().into_bytes(),
        cut: fitted.cut,
    }
}

fn markdown(block: &Block) -> String {
    let mut lines = Vec::new();
    if !block.heading.is_empty() {
        lines.push(format!("**{}**", robot::inert(&block.heading)));
    }
    for (word, value) in &block.facts {
        lines.push(format!("{word}: {}", robot::inert(value)));
    }
    let body = robot::inert(&block.body);
    lines.extend(body.lines().map(|line| format!("> {line}")));
    lines.join("\n")
}

/// One of the three colours that the platform knows.
fn font(severity: &str) -> &'static str {
    match severity {
        "critical" | "warning" => "warning",
        "resolved" => "info",
        _ => "comment",
    }
}

/// What the platform's answer says. Its status is 200 for every failure.
///
/// 45009 and 45033 (too often, too many at once) and -1 (busy) are tried again; 93000 (no such
/// robot), 93017, 40008 and 40058 (a body not liked), 45002 (too long) and all others are not.
pub fn answer(status: u16, body: &[u8]) -> Answer {
    let keys = [("errcode", "errmsg")];
    robot::read_answer(status, body, &keys, |code, message| match code {
        0 => Code::Taken,
        -1 | 45009 | 45033 => Code::Later,
        _ if robot::speaks_of_rate(message) => Code::Later,
        _ => Code::Never,
    })
}
