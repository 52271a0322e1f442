//! Reported cases as evidence of a prevalence: what they say at an ascertainment of 1, how far
//! chance moved them, and how old they are.

use super::{
    Ascertainment, BetaPosterior, ImportationError, Prevalence, PrevalenceRange, count, prevalence,
};

/// The largest first parameter of a beta distribution: above that of any number of cases.
const SHAPE_MAX: f64 = 1e20;

/// Mean prevalences at an ascertainment of 1: never nobody.
const UNIT_MEANS: std::ops::RangeInclusive<f64> = f64::MIN_POSITIVE..=1e300;

/// Days of a curve of infectiousness.
const CURVE_DAYS_MAX: usize = 1_000;

/// The share of infected people who are infectious and not isolated, for each day after infection.
///
/// Its sum is the number of infectious days `D` of [`prevalence`].
#[derive(Debug, Clone, PartialEq)]
pub struct InfectiousCurve {
    shares: Vec<f64>,
}

impl InfectiousCurve {
    /// The curve of `shares`, day 0 first: 1 to 1000 days, each from 0 to 1, not all 0.
    ///
    /// # Errors
    /// [`ImportationError::Share`]; [`ImportationError::Curve`].
    pub fn try_new(shares: &[f64]) -> Result<Self, ImportationError> {
        for share in shares {
            super::checked_share(*share)?;
        }
        let sum: f64 = shares.iter().sum();
        if shares.len() > CURVE_DAYS_MAX || sum < 1e-9 {
            return Err(ImportationError::Curve(shares.len()));
        }
        Ok(Self {
            shares: shares.to_vec(),
        })
    }

    /// Infectious days: the sum of the shares.
    pub fn days(&self) -> f64 {
        self.shares.iter().sum()
    }
}

/// Cases by day of report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DailyReports<'a> {
    /// Cases of each day, oldest first. Days whose reports are still coming in are left out.
    pub cases: &'a [u64],
    /// Days from infection to report.
    pub delay_days: usize,
}

impl DailyReports<'_> {
    /// The last day, counted from the first of `cases`, whose infections have been reported;
    /// `None` when there are no more days than the delay.
    pub const fn last_day(self) -> Option<usize> {
        match self.cases.len().checked_sub(self.delay_days) {
            None | Some(0) => None,
            Some(days) => Some(days - 1),
        }
    }
}

/// What an origin's reported cases say of its prevalence.
///
/// After `c` cases the prevalence has a beta distribution whose first parameter is `c + ½`
/// (Jeffreys' prior) and whose mean is `m / ρ`, with `m` the mean at an ascertainment of 1. So no
/// cases are a small prevalence, never none. `age_days` is passed through and changes no number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reported {
    pub(super) shape: f64,
    pub(super) unit_mean: f64,
    pub(super) ascertainment: Ascertainment,
    pub(super) age_days: u32,
}

impl Reported {
    /// From the cases of seven days: `m = (c + ½) / (M + 1) · D / 7`.
    ///
    /// # Errors
    /// As [`prevalence`].
    pub fn try_weekly(
        cases_7d: u64,
        population: u64,
        infectious_days: f64,
        ascertainment: Ascertainment,
    ) -> Result<Self, ImportationError> {
        // The same checks; at an ascertainment of 1 there is nothing else to go wrong.
        prevalence(cases_7d, population, 1.0, infectious_days)?;
        let share = (count(cases_7d) + 0.5) / (count(population) + 1.0);
        Ok(Self {
            shape: count(cases_7d) + 0.5,
            unit_mean: held(share * (infectious_days / 7.0)),
            ascertainment,
            age_days: 0,
        })
    }

    /// From daily reports: `m = Σ_a c(day - a + delay) S(a) / M`, the infectious on `day`, counted
    /// from the first report. Method [`crate::method::PREVALENCE_DAILY`].
    ///
    /// The half case of the prior has the mean weight of the cases. `age_days` is the days from
    /// `day` to the last report; add the age of that one by [`Self::older_by`].
    ///
    /// # Errors
    /// [`ImportationError::Population`]; [`ImportationError::NotYetReported`] when `day` plus the
    /// delay is after the last report; [`ImportationError::TooFewDays`] when the curve reaches
    /// back before the first one.
    pub fn try_daily(
        reports: DailyReports<'_>,
        day: usize,
        curve: &InfectiousCurve,
        population: u64,
        ascertainment: Ascertainment,
    ) -> Result<Self, ImportationError> {
        if population == 0 {
            return Err(ImportationError::Population);
        }
        let not_yet = ImportationError::NotYetReported {
            day,
            delay: reports.delay_days,
            reports: reports.cases.len(),
        };
        let days = day
            .checked_add(reports.delay_days)
            .and_then(|last| last.checked_add(1))
            .ok_or(not_yet)?;
        let known = reports.cases.get(..days).ok_or(not_yet)?;
        if known.len() < curve.shares.len() {
            return Err(ImportationError::TooFewDays {
                reports: known.len(),
                curve: curve.shares.len(),
            });
        }
        let (mut sum, mut squares) = (0.0, 0.0);
        for (cases, share) in known.iter().rev().zip(&curve.shares) {
            sum += count(*cases) * share;
            squares += count(*cases) * share * share;
        }
        // A weighted sum of Poisson numbers is as uncertain as (sum / weight) cases of weight
        // squares / sum each.
        let weight = if squares > 0.0 {
            squares / sum
        } else {
            curve.days() / count_days(curve.shares.len())
        };
        Ok(Self {
            shape: sum / weight + 0.5,
            unit_mean: held((sum + 0.5 * weight) / (count(population) + weight)),
            ascertainment,
            age_days: u32::try_from(reports.cases.len() - 1 - day).unwrap_or(u32::MAX),
        })
    }

    /// What tests say, in the form of reported cases: the same beta distribution, at an
    /// ascertainment of 1. It gives the numbers of [`super::Evidence::Tested`] to the last bit.
    pub fn of_tests(posterior: BetaPosterior) -> Self {
        Self {
            shape: posterior.alpha(),
            unit_mean: held(posterior.mean()),
            ascertainment: Ascertainment::NONE_MISSED,
            age_days: 0,
        }
    }

    /// What every number that follows rests on, so that a column of a table can hold it: the first
    /// parameter of the beta distribution, the mean prevalence at an ascertainment of 1, and low,
    /// middle and high ascertainment. The age is not among them.
    pub const fn parts(self) -> [f64; 5] {
        let [low, mid, high] = self.ascertainment.get();
        [self.shape, self.unit_mean, low, mid, high]
    }

    /// The evidence that has these [`Self::parts`], of an age of 0 days.
    ///
    /// # Errors
    /// [`ImportationError::Shape`]; [`ImportationError::UnitMean`]; as [`Ascertainment::try_new`].
    pub fn try_from_parts(
        [shape, unit_mean, low, mid, high]: [f64; 5],
    ) -> Result<Self, ImportationError> {
        if !(shape > 0.0 && shape <= SHAPE_MAX) {
            return Err(ImportationError::Shape(shape));
        }
        if !UNIT_MEANS.contains(&unit_mean) {
            return Err(ImportationError::UnitMean(unit_mean));
        }
        Ok(Self {
            shape,
            unit_mean,
            ascertainment: Ascertainment::try_new([low, mid, high])?,
            age_days: 0,
        })
    }

    /// The same evidence, `days` older.
    #[must_use]
    pub const fn older_by(self, days: u32) -> Self {
        Self {
            age_days: self.age_days.saturating_add(days),
            ..self
        }
    }

    /// Days between the prevalence and today, as told; no number depends on it.
    pub const fn age_days(self) -> u32 {
        self.age_days
    }

    /// The mean prevalence at high, middle and low ascertainment.
    pub fn prevalence(self) -> PrevalenceRange {
        let at = |ascertainment: f64| Prevalence((self.unit_mean / ascertainment).min(1.0));
        let [low, mid, high] = self.ascertainment.get();
        PrevalenceRange {
            lo: at(high),
            mid: at(mid),
            hi: at(low),
        }
    }
}

/// A mean that is above 0 whatever was rounded away.
fn held(mean: f64) -> f64 {
    mean.clamp(*UNIT_MEANS.start(), *UNIT_MEANS.end())
}

fn count_days(days: usize) -> f64 {
    count(u64::try_from(days).unwrap_or(u64::MAX))
}
