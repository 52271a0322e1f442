//! What the robots of Feishu, DingTalk and WeCom share: one message of a headline and a block for
//! each alert, cut to what the platform takes, and answers that say in the body what went wrong.

use hmac::{Hmac, KeyInit, Mac};
use jiff::tz::TimeZone;
use serde_json::Value;
use sha2::Sha256;
use tidegate_dispatch::{Notice, NoticeAlert};

use super::answer::Answer;
use super::text::{self, Language};

/// Most bytes of an answer that are read: platforms answer with a line.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// How a group reads its alerts.
#[derive(Debug, Clone)]
pub struct RobotStyle {
    /// Languages, in order; at least one is useful.
    pub languages: Vec<Language>,
    /// The zone of the times shown.
    pub zone: TimeZone,
}

impl Default for RobotStyle {
    /// Chinese, at China's time.
    fn default() -> Self {
        Self {
            languages: vec![Language::Chinese],
            zone: TimeZone::fixed(jiff::tz::offset(8)),
        }
    }
}

/// A request to a robot, less its address, which holds a secret and is the sender's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RobotRequest {
    /// What to append to the address, with its `&`, or nothing. The address has a query already.
    pub query: String,
    /// The JSON body.
    pub body: Vec<u8>,
    /// How many alerts of the notice the body does not show, those held back included.
    pub cut: usize,
}

impl RobotRequest {
    /// The value of the header `Content-Type`.
    pub const CONTENT_TYPE: &'static str = "application/json; charset=utf-8";
}

/// The rate that a platform allows one robot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RobotRate {
    /// Messages in one second; `None` without such a limit.
    pub per_second: Option<u32>,
    /// Messages in one minute.
    pub per_minute: u32,
}

/// A message in the making: plain text, not yet in the platform's markup.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) title: String,
    pub(crate) severity: String,
    pub(crate) blocks: Vec<Block>,
    pub(crate) held_back: usize,
}

/// One alert, or the body of a notice without alerts.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) heading: String,
    pub(crate) facts: Vec<(&'static str, String)>,
    pub(crate) body: String,
    /// Whether leaving it out hides an alert.
    pub(crate) is_alert: bool,
}

impl Draft {
    pub(crate) fn new(notice: &Notice, style: &RobotStyle) -> Self {
        let languages = match style.languages.as_slice() {
            [] => &[Language::Chinese][..],
            some => some,
        };
        let titles: Vec<String> = languages
            .iter()
            .map(|&language| text::notice_title(notice, language))
            .collect();
        let mut blocks: Vec<Block> = languages
            .iter()
            .filter_map(|&language| text::notice_text(notice, language))
            .map(|body| Block {
                heading: String::new(),
                facts: Vec::new(),
                body,
                is_alert: false,
            })
            .collect();
        blocks.extend(
            notice
                .alerts
                .iter()
                .map(|alert| block(alert, languages, &style.zone)),
        );
        let worst = notice.alerts.first().map(|alert| &alert.record);
        Self {
            title: titles.join(" / "),
            severity: worst.map_or_else(String::new, |record| match record.state.as_str() {
                "resolved" => "resolved".to_owned(),
                _ => record.severity.clone(),
            }),
            blocks,
            held_back: notice.held_back as usize,
        }
    }
}

fn block(alert: &NoticeAlert, languages: &[Language], zone: &TimeZone) -> Block {
    let record = &alert.record;
    let first = languages.first().copied().unwrap_or(Language::Chinese);
    let titles: Vec<String> = languages
        .iter()
        .map(|&language| text::alert_title(record, language))
        .collect();
    let bodies: Vec<String> = languages
        .iter()
        .map(|&language| text::alert_text(record, language))
        .filter(|body| !body.is_empty())
        .collect();
    let mut facts = text::facts(record, first, zone);
    if let Some(who) = &alert.acknowledged_by {
        facts.push((first.of("已确认", "Acknowledged by"), text::line(who, 80)));
    }
    let words = format!(
        "{} · {}",
        text::severity(&record.severity, first),
        text::state(&record.state, first)
    );
    Block {
        heading: format!("[{}] {}", text::line(&words, 80), titles.join(" / ")),
        facts,
        body: bodies.join("\n"),
        is_alert: true,
    }
}

/// The parts of a message that fit, and how many alerts are left out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fitted {
    pub(crate) parts: Vec<String>,
    pub(crate) cut: usize,
}

/// As many of `blocks` as `cost_max` allows, from the first; the first is cut rather than left out.
/// When alerts are left out or held back, the last part says how many.
///
/// `cost` prices one part with whatever the platform puts around it.
pub(crate) fn fit(
    blocks: &[(String, bool)],
    held_back: usize,
    cost_max: usize,
    language: Language,
    cost: impl Fn(&str) -> usize,
) -> Fitted {
    let n_alerts = blocks.iter().filter(|(_, is_alert)| *is_alert).count();
    let reserve = cost(&text::more(n_alerts + held_back, language));
    let room = cost_max.saturating_sub(reserve);
    let mut parts = Vec::new();
    let (mut used, mut shown) = (0, 0);
    for (block, is_alert) in blocks {
        let price = cost(block);
        if used + price <= room {
            parts.push(block.clone());
        } else if parts.is_empty() {
            let cut = text::cut_to_cost(block, room.saturating_sub(cost("…")), &cost);
            parts.push(format!("{cut}…"));
        } else {
            break;
        }
        used += price;
        shown += usize::from(*is_alert);
    }
    let cut = n_alerts - shown + held_back;
    if cut > 0 {
        parts.push(text::more(cut, language));
    }
    Fitted { parts, cut }
}

/// The bytes that `text` takes within a JSON string.
pub(crate) fn json_len(text: &str) -> usize {
    let quoted = serde_json::to_string(text).expect("a string is always written");
    quoted.len() - 2
}

/// The Markdown of DingTalk and WeCom for text that is not meant as Markdown. Neither platform says
/// how to escape, so what could make a link, a mention, a heading or a tag becomes its full-width
/// twin: it reads the same and does nothing.
pub(crate) fn inert(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '<' => '＜',
            '>' => '＞',
            '[' => '［',
            ']' => '］',
            '*' => '＊',
            '`' => '｀',
            '#' => '＃',
            '@' => '＠',
            '\\' => '＼',
            c => c,
        })
        .collect()
}

/// HMAC-SHA256.
pub(crate) fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// What a platform's code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    Taken,
    Later,
    Never,
}

/// Reads an answer whose body may contradict its status: `{ "<code_key>": 0 }` and nothing else
/// means that the message was taken.
pub(crate) fn read_answer(
    status: u16,
    body: &[u8],
    keys: &[(&str, &str)],
    judge: impl Fn(i64, &str) -> Code,
) -> Answer {
    let body = &body[..body.len().min(ANSWER_BYTES_MAX)];
    let value: Option<Value> = serde_json::from_slice(body).ok();
    let found = value.as_ref().and_then(|value| {
        keys.iter().find_map(|(code, message)| {
            let code = match value.get(code)? {
                Value::String(text) => text.parse().ok()?,
                other => other.as_i64()?,
            };
            let message = value.get(message).and_then(Value::as_str);
            Some((code, message.unwrap_or_default()))
        })
    });
    let Some((code, message)) = found else {
        return match Answer::of_status(status) {
            // Not the platform: a proxy's page, or an answer cut short.
            Answer::Delivered { .. } => Answer::retry("an answer without a code"),
            other => other,
        };
    };
    let reason = format!("code {code}: {message}");
    match judge(code, message) {
        // A code of success beside a status of failure was never seen; trust the worse one.
        Code::Taken => Answer::of_status(status),
        Code::Later => Answer::retry(&reason),
        Code::Never => match status {
            429 | 500..=599 => Answer::retry(&reason),
            _ => Answer::refused(&reason),
        },
    }
}

/// Whether a message speaks of a limit of rate: the codes change, the words less so.
pub(crate) fn speaks_of_rate(message: &str) -> bool {
    let message = message.to_lowercase();
    [
        "frequency limit",
        "too many request",
        "too fast",
        "freq out of limit",
        "rate limit",
    ]
    .iter()
    .any(|words| message.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_that_do_not_fit_are_counted() {
        let blocks = vec![
            ("a".repeat(10), true),
            ("b".repeat(10), true),
            ("c".repeat(10), true),
        ];
        let fitted = fit(&blocks, 2, 35, Language::English, str::len);
        assert_eq!(
            fitted.parts,
            ["a".repeat(10), "b".repeat(10), "… 3 more".to_owned()]
        );
        assert_eq!(fitted.cut, 3);
        let all = fit(&blocks, 0, 60, Language::English, str::len);
        assert_eq!((all.parts.len(), all.cut), (3, 0));
    }

    #[test]
    fn a_first_block_that_is_too_long_is_cut_between_characters() {
        let blocks = vec![("人".repeat(100), true)];
        let fitted = fit(&blocks, 0, 60, Language::Chinese, str::len);
        assert!(fitted.parts[0].ends_with('…') && fitted.parts[0].len() <= 60);
        assert_eq!(fitted.cut, 0);
    }

    #[test]
    fn an_answer_without_a_code_is_no_delivery() {
        let judge = |code: i64, _: &str| if code == 0 { Code::Taken } else { Code::Never };
        let read =
            |status, body: &str| read_answer(status, body.as_bytes(), &[("code", "msg")], judge);
        assert!(matches!(read(200, "<html>"), Answer::Retry { .. }));
        assert!(matches!(read(404, "<html>"), Answer::Refused { .. }));
        assert!(matches!(read(502, "{}"), Answer::Retry { .. }));
        assert_eq!(read(200, r#"{"code":"0"}"#), Answer::DELIVERED);
        assert!(matches!(read(500, r#"{"code":1}"#), Answer::Retry { .. }));
        assert!(
            matches!(read(200, r#"{"code":1,"msg":"no"}"#), Answer::Refused { reason } if reason == "code 1: no")
        );
    }
}
