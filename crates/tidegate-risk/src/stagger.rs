//! Hints for staggering: which persons of a slot over its capacity would fit in which slot near.
//!
//! Greedy by distance in time: the pair of a full slot and one with head-room that are nearest is
//! served first, then the next nearest. Among equal distances the earlier full slot comes first,
//! and for it the earlier of the two others. So the result depends on the slots alone.
//!
//! No person appears or disappears, no slot is filled above its capacity, and who finds no room
//! within the longest shift is told as such. It is not the plan of least total shift, and it does
//! not know who is able to come at another time.

/// Most slots of one place: four weeks of a quarter of an hour.
pub const SLOTS_MAX: usize = 2_688;

/// Why there are no hints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StaggerError {
    /// Slots that do not ascend in time.
    #[error("slot at minute {next} does not come after the one at minute {previous}")]
    Order {
        /// The start of a slot.
        previous: i64,
        /// The start of the next one.
        next: i64,
    },
    /// More slots than are searched.
    #[error("{0} slots are more than 2688")]
    Slots(usize),
}

/// One slot of a venue or a workplace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// Start, in minutes from any time that all slots share.
    pub start_minute: i64,
    /// Persons who are forecast. Take the high end of the forecast to be careful.
    pub persons: u64,
    /// Persons whom the slot has room for.
    pub capacity: u64,
}

impl Slot {
    /// Persons over the capacity.
    pub const fn excess(self) -> u64 {
        self.persons.saturating_sub(self.capacity)
    }

    /// Persons who could be added.
    pub const fn head_room(self) -> u64 {
        self.capacity.saturating_sub(self.persons)
    }
}

/// Persons who would come at another time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    /// The slot that is too full, by its place among the slots.
    pub from: usize,
    /// The slot with head-room.
    pub to: usize,
    /// How many, 1 or more.
    pub persons: u64,
}

/// Persons for whom no slot has room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WithoutRoom {
    /// The slot, by its place among the slots.
    pub slot: usize,
    /// How many, 1 or more.
    pub persons: u64,
}

/// What would help.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hints {
    /// By `from`, then in the order in which they were found: nearest first.
    pub moves: Vec<Move>,
    /// In the order of time. Empty when everybody finds room.
    pub without_room: Vec<WithoutRoom>,
}

impl Hints {
    /// Whether nobody has to be told to stay away.
    pub fn everybody_finds_room(&self) -> bool {
        self.without_room.is_empty()
    }

    /// Persons in each slot when all hints are followed, into `out`, which is as long as `slots`;
    /// those without room stay where they are.
    pub fn apply(&self, slots: &mut [Slot]) {
        for step in &self.moves {
            if let Some(from) = slots.get_mut(step.from) {
                from.persons -= step.persons.min(from.persons);
            }
            if let Some(to) = slots.get_mut(step.to) {
                to.persons = to.persons.saturating_add(step.persons);
            }
        }
    }
}

/// Hints for one place. `shift_minutes_max` is the longest shift that can be asked of a person,
/// earlier or later. Method [`crate::method::STAGGER_NEAREST`].
///
/// # Errors
/// [`StaggerError::Order`]; [`StaggerError::Slots`].
///
/// ```
/// use tidegate_risk::stagger::{Move, Slot, hints};
/// let slot = |start_minute, persons| Slot { start_minute, persons, capacity: 100 };
/// let hints = hints(&[slot(480, 90), slot(540, 130), slot(600, 60)], 60)?;
/// assert_eq!(hints.moves, [
///     Move { from: 1, to: 0, persons: 10 },
///     Move { from: 1, to: 2, persons: 20 },
/// ]);
/// assert!(hints.everybody_finds_room());
/// # Ok::<(), tidegate_risk::stagger::StaggerError>(())
/// ```
pub fn hints(slots: &[Slot], shift_minutes_max: u64) -> Result<Hints, StaggerError> {
    if slots.len() > SLOTS_MAX {
        return Err(StaggerError::Slots(slots.len()));
    }
    for pair in slots.windows(2) {
        if pair[0].start_minute >= pair[1].start_minute {
            return Err(StaggerError::Order {
                previous: pair[0].start_minute,
                next: pair[1].start_minute,
            });
        }
    }
    let mut excess: Vec<u64> = slots.iter().map(|slot| slot.excess()).collect();
    let mut room: Vec<u64> = slots.iter().map(|slot| slot.head_room()).collect();
    let mut moves = Vec::new();
    for (_, from, to) in pairs(slots, shift_minutes_max) {
        let persons = excess[from].min(room[to]);
        if persons > 0 {
            excess[from] -= persons;
            room[to] -= persons;
            moves.push(Move { from, to, persons });
        }
    }
    moves.sort_by_key(|step| step.from);
    let without_room = excess
        .into_iter()
        .enumerate()
        .filter(|(_, persons)| *persons > 0)
        .map(|(slot, persons)| WithoutRoom { slot, persons })
        .collect();
    Ok(Hints {
        moves,
        without_room,
    })
}

/// Distance, full slot, slot with head-room: all pairs within the longest shift, nearest first.
fn pairs(slots: &[Slot], shift_minutes_max: u64) -> Vec<(u64, usize, usize)> {
    let full = slots
        .iter()
        .enumerate()
        .filter(|(_, slot)| slot.excess() > 0);
    let mut pairs: Vec<_> = full
        .flat_map(|(from, full)| {
            let free = slots.iter().enumerate();
            free.filter(|(_, slot)| slot.head_room() > 0)
                .map(move |(to, slot)| (full.start_minute.abs_diff(slot.start_minute), from, to))
        })
        .filter(|(distance, _, _)| *distance <= shift_minutes_max)
        .collect();
    pairs.sort_unstable();
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn slots(rows: &[(i64, u64, u64)]) -> Vec<Slot> {
        rows.iter()
            .map(|&(start_minute, persons, capacity)| Slot {
                start_minute,
                persons,
                capacity,
            })
            .collect()
    }

    fn check(
        rows: &[(i64, u64, u64)],
        shift: u64,
        moves: &[(usize, usize, u64)],
        left: &[(usize, u64)],
    ) {
        let got = hints(&slots(rows), shift).unwrap();
        let got_moves: Vec<_> = got
            .moves
            .iter()
            .map(|m| (m.from, m.to, m.persons))
            .collect();
        let got_left: Vec<_> = got
            .without_room
            .iter()
            .map(|w| (w.slot, w.persons))
            .collect();
        assert_eq!((&got_moves[..], &got_left[..]), (moves, left), "{rows:?}");
        assert_eq!(got.everybody_finds_room(), left.is_empty());
    }

    #[test]
    fn nearest_first_and_earlier_on_ties() {
        check(&[], 60, &[], &[]);
        check(&[(0, 5, 9), (30, 9, 9)], 60, &[], &[]);
        // Equal distance: the earlier one.
        check(&[(0, 0, 5), (30, 8, 5), (60, 0, 5)], 60, &[(1, 0, 3)], &[]);
        // Two full slots want the same room: the nearer one has it.
        check(
            &[(0, 8, 5), (60, 9, 9), (90, 0, 4), (100, 7, 5)],
            200,
            &[(0, 2, 2), (3, 2, 2)],
            &[(0, 1)],
        );
        // At the same distance, the earlier full slot.
        check(
            &[(0, 8, 5), (30, 0, 3), (60, 8, 5)],
            60,
            &[(0, 1, 3)],
            &[(2, 3)],
        );
    }

    #[test]
    fn who_finds_no_room_is_told() {
        check(&[(0, 9, 5)], 60, &[], &[(0, 4)]);
        check(&[(0, 9, 5), (61, 0, 9)], 60, &[], &[(0, 4)]);
        check(&[(0, 9, 5), (60, 0, 1)], 60, &[(0, 1, 1)], &[(0, 3)]);
        check(&[(0, 9, 0), (60, 3, 0)], 60, &[], &[(0, 9), (1, 3)]);
        let far = [(i64::MIN, u64::MAX, 0), (i64::MAX, 0, u64::MAX)];
        check(&far, u64::MAX, &[(0, 1, u64::MAX)], &[]);
    }

    #[test]
    fn bad_input_is_a_typed_error() {
        for rows in [[(0, 1, 1), (0, 1, 1)], [(5, 1, 1), (4, 1, 1)]] {
            assert!(matches!(
                hints(&slots(&rows), 9),
                Err(StaggerError::Order { .. })
            ));
        }
        let many: Vec<_> = (0..=2_688).map(|minute| (minute, 1, 1)).collect();
        assert_eq!(hints(&slots(&many), 9), Err(StaggerError::Slots(2_689)));
    }

    proptest! {
        #[test]
        fn conserves_and_never_overfills(
            rows in prop::collection::vec((1..120_i64, 0..50_u64, 0..50_u64), 0..40), shift in 0..300_u64,
        ) {
            let mut minute = 0;
            let before: Vec<_> = rows.iter().map(|&(gap, persons, capacity)| {
                minute += gap;
                Slot { start_minute: minute, persons, capacity }
            }).collect();
            let got = hints(&before, shift).unwrap();
            let mut after = before.clone();
            got.apply(&mut after);
            let persons = |slots: &[Slot]| slots.iter().map(|slot| slot.persons).sum::<u64>();
            prop_assert_eq!(persons(&before), persons(&after));
            let mut left = vec![0; before.len()];
            for without in &got.without_room {
                left[without.slot] = without.persons;
            }
            for (slot, left) in after.iter().zip(&left) {
                // What is over is exactly what was told.
                prop_assert_eq!(slot.excess(), *left);
            }
            for step in &got.moves {
                let (from, to) = (before[step.from], before[step.to]);
                prop_assert!(from.excess() > 0 && to.head_room() > 0 && step.persons > 0);
                prop_assert!(from.start_minute.abs_diff(to.start_minute) <= shift);
            }
            // Nobody is left while there is room within the shift.
            for (from, _) in left.iter().enumerate().filter(|(_, left)| **left > 0) {
                for to in &after {
                    let near = before[from].start_minute.abs_diff(to.start_minute) <= shift;
                    prop_assert!(!near || to.head_room() == 0);
                }
            }
        }
    }
}
