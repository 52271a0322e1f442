//! A token bucket: so many at once, so many per second.

use std::time::Duration;

use tokio::time::Instant;

/// Requests that may still come.
#[derive(Debug)]
pub(super) struct Bucket {
    per_second: f64,
    most: f64,
    left: f64,
    at: Option<Instant>,
}

impl Bucket {
    /// A full one.
    pub(super) fn new(per_second: f64, burst: u32) -> Self {
        Self {
            per_second,
            most: f64::from(burst),
            left: f64::from(burst),
            at: None,
        }
    }

    /// Takes one request, or says after how long one can be taken.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let passed = self
            .at
            .map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        self.at = Some(now);
        self.left = (self.left + passed.as_secs_f64() * self.per_second).min(self.most);
        if self.left >= 1.0 {
            self.left -= 1.0;
            return Ok(());
        }
        let wait = (1.0 - self.left) / self.per_second;
        Err(Duration::from_secs_f64(wait))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let mut bucket = Bucket::new(2.0, 3);
        let start = Instant::now();
        for (millis, expected) in [
            (0, Ok(())),
            (0, Ok(())),
            (0, Ok(())),
            (0, Err(500)),
            (250, Err(250)),
            (500, Ok(())),
            (500, Err(500)),
            // A long pause gives the burst again and no more.
            (100_000, Ok(())),
            (100_000, Ok(())),
            (100_000, Ok(())),
            (100_000, Err(500)),
        ] {
            let taken = bucket.take(start + Duration::from_millis(millis));
            assert_eq!(taken, expected.map_err(Duration::from_millis), "{millis}");
        }
    }
}
