//! Tries to get a wrong `routes.toml` past the check, and hours past the end of the day.

use super::*;
use crate::config::{HoursConfig, RoutesConfig};
use crate::problem::Problems;
use crate::tree::GridUnit;

const DEFAULT: &str = "[[route]]\nname = 'default'\nchannels = ['mail']\n";

fn unit(id: &str, parent: Option<&str>) -> GridUnit {
    GridUnit {
        id: id.to_owned(),
        parent: parent.map(str::to_owned),
        name_zh: id.to_owned(),
        name_en: id.to_owned(),
    }
}

fn tree() -> GridTree {
    let units = vec![
        unit("g1", Some("s1")),
        unit("s1", Some("city")),
        unit("city", None),
    ];
    GridTree::try_new(units).unwrap()
}

/// The problems of `toml`, which stands before a default route.
#[track_caller]
fn check(toml: &str, expected: &[&str]) {
    let config: RoutesConfig = toml::from_str(&format!("{toml}\n{DEFAULT}")).unwrap();
    let problems = Plan::try_new(&config, tree(), &["mail", "hall"])
        .err()
        .unwrap_or_default();
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(texts, expected, "{toml}");
}

#[test]
fn what_is_wrong_is_said() {
    check("", &[]);
    check(
        "[[duty]]\nrole = ''\ngrid_unit = 'g9'\nchannels = ['fax']\n\
         hours = { weekdays = ['someday'], from = '8', to = '20:00', time_zone = 'Moon/Base' }",
        &[
            "duty[1].role: is empty: write one or leave it out",
            "duty[1].grid_unit: \"g9\" is not a grid unit: name one of the tree",
            "duty[1].hours.weekdays: \"someday\" is not one of mon, tue, wed, thu, fri, sat, sun",
            "duty[1].hours.from: \"8\" is not a time of day such as 08:00",
            "duty[1].hours.time_zone: \"Moon/Base\" is not a time zone: write one such as \
             Asia/Shanghai",
            "duty[1].channels: \"fax\" is not a channel: name one of hall, mail",
        ],
    );
    check(
        "[[duty]]\nrole = 'a'\ngrid_unit = 'g1'\nchannels = ['mail']\n\
         [[duty]]\nrole = 'a'\ngrid_unit = 'g1'\nchannels = ['hall']\n\
         [[duty]]\nrole = 'a'\nchannels = []",
        &[
            "duty[2]: is duty[1] again, \"a\" at the same place and hours: join the two",
            "duty[3]: has neither grid_unit nor kind",
            "duty[3].channels: names no channel: nobody would be told",
        ],
    );
    check(
        "[[route]]\nname = 'default'\n\
         match = { severity_min = 'critical', severity_max = 'info' }\n\
         channels = ['duty']\ngroup_interval = '0s'\nrepeat_interval = '-5m'\ngroup_wait = '25h'",
        &[
            "route[1].group_interval: \"0s\" is no time at all: give one above zero",
            "route[1].repeat_interval: \"-5m\" is not a duration such as 30s, 5m or 1h 30m",
            "route[1].group_wait: 25h is more than a day: nobody would be told in time",
            "route[1].match.severity_max: info is below severity_min critical: no alert is both",
            "route[2].name: \"default\" is also route[1]: rename one",
        ],
    );
    check(
        "[[route]]\nname = 'all'\nchannels = ['mail']\nrepeat_interval = '1m'",
        &[
            "route[1].repeat_interval: 1m is below group_interval 5m",
            "route[1]: \"all\" takes every alert: no later route is asked",
        ],
    );
    check(
        "[[inhibit]]\nsource = {}\ntarget = { rule = 'a' }\nequal = []\n\
         [escalation]\ncritical = '0s'\n[storm]\nalerts_per_notice = 0\n[silences]\nmax = 'x'",
        &[
            "inhibit[1].source: matches every alert: say which",
            "inhibit[1].equal: names nothing: write \"any\" if nothing must be equal",
            "escalation.critical: \"0s\" is no time at all: give one above zero",
            "storm.alerts_per_notice: 0 is not from 1 to 1000",
            "silences.max: \"x\" is not a duration such as 30s, 5m or 1h 30m",
        ],
    );
}

/// The lines and keys of the problems of a whole file.
#[track_caller]
fn check_lines(toml: &str, expected: &[(usize, &str)]) {
    let problems = Plan::from_toml(toml, tree(), &["mail", "hall"])
        .err()
        .unwrap_or_default();
    let expected: Vec<_> = expected
        .iter()
        .map(|(line, key)| (Some(*line), *key))
        .collect();
    let found: Vec<_> = problems
        .iter()
        .map(|it| (it.line, it.key.as_str()))
        .collect();
    assert_eq!(found, expected, "{toml}\n{problems:?}");
}

#[test]
fn every_problem_names_its_line() {
    // Without the array's brackets a `[2]` would be found in the first route, or nowhere.
    check_lines(
        "[[route]]\n# fax\nname = 'a'\nmatch = { grid_unit = 'g9' }\nchannels = [\n  'mail',\n  \
         'fax',\n]\n\n[[route]]\nname = 'a'\nchannels = ['mail']\n\n[route.active]\nfrom = '08:00'\n\
         to = '8'\ntime_zone = 'Moon/Base'\n",
        &[
            (4, "route[1].match.grid_unit"),
            (5, "route[1].channels"),
            (10, "route[2]"),
            (11, "route[2].name"),
            (16, "route[2].active.to"),
            (17, "route[2].active.time_zone"),
        ],
    );
    check_lines(
        "[[duty]]\nrole = 'a'\ngrid_unit = 'g9'\nchannels = ['mail']\n\n  [[duty]]\nrole = 'a'\n\
         grid_unit = 'g9'\nchannels = ['mail']\n\n[[duty]]\nrole = 'b'\nkind = 'market'\n\
         hours.weekdays = ['someday']\nhours.from = '08:00'\nhours.to = '08:00'\n\
         hours.time_zone = 'Asia/Shanghai'\nchannels = ['mail']\n\
         [[route]]\nname = 'default'\nchannels = ['mail']\n",
        &[
            (3, "duty[1].grid_unit"),
            (6, "duty[2]"),
            (8, "duty[2].grid_unit"),
            (14, "duty[3].hours.weekdays"),
            (16, "duty[3].hours.to"),
        ],
    );
    check_lines(
        "silences.max = 'x'\n[storm]\nalerts_per_notice = 0\n[escalation]\ncritical = '0s'\n\
         [[inhibit]]\nsource = {}\ntarget.tags.'a.b' = []\nequal = []\n\
         [[route]]\nname = 'default'\nchannels = ['mail']\ngroup_interval = '5h'\n",
        &[
            (1, "silences.max"),
            (3, "storm.alerts_per_notice"),
            (5, "escalation.critical"),
            (7, "inhibit[1].source"),
            (8, "inhibit[1].target.tags.a.b"),
            (9, "inhibit[1].equal"),
            // Nothing says how often: it is the default that is below what is written.
            (10, "route[1].repeat_interval"),
        ],
    );
    check_lines(
        "route = [\n  { name = 'a', match = { rule = 'x' }, channels = ['mail'] },\n  \
         { name = 'b', channels = ['fax'] },\n]\n",
        &[(3, "route[2].channels")],
    );
}

#[test]
fn what_cannot_be_read_names_its_line() {
    for (toml, line) in [
        ("[[route]]\nname = 'a'\nname = 'b'\n", 3),
        ("[[route]]\nname = 'a'\nchannel = ['mail']\n", 3),
        ("\n[[route]]\nname = 'a'\n", 2),
        (
            "[[route]]\nname = 'a'\nchannels = ['mail']\nmatch = { severity_min = 'bad' }\n",
            4,
        ),
        (
            "[[route]]\nname = 'a'\nchannels = ['mail']\n[route.match]\nrule = 7\n",
            5,
        ),
    ] {
        check_lines(toml, &[(line, "")]);
    }
}

#[test]
fn what_is_wrong_with_a_summary_is_said() {
    check(
        "[[summary]]\ngrid_unit = 'g1'\nat = ['08:00', '20:00']\nchannels = ['mail', 'hall']\n\
         weekdays = ['mon']\nafter = '0s'\nout = 's/{grid_unit}-{kind}-{date}-{time}.html'\n\
         [[summary]]\ngrid_unit = 'g1'\nat = ['08:00']\nchannels = ['mail']\n\
         out = 's/{grid_unit}-{kind}-{date}.html'\n\
         [[summary]]\ngrid_unit = 's1'\nat = ['00:00']\nchannels = ['mail']",
        &[],
    );
    check(
        "[[summary]]\ngrid_unit = 'g9'\nat = ['8', '24:00']\nchannels = ['fax']\n\
         weekdays = ['someday']\nafter = '13h'\nout = '{week}.htm'",
        &[
            "summary[1].grid_unit: \"g9\" is not a grid unit: name one of the tree",
            "summary[1].at: \"24:00\" is not a time of day such as 08:00",
            "summary[1].at: \"8\" is not a time of day such as 08:00",
            "summary[1].weekdays: \"someday\" is not one of mon, tue, wed, thu, fri, sat, sun",
            "summary[1].channels: \"fax\" is not a channel: name one of hall, mail",
            "summary[1].after: 13h is not from 0s to 12h",
            "summary[1].out: {week} is none of {grid_unit}, {kind}, {date}, {time}",
            "summary[1].out: \"{week}.htm\" must end with .html",
            "summary[1].out: \"{week}.htm\" lacks {date}: each would replace the one before",
        ],
    );
    check(
        "[[summary]]\ngrid_unit = 'g1'\nat = ['08:00', '20:00']\nchannels = ['mail']\n\
         out = '{date}-{time}.html'\n\
         [[summary]]\ngrid_unit = 'g1'\nat = ['06:00', '06:00', '18:00']\nchannels = ['mail']\n\
         after = '-1m'\nout = '{date}-{time}.html'\n\
         [[summary]]\ngrid_unit = 's1'\nat = []\nchannels = []",
        &[
            "summary[2].at: \"06:00\" is there twice: leave one out",
            "summary[2].after: \"-1m\" is not a duration such as 30s, 5m or 1h 30m",
            "summary[2]: is summary[1] again, the shift of \"g1\" on \"mail\": join the two",
            "summary[2].out: \"{date}-{time}.html\" is also the file of summary[1]",
            "summary[3].at: 0 times are not from 1 to 24",
            "summary[3].channels: names no channel: nobody would be told",
        ],
    );
}

#[test]
fn a_default_route_is_needed() {
    for (toml, expected) in [
        (
            "",
            "route: is missing: write at least one without `match`, the default route",
        ),
        (
            "[[route]]\nname = 'a'\nchannels = ['mail']\nmatch = { rule = 'x' }",
            "route[1]: \"a\" is the last and must take every alert: add a default route without \
             `match`, `active` and `continue`",
        ),
        (
            "[[route]]\nname = 'a'\nchannels = ['duty']",
            "route[1].channels: the default route must name a channel: nobody may be on duty",
        ),
    ] {
        let config: RoutesConfig = toml::from_str(toml).unwrap();
        let problems = Plan::try_new(&config, tree(), &["mail"]).unwrap_err();
        assert_eq!(
            problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [expected]
        );
    }
    let unknown: Result<RoutesConfig, _> = toml::from_str(&format!("{DEFAULT}group_wiat = '1s'"));
    assert!(unknown.unwrap_err().to_string().contains("group_wiat"));
}

#[test]
fn a_tree_ends_at_a_top() {
    let check = |units: Vec<GridUnit>, expected: &[&str]| {
        let problems = GridTree::try_new(units).err().unwrap_or_default();
        assert_eq!(
            problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
            expected
        );
    };
    check(
        vec![unit("a", Some("b")), unit("b", Some("a"))],
        &[
            "grid_unit.a.parent: goes in a circle, a → b → a: let one of them be the top",
            "grid_unit.b.parent: goes in a circle, b → a → b: let one of them be the top",
        ],
    );
    check(
        vec![unit("a", Some("z")), unit("b", Some("a")), unit("b", None)],
        &[
            "grid_unit.b: is there twice: give each unit an id of its own",
            "grid_unit.a.parent: \"z\" is not a grid unit: add it or name another",
        ],
    );
    let deep = (0..=GRID_DEPTH).map(|n| {
        unit(
            &n.to_string(),
            (n < GRID_DEPTH).then(|| (n + 1).to_string()).as_deref(),
        )
    });
    check(
        deep.collect(),
        &["grid_unit.0.parent: lies more than 16 units below the top"],
    );
}

const GRID_DEPTH: usize = crate::tree::GRID_DEPTH_MAX;

#[test]
fn hours_are_those_of_the_place() {
    let check = |weekdays: &[&str], from: &str, to: &str, time: &str, expected: bool| {
        let config = HoursConfig {
            weekdays: weekdays.iter().map(|day| (*day).to_owned()).collect(),
            from: from.to_owned(),
            to: to.to_owned(),
            time_zone: "Asia/Shanghai".to_owned(),
        };
        let mut problems = Problems::default();
        let hours = Hours::check(&config, "", &mut problems).unwrap();
        assert_eq!(
            hours.contain(time.parse().unwrap()),
            expected,
            "{from} to {to} at {time}"
        );
    };
    // 2026-03-02 is a Monday.
    check(&[], "08:00", "20:00", "2026-03-02T00:00:00Z", true);
    check(&[], "08:00", "20:00", "2026-03-01T23:59:59Z", false);
    check(&[], "08:00", "20:00", "2026-03-02T12:00:00Z", false);
    check(&["mon"], "22:00", "06:00", "2026-03-02T14:00:00Z", true);
    check(&["mon"], "22:00", "06:00", "2026-03-02T21:59:00Z", true);
    check(&["mon"], "22:00", "06:00", "2026-03-01T21:59:00Z", false);
    check(&["mon"], "22:00", "06:00", "2026-03-03T14:00:00Z", false);
    check(&["sun"], "00:00", "24:00", "2026-03-01T15:59:00Z", true);
    check(&["sun"], "00:00", "24:00", "2026-03-01T16:00:00Z", false);
}

#[test]
fn the_way_a_plan_is_written_does_not_change_its_hash() {
    let hash = |toml: &str| {
        let config: RoutesConfig = toml::from_str(toml).unwrap();
        Plan::try_new(&config, tree(), &["mail"])
            .unwrap()
            .hash()
            .to_owned()
    };
    let plain = hash(DEFAULT);
    assert_eq!(
        plain,
        hash(&format!(
            "{DEFAULT}group_wait = '30s'\nrepeat_interval = '240m'"
        ))
    );
    assert_ne!(plain, hash(&format!("{DEFAULT}group_wait = '31s'")));
    assert_ne!(
        plain,
        hash(&format!("{DEFAULT}[escalation]\ncritical = '5m'"))
    );
    let summary = "[[summary]]\ngrid_unit = 'g1'\nat = ['08:00']\nchannels = ['mail']\n";
    let with_summary = hash(&format!("{DEFAULT}{summary}"));
    assert_ne!(plain, with_summary);
    assert_ne!(
        with_summary,
        hash(&format!("{DEFAULT}{summary}after = '11m'"))
    );
}
