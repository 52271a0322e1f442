//! Any text in any field: what leaves is well-formed, within its limits, and carries no markup of
//! the text's own.

use jiff::tz::TimeZone;
use proptest::prelude::*;
use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::{Value, json};
use tidegate_dispatch::{Notice, NoticeKind};
use tidegate_notify::form::alertmanager_webhook::{ReadLimits, WebhookConfig, payload, read};
use tidegate_notify::form::atom::{AtomConfig, FEED_BYTES_MAX, feed};
use tidegate_notify::form::cap::{self, Place, check};
use tidegate_notify::form::mail::{MailConfig, mail, render};
use tidegate_notify::form::{Language, RobotStyle, cloudevents, dingtalk, feishu, summary, wecom};

use crate::fixtures::*;

/// Text that breaks forms: any characters, markup, and what grows when it is escaped.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "\\PC{0,40}",
        Just("]]></headline><!--&#0;&lt;".to_owned()),
        Just("\0\u{1}\u{b}\u{1b}\u{7f}\u{85}\u{fffe}\u{ffff}".to_owned()),
        Just("\u{202e}שלום\u{2066}👩‍👩‍👧 \u{feff}".to_owned()),
        Just("\r\nBcc: everyone@example\r\n\r\nbody".to_owned()),
        Just(".\r\n.\r\n--=_tidegate_n7c2f--\r\n".to_owned()),
        "[\"\\\\<&\u{1}人]{0,3000}",
        Just("人\"".repeat(50_000)),
        Just("<script>alert(1)</script>".to_owned()),
    ]
}

prop_compose! {
    fn any_notice()(
        words in proptest::collection::vec(text(), 18),
        number in proptest::option::of(any::<f64>().prop_filter("finite", |x| x.is_finite())),
        n_alerts in 1_usize..4,
        told in any::<bool>(),
        held_back in any::<u32>(),
    ) -> Notice {
        let changes = json!({
            "rule": words[0], "layer": words[1], "subject": words[2], "name_zh": words[3],
            "name_en": words[4], "unit": words[5], "title_zh": words[6], "title_en": words[7],
            "text_zh": words[8], "text_en": words[9], "owner": words[10], "grid_unit": words[11],
            "runbook": format!("https://{}", words[12]), "level": words[13], "since": words[14],
            "state": words[15], "severity": words[16], "tags": { words[17].clone(): words[0] },
            "value": number, "lo": number, "hi": number, "threshold": number, "coverage": number,
        });
        let told = if told { TOLD } else { &[] };
        let alerts = (0..n_alerts).map(|_| alert(record_with(changes.clone()), told));
        let mut notice = notice(NoticeKind::Alert, alerts.collect());
        notice.held_back = held_back;
        notice.group = [(words[0].clone(), words[1].clone())].into();
        notice.text_zh = Some(words[2].clone());
        notice.alerts[0].acknowledged_by = Some(words[3].clone());
        notice.alerts[0].grid_units = vec![words[4].clone()];
        notice
    }
}

fn assert_well_formed(xml: &[u8]) {
    let text = std::str::from_utf8(xml).unwrap();
    let allowed =
        |c: char| matches!(c, '\n' | '\t') || (c >= ' ' && c != '\u{fffe}' && c != '\u{ffff}');
    assert!(
        text.chars().all(allowed),
        "a character that XML does not allow"
    );
    let mut reader = Reader::from_str(text);
    let mut depth = 0;
    loop {
        match reader.read_event().unwrap() {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth -= 1,
            Event::Comment(_) | Event::CData(_) | Event::PI(_) => panic!("not ours"),
            Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!(depth, 0);
}

fn json_of(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn cap_and_atom_stay_xml(notice in any_notice()) {
        let messages = cap::messages(&notice, &cap_config(), &places);
        for message in &messages {
            assert_well_formed(&message.xml);
            prop_assert_eq!(check(&message.xml), Ok(()));
            prop_assert!(message.xml.len() < 100_000);
        }
        let config = AtomConfig {
            id: "urn:x".to_owned(),
            address: "https://x/feed".to_owned(),
            messages_address: "https://x/".to_owned(),
            title: notice.alerts[0].record.rule.clone(),
            author: notice.alerts[0].record.owner.clone(),
            language: Language::English,
        };
        let atom = feed(&config, &messages, notice.created);
        assert_well_formed(&atom);
        prop_assert!(atom.len() <= FEED_BYTES_MAX);
    }

    #[test]
    fn any_outline_is_closed_and_in_range(
        rings in proptest::collection::vec(
            prop_oneof![
                proptest::collection::vec((any::<f64>(), any::<f64>()), 0..6),
                proptest::collection::vec((-91.0..91.0, -181.0..181.0), 0..6),
            ],
            0..4,
        ),
        n in 0_u32..3_000,
    ) {
        let circle = (0..n).map(|at| {
            let (sin, cos) = (f64::from(at) / 100.0).sin_cos();
            (30.0 + sin, 114.0 + cos)
        });
        let mut polygons = rings;
        polygons.push(circle.collect());
        let places = move |_: &str, _: &str| Some(Place { polygons: polygons.clone(), cells: Vec::new() });
        let message = &cap::messages(&first(), &cap_config(), &places)[0];
        prop_assert_eq!(check(&message.xml), Ok(()));
        prop_assert!(message.xml.len() < 100_000);
    }

    #[test]
    fn robots_stay_json_within_their_limits(notice in any_notice()) {
        let style = RobotStyle { languages: Language::BOTH.to_vec(), ..RobotStyle::default() };
        let feishu = feishu::request(&notice, &style, Some("secret"), i64::MAX).body;
        prop_assert!(feishu.len() <= feishu::BODY_BYTES_MAX, "{}", feishu.len());
        prop_assert!(json_of(&feishu)["card"]["elements"].as_array().is_some_and(|parts| !parts.is_empty()));
        let dingtalk = dingtalk::request(&notice, &style, None, 0).body;
        prop_assert!(dingtalk.len() <= dingtalk::BODY_BYTES_MAX, "{}", dingtalk.len());
        json_of(&dingtalk);
        let wecom = json_of(&wecom::request(&notice, &style).body);
        let content = wecom["markdown"]["content"].as_str().unwrap();
        prop_assert!(content.len() <= wecom::MARKDOWN_BYTES_MAX, "{}", content.len());
        prop_assert!(!content.contains("<script"));
    }

    #[test]
    fn mail_stays_mail(notice in any_notice()) {
        let mut config = MailConfig::new("a@b.example").unwrap();
        config.to = vec!["c@d.example".to_owned()];
        let mail = mail(&notice, &config).unwrap();
        let text = String::from_utf8(mail.bytes).unwrap();
        prop_assert!(text.is_ascii() && text.lines().all(|line| line.len() <= 998));
        let (head, _) = text.split_once("\r\n\r\n").unwrap();
        for line in head.split("\r\n") {
            prop_assert!(!line.starts_with("Bcc"), "{head}");
        }
        let boundary = "--=_tidegate_n7c2f";
        prop_assert_eq!(text.lines().filter(|line| line.starts_with(boundary)).count(), 3);
        let rendered = render(&notice, &config);
        prop_assert!(!rendered.html.contains("<script"));
        prop_assert!(!rendered.html.contains("<img") && !rendered.html.contains(['\0', '\r']));
        prop_assert!(!rendered.subject.contains(['\r', '\n']));
    }

    #[test]
    fn streams_stay_json(notice in any_notice()) {
        let config = WebhookConfig {
            receiver: "r".to_owned(),
            external_url: "https://x".to_owned(),
            alerts_max: Some(2),
        };
        let body = payload(&notice, &config);
        let group = read(&body, ReadLimits::default());
        let unparsable = notice.alerts[0].record.since.parse::<jiff::Timestamp>().is_err();
        // A record without a time is one that no payload can show; ours always have one.
        prop_assert!(group.is_ok() || unparsable);
        let event = json_of(&cloudevents::event(&notice.alerts[0].record, "/x").value);
        prop_assert_eq!(&event["data"]["rule"], &json!(notice.alerts[0].record.rule));
    }

    #[test]
    fn summaries_stay_html(words in proptest::collection::vec(text(), 6), value in any::<f64>()) {
        let finite = if value.is_finite() { value } else { 1.0 };
        let summary: summary::Summary = serde_json::from_value(json!({
            "grid_unit": words[0], "name_zh": words[1], "name_en": words[2], "period": "shift",
            "start": "2026-11-26T00:00:00Z", "end": "2026-11-26T08:00:00Z",
            "peaks": [{ "venue": words[3], "name_zh": "", "name_en": "", "value": finite, "lo": finite,
                "hi": finite, "unit": words[4], "at": "2026-11-26T00:00:00Z", "limit": finite }],
            "alerts": { "by_severity": { words[5].clone(): 1 }, "by_rule": { words[0].clone(): 4_000_000_000_u32 },
                "longest": null, "unacknowledged": [] },
            "acknowledgements": [{ "at": "2026-11-26T00:00:00Z", "who": words[1], "title_zh": words[2],
                "title_en": "", "verdict": words[3], "note": words[4] }],
            "feeds": [{ "feed": words[5], "coverage": finite, "gaps": [] }]
        })).unwrap();
        let mail = summary::mail(&summary, &[], &TimeZone::UTC);
        let file = summary::file(&summary, &[], &TimeZone::UTC);
        for html in [&mail.html, &file] {
            prop_assert!(!html.contains("<script") && html.len() < 200_000);
            let has_control = html.contains(['\0', '\u{1b}']);
            prop_assert!(!has_control);
        }
        prop_assert!(!mail.subject.contains('\n'));
    }

    #[test]
    fn reading_a_payload_never_panics(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _unread = read(&body, ReadLimits::default());
        let _answers = (feishu::answer(200, &body), dingtalk::answer(500, &body), wecom::answer(404, &body));
    }
}
