//! Ids of methods, as layer rows and alerts carry them: `family/name@version`.
//!
//! The version goes up whenever the same input may give another number. `docs/METHODS.md` has one
//! section for each id here, which a test checks.

/// Persons inside by conservation of counts: [`crate::occupancy::Occupancy`].
pub const OCCUPANCY_CONSERVATION: &str = "occupancy/conservation@1";

/// Persons per square metre of a venue's usable area: [`crate::density::density`].
pub const DENSITY_USABLE_AREA: &str = "density/usable-area@1";

/// Persons per square kilometre of a cell: [`crate::density::intensity`].
pub const INTENSITY_CELL_AREA: &str = "intensity/cell-area@1";

/// Fruin's level of service on walkways: [`crate::density::LosScheme::FruinWalkway`].
pub const LOS_FRUIN_WALKWAY: &str = "los/fruin-walkway@1";

/// Fruin's level of service in queues: [`crate::density::LosScheme::FruinQueue`].
pub const LOS_FRUIN_QUEUE: &str = "los/fruin-queue@1";

/// The Highway Capacity Manual's level on walkways: [`crate::density::LosScheme::HcmWalkway`].
pub const LOS_HCM_WALKWAY: &str = "los/hcm-walkway@1";

/// The Highway Capacity Manual's level in queues: [`crate::density::LosScheme::HcmQueue`].
pub const LOS_HCM_QUEUE: &str = "los/hcm-queue@1";

/// Share of an origin's people who are infectious and travel: [`crate::importation::prevalence`].
pub const PREVALENCE_CASES: &str = "prevalence/reported-cases@1";

/// Expected infectious arrivals: [`crate::importation::lambda`].
pub const INFLOW_LAMBDA: &str = "inflow/lambda-plugin@1";

/// Probability of at least one infectious arrival:
/// [`crate::importation::prob_at_least_one_exact`].
pub const INFLOW_AT_LEAST_ONE: &str = "inflow/at-least-one-exact@1";

/// Infectious arrivals under a tested prevalence: [`crate::importation::BetaPosterior`].
pub const INFLOW_BETA_BINOMIAL: &str = "inflow/beta-binomial@1";

/// Prevalence from daily reports and their delay:
/// [`crate::importation::Reported::try_daily`].
pub const PREVALENCE_DAILY: &str = "prevalence/daily-reports@1";

/// Expected infectious arrivals and the probability of at least one, with shared ascertainment:
/// [`crate::importation::JointRisk`].
pub const INFLOW_LAMBDA_JOINT: &str = "inflow/lambda-joint@1";

/// Shares of origins: [`crate::importation::Workspace::origin_shares`].
pub const INFLOW_ORIGIN_SHARE: &str = "inflow/origin-share@1";

/// Imports beside a city's own infections: [`crate::importation::CordonRisk::import_share`].
pub const INFLOW_IMPORT_SHARE: &str = "inflow/import-share@1";

/// Prevalence from a sample of tests: [`crate::importation::Sample`].
pub const PREVALENCE_SAMPLE: &str = "prevalence/tested-sample@1";

/// Persons present in the long run: [`crate::presence::present`].
pub const PRESENCE_LITTLE: &str = "presence/little@1";

/// Persons present from arrivals and stays: [`crate::presence::StayWeights`].
pub const PRESENCE_STAY: &str = "presence/stay@1";

/// Contacts of infectious visitors: [`crate::exposure::Contacts`].
pub const EXPOSURE_CONTACTS: &str = "exposure/contacts@1";

/// Infections by shared air: [`crate::exposure::infection_steady`].
pub const EXPOSURE_WELLS_RILEY: &str = "exposure/wells-riley@1";

/// Persons who may be inside by space for each: [`crate::density::places`].
pub const CAPACITY_SPACE: &str = "capacity/space-per-person@1";

/// Probability that introductions start an outbreak:
/// [`crate::outbreak::Offspring::outbreak_probability`].
pub const OUTBREAK_BRANCHING: &str = "outbreak/branching@1";

/// Time to the first detected introduction: [`crate::outbreak::Detection`].
pub const DETECTION_FIRST: &str = "detection/first-import@1";

/// Persons in quarantine on days ahead: [`crate::quarantine::load`].
pub const QUARANTINE_LOAD: &str = "quarantine/load@1";

/// Slots with room near those over capacity: [`crate::stagger::hints`].
pub const STAGGER_NEAREST: &str = "stagger/nearest-slot@1";

/// Every id of this module.
pub const ALL: [&str; 25] = [
    OCCUPANCY_CONSERVATION,
    DENSITY_USABLE_AREA,
    INTENSITY_CELL_AREA,
    LOS_FRUIN_WALKWAY,
    LOS_FRUIN_QUEUE,
    LOS_HCM_WALKWAY,
    LOS_HCM_QUEUE,
    PREVALENCE_CASES,
    INFLOW_LAMBDA,
    INFLOW_AT_LEAST_ONE,
    INFLOW_BETA_BINOMIAL,
    PREVALENCE_DAILY,
    INFLOW_LAMBDA_JOINT,
    INFLOW_ORIGIN_SHARE,
    INFLOW_IMPORT_SHARE,
    PREVALENCE_SAMPLE,
    PRESENCE_LITTLE,
    PRESENCE_STAY,
    EXPOSURE_CONTACTS,
    EXPOSURE_WELLS_RILEY,
    CAPACITY_SPACE,
    OUTBREAK_BRANCHING,
    DETECTION_FIRST,
    QUARANTINE_LOAD,
    STAGGER_NEAREST,
];

#[cfg(test)]
mod tests {
    const METHODS: &str = include_str!("../../../docs/METHODS.md");

    /// The manual has a heading for every method, and no heading for a method that is not here.
    #[test]
    fn manual_and_ids_agree() {
        let mut documented: Vec<&str> = METHODS
            .lines()
            .filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`'))
            .collect();
        documented.sort_unstable();
        let mut ids = super::ALL;
        ids.sort_unstable();
        assert_eq!(documented, ids);
    }
}
