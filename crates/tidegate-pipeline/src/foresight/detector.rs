//! Whether the value of one series is higher than what was normal, and is that more than chance.
//!
//! A window is first judged against what is known before it, then all series of the window are set
//! beside each other, and only then each of them learns.

use std::collections::BTreeMap;

use tidegate_risk::aberration::baseline::SlotBaselines;
use tidegate_risk::aberration::chart::{Cusum, CusumStep, Ewma, EwmaStep};
use tidegate_risk::aberration::dispersion::Dispersion;
use tidegate_risk::aberration::ears::{Ears, EarsStep};
use tidegate_risk::aberration::multiplicity::KOfN;
use tidegate_risk::aberration::normal::upper_tail;
use tidegate_risk::aberration::residual::Expectation;
use tidegate_risk::aberration::{AberrationError, Flag, Point};
use tidegate_risk::forecast;

use super::spec::{AberrationSpec, BaselineKind};
use super::state::{BaselineState, DetectorState};

/// Of a slot's values in a row, so many that are alarms are left out of its baseline; what lasts
/// longer is the new normal.
const LEFT_OUT_MAX: u8 = 3;

/// A value with its distance from what was expected of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Judged {
    /// What was expected.
    pub(super) expected: f64,
    /// The distance, in standard deviations.
    pub(super) z: f64,
    /// The probability of one as high or higher by chance.
    pub(super) p_value: f64,
    /// Values that the expectation's deviation rests on.
    pub(super) baseline_n: u32,
}

/// What the charts say of a judged value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Charts {
    pub(super) ears: EarsStep,
    pub(super) cusum: Option<CusumStep>,
    pub(super) ewma: Option<EwmaStep>,
    /// Whether enough of the last windows were raised; unknown when this one was not judged.
    pub(super) flag: Flag,
}

/// What a detector has learned of a series' normal.
#[derive(Debug, Clone)]
enum Baseline {
    SameSlot {
        baselines: SlotBaselines,
        /// How many values were left out in a row, of slots of which some were.
        left_out: BTreeMap<u16, u8>,
    },
    Residual(Dispersion),
}

/// See the module documentation.
#[derive(Debug, Clone)]
pub(super) struct Detector {
    baseline: Baseline,
    ears: Ears,
    cusum: Cusum,
    ewma: Ewma,
    votes: KOfN,
}

/// A value in its place: the slot's number, and what was forecast of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Observed {
    pub(super) slot: u16,
    pub(super) point: forecast::Point,
    /// One step ahead, where there is a forecast.
    pub(super) expected: Option<f64>,
}

impl Detector {
    pub(super) fn new(spec: &AberrationSpec) -> Self {
        Self {
            baseline: match spec.kind {
                BaselineKind::SameSlot => Baseline::SameSlot {
                    baselines: SlotBaselines::new(spec.rule),
                    left_out: BTreeMap::new(),
                },
                BaselineKind::Residual => Baseline::Residual(Dispersion::new()),
            },
            ears: Ears::new(spec.ears_rule),
            cusum: Cusum::new(spec.cusum),
            ewma: Ewma::new(spec.ewma),
            votes: KOfN::new(spec.votes),
        }
    }

    /// Whether it compares values with forecasts.
    pub(super) fn is_of_residuals(&self) -> bool {
        matches!(self.baseline, Baseline::Residual(_))
    }

    /// The value against what is known before it, or why it has no distance. Nothing changes.
    pub(super) fn judge(&self, observed: Observed) -> Result<Judged, &'static str> {
        const TOO_LITTLE: &str = "too_little_history";
        let value = match observed.point {
            forecast::Point::Observed(persons) => persons.get(),
            forecast::Point::Missing => return Err("missing"),
            forecast::Point::Faulty => return Err("faulty"),
            forecast::Point::Suppressed => return Err("suppressed"),
        };
        match &self.baseline {
            Baseline::SameSlot { baselines, .. } => {
                let score = baselines.judge(observed.slot, value);
                let score = score.ok().flatten().ok_or(TOO_LITTLE)?;
                Ok(Judged {
                    expected: score.baseline().mean(),
                    z: score.value(),
                    p_value: score.p_value(),
                    baseline_n: u32::from(score.baseline().length()),
                })
            }
            Baseline::Residual(dispersion) => {
                let known = observed.expected.zip(dispersion.get());
                let (expected, factor) = known.ok_or(TOO_LITTLE)?;
                let z = Expectation::try_new(expected, factor)
                    .and_then(|expectation| expectation.square_root(value));
                let z = z.map_err(|_| TOO_LITTLE)?;
                Ok(Judged {
                    expected,
                    z,
                    p_value: upper_tail(z).ok_or(TOO_LITTLE)?,
                    baseline_n: dispersion.residuals(),
                })
            }
        }
    }

    /// Learns from the value, which was judged; `raised` says whether it stands out among all
    /// series of the window.
    pub(super) fn learn(
        &mut self,
        observed: Observed,
        judged: Option<Judged>,
        raised: Flag,
    ) -> Charts {
        let votes = self.votes.take(raised);
        let flag = if judged.is_some() {
            votes
        } else {
            Flag::Unknown
        };
        self.learn_baseline(observed, flag);
        let z = judged.map(|judged| judged.z);
        let point = match z {
            None => Point::Absent,
            Some(z) if flag == Flag::Raised => Point::JudgedOnly(z),
            Some(z) => Point::Trains(z),
        };
        // A distance is finite and far below the largest value, so that none is refused.
        Charts {
            ears: self.ears.take(point).unwrap_or_default(),
            cusum: z.and_then(|z| self.cusum.take(z).ok()),
            ewma: z.and_then(|z| self.ewma.take(z).ok()),
            flag,
        }
    }

    fn learn_baseline(&mut self, observed: Observed, flag: Flag) {
        let Some(value) = observed.point.observed() else {
            return;
        };
        match &mut self.baseline {
            Baseline::SameSlot {
                baselines,
                left_out,
            } => {
                let in_a_row = left_out.remove(&observed.slot).unwrap_or(0);
                let point = if flag == Flag::Raised && in_a_row < LEFT_OUT_MAX {
                    Point::JudgedOnly(value)
                } else {
                    Point::Trains(value)
                };
                if flag == Flag::Raised {
                    let in_a_row = in_a_row.saturating_add(1).min(LEFT_OUT_MAX);
                    left_out.insert(observed.slot, in_a_row);
                }
                baselines
                    .take(observed.slot, point)
                    .expect("persons and slots of a day are in range");
            }
            Baseline::Residual(dispersion) => {
                if let Some(expected) = observed.expected {
                    dispersion
                        .learn(expected, value)
                        .expect("persons and forecasts are in range");
                }
            }
        }
    }

    /// Lets a window pass of which nothing came.
    pub(super) fn skip(&mut self) {
        self.ears
            .take(Point::Absent)
            .expect("there is no value to refuse");
    }

    pub(super) fn state(&self) -> DetectorState {
        DetectorState {
            baseline: match &self.baseline {
                Baseline::SameSlot {
                    baselines,
                    left_out,
                } => BaselineState::SameSlot {
                    baselines: baselines.state(),
                    left_out: left_out.iter().map(|(slot, n)| (*slot, *n)).collect(),
                },
                Baseline::Residual(dispersion) => BaselineState::Residual(dispersion.state()),
            },
            ears: self.ears.state(),
            cusum: self.cusum.state(),
            ewma: self.ewma.state(),
            votes: self.votes.state(),
        }
    }

    pub(super) fn restore(
        spec: &AberrationSpec,
        state: DetectorState,
    ) -> Result<Self, AberrationError> {
        let baseline = match (spec.kind, state.baseline) {
            (
                BaselineKind::SameSlot,
                BaselineState::SameSlot {
                    baselines,
                    left_out,
                },
            ) => {
                let ascending = left_out.is_sorted_by(|a, b| a.0 < b.0);
                let counted = left_out.iter().all(|(_, n)| (1..=LEFT_OUT_MAX).contains(n));
                if !(ascending && counted) {
                    return Err(AberrationError::State("values left out"));
                }
                Baseline::SameSlot {
                    baselines: SlotBaselines::restore(spec.rule, baselines)?,
                    left_out: left_out.into_iter().collect(),
                }
            }
            (BaselineKind::Residual, BaselineState::Residual(dispersion)) => {
                Baseline::Residual(Dispersion::restore(dispersion)?)
            }
            _ => return Err(AberrationError::State("baseline")),
        };
        Ok(Self {
            baseline,
            ears: Ears::restore(spec.ears_rule, state.ears)?,
            cusum: Cusum::restore(spec.cusum, state.cusum)?,
            ewma: Ewma::restore(spec.ewma, state.ewma)?,
            votes: KOfN::restore(spec.votes, state.votes)?,
        })
    }
}
