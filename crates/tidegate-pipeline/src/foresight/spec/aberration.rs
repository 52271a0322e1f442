//! What `[[aberration]]` asks for, checked.

use tidegate_risk::aberration::AberrationError;
use tidegate_risk::aberration::baseline::BaselineRule;
use tidegate_risk::aberration::chart::{AfterAlarm, CusumRule, EwmaRule};
use tidegate_risk::aberration::ears::EarsThresholds;
use tidegate_risk::aberration::multiplicity::{FalseDiscoveryRate, KOfNRule};
use tidegate_risk::method;

use super::At;
use crate::AberrationConfig;
use crate::pipeline::Keys;

/// What a value is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BaselineKind {
    /// Values of the same slot of the day on days of the type.
    SameSlot,
    /// The forecast one slot ahead.
    Residual,
}

impl BaselineKind {
    const ALL: [Self; 2] = [Self::SameSlot, Self::Residual];

    const fn as_str(self) -> &'static str {
        match self {
            Self::SameSlot => "same_slot",
            Self::Residual => "residual",
        }
    }

    /// The method id of a distance from it.
    pub(in crate::foresight) const fn method(self) -> &'static str {
        match self {
            Self::SameSlot => method::BASELINE_SAME_SLOT,
            Self::Residual => method::RESIDUAL_SQUARE_ROOT,
        }
    }
}

/// What counts as an aberration.
#[derive(Debug, Clone)]
pub(crate) struct AberrationSpec {
    pub(in crate::foresight) kind: BaselineKind,
    /// Of values.
    pub(in crate::foresight) rule: BaselineRule,
    /// Of distances, which vary by about 1.
    pub(in crate::foresight) ears_rule: BaselineRule,
    pub(in crate::foresight) thresholds: EarsThresholds,
    pub(in crate::foresight) cusum: CusumRule,
    pub(in crate::foresight) ewma: EwmaRule,
    pub(in crate::foresight) votes: KOfNRule,
    pub(in crate::foresight) rate: FalseDiscoveryRate,
}

impl Keys<'_> {
    /// What one table asks for; what is wrong with it goes to the problems.
    pub(super) fn aberration(
        &mut self,
        at: At,
        config: &AberrationConfig,
    ) -> Option<AberrationSpec> {
        let kinds = BaselineKind::ALL;
        let kind = kinds
            .into_iter()
            .find(|kind| kind.as_str() == config.baseline);
        if kind.is_none() {
            let words = kinds.map(BaselineKind::as_str).join(" or ");
            let message = format!("{:?} is not {words}", config.baseline);
            self.problem(at.0, at.1, "baseline", message);
        }
        let length = config.baseline_length;
        let rule = BaselineRule::try_new(length, config.sigma_floor);
        let ears_rule = BaselineRule::try_new(length, BaselineRule::DEFAULT.sigma_floor());
        let thresholds = EarsThresholds::try_new([config.ears_c1, config.ears_c2, config.ears_c3]);
        let cusum = CusumRule::try_new(config.cusum_k, config.cusum_h, AfterAlarm::Restart);
        let ewma = EwmaRule::try_new(config.ewma_weight, config.ewma_width);
        let votes = KOfNRule::try_new(config.k, config.n);
        let rate = FalseDiscoveryRate::try_new(config.q);
        let rule = self.sound(at, rule);
        let thresholds = self.sound(at, thresholds);
        let (cusum, ewma) = (self.sound(at, cusum), self.sound(at, ewma));
        let (votes, rate) = (self.sound(at, votes), self.sound(at, rate));
        Some(AberrationSpec {
            kind: kind?,
            rule: rule?,
            ears_rule: ears_rule.ok()?,
            thresholds: thresholds?,
            cusum: cusum?,
            ewma: ewma?,
            votes: votes?,
            rate: rate?,
        })
    }

    fn sound<T>(&mut self, at: At, made: Result<T, AberrationError>) -> Option<T> {
        made.map_err(|error| self.problem(at.0, at.1, key_of(error), error.to_string()))
            .ok()
    }
}

/// The key whose value is refused with this error.
fn key_of(error: AberrationError) -> &'static str {
    match error {
        AberrationError::BaselineLength(_) => "baseline_length",
        AberrationError::SigmaFloor(_) => "sigma_floor",
        AberrationError::Threshold(_) => "ears_c1",
        AberrationError::Allowance(_) => "cusum_k",
        AberrationError::DecisionLimit(_) => "cusum_h",
        AberrationError::Weight(_) => "ewma_weight",
        AberrationError::LimitWidth(_) => "ewma_width",
        AberrationError::Votes { .. } => "k",
        AberrationError::FalseDiscoveryRate(_) => "q",
        AberrationError::Value(_)
        | AberrationError::Count(_)
        | AberrationError::Slot(_)
        | AberrationError::Expected(_)
        | AberrationError::Dispersion(_)
        | AberrationError::RunLengthInput { .. }
        | AberrationError::NoLimit { .. }
        | AberrationError::PValue(_)
        | AberrationError::State(_) => unreachable!("rules are not refused with it"),
    }
}
