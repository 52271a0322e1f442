//! A summary as tables of words, the same for text and HTML.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{AlertLine, Summary};
use crate::form::text::{self, Language};

/// A heading, and rows or the words that stand for none.
pub(super) struct Section {
    pub(super) title: &'static str,
    pub(super) columns: Vec<&'static str>,
    pub(super) rows: Vec<Row>,
    pub(super) none: &'static str,
}

/// Words in the columns' order, and the share that a bar shows, which may be above 1.
pub(super) struct Row {
    pub(super) cells: Vec<String>,
    pub(super) bar: Option<f64>,
}

impl Row {
    fn new(cells: Vec<String>) -> Self {
        Self { cells, bar: None }
    }
}

/// All sections, in order.
pub(super) fn all(summary: &Summary, language: Language, zone: &TimeZone) -> Vec<Section> {
    let missing = summary
        .missing_from
        .map(|from| missing(summary, from, language, zone));
    let sections = [
        alerts(summary, language),
        rules(summary, language),
        longest(summary, language, zone),
        unacknowledged(summary, language, zone),
        peaks(summary, language, zone),
        acknowledgements(summary, language, zone),
        feeds(summary, language, zone),
    ];
    missing.into_iter().chain(sections).collect()
}

/// Before all else: no alert and no peak is known of a time without data.
fn missing(summary: &Summary, from: Timestamp, language: Language, zone: &TimeZone) -> Section {
    let times = [from, summary.end].map(|at| text::local(at, zone));
    Section {
        title: language.of(
            "数据不完整：以下时段没有数据",
            "Incomplete: a time without data",
        ),
        columns: language.of(vec!["从", "到"], vec!["From", "To"]),
        rows: vec![Row::new(times.to_vec())],
        none: "",
    }
}

fn alerts(summary: &Summary, language: Language) -> Section {
    let counts = &summary.alerts.by_severity;
    let known = ["critical", "warning", "watch", "info"];
    let others = counts
        .keys()
        .map(String::as_str)
        .filter(|word| !known.contains(word));
    let most = counts.values().copied().max().unwrap_or(0).max(1);
    let rows = known
        .into_iter()
        .chain(others)
        .filter_map(|severity| Some((severity, *counts.get(severity)?)))
        .map(|(severity, n)| Row {
            cells: vec![word(text::severity(severity, language)), n.to_string()],
            bar: Some(f64::from(n) / f64::from(most)),
        });
    Section {
        title: language.of("告警（按级别）", "Alerts by severity"),
        columns: language.of(vec!["级别", "数量"], vec!["Severity", "Alerts"]),
        rows: rows.collect(),
        none: language.of("本时段无告警。", "No alert in this period."),
    }
}

fn rules(summary: &Summary, language: Language) -> Section {
    let mut counts: Vec<_> = summary.alerts.by_rule.iter().collect();
    counts.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    Section {
        title: language.of("告警（按规则）", "Alerts by rule"),
        columns: language.of(vec!["规则", "数量"], vec!["Rule", "Alerts"]),
        rows: counts
            .into_iter()
            .map(|(rule, n)| Row::new(vec![word(rule), n.to_string()]))
            .collect(),
        none: language.of("无。", "None."),
    }
}

fn longest(summary: &Summary, language: Language, zone: &TimeZone) -> Section {
    Section {
        title: language.of("持续最久的告警", "Longest alert"),
        columns: alert_columns(language),
        rows: summary
            .alerts
            .longest
            .iter()
            .map(|alert| alert_row(alert, language, zone))
            .collect(),
        none: language.of("无。", "None."),
    }
}

fn unacknowledged(summary: &Summary, language: Language, zone: &TimeZone) -> Section {
    Section {
        title: language.of("未确认的告警", "Not acknowledged"),
        columns: alert_columns(language),
        rows: summary
            .alerts
            .unacknowledged
            .iter()
            .map(|alert| alert_row(alert, language, zone))
            .collect(),
        none: language.of("没有未确认的告警。", "None was left without an answer."),
    }
}

fn alert_columns(language: Language) -> Vec<&'static str> {
    language.of(
        vec!["级别", "告警", "开始时间", "分钟"],
        vec!["Severity", "Alert", "Since", "Minutes"],
    )
}

fn alert_row(alert: &AlertLine, language: Language, zone: &TimeZone) -> Row {
    Row::new(vec![
        word(text::severity(&alert.severity, language)),
        word(language.prefer(&alert.title_zh, &alert.title_en)),
        text::local(alert.since, zone),
        alert.minutes.to_string(),
    ])
}

fn peaks(summary: &Summary, language: Language, zone: &TimeZone) -> Section {
    let rows = summary.peaks.iter().map(|peak| {
        let name = language.prefer(&peak.name_zh, &peak.name_en);
        let name = if name.trim().is_empty() {
            &peak.venue
        } else {
            name
        };
        let interval = match (peak.lo, peak.hi) {
            (Some(lo), Some(hi)) => format!("{} – {}", text::number(lo), text::number(hi)),
            _ => "–".to_owned(),
        };
        let limit = peak.limit.filter(|limit| *limit > 0.0);
        Row {
            cells: vec![
                word(name),
                format!("{} {}", text::number(peak.value), word(&peak.unit)),
                interval,
                text::local(peak.at, zone),
                limit.map_or_else(|| "–".to_owned(), text::number),
            ],
            bar: limit.map(|limit| peak.value / limit),
        }
    });
    Section {
        title: language.of("各场所峰值", "Peaks by venue"),
        columns: language.of(
            vec!["场所", "峰值", "区间", "时间", "上限"],
            vec!["Venue", "Peak", "Interval", "Time", "Limit"],
        ),
        rows: rows.collect(),
        none: language.of("本时段无数值。", "No value in this period."),
    }
}

fn acknowledgements(summary: &Summary, language: Language, zone: &TimeZone) -> Section {
    let rows = summary.acknowledgements.iter().map(|one| {
        let verdict = match one.verdict.as_deref().unwrap_or_default() {
            "useful" => language.of("有用", "useful"),
            "false" => language.of("误报", "false"),
            "duplicate" => language.of("重复", "duplicate"),
            other => other,
        };
        Row::new(vec![
            text::local(one.at, zone),
            word(&one.who),
            word(language.prefer(&one.title_zh, &one.title_en)),
            word(verdict),
            text::line(&one.note, 300),
        ])
    });
    Section {
        title: language.of("确认记录", "Acknowledgements"),
        columns: language.of(
            vec!["时间", "人员", "告警", "判断", "备注"],
            vec!["Time", "Who", "Alert", "Verdict", "Note"],
        ),
        rows: rows.collect(),
        none: language.of("无。", "None."),
    }
}

fn feeds(summary: &Summary, language: Language, zone: &TimeZone) -> Section {
    let rows = summary.feeds.iter().map(|feed| {
        let percent = feed.coverage.map_or_else(
            || "–".to_owned(),
            |share| format!("{} %", text::number((share * 1000.0).round() / 10.0)),
        );
        let mut gaps: Vec<String> = feed
            .gaps
            .iter()
            .take(5)
            .map(|gap| {
                format!(
                    "{} – {}",
                    text::local(gap.start, zone),
                    text::local(gap.end, zone)
                )
            })
            .collect();
        if feed.gaps.len() > 5 {
            gaps.push(text::more(feed.gaps.len() - 5, language));
        }
        Row {
            cells: vec![
                word(&feed.feed),
                percent,
                feed.gaps.len().to_string(),
                gaps.join("; "),
            ],
            bar: feed.coverage,
        }
    });
    Section {
        title: language.of("数据源状况", "Feeds"),
        columns: language.of(
            vec!["数据源", "覆盖率", "中断次数", "中断时段"],
            vec!["Feed", "Coverage", "Gaps", "When"],
        ),
        rows: rows.collect(),
        none: language.of("无数据源。", "No feed."),
    }
}

fn word(text: &str) -> String {
    text::line(text, text::TITLE_CHARS_MAX)
}
