//! Venues by entries and by what else is known: the tests try to keep people in who have gone, to
//! take silence for nobody, to have a bad observation count, and late or stored ones lost.

use tidegate_risk::method::{OCCUPANCY_BLEND, OCCUPANCY_CONSERVATION, OCCUPANCY_DWELL};
use tidegate_risk::occupancy::{
    Dwell, DwellRange, EntriesModel, GainSide, GainSpec, ObservationSource,
};

use super::*;
use crate::occupancy::spec::Observed;

const QUARTER: Span = Span::minutes(15);

/// People stay two windows in `a`, which closes at `closes_at` and of which entries are counted.
fn entries_spec(empty_at: Option<&str>, closes_at: Option<&str>, window: Span) -> OccupancySpec {
    let minutes = window.as_seconds_f64() / 60.0;
    let mean = 2.0 * minutes;
    let dwell = Dwell::exponential(mean).unwrap();
    let dwell = DwellRange::try_new(dwell, mean * 0.8, mean * 1.2).unwrap();
    let model = EntriesModel::try_new(dwell, minutes, 16.0 * minutes).unwrap();
    let closes_at = closes_at.map(|text| time_of_day(text).unwrap());
    let of = EntriesSpec { model, closes_at };
    OccupancySpec {
        entries: BTreeMap::from([("a".to_owned(), of)]),
        ..spec("UTC", empty_at)
    }
}

fn close(got: Option<f64>, expected: f64) {
    let got = got.unwrap();
    assert!((got - expected).abs() < 1e-6, "{got} is not {expected}");
}

/// Domain notes 1.5(c): windows of 15 minutes with 40, 60, 120, 80, 30 in, a mean dwell of 30.
#[test]
fn entries_give_the_persons_inside() {
    let mut occupancies = kept(&entries_spec(None, None, QUARTER));
    let mut start = time("2026-03-01T10:00:00Z");
    let mut step = |arrivals: i64| {
        let made = occupancies.step(start, start.plus(QUARTER), said(&[("a", arrivals, 999)]));
        assert_eq!(made, [], "departures are not counted here");
        start = start.plus(QUARTER);
        occupancies.venues["a"].present.clone()
    };
    let expected = [
        31.477_547_2,
        66.308_418_3,
        134.650_730_4,
        144.624_890_8,
        111.327_590_8,
    ];
    for (arrivals, expected) in [40, 60, 120, 80, 30].into_iter().zip(expected) {
        let inside = step(arrivals);
        close(inside.persons(), expected);
        let (lo, hi) = inside.interval95().unwrap();
        assert!(0.0 <= lo && lo < expected && expected < hi);
        assert_eq!((inside.method(), inside.gain()), (OCCUPANCY_DWELL, None));
        close(inside.coverage(), 1.0);
    }
}

/// Nobody is inside after closing, neither at once nor later; other venues do not close.
#[test]
fn stays_end_at_closing() {
    let spec = entries_spec(Some("04:00"), Some("10:30"), QUARTER);
    let mut occupancies = kept(&spec);
    let mut start = time("2026-03-01T10:00:00Z");
    for arrivals in [40, 60, 0, 10] {
        let inputs = said(&[("a", arrivals, 0), ("b", 5, 0)]);
        let made = occupancies.step(start, start.plus(QUARTER), inputs);
        if start == time("2026-03-01T10:30:00Z") {
            let [made] = made.as_slice() else {
                panic!("{made:?}");
            };
            assert_eq!(
                (&*made.venue, &*made.kind, made.at),
                ("a", "known_empty", start.micros())
            );
            close(Some(made.before), 66.308_418_3);
            close(occupancies.venues["a"].present.persons(), 0.0);
        } else {
            assert_eq!(made, []);
        }
        start = start.plus(QUARTER);
    }
    close(occupancies.venues["a"].present.persons(), 7.869_386_8);
    assert_eq!(persons(&occupancies, "b"), 20);
}

/// Silence is not nobody: without any window heard there is no value, and no NaN.
#[test]
fn silence_is_not_nobody() {
    let mut occupancies = kept(&entries_spec(None, None, QUARTER));
    let mut start = time("2026-03-01T10:00:00Z");
    let mut step = |inputs: Inputs| {
        occupancies.step(start, start.plus(QUARTER), inputs);
        start = start.plus(QUARTER);
        let table = occupancies.table(start);
        let inside = occupancies.venues["a"].present.clone();
        assert_eq!(
            table.column_by_name("persons").unwrap().is_null(0),
            inside.persons().is_none()
        );
        inside
    };
    let silence = || Inputs {
        unheard: BTreeSet::from(["a".to_owned()]),
        ..Inputs::default()
    };
    let inside = step(silence());
    assert_eq!((inside.persons(), inside.interval95()), (None, None));
    close(inside.coverage(), 0.0);
    // Heard, and nobody came.
    let inside = step(Inputs::default());
    close(inside.persons(), 0.0);
    assert!(inside.coverage().unwrap() < 1.0);
    let inside = step(said(&[("a", -3, 0)]));
    close(inside.persons(), 0.0);
}

/// `b` is seen by a camera, and `c` by one that is never right.
fn camera_spec(entries: OccupancySpec) -> OccupancySpec {
    let of = |source| ObservedSpec {
        source,
        window: 1,
        persons: "persons".to_owned(),
        lo: "lo".to_owned(),
        hi: "hi".to_owned(),
    };
    OccupancySpec {
        observed: vec![
            of(ObservationSource::Camera),
            of(ObservationSource::TransitLoad),
        ],
        ..entries
    }
}

fn seen(persons: f64, lo: f64, hi: f64) -> Observed {
    Observed {
        persons,
        interval: Some((lo, hi)),
    }
}

/// What a camera says of a venue, beside flows.
fn with_camera(inputs: Inputs, venue: &str, observed: Observed) -> Inputs {
    let venues = BTreeMap::from([(venue.to_owned(), observed)]);
    Inputs {
        observed: vec![venues],
        ..inputs
    }
}

#[test]
fn an_observation_makes_a_blend_of_counts() {
    let mut occupancies = kept(&camera_spec(spec("UTC", Some("04:00"))));
    let start = time("2026-03-01T00:00:00Z");
    let end = start.plus(SIZE);
    occupancies.step(start, end, said(&[("a", 5_000, 0), ("b", 5_000, 0)]));
    // 5000 counted with 0.98: a variance of 98; the camera's is (39.2 / 1.96)² / 4 = 100.
    let half = 1.959_963_984_540_054 * 10.0;
    let camera = seen(4_900.0, 4_900.0 - half, 4_900.0 + half);
    let inputs = with_camera(said(&[]), "b", camera);
    let made = occupancies.step(end, end.plus(SIZE), inputs);
    let [made] = made.as_slice() else {
        panic!("{made:?}");
    };
    assert_eq!((&*made.venue, &*made.kind), ("b", "observed_camera"));
    assert_eq!(made.method, OCCUPANCY_BLEND);
    close(Some(made.before), 5_000.0);
    close(Some(made.after), 5_000.0 - 100.0 * 98.0 / 198.0);
    close(made.surprise, -100.0 / 198.0_f64.sqrt());
    let inside = |venue: &str| occupancies.venues[venue].present.clone();
    close(inside("b").persons(), made.after);
    let width = |(lo, hi): (f64, f64)| hi - lo;
    let [a, b] = ["a", "b"].map(inside);
    assert_eq!(
        (a.method(), b.method()),
        (OCCUPANCY_CONSERVATION, OCCUPANCY_BLEND)
    );
    assert!(width(b.interval95().unwrap()) < width(a.interval95().unwrap()));
}

#[test]
fn a_blend_is_reset_and_clamped_as_counts_are() {
    let mut occupancies = kept(&camera_spec(spec("UTC", Some("04:00"))));
    let start = time("2026-03-01T03:50:00Z");
    let mut step = |minutes: i64, inputs: Inputs| {
        let start = start.plus(Span::minutes(minutes));
        let made = occupancies.step(start, start.plus(SIZE), inputs);
        let kinds = made
            .iter()
            .filter(|row| row.venue == "b")
            .map(|row| row.kind.to_string());
        (kinds.collect::<Vec<_>>(), occupancies.venues["b"].clone())
    };
    step(
        0,
        with_camera(said(&[("b", 50, 0)]), "b", seen(40.0, 20.0, 60.0)),
    );
    let (kinds, venue) = step(5, said(&[("b", 0, 500)]));
    assert_eq!(kinds, ["clamped_at_zero"]);
    assert!(
        venue.clamped > 440 && venue.present.clamps == 1,
        "{venue:?}"
    );
    let (kinds, venue) = step(10, said(&[("b", 7, 0)]));
    assert_eq!(
        (kinds.as_slice(), venue.present.clamps),
        (&["known_empty".to_owned()][..], 0)
    );
    close(venue.present.persons(), 7.0);
    let (kinds, _) = step(15, said(&[("b", 2_000_000_000, 0)]));
    assert_eq!(kinds, ["refused"]);
}

#[test]
fn bad_observations_are_refused() {
    let mut occupancies = kept(&camera_spec(spec("UTC", None)));
    let mut start = time("2026-03-01T00:00:00Z");
    let missing = Observed {
        persons: 3.0,
        interval: None,
    };
    let bad = [
        seen(-1.0, -2.0, 0.0),
        seen(5.0, 6.0, 9.0),
        seen(2e9, 1e9, 3e9),
        seen(5.0, -1e300, 1e300),
        missing,
    ];
    for observed in bad {
        let inputs = with_camera(said(&[("b", 1, 0)]), "b", observed);
        let made = occupancies.step(start, start.plus(SIZE), inputs);
        let kinds: Vec<&str> = made.iter().map(|row| &*row.kind).collect();
        assert_eq!(kinds, ["refused"], "{observed:?}");
        start = start.plus(SIZE);
    }
    assert_eq!(persons(&occupancies, "b"), 5);
    assert_eq!(
        occupancies.venues["b"].present.method(),
        OCCUPANCY_CONSERVATION
    );
}

/// By entries, an observation counts at its own time, and the entries go on as they were.
#[test]
fn an_observation_of_a_venue_by_entries_counts_once() {
    let mut spec = camera_spec(entries_spec(None, None, QUARTER));
    spec.observed.truncate(1);
    let mut occupancies = kept(&spec);
    let mut start = time("2026-03-01T10:00:00Z");
    let mut step = |inputs: Inputs| {
        let made = occupancies.step(start, start.plus(QUARTER), inputs);
        start = start.plus(QUARTER);
        (made, occupancies.venues["a"].present.clone())
    };
    let unheard = Inputs {
        unheard: BTreeSet::from(["a".to_owned()]),
        ..Inputs::default()
    };
    let (made, inside) = step(with_camera(unheard, "a", seen(20.0, 10.0, 30.0)));
    assert_eq!(made, [], "it is all that is known, and corrects nothing");
    close(inside.persons(), 20.0);
    assert_eq!(inside.method(), OCCUPANCY_BLEND);
    let (made, inside) = step(with_camera(
        said(&[("a", 40, 0)]),
        "a",
        seen(60.0, 50.0, 70.0),
    ));
    assert_eq!((made.len(), &*made[0].kind), (1, "observed_camera"));
    close(Some(made[0].before), 31.477_547_2);
    assert!(inside.persons().unwrap() > 31.5);
    let (_, inside) = step(said(&[("a", 60, 0)]));
    close(inside.persons(), 66.308_418_3);
    assert_eq!(inside.method(), OCCUPANCY_DWELL);
}

/// What a window of the runs below says: flows of `a`, `b` and `c`, what a camera says of `a` and
/// `b`, and of which of them nothing is heard.
#[derive(Debug, Clone)]
struct Said {
    flows: [(i64, i64); 3],
    camera: [Option<u8>; 2],
    unheard: [bool; 3],
}

#[derive(Debug, Clone)]
enum Happening {
    Window(i64, Said),
    /// The window so far back, with other flows and other pictures.
    Revision(usize, Said),
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let said = || {
        let flows = prop::array::uniform3((0..99_i64, 0..99_i64));
        let camera = prop::array::uniform2(prop::option::weighted(0.3, any::<u8>()));
        let unheard = prop::array::uniform3(prop::bool::weighted(0.05));
        (flows, camera, unheard).prop_map(|(flows, camera, unheard)| Said {
            flows,
            camera,
            unheard,
        })
    };
    let skipped = prop_oneof![19 => Just(0), 1 => 0..20_i64];
    let happening = prop_oneof![
        4 => (skipped, said()).prop_map(|(skipped, said)| Happening::Window(skipped, said)),
        1 => (0..4_usize, said()).prop_map(|(back, said)| Happening::Revision(back, said)),
    ];
    prop::collection::vec(happening, 1..80)
}

impl Said {
    fn inputs(&self) -> Inputs {
        let venues = ["a", "b", "c"];
        let flows = venues.into_iter().zip(self.flows);
        let camera = venues.into_iter().zip(self.camera);
        let camera = camera.filter_map(|(venue, persons)| {
            let persons = f64::from(persons?);
            Some((
                venue.to_owned(),
                seen(persons, persons * 0.8, persons * 1.5),
            ))
        });
        let unheard = venues.into_iter().zip(self.unheard);
        Inputs {
            flows: flows.map(|(v, flow)| (v.to_owned(), flow)).collect(),
            observed: vec![camera.collect(), BTreeMap::new()],
            unheard: unheard.filter(|u| u.1).map(|u| u.0.to_owned()).collect(),
        }
    }
}

/// Six windows a day, from Friday before New York changes its clocks; `a` is by entries, `b` has a
/// camera, and all days make gains.
struct Run {
    spec: OccupancySpec,
    occupancies: Occupancies,
    end: EventTime,
    windows: Vec<(EventTime, EventTime, Inputs)>,
}

const LONG: Span = Span::hours(4);
const LATENESS: Span = Span::hours(13);

impl Run {
    fn new() -> Self {
        let entries = entries_spec(Some("02:30"), Some("22:00"), LONG);
        let spec = OccupancySpec {
            calendar: Calendar::new(TimeZoneDatabase::bundled().get("America/New_York").unwrap()),
            gain: Some(GainSpec::try_new(GainSide::Arrivals, 10, 2).unwrap()),
            ..camera_spec(entries)
        };
        Self {
            occupancies: kept(&spec).with_allowed_lateness(LATENESS),
            spec,
            end: time("2026-03-06T00:00:00Z"),
            windows: Vec::new(),
        }
    }

    fn take(&mut self, happening: &Happening) -> (Vec<JournalRow>, RecordBatch) {
        let rows = match happening {
            Happening::Window(skipped, said) => {
                let start = self.end.plus(Span::hours(4 * skipped));
                self.end = start.plus(LONG);
                let inputs = said.inputs();
                self.windows.push((start, self.end, inputs.clone()));
                self.occupancies.step(start, self.end, inputs)
            }
            Happening::Revision(back, said) => {
                let oldest = self.end.minus(LATENESS);
                let at = self.windows.len().checked_sub(back + 1);
                match at.map(|at| &mut self.windows[at]) {
                    Some((start, end, known)) if *end >= oldest => {
                        let changed = said.inputs();
                        known.flows.clone_from(&changed.flows);
                        known.observed.clone_from(&changed.observed);
                        let revision = Revision {
                            flows: Some(changed.flows),
                            observed: changed.observed.into_iter().map(Some).collect(),
                        };
                        self.occupancies.revise((*start, *end), revision)
                    }
                    _ => Vec::new(),
                }
            }
        };
        for (id, venue) in &self.occupancies.venues {
            let persons = venue.present.persons();
            if let Some((persons, (lo, hi))) = persons.zip(venue.present.interval95()) {
                assert!(
                    0.0 <= lo && lo <= persons && persons <= hi && hi.is_finite(),
                    "{id}"
                );
            }
        }
        (rows, self.occupancies.table(self.end))
    }
}

proptest! {
    /// After whatever late counts and pictures, what is inside is what it would be had they been
    /// there in time: gains, entries and blends too.
    #[test]
    fn late_is_as_good_as_in_time(happenings in happenings()) {
        let mut run = Run::new();
        for happening in &happenings {
            run.take(happening);
        }
        let mut in_time = kept(&run.spec);
        for (start, end, inputs) in &run.windows {
            in_time.step(*start, *end, inputs.clone());
        }
        for (id, venue) in &run.occupancies.venues {
            prop_assert_eq!(&venue.present, &in_time.venues[id].present);
        }
    }

    /// Occupancies restored anywhere go on as those that were never stopped.
    #[test]
    fn restored_occupancies_go_on(
        happenings in happenings(), cut in any::<prop::sample::Index>(),
    ) {
        let cut = cut.index(happenings.len() + 1);
        let mut whole = Run::new();
        for happening in &happenings[..cut] {
            whole.take(happening);
        }
        let mut second = Run { end: whole.end, windows: whole.windows.clone(), ..Run::new() };
        let bytes = postcard::to_stdvec(&whole.occupancies.state()).unwrap();
        let state = postcard::from_bytes(&bytes).unwrap();
        second.occupancies = second.occupancies.restore(state).unwrap();
        prop_assert_eq!(second.occupancies.table(whole.end), whole.occupancies.table(whole.end));
        for happening in &happenings[cut..] {
            prop_assert_eq!(second.take(happening), whole.take(happening));
        }
        prop_assert_eq!(second.occupancies.take_pending(), whole.occupancies.take_pending());
        prop_assert_eq!(second.occupancies.state(), whole.occupancies.state());
    }
}
