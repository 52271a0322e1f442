//! When a notice is tried again. Pure: the clock and chance are arguments.
//!
//! Waits are exponential with full jitter (Brooker, "Exponential Backoff And Jitter", 2015): chance
//! takes anything from nothing to the bound, so that notices that failed together come back one by
//! one.

use std::time::Duration;

use jiff::Timestamp;

/// How often and how fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Tries in all, at least 1.
    pub tries: u32,
    /// Upper bound of the first wait.
    pub first: Duration,
    /// Upper bound of every wait.
    pub longest: Duration,
}

/// What comes after a try that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Another one, then.
    At(Timestamp),
    /// Nothing: it had as many tries as it may have.
    TriesUsed,
    /// Nothing: the next one would come when the notice is of no use any more.
    Expires,
}

impl RetryPolicy {
    /// What comes after try number `tried` (from 1), which ended at `now`, for a notice that
    /// expires at `expires`. `asked` is the wait that the other side asked for, the least then;
    /// `seed` is the chance.
    pub fn next(
        &self,
        tried: u32,
        (now, expires): (Timestamp, Timestamp),
        asked: Option<Duration>,
        seed: u64,
    ) -> Next {
        if tried >= self.tries {
            return Next::TriesUsed;
        }
        let wait = self.wait(tried, seed).max(asked.unwrap_or_default());
        let at = later(now, wait);
        if at < expires {
            Next::At(at)
        } else {
            Next::Expires
        }
    }

    /// Anything from nothing to `first · 2^(tried − 1)`, at most `longest`.
    fn wait(&self, tried: u32, seed: u64) -> Duration {
        let doubled = 1_u32
            .checked_shl(tried.saturating_sub(1))
            .unwrap_or(u32::MAX);
        let bound = self.first.saturating_mul(doubled).min(self.longest);
        let nanos = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
        let part = (u128::from(nanos) * u128::from(seed)) >> 64;
        Duration::from_nanos(u64::try_from(part).unwrap_or(nanos))
    }
}

/// `at + wait`, in whole milliseconds rounded up, as the outbox keeps times.
pub(crate) fn later(at: Timestamp, wait: Duration) -> Timestamp {
    let millis = i64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(at.as_millisecond().saturating_add(millis))
        .unwrap_or(Timestamp::MAX)
}

/// The wait that a server asks for in `Retry-After`: seconds or a date (RFC 9110, section 10.2.3).
pub(crate) fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    let date = Timestamp::try_from(date).ok()?;
    Some(Duration::try_from(date.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    #[test]
    fn waits_double_up_to_a_bound_and_all_of_it_is_chance() {
        let policy = RetryPolicy {
            tries: 5,
            first: Duration::from_secs(4),
            longest: Duration::from_secs(10),
        };
        let half = u64::MAX / 2 + 1;
        for (tried, seed, asked, expires, expected) in [
            (1, 0, None, 100, Next::At(at(0))),
            (1, half, None, 100, Next::At(at(2))),
            (2, half, None, 100, Next::At(at(4))),
            (3, half, None, 100, Next::At(at(5))),
            (4, u64::MAX, None, 100, Next::At(at(10))),
            (5, 0, None, 100, Next::TriesUsed),
            (70, 0, None, 100, Next::TriesUsed),
            // The server's wish is the least; the end of use is the most.
            (1, 0, Some(30), 100, Next::At(at(30))),
            (4, half, Some(1), 100, Next::At(at(5))),
            (1, 0, Some(100), 100, Next::Expires),
            (1, 0, Some(u64::MAX), 100, Next::Expires),
            (3, half, None, 5, Next::Expires),
            (3, half, None, 6, Next::At(at(5))),
        ] {
            let asked = asked.map(Duration::from_secs);
            let next = policy.next(tried, (at(0), at(expires)), asked, seed);
            assert_eq!(next, expected, "{tried} {seed} {asked:?} {expires}");
        }
    }

    #[test]
    fn servers_may_ask_for_a_wait_in_two_ways() {
        let now = "1994-11-06T08:49:37Z".parse().unwrap();
        for (text, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
        ] {
            let expected = seconds.map(Duration::from_secs);
            assert_eq!(retry_after(text, now), expected, "{text:?}");
        }
    }
}
