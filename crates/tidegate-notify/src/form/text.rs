//! Words and cuts that several forms share.
//!
//! Whatever stands in a notice may come from reference data or a feed: every form passes it through
//! [`clean`] or [`line()`] and then through the escape of its own format.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tidegate_alerts::wire::AlertRecord;
use tidegate_dispatch::{Notice, NoticeKind};

/// Longest headline in any form, in characters.
pub const TITLE_CHARS_MAX: usize = 160;
/// Longest running text of one alert in any form, in characters.
pub const TEXT_CHARS_MAX: usize = 2_000;

/// A language of the reader.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    serde::Deserialize,
    schemars::JsonSchema,
)]
pub enum Language {
    /// Chinese, simplified characters.
    #[default]
    #[serde(rename = "zh-CN", alias = "zh")]
    Chinese,
    /// English.
    #[serde(rename = "en")]
    English,
}

impl Language {
    /// Both, in the order in which they are written.
    pub const BOTH: &'static [Self] = &[Self::Chinese, Self::English];

    /// The tag of RFC 5646.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Chinese => "zh-CN",
            Self::English => "en",
        }
    }

    /// One of two texts.
    pub(crate) fn of<T>(self, chinese: T, english: T) -> T {
        match self {
            Self::Chinese => chinese,
            Self::English => english,
        }
    }

    /// One of two texts, the other where it is empty.
    pub(crate) fn prefer<'a>(self, chinese: &'a str, english: &'a str) -> &'a str {
        let (first, second) = self.of((chinese, english), (english, chinese));
        if first.trim().is_empty() {
            second
        } else {
            first
        }
    }
}

/// `text` without what no format can carry: control characters but line feed and tab, surrogates
/// and non-characters of XML 1.0, and the marks that turn the direction of the text around them.
pub(crate) fn clean(text: &str) -> String {
    text.chars().filter_map(clean_char).collect()
}

fn clean_char(c: char) -> Option<char> {
    match c {
        '\n' | '\t' => Some(c),
        // A carriage return is one of a pair, or it ends a line that a line feed ends no more.
        '\r' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' => None,
        '\u{fffe}' | '\u{ffff}' => Some('\u{fffd}'),
        c if c.is_control() => Some(' '),
        c => Some(c),
    }
}

/// `text` cleaned, on one line, of at most `chars_max` characters. No more of it is read than that
/// takes.
pub(crate) fn line(text: &str, chars_max: usize) -> String {
    let (mut out, mut n, mut gap) = (String::new(), 0, false);
    for c in text.chars().filter_map(clean_char) {
        if c.is_whitespace() {
            gap = n > 0;
            continue;
        }
        if gap {
            out.push(' ');
            n += 1;
            gap = false;
        }
        out.push(c);
        n += 1;
        if n > chars_max {
            break;
        }
    }
    cut_chars(&out, chars_max)
}

/// `text` cleaned and of at most `chars_max` characters; what is cut ends in `…`.
pub(crate) fn paragraph(text: &str, chars_max: usize) -> String {
    let cleaned = text.chars().filter_map(clean_char);
    let kept: String = cleaned
        .skip_while(|c| c.is_whitespace())
        .take(chars_max.saturating_add(1))
        .collect();
    cut_chars(kept.trim_end(), chars_max)
}

fn cut_chars(text: &str, chars_max: usize) -> String {
    if text.chars().nth(chars_max).is_none() {
        return text.to_owned();
    }
    let kept: String = text.chars().take(chars_max.saturating_sub(1)).collect();
    kept + "…"
}

/// At most so many bytes of a text, whole characters, with `…` where it was cut.
pub(crate) fn cut(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let room = bytes_max.saturating_sub('…'.len_utf8());
    format!("{}…", cut_to_cost(text, room, str::len))
}

/// The longest beginning of `text` that `cost` prices at `cost_max` or less, at a character's
/// boundary. `cost` grows with the text.
pub(crate) fn cut_to_cost(text: &str, cost_max: usize, cost: impl Fn(&str) -> usize) -> &str {
    if cost(text) <= cost_max {
        return text;
    }
    let ends: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    let fitting = ends.partition_point(|&end| cost(&text[..end]) <= cost_max);
    let last = fitting
        .checked_sub(1)
        .and_then(|last| ends.get(last).copied());
    &text[..last.unwrap_or(0)]
}

/// `text` for HTML and XML, in content and in quoted attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// The severity's word.
pub(crate) fn severity(severity: &str, language: Language) -> &str {
    let (chinese, english) = match severity {
        "critical" => ("严重", "Critical"),
        "warning" => ("警告", "Warning"),
        "watch" => ("关注", "Watch"),
        "info" => ("提示", "Info"),
        other => (other, other),
    };
    language.of(chinese, english)
}

/// The state's word.
pub(crate) fn state(state: &str, language: Language) -> &str {
    let (chinese, english) = match state {
        "firing" => ("告警中", "Firing"),
        "resolved" => ("已解除", "Resolved"),
        "no_data" => ("无数据", "No data"),
        "stale" => ("数据不足", "Too little data"),
        "resumed" => ("数据恢复", "Data is back"),
        other => (other, other),
    };
    language.of(chinese, english)
}

/// The RGB colour of a severity: dark enough for white text beside it.
pub(crate) fn colour(severity: &str) -> &'static str {
    match severity {
        "critical" => "#b00020",
        "warning" => "#b35900",
        "watch" => "#7a6a00",
        _ => "#2f5d8a",
    }
}

/// A number without noise: at most three decimals, none after the last that is not zero.
pub(crate) fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0" } else { text }.to_owned()
}

/// A value, its interval and its unit: `3.2 [2.9, 3.6] persons/m²`.
pub(crate) fn value(record: &AlertRecord) -> Option<String> {
    let mut parts = vec![number(record.value?)];
    if let (Some(lo), Some(hi)) = (record.lo, record.hi)
        && lo < hi
    {
        parts.push(format!("[{}, {}]", number(lo), number(hi)));
    }
    parts.push(line(&record.unit, 40));
    parts.retain(|part| !part.is_empty());
    Some(parts.join(" "))
}

/// The instant in `text`, if it is one.
pub(crate) fn instant(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

/// An instant as the reader's clock shows it, with the offset: `2026-11-26 18:05 +08:00`.
pub(crate) fn local(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned_datetime(zone.clone())
        .strftime("%Y-%m-%d %H:%M %:z")
        .to_string()
}

/// The same of a record's text, which is shown as it is when it is no instant.
pub(crate) fn local_text(at: &str, zone: &TimeZone) -> String {
    instant(at).map_or_else(|| line(at, 40), |at| local(at, zone))
}

/// The headline of one alert.
pub(crate) fn alert_title(record: &AlertRecord, language: Language) -> String {
    let title = language.prefer(&record.title_zh, &record.title_en);
    let title = if title.trim().is_empty() {
        &record.rule
    } else {
        title
    };
    line(title, TITLE_CHARS_MAX)
}

/// The subject's name, its id where it has none.
pub(crate) fn subject_name(record: &AlertRecord, language: Language) -> String {
    let name = language.prefer(&record.name_zh, &record.name_en);
    let name = if name.trim().is_empty() {
        &record.subject
    } else {
        name
    };
    line(name, TITLE_CHARS_MAX)
}

/// The facts of one alert as pairs of a word and a value, in the order in which they are shown.
pub(crate) fn facts(
    record: &AlertRecord,
    language: Language,
    zone: &TimeZone,
) -> Vec<(&'static str, String)> {
    let mut facts = vec![(language.of("地点", "Place"), subject_name(record, language))];
    if let Some(value) = value(record) {
        let threshold = record.threshold.map_or_else(String::new, |threshold| {
            let word = language.of("阈值", "threshold");
            format!(" ({word} {})", number(threshold))
        });
        facts.push((language.of("数值", "Value"), value + &threshold));
    }
    facts.push((
        language.of("数据时间", "Data until"),
        local_text(&record.window_end, zone),
    ));
    facts.push((
        language.of("开始时间", "Since"),
        local_text(&record.since, zone),
    ));
    if let Some(coverage) = record.coverage {
        let percent = format!("{} %", number((coverage * 1000.0).round() / 10.0));
        facts.push((language.of("数据覆盖", "Coverage"), percent));
    }
    let owner = line(&record.owner, 80);
    if !owner.is_empty() {
        facts.push((language.of("负责", "Owner"), owner));
    }
    facts
}

/// The headline of a notice: its own, else that of its worst alert and how many more there are.
pub(crate) fn notice_title(notice: &Notice, language: Language) -> String {
    let own = language.prefer(
        notice.title_zh.as_deref().unwrap_or_default(),
        notice.title_en.as_deref().unwrap_or_default(),
    );
    if !own.trim().is_empty() {
        return line(own, TITLE_CHARS_MAX);
    }
    let Some(first) = notice.alerts.first() else {
        let word = match notice.kind {
            NoticeKind::Test => language.of("通道测试", "Test of this channel"),
            NoticeKind::Summary => language.of("汇总", "Summary"),
            NoticeKind::Digest => language.of("合并通知", "Digest"),
            NoticeKind::Alert | NoticeKind::Repeat | NoticeKind::Escalation => {
                language.of("通知", "Notice")
            }
        };
        return word.to_owned();
    };
    let record = &first.record;
    let word = match record.state.as_str() {
        "firing" => severity(&record.severity, language),
        other => state(other, language),
    };
    let title = format!("[{}] {}", line(word, 40), alert_title(record, language));
    let more = notice.alerts.len() - 1 + notice.held_back as usize;
    match language {
        _ if more == 0 => title,
        Language::Chinese => format!("{title}（另有 {more} 条）"),
        Language::English => format!("{title} (+{more} more)"),
    }
}

/// The notice's own body, if it has one.
pub(crate) fn notice_text(notice: &Notice, language: Language) -> Option<String> {
    let own = language.prefer(
        notice.text_zh.as_deref().unwrap_or_default(),
        notice.text_en.as_deref().unwrap_or_default(),
    );
    (!own.trim().is_empty()).then(|| paragraph(own, 4 * TEXT_CHARS_MAX))
}

/// What to do, or what happened.
pub(crate) fn alert_text(record: &AlertRecord, language: Language) -> String {
    paragraph(
        language.prefer(&record.text_zh, &record.text_en),
        TEXT_CHARS_MAX,
    )
}

/// The body of a notice as plain text: its own, else those of its alerts.
pub(crate) fn notice_body(notice: &Notice, language: Language) -> String {
    if let Some(own) = notice_text(notice, language) {
        return own;
    }
    let one = |alert: &tidegate_dispatch::NoticeAlert| {
        let text = alert_text(&alert.record, language);
        match notice.alerts.len() {
            1 => text,
            _ => format!("{}\n{text}", alert_title(&alert.record, language)),
        }
    };
    let mut parts: Vec<String> = notice.alerts.iter().map(one).collect();
    if notice.held_back > 0 {
        parts.push(more(notice.held_back as usize, language));
    }
    parts.join("\n\n")
}

/// The line that says how many alerts are not shown.
pub(crate) fn more(n: usize, language: Language) -> String {
    match language {
        Language::Chinese => format!("… 另有 {n} 条未显示"),
        Language::English => format!("… {n} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_control_character_and_no_turned_text_gets_through() {
        assert_eq!(
            clean("a\0b\u{1b}[31m\r\nc\u{202e}d\u{ffff}"),
            "a b [31m\ncd\u{fffd}"
        );
        assert_eq!(line("a\n b\t\tc", 10), "a b c");
        assert_eq!(line("人人人人", 3), "人人…");
    }

    #[test]
    fn cuts_fall_between_characters() {
        assert_eq!(cut_to_cost("人人人", 7, str::len), "人人");
        assert_eq!(cut_to_cost("人人人", 2, str::len), "");
        assert_eq!(cut_to_cost("abc", 3, str::len), "abc");
        assert_eq!(cut_to_cost("", 0, str::len), "");
    }

    #[test]
    fn numbers_are_short() {
        for (value, expected) in [(3.0, "3"), (0.25, "0.25"), (-0.000_01, "0"), (1e3, "1000")] {
            assert_eq!(number(value), expected);
        }
    }
}
