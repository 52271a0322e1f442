//! Records as a pipeline would send them.

use jiff::Timestamp;
use tidegate_alerts::wire::AlertRecord;

/// 2026-03-02 is a Monday; 00:00 UTC is 08:00 in Shanghai.
pub(crate) const START: &str = "2026-03-02T00:00:00Z";

/// `seconds` after [`START`].
pub(crate) fn at(seconds: i64) -> Timestamp {
    let start: Timestamp = START.parse().expect("it is valid");
    Timestamp::from_second(start.as_second() + seconds).expect("it is valid")
}

/// A transition of an alert on a market in grid unit `g1`, in a window that ends at `seconds`.
pub(crate) fn record(id: &str, state: &str, severity: &str, seconds: i64) -> AlertRecord {
    let text = |text: &str| text.to_owned();
    AlertRecord {
        id: text(id),
        rule: text("market-crush"),
        rule_hash: text("0123456789abcdef"),
        layer: text("density"),
        subject_kind: text("venue"),
        subject: text("m1"),
        name_zh: text("南门市场"),
        name_en: text("South Gate Market"),
        state: text(state),
        severity: text(severity),
        window_start: at(seconds - 300).to_string(),
        window_end: at(seconds).to_string(),
        value: Some(4.5),
        lo: Some(4.1),
        hi: Some(4.9),
        unit: text("persons/m²"),
        level: Some(text("E")),
        coverage: Some(0.98),
        data_age_s: Some(42.0),
        method: text("density/area@1"),
        title_zh: text("南门市场人群过密：4.5 人/m²"),
        title_en: text("South Gate Market is crushed: 4.5 persons/m²"),
        text_zh: text("暂停入场，引导分流，通知网格长。"),
        text_en: text("Stop entry, lead people away, tell the head of the grid."),
        owner: text("grid-duty"),
        since: at(seconds).to_string(),
        is_final: true,
        tags: [("kind", "market"), ("station", "st1")]
            .map(|(name, value)| (text(name), text(value)))
            .into(),
        labels: [(text("team"), text("crowd"))].into(),
        grid_unit: Some(text("g1")),
        runbook: Some(text("https://example.org/runbooks/crush")),
        threshold: Some(4.0),
        valid_until: Some(at(seconds + 600).to_string()),
        shadow: false,
        why: None,
        pipeline: None,
    }
}
