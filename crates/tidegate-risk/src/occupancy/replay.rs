//! Late counts: everything since a stored reset is taken again, with the counts as they are now.
//!
//! So a revision leaves what the counts would have left on time: a late arrival before a reset is
//! no person inside, and one that explains a clamp adds nobody.

use super::{CorrectedOccupancy, CorrectedStep, Correction, CorrectionKind, Gain, OccupancyError};

/// What comes before a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// The window before it.
    Window,
    /// A time at which the venue is known to be empty; the gain is that of the new service day.
    KnownEmpty(Gain),
}

/// The counts of one window of one venue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowWindow {
    /// What comes before it.
    pub before: Before,
    /// Persons counted in.
    pub arrivals: i64,
    /// Persons counted out.
    pub departures: i64,
}

/// What a replay leaves.
#[derive(Debug, Clone, PartialEq)]
pub struct Replay {
    /// The occupancy after the last window.
    pub occupancy: CorrectedOccupancy,
    /// What each window did, in order.
    pub steps: Vec<CorrectedStep>,
    /// Every correction with the index of its window, in order; resets that changed nothing too.
    pub corrections: Vec<(usize, Correction)>,
}

/// Takes `windows` in order from `reset`, the occupancy as it was stored.
///
/// # Errors
/// The [`OccupancyError`] of the first window that cannot be taken.
pub fn replay(reset: CorrectedOccupancy, windows: &[FlowWindow]) -> Result<Replay, OccupancyError> {
    let mut replay = Replay {
        occupancy: reset,
        steps: Vec::with_capacity(windows.len()),
        corrections: Vec::new(),
    };
    for (index, window) in windows.iter().enumerate() {
        if let Before::KnownEmpty(gain) = window.before {
            let correction = replay.occupancy.reset_known_empty(gain);
            replay.corrections.push((index, correction));
        }
        let step = replay.occupancy.step(window.arrivals, window.departures)?;
        replay
            .corrections
            .extend(step.corrections().map(|c| (index, c)));
        replay.steps.push(step);
    }
    Ok(replay)
}

/// The replay of windows of which some counts are new, and the correction that it is to `present`,
/// the occupancy without them; `None` when the persons inside are as many as before.
///
/// # Errors
/// As [`replay()`]; `present` then stands.
pub fn revise(
    present: &CorrectedOccupancy,
    reset: CorrectedOccupancy,
    windows: &[FlowWindow],
) -> Result<(Replay, Option<Correction>), OccupancyError> {
    let replay = replay(reset, windows)?;
    let persons = replay.occupancy.persons() - present.persons();
    let correction = (persons != 0).then_some(Correction {
        kind: CorrectionKind::LateRevision,
        before: present.persons(),
        persons,
    });
    Ok((replay, correction))
}
