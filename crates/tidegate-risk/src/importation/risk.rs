//! The same risk at a cordon and at a venue, as two types that never add up.
//!
//! At a cordon an arrival is an entry to the city, at a venue a visit, and one traveller makes
//! several visits. So only a cordon's risk is compared with the city's own infections or gives an
//! outbreak, and only a venue's has persons present.

use std::cmp::Ordering;

use super::{Arrivals, ImportationError, JointRisk, Range, Workspace, one_minus_exp};
use crate::presence::{PresenceError, Stay, present};

/// Infectious entries to a city in one window. Method [`crate::method::INFLOW_LAMBDA_JOINT`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CordonRisk(JointRisk);

/// Infectious visits to one venue in one window. Method [`crate::method::INFLOW_LAMBDA_JOINT`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VenueRisk(JointRisk);

impl Workspace {
    /// The risk of a window's entries through a cordon.
    ///
    /// # Errors
    /// [`ImportationError::UnknownOrigin`] when there are arrivals of unknown origin and no
    /// assumption about them.
    pub fn cordon(&mut self, arrivals: &Arrivals<'_>) -> Result<CordonRisk, ImportationError> {
        self.risk(arrivals).map(CordonRisk)
    }

    /// The risk of a window's visits to a venue.
    ///
    /// # Errors
    /// As [`Self::cordon`].
    pub fn venue(&mut self, arrivals: &Arrivals<'_>) -> Result<VenueRisk, ImportationError> {
        self.risk(arrivals).map(VenueRisk)
    }

    /// The risk of each row of visits, into `out`, without allocation for a row once the
    /// workspace has grown. A row without a risk has its error.
    ///
    /// # Errors
    /// [`ImportationError::Lengths`] when the slices differ in length; `out` is as it was.
    pub fn venues(
        &mut self,
        rows: &[Arrivals<'_>],
        out: &mut [Option<Result<VenueRisk, ImportationError>>],
    ) -> Result<(), ImportationError> {
        if rows.len() != out.len() {
            return Err(ImportationError::Lengths {
                rows: rows.len(),
                arrivals: rows.len(),
                out: out.len(),
            });
        }
        for (slot, row) in out.iter_mut().zip(rows) {
            *slot = Some(self.venue(row));
        }
        Ok(())
    }

    /// λ alone, its mean over everything uncertain: [`JointRisk::lambda_mean`] to the last bit,
    /// without its interval. An origin's share of λ is the quotient of two of these; above 0
    /// for arrivals of unknown origin.
    ///
    /// # Errors
    /// As [`Self::cordon`].
    pub fn expected(&mut self, arrivals: &Arrivals<'_>) -> Result<f64, ImportationError> {
        self.mean(arrivals)
    }

    /// The probability that a window's entries start an outbreak, each infectious one with
    /// probability `one` ([`crate::outbreak::Offspring::outbreak_probability`]), over everything
    /// that is uncertain.
    ///
    /// # Errors
    /// [`ImportationError::Share`] when `one` is not between 0 and 1; as [`Self::cordon`].
    pub fn cordon_outbreak(
        &mut self,
        arrivals: &Arrivals<'_>,
        one: f64,
    ) -> Result<f64, ImportationError> {
        self.at_least_one_of(arrivals, one)
    }
}

/// How large imports are beside the city's own infections: thresholds 1 % and 10 % of Russell et
/// al. 2021, Lancet Public Health 6:e12.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ImportLevel {
    /// Below 1 % of new infections.
    Minor,
    /// From 1 % to below 10 %.
    Noticeable,
    /// 10 % and more.
    Major,
}

/// The share `λ / (λ + local)` of imports in all new infections of a window, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ImportShare(Range);

impl ImportShare {
    /// At the widest reading of both.
    pub const fn range(self) -> Range {
        self.0
    }

    /// The level of the middle.
    pub fn level(self) -> ImportLevel {
        if self.0.mid < 0.01 {
            ImportLevel::Minor
        } else if self.0.mid < 0.1 {
            ImportLevel::Noticeable
        } else {
            ImportLevel::Major
        }
    }
}

/// The share `λ / (λ + local)` of imports in all new infections, 0 to 1, from λ of a cordon and
/// the city's own new infections of the same time; `None` when there are neither.
/// Method [`crate::method::INFLOW_IMPORT_SHARE`].
///
/// # Errors
/// [`ImportationError::Persons`] when one of the two is not finite or below 0.
pub fn import_share(lambda: f64, local: f64) -> Result<Option<f64>, ImportationError> {
    let (lambda, local) = (checked_persons(lambda)?, checked_persons(local)?);
    Ok(if lambda > 0.0 {
        Some(1.0 / (1.0 + local / lambda))
    } else if local > 0.0 {
        Some(0.0)
    } else {
        None
    })
}

fn checked_persons(persons: f64) -> Result<f64, ImportationError> {
    if persons.is_finite() && persons >= 0.0 {
        Ok(persons)
    } else {
        Err(ImportationError::Persons(persons))
    }
}

impl CordonRisk {
    /// The numbers.
    pub const fn risk(&self) -> &JointRisk {
        &self.0
    }

    /// Imports beside `local`, the city's new infections in the same window, reported or not.
    /// `None` when there are neither. Method [`crate::method::INFLOW_IMPORT_SHARE`].
    ///
    /// The low end takes the low end of λ's 95 % interval with the high local number, and the
    /// other way round.
    ///
    /// # Errors
    /// [`ImportationError::Persons`]; [`ImportationError::RangeOrder`].
    pub fn import_share(&self, local: Range) -> Result<Option<ImportShare>, ImportationError> {
        let Range { lo, mid, hi } = local;
        for value in [lo, mid, hi] {
            checked_persons(value)?;
        }
        if !(lo <= mid && mid <= hi) {
            return Err(ImportationError::RangeOrder { lo, mid, hi });
        }
        let share = |lambda, local| import_share(lambda, local).map(Option::unwrap_or_default);
        let lambda = &self.0;
        if lambda.lambda_mean <= 0.0 && hi <= 0.0 {
            return Ok(None);
        }
        Ok(Some(ImportShare(Range {
            lo: share(lambda.lambda95.lo, hi)?,
            mid: share(lambda.lambda_median, mid)?,
            hi: share(lambda.lambda95.hi, lo)?,
        })))
    }
}

impl VenueRisk {
    /// The numbers.
    pub const fn risk(&self) -> &JointRisk {
        &self.0
    }

    /// Infectious persons present in the long run, `λ W`, of λ in a window of `window_hours`:
    /// the ends of its 95 % interval and its median.
    /// Method [`crate::method::PRESENCE_LITTLE`].
    ///
    /// # Errors
    /// [`PresenceError::Bin`] when the window is not a time; [`PresenceError::Arrivals`].
    pub fn present(&self, window_hours: f64, stay: Stay) -> Result<Range, PresenceError> {
        if !(1e-3..=1e6).contains(&window_hours) {
            return Err(PresenceError::Bin(window_hours * 60.0));
        }
        let at = |lambda: f64| present(lambda / window_hours, stay);
        Ok(Range {
            lo: at(self.0.lambda95.lo)?,
            mid: at(self.0.lambda_median)?,
            hi: at(self.0.lambda95.hi)?,
        })
    }

    /// The probability that at least one infectious person is present: `1 - e^(-L)` of
    /// [`Self::present`].
    ///
    /// # Errors
    /// As [`Self::present`].
    pub fn present_at_least_one(
        &self,
        window_hours: f64,
        stay: Stay,
    ) -> Result<Range, PresenceError> {
        let Range { lo, mid, hi } = self.present(window_hours, stay)?;
        Ok(Range {
            lo: one_minus_exp(-lo),
            mid: one_minus_exp(-mid),
            hi: one_minus_exp(-hi),
        })
    }

    /// Which of two venues has the higher λ; `None` when their 95 % intervals overlap, since then
    /// nobody knows.
    pub fn rank(&self, other: &Self) -> Option<Ordering> {
        let (a, b) = (self.0.lambda95, other.0.lambda95);
        if a.lo > b.hi {
            Some(Ordering::Greater)
        } else if a.hi < b.lo {
            Some(Ordering::Less)
        } else {
            None
        }
    }
}

/// What λ says of a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signal {
    /// The median is below.
    Quiet,
    /// The median has reached it.
    Watch,
    /// The low end of the 80 % interval has reached it.
    Action,
}

impl JointRisk {
    /// The signal at `threshold` infectious arrivals in the window.
    ///
    /// # Errors
    /// [`ImportationError::Persons`] for a threshold that is not finite or not above 0.
    pub fn signal(&self, threshold: f64) -> Result<Signal, ImportationError> {
        if !(threshold.is_finite() && threshold > 0.0) {
            return Err(ImportationError::Persons(threshold));
        }
        Ok(if self.lambda80.lo >= threshold {
            Signal::Action
        } else if self.lambda_median >= threshold {
            Signal::Watch
        } else {
            Signal::Quiet
        })
    }
}
