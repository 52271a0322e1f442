//! Intervals against clocks that change, midnights and wrong files.

use tidegate_model::parse_rfc3339;

use super::*;

fn read(text: &str) -> Result<TimeIntervals, Vec<String>> {
    let config: TimeIntervalConfig = toml::from_str(text).unwrap();
    let zone = TimeZoneDatabase::bundled().get("Asia/Shanghai").unwrap();
    let intervals = TimeIntervals::try_new(&[config], &zone);
    intervals.map_err(|found| {
        let found = found.iter();
        found
            .map(|(index, problem)| format!("{index} {problem}"))
            .collect()
    })
}

/// Whether each instant lies in the interval.
#[track_caller]
fn check(text: &str, instants: &[(&str, bool)]) {
    let intervals = read(&format!("name = \"i\"\n{text}")).unwrap();
    let holidays = BTreeSet::from([jiff::civil::date(2026, 10, 1)]);
    for (instant, expected) in instants {
        let at = parse_rfc3339(instant).unwrap();
        let got = intervals.get("i").unwrap().contains(at, &holidays);
        assert_eq!(got, *expected, "{text} at {instant}");
    }
}

#[test]
fn times_are_local_and_half_open() {
    check(
        r#"times = [{ from = "06:00", to = "22:00" }]"#,
        &[
            ("2026-03-02T05:59:59+08:00", false),
            ("2026-03-02T06:00:00+08:00", true),
            ("2026-03-02T21:59:59+08:00", true),
            ("2026-03-02T22:00:00+08:00", false),
            ("2026-03-02T06:00:00Z", true),
            ("2026-03-02T14:00:00Z", false),
        ],
    );
    check(
        r#"times = [{ from = "00:00", to = "06:00" }, { from = "18:00", to = "24:00" }]"#,
        &[
            ("2026-03-02T00:00:00+08:00", true),
            ("2026-03-02T12:00:00+08:00", false),
            ("2026-03-02T23:59:59+08:00", true),
        ],
    );
    check("", &[("2026-03-02T00:00:00+08:00", true)]);
}

#[test]
fn an_interval_past_midnight_belongs_to_the_day_on_which_it_begins() {
    // 2026-03-06 is a Friday.
    check(
        "times = [{ from = '22:00', to = '02:00' }]\nweekdays = ['fri']",
        &[
            ("2026-03-06T01:00:00+08:00", false),
            ("2026-03-06T22:00:00+08:00", true),
            ("2026-03-07T01:59:59+08:00", true),
            ("2026-03-07T02:00:00+08:00", false),
            ("2026-03-07T22:00:00+08:00", false),
        ],
    );
    // The first of October is a holiday, a Thursday.
    check(
        "times = [{ from = '22:00', to = '02:00' }]\nholidays = 'only'",
        &[
            ("2026-10-01T01:00:00+08:00", false),
            ("2026-10-02T01:00:00+08:00", true),
            ("2026-10-02T22:00:00+08:00", false),
        ],
    );
    check(
        "holidays = 'never'\nweekdays = ['thu']",
        &[
            ("2026-10-01T12:00:00+08:00", false),
            ("2026-10-08T12:00:00+08:00", true),
        ],
    );
}

#[test]
fn clocks_that_change_leave_no_gap_and_no_overlap() {
    // New York skips 02:00 to 03:00 on 2026-03-08, and has 01:00 to 02:00 twice on 2026-11-01.
    let night = "time_zone = 'America/New_York'\ntimes = [{ from = '01:30', to = '02:30' }]";
    let day = "time_zone = 'America/New_York'\ntimes = [{ from = '02:30', to = '01:30' }]";
    for (instant, at_night) in [
        ("2026-03-08T06:29:00Z", false),
        ("2026-03-08T06:30:00Z", true),
        ("2026-03-08T07:00:00Z", true),
        ("2026-03-08T07:29:00Z", true),
        ("2026-03-08T07:30:00Z", false),
        ("2026-11-01T05:29:00Z", false),
        ("2026-11-01T05:30:00Z", true),
        ("2026-11-01T06:10:00Z", true),
        ("2026-11-01T07:29:00Z", true),
        ("2026-11-01T07:30:00Z", false),
    ] {
        check(night, &[(instant, at_night)]);
        check(day, &[(instant, !at_night)]);
    }
}

#[test]
fn wrong_intervals_are_named() {
    for (text, expected) in [
        ("name = ' '", "0 name: is empty"),
        ("name = 'i'\ntimes = []", "0 times: allows no time at all"),
        (
            "name = 'i'\nweekdays = []",
            "0 weekdays: allows no day at all",
        ),
        (
            "name = 'i'\ntime_zone = 'Asia/Wuhan'",
            "0 time_zone: \"Asia/Wuhan\" is not an IANA time zone",
        ),
        (
            "name = 'i'\ntimes = [{ from = '06:00', to = '06:00' }]",
            "0 times[0].to: \"06:00\" is its start too: the interval is empty",
        ),
        (
            "name = 'i'\ntimes = [{ from = '24:00', to = '06:00' }]",
            "0 times[0].from: \"24:00\" is not a time such as 06:00",
        ),
        (
            "name = 'i'\ntimes = [{ from = '6:00', to = '24:01' }]",
            "0 times[0].from: \"6:00\" is not a time such as 06:00",
        ),
        (
            "name = 'i'\ntimes = [{ from = '06:00', to = '24:01' }]",
            "0 times[0].to: \"24:01\" is not a time such as 06:00",
        ),
    ] {
        assert_eq!(read(text).unwrap_err(), [expected], "{text}");
    }
    let config: TimeIntervalConfig = toml::from_str("name = 'i'").unwrap();
    let twice = TimeIntervals::try_new(&[config.clone(), config], &TimeZone::UTC).unwrap_err();
    assert_eq!(twice[0].0, 1);
    assert_eq!(
        twice[0].1.to_string(),
        "name: \"i\" is the name of an earlier one too"
    );
    assert!(toml::from_str::<TimeIntervalConfig>("name = 'i'\nweekdays = ['monday']").is_err());
}
