//! A map that is easier to look at: every cell's value spread over its neighbours.
//!
//! For display only. An alert on a smoothed value would fire in the wrong cell, and smoothing hides
//! nobody: exact counts can be computed back from a smoothed map. So a map is smoothed after cells
//! with too few people were withheld, never instead.

use std::collections::BTreeMap;

/// The most rings of a kernel.
const RINGS_MAX: usize = 16;

/// The weight of a neighbour by its distance in cells.
#[derive(Debug, Clone, PartialEq)]
pub struct Kernel(Vec<f64>);

/// Why a map could not be smoothed.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum SmoothingError {
    /// A kernel without a weight for the cell itself, or with too many rings.
    #[error("a kernel of {0} weights is not of 1 to 17")]
    Rings(usize),
    /// A weight that is none.
    #[error("kernel weight {weight} at distance {distance} is not finite and above 0")]
    Weight {
        /// The distance.
        distance: usize,
        /// The weight.
        weight: f64,
    },
    /// A value that is no number of persons.
    #[error("value {0} of a cell is not a number between 0 and 1e15")]
    Value(f64),
    /// A cell of which no neighbours are given, or not itself at distance 0, exactly once.
    #[error("a cell with a value is not once among its own neighbours, at distance 0")]
    Neighbours,
}

/// The largest value of a cell.
const VALUE_MAX: f64 = 1e15;

impl Kernel {
    /// The cell itself 1, its neighbours ½ and theirs ¼.
    pub fn halves() -> Self {
        Self(vec![1.0, 0.5, 0.25])
    }

    /// Weights by distance, that of the cell itself first; cells further away get nothing.
    ///
    /// # Errors
    /// [`SmoothingError::Rings`]; [`SmoothingError::Weight`] when one is not finite and above 0, or
    /// below 10⁻⁹ of the first.
    pub fn try_new(weights: Vec<f64>) -> Result<Self, SmoothingError> {
        if !(1..=RINGS_MAX + 1).contains(&weights.len()) {
            return Err(SmoothingError::Rings(weights.len()));
        }
        for (distance, weight) in weights.iter().copied().enumerate() {
            if !((1e-9..=1e9).contains(&weight)) {
                return Err(SmoothingError::Weight { distance, weight });
            }
        }
        Ok(Self(weights))
    }

    fn weight(&self, distance: u8) -> Option<f64> {
        self.0.get(usize::from(distance)).copied()
    }
}

/// A map for display, not for alerts.
#[derive(Debug, Clone, PartialEq)]
pub struct Smoothed<C: Ord> {
    /// The value of every cell that received some.
    pub cells: BTreeMap<C, f64>,
}

/// Spreads each value over the cell's neighbours:
/// `s_i = Σ_j x_j K(d_ij) / Σ_l K(d_lj)`, with the weights of each *source* `j` adding up to 1. So
/// the total stays, at the edge of a map and beside a pentagon too.
///
/// `neighbours` gives for each cell with a value the cells within the kernel's reach with their
/// distances, the cell itself at distance 0 once. Cells that are withheld are not in `values`, and
/// a map's edge is kept by leaving cells beyond it out of the neighbours.
/// Method [`crate::method::SMOOTHING_K_RING`].
///
/// # Errors
/// [`SmoothingError::Value`] and [`SmoothingError::Neighbours`].
pub fn smooth<C: Copy + Ord>(
    values: &BTreeMap<C, f64>,
    neighbours: impl Fn(C) -> Vec<(C, u8)>,
    kernel: &Kernel,
) -> Result<Smoothed<C>, SmoothingError> {
    let mut cells = BTreeMap::new();
    for (cell, value) in values {
        if !(0.0..=VALUE_MAX).contains(value) {
            return Err(SmoothingError::Value(*value));
        }
        let neighbours = neighbours(*cell);
        let own = neighbours.iter().filter(|(other, _)| other == cell);
        if !own.map(|(_, distance)| distance).eq([&0]) {
            return Err(SmoothingError::Neighbours);
        }
        let reached = || {
            let weights = neighbours
                .iter()
                .map(|(other, d)| Some((*other, kernel.weight(*d)?)));
            weights.flatten()
        };
        let sum: f64 = reached().map(|(_, weight)| weight).sum();
        for (other, weight) in reached() {
            *cells.entry(other).or_default() += value * (weight / sum);
        }
    }
    Ok(Smoothed { cells })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Cells on a line from 0 to `len`, which has two edges.
    fn line(len: i32) -> impl Fn(i32) -> Vec<(i32, u8)> {
        move |cell| {
            (0..len)
                .map(|other| (other, u8::try_from(cell.abs_diff(other)).unwrap()))
                .filter(|(_, distance)| *distance <= 2)
                .collect()
        }
    }

    fn check(values: &[f64], expected: &[f64]) {
        let cells = (0..).zip(values.iter().copied()).collect();
        let smoothed = smooth(&cells, line(5), &Kernel::halves()).unwrap();
        let got: Vec<f64> = smoothed.cells.into_values().collect();
        assert_eq!(got.len(), expected.len(), "{got:?}");
        for (got, expected) in got.iter().zip(expected) {
            assert!((got - expected).abs() < 1e-12, "{got} {expected}");
        }
    }

    #[test]
    fn values_spread_and_edges_keep_theirs() {
        check(&[0.0, 0.0, 10.0], &[1.0, 2.0, 4.0, 2.0, 1.0]);
        // At the edge 1 + ½ + ¼ share what is there.
        check(&[7.0], &[4.0, 2.0, 1.0]);
        check(&[], &[]);
    }

    #[test]
    fn bad_input_is_a_typed_error() {
        let kernel = Kernel::halves();
        for bad in [-1.0, f64::NAN, f64::INFINITY] {
            let values = BTreeMap::from([(1, bad)]);
            let got = smooth(&values, line(3), &kernel);
            assert!(matches!(got, Err(SmoothingError::Value(_))), "{bad}");
            assert!(Kernel::try_new(vec![1.0, bad]).is_err(), "{bad}");
        }
        assert_eq!(Kernel::try_new(vec![]), Err(SmoothingError::Rings(0)));
        assert!(Kernel::try_new(vec![0.0]).is_err());
        assert!(Kernel::try_new(vec![1.0; 18]).is_err());
        let values = BTreeMap::from([(1, 5.0)]);
        for neighbours in [vec![], vec![(0, 1)], vec![(1, 1)], vec![(1, 0), (1, 0)]] {
            let got = smooth(&values, |_| neighbours.clone(), &kernel);
            assert_eq!(got, Err(SmoothingError::Neighbours));
        }
    }

    proptest! {
        /// Nobody is made or lost, at the edges either.
        #[test]
        fn the_total_stays(
            values in prop::collection::vec(0.0..1e6_f64, 0..30),
            weights in prop::collection::vec(0.01..2.0_f64, 1..5),
        ) {
            let total: f64 = values.iter().sum();
            let values = (0..).zip(values).collect();
            let kernel = Kernel::try_new(weights).unwrap();
            let smoothed = smooth(&values, line(30), &kernel).unwrap();
            prop_assert!(smoothed.cells.values().all(|v| v.is_finite() && *v >= 0.0));
            let sum: f64 = smoothed.cells.values().sum();
            prop_assert!((sum - total).abs() <= total * 1e-12 + 1e-12, "{} {}", sum, total);
        }
    }
}
