//! How long to wait after failures: doubling, scattered, bounded.

use std::time::Duration;

/// A server that asks for more than this is asked again after this.
pub(crate) const RETRY_AFTER_MAX: Duration = Duration::from_hours(1);

/// Waits that double from one failure to the next.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backoff {
    first: Duration,
    most: Duration,
    failures: u32,
}

impl Backoff {
    /// From `first`, never more than `most`.
    pub(crate) fn new(first: Duration, most: Duration) -> Self {
        Self {
            first,
            most: most.max(first),
            failures: 0,
        }
    }

    /// All is well again.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// How long to wait after one more failure; a server's own wish is the least.
    pub(crate) fn after_failure(&mut self, asked: Option<Duration>) -> Duration {
        let wait = delay(self.first, self.most, self.failures, rand::random());
        self.failures = self.failures.saturating_add(1);
        wait.max(asked.unwrap_or_default().min(RETRY_AFTER_MAX))
    }
}

/// `first · 2^failures`, at most `most`, of which the upper half is left to chance so that clients
/// that failed together do not come back together.
fn delay(first: Duration, most: Duration, failures: u32, chance: u32) -> Duration {
    let doubled = first.saturating_mul(1_u32.checked_shl(failures).unwrap_or(u32::MAX).max(1));
    let bounded = doubled.min(most);
    let half = bounded / 2;
    half + half.mul_f64(f64::from(chance) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_half_is_chance() {
        let second = Duration::from_secs(1);
        for (failures, chance, millis) in [
            (0, u32::MAX, 1_000),
            (0, 0, 500),
            (1, u32::MAX, 2_000),
            (3, u32::MAX, 8_000),
            (4, u32::MAX, 10_000),
            (4, 0, 5_000),
            (31, u32::MAX, 10_000),
            (32, u32::MAX, 10_000),
            (4_000_000_000, u32::MAX, 10_000),
        ] {
            let wait = delay(second, 10 * second, failures, chance);
            assert_eq!(wait, Duration::from_millis(millis), "{failures} {chance}");
        }
    }

    #[test]
    fn the_servers_wish_is_the_least_and_is_bounded() {
        let mut backoff = Backoff::new(Duration::from_millis(1), Duration::from_millis(8));
        let wish = Duration::from_secs(7);
        assert_eq!(backoff.after_failure(Some(wish)), wish);
        let wish = Duration::from_secs(1_000_000);
        assert_eq!(backoff.after_failure(Some(wish)), RETRY_AFTER_MAX);
        assert!(backoff.after_failure(None) >= Duration::from_millis(2));
        backoff.reset();
        assert!(backoff.after_failure(None) <= Duration::from_millis(1));
    }
}
