//! Leading indicators of crowding, from the counts of one window alone.
//!
//! They need no area and no capacity but the one they are compared with, and speak before a
//! density does. What is undefined, because nobody passed or because nobody can say when, is
//! `None`, never an infinity.
//! They are not a "crowd pressure" (Helbing et al. 2007), which takes velocities.

/// The 0.975 quantile of the standard normal distribution.
const Z_975: f64 = 1.959_963_984_540_054;

/// Persons per minute and metre that a level door passes: Guide to Safety at Sports Grounds.
pub const DOOR_PERSONS_PER_MINUTE_METRE: f64 = 82.0;

/// Why an indicator could not take its input.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum IndicatorError {
    /// A negative count.
    #[error("arrivals {arrivals} and departures {departures} must both be 0 or more")]
    Negative {
        /// Persons who came.
        arrivals: i64,
        /// Persons who left.
        departures: i64,
    },
    /// A length of time that is not finite or not above 0.
    #[error("{0} minutes is not a finite number above 0")]
    Minutes(f64),
    /// A width that is not finite or not above 0.
    #[error("width {0} m is not a finite number above 0")]
    Width(f64),
    /// A number of persons, or a threshold of them, that is not finite or below 0.
    #[error("{0} persons is not a finite number of 0 or more")]
    Persons(f64),
}

/// The counts of one window: whole persons, and how long they were counted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Flow {
    arrivals: i64,
    departures: i64,
    minutes: f64,
}

impl Flow {
    /// `arrivals` and `departures` in a window of `minutes`.
    ///
    /// # Errors
    /// [`IndicatorError::Negative`] and [`IndicatorError::Minutes`].
    pub fn try_new(arrivals: i64, departures: i64, minutes: f64) -> Result<Self, IndicatorError> {
        if arrivals < 0 || departures < 0 {
            return Err(IndicatorError::Negative {
                arrivals,
                departures,
            });
        }
        if !(minutes.is_finite() && minutes > 0.0) {
            return Err(IndicatorError::Minutes(minutes));
        }
        Ok(Self {
            arrivals,
            departures,
            minutes,
        })
    }

    /// Persons who came less those who left.
    fn net(self) -> f64 {
        persons_f64(self.arrivals) - persons_f64(self.departures)
    }

    /// Persons who passed, either way.
    fn passed(self) -> f64 {
        persons_f64(self.arrivals) + persons_f64(self.departures)
    }
}

/// Which way the people go: `(A - D) / (A + D)`, from -1 (all leave) to 1 (all come).
///
/// `None` when nobody passed. Method [`crate::method::INDICATOR_IMBALANCE`].
///
/// ```
/// use tidegate_risk::indicators::{Flow, imbalance};
/// let quarter = Flow::try_new(480, 360, 15.0)?;
/// assert!((imbalance(quarter).unwrap() - 0.142857).abs() < 5e-7);
/// # Ok::<(), tidegate_risk::indicators::IndicatorError>(())
/// ```
pub fn imbalance(flow: Flow) -> Option<f64> {
    let passed = flow.passed();
    (passed > 0.0).then(|| flow.net() / passed)
}

/// How far the difference is from chance: `(A - D) / √(A + D)`, in standard deviations.
///
/// The difference of two Poisson counts of equal mean is Skellam's (Skellam 1946, Journal of the
/// Royal Statistical Society 109:296), of variance `A + D`. `None` when nobody passed.
/// Method [`crate::method::INDICATOR_SKELLAM`].
pub fn skellam_z(flow: Flow) -> Option<f64> {
    let passed = flow.passed();
    (passed > 0.0).then(|| flow.net() / passed.sqrt())
}

/// Minutes until a threshold is met if the flow goes on as it is; each is 0 or more, and
/// `earliest <= value <= latest` where they are there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimeToThreshold {
    /// At the flow of the window; `None` when no more people come than leave.
    pub value: Option<f64>,
    /// At the upper end of the net flow; `None` when even there no more come than leave.
    pub earliest: Option<f64>,
    /// At the lower end of the net flow; `None` when it might never be.
    pub latest: Option<f64>,
}

/// Minutes from `persons` to `threshold`: `(C - N) / (a - d)`, with its 95 % interval.
///
/// `a` and `d` are Poisson rates per minute, so the net flow is `(A - D ± 1.96 √(A + D)) / Δ`.
/// All three are 0 when `persons` is at or above `threshold`, and `None` when nobody passed.
/// Method [`crate::method::INDICATOR_TIME_TO_THRESHOLD`].
///
/// # Errors
/// [`IndicatorError::Persons`] when `persons` or `threshold` is not finite or below 0.
///
/// ```
/// use tidegate_risk::indicators::{Flow, time_to_threshold};
/// let time = time_to_threshold(700.0, 1000.0, Flow::try_new(480, 360, 15.0)?)?;
/// assert_eq!(time.value, Some(37.5));
/// # Ok::<(), tidegate_risk::indicators::IndicatorError>(())
/// ```
pub fn time_to_threshold(
    persons: f64,
    threshold: f64,
    flow: Flow,
) -> Result<TimeToThreshold, IndicatorError> {
    let missing = checked_persons(threshold)? - checked_persons(persons)?;
    let half = Z_975 * flow.passed().sqrt();
    let minutes = |net: f64| {
        let minutes = missing * flow.minutes / net;
        (net > 0.0 && minutes.is_finite()).then_some(minutes)
    };
    if missing <= 0.0 {
        return Ok(TimeToThreshold {
            value: Some(0.0),
            earliest: Some(0.0),
            latest: Some(0.0),
        });
    }
    Ok(TimeToThreshold {
        value: minutes(flow.net()),
        earliest: minutes(flow.net() + half),
        latest: minutes(flow.net() - half),
    })
}

/// Volume over capacity of a door: persons per minute over `82 · width`; 1 is full.
///
/// Both directions share a door, so both are counted. Method [`crate::method::INDICATOR_DOOR`].
///
/// # Errors
/// [`IndicatorError::Width`] when `width_metres` is not finite or not above 0.
pub fn door_load(flow: Flow, width_metres: f64) -> Result<Option<f64>, IndicatorError> {
    if !(width_metres.is_finite() && width_metres > 0.0) {
        return Err(IndicatorError::Width(width_metres));
    }
    let load = flow.passed() / flow.minutes / (DOOR_PERSONS_PER_MINUTE_METRE * width_metres);
    Ok(load.is_finite().then_some(load))
}

fn checked_persons(persons: f64) -> Result<f64, IndicatorError> {
    if persons.is_finite() && persons >= 0.0 {
        Ok(persons)
    } else {
        Err(IndicatorError::Persons(persons))
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact below 2^53 persons")]
fn persons_f64(persons: i64) -> f64 {
    persons as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn flow(arrivals: i64, departures: i64) -> Flow {
        Flow::try_new(arrivals, departures, 15.0).unwrap()
    }

    fn check(actual: Option<f64>, expected: Option<f64>, decimals: i32) {
        match (actual, expected) {
            (Some(actual), Some(expected)) => assert!(
                (actual - expected).abs() <= 0.5 * 10_f64.powi(-decimals) * 1.000_1,
                "{actual} is not {expected}"
            ),
            _ => assert_eq!(actual, expected),
        }
    }

    /// Domain notes 1.7.
    #[test]
    fn golden_values() {
        let quarter = flow(480, 360);
        check(imbalance(quarter), Some(0.142_857), 6);
        check(skellam_z(quarter), Some(4.140_393), 6);
        let time = time_to_threshold(700.0, 1000.0, quarter).unwrap();
        check(time.value, Some(37.5), 12);
        // 300 · 15 / (120 ± 1.959964 · 28.982753).
        check(time.earliest, Some(25.451_7), 3);
        check(time.latest, Some(71.208_3), 3);
        check(door_load(flow(2000, 460), 2.0).unwrap(), Some(1.0), 12);
    }

    #[test]
    fn what_is_undefined_is_none() {
        check(imbalance(flow(0, 0)), None, 0);
        check(skellam_z(flow(0, 0)), None, 0);
        check(imbalance(flow(3, 0)), Some(1.0), 12);
        check(imbalance(flow(0, 3)), Some(-1.0), 12);
        check(door_load(flow(0, 0), 1.0).unwrap(), Some(0.0), 12);
        check(door_load(flow(i64::MAX, 0), 1e-300).unwrap(), None, 0);
        let time = |persons, arrivals, departures| {
            time_to_threshold(persons, 100.0, flow(arrivals, departures)).unwrap()
        };
        let all = |value| TimeToThreshold {
            value,
            earliest: value,
            latest: value,
        };
        assert_eq!(time(10.0, 0, 0), all(None));
        assert_eq!(time(10.0, 0, 1000), all(None));
        assert_eq!(time(100.0, 0, 1000), all(Some(0.0)));
        // No more come than leave, but chance could have it so.
        let even = time(10.0, 50, 50);
        assert_eq!((even.value, even.latest), (None, None));
        assert!(even.earliest.is_some());
    }

    #[test]
    fn bad_input_is_a_typed_error() {
        for minutes in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(Flow::try_new(1, 1, minutes).is_err(), "{minutes}");
            assert!(door_load(flow(1, 1), minutes).is_err(), "{minutes}");
        }
        assert!(Flow::try_new(-1, 0, 15.0).is_err());
        assert!(Flow::try_new(0, -1, 15.0).is_err());
        for persons in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(time_to_threshold(persons, 1.0, flow(1, 0)).is_err());
            assert!(time_to_threshold(1.0, persons, flow(1, 0)).is_err());
        }
    }

    proptest! {
        /// Signs agree, bounds hold, ends ascend and nothing is infinite, over all counts.
        #[test]
        fn laws(
            arrivals in 0..i64::MAX, departures in 0..i64::MAX, shift in 0..63_u32,
            persons in 0.0..1e12_f64, threshold in 0.0..1e12_f64, minutes in 1e-9..1e9_f64,
        ) {
            let flow = Flow::try_new(arrivals >> shift, departures >> shift, minutes).unwrap();
            if let (Some(share), Some(z)) = (imbalance(flow), skellam_z(flow)) {
                prop_assert!((-1.0..=1.0).contains(&share));
                prop_assert!(z.is_finite() && z.signum() * share.signum() >= 0.0);
            }
            let time = time_to_threshold(persons, threshold, flow).unwrap();
            let ends = [time.earliest, time.value, time.latest];
            // Once an end is `None`, so are the later ones.
            let known: Vec<f64> = ends.into_iter().map_while(|end| end).collect();
            prop_assert!(known.is_sorted());
            prop_assert!(known.iter().all(|end| end.is_finite() && *end >= 0.0));
        }
    }
}
