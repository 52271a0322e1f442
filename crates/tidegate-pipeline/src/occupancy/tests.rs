//! Days of windows against the occupancies: the tests try to miss a reset or to make one too many
//! (odd zones, changed clocks, quiet days), to make persons of late counts who cannot be there,
//! and to make restored occupancies go on otherwise than those that were never stopped.

use arrow::array::RecordBatch;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use proptest::prelude::*;
use tidegate_model::{Site, SiteKind, parse_rfc3339};
use tidegate_risk::occupancy::CaptureProbability;

use super::closed::Flows;
use super::*;

mod days;
mod panes;
mod sources;
mod stored;

const SIZE: Span = Span::minutes(5);

fn time(text: &str) -> EventTime {
    parse_rfc3339(text).unwrap()
}

/// Settings of `zone` with nothing but counts.
fn spec(zone: &str, empty_at: Option<&str>) -> OccupancySpec {
    let zone: TimeZone = TimeZoneDatabase::bundled().get(zone).unwrap();
    OccupancySpec {
        window: 0,
        arrivals: "arrivals".to_owned(),
        departures: "departures".to_owned(),
        capture: CaptureProbability::DEFAULT,
        empty_at: empty_at.map(|text| time_of_day(text).unwrap()),
        calendar: Calendar::new(zone),
        gain: None,
        entries: BTreeMap::new(),
        observed: Vec::new(),
    }
}

/// Occupancies of venues `a`, `b` and `c`.
fn kept(spec: &OccupancySpec) -> Occupancies {
    let gate = |venue: &str| Site {
        id: format!("gate of {venue}"),
        kind: SiteKind::Gate,
        name: String::new(),
        venue_id: Some(venue.to_owned()),
        coordinate: None,
        cell: None,
        cordon: false,
    };
    let reference = Reference {
        sites: ["b", "a", "c"].map(gate).to_vec(),
        ..Reference::default()
    };
    Occupancies::new(spec, &reference)
}

fn occupancies(zone: &str, empty_at: Option<&str>) -> Occupancies {
    kept(&spec(zone, empty_at))
}

/// A window that says no more than these flows.
fn said(rows: &[(&str, i64, i64)]) -> Inputs {
    Inputs {
        flows: flows(rows),
        ..Inputs::default()
    }
}

/// What late counts make of the flows.
fn late(flows: &Flows) -> Revision {
    Revision {
        flows: Some(flows.clone()),
        observed: Vec::new(),
    }
}

/// Corrections among the rows.
fn counted(rows: &[JournalRow]) -> usize {
    rows.iter().filter(|row| row.is_counted()).count()
}

fn flows(rows: &[(&str, i64, i64)]) -> Flows {
    rows.iter()
        .map(|(v, a, d)| ((*v).to_owned(), (*a, *d)))
        .collect()
}

#[expect(clippy::cast_possible_truncation, reason = "a few persons")]
fn persons(occupancies: &Occupancies, venue: &str) -> i64 {
    let persons = occupancies.venues[venue].present.persons().unwrap();
    assert!(
        persons.fract().abs() < f64::EPSILON,
        "{persons} are not whole"
    );
    persons as i64
}

/// One window after the other from each start to each end, all times in UTC, must be reset at
/// exactly these starts.
#[track_caller]
fn check_resets(zone: &str, empty_at: &str, windows: (Span, &[[&str; 2]]), expected: &[&str]) {
    let mut occupancies = occupancies(zone, Some(empty_at));
    let (size, spells) = windows;
    let mut resets = Vec::new();
    for [from, until] in spells {
        let mut start = time(from);
        while start < time(until) {
            let end = start.plus(size);
            let before = persons(&occupancies, "a");
            occupancies.step(start, end, said(&[("a", 1, 0)]));
            if persons(&occupancies, "a") <= before {
                resets.push(start.to_string());
            }
            start = end;
        }
    }
    assert_eq!(resets, expected);
}

#[test]
fn venues_are_reset_once_a_local_day() {
    let days = ["2026-03-01T00:00:00Z", "2026-03-03T00:00:00Z"];
    let each = ["2026-03-01T20:00:00Z", "2026-03-02T20:00:00Z"];
    check_resets("Asia/Shanghai", "04:00", (SIZE, &[days]), &each);
    check_resets(
        "Asia/Shanghai",
        "08:05",
        (SIZE, &[days]),
        &["2026-03-01T00:05:00Z", "2026-03-02T00:05:00Z"],
    );
    let midnights = ["2026-03-01T16:00:00Z", "2026-03-02T16:00:00Z"];
    check_resets("Asia/Shanghai", "00:00", (SIZE, &[days]), &midnights);
}

#[test]
fn a_time_inside_a_window_resets_the_next_one() {
    let days = ["2026-03-01T00:00:00Z", "2026-03-03T00:00:00Z"];
    let each = ["2026-03-01T20:05:00Z", "2026-03-02T20:05:00Z"];
    check_resets("Asia/Shanghai", "04:02", (SIZE, &[days]), &each);
    let midnights = ["2026-03-01T16:00:00Z", "2026-03-02T16:00:00Z"];
    check_resets("Asia/Shanghai", "23:57", (SIZE, &[days]), &midnights);
    // 04:00 in Kathmandu is 22:15Z.
    let each = ["2026-03-01T23:00:00Z", "2026-03-02T23:00:00Z"];
    check_resets("Asia/Kathmandu", "04:00", (Span::hours(1), &[days]), &each);
}

#[test]
fn changed_clocks_reset_once() {
    let spring = ["2026-03-07T06:00:00Z", "2026-03-10T00:00:00Z"];
    check_resets(
        "America/New_York",
        "04:00",
        (SIZE, &[spring]),
        &[
            "2026-03-07T09:00:00Z",
            "2026-03-08T08:00:00Z",
            "2026-03-09T08:00:00Z",
        ],
    );
    // 02:30 is skipped on the 8th: the clocks go on at 03:00, 07:00Z.
    check_resets(
        "America/New_York",
        "02:30",
        (SIZE, &[spring]),
        &[
            "2026-03-07T07:30:00Z",
            "2026-03-08T07:00:00Z",
            "2026-03-09T06:30:00Z",
        ],
    );
    let autumn = ["2026-10-31T04:00:00Z", "2026-11-03T00:00:00Z"];
    // 01:30 comes twice on the 1st.
    check_resets(
        "America/New_York",
        "01:30",
        (SIZE, &[autumn]),
        &[
            "2026-10-31T05:30:00Z",
            "2026-11-01T05:30:00Z",
            "2026-11-02T06:30:00Z",
        ],
    );
    // In Beirut it is midnight that is skipped.
    let days = ["2026-03-27T23:00:00Z", "2026-03-29T22:00:00Z"];
    let midnights = ["2026-03-28T22:00:00Z", "2026-03-29T21:00:00Z"];
    check_resets("Asia/Beirut", "00:00", (SIZE, &[days]), &midnights);
    // In Apia a whole day was: nobody saw its 04:00.
    let days = ["2011-12-29T00:00:00Z", "2011-12-31T12:00:00Z"];
    let each = ["2011-12-29T14:00:00Z", "2011-12-30T14:00:00Z"];
    check_resets("Pacific/Apia", "04:00", (SIZE, &[days]), &each);
}

#[test]
fn a_reset_is_made_up_after_quiet_days() {
    let before = ["2026-03-01T09:00:00Z", "2026-03-01T10:00:00Z"];
    // 02:00 in Shanghai: the 04:00 of the day before has passed, that of the day has not.
    let night = ["2026-03-03T18:00:00Z", "2026-03-03T18:30:00Z"];
    let made_up = ["2026-03-03T18:00:00Z"];
    check_resets("Asia/Shanghai", "04:00", (SIZE, &[before, night]), &made_up);
    let noon = ["2026-03-04T04:00:00Z", "2026-03-04T04:30:00Z"];
    let made_up = ["2026-03-04T04:00:00Z"];
    check_resets("Asia/Shanghai", "04:00", (SIZE, &[before, noon]), &made_up);
    let same_day = ["2026-03-01T12:00:00Z", "2026-03-01T12:30:00Z"];
    check_resets("Asia/Shanghai", "04:00", (SIZE, &[before, same_day]), &[]);
    // In St. John's the 7th had lasted a minute when clocks went back to 23:01 of the 6th.
    let before = ["2010-11-07T01:00:00Z", "2010-11-07T01:30:00Z"];
    let again = ["2010-11-07T03:00:00Z", "2010-11-07T04:00:00Z"];
    let made_up = ["2010-11-07T03:00:00Z"];
    check_resets(
        "America/St_Johns",
        "00:00",
        (SIZE, &[before, again]),
        &made_up,
    );
}

/// The windows of 2026-03-01 from 03:50 in Shanghai, stepped with these flows of `a`; then the
/// window `changed` with others. Gives the persons inside `a` before and after.
fn revised(
    empty_at: Option<&str>,
    steps: &[(i64, i64)],
    changed: (usize, (i64, i64)),
) -> (i64, i64) {
    let mut occupancies =
        occupancies("Asia/Shanghai", empty_at).with_allowed_lateness(Span::minutes(30));
    let mut end = time("2026-02-28T19:50:00Z");
    let mut ends = Vec::new();
    for (arrivals, departures) in steps {
        let start = end;
        end = start.plus(SIZE);
        ends.push(end);
        occupancies.step(start, end, said(&[("a", *arrivals, *departures)]));
    }
    let before = persons(&occupancies, "a");
    let (index, (arrivals, departures)) = changed;
    let window = (ends[index].minus(SIZE), ends[index]);
    let rows = occupancies.revise(window, late(&flows(&[("a", arrivals, departures)])));
    assert_eq!(counted(&rows), usize::from(steps[index] != changed.1));
    (before, persons(&occupancies, "a"))
}

#[test]
fn late_counts_leave_what_they_would_have_left_in_time() {
    assert_eq!(revised(None, &[(5, 0), (0, 2)], (0, (9, 1))), (3, 6));
    assert_eq!(revised(None, &[(5, 0), (0, 2)], (0, (5, 0))), (3, 3));
    // The five who left were not seen coming: the late arrivals are they.
    assert_eq!(revised(None, &[(0, 0), (0, 5)], (0, (5, 0))), (0, 0));
    assert_eq!(revised(None, &[(0, 0), (0, 5)], (0, (7, 0))), (0, 2));
    // There were three at the low: seven who left late find four missed before them.
    assert_eq!(revised(None, &[(3, 0), (9, 0)], (0, (3, 7))), (12, 9));
    // At 04:00, before the third window, all were gone.
    let steps = [(5, 0), (0, 0), (1, 0)];
    assert_eq!(revised(Some("04:00"), &steps, (1, (8, 0))), (1, 1));
    assert_eq!(revised(Some("04:00"), &steps, (2, (8, 0))), (1, 8));
}

#[test]
fn only_venues_that_change_are_corrected() {
    let (start, end) = (time("2026-03-01T00:00:00Z"), time("2026-03-01T00:05:00Z"));
    let before = said(&[("a", 4, 0), ("b", 4, 0)]);
    let after = flows(&[("a", 4, 0), ("b", 5, 0)]);
    let mut revised = occupancies("UTC", None).with_allowed_lateness(SIZE);
    revised.step(start, end, before);
    assert_eq!(counted(&revised.revise((start, end), late(&after))), 1);
    let restored = occupancies("UTC", None).restore(revised.state()).unwrap();
    assert_eq!(restored.table(end), revised.table(end));
    let of = |v: &str| (persons(&revised, v), revised.venues[v].corrections);
    assert_eq!([of("a"), of("b"), of("c")], [(4, 0), (5, 1), (0, 0)]);
}

#[test]
fn a_venue_heard_late_was_heard() {
    let (start, end) = (time("2026-03-01T00:00:00Z"), time("2026-03-01T00:05:00Z"));
    let mut occupancies = occupancies("UTC", None).with_allowed_lateness(Span::minutes(30));
    occupancies.step(start, end, Inputs::default());
    occupancies.step(end, end.plus(SIZE), Inputs::default());
    let nobody = late(&flows(&[("a", 0, 0)]));
    assert_eq!(occupancies.revise((start, end), nobody), []);
    assert_eq!(occupancies.venues["a"].heard, Some(end));
}

#[test]
fn only_revisable_windows_are_kept() {
    let mut end = time("2026-03-01T00:00:00Z");
    let mut kept = occupancies("UTC", None).with_allowed_lateness(Span::minutes(12));
    let mut none = occupancies("UTC", None);
    for _ in 0..20 {
        let start = end;
        end = start.plus(SIZE);
        for occupancies in [&mut kept, &mut none] {
            occupancies.step(start, end, said(&[("a", 1, 0)]));
        }
    }
    let ends: Vec<_> = kept.closed.keys().map(|e| end.since(*e)).collect();
    assert_eq!(ends, [Span::minutes(10), Span::minutes(5), Span::ZERO]);
    assert_eq!(none.closed.keys().collect::<Vec<_>>(), [&end]);
}

/// What happens to the occupancies: a window after this many without, or a revision of the window
/// this far back, with flows of `a` and `b`.
#[derive(Debug, Clone, Copy)]
enum Happening {
    Window(i64, [(i64, i64); 2]),
    Revision(usize, [(i64, i64); 2]),
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let flow = || prop::array::uniform2((0..9_i64, 0..9_i64));
    let skipped = prop_oneof![9 => Just(0), 1 => 0..400_i64];
    let happening = prop_oneof![
        3 => (skipped, flow()).prop_map(|(skipped, flows)| Happening::Window(skipped, flows)),
        1 => (0..4_usize, flow()).prop_map(|(back, flows)| Happening::Revision(back, flows)),
    ];
    prop::collection::vec(happening, 1..60)
}

/// A run of happenings from 2026-03-07, the day before New York changes its clocks.
struct Run {
    occupancies: Occupancies,
    end: EventTime,
    windows: Vec<(EventTime, EventTime, Flows)>,
}

impl Run {
    fn new(lateness: Span) -> Self {
        Self {
            occupancies: occupancies("America/New_York", Some("02:30"))
                .with_allowed_lateness(lateness),
            end: time("2026-03-07T00:00:00Z"),
            windows: Vec::new(),
        }
    }

    /// What can be seen of one happening.
    fn take(&mut self, happening: Happening) -> (Vec<JournalRow>, RecordBatch) {
        let corrections = match happening {
            Happening::Window(skipped, [a, b]) => {
                let start = self.end.plus(Span::minutes(5 * skipped));
                self.end = start.plus(SIZE);
                let flows = flows(&[("a", a.0, a.1), ("b", b.0, b.1)]);
                let inputs = Inputs {
                    flows: flows.clone(),
                    ..Inputs::default()
                };
                let corrections = self.occupancies.step(start, self.end, inputs);
                self.windows.push((start, self.end, flows));
                corrections
            }
            Happening::Revision(back, [a, b]) => {
                let oldest = self.end.minus(self.occupancies.allowed_lateness);
                let at = self.windows.len().checked_sub(back + 1);
                match at.map(|at| &mut self.windows[at]) {
                    Some((start, end, known)) if *end >= oldest => {
                        let more = flows(&[("a", a.0, a.1), ("b", b.0, b.1)]);
                        for (venue, (arrivals, departures)) in more {
                            let flow = known.entry(venue).or_default();
                            *flow = (flow.0 + arrivals, flow.1 + departures);
                        }
                        self.occupancies.revise((*start, *end), late(known))
                    }
                    _ => Vec::new(),
                }
            }
        };
        (corrections, self.occupancies.table(self.end))
    }
}

proptest! {
    /// After whatever revisions, persons and intervals are those of a run in which nothing was late.
    #[test]
    fn late_is_as_good_as_in_time(happenings in happenings()) {
        let mut run = Run::new(Span::minutes(20));
        for happening in happenings {
            run.take(happening);
            let mut in_time = occupancies("America/New_York", Some("02:30"));
            for (start, end, flows) in &run.windows {
                let inputs = Inputs { flows: flows.clone(), ..Inputs::default() };
                in_time.step(*start, *end, inputs);
            }
            for (id, venue) in &run.occupancies.venues {
                prop_assert_eq!(&venue.present, &in_time.venues[id].present);
            }
        }
    }

    /// Occupancies restored anywhere go on as those that were never stopped.
    #[test]
    fn restored_occupancies_go_on(
        happenings in happenings(), cut in any::<prop::sample::Index>(),
        lateness in prop::sample::select(vec![0, 20]),
    ) {
        let cut = cut.index(happenings.len() + 1);
        let mut whole = Run::new(Span::minutes(lateness));
        for happening in &happenings[..cut] {
            whole.take(*happening);
        }
        let mut second = Run {
            end: whole.end,
            windows: whole.windows.clone(),
            ..Run::new(Span::minutes(lateness))
        };
        let bytes = postcard::to_stdvec(&whole.occupancies.state()).unwrap();
        let state = postcard::from_bytes(&bytes).unwrap();
        second.occupancies = second.occupancies.restore(state).unwrap();
        prop_assert_eq!(second.occupancies.table(whole.end), whole.occupancies.table(whole.end));
        for happening in &happenings[cut..] {
            prop_assert_eq!(second.take(*happening), whole.take(*happening));
        }
        prop_assert_eq!(second.occupancies.state(), whole.occupancies.state());
    }
}
