//! Puts a change into words: the rule's texts where there is something to do, fixed ones where
//! there is not. Both languages stand side by side.

use tidegate_model::{EventTime, Span};

use super::Change;
use crate::rule::{GRID_UNIT, Rule, Templates, twice};
use crate::template::{Filling, number};
use crate::transition::{AlertState, AlertTransition, Why};
use crate::words::{Mode, Severity};

/// The transition of `change`, complete with its texts.
pub(super) fn transition(
    rule: &Rule,
    change: &Change<'_>,
    zone: &jiff::tz::TimeZone,
) -> AlertTransition {
    let (episode, subject, at) = (&change.episode, &change.subject, change.at);
    let row = change.row;
    let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
    let named = |name: &str| if name.is_empty() { &*subject.id } else { name }.to_owned();
    let [name_zh, name_en, unit, method] = episode.seen.texts();
    let (name_zh, name_en) = (named(name_zh), named(name_en));
    let window_end = local_time(at, zone);
    let filling = Filling {
        name: &name_zh,
        value: finite(row.and_then(|row| row.value)),
        lo: finite(row.and_then(|row| row.lo)),
        hi: finite(row.and_then(|row| row.hi)),
        unit,
        window_end: &window_end,
        level: row.and_then(|row| row.level),
    };
    let filling_en = Filling {
        name: &name_en,
        ..filling
    };
    let [title_zh, title_en] = titles(rule.title(), change, [filling, filling_en]);
    let coverage = finite(row.and_then(|row| row.coverage));
    let [text_zh, text_en] = texts(rule, change, coverage, [filling, filling_en]);
    let window_start = row.map_or(at.minus(episode.seen.size), |row| row.window_start);
    let stands_for = twice(at.since(window_start)).max(rule.keep_firing_for());
    let tags = tags(change);
    AlertTransition {
        id: episode.id.to_string(),
        rule: rule.name().to_owned(),
        rule_hash: rule.hash().to_owned(),
        layer: rule.layer().to_owned(),
        subject_kind: subject.kind.to_string(),
        subject: subject.id.to_string(),
        state: change.state,
        why: change.why,
        severity: rule.steps()[episode.level].severity,
        threshold: filling.value.and(change.threshold),
        window_start,
        window_end: at,
        value: filling.value,
        lo: filling.lo,
        hi: filling.hi,
        unit: unit.to_owned(),
        level: filling.level.map(str::to_owned),
        coverage,
        data_age: match row {
            Some(row) => row.data_age,
            None => Some(at.since(episode.seen.end)),
        },
        method: method.to_owned(),
        title_zh,
        title_en,
        text_zh,
        text_en,
        owner: rule.owner().to_owned(),
        since: episode.since,
        valid_until: at.plus(stands_for),
        grid_unit: match tags.get(GRID_UNIT) {
            None if *subject.kind == *GRID_UNIT => Some(subject.id.to_string()),
            tag => tag.cloned(),
        },
        tags,
        labels: rule.labels().clone(),
        runbook: rule.runbook().map(str::to_owned),
        is_shadow: rule.mode() == Mode::Shadow,
        is_final: true,
        name_zh,
        name_en,
    }
}

/// The tags of the subject, as the row says or the last one did.
fn tags(change: &Change<'_>) -> std::collections::BTreeMap<String, String> {
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    if let Some(row) = change.row {
        let tags = row.tags.iter();
        return tags.map(|(key, value)| pair(key, value)).collect();
    }
    let tags = change.episode.seen.tags();
    tags.map(|(key, value)| pair(key, value)).collect()
}

fn titles(title: &Templates, change: &Change<'_>, filling: [Filling<'_>; 2]) -> [String; 2] {
    let [zh, en] = match (change.state, change.why) {
        (AlertState::Firing, Why::NoData) => ["数据缺失：", "Missing data: "],
        (AlertState::Firing, Why::Steady(_)) => {
            ["已稳定，告警仍未解除：", "Steady, still firing: "]
        }
        (AlertState::Firing, _) => ["", ""],
        (AlertState::Resolved, _) => ["已解除：", "Resolved: "],
        (AlertState::NoData, _) => ["数据中断：", "No data: "],
        (AlertState::Stale, _) => ["数据不足：", "Stale: "],
        (AlertState::Resumed, _) => ["数据恢复，告警仍未解除：", "Data is back, still firing: "],
        (AlertState::Escalated, _) => ["升级：", "Escalated: "],
        (AlertState::Eased, _) => ["降级：", "Eased: "],
        (AlertState::Flapping, _) => ["反复变化：", "Flapping: "],
        (AlertState::Error, _) => ["计算失败：", "Not evaluated: "],
    };
    [
        format!("{zh}{}", title.zh.fill(filling[0])),
        format!("{en}{}", title.en.fill(filling[1])),
    ]
}

/// What to do, or what happened.
fn texts(
    rule: &Rule,
    change: &Change<'_>,
    coverage: Option<f64>,
    filling: [Filling<'_>; 2],
) -> [String; 2] {
    let now = filling[0];
    let severity = rule.steps()[change.episode.level].severity;
    let said = match (change.state, change.why) {
        (_, Why::Steady(held)) => steady_texts(rule.flap_window(), held, now),
        (AlertState::Firing, Why::NoData) => missing_texts(change),
        (AlertState::Firing | AlertState::Resumed, _) => [String::new(), String::new()],
        (AlertState::Resolved, why) => resolved_texts(rule, change, why, now),
        (AlertState::NoData, _) => no_data_texts(),
        (AlertState::Stale, _) => stale_texts(coverage),
        (AlertState::Escalated, _) => [
            format!("级别升为“{}”。", severity_zh(severity)),
            format!("Now {}. ", severity.as_str()),
        ],
        (AlertState::Eased, _) => [
            format!(
                "当前 {} {}，级别降为“{}”，告警未结束。",
                number(now.value),
                now.unit,
                severity_zh(severity)
            ),
            format!(
                "Now {} {}: down to {}, not over. ",
                number(now.value),
                now.unit,
                severity.as_str()
            ),
        ],
        (AlertState::Flapping, why) => flapping_texts(rule.flap_window(), why),
        (AlertState::Error, _) => error_texts(rule.layer()),
    };
    let is_to_act = matches!(
        change.state,
        AlertState::Firing | AlertState::Resumed | AlertState::Escalated | AlertState::Eased
    );
    if !is_to_act || change.why == Why::NoData {
        return said.map(|text| text.trim_end().to_owned());
    }
    let (action, [zh, en]) = (rule.action(), said);
    [
        format!("{zh}{}", action.zh.fill(filling[0])),
        format!("{en}{}", action.en.fill(filling[1])),
    ]
}

fn resolved_texts(rule: &Rule, change: &Change<'_>, why: Why, now: Filling<'_>) -> [String; 2] {
    let (value, unit) = (number(now.value), now.unit);
    match why {
        Why::Inactive => {
            let names: Vec<&str> = rule.active().collect();
            [
                format!("已不在规则的生效时段（{}）内，告警结束。", names.join("、")),
                format!(
                    "Outside of the rule's hours ({}); the alert is over.",
                    names.join(", ")
                ),
            ]
        }
        Why::RuleGone => [
            "规则已删除或改为针对其他对象，告警结束。".to_owned(),
            "Its rule was removed or is about something else now; the alert is over.".to_owned(),
        ],
        Why::NoData => {
            let gap = change.at.since(change.episode.heard);
            [
                format!(
                    "已 {}没有数据，规则规定告警到此结束；情况并未确认好转。",
                    span_zh(gap)
                ),
                format!(
                    "No data for {}: the rule ends the alert here; nobody saw it get better.",
                    span_en(gap)
                ),
            ]
        }
        Why::DataIsBack => [
            format!("数据已恢复，当前 {value} {unit}，告警结束。"),
            format!("Data is back, now {value} {unit}; the alert is over."),
        ],
        Why::Data | Why::Changes(_) | Why::Steady(_) => [
            format!("当前 {value} {unit}，告警结束。"),
            format!("Now {value} {unit}; the alert is over."),
        ],
    }
}

fn missing_texts(change: &Change<'_>) -> [String; 2] {
    let gap = change.at.since(change.episode.seen.end);
    [
        format!(
            "已 {}没有数据，情况不明；请检查计数设备和数据接入，必要时派人到现场查看。",
            span_zh(gap)
        ),
        format!(
            "Data has been missing for {}: nobody knows how it stands. Check the counters and the \
             feed; send someone to look if need be.",
            span_en(gap)
        ),
    ]
}

fn no_data_texts() -> [String; 2] {
    [
        "本时段没有数据，此前的状态保持不变；请检查计数设备和数据接入。".to_owned(),
        "No value for this window; what was seen before still stands. \
         Check the counters and the feed."
            .to_owned(),
    ]
}

/// What is told of a value that rests on this share of the expected input.
fn stale_texts(coverage: Option<f64>) -> [String; 2] {
    let percent = number(coverage.map(|share| (share * 100.0).floor()));
    [
        format!(
            "本时段仅收到应有数据的 {percent} %，此前的状态保持不变；请检查计数设备和数据接入。"
        ),
        format!(
            "Only {percent} % of the expected input is there; what was seen before still stands. \
             Check the counters and the feed."
        ),
    ]
}

fn error_texts(layer: &str) -> [String; 2] {
    [
        format!("图层 {layer} 本时段计算失败，此前的状态保持不变；请检查流水线。"),
        format!(
            "Layer {layer} could not be evaluated for this window; what was seen before still \
             stands. Check the pipeline."
        ),
    ]
}

fn flapping_texts(window: Span, why: Why) -> [String; 2] {
    let count = match why {
        Why::Changes(count) => count,
        Why::Data
        | Why::NoData
        | Why::DataIsBack
        | Why::Inactive
        | Why::RuleGone
        | Why::Steady(_) => 0,
    };
    let (zh, en) = (span_zh(window), span_en(window));
    [
        format!(
            "{zh}内变化 {count} 次；此后的变化暂不通知（升至更高级别除外），稳定 {zh}后再行告知。"
        ),
        format!(
            "{count} changes within {en}. Further ones are held back, except a rise to a higher \
             severity, until it has been steady for {en}."
        ),
    ]
}

fn steady_texts(window: Span, held: u64, now: Filling<'_>) -> [String; 2] {
    let (value, unit) = (number(now.value), now.unit);
    [
        format!(
            "已稳定 {}；此前有 {held} 次变化未通知。当前 {value} {unit}。",
            span_zh(window)
        ),
        format!(
            "Steady for {}; {held} changes were held back before. Now {value} {unit}. ",
            span_en(window)
        ),
    ]
}

fn severity_zh(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "提示",
        Severity::Watch => "关注",
        Severity::Warning => "警告",
        Severity::Critical => "严重",
    }
}

/// The largest unit in which a span is whole, and how many of it.
fn whole(span: Span) -> (i64, usize) {
    let micros = span.as_micros();
    let sizes = [86_400_000_000, 3_600_000_000, 60_000_000];
    let unit = sizes.iter().position(|size| micros % size == 0);
    match unit {
        Some(unit) => (micros / sizes[unit], unit),
        None => (micros / 1_000_000, sizes.len()),
    }
}

/// A span for a person; fractions of a second are left out.
fn span_zh(span: Span) -> String {
    let (count, unit) = whole(span);
    format!("{count} {}", ["天", "小时", "分钟", "秒"][unit])
}

/// A span for a person; fractions of a second are left out.
fn span_en(span: Span) -> String {
    let (count, unit) = whole(span);
    format!("{count} {}", ["d", "h", "min", "s"][unit])
}

/// A time for a person, with its offset; seconds only where there are any.
fn local_time(time: EventTime, zone: &jiff::tz::TimeZone) -> String {
    let Ok(instant) = jiff::Timestamp::from_microsecond(time.micros()) else {
        return time.to_string();
    };
    let whole_minute = time.micros() % 60_000_000 == 0;
    let format = if whole_minute {
        "%Y-%m-%d %H:%M %:z"
    } else {
        "%Y-%m-%d %H:%M:%S %:z"
    };
    instant
        .to_zoned_datetime(zone.clone())
        .strftime(format)
        .to_string()
}
