//! Headline and text of a notice, and cuts.

use tidegate_dispatch::{Notice, NoticeKind};

use crate::config::Language;

/// The headline of a notice in one language: its own, else that of its worst alert.
pub(crate) fn title(notice: &Notice, language: Language) -> String {
    if let Some(title) = language.of(&notice.title_zh, &notice.title_en) {
        return title.clone();
    }
    let Some(worst) = notice.alerts.first() else {
        return match notice.kind {
            NoticeKind::Test => language.of("Tidegate 通道测试", "Test of a Tidegate channel"),
            _ => "Tidegate",
        }
        .to_owned();
    };
    let title = language.of(&worst.record.title_zh, &worst.record.title_en);
    match notice.alerts.len() - 1 {
        0 => title.clone(),
        more => language.of(
            format!("{title}（另有 {more} 条）"),
            format!("{title} (and {more} more)"),
        ),
    }
}

/// The body of a notice in one language: its own, else those of its alerts.
pub(crate) fn text(notice: &Notice, language: Language) -> String {
    if let Some(text) = language.of(&notice.text_zh, &notice.text_en) {
        return text.clone();
    }
    let one = |alert: &tidegate_dispatch::NoticeAlert| {
        let record = &alert.record;
        let (title, text) = language.of(
            (&record.title_zh, &record.text_zh),
            (&record.title_en, &record.text_en),
        );
        match notice.alerts.len() {
            1 => text.clone(),
            _ => format!("{title}\n{text}"),
        }
    };
    let mut parts: Vec<String> = notice.alerts.iter().map(one).collect();
    if notice.held_back > 0 {
        let more = notice.held_back;
        parts.push(language.of(
            format!("另有 {more} 条告警未逐条发送。"),
            format!("{more} more alerts were held back."),
        ));
    }
    parts.join("\n\n")
}

/// At most so many bytes of a text, whole characters, with `…` where it was cut.
pub(crate) fn cut(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let mut end = bytes_max.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}
