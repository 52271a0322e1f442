//! Every form against an expected file. `TIDEGATE_BLESS=1` writes the files anew.

use std::fs;
use std::path::Path;

use jiff::tz::TimeZone;
use serde_json::{Value, json};
use tidegate_dispatch::{Notice, NoticeKind};
use tidegate_notify::form::alertmanager_webhook::{ReadLimits, WebhookConfig, payload, read};
use tidegate_notify::form::atom::{AtomConfig, FEED_BYTES_MAX, feed};
use tidegate_notify::form::cap::{self, check};
use tidegate_notify::form::mail::{MailConfig, mail, render};
use tidegate_notify::form::summary::{self, Summary};
use tidegate_notify::form::{Language, RobotStyle, cloudevents, dingtalk, feishu, wecom};

use crate::fixtures::*;

fn check_golden(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/forms/golden")
        .join(name);
    if std::env::var_os("TIDEGATE_BLESS").is_some() {
        fs::write(&path, found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        found, expected,
        "{name} differs; TIDEGATE_BLESS=1 writes it anew"
    );
}

fn pretty(json: &[u8]) -> String {
    let value: Value = serde_json::from_slice(json).unwrap();
    format!("{value:#}\n")
}

fn cap_of(notice: &Notice) -> String {
    let messages = cap::messages(notice, &cap_config(), &places);
    let text = String::from_utf8(messages[0].xml.clone()).unwrap();
    assert_eq!(check(text.as_bytes()), Ok(()));
    text
}

#[test]
fn cap_alert_update_and_cancel() {
    check_golden("cap_alert.xml", &cap_of(&first()));
    let worse = record_with(json!({ "severity": "critical", "value": 4.1, "lo": 3.7, "hi": 4.5 }));
    let update = notice(NoticeKind::Alert, vec![alert(worse, TOLD)]);
    check_golden("cap_update.xml", &cap_of(&update));
    let over = record_with(json!({ "state": "resolved", "value": 1.5, "lo": 1.2, "hi": 1.7 }));
    let cancel = notice(NoticeKind::Alert, vec![alert(over, TOLD)]);
    check_golden("cap_cancel.xml", &cap_of(&cancel));
}

#[test]
fn cap_of_a_cell_is_its_outline() {
    let cell = record_with(json!({
        "subject_kind": "cell", "subject": "894184caa17ffff", "name_zh": "", "name_en": "",
        "method": "inflow/lambda-joint@1", "valid_until": null,
    }));
    check_golden(
        "cap_cell.xml",
        &cap_of(&notice(NoticeKind::Alert, vec![alert(cell, &[])])),
    );
}

#[test]
fn an_atom_feed_of_the_latest() {
    let mut messages = cap::messages(&many(600), &cap_config(), &places);
    let config = AtomConfig {
        id: "urn:uuid:0c5a3a52-7f0e-4a7e-9f58-1d1f2d1a9d10".to_owned(),
        address: "https://alerts.cdc.example/cap/feed.xml".to_owned(),
        messages_address: "https://alerts.cdc.example/cap/".to_owned(),
        title: "示例市 Tidegate".to_owned(),
        author: "CDC".to_owned(),
        language: Language::Chinese,
    };
    let whole = feed(&config, &messages, at("2026-11-26T10:00:00Z"));
    assert!(whole.len() <= FEED_BYTES_MAX && whole.len() > FEED_BYTES_MAX - 2_000);
    messages.truncate(2);
    messages[1].sent = at("2026-11-26T10:06:00Z");
    let small = feed(&config, &messages, at("2026-11-26T10:00:00Z"));
    check_golden("feed.xml", &String::from_utf8(small).unwrap());
    let empty = feed(&config, &[], at("2026-11-26T10:00:00Z"));
    assert!(
        String::from_utf8(empty)
            .unwrap()
            .contains("<updated>2026-11-26T10:00:00Z</updated>")
    );
}

#[test]
fn mail_in_two_languages() {
    let mut config = MailConfig::new("Tidegate <tidegate@cdc.example>").unwrap();
    config.to = vec!["duty@cdc.example".to_owned(), "not an address".to_owned()];
    let mail = mail(
        &notice(NoticeKind::Alert, vec![alert(record(), TOLD)]),
        &config,
    )
    .unwrap();
    assert_eq!(mail.skipped, ["not an address"]);
    assert_eq!(mail.message_id, "<n-7c2f@cdc.example>");
    let text = String::from_utf8(mail.bytes).unwrap();
    assert!(text.is_ascii());
    assert!(text.contains("\r\nIn-Reply-To: <n-first@cdc.example>\r\n"));
    check_golden("mail.eml", &text.replace("\r\n", "\n"));
}

#[test]
fn robots_and_streams() {
    let style = RobotStyle {
        languages: Language::BOTH.to_vec(),
        ..RobotStyle::default()
    };
    let notice = first();
    let feishu = feishu::request(&notice, &style, Some("demo"), 1_599_360_473);
    check_golden("feishu.json", &pretty(&feishu.body));
    let dingtalk = dingtalk::request(&notice, &style, None, 0);
    check_golden("dingtalk.json", &pretty(&dingtalk.body));
    check_golden("wecom.json", &pretty(&wecom::request(&notice, &style).body));
    let event = cloudevents::event(&record(), "/tidegate/pipelines/city");
    assert_eq!(event.key, record().id);
    check_golden("cloudevent.json", &pretty(&event.value));
}

#[test]
fn alertmanagers_webhook_and_back() {
    let mut notice = many(3);
    notice.alerts[2].record.state = "resolved".to_owned();
    notice.held_back = 4;
    let config = WebhookConfig {
        receiver: "duty".to_owned(),
        external_url: "https://tidegate.cdc.example".to_owned(),
        alerts_max: None,
    };
    let body = payload(&notice, &config);
    check_golden("alertmanager.json", &pretty(&body));
    let group = read(&body, ReadLimits::default()).unwrap();
    assert_eq!((group.alerts.len(), group.truncated), (3, 4));
    assert!(group.alerts[0].is_firing && group.alerts[0].ends_at.is_none());
    assert!(!group.alerts[2].is_firing && group.alerts[2].ends_at.is_some());
    let short = WebhookConfig {
        alerts_max: Some(1),
        ..config
    };
    let group = read(&payload(&notice, &short), ReadLimits::default()).unwrap();
    assert_eq!((group.alerts.len(), group.truncated), (1, 6));
}

fn day() -> Summary {
    serde_json::from_value(json!({
        "grid_unit": "grid-0712", "name_zh": "七号网格", "name_en": "Grid <7>", "period": "day",
        "start": "2026-11-25T16:00:00Z", "end": "2026-11-26T16:00:00Z",
        "peaks": [
            { "venue": "market-12", "name_zh": "东门市场", "name_en": "East Gate Market", "value": 4.1,
              "lo": 3.7, "hi": 4.5, "unit": "persons/m²", "at": "2026-11-26T10:05:00Z", "limit": 3.0 },
            { "venue": "station-1", "name_zh": "", "name_en": "", "value": 812.0, "lo": null, "hi": null,
              "unit": "persons", "at": "2026-11-26T00:30:00Z", "limit": 2000.0 }],
        "alerts": {
            "by_severity": { "warning": 2, "critical": 1 },
            "by_rule": { "market_density": 2, "inflow": 1 },
            "longest": { "title_zh": "东门市场人群密度过高", "title_en": "East Gate Market is too dense",
                "severity": "critical", "since": "2026-11-26T09:55:00Z", "minutes": 45 },
            "unacknowledged": [] },
        "acknowledgements": [
            { "at": "2026-11-26T10:09:00Z", "who": "duty-officer", "title_zh": "东门市场人群密度过高",
              "title_en": "East Gate Market is too dense", "verdict": "useful", "note": "<b>gates closed</b>" }],
        "feeds": [
            { "feed": "gates", "coverage": 0.981, "gaps": [
                { "start": "2026-11-26T03:00:00Z", "end": "2026-11-26T03:20:00Z" }] }]
    }))
    .unwrap()
}

#[test]
fn a_summary_as_mail_and_as_file() {
    let zone = TimeZone::fixed(jiff::tz::offset(8));
    let mail = summary::mail(&day(), Language::BOTH, &zone);
    check_golden("summary.txt", &format!("{}\n\n{}", mail.subject, mail.text));
    check_golden("summary_mail.html", &mail.html);
    let file = summary::file(&day(), &[Language::English], &zone);
    check_golden("summary_file.html", &file);
    for html in [&mail.html, &file] {
        assert!(!html.contains("<script") && !html.contains("<b>") && !html.contains("http"));
    }
    let mut long = day();
    long.peaks = vec![long.peaks[0].clone(); summary::ROWS_MAX + 7];
    assert!(summary::mail(&long, &[], &zone).html.contains("… 7 more"));
}

#[test]
fn a_summary_that_is_told_is_drawn_in_mail() {
    let config = MailConfig::new("Tidegate <alerts@cdc.example>").unwrap();
    let mut notice = notice(NoticeKind::Summary, Vec::new());
    notice.text_en = Some("words alone".to_owned());
    notice.summary = Some("{}".to_owned());
    assert!(render(&notice, &config).html.contains("words alone"));
    notice.summary = Some(serde_json::to_string(&day()).unwrap());
    let drawn = render(&notice, &config);
    assert_eq!(drawn, summary::mail(&day(), Language::BOTH, &config.zone));
    assert!(drawn.html.contains("<table"), "{}", drawn.html);
    // A night without data is not a quiet one.
    let mut short = day();
    assert!(!drawn.text.contains("Incomplete"));
    short.missing_from = Some(short.start);
    let short = summary::mail(&short, &[Language::English], &config.zone);
    let (lack, alerts) = (short.text.find("Incomplete"), short.text.find("Alerts by"));
    assert!(lack.is_some() && lack < alerts, "{}", short.text);
}
