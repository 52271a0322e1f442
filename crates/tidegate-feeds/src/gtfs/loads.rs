//! Persons who leave a vehicle at a stop, from what is aboard before and after it.
//!
//! With `L` the load on the way to a stop, `L'` the load on the way from it to the next, and `B` the
//! persons who board, `A = L − L' + B` alight. Boardings are not known, so `A` lies between
//! `max(0, L − L')` and `L`. Where the share `α` of those aboard who alight there is known, `A` is
//! binomial: `αL` with the variance `Lα(1 − α)`, within the same bounds. Source: `docs/METHODS.md`.

use std::collections::BTreeMap;

use tidegate_model::{CountRange, EventTime};

use crate::occupancy::Load;
use crate::state::LoadState;

/// How many vehicles are remembered; beyond it the sixteenth of them that was heard longest ago is
/// forgotten, and their next stops have no alightings.
const VEHICLES_MAX: usize = 50_000;

/// The two-sided 95 % quantile of the normal distribution.
const Z_95: f64 = 1.959_964;

/// The loads of a feed's vehicles on their way.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Loads {
    vehicles: BTreeMap<u128, Riding>,
}

/// A vehicle on its way to a stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Riding {
    /// Which trip: a hash.
    pub(crate) trip: u128,
    pub(crate) stop: String,
    pub(crate) sequence: u32,
    pub(crate) load: Load,
    pub(crate) time: EventTime,
}

/// A stop that a vehicle went through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StopPassed {
    /// The vehicle before the stop.
    pub(crate) before: Riding,
    pub(crate) alighted: Load,
}

/// How the stops of a feed follow each other, and who alights there.
#[derive(Clone, Copy)]
pub(crate) struct StopRules<'r> {
    /// By how much the numbers of two stops differ that follow each other.
    pub(crate) steps: &'r [u32],
    /// `α` of a stop.
    pub(crate) share: &'r dyn Fn(&str) -> Option<f64>,
}

impl Loads {
    /// Takes the load of a vehicle on its way; gives the stop that it went through since the last
    /// load, when that is the one before its present stop.
    ///
    /// A load older than the last one changes nothing.
    pub(crate) fn ride(
        &mut self,
        vehicle: u128,
        now: Riding,
        rules: StopRules<'_>,
    ) -> Option<StopPassed> {
        let Some(last) = self.vehicles.get_mut(&vehicle) else {
            self.make_room();
            self.vehicles.insert(vehicle, now);
            return None;
        };
        if now.time <= last.time {
            return None;
        }
        let step = now.sequence.checked_sub(last.sequence);
        let is_next = step.is_some_and(|step| rules.steps.contains(&step));
        let is_next = is_next && now.trip == last.trip;
        let after = now.load;
        let before = std::mem::replace(last, now);
        is_next.then(|| StopPassed {
            alighted: alighted(before.load, after, (rules.share)(&before.stop)),
            before,
        })
    }

    fn make_room(&mut self) {
        if self.vehicles.len() < VEHICLES_MAX {
            return;
        }
        let mut oldest: Vec<(EventTime, u128)> = self
            .vehicles
            .iter()
            .map(|(vehicle, riding)| (riding.time, *vehicle))
            .collect();
        oldest.sort_unstable();
        for (_, vehicle) in oldest.into_iter().take(VEHICLES_MAX / 16) {
            self.vehicles.remove(&vehicle);
        }
    }

    /// Everything that is remembered, in the order of the keys.
    pub(crate) fn state(&self) -> Vec<LoadState> {
        let state = |(vehicle, riding): (&u128, &Riding)| LoadState {
            vehicle: vehicle.to_be_bytes(),
            trip: riding.trip.to_be_bytes(),
            stop: riding.stop.clone(),
            sequence: riding.sequence,
            count: riding.load.count,
            low: riding.load.range.low(),
            high: riding.load.range.high(),
            time: riding.time.micros(),
        };
        self.vehicles.iter().map(state).collect()
    }

    /// What was remembered when `states` was taken; `None` when a load lies outside its range.
    pub(crate) fn restored(states: &[LoadState]) -> Option<Self> {
        let mut vehicles = BTreeMap::new();
        for state in states {
            let riding = Riding {
                trip: u128::from_be_bytes(state.trip),
                stop: state.stop.clone(),
                sequence: state.sequence,
                load: Load {
                    count: state.count,
                    range: CountRange::around(state.count, state.low, state.high)?,
                },
                time: EventTime::from_micros(state.time),
            };
            vehicles.insert(u128::from_be_bytes(state.vehicle), riding);
        }
        Some(Self { vehicles })
    }
}

/// See the module documentation.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "loads are bounded far below 2^53"
)]
fn alighted(before: Load, after: Load, share: Option<f64>) -> Load {
    let least = (before.range.low() - after.range.high()).max(0);
    let most = before.range.high();
    let (count, low, high) = match share {
        None => ((before.count - after.count).max(0), least, most),
        Some(share) => {
            let expected = |load: i64| load as f64 * share;
            let spread = |load: i64| Z_95 * (load as f64 * share * (1.0 - share)).sqrt();
            let low = expected(before.range.low()) - spread(before.range.low());
            let high = expected(most) + spread(most);
            (
                expected(before.count).round() as i64,
                low.floor() as i64,
                high.ceil() as i64,
            )
        }
    };
    let low = low.clamp(least, most);
    let high = high.clamp(low, most);
    let count = count.clamp(low, high);
    let range = CountRange::around(count, low, high).expect("clamped just above");
    Load { count, range }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: StopRules<'_> = StopRules {
        steps: &[1, 10],
        share: &|_| None,
    };

    fn load(low: i64, count: i64, high: i64) -> Load {
        let range = CountRange::around(count, low, high).unwrap();
        Load { count, range }
    }

    fn riding(sequence: u32, second: i64, load: Load) -> Riding {
        Riding {
            trip: 7,
            stop: format!("stop-{sequence}"),
            sequence,
            load,
            time: EventTime::from_micros(second * 1_000_000),
        }
    }

    #[test]
    fn alightings_lie_between_what_must_and_what_can() {
        let check = |before, after, share, expected| {
            let Load { count, range } = alighted(before, after, share);
            assert_eq!((range.low(), count, range.high()), expected);
        };
        check(load(80, 100, 120), load(20, 30, 40), None, (40, 70, 120));
        check(load(20, 30, 40), load(80, 100, 120), None, (0, 0, 40));
        check(load(0, 0, 0), load(0, 0, 0), None, (0, 0, 0));
        // 100 aboard of whom a fifth alights: 20 ± 1.96 · 4.
        check(
            load(100, 100, 100),
            load(100, 100, 100),
            Some(0.2),
            (12, 20, 28),
        );
        check(
            load(100, 100, 100),
            load(10, 10, 10),
            Some(0.2),
            (90, 90, 90),
        );
        check(
            load(80, 100, 120),
            load(0, 50, 200),
            Some(1.0),
            (80, 100, 120),
        );
        check(load(80, 100, 120), load(0, 50, 200), Some(0.0), (0, 0, 0));
    }

    #[test]
    fn a_stop_is_passed_once_and_only_when_no_other_lies_between() {
        let mut loads = Loads::default();
        let full = load(100, 100, 100);
        let half = load(50, 50, 50);
        let mut ride = |riding: Riding| {
            let passed = loads.ride(1, riding, RULES);
            passed.map(|passed| (passed.before.stop, passed.alighted.count))
        };
        assert_eq!(ride(riding(1, 10, full)), None);
        assert_eq!(ride(riding(1, 20, full)), None);
        assert_eq!(ride(riding(2, 30, half)), Some(("stop-1".to_owned(), 50)));
        assert_eq!(ride(riding(2, 40, half)), None);
        // Older than the last one.
        assert_eq!(ride(riding(3, 35, full)), None);
        // One stop is left out.
        assert_eq!(ride(riding(4, 50, full)), None);
        assert_eq!(ride(riding(5, 60, half)), Some(("stop-4".to_owned(), 50)));
        // Numbers that go up by ten.
        assert_eq!(ride(riding(15, 65, full)), Some(("stop-5".to_owned(), 0)));
        let other_trip = Riding {
            trip: 8,
            ..riding(16, 70, half)
        };
        assert_eq!(ride(other_trip), None);
    }

    #[test]
    fn what_is_remembered_is_bounded_and_restored() {
        let mut loads = Loads::default();
        for vehicle in 0..60_000_i64 {
            let vehicle_key = u128::try_from(vehicle).unwrap();
            loads.ride(vehicle_key, riding(1, vehicle, load(1, 2, 3)), RULES);
        }
        assert!(loads.vehicles.len() <= VEHICLES_MAX);
        assert!(loads.vehicles.contains_key(&59_999));
        assert!(!loads.vehicles.contains_key(&0));
        assert_eq!(Loads::restored(&loads.state()), Some(loads.clone()));
        let mut wrong = loads.state();
        wrong[0].low = 9;
        assert_eq!(Loads::restored(&wrong), None);
    }
}
