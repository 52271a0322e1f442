//! What is told of an alert, word for word: tries to leave out what its reader needs.

use super::*;
use crate::wire::AlertRecord;
use std::borrow::Cow;

#[test]
fn a_raised_alert_in_full() {
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(8));
    let mut machine = machine(&config("5m", "0s")).with_time_zone(zone);
    let told: Vec<_> = play(&mut machine, "4.5 4.25 _ 2").concat();
    let record = serde_json::to_value(AlertRecord::from(&told[0])).unwrap();
    let expected = serde_json::json!({
        "id": "d731f7eeda00fb6f3f29dd8c11c6428d",
        "rule": "crush",
        "rule_hash": "94b4f65d4708faf6",
        "layer": "density",
        "subject_kind": "venue",
        "subject": "v1",
        "name_zh": "东门市场",
        "name_en": "East Gate Market",
        "state": "firing",
        "severity": "critical",
        "window_start": "2026-03-01T00:05:00Z",
        "window_end": "2026-03-01T00:10:00Z",
        "value": 4.25,
        "lo": 3.25,
        "hi": 5.25,
        "unit": "persons/m²",
        "level": "F",
        "coverage": 1.0,
        "data_age_s": 30.0,
        "method": "density/usable-area@1",
        "title_zh": "东门市场过密 4.25",
        "title_en": "East Gate Market is crushed: 4.25",
        "text_zh": "暂停入场（2026-03-01 08:10 +08:00）。",
        "text_en": "Stop entry (2026-03-01 08:10 +08:00).",
        "owner": "grid-duty",
        "since": "2026-03-01T00:05:00Z",
        "is_final": true,
        "threshold": 4.0,
        "valid_until": "2026-03-01T00:20:00Z",
        "why": "data",
    });
    assert_eq!(record, expected);
    let dark = AlertRecord::from(&told[1]);
    assert_eq!((dark.value, dark.level, dark.threshold), (None, None, None));
    assert_eq!(dark.data_age_s, Some(300.0));
    assert_eq!(dark.window_start, "2026-03-01T00:10:00Z");
    assert_eq!(dark.title_en, "No data: East Gate Market is crushed: –");
    let over = AlertRecord::from(&told[2]);
    assert_eq!((&over.id, over.threshold), (&told[0].id, Some(3.0)));
    assert_eq!(over.title_zh, "已解除：东门市场过密 2");
    assert_eq!(over.text_en, "Now 2 persons/m²; the alert is over.");
}

#[test]
fn what_goes_with_an_alert() {
    let labelled = RuleConfig {
        labels: BTreeMap::from([("team".to_owned(), "east".to_owned())]),
        runbook: Some("https://example.org/crush".to_owned()),
        mode: Mode::Shadow,
        tags: BTreeMap::from([(
            "grid_unit".to_owned(),
            OneOrMany(vec!["g-1".to_owned(), "g-2".to_owned()]),
        )]),
        ..config("0s", "15m")
    };
    let mut machine = machine(&labelled);
    let at = end(0);
    let market = Measurement {
        tags: &[
            ("grid_unit", Cow::Borrowed("g-1")),
            ("kind", Cow::Borrowed("market")),
        ],
        ..row("v1", at, Some(9.0))
    };
    let elsewhere = Measurement {
        tags: &[("grid_unit", Cow::Borrowed("g-3"))],
        ..row("v2", at, Some(9.0))
    };
    let unit = Measurement {
        subject_kind: "grid_unit",
        ..row("g-2", at, Some(9.0))
    };
    let told = machine.observe("density", at, &[market, elsewhere, unit]);
    assert_eq!(told.len(), 2);
    assert_eq!(told[0].grid_unit.as_deref(), Some("g-2"));
    let told = [&told[1], &machine.observe("density", end(1), &[])[1]];
    for alert in told.map(AlertRecord::from) {
        assert_eq!(alert.subject, "v1");
        assert_eq!(alert.grid_unit.as_deref(), Some("g-1"));
        assert_eq!(alert.tags["kind"], "market");
        assert_eq!(alert.labels["team"], "east");
        assert_eq!(alert.runbook.as_deref(), Some("https://example.org/crush"));
        assert!(alert.shadow);
    }
    let stands_for = told[0].valid_until.since(told[0].window_end);
    assert_eq!(stands_for, Span::minutes(15));
}

#[test]
fn unnamed_subjects_go_by_their_id() {
    let at = end(0);
    let unnamed = Measurement {
        name_zh: "",
        name_en: "",
        ..row("89309959d73ffff", at, Some(4.0))
    };
    let told = machine(&config("0s", "0s")).observe("density", at, &[unnamed]);
    assert_eq!(told[0].title_zh, "89309959d73ffff过密 4");
    assert_eq!(told[0].name_en, "89309959d73ffff");
}
