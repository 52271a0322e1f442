//! Aberrations: is this count higher than what was normal here, and is that more than chance?
//!
//! It promises numbers with their reference beside them: an EARS score over a baseline
//! ([`ears`]), a residual of a count against an expectation ([`residual`]), a CUSUM or EWMA of
//! such numbers ([`chart`]), and control of false alarms over time and over venues ([`arl`],
//! [`multiplicity`]). It does not forecast, knows no calendar (the caller says which slot a window
//! is in), and holds no state of alerts: what follows an alarm is the alert engine's.
//!
//! Counts of fifteen minutes are seasonal and dependent, so a raw EARS score over neighbouring
//! windows would alarm every morning. Compare each window with the same slot of earlier days or
//! weeks ([`baseline::SlotBaselines`]), or give residuals of a forecast.
//!
//! Every value that is given is finite and within ±[`VALUE_MAX`], else it is refused with
//! [`AberrationError::Value`] and the state stays as it was; so no result is a NaN or an infinity.
//! A window without a value is [`Point::Absent`], never 0. Where there is no baseline yet the
//! result is `None`.

pub mod normal;

pub mod baseline;
pub mod ears;
pub mod residual;

pub mod dispersion;

pub mod arl;
pub mod chart;
pub mod multiplicity;

/// The largest magnitude of a value. Beyond it sums of squares would lose what they measure.
pub const VALUE_MAX: f64 = 1e12;

/// One window's value, and whether later windows may be compared with it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Point {
    /// A sound value: it is judged, and later baselines hold it.
    Trains(f64),
    /// A value that is judged and that no baseline holds: an alarm, a holiday, low coverage.
    JudgedOnly(f64),
    /// No value: suppressed, missing or of a faulty feed. It is not judged and trains nothing.
    Absent,
}

impl Point {
    /// The value; `None` when there is none.
    pub const fn value(self) -> Option<f64> {
        match self {
            Self::Trains(value) | Self::JudgedOnly(value) => Some(value),
            Self::Absent => None,
        }
    }

    /// Whether later baselines hold the value.
    pub const fn trains(self) -> bool {
        match self {
            Self::Trains(_) => true,
            Self::JudgedOnly(_) | Self::Absent => false,
        }
    }
}

/// What one test says of one window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Flag {
    /// There was nothing to judge, or nothing to judge it by.
    Unknown,
    /// Not above the threshold.
    Clear,
    /// Above the threshold.
    Raised,
}

impl Flag {
    /// [`Flag::Raised`] when `statistic` is above `threshold`, strictly.
    ///
    /// [`Flag::Unknown`] when there is no statistic, or a NaN on either side.
    pub fn of(statistic: Option<f64>, threshold: f64) -> Self {
        match statistic {
            Some(value) if value > threshold => Self::Raised,
            Some(value) if value <= threshold => Self::Clear,
            Some(_) | None => Self::Unknown,
        }
    }
}

/// Why there is no answer. A state that was to change is as it was.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum AberrationError {
    /// A value that is not finite, or too large.
    #[error("value {0} is not a finite number from -1e12 to 1e12")]
    Value(f64),
    /// A count that is negative, not finite, or too large.
    #[error("count {0} is not a finite number from 0 to 1e12")]
    Count(f64),
    /// A baseline of too few or too many values.
    #[error("baseline of {0} values is not one of 2 to 60")]
    BaselineLength(u8),
    /// A least standard deviation out of range; 0 would divide by 0.
    #[error("least standard deviation {0} is not a number from 1e-9 to 1e9")]
    SigmaFloor(f64),
    /// A slot beyond the number of slots.
    #[error("slot {0} is not below 2016")]
    Slot(u16),
    /// A threshold that is not a number, or infinite.
    #[error("threshold {0} is not a finite number")]
    Threshold(f64),
    /// A CUSUM's allowance out of range.
    #[error("allowance {0} is not a number from 0 to 1e6")]
    Allowance(f64),
    /// A CUSUM's decision limit out of range.
    #[error("decision limit {0} is not a number above 0 and at most 1e6")]
    DecisionLimit(f64),
    /// An EWMA's weight of the newest value out of range.
    #[error("weight {0} is not above 0 and at most 1")]
    Weight(f64),
    /// The width of an EWMA's limits out of range.
    #[error("limit width {0} is not a number above 0 and at most 1e6")]
    LimitWidth(f64),
    /// An expectation out of range.
    #[error("expected count {0} is not a finite number from 0 to 1e12")]
    Expected(f64),
    /// A dispersion out of range.
    #[error("dispersion {0} is not a number from 1e-6 to 1e6")]
    Dispersion(f64),
    /// A run length was asked for outside the range where it is computed.
    #[error("allowance {k}, limit {h} and shift {shift} are outside 0 to 5, 0 to 20 and -5 to 5")]
    RunLengthInput {
        /// The allowance.
        k: f64,
        /// The decision limit.
        h: f64,
        /// The shift of the mean.
        shift: f64,
    },
    /// No limit up to 20 has this average run length.
    #[error("no decision limit up to 20 at allowance {k} gives {windows} windows to a false alarm")]
    NoLimit {
        /// The allowance.
        k: f64,
        /// The windows between false alarms that were asked for.
        windows: f64,
    },
    /// A number of votes that cannot be reached, or too many windows.
    #[error("{k} of {n} is not k of n with 1 <= k <= n <= 64")]
    Votes {
        /// Windows that must be raised.
        k: u8,
        /// Windows looked at.
        n: u8,
    },
    /// A p-value that is not a probability.
    #[error("p-value {0} is not between 0 and 1")]
    PValue(f64),
    /// A false discovery rate that is not a share.
    #[error("false discovery rate {0} is not above 0 and below 1")]
    FalseDiscoveryRate(f64),
    /// A stored state that no sequence of windows leaves behind.
    #[error("stored {0} is one that no windows leave behind")]
    State(&'static str),
}

/// `value` when it is finite and within ±[`VALUE_MAX`].
fn checked_value(value: f64) -> Result<f64, AberrationError> {
    if value.abs() <= VALUE_MAX {
        Ok(value)
    } else {
        Err(AberrationError::Value(value))
    }
}

#[cfg(test)]
mod tests;
