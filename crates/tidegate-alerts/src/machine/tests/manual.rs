//! The timeline of docs/ALERTING.md against the machine: tries to have the manual promise something
//! else.

use super::*;
use crate::rule::Rule;

const MANUAL: &str = include_str!("../../../../../docs/ALERTING.md");

#[derive(serde::Deserialize)]
struct Rules {
    rule: Vec<RuleConfig>,
}

/// The cells of each row of the table, without its two first lines.
fn table() -> Vec<Vec<&'static str>> {
    let lines = MANUAL
        .lines()
        .skip_while(|line| !line.starts_with("| window ends"));
    let rows = lines.skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

#[test]
fn the_timeline_of_the_manual_is_what_happens() {
    let begin = MANUAL.find("```toml\n[[rule]]").unwrap() + "```toml\n".len();
    let text = &MANUAL[begin..];
    let rules: Rules = toml::from_str(&text[..text.find("```").unwrap()]).unwrap();
    let rule = Rule::try_new(&rules.rule[0]).unwrap();
    let mut machine = AlertMachine::new(vec![rule]);
    let rows = table();
    assert_eq!(rows.len(), 14);
    for cells in rows {
        let at: EventTime =
            tidegate_model::parse_rfc3339(&format!("2026-03-02T{}:00Z", cells[0])).unwrap();
        let row = Measurement {
            layer: "venue_density",
            ..row("v1", at, cells[1].parse().ok())
        };
        let told = machine.observe("venue_density", at, &[row]);
        let states: Vec<&str> = told.iter().map(|alert| alert.state.as_str()).collect();
        let expected: Vec<&str> = Some(cells[2])
            .filter(|state| !state.is_empty())
            .into_iter()
            .collect();
        assert_eq!(states, expected, "at {}", cells[0]);
        for alert in told {
            assert_eq!(alert.severity.as_str(), cells[3], "at {}", cells[0]);
        }
    }
}
