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

/// Every id of this module.
pub const ALL: [&str; 21] = [
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
