//! Notices to try.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::{Value, json};
use tidegate_alerts::wire::AlertRecord;
use tidegate_dispatch::{Notice, NoticeAlert, NoticeKind, Told};
use tidegate_notify::form::cap::{CapConfig, Place, Sender};

/// A market that is too full, as its rule tells it.
pub(crate) fn record() -> AlertRecord {
    record_with(json!({}))
}

/// The same with other fields.
pub(crate) fn record_with(changes: Value) -> AlertRecord {
    let mut record = json!({
        "id": "6f1d0c7a9b2e4d5f8a3c1b0e7d6f5a4c",
        "rule": "market_density", "rule_hash": "b3c9f1d2e4a5", "layer": "venue_density",
        "subject_kind": "venue", "subject": "market-12",
        "name_zh": "东门市场", "name_en": "East Gate Market",
        "state": "firing", "severity": "warning",
        "window_start": "2026-11-26T10:00:00Z", "window_end": "2026-11-26T10:05:00Z",
        "value": 3.2, "lo": 2.9, "hi": 3.6, "unit": "persons/m²", "level": "los_e",
        "coverage": 0.9312, "data_age_s": 42.0, "method": "occupancy/counted@1",
        "title_zh": "东门市场人群密度过高", "title_en": "East Gate Market is too dense",
        "text_zh": "请在入口限流，\n并通知网格员。", "text_en": "Hold people at the gates\nand tell the grid officer.",
        "owner": "market-office", "since": "2026-11-26T09:55:00Z", "is_final": true,
        "tags": { "kind": "market" }, "labels": { "team-name": "crowd" },
        "grid_unit": "grid-0712", "runbook": "https://runbooks.example/market?id=1&x=2",
        "threshold": 3.0, "valid_until": "2026-11-26T10:25:00Z", "shadow": false
    });
    for (key, value) in changes.as_object().unwrap() {
        record[key] = value.clone();
    }
    serde_json::from_value(record).unwrap()
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn alert(record: AlertRecord, told: &[(&str, &str)]) -> NoticeAlert {
    NoticeAlert {
        record,
        told: told
            .iter()
            .map(|(notice, when)| Told {
                notice: (*notice).to_owned(),
                at: at(when),
            })
            .collect(),
        grid_units: vec!["grid-0712".to_owned(), "district-07".to_owned()],
        acknowledged_by: None,
    }
}

/// Two earlier messages on the same channel.
pub(crate) const TOLD: &[(&str, &str)] = &[
    ("n-first", "2026-11-26T09:56:01.5Z"),
    ("n-second", "2026-11-26T10:01:02Z"),
];

pub(crate) fn notice(kind: NoticeKind, alerts: Vec<NoticeAlert>) -> Notice {
    Notice {
        id: "n-7c2f".to_owned(),
        channel: "duty".to_owned(),
        kind,
        group: [("rule".to_owned(), "market_density".to_owned())].into(),
        alerts,
        held_back: 0,
        to: Vec::new(),
        created: at("2026-11-26T10:05:07.987Z"),
        expires: at("2026-11-26T10:35:00Z"),
        title_zh: None,
        title_en: None,
        text_zh: None,
        text_en: None,
        summary: None,
    }
}

pub(crate) fn first() -> Notice {
    notice(NoticeKind::Alert, vec![alert(record(), &[])])
}

/// `n` alerts, each of another market.
pub(crate) fn many(n: usize) -> Notice {
    let alerts = (0..n).map(|n| {
        let id = format!("{n:032x}");
        let subject = format!("market-{n}");
        alert(record_with(json!({ "id": id, "subject": subject })), &[])
    });
    notice(NoticeKind::Alert, alerts.collect())
}

pub(crate) fn cap_config() -> CapConfig {
    CapConfig {
        sender_name_zh: "示例市疾控中心".to_owned(),
        sender_name_en: "CDC of Example City".to_owned(),
        contact: Some("duty@cdc.example, +86 10 0000 0000".to_owned()),
        ..CapConfig::new(Sender::new("tidegate@cdc.example").unwrap())
    }
}

/// The market's outline, left open; cells are their own place.
pub(crate) fn places(kind: &str, _subject: &str) -> Option<Place> {
    (kind == "venue").then(|| Place {
        polygons: vec![vec![
            (30.5901, 114.2701),
            (30.5901, 114.2722),
            (30.5915, 114.2722),
            (30.5915, 114.2701),
        ]],
        cells: Vec::new(),
    })
}

/// The program that `variable` names, else `name` on the path or in `~/go/bin`.
pub(crate) fn program(variable: &str, name: &str) -> Option<PathBuf> {
    if let Some(named) = std::env::var_os(variable) {
        return Some(PathBuf::from(named));
    }
    let mut folders: Vec<PathBuf> = std::env::var_os("PATH")
        .map(|path| std::env::split_paths(&path).collect())
        .unwrap_or_default();
    folders.extend(std::env::var_os("HOME").map(|home| Path::new(&home).join("go/bin")));
    folders
        .into_iter()
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

/// A port of loopback that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}
