//! Changes of the text of `rules.toml` that leave its comments and its order as they are.

use anyhow::{Context, Result, bail, ensure};
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};

/// The text in which the shadow rule `name` is live, in the place and with the name of the rule
/// `replaced` where one is given.
///
/// # Errors
/// When either is not there or not what it should be.
pub(super) fn promoted(text: &str, name: &str, replaced: Option<&str>) -> Result<String> {
    let mut document = parsed(text)?;
    let Some(rules) = document
        .get_mut("rule")
        .and_then(Item::as_array_of_tables_mut)
    else {
        bail!("rules.toml has no rule");
    };
    let at = position(rules, name)?;
    ensure!(
        is_shadow(rules, at),
        "rule {name:?} is live already: only a rule with mode = \"shadow\" can be promoted"
    );
    let rule = rules.get_mut(at).context("it was found above")?;
    rule.remove("mode");
    if let Some(replaced) = replaced {
        let old = position(rules, replaced)?;
        ensure!(old != at, "rule {name:?} cannot take its own place");
        ensure!(
            !is_shadow(rules, old),
            "rule {replaced:?} is a shadow rule itself: nothing rests on its name"
        );
        let rule = rules.get_mut(at).context("it was found above")?;
        rule["name"] = value(replaced);
        rules.remove(old);
    }
    Ok(document.to_string())
}

/// The text with who changed it and why.
///
/// # Errors
/// When it is no TOML.
pub(super) fn signed(text: &str, who: &str, reason: &str) -> Result<String> {
    let mut document = parsed(text)?;
    if document.get("change").is_some_and(Item::is_table_like) {
        document["change"]["who"] = value(who);
        document["change"]["reason"] = value(reason);
        return Ok(document.to_string());
    }
    document.remove("change");
    let mut change = Table::new();
    change["who"] = value(who);
    change["reason"] = value(reason);
    let mut head = DocumentMut::new();
    head["change"] = Item::Table(change);
    // Before the rules, where whoever reads the file looks first.
    Ok(format!("{head}\n{document}"))
}

/// Whether two texts have the same rules and intervals, whoever wrote them.
pub(super) fn same_rules(one: &str, other: &str) -> bool {
    let bare = |text: &str| {
        let mut table = toml::from_str::<toml::Table>(text).ok()?;
        table.remove("change");
        Some(table)
    };
    bare(one) == bare(other)
}

fn parsed(text: &str) -> Result<DocumentMut> {
    text.parse().context("rules.toml is no TOML")
}

fn position(rules: &ArrayOfTables, name: &str) -> Result<usize> {
    let names = || rules.iter().map(|rule| rule.get("name")?.as_str());
    let found = names().position(|other| other == Some(name));
    found.with_context(|| {
        let known: Vec<&str> = names().flatten().collect();
        format!("rules.toml has no rule {name:?}, but {}", known.join(", "))
    })
}

fn is_shadow(rules: &ArrayOfTables, at: usize) -> bool {
    let mode = rules.get(at).and_then(|rule| rule.get("mode")?.as_str());
    mode == Some("shadow")
}

#[cfg(test)]
mod tests {
    //! Tries to lose comments, to promote what is live, and to leave two rules with one name.

    use super::*;

    const TEXT: &str = "\
# The markets.

[[rule]]
name = \"crush\" # loud
fire_above = 4.0

# A candidate.
[[rule]]
name = \"crush-2\"
mode = \"shadow\"
fire_above = 3.0
[[rule.step]]
severity = \"watch\"
";

    #[test]
    fn a_promoted_rule_keeps_its_text() {
        let text = promoted(TEXT, "crush-2", None).unwrap();
        assert_eq!(text, TEXT.replace("mode = \"shadow\"\n", ""));
        let text = promoted(TEXT, "crush-2", Some("crush")).unwrap();
        let rules = toml::from_str::<toml::Table>(&text).unwrap();
        let rules = rules["rule"].as_array().unwrap();
        assert_eq!(rules.len(), 1, "{text}");
        assert_eq!(rules[0]["name"].as_str(), Some("crush"));
        assert_eq!(rules[0]["fire_above"].as_float(), Some(3.0));
        assert!(rules[0].get("mode").is_none());
        assert!(text.contains("# A candidate."), "{text}");
    }

    #[test]
    fn what_is_no_shadow_rule_is_refused() {
        for (rule, replaced, told) in [
            ("crush", None, "is live already"),
            ("crash", None, "no rule \"crash\", but crush, crush-2"),
            ("crush-2", Some("crash"), "no rule \"crash\""),
            ("crush-2", Some("crush-2"), "its own place"),
        ] {
            let error = promoted(TEXT, rule, replaced).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
        assert!(promoted("", "a", None).is_err());
        assert!(promoted("[[rule", "a", None).is_err());
    }

    #[test]
    fn who_changed_it_stands_before_the_rules_and_replaces_who_did_before() {
        let once = signed(TEXT, "duty \"A\"", "too loud").unwrap();
        assert!(once.starts_with("[change]\nwho = "), "{once}");
        assert!(once.ends_with(TEXT), "{once}");
        let twice = signed(&once, "duty B", "too quiet").unwrap();
        assert!(
            !twice.contains("duty A") && !twice.contains("too loud"),
            "{twice}"
        );
        assert_eq!(twice.matches("[change]").count(), 1);
        assert!(same_rules(&twice, TEXT) && !same_rules(TEXT, ""));
    }
}
