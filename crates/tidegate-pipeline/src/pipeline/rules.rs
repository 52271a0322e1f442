//! `rules.toml`: how it is read, and how its rules fit the layers.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use tidegate_alerts::{
    AlertMachine, Rule, RuleConfig, Severity, TimeIntervalConfig, TimeIntervals,
};
use tidegate_query::DISPLAY_ONLY_FUNCTIONS;

use crate::measurements::Directory;
use crate::source::{line_of, read_toml};
use crate::{ChangeConfig, Layer, Pipeline, Problem};

/// The file of rules in a pipeline folder.
pub const RULES: &str = "rules.toml";

/// The file beside it with tests of rules.
pub const RULE_CASES: &str = "rules.test.toml";

/// The content of `rules.toml`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RulesFile {
    /// Read where a change is written down.
    #[serde(default, rename = "change")]
    _change: Option<ChangeConfig>,
    #[serde(default)]
    time_interval: Vec<TimeIntervalConfig>,
    #[serde(default)]
    rule: Vec<RuleConfig>,
}

impl Pipeline {
    /// Reads another text of `rules.toml` for this pipeline: what a change of it would be.
    ///
    /// # Errors
    /// Every problem in it, ordered by line.
    pub fn rules_of(&self, text: &str) -> Result<Vec<Rule>, Vec<Problem>> {
        let mut problems = Vec::new();
        let rules = read_rules(text, &self.zone, &mut problems);
        check_rules(&rules, text, &self.layers, &mut problems);
        if problems.is_empty() {
            return Ok(rules);
        }
        problems.sort();
        Err(problems)
    }

    /// A machine for `rules` in the time and with the holidays of the pipeline's place.
    ///
    /// # Panics
    /// When two rules have the same name.
    pub fn alert_machine(&self, rules: Vec<Rule>) -> AlertMachine {
        self.placed(AlertMachine::new(rules))
    }

    /// The machine in the time and with the holidays of the pipeline's place.
    pub(crate) fn placed(&self, alerts: AlertMachine) -> AlertMachine {
        let holidays = self.reference.holidays.keys().copied();
        alerts
            .with_time_zone(self.zone.clone())
            .with_holidays(holidays.collect())
    }

    /// Names and tags of the subjects that its reference data know.
    pub fn directory(&self) -> Directory {
        Directory::new(&self.reference)
    }

    /// The tags that alerts on a subject carry: what the reference data says of it.
    pub fn tags_of(&self, kind: &str, subject: &str) -> BTreeMap<String, String> {
        self.directory().tags(kind, subject)
    }

    /// The line of `key` in the rule called `name`, in [`Pipeline::rules_text`].
    pub fn rule_line(&self, name: &str, key: &str) -> Option<usize> {
        line_in_rule(&self.rules_text, name, key)
    }
}

/// The rules that are good by themselves; what is wrong with others goes to `problems`.
pub(super) fn read_rules(text: &str, zone: &TimeZone, problems: &mut Vec<Problem>) -> Vec<Rule> {
    let file = match read_toml::<RulesFile>(RULES, text) {
        Ok(file) => file,
        Err(found) => {
            problems.extend(found);
            return Vec::new();
        }
    };
    let mut problem = |table: &str, index: usize, key: &str, message: String| {
        let line = |key: &str| line_of(text, &format!("[[{table}]]"), index, key);
        // A value within a list is in the line of the list.
        let first = key.split(['.', '[']).next().unwrap_or(key);
        let line = line(key).or_else(|| line(first));
        let path = format!("{table}[{index}].{key}");
        problems.push(Problem::new(RULES, &path, message).at(line));
    };
    let intervals = match TimeIntervals::try_new(&file.time_interval, zone) {
        Ok(intervals) => intervals,
        Err(found) => {
            for (index, found) in found {
                problem("time_interval", index, &found.key, found.message);
            }
            return Vec::new();
        }
    };
    let mut rules: Vec<Rule> = Vec::new();
    for (index, config) in file.rule.iter().enumerate() {
        match Rule::with_intervals(config, &intervals) {
            Ok(rule) if rules.iter().any(|other| other.name() == rule.name()) => {
                let message = format!("{:?} is the name of an earlier rule too", rule.name());
                problem("rule", index, "name", message);
            }
            Ok(rule) => rules.push(rule),
            Err(found) => {
                for found in found {
                    problem("rule", index, &found.key, found.message);
                }
            }
        }
    }
    rules
}

/// What is wrong with `rules`, which `text` has, on `layers`, whose plans are known.
pub(super) fn check_rules(
    rules: &[Rule],
    text: &str,
    layers: &[Layer],
    problems: &mut Vec<Problem>,
) {
    for rule in rules {
        let Some((key, why)) = unfit(rule, layers) else {
            continue;
        };
        let (name, layer) = (rule.name(), rule.layer());
        let message = format!("rule {name:?} rests on layer {layer:?}, which {why}");
        problems.push(Problem::new(RULES, key, message).at(line_in_rule(text, name, key)));
    }
}

/// The key of a rule that does not fit its layer, and why.
fn unfit(rule: &Rule, layers: &[Layer]) -> Option<(&'static str, String)> {
    let Some(layer) = layers.iter().find(|layer| layer.name == rule.layer()) else {
        let names: Vec<_> = layers.iter().map(|layer| layer.name.as_str()).collect();
        return Some(("layer", format!("is not one of {}", names.join(", "))));
    };
    if layer.display_only {
        let functions = DISPLAY_ONLY_FUNCTIONS.join(", ");
        let why = format!(
            "is for display only, since it rests on {functions}: it would fire in the wrong cell"
        );
        return Some(("layer", why));
    }
    if layer.reads_forecast && rule.severity() != Severity::Watch {
        let severity = rule.severity().as_str();
        let why = format!(
            "reads forecasts: a forecast is a reason to watch, and severity {severity:?} is more; \
             make it \"watch\""
        );
        return Some(("severity", why));
    }
    None
}

/// The line of `key` in the rule called `name`.
fn line_in_rule(text: &str, name: &str, key: &str) -> Option<usize> {
    let header = "[[rule]]";
    let named = format!("{name:?}");
    let is_named = |index: &usize| {
        let line = line_of(text, header, *index, "name");
        let line = line.and_then(|line| text.lines().nth(line - 1));
        line.is_some_and(|line| line.contains(&named))
    };
    let index = (0..text.matches(header).count()).find(is_named)?;
    line_of(text, header, index, key)
}

#[cfg(test)]
mod tests {
    //! Tries to have a problem of a rule said of another line.

    use super::*;

    #[test]
    fn problems_name_their_lines() {
        let text = "[[time_interval]]\nname = \"day\"\ntime_zone = \"Mars\"\n\n[[rule]]\n";
        let mut problems = Vec::new();
        assert!(read_rules(text, &TimeZone::UTC, &mut problems).is_empty());
        assert!(!problems.is_empty());
        let text =
            "[[time_interval]]\nname = \"day\"\ntimes = [{ from = \"25:00\", to = \"26:00\" }]\n";
        let mut problems = Vec::new();
        read_rules(text, &TimeZone::UTC, &mut problems);
        assert_eq!(problems[0].line, Some(3), "{problems:?}");
        let text = "[[rule]]\nname = \"a\"\nlayer = \"x\"\n[[rule]]\nname = \"b\"\nlayer = \"y\"\n";
        assert_eq!(line_in_rule(text, "b", "layer"), Some(6));
        assert_eq!(line_in_rule(text, "a", "layer"), Some(3));
        assert_eq!(line_in_rule(text, "c", "layer"), None);
    }
}
