//! Reads rules as a city would write them, and tries to get a wrong one past the checks.

use super::*;

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
