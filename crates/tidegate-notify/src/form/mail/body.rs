//! The two bodies of a mail.

use jiff::tz::TimeZone;
use tidegate_alerts::wire::AlertRecord;
use tidegate_dispatch::{Notice, NoticeAlert};

use super::{ALERTS_MAX, MailConfig};
use crate::form::text::{self, Language, escape};

/// The plain text: one language after the other.
pub(super) fn text(notice: &Notice, config: &MailConfig) -> String {
    let sections: Vec<String> = config
        .languages()
        .iter()
        .map(|&language| text_section(notice, language, &config.zone))
        .collect();
    sections.join("\n\n----------------------------------------\n\n") + "\n"
}

fn text_section(notice: &Notice, language: Language, zone: &TimeZone) -> String {
    let mut blocks = vec![text::notice_title(notice, language)];
    blocks.extend(text::notice_text(notice, language));
    for alert in notice.alerts.iter().take(ALERTS_MAX) {
        let mut lines = vec![heading(&alert.record, language)];
        for (word, value) in facts(alert, language, zone) {
            lines.push(format!("  {word}: {value}"));
        }
        let body = text::alert_text(&alert.record, language);
        lines.extend(body.lines().map(|line| format!("  {line}")));
        if let Some(runbook) = &alert.record.runbook {
            lines.push(format!("  {}", text::line(runbook, 2_000)));
        }
        blocks.push(lines.join("\n"));
    }
    blocks.extend(hidden(notice, language));
    blocks.join("\n\n")
}

fn heading(record: &AlertRecord, language: Language) -> String {
    format!(
        "[{} · {}] {}",
        text::line(text::severity(&record.severity, language), 40),
        text::line(text::state(&record.state, language), 40),
        text::alert_title(record, language)
    )
}

fn facts(alert: &NoticeAlert, language: Language, zone: &TimeZone) -> Vec<(&'static str, String)> {
    let mut facts = text::facts(&alert.record, language, zone);
    if let Some(who) = &alert.acknowledged_by {
        let word = language.of("已确认", "Acknowledged by");
        facts.push((word, text::line(who, 80)));
    }
    let rule = format!(
        "{} ({})",
        text::line(&alert.record.rule, 80),
        text::line(&alert.record.rule_hash, 12)
    );
    facts.push((language.of("规则", "Rule"), rule));
    facts
}

fn hidden(notice: &Notice, language: Language) -> Option<String> {
    let hidden = notice.alerts.len().saturating_sub(ALERTS_MAX) + notice.held_back as usize;
    (hidden > 0).then(|| text::more(hidden, language))
}

/// The HTML: styles are inline, since mail clients drop all others.
pub(super) fn html(notice: &Notice, config: &MailConfig) -> String {
    let first = config.languages()[0];
    let title = text::notice_title(notice, first);
    let sections: Vec<String> = config
        .languages()
        .iter()
        .map(|&language| html_section(notice, language, &config.zone))
        .collect();
    page(&title, first, &sections.join("<hr>\n"))
}

/// A whole document around `body`, which is HTML already.
pub(crate) fn page(title: &str, language: Language, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{}</title>\n</head>\n\
         <body style=\"font-family:sans-serif;color:#222;max-width:48em;margin:1em auto;padding:0 1em\">\n\
         {body}</body>\n</html>\n",
        language.tag(),
        escape(title)
    )
}

fn html_section(notice: &Notice, language: Language, zone: &TimeZone) -> String {
    let mut out = vec![format!(
        "<div lang=\"{}\">\n<h2>{}</h2>\n",
        language.tag(),
        escape(&text::notice_title(notice, language))
    )];
    if let Some(body) = text::notice_text(notice, language) {
        out.push(format!("<p>{}</p>\n", broken(&body)));
    }
    for alert in notice.alerts.iter().take(ALERTS_MAX) {
        out.push(html_alert(alert, language, zone));
    }
    if let Some(hidden) = hidden(notice, language) {
        out.push(format!("<p>{}</p>\n", escape(&hidden)));
    }
    out.push("</div>\n".to_owned());
    out.concat()
}

fn html_alert(alert: &NoticeAlert, language: Language, zone: &TimeZone) -> String {
    let record = &alert.record;
    let mut out = vec![format!(
        "<div style=\"border-left:6px solid {};padding:0 0 0 1em;margin:1em 0\">\n<h3>{}</h3>\n<table>\n",
        text::colour(&record.severity),
        escape(&heading(record, language))
    )];
    for (word, value) in facts(alert, language, zone) {
        out.push(format!(
            "<tr><th align=\"left\" style=\"padding-right:1em\">{word}</th><td>{}</td></tr>\n",
            escape(&value)
        ));
    }
    out.push("</table>\n".to_owned());
    let body = text::alert_text(record, language);
    if !body.is_empty() {
        out.push(format!("<p>{}</p>\n", broken(&body)));
    }
    if let Some(runbook) = &record.runbook {
        out.push(html_link(runbook, language));
    }
    out.push("</div>\n".to_owned());
    out.concat()
}

/// A link to what to do; only the web's own schemes are links, the rest is text.
fn html_link(link: &str, language: Language) -> String {
    let shown = escape(&text::line(link, 2_000));
    let is_web = ["https://", "http://"]
        .iter()
        .any(|scheme| link.starts_with(scheme));
    let word = language.of("处置手册", "What to do");
    if is_web {
        format!("<p>{word}: <a href=\"{shown}\" rel=\"noreferrer\">{shown}</a></p>\n")
    } else {
        format!("<p>{word}: {shown}</p>\n")
    }
}

/// Escaped, with the line ends kept.
fn broken(text: &str) -> String {
    escape(text).replace('\n', "<br>\n")
}
