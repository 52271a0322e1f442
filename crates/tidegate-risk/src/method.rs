//! Ids of methods, as layer rows and alerts carry them: `family/name@version`.
//!
//! The version goes up whenever the same input may give another number. `docs/METHODS.md` has one
//! section for each id here, which a test checks.

/// Persons inside by conservation of counts: [`crate::occupancy::Occupancy`].
pub const OCCUPANCY_CONSERVATION: &str = "occupancy/conservation@1";

/// The factor of one side of the counts from past days: [`crate::occupancy::GainHistory`].
pub const OCCUPANCY_GAIN: &str = "occupancy/gain@1";

/// Persons inside by their entries: [`crate::occupancy::EntriesOccupancy`].
pub const OCCUPANCY_DWELL: &str = "occupancy/dwell@1";

/// Persons expected inside: [`crate::occupancy::expected_presence`].
pub const OCCUPANCY_DWELL_FORECAST: &str = "occupancy/dwell-forecast@1";

/// Persons inside by all that is known: [`crate::occupancy::Blend`].
pub const OCCUPANCY_BLEND: &str = "occupancy/blend@1";

/// Persons per square metre of a venue's usable area: [`crate::density::density`].
pub const DENSITY_USABLE_AREA: &str = "density/usable-area@1";

/// Persons that a venue may hold: [`crate::capacity::capacity`].
pub const CAPACITY_AREA_RULE: &str = "capacity/area-rule@1";

/// The level of persons over capacity: [`crate::crowding::LoadBounds::level`].
pub const LEVEL_LOAD: &str = "level/load@1";

/// The level of a density that hurts: [`crate::crowding::SafetyBounds::level`].
pub const LEVEL_LIFE_SAFETY: &str = "level/life-safety@1";

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

/// Whole persons of a polygon to its cells: [`crate::spatial::allocate`].
pub const ALLOCATION_LARGEST_REMAINDER: &str = "allocation/largest-remainder@1";

/// Whole persons of cells to their parents: [`crate::spatial::parent_sums`].
pub const ALLOCATION_PARENT_SUM: &str = "allocation/parent-sum@1";

/// A map for display: [`crate::spatial::smooth`].
pub const SMOOTHING_K_RING: &str = "smoothing/k-ring@1";

/// Share of an origin's people who are infectious and travel: [`crate::importation::prevalence`].
pub const PREVALENCE_CASES: &str = "prevalence/reported-cases@1";

/// Expected infectious arrivals: [`crate::importation::lambda`].
pub const INFLOW_LAMBDA: &str = "inflow/lambda-plugin@1";

/// Probability of at least one infectious arrival:
/// [`crate::importation::prob_at_least_one_exact`].
pub const INFLOW_AT_LEAST_ONE: &str = "inflow/at-least-one-exact@1";

/// Infectious arrivals under a tested prevalence: [`crate::importation::BetaPosterior`].
pub const INFLOW_BETA_BINOMIAL: &str = "inflow/beta-binomial@1";

/// Mean and deviation of the same slot before: [`crate::aberration::baseline::SlotBaselines`].
pub const BASELINE_SAME_SLOT: &str = "baseline/same-slot@1";

/// A window against those just before: [`crate::aberration::ears`].
pub const EARS_C1: &str = "aberration/ears-c1@1";

/// A window against those before a guard of two: [`crate::aberration::ears`].
pub const EARS_C2: &str = "aberration/ears-c2@1";

/// What exceeds 1 in three C2: [`crate::aberration::ears`].
pub const EARS_C3: &str = "aberration/ears-c3@1";

/// Chance of a score this high: [`crate::aberration::baseline::Score::p_value`].
pub const ABERRATION_P_VALUE: &str = "aberration/p-value@1";

/// A count against its expectation: [`crate::aberration::residual::Expectation::anscombe`].
pub const RESIDUAL_ANSCOMBE: &str = "residual/anscombe@1";

/// The same by square roots:
/// [`crate::aberration::residual::Expectation::square_root`].
pub const RESIDUAL_SQUARE_ROOT: &str = "residual/square-root@1";

/// Chance of a residual this high: [`crate::aberration::normal::upper_tail`].
pub const ABERRATION_NORMAL_TAIL: &str = "aberration/normal-tail@1";

/// How much more a series varies than Poisson counts: [`crate::aberration::dispersion::Dispersion`].
pub const RESIDUAL_DISPERSION: &str = "residual/dispersion@1";

/// Cumulated excess of residuals: [`crate::aberration::chart::Cusum`].
pub const CUSUM: &str = "aberration/cusum@1";

/// Weighted average of residuals: [`crate::aberration::chart::Ewma`].
pub const EWMA: &str = "aberration/ewma@1";

/// Some of the last windows raised: [`crate::aberration::multiplicity::KOfN`].
pub const ABERRATION_K_OF_N: &str = "aberration/k-of-n@1";

/// Which of many venues are raised:
/// [`crate::aberration::multiplicity::benjamini_hochberg`].
pub const ABERRATION_BH: &str = "aberration/benjamini-hochberg@1";

/// Which way the people go: [`crate::indicators::imbalance`].
pub const INDICATOR_IMBALANCE: &str = "indicator/imbalance@1";

/// The difference of arrivals and departures against chance: [`crate::indicators::skellam_z`].
pub const INDICATOR_SKELLAM: &str = "indicator/skellam-z@1";

/// Minutes until a threshold is met: [`crate::indicators::time_to_threshold`].
pub const INDICATOR_TIME_TO_THRESHOLD: &str = "indicator/time-to-threshold@1";

/// Volume over capacity of a door: [`crate::indicators::door_load`].
pub const INDICATOR_DOOR: &str = "indicator/door-load@1";

/// A forecast: the last value. [`crate::forecast::Model::LastValue`].
pub const FORECAST_LAST_VALUE: &str = "forecast/last-value@1";

/// A forecast: the same slot a week before. [`crate::forecast::Model::SeasonalNaive`].
pub const FORECAST_SEASONAL_NAIVE: &str = "forecast/seasonal-naive@1";

/// A forecast: a seasonal profile and a decaying residual. [`crate::forecast::Model::Profile`].
pub const FORECAST_PROFILE: &str = "forecast/profile-residual@1";

/// A forecast: Holt-Winters with two seasons. [`crate::forecast::Model::DoubleSeasonal`].
pub const FORECAST_DOUBLE_SEASONAL: &str = "forecast/double-seasonal@1";

/// A forecast: a local level over a profile. [`crate::forecast::Model::LocalLevel`].
pub const FORECAST_LOCAL_LEVEL: &str = "forecast/local-level@1";

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
pub const ALL: &[&str] = &[
    OCCUPANCY_CONSERVATION,
    OCCUPANCY_GAIN,
    OCCUPANCY_DWELL,
    OCCUPANCY_DWELL_FORECAST,
    OCCUPANCY_BLEND,
    DENSITY_USABLE_AREA,
    CAPACITY_AREA_RULE,
    LEVEL_LOAD,
    LEVEL_LIFE_SAFETY,
    INTENSITY_CELL_AREA,
    LOS_FRUIN_WALKWAY,
    LOS_FRUIN_QUEUE,
    LOS_HCM_WALKWAY,
    LOS_HCM_QUEUE,
    ALLOCATION_LARGEST_REMAINDER,
    ALLOCATION_PARENT_SUM,
    SMOOTHING_K_RING,
    PREVALENCE_CASES,
    INFLOW_LAMBDA,
    INFLOW_AT_LEAST_ONE,
    INFLOW_BETA_BINOMIAL,
    BASELINE_SAME_SLOT,
    EARS_C1,
    EARS_C2,
    EARS_C3,
    ABERRATION_P_VALUE,
    RESIDUAL_ANSCOMBE,
    RESIDUAL_SQUARE_ROOT,
    RESIDUAL_DISPERSION,
    ABERRATION_NORMAL_TAIL,
    CUSUM,
    EWMA,
    ABERRATION_K_OF_N,
    ABERRATION_BH,
    INDICATOR_IMBALANCE,
    INDICATOR_SKELLAM,
    INDICATOR_TIME_TO_THRESHOLD,
    INDICATOR_DOOR,
    FORECAST_LAST_VALUE,
    FORECAST_SEASONAL_NAIVE,
    FORECAST_PROFILE,
    FORECAST_DOUBLE_SEASONAL,
    FORECAST_LOCAL_LEVEL,
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
        let mut ids = super::ALL.to_vec();
        ids.sort_unstable();
        assert_eq!(documented, ids);
    }
}
