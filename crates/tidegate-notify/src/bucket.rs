//! A token bucket: so many at once, so many per minute.

use std::time::Duration;

use jiff::Timestamp;

use crate::retry::later;

/// How many notices may be sent over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// In a minute, over time.
    pub per_minute: u32,
    /// At once after a pause.
    pub burst: u32,
}

/// Notices that may still be sent.
#[derive(Debug)]
pub(crate) struct Bucket {
    rate: Rate,
    left: f64,
    at: Timestamp,
}

impl Bucket {
    /// A full one.
    pub(crate) fn new(rate: Rate, now: Timestamp) -> Self {
        Self {
            rate,
            left: f64::from(rate.burst),
            at: now,
        }
    }

    /// Takes one, or says when one can be taken. A clock that went back gives nothing.
    pub(crate) fn take(&mut self, now: Timestamp) -> Result<(), Timestamp> {
        let per_second = f64::from(self.rate.per_minute) / 60.0;
        let passed = now.duration_since(self.at).as_secs_f64().max(0.0);
        self.at = now;
        self.left = (self.left + passed * per_second).min(f64::from(self.rate.burst));
        // What rounding of times to milliseconds takes away.
        if self.left >= 1.0 - 1e-6 {
            self.left -= 1.0;
            return Ok(());
        }
        let wait = (1.0 - self.left) / per_second;
        Err(later(now, Duration::from_secs_f64(wait)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let at = |millis: i64| Timestamp::from_millisecond(1_800_000_000_000 + millis).unwrap();
        let rate = Rate {
            per_minute: 120,
            burst: 3,
        };
        let mut bucket = Bucket::new(rate, at(0));
        for (millis, expected) in [
            (0, Ok(())),
            (0, Ok(())),
            (0, Ok(())),
            (0, Err(500)),
            (250, Err(500)),
            (500, Ok(())),
            (500, Err(1_000)),
            (100_000, Ok(())),
            (100_000, Ok(())),
            (100_000, Ok(())),
            (100_000, Err(100_500)),
            // The clock was set back.
            (0, Err(500)),
            (500, Ok(())),
        ] {
            assert_eq!(bucket.take(at(millis)), expected.map_err(at), "{millis}");
        }
    }
}
