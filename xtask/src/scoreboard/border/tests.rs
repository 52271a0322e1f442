use super::calendar::DayType;
use super::*;

/// Days of the fit part without holidays, from a Monday on, in months of 28 days.
fn panes(point: &str, persons: &[u32]) -> Vec<Pane> {
    let pane = |(idx, persons): (usize, &u32)| Pane {
        site_id: point.to_owned(),
        persons_in: *persons,
        date: format!("2020-0{}-{:02}", 1 + idx / 28, 1 + idx % 28),
        weekday: u8::try_from((idx + 1) % 7).unwrap(),
    };
    persons.iter().enumerate().map(pane).collect()
}

fn only(persons: &[u32]) -> Border {
    let mut border = arrange(&panes("a", persons));
    border.series.retain(|series| series.name != ALL);
    border
}

#[test]
fn a_reopening_is_what_opened_and_what_was_raised() {
    let mut persons = vec![0; 40];
    persons[35] = 5_000;
    let mut both = panes("opens", &persons);
    both.extend(panes("busy", &[900; 40]));
    let border = arrange(&both);
    let rule = Comparison::SameDayType(BaselineRule::try_new(4, 1.0).unwrap());
    let scores = border.scores(rule).unwrap();
    let date = &border.days[35].date;
    let found = border.reopening(&scores, 4.0, 35);
    assert_eq!(found, format!("1 of 1 opened; {date}"));
    let found = border.reopening(&scores, 1e6, 35);
    assert_eq!(found, "0 of 1 opened; MISSED within a week");
}

/// One table of two rules that are the same: neither beats the other.
#[test]
fn a_rule_does_not_beat_itself() {
    let border = only(&[0; 40]);
    let rule = Rule {
        comparison: Comparison::DaysBefore,
        threshold: 3.0,
    };
    let text = by_threshold(&border, rule, rule).unwrap();
    assert!(text.contains("For 0 of 8 thresholds"), "{text}");
}

#[test]
fn all_points_together_are_a_series() {
    let mut both = panes("a", &[1, 2]);
    both.extend(panes("b", &[10]));
    let border = arrange(&both);
    let persons = |idx: usize| border.series[idx].persons.clone();
    assert_eq!(persons(0), [Some(1.0), Some(2.0)]);
    assert_eq!(border.series[1].name, ALL);
    assert_eq!(persons(1), [Some(11.0), Some(2.0)]);
    assert_eq!(persons(2), [Some(10.0), None]);
}

#[test]
fn a_closed_point_raises_nothing_and_its_opening_does() {
    let mut persons = vec![0; 40];
    persons[35] = 5_000;
    let border = only(&persons);
    let series = &border.series[0];
    assert!(!series.is_closed(26) && series.is_closed(27) && series.is_closed(34));
    assert!(series.reopens(35) && !series.reopens(34) && !series.is_closed(36));
    for comparison in [
        Comparison::DaysBefore,
        Comparison::SameDayType(BaselineRule::try_new(4, 1.0).unwrap()),
    ] {
        let scores = border.scores(comparison).unwrap();
        for day in 0..40 {
            let expected: &[&str] = if day == 35 { &["a"] } else { &[] };
            assert_eq!(border.alarmed(&scores, 3.0, day), expected, "{day}");
        }
        assert_eq!(border.alarms_while_closed(&scores, 3.0), 0);
        // Below 0 even a day like the others is above it.
        assert!(border.alarms_while_closed(&scores, -1.0) > 0);
    }
}

/// A weekend five times as busy as the week: C1 cannot see a rise by half, the day type can.
#[test]
fn day_types_see_what_the_days_before_hide() {
    let persons: Vec<u32> = (0..140)
        .map(|day| if day % 7 >= 5 { 5_000 } else { 1_000 })
        .collect();
    let border = only(&persons);
    let seen = |comparison| {
        let scores = border.scores(comparison).unwrap();
        let tally = border.tally(&scores, 3.0, Part::Fit);
        assert_eq!(tally.false_alarms, 0);
        tally.seen()
    };
    let same_type = Comparison::SameDayType(BaselineRule::try_new(4, 1.0).unwrap());
    assert!(seen(Comparison::DaysBefore) < 0.01);
    assert!((seen(same_type) - 1.0).abs() < 1e-12);
}

#[test]
fn days_have_types_and_parts() {
    let check = |date: &str, weekday: u8, kind: DayType, part: Part| {
        let day = &calendar::days(&BTreeMap::from([(date, weekday)]))[0];
        assert_eq!((day.kind, day.part), (kind, part), "{date}");
    };
    check("2022-12-30", 5, DayType::Working, Part::Fit);
    check("2022-12-31", 6, DayType::Saturday, Part::Fit);
    check("2023-01-02", 1, DayType::SundayOrHoliday, Part::Neither);
    check("2023-03-06", 1, DayType::Working, Part::Test);
    check("2023-12-31", 0, DayType::SundayOrHoliday, Part::Test);
    let near = [
        ("2021-05-17", 1),
        ("2021-05-18", 2),
        ("2021-05-19", 3),
        ("2021-05-20", 4),
    ];
    let days = calendar::days(&BTreeMap::from(near));
    assert!(days.iter().all(|day| !day.is_ordinary));
}

#[test]
fn what_is_not_better_is_shown_as_such() {
    let tally = |rises_seen, false_alarms| Tally {
        ordinary_days: 70,
        false_alarms,
        rises: 10,
        rises_seen,
    };
    let worse = verdict(tally(5, 1), tally(5, 1));
    assert!(worse.contains("NOT MORE") && worse.contains("NOT FEWER"));
    let better = verdict(tally(5, 2), tally(6, 1));
    assert!(better.contains("sees more") && better.contains("with fewer"));
}
