//! Which publicly known days the aberration layer of `tidegate-risk` finds in the recorded series,
//! and how often it alarms on ordinary ones.
//!
//! Nobody tells the layer of an event. Each series is compared with its own earlier values of the
//! same slot, as square roots; the p-values of all places in a window go through the procedure of
//! Benjamini and Hochberg, and what is raised through a vote of the last windows. Fewer people than
//! usual are looked for as more of the negated values.
//! What counts as found was fixed on the earlier part: [`CITY_SHARE`].

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use tidegate_risk::aberration::baseline::{BaselineRule, Score, SlotBaselines};
use tidegate_risk::aberration::multiplicity::{
    FalseDiscoveryRate, KOfN, KOfNRule, benjamini_hochberg,
};
use tidegate_risk::aberration::{Flag, Point};

use super::series::{Alike, Direction, Event, Recorded, Set, Step};

/// The share of the places that are raised on a day, from which on the city is. With
/// [`FALSE_SHARE`] it alarms about once a month in each direction in Melbourne's earlier part.
const CITY_SHARE: f64 = 1.0 / 3.0;

/// The false discovery rate, in place of a tenth, with which a place is raised too often: in
/// Melbourne's earlier part once a week, and with this every third.
const FALSE_SHARE: f64 = 0.02;

/// The least standard deviation of a square root: that of a Poisson count.
const ROOT_DEVIATION: f64 = 0.5;

/// Days of a place: judged in a window at least, raised in a window at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Verdict {
    judged: bool,
    raised: bool,
}

/// What became of each day in one direction: by date, in the order of the series.
type Days = BTreeMap<String, Vec<Verdict>>;

/// The section of the scoreboard.
pub(crate) fn text(sets: &[Recorded]) -> Result<String> {
    let (mut events, mut rates) = (String::from(HEAD), String::from(RATES));
    for recorded in sets {
        for direction in Direction::ALL {
            let days = days(recorded, direction)?;
            for event in &recorded.set.events {
                if event.direction == direction {
                    events.push_str(&event_row(recorded, event, &days));
                }
            }
            rates.push_str(&rate_row(recorded, direction, &days));
        }
    }
    Ok(format!("{events}{rates}"))
}

const HEAD: &str = "## Known days\n\n\
    Days that are publicly known, of `tests/scoreboard-series.toml`, and whether `baseline/same-slot@1`, `aberration/p-value@1`, `aberration/benjamini-hochberg@1` (q 0.02) and `aberration/k-of-n@1` find them in the later part without being told.\n\
    Values are compared as square roots with those of the same slot before. Public holidays are judged and left out of later baselines; what an event did is not.\n\
    An event of the whole city is found on a day with a third of its places raised; one of named places when one of those is. Beside it stands how often the same rule alarms in a week of ordinary days, which are those of the later part that are neither holidays nor events.\n\n\
    | set | event | days | people | where | found | places raised | false alarms a week | known by |\n\
    |---|---|---|---|---|---|---|---|---|\n";

const RATES: &str = "\n\
    A baseline of 4 values gives a score three degrees of freedom. Among 607 places one alone is then raised from 36 standard deviations on, among 68 from 17, so an event of a single station can hardly be found where the earlier part is that short.\n\n\
    | set | people | baseline | vote | ordinary days judged | city alarms a week | alarm days of a place a week |\n\
    |---|---|---|---|---|---|---|\n";

fn event_row(recorded: &Recorded, event: &Event, days: &Days) -> String {
    let set = &recorded.set;
    let watched = watched(recorded, event);
    let ordinary = ordinary(recorded, days);
    let outcomes: Vec<(usize, usize)> = event
        .days
        .iter()
        .filter_map(|day| days.get(day))
        .map(|verdicts| counts(verdicts, &watched))
        .filter(|(judged, _)| *judged > 0)
        .collect();
    let is_raised = |(judged, raised)| is_found(event, judged, raised);
    let found = if outcomes.iter().any(|outcome| is_raised(*outcome)) {
        "found"
    } else if outcomes.is_empty() {
        "NOT JUDGED"
    } else {
        "MISSED"
    };
    let share = |(judged, raised): &(usize, usize)| format!("{raised} of {judged}");
    let raised: Vec<String> = outcomes.iter().map(share).collect();
    let alarms = ordinary
        .iter()
        .filter(|verdicts| is_raised(counts(verdicts, &watched)))
        .count();
    let place = if event.sites.is_empty() {
        "city".to_owned()
    } else {
        event.sites.join(", ")
    };
    format!(
        "| {} | {} | {} | {} | {place} | {found} | {} | {} | {} |\n",
        set.name,
        event.what,
        event.days.join(", "),
        event.direction.as_str(),
        or_dash(&raised.join(", ")),
        a_week(alarms, ordinary.len()),
        event.by,
    )
}

fn rate_row(recorded: &Recorded, direction: Direction, days: &Days) -> String {
    let set = &recorded.set;
    let ordinary = ordinary(recorded, days);
    let all: Vec<usize> = (0..recorded.series.len()).collect();
    let (mut city, mut judged, mut raised) = (0, 0, 0);
    for verdicts in &ordinary {
        let (of_day, raised_of_day) = counts(verdicts, &all);
        city += usize::from(is_city(of_day, raised_of_day));
        judged += of_day;
        raised += raised_of_day;
    }
    let [k, n] = set.votes;
    let alike = match set.alike {
        Alike::Weekday => "of the weekday and slot",
        Alike::WorkingDay => "of working days or weekends and the slot",
    };
    format!(
        "| {} | {} | {} values {alike} | {k} of {n} | {} | {} | {} |\n",
        set.name,
        direction.as_str(),
        set.baseline,
        ordinary.len(),
        a_week(city, ordinary.len()),
        a_week(raised, judged),
    )
}

/// Places at which the event is looked for.
fn watched(recorded: &Recorded, event: &Event) -> Vec<usize> {
    let is_watched = |idx: &usize| {
        let site = &recorded.series[*idx].site;
        event.sites.is_empty() || event.sites.contains(site)
    };
    (0..recorded.series.len()).filter(is_watched).collect()
}

/// Days of the later part on which something was judged, without holidays and events.
fn ordinary<'d>(recorded: &Recorded, days: &'d Days) -> Vec<&'d Vec<Verdict>> {
    let events = recorded.set.events.iter().flat_map(|event| &event.days);
    let known: BTreeSet<&String> = events.chain(recorded.set.holidays()).collect();
    days.iter()
        .filter(|(day, _)| **day >= recorded.set.later && !known.contains(day))
        .map(|(_, verdicts)| verdicts)
        .filter(|verdicts| verdicts.iter().any(|verdict| verdict.judged))
        .collect()
}

/// How many of the places were judged, and raised.
fn counts(verdicts: &[Verdict], places: &[usize]) -> (usize, usize) {
    let of = |has: fn(&Verdict) -> bool| places.iter().filter(|idx| has(&verdicts[**idx])).count();
    (of(|verdict| verdict.judged), of(|verdict| verdict.raised))
}

fn is_found(event: &Event, judged: usize, raised: usize) -> bool {
    if event.sites.is_empty() {
        is_city(judged, raised)
    } else {
        raised > 0
    }
}

fn is_city(judged: usize, raised: usize) -> bool {
    judged > 0 && float(raised) >= CITY_SHARE * float(judged)
}

/// The days as the layer sees them, all of them: the earlier part is where its baselines begin.
fn days(recorded: &Recorded, direction: Direction) -> Result<Days> {
    let mut layer = Layer::new(&recorded.set, recorded.series.len())?;
    let mut days = Days::new();
    for (idx, step) in recorded.steps.iter().enumerate() {
        let points: Vec<Point> = recorded
            .series
            .iter()
            .map(|series| point(series.points[idx].observed(), step, direction))
            .collect();
        let flags = layer.take(step, &points)?;
        let verdicts = days
            .entry(step.date.clone())
            .or_insert_with(|| vec![Verdict::default(); points.len()]);
        for (verdict, flag) in verdicts.iter_mut().zip(flags) {
            verdict.judged |= flag != Flag::Unknown;
            verdict.raised |= flag == Flag::Raised;
        }
    }
    Ok(days)
}

fn point(observed: Option<f64>, step: &Step, direction: Direction) -> Point {
    let Some(value) = observed else {
        return Point::Absent;
    };
    let root = match direction {
        Direction::More => value.sqrt(),
        Direction::Fewer => -value.sqrt(),
    };
    if step.is_holiday {
        Point::JudgedOnly(root)
    } else {
        Point::Trains(root)
    }
}

/// Baselines and votes of all places of a set.
struct Layer {
    alike: Alike,
    slots_per_day: u16,
    rate: FalseDiscoveryRate,
    places: Vec<(SlotBaselines, KOfN)>,
}

impl Layer {
    fn new(set: &Set, n_places: usize) -> Result<Self> {
        let [k, n] = set.votes;
        let votes = KOfN::new(KOfNRule::try_new(k, n)?);
        let baselines = SlotBaselines::new(BaselineRule::try_new(set.baseline, ROOT_DEVIATION)?);
        Ok(Self {
            alike: set.alike,
            slots_per_day: set.slots_per_day,
            rate: FalseDiscoveryRate::try_new(FALSE_SHARE)?,
            places: vec![(baselines, votes); n_places],
        })
    }

    /// What the layer says of each place in a window: unknown where it has no value or no
    /// baseline.
    fn take(&mut self, step: &Step, points: &[Point]) -> Result<Vec<Flag>> {
        let slot = self.slot(step);
        let mut p_values = Vec::new();
        let mut has_p_value = Vec::new();
        for ((baselines, _), point) in self.places.iter_mut().zip(points) {
            let score = baselines.take(slot, *point)?;
            has_p_value.push(score.is_some());
            p_values.extend(score.map(Score::p_value));
        }
        let mut raised = benjamini_hochberg(&p_values, self.rate)?.into_iter();
        let mut flags = Vec::new();
        for ((_, votes), has_p_value) in self.places.iter_mut().zip(has_p_value) {
            let flag = if has_p_value { raised.next() } else { None };
            let voted = votes.take(flag.unwrap_or(Flag::Unknown));
            flags.push(flag.map_or(Flag::Unknown, |_| voted));
        }
        Ok(flags)
    }

    fn slot(&self, step: &Step) -> u16 {
        let kind = match self.alike {
            Alike::Weekday => u16::from(step.weekday),
            Alike::WorkingDay => u16::from(step.weekday >= 5),
        };
        kind * self.slots_per_day + step.of_day
    }
}

/// `n` in `days` as a number a week.
fn a_week(n: usize, days: usize) -> String {
    if days == 0 {
        return "-".to_owned();
    }
    format!("{:.2}", 7.0 * float(n) / float(days))
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "days and places, far below 2^53"
)]
fn float(n: usize) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::super::forecast::tests::recorded;
    use super::*;
    use tidegate_risk::forecast::Point as Count;

    const EVENTS: &str = "event = [\n\
        { what = 'crowd', days = ['day 30', 'day 31'], direction = 'more', by = 'b' },\n\
        { what = 'calm', days = ['day 33'], direction = 'fewer', sites = ['a'], by = 'b' },\n\
        { what = 'nothing', days = ['day 35'], direction = 'more', by = 'b' },\n\
        { what = 'elsewhere', days = ['day 30'], direction = 'more', sites = ['z'], by = 'b' },\n\
        { what = 'later', days = ['day 99'], direction = 'fewer', by = 'b' },\n]\n";

    /// 100 persons, and more or fewer of them by some from week to week; `value` of the days that
    /// are another.
    fn with(days: &[(usize, f64)]) -> Recorded {
        recorded(EVENTS, |idx, _| {
            let found = days.iter().find(|(day, _)| *day == idx / 2);
            found.map_or(
                100.0 + f64::from(u8::from((idx / 14).is_multiple_of(2))),
                |(_, value)| *value,
            )
        })
    }

    #[test]
    fn what_is_found_missed_and_not_judged() {
        let text = text(&[with(&[(31, 400.0), (33, 9.0), (36, 400.0), (39, 400.0)])]).unwrap();
        let check = |event: &str, found: &str, raised: &str, alarms: &str| {
            let named = format!("| {event} |");
            let row = text.lines().find(|line| line.contains(&named)).unwrap();
            let cells: Vec<&str> = row.split(" | ").collect();
            assert_eq!(cells[5..8], [found, raised, alarms], "{row}");
        };
        // The later part has 14 days: four of them are of events, and two alarm without one.
        check("crowd", "found", "0 of 1, 1 of 1", "1.40");
        check("calm", "found", "1 of 1", "0.00");
        check("nothing", "MISSED", "0 of 1", "1.40");
        check("elsewhere", "NOT JUDGED", "-", "0.00");
        check("later", "NOT JUDGED", "-", "0.00");
        assert!(text.contains(
            "| S | more | 4 values of the weekday and slot | 1 of 1 | 10 | 1.40 | 1.40 |"
        ));
        assert!(text.contains(
            "| S | fewer | 4 values of the weekday and slot | 1 of 1 | 10 | 0.00 | 0.00 |"
        ));
    }

    /// A holiday is judged, and the same weekday after it has the baseline from before.
    #[test]
    fn a_holiday_trains_no_baseline() {
        let mut recorded = with(&[(29, 400.0), (36, 400.0)]);
        for step in &mut recorded.steps {
            step.is_holiday = step.date == "day 29";
        }
        let raised = |recorded: &Recorded, day: &str| {
            days(recorded, Direction::More).unwrap()[day][0].raised
        };
        assert!(raised(&recorded, "day 29") && raised(&recorded, "day 36"));
        for step in &mut recorded.steps {
            step.is_holiday = false;
        }
        assert!(raised(&recorded, "day 29") && !raised(&recorded, "day 36"));
    }

    #[test]
    fn a_day_without_a_value_is_not_judged() {
        let mut recorded = with(&[]);
        for point in &mut recorded.series[0].points[60..64] {
            *point = Count::Faulty;
        }
        let days = days(&recorded, Direction::More).unwrap();
        let judged = |day: &str| days[day][0].judged;
        assert!(judged("day 29") && !judged("day 30") && !judged("day 31") && judged("day 32"));
        // Nor is one without a baseline.
        assert!(!judged("day 27") && judged("day 28"));
    }

    #[test]
    fn a_third_of_the_places_is_the_city() {
        for (judged, raised, expected) in [(3, 1, true), (4, 1, false), (0, 0, false), (7, 3, true)]
        {
            assert_eq!(is_city(judged, raised), expected, "{raised} of {judged}");
        }
    }
}
