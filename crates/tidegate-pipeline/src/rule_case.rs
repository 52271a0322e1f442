//! Tests beside the rules: values of a layer, window by window, through the alert machine alone.

use std::borrow::Cow;
use std::collections::BTreeMap;

use tidegate_alerts::{AlertState, AlertTransition, Measurement, Rule};
use tidegate_model::{EventTime, Span, parse_rfc3339};

use crate::source::{line_of, read_toml};
use crate::{Pipeline, Problem};

/// A file `rules.test.toml` or `tests/rules/NAME.toml`.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleCaseFile {
    #[serde(default)]
    case: Vec<RuleCase>,
}

/// Windows of one layer, and what alerts stand in after some of them.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleCase {
    name: String,
    layer: String,
    /// Start of the first window.
    from: String,
    /// Length of a window, and the time to the next.
    every: String,
    given: Vec<Given>,
    expect: Vec<Expect>,
}

/// The values of one subject, one a window from the first.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    subject: String,
    #[serde(default = "venue")]
    subject_kind: String,
    /// Numbers; `"-"` is a window without a row of the subject.
    values: Vec<Number>,
    #[serde(default)]
    lo: Vec<Number>,
    /// Shares of the expected input; without them, rows do not say.
    #[serde(default)]
    coverage: Vec<Number>,
    /// In place of those of the pipeline's reference data.
    #[serde(default)]
    tags: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Clone, serde::Deserialize)]
#[serde(untagged)]
enum Number {
    Some(f64),
    None(String),
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    rule: String,
    subject: String,
    /// End of the window.
    at: String,
    /// `normal`, or the state in which the alert stands: `firing`, `no_data`, `stale`, `flapping`.
    state: String,
    #[serde(default)]
    severity: Option<String>,
}

fn venue() -> String {
    "venue".to_owned()
}

/// One expectation that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmet {
    /// The rule.
    pub rule: String,
    /// The subject.
    pub subject: String,
    /// End of the window, as it is written.
    pub at: String,
    /// What should stand.
    pub expected: String,
    /// What stands.
    pub got: String,
}

/// What one case of rules gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleCaseOutcome {
    /// The file.
    pub file: String,
    /// What it shows.
    pub name: String,
    /// What does not hold; empty when the case passed.
    pub unmet: Vec<Unmet>,
}

/// Runs every case in `text`, the content of `file`, on the rules of `pipeline`.
///
/// # Errors
/// Every problem of the file: wrong TOML, times, rules and subjects that are not there.
pub fn run_rule_cases(
    pipeline: &Pipeline,
    file: &str,
    text: &str,
) -> Result<Vec<RuleCaseOutcome>, Vec<Problem>> {
    let cases = read_toml::<RuleCaseFile>(file, text)?.case;
    let mut outcomes = Vec::new();
    let mut problems = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        match run_case(pipeline, case) {
            Ok(unmet) => outcomes.push(RuleCaseOutcome {
                file: file.to_owned(),
                name: case.name.clone(),
                unmet,
            }),
            Err((key, message)) => {
                let line = line_of(text, "[[case]]", index, key);
                let line = line.or_else(|| line_of(text, "[[case]]", index, "name"));
                let path = format!("case[{index}].{key}");
                problems.push(Problem::new(file, &path, message).at(line));
            }
        }
    }
    if problems.is_empty() {
        Ok(outcomes)
    } else {
        Err(problems)
    }
}

/// The key at fault and what is wrong with it.
type Fault = (&'static str, String);

fn run_case(pipeline: &Pipeline, case: &RuleCase) -> Result<Vec<Unmet>, Fault> {
    let time = |key, text: &str| {
        let parsed = parse_rfc3339(text);
        parsed.map_err(|error| (key, error.to_string()))
    };
    let from = time("from", &case.from)?;
    let every: Span = case
        .every
        .parse()
        .map_err(|error| ("every", format!("{error}")))?;
    if every <= Span::ZERO {
        return Err((
            "every",
            format!("{:?} must be longer than nothing", case.every),
        ));
    }
    let rules: Vec<Rule> = pipeline.rules.clone();
    let of_layer: Vec<&str> = rules
        .iter()
        .filter(|rule| rule.layer() == case.layer)
        .map(Rule::name)
        .collect();
    if of_layer.is_empty() {
        return Err(("layer", format!("no rule rests on layer {:?}", case.layer)));
    }
    for expect in &case.expect {
        if !of_layer.contains(&expect.rule.as_str()) {
            let message = format!("{:?} is not one of {}", expect.rule, of_layer.join(", "));
            return Err(("rule", message));
        }
        if case
            .given
            .iter()
            .all(|given| given.subject != expect.subject)
        {
            return Err(("subject", format!("{:?} has no values", expect.subject)));
        }
        time("at", &expect.at)?;
    }
    let states = play(pipeline, case, from, every)?;
    let unmet = case.expect.iter().filter_map(|expect| {
        let at = parse_rfc3339(&expect.at).expect("looked at above");
        let key = (expect.rule.clone(), expect.subject.clone());
        let history = states.get(&key).map_or(&[][..], Vec::as_slice);
        let last = history.iter().rev().find(|(end, _, _)| *end <= at);
        let (state, severity) =
            last.map_or(("normal", ""), |(_, state, severity)| (*state, *severity));
        let says = |state: &str, severity: Option<&str>| match severity {
            Some(severity) if state != "normal" => format!("{state} ({severity})"),
            _ => state.to_owned(),
        };
        let wanted = expect.severity.as_deref();
        let expected = says(&expect.state, wanted);
        let got = says(state, wanted.map(|_| severity));
        (expected != got).then(|| Unmet {
            rule: expect.rule.clone(),
            subject: expect.subject.clone(),
            at: expect.at.clone(),
            expected,
            got,
        })
    });
    Ok(unmet.collect())
}

/// By rule and subject: the window ends at which the state changed, with the state and severity.
type States = BTreeMap<(String, String), Vec<(EventTime, &'static str, &'static str)>>;

fn play(
    pipeline: &Pipeline,
    case: &RuleCase,
    from: EventTime,
    every: Span,
) -> Result<States, Fault> {
    let mut machine = pipeline.alert_machine(pipeline.rules.clone());
    let directory = pipeline.directory();
    let described: Vec<_> = case
        .given
        .iter()
        .map(|given| directory.describe(&given.subject_kind, &given.subject))
        .collect();
    let windows = case.given.iter().map(|given| given.values.len()).max();
    let mut states = States::new();
    let mut start = from;
    for window in 0..windows.unwrap_or(0) {
        let end = start.plus(every);
        let mut tags: Vec<Vec<(&str, Cow<'_, str>)>> = Vec::new();
        for (given, described) in case.given.iter().zip(&described) {
            tags.push(match &given.tags {
                Some(own) => own
                    .iter()
                    .map(|(key, value)| (key.as_str(), Cow::Borrowed(value.as_str())))
                    .collect(),
                None => described.tags.clone(),
            });
        }
        let mut rows = Vec::new();
        for ((given, described), tags) in case.given.iter().zip(&described).zip(&tags) {
            let Some(value) = number("values", &given.values, window)? else {
                continue;
            };
            rows.push(Measurement {
                layer: &case.layer,
                window_start: start,
                window_end: end,
                subject_kind: &given.subject_kind,
                subject: &given.subject,
                name_zh: &described.name_zh,
                name_en: &described.name_en,
                tags,
                value: Some(value),
                lo: number("lo", &given.lo, window)?,
                hi: None,
                unit: "",
                level: None,
                coverage: number("coverage", &given.coverage, window)?,
                data_age: None,
                method: "",
            });
        }
        for told in machine.observe(&case.layer, end, &rows) {
            let key = (told.rule.clone(), told.subject.clone());
            let state = standing(&told);
            let history = states.entry(key).or_default();
            history.push((end, state, told.severity.as_str()));
        }
        start = end;
    }
    Ok(states)
}

/// The state in which an alert stands after a change.
fn standing(told: &AlertTransition) -> &'static str {
    match told.state {
        AlertState::Resolved => "normal",
        AlertState::Resumed | AlertState::Escalated | AlertState::Eased | AlertState::Firing => {
            AlertState::Firing.as_str()
        }
        AlertState::NoData | AlertState::Stale | AlertState::Flapping | AlertState::Error => {
            told.state.as_str()
        }
    }
}

/// The number at `window`, if there is one.
fn number(key: &'static str, numbers: &[Number], window: usize) -> Result<Option<f64>, Fault> {
    match numbers.get(window) {
        None => Ok(None),
        Some(Number::Some(number)) => Ok(Some(*number)),
        Some(Number::None(text)) if text == "-" => Ok(None),
        Some(Number::None(text)) => Err((
            key,
            format!("{text:?} is neither a number nor \"-\", which is none"),
        )),
    }
}
