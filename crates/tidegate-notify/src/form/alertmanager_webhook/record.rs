//! Alerts of somebody else as alerts that our routes know.

use jiff::{SignedDuration, Timestamp};
use tidegate_alerts::wire::AlertRecord;

use super::ExternalAlert;

/// The layer of alerts that came by a webhook: routes can tell them by it.
pub const LAYER: &str = "alertmanager";
/// Labels that our own alerts have there: such an alert came from here and was told.
const OURS: [&str; 3] = ["rule", "layer", "subject_kind"];
/// Most characters of a title, and of a name.
const TITLE_MAX: usize = 200;
/// Most characters of a text.
const TEXT_MAX: usize = 2_000;
/// Most labels; a rule of ours has no more either.
const LABELS_MAX: usize = 32;

/// The alert as a record of `pipeline`; `None` for one that Tidegate itself pushed to that
/// Alertmanager, which would go round for ever.
///
/// The same alert, pushed again, is the same record, which the dispatcher tells once: the id is made
/// of the fingerprint and the start. `alertname` is the rule, the first of `subject`, `instance`,
/// `job` the subject, `severity` the severity (`page` is critical, what is unknown a warning),
/// `owner` or `team` the owner, and `grid_unit` the grid unit. The annotations `summary`,
/// `description` and `runbook_url` are the texts, in the one language that they have. Long texts are
/// cut, and the first 32 labels kept.
pub fn record(alert: &ExternalAlert, pipeline: &str) -> Option<AlertRecord> {
    let label = |names: &[&str]| {
        let found = names.iter().find_map(|name| alert.labels.get(*name));
        found.map(|text| cut(text, TITLE_MAX))
    };
    if OURS.iter().all(|name| alert.labels.contains_key(*name)) {
        return None;
    }
    let note = |name: &str, most: usize| {
        let text = alert.annotations.get(name);
        text.map(|text| cut(text, most)).unwrap_or_default()
    };
    let labels = alert.labels.iter();
    let rule = label(&["alertname"]).unwrap_or_else(|| "unnamed".to_owned());
    let subject =
        label(&["subject", "instance", "job"]).unwrap_or_else(|| alert.fingerprint.clone());
    let title = Some(note("summary", TITLE_MAX)).filter(|text| !text.is_empty());
    let title = title.unwrap_or_else(|| format!("{rule}: {subject}"));
    let text = note("description", TEXT_MAX);
    let since = alert.starts_at.to_string();
    let runbook = Some(note("runbook_url", TEXT_MAX)).filter(|text| !text.is_empty());
    Some(AlertRecord {
        id: format!(
            "am-{}-{}",
            alert.fingerprint,
            alert.starts_at.as_millisecond()
        ),
        rule,
        rule_hash: String::new(),
        layer: LAYER.to_owned(),
        subject_kind: "external".to_owned(),
        name_zh: subject.clone(),
        name_en: subject.clone(),
        subject,
        state: if alert.is_firing {
            "firing"
        } else {
            "resolved"
        }
        .to_owned(),
        severity: severity(alert.labels.get("severity").map(String::as_str)).to_owned(),
        window_start: since.clone(),
        window_end: changed_at(alert).to_string(),
        value: None,
        lo: None,
        hi: None,
        unit: String::new(),
        level: None,
        coverage: None,
        data_age_s: None,
        method: "alertmanager/webhook@4".to_owned(),
        title_zh: title.clone(),
        title_en: title,
        text_zh: text.clone(),
        text_en: text,
        owner: label(&["owner", "team"]).unwrap_or_default(),
        since,
        is_final: true,
        tags: std::collections::BTreeMap::new(),
        labels: labels
            .take(LABELS_MAX)
            .map(|(name, value)| (name.clone(), cut(value, TITLE_MAX)))
            .collect(),
        grid_unit: label(&["grid_unit"]),
        runbook,
        threshold: None,
        valid_until: None,
        shadow: false,
        why: None,
        pipeline: Some(pipeline.to_owned()),
    })
}

/// The end of an alert that is over comes behind its start, however coarse the clock there is.
fn changed_at(alert: &ExternalAlert) -> Timestamp {
    let start = alert.starts_at;
    if alert.is_firing {
        return start;
    }
    let ended = alert.ends_at.filter(|at| *at > start);
    ended.unwrap_or(start + SignedDuration::from_micros(1))
}

fn severity(label: Option<&str>) -> &'static str {
    match label {
        Some("critical" | "page") => "critical",
        Some("watch") => "watch",
        Some("info" | "none") => "info",
        _ => "warning",
    }
}

/// At most so many characters; one that is cut ends with `…`.
fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most - 1).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    //! Tries to have one alert told twice, an end lost, and our own alerts go round.

    use std::collections::BTreeMap;

    use super::*;

    fn alert(labels: &[(&str, &str)], ends_at: Option<&str>) -> ExternalAlert {
        let pairs = labels.iter();
        ExternalAlert {
            fingerprint: "0f1e2d3c4b5a6978".to_owned(),
            is_firing: ends_at.is_none(),
            labels: pairs
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            annotations: BTreeMap::from([("summary".to_owned(), "disk is full".to_owned())]),
            starts_at: "2026-03-02T08:00:00.5Z".parse().unwrap(),
            ends_at: ends_at.map(|at| at.parse().unwrap()),
            generator_url: String::new(),
        }
    }

    #[test]
    fn an_alert_has_one_id_from_its_start_to_its_end() {
        let labels = [
            ("alertname", "DiskFull"),
            ("severity", "page"),
            ("job", "kafka"),
        ];
        let fired = record(&alert(&labels, None), "city").unwrap();
        assert_eq!(fired, record(&alert(&labels, None), "city").unwrap());
        assert_eq!((&*fired.rule, &*fired.subject), ("DiskFull", "kafka"));
        assert_eq!(
            (&*fired.severity, &*fired.title_en),
            ("critical", "disk is full")
        );
        for end in ["2026-03-02T09:00:00Z", "2026-03-02T08:00:00.5Z"] {
            let over = record(&alert(&labels, Some(end)), "city").unwrap();
            assert_eq!((&*over.id, &*over.state), (&*fired.id, "resolved"));
            let at = |text: &str| text.parse::<Timestamp>().unwrap();
            assert!(at(&over.window_end) > at(&fired.window_end), "{over:?}");
        }
    }

    #[test]
    fn what_came_from_here_does_not_come_again() {
        let ours = [
            ("rule", "crush"),
            ("layer", "density"),
            ("subject_kind", "venue"),
        ];
        assert_eq!(record(&alert(&ours, None), "city"), None);
        assert!(record(&alert(&ours[..2], None), "city").is_some());
    }

    #[test]
    fn an_alert_without_labels_and_a_long_one_are_alerts() {
        let bare = record(&alert(&[], None), "city").unwrap();
        assert_eq!((&*bare.rule, &*bare.severity), ("unnamed", "warning"));
        assert_eq!(bare.subject, "0f1e2d3c4b5a6978");
        let long = "长".repeat(300);
        let cut = record(&alert(&[("alertname", &long)], None), "city").unwrap();
        assert_eq!(cut.rule.chars().count(), TITLE_MAX);
    }
}
