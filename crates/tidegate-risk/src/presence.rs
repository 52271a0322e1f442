//! Persons present from persons who arrive and how long they stay.
//!
//! In the long run `L = λ W` (Little 1961, Operations Research 9:383), whatever the distribution
//! of the stay. Within a day, each bin of arrivals thins out by the survival of the stay. All
//! stays are independent of each other and of how full the venue is.

use crate::special::normal_cdf;

/// Why there is no presence.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum PresenceError {
    /// A rate of arrivals that is not finite or below 0.
    #[error("{0} arrivals an hour is not between 0 and 1e12")]
    Arrivals(f64),
    /// A stay that is not a time.
    #[error("a stay of {0} minutes is not between 0.001 and 1e6")]
    Stay(f64),
    /// A spread of stays that is not a time.
    #[error("a standard deviation of {0} minutes is not above 0 and at most 100 times the mean")]
    Spread(f64),
    /// A bin of arrivals that is not a time.
    #[error("a bin of {0} minutes is not between 0.001 and 1e6")]
    Bin(f64),
}

/// Persons present in the long run: arrivals an hour times the mean stay.
/// Method [`crate::method::PRESENCE_LITTLE`].
///
/// Also for infectious persons: `λ` an hour at a venue gives the infectious who are there.
///
/// # Errors
/// [`PresenceError::Arrivals`]; [`PresenceError::Stay`].
///
/// ```
/// use tidegate_risk::presence::{Stay, present};
/// assert_eq!(present(600.0, Stay::exponential(45.0)?)?, 450.0);
/// # Ok::<(), tidegate_risk::presence::PresenceError>(())
/// ```
pub fn present(arrivals_per_hour: f64, stay: Stay) -> Result<f64, PresenceError> {
    if (0.0..=1e12).contains(&arrivals_per_hour) {
        Ok(arrivals_per_hour * (stay.mean_minutes / 60.0))
    } else {
        Err(PresenceError::Arrivals(arrivals_per_hour))
    }
}

/// How long people stay at a venue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stay {
    mean_minutes: f64,
    shape: Shape,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Shape {
    Exponential,
    /// `ln` of the stay in minutes is normal.
    LogNormal {
        mu: f64,
        sigma: f64,
    },
}

impl Stay {
    /// Stays that end at a constant rate.
    ///
    /// # Errors
    /// [`PresenceError::Stay`].
    pub fn exponential(mean_minutes: f64) -> Result<Self, PresenceError> {
        Ok(Self {
            mean_minutes: checked_minutes(mean_minutes).ok_or(PresenceError::Stay(mean_minutes))?,
            shape: Shape::Exponential,
        })
    }

    /// Log-normal stays of this mean and standard deviation.
    ///
    /// # Errors
    /// [`PresenceError::Stay`]; [`PresenceError::Spread`].
    pub fn log_normal(mean_minutes: f64, sd_minutes: f64) -> Result<Self, PresenceError> {
        let mean_minutes =
            checked_minutes(mean_minutes).ok_or(PresenceError::Stay(mean_minutes))?;
        let spread = sd_minutes / mean_minutes;
        if !(1e-6..=100.0).contains(&spread) {
            return Err(PresenceError::Spread(sd_minutes));
        }
        let variance = libm::log1p(spread * spread);
        Ok(Self {
            mean_minutes,
            shape: Shape::LogNormal {
                mu: libm::log(mean_minutes) - 0.5 * variance,
                sigma: variance.sqrt(),
            },
        })
    }

    /// The mean stay in minutes.
    pub const fn mean_minutes(self) -> f64 {
        self.mean_minutes
    }

    /// The share who stay longer than `minutes`; 1 for anything that is not above 0.
    pub fn survival(self, minutes: f64) -> f64 {
        // NaN compares as not above.
        if !matches!(minutes.partial_cmp(&0.0), Some(std::cmp::Ordering::Greater)) {
            return 1.0;
        }
        match self.shape {
            Shape::Exponential => libm::exp(-minutes / self.mean_minutes),
            Shape::LogNormal { mu, sigma } => normal_cdf((mu - libm::log(minutes)) / sigma),
        }
    }

    /// `∫_0^x S(t) dt`, minutes: the expected part of a stay before `x`.
    fn time_before(self, minutes: f64) -> f64 {
        if minutes <= 0.0 {
            return 0.0;
        }
        match self.shape {
            Shape::Exponential => -self.mean_minutes * libm::expm1(-minutes / self.mean_minutes),
            Shape::LogNormal { mu, sigma } => {
                let z = (libm::log(minutes) - mu) / sigma - sigma;
                minutes * self.survival(minutes) + self.mean_minutes * normal_cdf(z)
            }
        }
    }
}

fn checked_minutes(minutes: f64) -> Option<f64> {
    (1e-3..=1e6).contains(&minutes).then_some(minutes)
}

/// Persons at a venue at the end of a bin, from arrivals.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Presence {
    /// Expected persons.
    pub mean: f64,
    /// Variance given the arrivals, persons²: chance in who has left.
    pub variance: f64,
}

/// The share of a bin's arrivals who are still there at the ends of that bin and the next ones.
///
/// `w_j = 1/Δ ∫ S(t) dt` over bin `j`: arrivals are spread evenly within their bin.
/// Method [`crate::method::PRESENCE_STAY`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StayWeights {
    stay: Stay,
    bin_minutes: f64,
}

impl StayWeights {
    /// The weights of `stay` for bins of `bin_minutes`.
    ///
    /// # Errors
    /// [`PresenceError::Bin`].
    pub fn try_new(stay: Stay, bin_minutes: f64) -> Result<Self, PresenceError> {
        Ok(Self {
            stay,
            bin_minutes: checked_minutes(bin_minutes).ok_or(PresenceError::Bin(bin_minutes))?,
        })
    }

    /// The weight of the bin that ended `bins_ago` bins ago, 0 for the last one: 0 to 1.
    pub fn weight(self, bins_ago: u32) -> f64 {
        let start = f64::from(bins_ago) * self.bin_minutes;
        let share = match self.stay.shape {
            // One exponential less, and no cancellation in the tail.
            Shape::Exponential => {
                self.stay.survival(start) * self.stay.time_before(self.bin_minutes)
            }
            Shape::LogNormal { .. } => {
                let end = start + self.bin_minutes;
                self.stay.time_before(end) - self.stay.time_before(start)
            }
        };
        (share / self.bin_minutes).clamp(0.0, 1.0)
    }

    /// The sum of all weights: bins' worth of arrivals who are there in the long run.
    pub fn total(self) -> f64 {
        self.stay.mean_minutes / self.bin_minutes
    }

    /// Persons present at the end of the last bin of `arrivals`, which ascend in time. Whoever
    /// came before the first bin is not in it.
    pub fn present(self, arrivals: &[u64]) -> Presence {
        let mut presence = Presence {
            mean: 0.0,
            variance: 0.0,
        };
        for (bins_ago, persons) in (0_u32..).zip(arrivals.iter().rev()) {
            let (weight, persons) = (self.weight(bins_ago), crate::importation::count(*persons));
            presence.mean += persons * weight;
            presence.variance += persons * weight * (1.0 - weight);
        }
        presence
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(actual: f64, expected: f64, decimals: i32) {
        let tolerance = 0.5 * 10_f64.powi(-decimals) * 1.000_1;
        assert!(
            (actual - expected).abs() <= tolerance,
            "{actual} is not {expected} to {decimals} decimals"
        );
    }

    fn half_hour() -> StayWeights {
        StayWeights::try_new(Stay::exponential(30.0).unwrap(), 15.0).unwrap()
    }

    #[test]
    fn golden_d1() {
        check(
            present(600.0, Stay::exponential(45.0).unwrap()).unwrap(),
            450.0,
            12,
        );
        check(
            present(600.0, Stay::log_normal(45.0, 20.0).unwrap()).unwrap(),
            450.0,
            12,
        );
    }

    #[test]
    fn golden_d2() {
        let expected = [
            0.786_938_680_6,
            0.477_302_437_1,
            0.289_498_562_0,
            0.175_589_753_8,
            0.106_500_569_2,
        ];
        for (bins_ago, expected) in (0..).zip(expected) {
            check(half_hour().weight(bins_ago), expected, 10);
        }
        check(half_hour().total(), 2.0, 15);
        check((0..200).map(|bin| half_hour().weight(bin)).sum(), 2.0, 12);
    }

    #[test]
    fn golden_d3() {
        let arrivals = [40, 60, 120, 80, 30];
        let expected = [
            31.477_547_2,
            66.308_418_3,
            134.650_730_4,
            144.624_890_8,
            111.327_590_8,
        ];
        for (bin, expected) in expected.into_iter().enumerate() {
            check(half_hour().present(&arrivals[..=bin]).mean, expected, 7);
        }
        check(half_hour().present(&arrivals).variance, 62.163_276_3, 7);
    }

    #[test]
    fn golden_d4() {
        let stay = Stay::log_normal(35.0, 20.0).unwrap();
        let Shape::LogNormal { mu, sigma } = stay.shape else {
            panic!("{stay:?} is log-normal");
        };
        check(sigma * sigma, 0.282_566_971_8, 10);
        // The table of the notes ends in 5766; its own script prints 3.414064575596908.
        check(mu, 3.414_064_575_6, 10);
        for (minutes, expected) in [
            (15.0, 0.907_938_608_7),
            (30.0, 0.509_655_856_5),
            (60.0, 0.100_315_574_0),
            (90.0, 0.020_549_788_5),
        ] {
            check(stay.survival(minutes), expected, 10);
        }
        let weights = StayWeights::try_new(stay, 15.0).unwrap();
        let sum: f64 = (0..2_000).map(|bin| weights.weight(bin)).sum();
        check(sum, weights.total(), 9);
    }

    #[test]
    fn bad_input_is_a_typed_error() {
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(Stay::exponential(bad).is_err(), "{bad}");
            assert!(Stay::log_normal(30.0, bad).is_err(), "{bad}");
            assert!(Stay::log_normal(bad, 1.0).is_err(), "{bad}");
            assert!(StayWeights::try_new(half_hour().stay, bad).is_err());
        }
        for bad in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(present(bad, half_hour().stay).is_err(), "{bad}");
        }
        check(half_hour().stay.survival(f64::NAN), 1.0, 15);
        check(half_hour().stay.survival(f64::INFINITY), 0.0, 15);
        check(half_hour().present(&[]).mean, 0.0, 17);
    }

    proptest! {
        #[test]
        fn weights_fall_and_persons_are_bounded(
            mean in 1.0..600.0_f64, spread in 0.05..3.0_f64, bin in 1.0..60.0_f64,
            arrivals in prop::collection::vec(0..10_000_u64, 0..40),
        ) {
            for stay in [Stay::exponential(mean), Stay::log_normal(mean, mean * spread)] {
                let weights = StayWeights::try_new(stay.unwrap(), bin).unwrap();
                for bins_ago in 0..30 {
                    prop_assert!(weights.weight(bins_ago + 1) <= weights.weight(bins_ago) + 1e-9);
                }
                let got = weights.present(&arrivals);
                let all: u64 = arrivals.iter().sum();
                prop_assert!(0.0 <= got.mean && got.mean <= crate::importation::count(all) + 1e-6);
                prop_assert!(0.0 <= got.variance && got.variance <= got.mean + 1e-9);
            }
        }
    }
}
