//! Puts a change into words: the rule's texts where there is something to do, fixed ones where
//! there is not. Both languages stand side by side.

use tidegate_model::EventTime;

use super::Change;
use crate::rule::{Rule, Templates};
use crate::template::{Filling, number};
use crate::transition::{AlertState, AlertTransition};

/// The transition of `change`, complete with its texts.
pub(super) fn transition(
    rule: &Rule,
    change: &Change<'_>,
    at: EventTime,
    zone: &jiff::tz::TimeZone,
) -> AlertTransition {
    let (episode, subject) = (&change.episode, &change.subject);
    let row = change.row;
    let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
    let named = |name: &str| if name.is_empty() { &subject.id } else { name }.to_owned();
    let (name_zh, name_en) = (named(&episode.seen.name_zh), named(&episode.seen.name_en));
    let window_end = local_time(at, zone);
    let filling = Filling {
        name: &name_zh,
        value: finite(row.and_then(|row| row.value)),
        lo: finite(row.and_then(|row| row.lo)),
        hi: finite(row.and_then(|row| row.hi)),
        unit: &episode.seen.unit,
        window_end: &window_end,
        level: row.and_then(|row| row.level),
    };
    let filling_en = Filling {
        name: &name_en,
        ..filling
    };
    let [title_zh, title_en] = titles(rule.title(), change.state, [filling, filling_en]);
    let coverage = finite(row.and_then(|row| row.coverage));
    let [text_zh, text_en] = match change.state {
        AlertState::Firing | AlertState::Resumed => {
            let action = rule.action();
            [action.zh.fill(filling), action.en.fill(filling_en)]
        }
        AlertState::Resolved => resolved_texts(filling),
        AlertState::NoData => no_data_texts(),
        AlertState::Stale => stale_texts(coverage),
    };
    AlertTransition {
        id: episode.id.clone(),
        rule: rule.name().to_owned(),
        rule_hash: rule.hash().to_owned(),
        layer: rule.layer().to_owned(),
        subject_kind: subject.kind.clone(),
        subject: subject.id.clone(),
        state: change.state,
        severity: rule.severity(),
        window_start: row.map_or(at.minus(episode.seen.size), |row| row.window_start),
        window_end: at,
        value: filling.value,
        lo: filling.lo,
        hi: filling.hi,
        unit: episode.seen.unit.clone(),
        level: filling.level.map(str::to_owned),
        coverage,
        data_age: match row {
            Some(row) => row.data_age,
            None => Some(at.since(episode.seen.end)),
        },
        method: episode.seen.method.clone(),
        title_zh,
        title_en,
        text_zh,
        text_en,
        owner: rule.owner().to_owned(),
        since: episode.since,
        is_final: true,
        name_zh,
        name_en,
    }
}

fn titles(title: &Templates, state: AlertState, filling: [Filling<'_>; 2]) -> [String; 2] {
    let [zh, en] = match state {
        AlertState::Firing => ["", ""],
        AlertState::Resolved => ["已解除：", "Resolved: "],
        AlertState::NoData => ["数据中断：", "No data: "],
        AlertState::Stale => ["数据不足：", "Stale: "],
        AlertState::Resumed => ["数据恢复，告警仍未解除：", "Data is back, still firing: "],
    };
    [
        format!("{zh}{}", title.zh.fill(filling[0])),
        format!("{en}{}", title.en.fill(filling[1])),
    ]
}

fn resolved_texts(filling: Filling<'_>) -> [String; 2] {
    let (value, unit) = (number(filling.value), filling.unit);
    [
        format!("当前 {value} {unit}，告警结束。"),
        format!("Now {value} {unit}; the alert is over."),
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
