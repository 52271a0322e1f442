//! Reports for a person: coverage first, then rules, then alerts one by one.

use jiff::Timestamp;
use tidegate_alerts::backtest::{
    Diff, Difference, Episode, LayerCoverage, Outcome, Report, RuleReport, Score, Share,
};
use tidegate_model::{EventTime, Span};
use tidegate_pipeline::Pipeline;

use super::Print;
use super::data::Rows;
use super::events::Events;
use super::table::Table;

/// Gaps of a layer, places of a rule and notes that are listed.
const LISTED_MAX: usize = 5;

/// A time as the clocks of the pipeline's place show it.
pub(super) fn local(pipeline: &Pipeline, time: EventTime) -> String {
    match Timestamp::from_microsecond(time.micros()) {
        Ok(instant) => {
            let local = pipeline.zone.to_datetime(instant);
            local.strftime("%Y-%m-%d %H:%M").to_string()
        }
        Err(_) => time.to_string(),
    }
}

/// Everything but the alerts one by one.
pub(super) fn report(pipeline: &Pipeline, report: &Report, rows: Rows, print: Print) {
    let rows = match rows {
        Rows::AsOfArrival => {
            "rows as of arrival: the first final row of each window, which the live rules see"
        }
        Rows::AsKnownNow => {
            "rows as known now: the last revision of each window, with what came late"
        }
    };
    print(&format!("{}: {rows}", pipeline.name));
    print("\nCoverage");
    for layer in &report.layers {
        coverage(pipeline, layer, print);
    }
    print("\nRules");
    let mut table = Table::new(&[
        "rule",
        "fires",
        "a day",
        "most on a day",
        "open",
        "minutes firing",
        "flips",
        "per alert",
        "flapping",
    ]);
    for rule in &report.rules {
        let busiest = rule.busiest_day.map_or_else(
            || "-".to_owned(),
            |(day, fires)| format!("{fires} on {day}"),
        );
        table.row([
            format!(
                "{}{}",
                rule.rule,
                if rule.is_shadow { " (shadow)" } else { "" }
            ),
            rule.episodes.len().to_string(),
            format!("{:.2}", rule.fires_per_day),
            busiest,
            rule.open.to_string(),
            minutes(rule.firing),
            rule.transitions.to_string(),
            format!("{:.1}", rule.flips_per_episode()),
            format!("{} ({} min)", rule.flapping_periods, minutes(rule.flapping)),
        ]);
    }
    print(&table.indented(2));
    if report.refused > 0 {
        print(&format!(
            "  {} alerts did not begin because 10,000 were open: the numbers are too low",
            report.refused
        ));
    }
    for rule in &report.rules {
        places(rule, print);
    }
}

fn coverage(pipeline: &Pipeline, layer: &LayerCoverage, print: Print) {
    let (Some(from), Some(to)) = (layer.from, layer.to) else {
        print(&format!("  {}: no rows in the period", layer.layer));
        return;
    };
    print(&format!(
        "  {}: {} to {}, a window each {}",
        layer.layer,
        local(pipeline, from),
        local(pipeline, to),
        layer.step
    ));
    print(&format!(
        "    windows   {} of {} expected ({})",
        layer.windows,
        layer.windows_expected,
        percent(layer.window_share())
    ));
    print(&format!(
        "    rows      {}, with a value {} ({})",
        layer.rows,
        layer.values,
        percent(layer.value_share())
    ));
    print(&format!(
        "    subjects  {}, of the rules {}; rows there are of those that could be: {}",
        layer.subjects,
        layer.subjects_of_rules,
        percent(layer.subject_share())
    ));
    match layer.mean_coverage {
        Some(mean) => print(&format!(
            "    mean of the rows' own coverage {}",
            percent(mean)
        )),
        None => print("    the rows say nothing of their own coverage"),
    }
    for gap in layer.gaps.iter().take(LISTED_MAX) {
        print(&format!(
            "    gap       {} to {}: {} windows",
            local(pipeline, gap.from),
            local(pipeline, gap.to),
            gap.windows
        ));
    }
    let more = layer.n_gaps.saturating_sub(LISTED_MAX as u64);
    if more > 0 {
        print(&format!("    and {more} more, none longer"));
    }
}

fn places(rule: &RuleReport, print: Print) {
    if rule.places.is_empty() {
        return;
    }
    print(&format!(
        "\n{}: places by fires ({} in all)",
        rule.rule,
        rule.places.len()
    ));
    let mut table = Table::new(&["fires", "minutes firing", "subject", "name"]);
    for place in rule.places.iter().take(LISTED_MAX) {
        let name = if place.name_en.is_empty() {
            &place.name_zh
        } else {
            &place.name_en
        };
        let row = [
            place.fires.to_string(),
            minutes(place.firing),
            place.subject.clone(),
            name.clone(),
        ];
        table.row(row);
    }
    print(&table.indented(2));
}

/// What became of labelled events.
pub(super) fn scores(
    pipeline: &Pipeline,
    report: &Report,
    events: &Events,
    scores: &[Score],
    print: Print,
) {
    print("\nEvents (95 % intervals by Wilson)");
    let mut table = Table::new(&[
        "rule",
        "found",
        "recall",
        "alerts of an event",
        "precision",
        "median lead",
        "before start",
        "open too early",
    ]);
    for (rule, score) in report.rules.iter().zip(scores) {
        table.row([
            rule.rule.clone(),
            format!("{} of {}", score.recall.hits, score.recall.of),
            interval(&score.recall),
            format!("{} of {}", score.precision.hits, score.precision.of),
            interval(&score.precision),
            score
                .median_lead
                .map_or_else(|| "-".to_owned(), |lead| format!("{} min", minutes(lead))),
            score.in_time.to_string(),
            score.already_open.to_string(),
        ]);
    }
    print(&table.indented(2));
    for (rule, score) in report.rules.iter().zip(scores) {
        let missed = score
            .events
            .iter()
            .filter(|one| one.outcome == Outcome::Missed);
        for one in missed.take(LISTED_MAX) {
            let event = &events.list[one.event];
            print(&format!(
                "  {} missed {} at {} {}",
                rule.rule,
                event.subject.as_deref().unwrap_or("*"),
                local(pipeline, event.starts_at),
                event.label
            ));
        }
    }
}

/// What did not count.
pub(super) fn notes(notes: &[String], print: Print) {
    for note in notes.iter().take(LISTED_MAX) {
        print(&format!("  {note}"));
    }
    if notes.len() > LISTED_MAX {
        print(&format!(
            "  and {} more such lines",
            notes.len() - LISTED_MAX
        ));
    }
}

/// The alerts, at most `limit` of them.
pub(super) fn episodes(pipeline: &Pipeline, report: &Report, limit: usize, print: Print) {
    let mut all: Vec<&Episode> = report.episodes().collect();
    all.sort_by_key(|episode| episode.raised);
    print(&format!(
        "\nAlerts, {} of {}",
        all.len().min(limit),
        all.len()
    ));
    if all.is_empty() {
        return;
    }
    let mut table = Table::new(&[
        "raised", "over", "min", "severity", "peak", "rule", "subject",
    ]);
    for episode in all.iter().take(limit) {
        let over = episode.resolved;
        table.row([
            local(pipeline, episode.raised),
            over.map_or_else(|| "still open".to_owned(), |over| local(pipeline, over)),
            minutes(episode.firing()),
            episode.severity.as_str().to_owned(),
            peak(pipeline, episode),
            episode.rule.clone(),
            name(episode),
        ]);
    }
    print(&table.indented(2));
}

/// What differs, at most `limit` of it.
pub(super) fn diff(pipeline: &Pipeline, diff: &Diff, limit: usize, print: Print) {
    for (what, rules) in [
        ("changed", &diff.rules_changed),
        ("new", &diff.rules_new),
        ("gone", &diff.rules_gone),
    ] {
        if !rules.is_empty() {
            print(&format!("rules {what}: {}", rules.join(", ")));
        }
    }
    let (appear, vanish, change) = diff.counts();
    print(&format!(
        "against the folder's rules: {appear} alerts appear, {vanish} vanish, {change} change, {} stay",
        diff.same
    ));
    if diff.differences.is_empty() {
        return;
    }
    let mut table = Table::new(&["", "raised", "over", "peak", "what", "rule", "subject"]);
    for one in diff.differences.iter().take(limit) {
        let (mark, episode, what) = match one {
            Difference::Appears(one) => ("+", one, "appears".to_owned()),
            Difference::Vanishes(one) => ("-", one, "vanishes".to_owned()),
            Difference::Changes(one) => {
                let mut what = Vec::new();
                for (end, by) in [("start", one.start), ("end", one.end)] {
                    if by != Span::ZERO {
                        let sign = if by > Span::ZERO { "+" } else { "" };
                        what.push(format!("{end} {sign}{} min", minutes(by)));
                    }
                }
                if let Some((before, after)) = one.severity {
                    what.push(format!("{} → {}", before.as_str(), after.as_str()));
                }
                ("~", &one.before, what.join(", "))
            }
        };
        let over = episode.resolved;
        table.row([
            mark.to_owned(),
            local(pipeline, episode.raised),
            over.map_or_else(|| "still open".to_owned(), |over| local(pipeline, over)),
            peak(pipeline, episode),
            what,
            episode.rule.clone(),
            name(episode),
        ]);
    }
    print(&table.indented(2));
    let more = diff.differences.len().saturating_sub(limit);
    if more > 0 {
        print(&format!("  and {more} more"));
    }
}

fn peak(pipeline: &Pipeline, episode: &Episode) -> String {
    let Some(peak) = episode.peak else {
        return "-".to_owned();
    };
    let at = local(pipeline, peak.window_end);
    let time = at.split_once(' ').map_or(at.as_str(), |(_, time)| time);
    format!("{} at {time}", number(peak.value))
}

/// A subject by name, and by id where that is another.
fn name(episode: &Episode) -> String {
    let names = [&episode.name_en, &episode.name_zh];
    match names.into_iter().find(|name| !name.is_empty()) {
        Some(name) if *name != episode.subject => format!("{} {name}", episode.subject),
        _ => episode.subject.clone(),
    }
}

fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Whole minutes, or with the part of one.
fn minutes(span: Span) -> String {
    number(span.as_seconds_f64() / 60.0)
}

fn percent(share: f64) -> String {
    // Never rounded up to all of it.
    format!("{:.2} %", (share * 10_000.0).floor() / 100.0)
}

fn interval(share: &Share) -> String {
    match share.share() {
        Some(value) => format!("{value:.2} [{:.2}, {:.2}]", share.low, share.high),
        None => "-".to_owned(),
    }
}
