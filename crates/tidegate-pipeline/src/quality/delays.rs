//! How long records take from their event to their arrival, as a histogram.

use std::collections::BTreeMap;

/// Buckets to a doubling: a quantile is off by less than 1/32 of its value, or 1 ms.
const BUCKETS: i64 = 16;

/// Delays in milliseconds by bucket; negative where an event claims to be after its arrival.
///
/// Stored in snapshots: the buckets are a promise.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Delays {
    counts: BTreeMap<i16, u64>,
}

impl Delays {
    pub(super) fn add(&mut self, delay_us: i64) {
        *self.counts.entry(bucket(delay_us / 1_000)).or_default() += 1;
    }

    /// Takes over what `other` holds.
    pub(super) fn merge(&mut self, other: Self) {
        for (bucket, count) in other.counts {
            *self.counts.entry(bucket).or_default() += count;
        }
    }

    /// The delay in seconds that a share of `percent` is at or below; none of nothing.
    pub(super) fn quantile_s(&self, percent: u64) -> Option<f64> {
        let total: u64 = self.counts.values().sum();
        let rank = (total * percent).div_ceil(100).max(1);
        let mut seen = 0;
        let (bucket, _) = self.counts.iter().find(|(_, count)| {
            seen += **count;
            seen >= rank
        })?;
        Some(middle_ms(*bucket) / 1_000.0)
    }
}

/// The bucket of a delay: itself below [`BUCKETS`], then as many to each doubling.
fn bucket(ms: i64) -> i16 {
    let size = ms.unsigned_abs();
    let first = BUCKETS.unsigned_abs();
    let index = if size < first {
        size
    } else {
        let doublings = u64::from(size.ilog2() - first.ilog2());
        // 16 to 31 of the unit that the doubling has.
        doublings * first + (size >> doublings)
    };
    let index = i16::try_from(index).expect("64 doublings of 16 buckets");
    if ms < 0 { -index } else { index }
}

/// The middle of a bucket in milliseconds.
fn middle_ms(bucket: i16) -> f64 {
    let index = i64::from(bucket.abs());
    let size = if index < 2 * BUCKETS {
        f64::from(bucket.abs())
    } else {
        let doublings = index / BUCKETS - 1;
        let unit = f64::from(i32::try_from(doublings).expect("few doublings")).exp2();
        let within = i32::try_from(index - doublings * BUCKETS).expect("16 to 31");
        (f64::from(within) + 0.5) * unit
    };
    if bucket < 0 { -size } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_in_order_and_close_to_their_values() {
        let mut last = i16::MIN;
        for ms in -100_000_i64..100_000 {
            let index = bucket(ms);
            assert!(index >= last, "{ms}");
            last = index;
            #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
            let value = ms as f64;
            let off = (middle_ms(index) - value).abs();
            assert!(off <= 1.0_f64.max(value.abs() / 32.0), "{ms}: off by {off}");
        }
        assert!(bucket(i64::MIN / 1_000) < bucket(-1) && bucket(1) < bucket(i64::MAX / 1_000));
    }

    #[test]
    fn quantiles() {
        let mut delays = Delays::default();
        assert_eq!(delays.quantile_s(50), None);
        for ms in 1..=100_i64 {
            delays.add(ms * 100_000);
        }
        let near = |percent, expected: f64| {
            let found = delays.quantile_s(percent).unwrap();
            assert!(
                (found - expected).abs() <= expected / 32.0,
                "{percent}: {found}"
            );
        };
        near(50, 5.0);
        near(99, 9.9);
        near(100, 10.0);
        near(0, 0.1);
    }
}
