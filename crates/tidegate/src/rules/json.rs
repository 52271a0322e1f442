//! Reports as JSON. Times are RFC 3339, lengths seconds.

use serde_json::{Value, json};
use tidegate_alerts::backtest::{
    Diff, Difference, Episode, LayerCoverage, Outcome, Report, RuleReport, Score, Share,
};
use tidegate_model::{EventTime, Span};

use super::events::Events;

/// A whole report.
pub(super) fn report(report: &Report, scores: Option<&[Score]>, events: Option<&Events>) -> Value {
    let rules = report.rules.iter().enumerate().map(|(place, one)| {
        let mut value = rule(one);
        if let (Some(scores), Some(events)) = (scores, events) {
            value["events"] = score(&scores[place], events);
        }
        value
    });
    json!({
        "from": report.from.map(time), "to": report.to.map(time),
        "coverage": report.layers.iter().map(layer).collect::<Vec<_>>(),
        "rules": rules.collect::<Vec<_>>(),
        "refused": report.refused,
    })
}

/// What differs.
pub(super) fn diff(diff: &Diff) -> Value {
    let (appear, vanish, change) = diff.counts();
    let differences = diff.differences.iter().map(|one| match one {
        Difference::Appears(one) => json!({ "is": "appears", "after": episode(one) }),
        Difference::Vanishes(one) => json!({ "is": "vanishes", "before": episode(one) }),
        Difference::Changes(one) => json!({
            "is": "changes", "before": episode(&one.before), "after": episode(&one.after),
            "start_s": span(one.start), "end_s": span(one.end),
            "severity": one.severity.map(|(before, after)| [before.as_str(), after.as_str()]),
        }),
    });
    json!({
        "same": diff.same, "appear": appear, "vanish": vanish, "change": change,
        "rules_gone": diff.rules_gone, "rules_new": diff.rules_new,
        "rules_changed": diff.rules_changed,
        "differences": differences.collect::<Vec<_>>(),
    })
}

fn layer(layer: &LayerCoverage) -> Value {
    let gaps = layer.gaps.iter();
    let gaps = gaps
        .map(|gap| json!({ "from": time(gap.from), "to": time(gap.to), "windows": gap.windows }));
    let poorest = layer.poorest.iter().map(|one| {
        json!({ "subject_kind": one.subject_kind, "subject": one.subject, "values": one.values })
    });
    json!({
        "layer": layer.layer, "from": layer.from.map(time), "to": layer.to.map(time),
        "step_s": span(layer.step),
        "windows": layer.windows, "windows_expected": layer.windows_expected,
        "window_share": layer.window_share(),
        "rows": layer.rows, "values": layer.values, "value_share": layer.value_share(),
        "subjects": layer.subjects, "subjects_of_rules": layer.subjects_of_rules,
        "subject_share": layer.subject_share(), "mean_coverage": layer.mean_coverage,
        "n_gaps": layer.n_gaps, "gaps": gaps.collect::<Vec<_>>(),
        "poorest": poorest.collect::<Vec<_>>(),
    })
}

fn rule(rule: &RuleReport) -> Value {
    let places = rule.places.iter().map(|place| {
        json!({
            "subject_kind": place.subject_kind, "subject": place.subject,
            "name_zh": place.name_zh, "name_en": place.name_en,
            "fires": place.fires, "firing_s": span(place.firing),
        })
    });
    json!({
        "rule": rule.rule, "rule_hash": rule.rule_hash, "layer": rule.layer,
        "shadow": rule.is_shadow, "days": rule.days,
        "fires": rule.episodes.len(), "open": rule.open,
        "fires_per_day": rule.fires_per_day,
        "busiest_day": rule.busiest_day.map(|(day, fires)| json!({ "day": day.to_string(), "fires": fires })),
        "firing_s": span(rule.firing),
        "flips": rule.transitions, "flips_per_episode": rule.flips_per_episode(),
        "flips_per_day": rule.flips_per_day(),
        "flapping_periods": rule.flapping_periods, "flapping_s": span(rule.flapping),
        "places": places.collect::<Vec<_>>(),
        "episodes": rule.episodes.iter().map(episode).collect::<Vec<_>>(),
    })
}

fn episode(one: &Episode) -> Value {
    let flapping = one.flapping.iter().map(|period| {
        json!({ "from": time(period.from), "to": period.to.map(time), "held_back": period.held_back })
    });
    json!({
        "id": one.id, "rule": one.rule, "subject_kind": one.subject_kind, "subject": one.subject,
        "name_zh": one.name_zh, "name_en": one.name_en, "since": time(one.since),
        "raised": time(one.raised), "resolved": one.resolved.map(time),
        "severity": one.severity.as_str(), "firing_s": span(one.firing()),
        "peak": one.peak.map(|peak| json!({ "value": peak.value, "window_end": time(peak.window_end) })),
        "flips": one.transitions, "flapping": flapping.collect::<Vec<_>>(),
    })
}

fn score(score: &Score, events: &Events) -> Value {
    let outcomes = score.events.iter().map(|one| {
        let event = &events.list[one.event];
        let (outcome, episode, lead) = match &one.outcome {
            Outcome::Found { episode, lead } => ("found", Some(episode), Some(span(*lead))),
            Outcome::AlreadyOpen => ("already_open", None, None),
            Outcome::Missed => ("missed", None, None),
        };
        json!({
            "subject": event.subject, "label": event.label, "starts_at": time(event.starts_at),
            "ends_at": time(event.ends_at), "outcome": outcome, "episode": episode, "lead_s": lead,
        })
    });
    json!({
        "recall": share(&score.recall), "precision": share(&score.precision),
        "already_open": score.already_open, "in_time": score.in_time,
        "median_lead_s": score.median_lead.map(span), "events": outcomes.collect::<Vec<_>>(),
    })
}

fn share(share: &Share) -> Value {
    json!({
        "hits": share.hits, "of": share.of, "share": share.share(),
        "low_95": share.low, "high_95": share.high,
    })
}

fn time(time: EventTime) -> String {
    time.to_string()
}

fn span(span: Span) -> f64 {
    span.as_seconds_f64()
}
