//! `channels.toml` with mistakes: each is told, all at once, with its line.

use tidegate_notify::{ChannelsConfig, ConfigProblem, KindPlan};

use crate::support::{SECRET, write_secret};

fn problems(toml: &str) -> Vec<ConfigProblem> {
    let folder = tempfile::tempdir().unwrap();
    write_secret(&folder.path().join("s"), SECRET);
    write_secret(&folder.path().join("bad"), "hunter2");
    match ChannelsConfig::from_toml(toml) {
        Ok(config) => config.check(folder.path()).err().unwrap_or_default(),
        Err(problems) => problems,
    }
}

/// One channel `c` with these lines has these problems: key, part of the message.
fn check(lines: &str, expected: &[(&str, &str)]) {
    let found = problems(&format!("[[channel]]\nname = 'c'\n{lines}"));
    let keys: Vec<_> = found.iter().map(|one| one.key.as_str()).collect();
    let wanted: Vec<_> = expected.iter().map(|(key, _)| *key).collect();
    assert_eq!(keys, wanted, "{lines}: {found:#?}");
    for (problem, (_, part)) in found.iter().zip(expected) {
        assert!(
            problem.message.contains(part),
            "{lines}: {problem} has no {part:?}"
        );
        assert!(problem.line.is_some(), "{problem}");
        assert!(!problem.message.contains("hunter2"), "{problem}");
    }
}

const HOOK: &str = "kind = 'webhook'\nsecret_files = ['s']\n";

#[test]
fn good_ones_pass() {
    for lines in [
        "kind = 'webhook'\nsecret_files = ['s', 's']\nurl = 'https://h.example/x'",
        "kind = 'alertmanager'\nurl = 'http://am.internal:9093/am/'\n\
         allow_internal = ['am.internal:9093']\nresend = '30s'",
        "kind = 'alertmanager_webhook'\nurl = 'https://h.example/x'\nexternal_url = 'https://a.example'",
        "kind = 'ntfy'\nurl = 'https://ntfy.example'\ntopic = 'duty_1'\nlanguages = ['en']",
        "kind = 'smtp'\nhost = 'mail.example'\nfrom = 'a@b.example'\nto = ['c@d.example']",
        "kind = 'cap'\nfolder = 'cap'\nsender = 'duty@city.example'\nstatus = 'Exercise'",
        "kind = 'cap'\nfolder = 'cap'\nsender = 'duty@city.example'\nscope = 'Private'\n\
         addresses = ['duty room', 'a@b.example']\ncategories = ['Transport', 'CBRNE']\n\
         status = 'Exercise'\nnote = 'drill'\nweb = 'https://city.example/人'\ncodes = ['x:1']",
        "kind = 'kafka'",
        "kind = 'stdout'\nrate = { per_minute = 5 }\nretry = { tries = 1 }",
    ] {
        check(lines, &[]);
    }
}

#[test]
fn each_mistake_is_told_with_what_to_do() {
    check(
        "",
        &[("channel.c.kind", "it is missing; write one of webhook")],
    );
    check("kind = 'pager'", &[("channel.c.kind", "\"pager\" is none")]);
    check(
        "kind = 'stdout'\nurll = 'x'\ncolour = 1",
        &[
            ("channel.c.urll", "unknown"),
            ("channel.c.colour", "unknown"),
        ],
    );
    check(
        &format!("{HOOK}url = 'https://h.example'\nsecret = 'hunter2'"),
        &[("channel.c.secret", "name that in secret_files")],
    );
    check(
        "kind = 'webhook'\nurl = 'https://h.example'",
        &[("channel.c.secret_files", "missing field")],
    );
    check(
        "kind = 'webhook'\nurl = 'https://h.example'\nsecret_files = []",
        &[("channel.c.secret_files", "0 must be from 1 to 8")],
    );
    check(
        "kind = 'webhook'\nurl = 'https://h.example'\nsecret_files = ['bad']",
        &[("channel.c.secret_files", "must begin with whsec_ or whsk_")],
    );
    check(
        "kind = 'webhook'\nurl = 'https://h.example'\nsecret_files = ['none']",
        &[("channel.c.secret_files", "cannot be read")],
    );
    for (url, part) in [
        ("http://h.example", "write https"),
        ("https://u:hunter2@h.example", "no user or password"),
        ("https://10.0.0.1/", "a private address"),
        ("https://[::1]/", "a loopback address"),
        ("https://2130706433/", "a loopback address"),
        ("ftp://h.example", "must be https"),
        ("h.example", "not a URL"),
    ] {
        check(&format!("{HOOK}url = '{url}'"), &[("channel.c.url", part)]);
    }
    check(
        "kind = 'stdout'\nproxy = 'http://127.0.0.1:3128'",
        &[("channel.c.proxy", "stdout goes without")],
    );
    check(
        &format!(
            "{HOOK}url = 'https://h.example'\ntimeout = '1h'\nconcurrency = 0\nlanguages = []\n\
             rate = {{ per_minute = 0, burst = 1 }}\nretry = {{ tries = 0, first = '5m' }}\n\
             allow_internal = ['*.internal']\nca_file = 'none'\nproxy = 'socks5://p'"
        ),
        &[
            ("channel.c.allow_internal", "HOST:PORT"),
            ("channel.c.ca_file", "cannot be read"),
            ("channel.c.concurrency", "0 must be from 1 to 256"),
            ("channel.c.languages", "zh-CN"),
            ("channel.c.proxy", "without a login"),
            ("channel.c.rate.per_minute", "0 must be"),
            ("channel.c.retry.first", "at most retry.longest"),
            ("channel.c.retry.tries", "0 must be"),
            ("channel.c.timeout", "1h must be from"),
        ],
    );
}

#[test]
fn values_of_the_wrong_type_and_faulty_servers_are_told() {
    check(
        "kind = 'stdout'\nconcurrency = 'many'",
        &[("channel.c.concurrency", "\"many\"")],
    );
    check(
        "kind = 'stdout'\nlanguages = ['fr']",
        &[("channel.c.languages", "fr")],
    );
    check(
        "kind = 'stdout'\nrate = { per_hour = 1 }",
        &[("channel.c.rate", "per_hour")],
    );
    check(
        "kind = 'smtp'\nhost = '10.0.0.1'\nfrom = 'nobody'\nusername = 'u'\ntls = 'none'",
        &[
            ("channel.c.from", "an address such as"),
            ("channel.c.host", "a private address"),
            ("channel.c.tls", "for servers inside"),
            ("channel.c.username", "belong together"),
        ],
    );
    check(
        "kind = 'wecom'\nurl_file = 'bad'",
        &[("channel.c.url_file", "not a URL")],
    );
}

const CAP: &str = "kind = 'cap'\nfolder = 'cap'\nsender = 'duty@city.example'\n";

#[test]
fn what_cap_forbids_in_words_is_told() {
    for sender in ["", "duty officer", "a,b", "a<b", "a&b"] {
        check(
            &format!("kind = 'cap'\nfolder = 'cap'\nsender = '{sender}'"),
            &[("channel.c.sender", "no spaces, commas, < or &")],
        );
    }
    for (lines, key, part) in [
        ("scope = 'Secret'", "scope", "`Private`"),
        ("scope = 'Restricted'", "restriction", "it is missing"),
        (
            "scope = 'Restricted'\nrestriction = ' '",
            "restriction",
            "1 to 2000",
        ),
        (
            "scope = 'Public'\nrestriction = 'duty'",
            "restriction",
            "not \"Public\"",
        ),
        ("scope = 'Private'", "addresses", "0 must be from 1 to 100"),
        (
            "scope = 'Private'\naddresses = ['a', '']",
            "addresses",
            "1 to 320",
        ),
        (
            "scope = 'Private'\naddresses = ['a \"b\"']",
            "addresses",
            "quotation mark",
        ),
        ("addresses = ['a']", "addresses", "not \"Restricted\""),
        ("contact = \"a\\nb\"", "contact", "in one line"),
        ("sender_name_en = ''", "sender_name_en", "0 characters"),
        ("sender_name_zh = ''", "sender_name_zh", "0 characters"),
        ("web = 'city.example'", "web", "not a URL"),
        ("web = 'ftp://city.example'", "web", "must be https"),
        ("web = 'https://city.example/%zz'", "web", "escape them"),
        ("categories = []", "categories", "at least one"),
        ("categories = ['Crowd']", "categories", "`Safety`"),
        ("codes = ['a b']", "codes", "without spaces"),
        ("note = 'drill'", "note", "Exercise"),
        (
            "forecast_methods = ['']",
            "forecast_methods",
            "\"\" must be",
        ),
        ("public_url = 'cap'", "public_url", "not a URL"),
        ("feed_max = 0", "feed_max", "0 must be"),
    ] {
        let key = format!("channel.c.{key}");
        check(&format!("{CAP}{lines}"), &[(&key, part)]);
    }
    check(&format!("{CAP}restriction = 'Duty officers'"), &[]);
}

#[test]
fn two_of_one_name_and_faults_of_several_channels_are_told() {
    let toml = "[[channel]]\nname = 'a'\nkind = 'stdout'\n\n[[channel]]\nname = 'a'\n\
                kind = 'stdout'\n\n[[channel]]\nname = 'B'\nkind = 'kafka'\ntopic = 'a b'\n";
    let found = problems(toml);
    let keys: Vec<_> = found
        .iter()
        .map(|p| (p.line.unwrap(), p.key.as_str()))
        .collect();
    assert_eq!(
        keys,
        [
            (5, "channel.a.name"),
            (9, "channel.B.name"),
            (9, "channel.B.topic")
        ]
    );
    // The word of routes.toml for those on duty.
    let found = problems("[[channel]]\nname = 'duty'\nkind = 'stdout'\n");
    assert_eq!(
        (found[0].line, found[0].key.as_str()),
        (Some(1), "channel.duty.name")
    );
    let toml = "[[channel]]\nname = 'a'\nkind = 'stdout'\n# more\ncolour = 1\n\n[[channel]]\n\
                kind = 'stdout'\nrate = 5\n\n[other]\nx = 1\n";
    let found = problems(toml);
    let keys: Vec<_> = found.iter().map(|p| (p.line, p.key.as_str())).collect();
    assert_eq!(
        keys,
        [
            (None, "other"),
            (Some(5), "channel.a.colour"),
            (Some(9), "channel[1].rate")
        ]
    );
    assert_eq!(problems("[[channel]\n")[0].line, Some(1));
}

#[test]
fn a_secret_that_others_can_read_is_a_warning() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    write_secret(&path, SECRET);
    let toml = format!("[[channel]]\nname = 'c'\n{HOOK}url = 'https://h.example'");
    let config = ChannelsConfig::from_toml(&toml).unwrap();
    assert!(config.check(folder.path()).unwrap().warnings.is_empty());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let plan = config.check(folder.path()).unwrap();
    assert!(
        plan.warnings[0].message.contains("chmod 600"),
        "{:?}",
        plan.warnings
    );
    let KindPlan::Webhook { secrets, .. } = &plan.channels[0].kind else {
        panic!("{plan:?}");
    };
    let shown = format!("{secrets:?} {:?}", secrets[0].read().unwrap());
    assert!(!shown.contains("MfKQ"), "{shown}");
}

#[test]
fn the_settings_of_a_channel_have_a_hash() {
    let folder = tempfile::tempdir().unwrap();
    let hash = |toml: &str| {
        let config = ChannelsConfig::from_toml(toml).unwrap();
        config.check(folder.path()).unwrap().channels[0]
            .settings
            .clone()
    };
    let one = hash("[[channel]]\nname = 'c'\nkind = 'kafka'");
    assert_eq!(
        one,
        hash("# moved\n\n[[channel]]\nkind = 'kafka'\nname = 'c'")
    );
    assert_ne!(
        one,
        hash("[[channel]]\nname = 'c'\nkind = 'kafka'\ntopic = 'other'")
    );
}
