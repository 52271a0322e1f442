//! Who arrived from where, and what is known or assumed of the prevalence there.

use super::{
    Ascertainment, BetaPosterior, ImportationError, Prevalence, Reported, checked_share, count,
};

/// What is known of an origin's prevalence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Evidence {
    /// Reported cases, at an ascertainment that is shared.
    Reported(Reported),
    /// Tests of a sample, for which ascertainment does not matter.
    Tested(BetaPosterior),
    /// A prevalence without uncertainty.
    Exactly(Prevalence),
}

/// Arrivals from one origin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OriginArrivals {
    arrivals: u64,
    evidence: Evidence,
    entry_effect: f64,
}

impl OriginArrivals {
    /// `arrivals` of whom the share `entry_effect` of infectious ones is kept out by what is done
    /// before or at entry (tests, vaccination, screening): 0 for nothing.
    ///
    /// # Errors
    /// [`ImportationError::Share`].
    pub fn try_new(
        arrivals: u64,
        evidence: Evidence,
        entry_effect: f64,
    ) -> Result<Self, ImportationError> {
        Ok(Self {
            arrivals,
            evidence,
            entry_effect: checked_share(entry_effect)?,
        })
    }

    /// Persons who arrived.
    pub const fn arrivals(&self) -> u64 {
        self.arrivals
    }

    /// What is known of their prevalence.
    pub const fn evidence(&self) -> Evidence {
        self.evidence
    }

    /// The share of the infectious who are kept out.
    pub const fn entry_effect(&self) -> f64 {
        self.entry_effect
    }
}

/// What is assumed of arrivals whose origin is unknown. Never nothing: reported cases, even 0,
/// have a prevalence above 0, and nothing is taken off at entry.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UnknownAssumption {
    reported: Reported,
}

impl UnknownAssumption {
    /// The factor by which a range is widened when nothing else is known: how well cases are found
    /// where these people come from is twice as uncertain, up and down, as where it is known. A
    /// choice, not a measurement.
    pub const WIDENING: f64 = 2.0;

    /// They are like the people of `reported` (the city itself, or the mean of all origins), with
    /// both ends of its ascertainment moved away by the factor `widening`, 1 to 1000, the high
    /// one to 1 at most.
    ///
    /// # Errors
    /// [`ImportationError::Widening`].
    pub fn try_new(reported: Reported, widening: f64) -> Result<Self, ImportationError> {
        if !(1.0..=1e3).contains(&widening) {
            return Err(ImportationError::Widening(widening));
        }
        let [low, mid, high] = reported.ascertainment.get();
        let wide = [
            (low / widening).max(f64::MIN_POSITIVE),
            mid,
            (high * widening).min(1.0),
        ];
        Ok(Self {
            reported: Reported {
                ascertainment: Ascertainment::try_new(wide)?,
                ..reported
            },
        })
    }
}

/// Arrivals of unknown origin and what is assumed of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UnknownArrivals {
    /// Arrivals.
    pub arrivals: u64,
    /// May be missing only when there are none.
    pub assumption: Option<UnknownAssumption>,
}

impl UnknownArrivals {
    /// Every origin is known.
    pub const NONE: Self = Self {
        arrivals: 0,
        assumption: None,
    };
}

/// All arrivals of one window through one set of counters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Arrivals<'a> {
    /// By origin; the order does not change a bit.
    pub origins: &'a [OriginArrivals],
    /// Without one.
    pub unknown: UnknownArrivals,
}

/// One origin in numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Row {
    pub(super) arrivals: u64,
    /// First parameter of the beta distribution; infinite for an exact prevalence.
    shape: f64,
    /// Mean prevalence at an ascertainment of 1.
    unit_mean: f64,
    /// 1, 1, 1 where ascertainment does not matter.
    ascertainment: [f64; 3],
    /// What entry lets through.
    passing: f64,
}

impl Row {
    /// `arrivals` of whom entry lets the share `passing` of infectious ones in.
    pub(super) fn new(arrivals: u64, evidence: Evidence, passing: f64) -> Self {
        let (shape, unit_mean, ascertainment) = match evidence {
            Evidence::Reported(it) => (it.shape, it.unit_mean, it.ascertainment.get()),
            Evidence::Tested(it) => (it.alpha(), it.mean(), [1.0; 3]),
            Evidence::Exactly(it) => (f64::INFINITY, it.get(), [1.0; 3]),
        };
        Self {
            arrivals,
            shape,
            unit_mean,
            ascertainment,
            passing,
        }
    }

    /// What decides the order of rows.
    pub(super) fn key(&self) -> [f64; 7] {
        let [low, mid, high] = self.ascertainment;
        [
            count(self.arrivals),
            self.shape,
            self.unit_mean,
            self.passing,
            low,
            mid,
            high,
        ]
    }

    /// The range of its ascertainment.
    pub(super) fn ascertainment(&self) -> [f64; 3] {
        self.ascertainment
    }

    /// The mean prevalence at an ascertainment.
    pub(super) fn mean(&self, ascertainment: f64) -> f64 {
        (self.unit_mean / ascertainment).min(1.0) * self.passing
    }

    /// Variance of λ from this origin around a mean prevalence `p`: of a beta distribution of
    /// this shape, `p² (1-p) / (α + p)`.
    pub(super) fn variance(&self, p: f64) -> f64 {
        let relative = (1.0 - p) / (self.shape + p);
        let lambda = count(self.arrivals) * p;
        lambda * lambda * relative
    }

    /// The logarithm of the probability that none of the arrivals is infectious.
    pub(super) fn log_none(&self, p: f64) -> f64 {
        if self.arrivals == 0 || p <= 0.0 {
            0.0
        } else if self.shape.is_infinite() || p >= 1.0 {
            count(self.arrivals) * libm::log1p(-p)
        } else {
            BetaPosterior::with_mean(self.shape, p).log_none(self.arrivals)
        }
    }
}

impl OriginArrivals {
    /// In numbers, each infectious one counting with probability `part`.
    pub(super) fn row(&self, part: f64) -> Row {
        let passing = (1.0 - self.entry_effect) * part;
        Row::new(self.arrivals, self.evidence, passing)
    }
}

impl UnknownArrivals {
    /// The same; `None` when there are none and nothing is assumed.
    pub(super) fn row(&self, part: f64) -> Result<Option<Row>, ImportationError> {
        match self.assumption {
            Some(assumption) => {
                let evidence = Evidence::Reported(assumption.reported);
                Ok(Some(Row::new(self.arrivals, evidence, part)))
            }
            None if self.arrivals == 0 => Ok(None),
            None => Err(ImportationError::UnknownOrigin(self.arrivals)),
        }
    }
}

impl Arrivals<'_> {
    /// The share of arrivals whose origin is known; `None` when nobody came.
    pub fn known_share(&self) -> Option<f64> {
        let known: u128 = self
            .origins
            .iter()
            .map(|origin| u128::from(origin.arrivals))
            .sum();
        let all = known + u128::from(self.unknown.arrivals);
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        (all > 0).then(|| known as f64 / all as f64)
    }

    /// Age of the oldest reported evidence of an origin from which somebody came.
    pub(super) fn age_days_max(&self) -> Option<u32> {
        let origins = self.origins.iter().filter(|origin| origin.arrivals > 0);
        let ages = origins.filter_map(|origin| match origin.evidence {
            Evidence::Reported(reported) => Some(reported.age_days()),
            Evidence::Tested(_) | Evidence::Exactly(_) => None,
        });
        let unknown = self.unknown.assumption.iter();
        let unknown = unknown.filter(|_| self.unknown.arrivals > 0);
        ages.chain(unknown.map(|assumption| assumption.reported.age_days()))
            .max()
    }
}
