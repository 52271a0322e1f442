//! How busy a place is over the day: straight lines between a few points.

use super::{DAY_MINUTES, clock};

/// Weights of the minutes of a day: hours (25.0 is one in the morning) and weights, ascending.
#[derive(Debug, Clone, Copy)]
pub(super) struct Profile(&'static [((u32, u32), f64)]);

impl Profile {
    /// The weight of every minute; 0 outside the first and the last point.
    pub(super) fn weights(self) -> Vec<f64> {
        (0..DAY_MINUTES).map(|minute| self.at(minute)).collect()
    }

    /// The weight of one minute.
    pub(super) fn at(self, minute: u32) -> f64 {
        for pair in self.0.windows(2) {
            let ((h0, m0), w0) = pair[0];
            let ((h1, m1), w1) = pair[1];
            let (from, to) = (clock(h0, m0), clock(h1, m1));
            if (from..to).contains(&minute) {
                return w0 + (w1 - w0) * f64::from(minute - from) / f64::from(to - from);
            }
        }
        0.0
    }

    /// The minute from which the weight is 0 for the rest of the day.
    pub(super) fn end(self) -> u32 {
        self.0
            .last()
            .map_or(0, |&((hour, minute), _)| clock(hour, minute))
    }
}

/// Early risers first: best goods go before eight.
pub(super) const MARKET: Profile = Profile(&[
    ((4, 0), 0.05),
    ((4, 40), 0.2),
    ((5, 30), 0.5),
    ((6, 30), 1.0),
    ((8, 30), 0.9),
    ((10, 0), 0.5),
    ((12, 0), 0.25),
    ((14, 30), 0.15),
    ((16, 0), 0.35),
    ((17, 30), 0.6),
    ((18, 45), 0.2),
    ((19, 40), 0.0),
]);

/// After work.
pub(super) const SUPERMARKET: Profile = Profile(&[
    ((7, 30), 0.1),
    ((9, 0), 0.45),
    ((11, 0), 0.45),
    ((13, 0), 0.3),
    ((15, 30), 0.4),
    ((17, 30), 0.8),
    ((18, 30), 1.0),
    ((20, 0), 0.85),
    ((21, 15), 0.15),
    ((21, 40), 0.0),
]);

/// Visitors of an office.
pub(super) const OFFICE_VISITORS: Profile = Profile(&[
    ((9, 0), 0.3),
    ((10, 0), 1.0),
    ((11, 45), 0.4),
    ((13, 30), 0.6),
    ((15, 0), 1.0),
    ((17, 0), 0.0),
]);

/// Two commuting peaks.
pub(super) const COMMUTE: Profile = Profile(&[
    ((5, 30), 0.06),
    ((6, 30), 0.3),
    ((7, 30), 0.9),
    ((8, 15), 1.0),
    ((9, 15), 0.5),
    ((10, 30), 0.3),
    ((15, 30), 0.35),
    ((17, 15), 0.85),
    ((18, 15), 1.0),
    ((19, 30), 0.5),
    ((21, 30), 0.3),
    ((23, 0), 0.1),
    ((23, 40), 0.0),
]);

/// Long-distance travel: flat from the first train to the last.
pub(super) const TRAVEL: Profile = Profile(&[
    ((5, 30), 0.2),
    ((7, 0), 0.8),
    ((9, 0), 1.0),
    ((12, 0), 0.75),
    ((16, 0), 0.9),
    ((18, 0), 1.0),
    ((20, 30), 0.7),
    ((22, 30), 0.2),
    ((23, 10), 0.0),
]);

/// Road traffic, which never stops.
pub(super) const ROAD: Profile = Profile(&[
    ((4, 0), 0.1),
    ((6, 0), 0.3),
    ((7, 30), 0.95),
    ((9, 0), 0.8),
    ((12, 0), 0.6),
    ((15, 0), 0.65),
    ((17, 30), 1.0),
    ((19, 0), 0.8),
    ((22, 0), 0.3),
    ((24, 0), 0.12),
    ((28, 0), 0.08),
]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_meet_their_points() {
        let check = |profile: Profile, hour: u32, minute: u32, wanted: f64| {
            let got = profile.at(clock(hour, minute));
            assert!(
                (got - wanted).abs() < 1e-9,
                "{hour}:{minute} {got} {wanted}"
            );
        };
        check(MARKET, 6, 30, 1.0);
        check(MARKET, 6, 0, 0.75);
        check(MARKET, 23, 0, 0.0);
        check(SUPERMARKET, 5, 0, 0.0);
        check(ROAD, 26, 0, 0.1);
        assert_eq!(MARKET.end(), clock(19, 40));
    }
}
