//! Whole persons from a polygon to the cells that it overlaps, and from cells to their parents.

use std::cmp::Reverse;
use std::collections::BTreeMap;

/// What the largest weight becomes as a whole number. Weights are compared as whole numbers, so
/// that shares and ties do not depend on rounding; the share of a weight below 2⁻⁵² of the largest
/// is 0.
const WEIGHT_ONE: f64 = 4_503_599_627_370_496.0;

/// Why persons could not be allocated or summed.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum AllocationError {
    /// Fewer than no persons.
    #[error("{0} persons to allocate are not 0 or more")]
    Persons(i64),
    /// A weight that is none.
    #[error("weight {0} of a cell is not a finite number of 0 or more")]
    Weight(f64),
    /// No cell, or none with a weight above 0: nowhere to put anybody.
    #[error("no cell has a weight above 0")]
    NoWeight,
    /// Children that do not fit 64 bits together.
    #[error("the children of a cell are too many persons")]
    Overflow,
}

/// `persons` to cells by their weights, such as the areas of a polygon in each: whole numbers that
/// add up to `persons`, each within 1 of its exact share.
///
/// By largest remainder (Hamilton's method): every cell gets its share rounded down, and the
/// persons left over go one each to the cells with the largest remainders; of equal ones to the
/// lower id.
/// Weights need not add up to 1. A cell of weight 0 gets nobody.
/// Method [`crate::method::ALLOCATION_LARGEST_REMAINDER`].
///
/// # Errors
/// [`AllocationError::Persons`], [`AllocationError::Weight`] and [`AllocationError::NoWeight`].
///
/// ```
/// use std::collections::BTreeMap;
/// use tidegate_risk::spatial::allocate;
/// let weights = BTreeMap::from([("a", 0.5), ("b", 0.25), ("c", 0.25)]);
/// let cells = allocate(7, &weights)?;
/// assert_eq!(cells, BTreeMap::from([("a", 3), ("b", 2), ("c", 2)]));
/// # Ok::<(), tidegate_risk::spatial::AllocationError>(())
/// ```
pub fn allocate<C: Copy + Ord>(
    persons: i64,
    weights: &BTreeMap<C, f64>,
) -> Result<BTreeMap<C, i64>, AllocationError> {
    let total = u128::try_from(persons).map_err(|_| AllocationError::Persons(persons))?;
    let weights = whole_weights(weights)?;
    let sum: u128 = weights.iter().map(|(_, weight)| weight).sum();
    let mut cells = BTreeMap::new();
    let mut remainders = Vec::with_capacity(weights.len());
    let mut left = total;
    for (cell, weight) in weights {
        let share = total * weight;
        left -= share / sum;
        remainders.push((Reverse(share % sum), cell));
        cells.insert(cell, share / sum);
    }
    // Fewer are left than there are remainders above 0, because these add up to `left * sum`.
    remainders.sort_unstable();
    let left = usize::try_from(left).expect("fewer than there are cells");
    for (_, cell) in &remainders[..left] {
        *cells.entry(*cell).or_default() += 1;
    }
    let whole = |count: u128| i64::try_from(count).expect("a part of `persons`");
    Ok(cells
        .into_iter()
        .map(|(cell, count)| (cell, whole(count)))
        .collect())
}

fn whole_weights<C: Copy>(weights: &BTreeMap<C, f64>) -> Result<Vec<(C, u128)>, AllocationError> {
    let mut largest = 0.0_f64;
    for weight in weights.values() {
        if !(weight.is_finite() && *weight >= 0.0) {
            return Err(AllocationError::Weight(*weight));
        }
        largest = largest.max(*weight);
    }
    if largest <= 0.0 {
        return Err(AllocationError::NoWeight);
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 2^52"
    )]
    let whole = |weight: f64| (weight / largest * WEIGHT_ONE).round() as u128;
    Ok(weights
        .iter()
        .map(|(cell, weight)| (*cell, whole(*weight)))
        .collect())
}

/// The persons of each parent: the sum of its children, exactly.
/// Method [`crate::method::ALLOCATION_PARENT_SUM`].
///
/// # Errors
/// [`AllocationError::Overflow`].
pub fn parent_sums<C: Copy, P: Ord>(
    children: impl IntoIterator<Item = (C, i64)>,
    parent: impl Fn(C) -> P,
) -> Result<BTreeMap<P, i64>, AllocationError> {
    let mut sums: BTreeMap<P, i128> = BTreeMap::new();
    for (child, persons) in children {
        // 2^63 children of 2^63 persons fit.
        *sums.entry(parent(child)).or_default() += i128::from(persons);
    }
    let whole = |(parent, sum)| {
        let sum = i64::try_from(sum).map_err(|_| AllocationError::Overflow)?;
        Ok((parent, sum))
    };
    sums.into_iter().map(whole).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(persons: i64, weights: &[f64], expected: &[i64]) {
        let weights = weights.iter().copied().enumerate().collect();
        let cells = allocate(persons, &weights).unwrap();
        assert_eq!(cells.into_values().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn largest_remainder() {
        check(0, &[1.0, 2.0], &[0, 0]);
        check(10, &[1.0], &[10]);
        check(1, &[1.0, 1.0, 1.0], &[1, 0, 0]);
        check(2, &[1.0, 1.0, 1.0], &[1, 1, 0]);
        check(7, &[0.0, 3.0, 1.0], &[0, 5, 2]);
        // Shares 47.0, 16.0, 15.9, 12.0, 6.0, 3.1.
        check(
            100,
            &[47_000.0, 16_000.0, 15_900.0, 12_000.0, 6_000.0, 3_100.0],
            &[47, 16, 16, 12, 6, 3],
        );
        check(i64::MAX, &[1.0, 1.0], &[i64::MAX / 2 + 1, i64::MAX / 2]);
        check(3, &[f64::MAX, f64::MAX, f64::MIN_POSITIVE], &[2, 1, 0]);
    }

    #[test]
    fn bad_input_is_a_typed_error() {
        let one = |weight: f64| BTreeMap::from([(1, weight)]);
        assert_eq!(allocate(-1, &one(1.0)), Err(AllocationError::Persons(-1)));
        assert_eq!(allocate(1, &one(0.0)), Err(AllocationError::NoWeight));
        assert_eq!(
            allocate::<u8>(1, &BTreeMap::new()),
            Err(AllocationError::NoWeight)
        );
        for bad in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(
                matches!(allocate(1, &one(bad)), Err(AllocationError::Weight(_))),
                "{bad}"
            );
        }
        let large = [(0, i64::MAX), (1, 1)];
        assert_eq!(parent_sums(large, |_| ()), Err(AllocationError::Overflow));
    }

    #[test]
    fn a_parent_is_its_children() {
        let sums = parent_sums([(10, 5), (11, 7), (20, 1)], |cell| cell / 10).unwrap();
        assert_eq!(sums, BTreeMap::from([(1, 12), (2, 1)]));
        // A child that goes down again is no overflow.
        let sums = parent_sums([(0, i64::MAX), (1, 1), (2, -1)], |_| ()).unwrap();
        assert_eq!(sums, BTreeMap::from([((), i64::MAX)]));
    }

    proptest! {
        /// Nobody is made or lost, and each cell is within 1 of its exact share.
        #[test]
        fn allocation_is_fair(
            persons in 0..1_000_000_000_i64, weights in prop::collection::vec(0.0..1.0_f64, 1..40),
        ) {
            let weights: BTreeMap<usize, f64> = weights.into_iter().enumerate().collect();
            let sum: f64 = weights.values().sum();
            prop_assume!(sum > 0.0);
            let cells = allocate(persons, &weights).unwrap();
            prop_assert_eq!(cells.values().sum::<i64>(), persons);
            #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
            for (cell, count) in &cells {
                let exact = persons as f64 * weights[cell] / sum;
                prop_assert!((*count as f64 - exact).abs() < 1.0 + 1e-6, "{} {}", count, exact);
            }
        }

        /// The same weights in another unit give the same cells, and so do they all day.
        #[test]
        fn units_do_not_matter(
            persons in 0..10_000_i64, weights in prop::collection::vec(1..1_000_u32, 1..20),
        ) {
            let scaled = |factor: f64| -> BTreeMap<usize, f64> {
                weights.iter().map(|w| f64::from(*w) * factor).enumerate().collect()
            };
            let cells = allocate(persons, &scaled(1.0)).unwrap();
            prop_assert_eq!(&allocate(persons, &scaled(1024.0)).unwrap(), &cells);
            prop_assert_eq!(&allocate(persons, &scaled(0.125)).unwrap(), &cells);
        }

        /// What cells hold, their parents hold.
        #[test]
        fn parents_hold_their_children(children in prop::collection::vec(0..1_000_000_i64, 0..80)) {
            let total: i64 = children.iter().sum();
            let sums = parent_sums(children.into_iter().enumerate(), |cell| cell / 7).unwrap();
            prop_assert_eq!(sums.values().sum::<i64>(), total);
        }
    }
}
