//! Reads rules as a city would write them, and tries to get a wrong one past the checks.

use super::*;
use crate::interval::TimeIntervalConfig;

const GOOD: &str = r#"
    name = "market-crush"
    layer = "density"
    subject_kind = "venue"
    where = { kind = ["market", "supermarket"], district = "east" }
    fire_above = 4
    clear_below = 3.0
    for = "5m"
    keep_firing_for = "10m"
    severity = "critical"
    compare = "lo"
    owner = "grid-duty"
    title = { zh-CN = "{name}人群过密：{value} {unit}", en = "{name} is crushed: {value} {unit}" }
    do = { zh-CN = "暂停入场，引导分流。", en = "Stop entry and lead people away." }
"#;

/// The good rule with each `(old, new)` text replaced.
fn config(changes: &[(&str, &str)]) -> RuleConfig {
    let mut text = GOOD.to_owned();
    for (old, new) in changes {
        assert!(text.contains(old), "{old}");
        text = text.replace(old, new);
    }
    toml::from_str(&text).unwrap()
}

fn check_problems(changes: &[(&str, &str)], expected: &[&str]) {
    let problems = Rule::try_new(&config(changes)).unwrap_err();
    let problems: Vec<String> = problems.iter().map(Problem::to_string).collect();
    assert_eq!(problems, expected);
}

#[test]
fn a_good_rule() {
    let rule = Rule::try_new(&config(&[])).unwrap();
    assert_eq!(rule.name(), "market-crush");
    assert_eq!(rule.layer(), "density");
    assert_eq!(rule.severity(), Severity::Critical);
    assert_eq!(rule.owner(), "grid-duty");
    assert_eq!(rule.hold_for(), Span::minutes(5));
    assert_eq!(rule.keep_firing_for(), Span::minutes(10));
}

#[test]
fn defaults() {
    let short = config(&[
        ("keep_firing_for = \"10m\"", ""),
        ("for = \"5m\"", ""),
        ("compare = \"lo\"", ""),
        ("subject_kind = \"venue\"", ""),
        (
            "where = { kind = [\"market\", \"supermarket\"], district = \"east\" }",
            "",
        ),
    ]);
    let rule = Rule::try_new(&short).unwrap();
    assert_eq!(rule.hold_for(), Span::ZERO);
    assert_eq!(rule.keep_firing_for(), Span::ZERO);
    assert_eq!(rule.compare, Compare::Value);
    assert_eq!(short.subject_kind, None);
    assert!(rule.tags.is_empty());
}

#[test]
fn every_problem_is_told_with_its_values() {
    check_problems(
        &[("clear_below = 3.0", "clear_below = 4.5")],
        &["clear_below: 4.5 must be at or below fire_above 4"],
    );
    check_problems(
        &[
            ("market-crush", "Market crush"),
            ("\"density\"", "\" \""),
            ("\"venue\"", "\"\""),
            ("[\"market\", \"supermarket\"]", "[]"),
            ("fire_above = 4", "fire_above = nan"),
            ("= \"5m\"", "= \"5\""),
            ("= \"10m\"", "= \"soon\""),
            ("grid-duty", ""),
            ("{name}人群", "{nam}人群"),
            ("Stop entry and lead people away.", ""),
        ],
        &[
            "name: \"Market crush\" is not 1 to 64 lower-case letters, digits, - and _",
            "layer: is empty",
            "subject_kind: is empty",
            "where.kind: allows no value at all",
            "fire_above: NaN is not a finite number",
            "for: \"5\" is not a duration such as 30s, 5m or 1h 30m",
            "keep_firing_for: \"soon\" is not a duration such as 30s, 5m or 1h 30m",
            "owner: is empty",
            "title.zh-CN: placeholder {nam} in \"{nam}人群过密：{value} {unit}\" is none of {name}, \
             {value}, {lo}, {hi}, {unit}, {window_end}, {level}",
            "do.en: is empty",
        ],
    );
}

#[test]
fn unknown_keys_words_and_missing_thresholds_are_refused() {
    for (old, new, expected) in [
        ("owner =", "owned_by =", "unknown field `owned_by`"),
        ("zh-CN = \"暂停", "zh = \"暂停", "unknown field `zh`"),
        ("critical", "bad", "unknown variant `bad`"),
        ("\"lo\"", "\"hi\"", "unknown variant `hi`"),
        ("\"east\"", "7", "a text or a list of texts"),
    ] {
        assert!(GOOD.contains(old), "{old}");
        let error = toml::from_str::<RuleConfig>(&GOOD.replace(old, new)).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn the_hash_is_of_the_content() {
    let hash =
        |changes: &[(&str, &str)]| Rule::try_new(&config(changes)).unwrap().hash().to_owned();
    let original = hash(&[]);
    // A promise: alerts of other days carry this hash.
    assert_eq!(original, "dad899078401907d");
    for same in [
        ("= \"10m\"", "= \"600s\""),
        ("fire_above = 4", "fire_above = 4.0"),
        (
            "[\"market\", \"supermarket\"]",
            "[\"supermarket\", \"market\"]",
        ),
        ("\"east\"", "[\"east\"]"),
    ] {
        assert_eq!(hash(&[same]), original, "{same:?}");
    }
    for other in [
        ("market-crush", "market-crash"),
        ("\"density\"", "\"crowd\""),
        ("subject_kind = \"venue\"", ""),
        ("\"east\"", "\"west\""),
        ("fire_above = 4", "fire_above = 4.1"),
        ("clear_below = 3.0", "clear_below = 2.9"),
        ("= \"5m\"", "= \"6m\""),
        ("= \"10m\"", "= \"11m\""),
        ("critical", "warning"),
        ("\"lo\"", "\"value\""),
        ("grid-duty", "duty"),
        ("is crushed", "is full"),
        ("暂停入场", "停止入场"),
    ] {
        assert_ne!(hash(&[other]), original, "{other:?}");
    }
}

#[test]
fn the_hash_covers_every_key_and_no_default() {
    let hash = |more: &str| {
        let rule = with(more, &opening("07:00"));
        rule.unwrap().hash().to_owned()
    };
    let original = hash("");
    assert_eq!(original, "dad899078401907d");
    for same in [
        "coverage_min = 0.5",
        "on_no_data = 'keep'",
        "flap_max = 6",
        "flap_window = '60m'",
        "active = []",
        "labels = {}",
        "mode = 'live'",
    ] {
        assert_eq!(hash(same), original, "{same}");
    }
    let others = [
        "coverage_min = 0.4",
        "on_no_data = 'alert'",
        "on_no_data = 'resolve'",
        "no_data_after = '10m'",
        "flap_max = 7",
        "flap_max = 0",
        "flap_window = '2h'",
        "active = ['open']",
        "active = ['night']",
        "active = ['open', 'night']",
        "labels = { team = 'east' }",
        "labels = { team = 'west' }",
        "labels = { unit = 'east' }",
        "runbook = 'a.md'",
        "runbook = 'b.md'",
        "mode = 'shadow'",
    ];
    let hashes: BTreeSet<String> = others.iter().map(|more| hash(more)).collect();
    assert_eq!(hashes.len(), others.len());
    assert!(!hashes.contains(&original));
    assert_eq!(
        hash("active = ['night', 'open']"),
        hash("active = ['open', 'night']")
    );
    // The hours behind a name are the rule's too.
    let later = with("active = ['open']", &opening("08:00")).unwrap();
    assert_ne!(later.hash(), hash("active = ['open']"));
}

#[test]
fn the_hash_covers_every_step() {
    let hash = |steps: &str| ladder(steps).unwrap().hash().to_owned();
    let low = "{ severity = 'watch', fire_above = 4, clear_below = 3 }";
    let high = "{ severity = 'critical', fire_above = 8, clear_below = 7, for = '0s' }";
    let both = hash(&format!("{low}, {high}"));
    let others = [
        low.to_owned(),
        format!("{low}, {}", high.replace("critical", "warning")),
        format!("{low}, {}", high.replace('8', "9")),
        format!("{low}, {}", high.replace('7', "6")),
        format!("{low}, {}", high.replace("0s", "1s")),
    ];
    let hashes: BTreeSet<String> = others.iter().map(|steps| hash(steps)).collect();
    assert_eq!(hashes.len(), others.len());
    assert!(!hashes.contains(&both));
    // One step is what the three keys say.
    let single = hash("{ severity = 'critical', fire_above = 4, clear_below = 3 }");
    assert_eq!(single, "dad899078401907d");
}

/// The good rule with more keys.
fn with(more: &str, intervals: &TimeIntervals) -> Result<Rule, Vec<Problem>> {
    let config = toml::from_str(&format!("{GOOD}{more}")).unwrap();
    Rule::with_intervals(&config, intervals)
}

/// The good rule with these steps.
fn ladder(steps: &str) -> Result<Rule, Vec<Problem>> {
    let text = GOOD
        .replace("fire_above = 4\n", "")
        .replace("clear_below = 3.0\n", "")
        .replace("severity = \"critical\"\n", "");
    let config = toml::from_str(&format!("{text}step = [{steps}]")).unwrap();
    Rule::try_new(&config)
}

/// The interval `open` from this time to 22:00, and `night`.
fn opening(from: &str) -> TimeIntervals {
    let configs = [
        format!("name = 'open'\ntimes = [{{ from = '{from}', to = '22:00' }}]"),
        "name = 'night'\ntimes = [{ from = '22:00', to = '06:00' }]".to_owned(),
    ];
    let configs = configs.map(|text| toml::from_str::<TimeIntervalConfig>(&text).unwrap());
    TimeIntervals::try_new(&configs, &jiff::tz::TimeZone::UTC).unwrap()
}

#[track_caller]
fn check_refused(rule: Result<Rule, Vec<Problem>>, expected: &[&str]) {
    let problems = rule.unwrap_err();
    let problems: Vec<String> = problems.iter().map(Problem::to_string).collect();
    assert_eq!(problems, expected);
}

#[test]
fn wrong_steps_are_named() {
    let low = "{ severity = 'warning', fire_above = 4, clear_below = 3 }";
    check_refused(
        ladder(&format!(
            "{low}, {{ severity = 'watch', fire_above = 4, clear_below = 2, for = 'x' }}"
        )),
        &[
            "step[1].severity: watch must be worse than warning of the step before",
            "step[1].fire_above: 4 must be above 4 of the step before",
            "step[1].clear_below: 2 must be at or above 3 of the step before",
            "step[1].for: \"x\" is not a duration such as 30s, 5m or 1h 30m",
        ],
    );
    check_refused(
        ladder("{ severity = 'watch', fire_above = 4, clear_below = 5 }"),
        &["step[0].clear_below: 5 must be at or below fire_above 4"],
    );
    check_refused(
        ladder(""),
        &[
            "fire_above: is missing, and there is no [[rule.step]]",
            "clear_below: is missing, and there is no [[rule.step]]",
            "severity: is missing, and there is no [[rule.step]]",
        ],
    );
    check_refused(
        with(&format!("step = [{low}]"), &TimeIntervals::default()),
        &[
            "fire_above: stands beside [[rule.step]], whose steps have their own",
            "clear_below: stands beside [[rule.step]], whose steps have their own",
            "severity: stands beside [[rule.step]], whose steps have their own",
        ],
    );
    let rule = ladder(&format!(
        "{low}, {{ severity = 'critical', fire_above = 8, clear_below = 3 }}"
    ));
    let rule = rule.unwrap();
    assert_eq!(rule.severity(), Severity::Critical);
    let holds: Vec<_> = rule.steps().iter().map(|step| step.hold_for).collect();
    assert_eq!(holds, [Span::minutes(5); 2]);
}

#[test]
fn wrong_words_of_the_other_keys_are_named() {
    let more = "no_data_after = '5'\nflap_max = 101\nflap_window = ''\nactive = ['open', 'day']\n\
                labels = { rule = 'x', Team = 'x', team = ' ' }\nrunbook = ''";
    check_refused(
        with(more, &opening("06:00")),
        &[
            "no_data_after: \"5\" is not a duration such as 30s, 5m or 1h 30m",
            "flap_max: 101 is more than 100",
            "flap_window: \"\" is not a duration such as 30s, 5m or 1h 30m",
            "active: \"day\" is not the name of a [[time_interval]]: there are night, open",
            "labels.Team: \"Team\" is not lower-case letters, digits and _",
            "labels.rule: is a label that every alert has of itself",
            "labels.team: is empty",
            "runbook: is empty",
        ],
    );
    check_refused(
        with("active = ['open']", &TimeIntervals::default()),
        &["active: \"open\" is not the name of a [[time_interval]]: there is none"],
    );
    for wrong in ["on_no_data = 'drop'", "mode = 'dry'"] {
        assert!(toml::from_str::<RuleConfig>(&format!("{GOOD}{wrong}")).is_err());
    }
}

#[test]
fn what_is_seldom_meant_is_warned_of() {
    let duties = BTreeSet::from(["grid-duty".to_owned()]);
    let told = |rules: &[Rule]| -> Vec<String> {
        let warnings = lint(rules, Some(&duties)).into_iter();
        warnings
            .map(|warning| format!("{} {}: {}", warning.rule, warning.key, warning.message))
            .collect()
    };
    let good = with("runbook = 'a.md'", &TimeIntervals::default()).unwrap();
    assert!(told(std::slice::from_ref(&good)).is_empty());
    let bad = config(&[
        ("market-crush", "bad"),
        ("clear_below = 3.0", "clear_below = 4.0"),
        ("for = \"5m\"", "for = \"0s\""),
        ("grid-duty", "nobody"),
        ("{name}人群过密：{value} {unit}", "Crush"),
        ("{name} is crushed: {value} {unit}", "Crush"),
    ]);
    let bad = Rule::try_new(&bad).unwrap();
    assert_eq!(
        told(&[good, bad.clone()]),
        [
            "bad clear_below: 4 is fire_above too: without a band between them a value at the \
             threshold raises and ends an alert again and again",
            "bad for: is zero: a single window raises the alert",
            "bad runbook: is missing: who is woken by an alert reads there what to do",
            "bad owner: \"nobody\" is none of grid-duty",
            "bad title: is the same in both languages",
            "bad title.zh-CN: is without {name}",
            "bad title.zh-CN: is without {lo}",
            "bad title.en: is without {name}",
            "bad title.en: is without {lo}",
            "bad severity: critical on layer density and the same subjects is what rule \
             \"market-crush\" has",
        ]
    );
    assert!(
        lint(&[bad], None)
            .iter()
            .all(|warning| warning.key != "owner")
    );
    // There is one city, and a title may say what is compared instead of the value.
    let city = |titles: [&str; 2], compare: &str| {
        let mut changed = config(&[
            ("{name}人群过密：{value} {unit}", titles[0]),
            ("{name} is crushed: {value} {unit}", titles[1]),
        ]);
        changed.subject_kind = Some("city".to_owned());
        changed.runbook = Some("a.md".to_owned());
        changed.compare = toml::Value::from(compare).try_into().unwrap();
        told(&[Rule::try_new(&changed).unwrap()])
    };
    assert!(city(["全市 {lo}", "City {lo}"], "lo").is_empty());
    assert!(city(["全市 {value}", "City {value}"], "lo").is_empty());
    assert_eq!(
        city(["全市 {lo}", "City {value}"], "value"),
        ["market-crush title.zh-CN: is without {value}"]
    );
    assert_eq!(
        city(["全市 {hi}", "City {lo}"], "lo"),
        ["market-crush title.zh-CN: is without {lo}"]
    );
    let steps = "{ severity = 'watch', fire_above = 4, clear_below = 4, for = '1m' }, \
                 { severity = 'critical', fire_above = 8, clear_below = 7, for = '0s' }";
    let keys: Vec<String> = lint(&[ladder(steps).unwrap()], None)
        .into_iter()
        .map(|warning| warning.key)
        .collect();
    assert_eq!(keys, ["step[0].clear_below", "step[1].for", "runbook"]);
}

/// What the guide shows can be written.
#[test]
fn the_guide_is_right() {
    #[derive(serde::Deserialize)]
    struct Rules {
        #[serde(default)]
        time_interval: Vec<TimeIntervalConfig>,
        #[serde(default)]
        rule: Vec<RuleConfig>,
    }
    let guide = include_str!("../../../../docs/guide/rules.md");
    let blocks = guide.split("```toml\n").skip(1);
    let mut rules = 0;
    for block in blocks {
        let (text, _) = block.split_once("```").unwrap();
        let file: Rules = toml::from_str(text).unwrap();
        let intervals = TimeIntervals::try_new(&file.time_interval, &jiff::tz::TimeZone::UTC);
        let intervals = intervals.unwrap();
        for config in &file.rule {
            Rule::with_intervals(config, &intervals).unwrap();
            rules += 1;
        }
    }
    assert_eq!(rules, 1);
}
