//! Which message a CAP channel gets when.

use serde_json::{Value, json};
use tidegate_dispatch::NoticeKind;
use tidegate_model::{Cell, Resolution};
use tidegate_notify::form::cap::{self, CapConfig, Category, Place, Scope, check};

use crate::fixtures::*;

fn cap_with(kind: NoticeKind, changes: Value, told: &[(&str, &str)], config: &CapConfig) -> String {
    let notice = notice(kind, vec![alert(record_with(changes), told)]);
    let messages = cap::messages(&notice, config, &places);
    assert_eq!(check(&messages[0].xml), Ok(()));
    String::from_utf8(messages[0].xml.clone()).unwrap()
}

/// Changes to the record, what was told of it before, and elements with their values.
type Case = (
    Value,
    &'static [(&'static str, &'static str)],
    &'static [&'static str],
);

#[test]
fn each_element_follows_the_record() {
    let config = cap_config();
    let cases: [Case; 9] = [
        (
            json!({}),
            &[],
            &[
                "msgType>Alert",
                "status>Actual",
                "urgency>Immediate",
                "certainty>Likely",
                "severity>Severe",
                "responseType>Avoid",
            ],
        ),
        (json!({ "lo": 3.1 }), &[], &["certainty>Observed"]),
        (
            json!({ "severity": "watch" }),
            &[],
            &["severity>Moderate", "responseType>Monitor"],
        ),
        (json!({ "shadow": true }), &[], &["status>Test"]),
        (
            json!({ "method": "forecast/seasonal@1" }),
            &[],
            &["urgency>Expected", "certainty>Likely"],
        ),
        (
            json!({ "labels": { "nature": "forecast", "event_en": "Inflow" } }),
            &[],
            &["urgency>Expected", "event>Inflow"],
        ),
        (
            json!({ "state": "resolved" }),
            TOLD,
            &["msgType>Cancel", "responseType>AllClear", "urgency>Past"],
        ),
        (
            json!({ "state": "no_data", "value": null }),
            TOLD,
            &[
                "msgType>Update",
                "certainty>Unknown",
                "responseType>Monitor",
            ],
        ),
        (
            json!({ "state": "resolved" }),
            &[],
            &["msgType>Alert", "responseType>AllClear"],
        ),
    ];
    for (changes, told, expected) in cases {
        let xml = cap_with(NoticeKind::Alert, changes.clone(), told, &config);
        for part in expected {
            assert!(
                xml.contains(&format!("<{part}<")),
                "{changes}: {part} in {xml}"
            );
        }
    }
    assert!(cap_with(NoticeKind::Test, json!({}), &[], &config).contains("<status>Test<"));
}

#[test]
fn a_later_message_names_the_earlier_ones_as_they_were_sent() {
    let config = cap_config();
    let mut before = first();
    before.id = "n-first".to_owned();
    before.created = at("2026-11-26T09:56:01.5Z");
    let earlier = cap::messages(&before, &config, &places);
    let sent = cap::time(earlier[0].sent, &config.zone);
    let triple = format!("tidegate@cdc.example,{},{sent}", earlier[0].identifier);
    assert!(String::from_utf8_lossy(&earlier[0].xml).contains(&format!("<sent>{sent}<")));
    let update = cap_with(NoticeKind::Repeat, json!({}), TOLD, &config);
    assert!(update.contains(&triple), "{triple} in {update}");
}

#[test]
fn a_channel_chooses_scope_status_and_category() {
    let config = CapConfig {
        status: cap::CapStatus::Exercise,
        scope: Scope::Private(vec!["a@b.example".to_owned(), "Duty room".to_owned()]),
        categories: vec![Category::Transport],
        zone: jiff::tz::TimeZone::UTC,
        ..cap_config()
    };
    let xml = cap_with(NoticeKind::Alert, json!({}), &[], &config);
    for part in [
        "<status>Exercise<",
        "<addresses>a@b.example &quot;Duty room&quot;<",
        "<category>Transport<",
        "<sent>2026-11-26T10:05:07-00:00<",
        "<expires>2026-11-26T10:25:00-00:00<",
    ] {
        assert!(xml.contains(part), "{part} in {xml}");
    }
    let shadow = cap_with(NoticeKind::Alert, json!({ "shadow": true }), &[], &config);
    assert!(shadow.contains("<status>Test<"));
}

#[test]
fn what_a_channel_says_of_its_authority_is_in_every_message() {
    let config = CapConfig {
        web: Some("https://city.example/crowds".to_owned()),
        codes: vec!["urn:example:profile:1".to_owned()],
        status: cap::CapStatus::Exercise,
        note: "Tidal wave 2026".to_owned(),
        ..cap_config()
    };
    let plain = cap_with(NoticeKind::Alert, json!({ "runbook": null }), &[], &config);
    for part in [
        "<code>urn:example:profile:1<",
        "<note>Tidal wave 2026<",
        "<senderName>示例市疾控中心<",
        "<senderName>CDC of Example City<",
        "<web>https://city.example/crowds<",
        "<contact>duty@cdc.example, +86 10 0000 0000<",
    ] {
        assert!(plain.contains(part), "{part} in {plain}");
    }
    // What the rule says goes before.
    let own = cap_with(NoticeKind::Alert, json!({}), &[], &config);
    assert!(own.contains("<web>https://runbooks.example/market?id=1&amp;x=2<"));
    assert!(!own.contains("city.example/crowds"));
    let escaped = json!({ "runbook": "https://runbooks.example/%E4%BA%BA" });
    let escaped = cap_with(NoticeKind::Alert, escaped, &[], &config);
    assert!(escaped.contains("<web>https://runbooks.example/%E4%BA%BA<"));
    let broken = json!({ "runbook": "https://runbooks.example/%E" });
    let broken = cap_with(NoticeKind::Alert, broken, &[], &config);
    assert!(broken.contains("city.example/crowds"));
    // An exercise only.
    let test = cap_with(NoticeKind::Test, json!({}), &[], &config);
    assert!(!test.contains("<note>"));
}

#[test]
fn a_test_is_one_message_and_a_summary_is_none() {
    let test = notice(NoticeKind::Test, Vec::new());
    let messages = cap::messages(&test, &cap_config(), &places);
    assert_eq!(messages.len(), 1);
    assert_eq!(check(&messages[0].xml), Ok(()));
    for kind in [NoticeKind::Summary, NoticeKind::Digest] {
        let messages = cap::messages(&notice(kind, Vec::new()), &cap_config(), &places);
        assert!(messages.is_empty());
    }
    assert_eq!(cap::messages(&many(3), &cap_config(), &places).len(), 3);
}

#[test]
fn cells_become_one_outline_and_too_many_a_rectangle() {
    let centre = Cell::at(30.59, 114.27, Resolution::Nine).unwrap();
    let disk = |k| -> Vec<Cell> {
        let cells: Vec<_> = centre.h3().grid_disk::<Vec<_>>(k);
        cells.into_iter().map(Cell::from).collect()
    };
    let xml_of = |cells: Vec<Cell>| {
        let places = move |_: &str, _: &str| {
            Some(Place {
                polygons: Vec::new(),
                cells: cells.clone(),
            })
        };
        let messages = cap::messages(&first(), &cap_config(), &places);
        assert_eq!(check(&messages[0].xml), Ok(()));
        String::from_utf8(messages[0].xml.clone()).unwrap()
    };
    let corners = |xml: &str| {
        let polygon = xml.split("<polygon>").nth(1).unwrap();
        polygon.split('<').next().unwrap().split(' ').count()
    };
    let one = xml_of(disk(1));
    assert_eq!((one.matches("<polygon>").count(), corners(&one)), (2, 19));
    assert_eq!(one.matches("<valueName>H3<").count(), 14);
    let huge = xml_of(disk(100));
    assert_eq!((huge.matches("<polygon>").count(), corners(&huge)), (2, 5));
    assert_eq!(huge.matches("<valueName>H3<").count(), 0);
    // Two resolutions are drawn one by one.
    let mut mixed = disk(0);
    mixed.push(Cell::at(30.6, 114.3, Resolution::Eight).unwrap());
    assert_eq!(xml_of(mixed).matches("<polygon>").count(), 4);
    // Nowhere at all is still a message.
    assert_eq!(xml_of(Vec::new()).matches("<polygon>").count(), 0);
}
