//! Seasons in few bytes: a value a slot in 4 bytes, or the last four values of a slot in 2 each.
//!
//! They are kept as they are stored, so that a restored forecaster computes with the same bits.
//! A slot out of range is read as empty and written nowhere.

/// Values that a slot of a profile remembers.
const LAST: usize = 4;
/// Bytes of a slot of a profile.
pub(super) const PROFILE_SLOT_BYTES: usize = 2 * LAST;
/// Bytes of a slot of a season.
pub(super) const SEASON_SLOT_BYTES: usize = 4;
/// No value.
const EMPTY: u16 = u16::MAX;
/// Steps of the finest grid in a person.
const STEPS: f64 = 256.0;
/// Significant steps of a code: 12 bits.
const SIGNIFICANT: f64 = 4096.0;

/// A profile of `slots` empty slots.
pub(super) fn empty_profile(slots: usize) -> Vec<u8> {
    vec![u8::MAX; slots * PROFILE_SLOT_BYTES]
}

/// A season of `slots` empty slots: their bits are a NaN.
pub(super) fn empty_season(slots: usize) -> Vec<u8> {
    vec![u8::MAX; slots * SEASON_SLOT_BYTES]
}

/// The value of `slot`; `None` when there was none.
pub(super) fn season(cells: &[u8], slot: usize) -> Option<f64> {
    let cell: &[u8; SEASON_SLOT_BYTES] = cells.as_chunks().0.get(slot)?;
    let value = f32::from_le_bytes(*cell);
    (!value.is_nan()).then(|| f64::from(value))
}

/// Sets the value of `slot`, to 24 significant bits.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the rounding is the purpose"
)]
pub(super) fn set_season(cells: &mut [u8], slot: usize, value: f64) {
    if let Some(cell) = cells.as_chunks_mut::<SEASON_SLOT_BYTES>().0.get_mut(slot) {
        *cell = (value as f32).to_le_bytes();
    }
}

/// Every value of a season, for checks.
pub(super) fn season_values(cells: &[u8]) -> impl Iterator<Item = f64> {
    (0..cells.len() / SEASON_SLOT_BYTES).filter_map(|slot| season(cells, slot))
}

/// The median of the last four values of `slot`; `None` when there was none.
pub(super) fn median(cells: &[u8], slot: usize) -> Option<f64> {
    let cell: &[u8; PROFILE_SLOT_BYTES] = cells.as_chunks().0.get(slot)?;
    let mut values = [f64::INFINITY; LAST];
    let mut n_values = 0;
    for code in cell.as_chunks::<2>().0 {
        let code = u16::from_le_bytes(*code);
        if code != EMPTY {
            values[n_values] = decoded(code);
            n_values += 1;
        }
    }
    let known = values.get_mut(..n_values)?;
    known.sort_unstable_by(f64::total_cmp);
    let upper = known.get(n_values / 2)?;
    let lower = known.get(n_values.checked_sub(1)? / 2)?;
    Some(f64::midpoint(*lower, *upper))
}

/// Remembers `value` in `slot` and forgets its fifth-last.
pub(super) fn push(cells: &mut [u8], slot: usize, value: f64) {
    if let Some(cell) = cells.as_chunks_mut::<PROFILE_SLOT_BYTES>().0.get_mut(slot) {
        cell.copy_within(2.., 0);
        cell[PROFILE_SLOT_BYTES - 2..].copy_from_slice(&encoded(value).to_le_bytes());
    }
}

/// A float without sign: 12 significant bits from 1/256 up to 1.7 · 10¹⁰. Whole persons are exact
/// to 4096, and within 1 in 8192 above.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the mantissa is a whole number below 4096"
)]
fn encoded(value: f64) -> u16 {
    let mut mantissa = value.max(0.0) * STEPS;
    let mut exponent = 0_u16;
    while mantissa.round_ties_even() >= SIGNIFICANT && exponent < 30 {
        mantissa /= 2.0;
        exponent += 1;
    }
    let code = 2048 * exponent + mantissa.round_ties_even().min(SIGNIFICANT - 1.0) as u16;
    code.min(EMPTY - 1)
}

fn decoded(code: u16) -> f64 {
    let exponent = (code / 2048).saturating_sub(1);
    let mantissa = f64::from(code - 2048 * exponent);
    mantissa * f64::from(1_u32 << exponent) / STEPS
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn whole_persons_are_exact_to_4096() {
        for persons in 0..=4096_u16 {
            let value = f64::from(persons);
            assert!((decoded(encoded(value)) - value).abs() < f64::EPSILON);
        }
        assert_ne!(encoded(1e300), EMPTY);
    }

    #[test]
    fn median_of_the_last_four() {
        let mut cells = empty_profile(2);
        assert_eq!(median(&cells, 1), None);
        for (value, expected) in [
            (4.0, 4.0),
            (8.0, 6.0),
            (100.0, 8.0),
            (6.0, 7.0),
            (5.0, 7.0),
            (5.0, 5.5),
        ] {
            push(&mut cells, 1, value);
            assert_eq!(median(&cells, 1), Some(expected));
        }
        assert_eq!(median(&cells, 0), None);
        assert_eq!(median(&cells, 2), None);
        push(&mut cells, 2, 1.0);
    }

    proptest! {
        #[test]
        fn codes_keep_twelve_bits(value in 1.0..1e9_f64) {
            let error = (decoded(encoded(value)) - value).abs();
            prop_assert!(error <= (value / 4096.0).max(1.0 / 512.0), "{value} {error}");
        }

        #[test]
        fn codes_ascend(a in 0..u16::MAX - 1) {
            prop_assert!(decoded(a) < decoded(a + 1));
            prop_assert_eq!(encoded(decoded(a)), a);
        }
    }
}
