//! Will an imported case start an outbreak, and when would it be seen?
//!
//! Each case infects a negative binomial number of others of mean `R` and dispersion `k`, all
//! independent (Lloyd-Smith et al. 2005, Nature 438:355). The chain ends for good with the
//! extinction probability `q`, the smallest root of `q = (1 + R (1-q) / k)^-k`. For `R <= 1` it
//! always ends.
//!
//! This is about introductions that spend their whole infectious time in the city; for those who
//! leave earlier, [`Offspring::for_stay`] takes a part of `R`. It says nothing of how large an
//! outbreak grows, and nothing after susceptible people or behaviour have changed.

use crate::special::bisect;

/// Steps of Newton's method before bisection takes over. It gains a factor of two a step near
/// `R = 1` and doubles its digits elsewhere.
const STEPS_MAX: u32 = 80;

/// Why there is no outbreak probability.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum OutbreakError {
    /// A reproduction number that is not finite or below 0.
    #[error("reproduction number {0} is not between 0 and 1000")]
    Reproduction(f64),
    /// A dispersion that is not above 0.
    #[error("dispersion {0} is not above 0")]
    Dispersion(f64),
    /// A share that is not between 0 and 1.
    #[error("share {0} is not between 0 and 1")]
    Share(f64),
    /// An expected number of introductions that is not a number of 0 or more.
    #[error("{0} introductions is not a finite number of 0 or more")]
    Introductions(f64),
    /// Slices of different lengths.
    #[error("{offspring} rows and room for {out} results")]
    Lengths {
        /// Rows of input.
        offspring: usize,
        /// Room for results.
        out: usize,
    },
}

/// How many others a case infects: mean `R` from 0 to 1000, dispersion `k` above 0, infinite for
/// a Poisson number. The smaller `k`, the fewer cases cause most infections.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Offspring {
    reproduction: f64,
    dispersion: f64,
}

/// Measures against transmission, each a share from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Control {
    individual: f64,
    population: f64,
}

impl Control {
    /// No measures.
    pub const NONE: Self = Self {
        individual: 0.0,
        population: 0.0,
    };

    /// A share `individual` of cases infects nobody; every case infects the share `population`
    /// fewer.
    ///
    /// # Errors
    /// [`OutbreakError::Share`].
    pub fn try_new(individual: f64, population: f64) -> Result<Self, OutbreakError> {
        Ok(Self {
            individual: checked_share(individual)?,
            population: checked_share(population)?,
        })
    }
}

fn checked_share(value: f64) -> Result<f64, OutbreakError> {
    if (0.0..=1.0).contains(&value) {
        Ok(value)
    } else {
        Err(OutbreakError::Share(value))
    }
}

impl Offspring {
    /// The negative binomial of mean `reproduction` and dispersion `dispersion`.
    ///
    /// # Errors
    /// [`OutbreakError::Reproduction`]; [`OutbreakError::Dispersion`].
    pub fn try_new(reproduction: f64, dispersion: f64) -> Result<Self, OutbreakError> {
        if !(0.0..=1e3).contains(&reproduction) {
            return Err(OutbreakError::Reproduction(reproduction));
        }
        // NaN is not above 0.
        if !matches!(
            dispersion.partial_cmp(&0.0),
            Some(std::cmp::Ordering::Greater)
        ) {
            return Err(OutbreakError::Dispersion(dispersion));
        }
        Ok(Self {
            reproduction,
            dispersion,
        })
    }

    /// The offspring of a case who is in the city for the share `stay` of the infectious time.
    ///
    /// # Errors
    /// [`OutbreakError::Share`].
    pub fn for_stay(self, stay: f64) -> Result<Self, OutbreakError> {
        Ok(Self {
            reproduction: self.reproduction * checked_share(stay)?,
            ..self
        })
    }

    /// The probability that a case infects nobody.
    pub fn infects_nobody(self) -> f64 {
        libm::exp(self.log_none(1.0))
    }

    /// `ln G(1-s)`, the logarithm of the probability that none of the offspring starts what each
    /// starts with probability `s`.
    fn log_none(self, s: f64) -> f64 {
        let mean = self.reproduction * s;
        if self.dispersion > 1e15 * (1.0 + mean) {
            -mean
        } else {
            -self.dispersion * libm::log1p(mean / self.dispersion)
        }
    }

    /// The probability `s = 1 - q` that one introduction starts an outbreak that does not end by
    /// chance: 0 when `R`, after control, is at most 1. Method [`crate::method::OUTBREAK_BRANCHING`].
    ///
    /// ```
    /// use tidegate_risk::outbreak::{Control, Offspring};
    /// let sars = Offspring::try_new(1.63, 0.16)?;
    /// let outbreak = sars.outbreak_probability(Control::NONE);
    /// assert!((outbreak - 0.1198705058).abs() < 1e-10);
    /// # Ok::<(), tidegate_risk::outbreak::OutbreakError>(())
    /// ```
    pub fn outbreak_probability(self, control: Control) -> f64 {
        let reached = Self {
            reproduction: self.reproduction * (1.0 - control.population),
            ..self
        };
        let free = 1.0 - control.individual;
        if free * reached.reproduction <= 1.0 {
            return 0.0;
        }
        reached.root(free)
    }

    /// The positive root of `h(s) = s - free (1 - G(1-s))`, which is convex, 0 at 0 and falling
    /// there, and 0 or more at 1. So Newton's method from 1 falls to the root and never passes it
    /// but by rounding; then bisection ends the search.
    fn root(self, free: f64) -> f64 {
        let h = |s: f64| s + free * libm::expm1(self.log_none(s));
        let mut s = 1.0;
        for _ in 0..STEPS_MAX {
            let mean = self.reproduction * s;
            let log_slope = self.log_none(s) - libm::log1p(mean / self.dispersion);
            let slope = 1.0 - free * self.reproduction * libm::exp(log_slope);
            let next = s - h(s) / slope;
            if !(next > 0.0 && next < s) {
                break;
            }
            if s - next <= f64::EPSILON * s {
                return next;
            }
            s = next;
        }
        // Rounding has the last word here: the sign of h within some bits of s.
        bisect((s * (1.0 - 1e-12), s), |s| h(s) < 0.0).clamp(0.0, 1.0)
    }

    /// The extinction probability `q = 1 - s` of one introduction's chain.
    pub fn extinction(self, control: Control) -> f64 {
        1.0 - self.outbreak_probability(control)
    }
}

/// The probability of an outbreak from `introductions` cases of whom each starts one with
/// probability `one`: `1 - (1 - one)^n`.
///
/// # Errors
/// [`OutbreakError::Share`] when `one` is not between 0 and 1.
pub fn outbreak_of(introductions: u64, one: f64) -> Result<f64, OutbreakError> {
    let one = checked_share(one)?;
    if introductions == 0 {
        return Ok(0.0);
    }
    let n = crate::importation::count(introductions);
    Ok(crate::importation::one_minus_exp(n * libm::log1p(-one)))
}

/// The probability of an outbreak when the number of introductions is Poisson of mean `lambda`:
/// `1 - e^(-λ one)`.
///
/// # Errors
/// [`OutbreakError::Share`]; [`OutbreakError::Introductions`] when `lambda` is not finite or
/// below 0.
pub fn outbreak_of_poisson(lambda: f64, one: f64) -> Result<f64, OutbreakError> {
    let one = checked_share(one)?;
    if !(lambda.is_finite() && lambda >= 0.0) {
        return Err(OutbreakError::Introductions(lambda));
    }
    Ok(crate::importation::one_minus_exp(-lambda * one))
}

/// The least number of introductions at which an outbreak is likelier than `probability`.
///
/// `None` when no number of them is enough: `one` is 0, or `probability` is 1.
///
/// # Errors
/// [`OutbreakError::Share`] when one of the two is not between 0 and 1.
pub fn introductions_for(probability: f64, one: f64) -> Result<Option<u64>, OutbreakError> {
    let (probability, one) = (checked_share(probability)?, checked_share(one)?);
    if one <= 0.0 || probability >= 1.0 {
        return Ok(None);
    }
    let exact = libm::log1p(-probability) / libm::log1p(-one);
    // 2^53: beyond, whole numbers are not exact.
    if exact >= 9e15 {
        return Ok(None);
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 9e15"
    )]
    let mut n = libm::floor(exact) as u64;
    while outbreak_of(n, one)? <= probability {
        n += 1;
    }
    Ok(Some(n))
}

/// [`Offspring::outbreak_probability`] of each row, into `out`, without allocation.
///
/// # Errors
/// [`OutbreakError::Lengths`] when the slices differ in length; `out` is as it was.
pub fn outbreak_probabilities(
    rows: &[(Offspring, Control)],
    out: &mut [f64],
) -> Result<(), OutbreakError> {
    if rows.len() != out.len() {
        return Err(OutbreakError::Lengths {
            offspring: rows.len(),
            out: out.len(),
        });
    }
    for (slot, (offspring, control)) in out.iter_mut().zip(rows) {
        *slot = offspring.outbreak_probability(*control);
    }
    Ok(())
}

/// When the first imported case is detected, if introductions come at a constant rate and each is
/// detected independently. Method [`crate::method::DETECTION_FIRST`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    introductions_per_day: f64,
    detected: f64,
}

impl Detection {
    /// `introductions_per_day` above 0, of whom the share `detected`, above 0, is detected.
    ///
    /// # Errors
    /// [`OutbreakError::Introductions`] and [`OutbreakError::Share`]: at a rate of 0 the first
    /// detection never comes, and its mean time is not a number.
    pub fn try_new(introductions_per_day: f64, detected: f64) -> Result<Self, OutbreakError> {
        if !(1e-9..=1e9).contains(&introductions_per_day) {
            return Err(OutbreakError::Introductions(introductions_per_day));
        }
        if !(1e-9..=1.0).contains(&detected) {
            return Err(OutbreakError::Share(detected));
        }
        Ok(Self {
            introductions_per_day,
            detected,
        })
    }

    /// Expected days until the first detection: `1 / (r d)`.
    pub fn mean_days(self) -> f64 {
        1.0 / (self.introductions_per_day * self.detected)
    }

    /// The probability of a detection within `days`: `1 - e^(-r d t)`; `None` when `days` is not
    /// a number of 0 or more.
    pub fn within(self, days: f64) -> Option<f64> {
        let rate = self.introductions_per_day * self.detected;
        (days >= 0.0).then(|| crate::importation::one_minus_exp(-rate * days))
    }

    /// Expected introductions that nobody saw before the first that is detected: `(1 - d) / d`.
    pub fn unseen_before(self) -> f64 {
        (1.0 - self.detected) / self.detected
    }
}

#[cfg(test)]
mod tests;
