//! Hints for staggering: venues that are forecast over their capacity, the nearest slots with room,
//! and how many persons would have to come at another time.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use tidegate_model::{EventTime, Span};
use tidegate_risk::forecast::{Forecaster, Prediction, Slot as ClockSlot};
use tidegate_risk::method;
use tidegate_risk::stagger::{SLOTS_MAX, Slot, hints};

use super::tables::{Of, Subjects};
use crate::Reference;
use crate::config::StaggerBound;

/// Who finds room in no slot near enough.
const NO_ROOM: &str = "no_room";

/// The `stagger_hint` table: a row for each pair of slots between which persons would have to move,
/// nearest first, and one for those who find no room. Venues that are not forecast over their
/// capacity have none.
///
/// - `layer`, `subject_kind`, `subject`, `made_at`: as of the table `forecast`.
/// - `from_end` is the end of the slot that is too full, with `expected` persons against `capacity`;
///   `to_end` that of the slot with room, null with the reason `no_room` where there is none.
/// - `persons` would have to move, 1 or more; `unit` is that of the layer.
pub(crate) static STAGGER_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let utc = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let fields = [
        ("layer", DataType::Utf8, false),
        ("subject_kind", DataType::Utf8, false),
        ("subject", DataType::Utf8, false),
        ("made_at", utc(), false),
        ("from_end", utc(), false),
        ("to_end", utc(), true),
        ("persons", DataType::Int64, false),
        ("expected", DataType::Int64, false),
        ("capacity", DataType::Int64, false),
        ("unit", DataType::Utf8, false),
        ("method", DataType::Utf8, false),
        ("reason", DataType::Utf8, true),
    ];
    Arc::new(Schema::new(
        fields
            .map(|(name, kind, nullable)| Field::new(name, kind, nullable))
            .to_vec(),
    ))
});

/// How far hints look and reach.
#[derive(Debug, Clone, Copy)]
pub(super) struct StaggerSpec {
    /// Slots ahead that are looked at, 1 to [`SLOTS_MAX`].
    pub(super) slots: u16,
    /// The longest shift that is asked of anybody.
    pub(super) shift_max: Span,
    /// What of a forecast is held against the capacity.
    pub(super) bound: StaggerBound,
}

/// Persons whom each venue may hold, by its id.
#[derive(Debug)]
pub(super) struct Capacities(BTreeMap<String, u64>);

impl Capacities {
    pub(super) fn new(reference: &Reference) -> Self {
        let venues = reference.venues.iter();
        Self(
            venues
                .map(|venue| (venue.id.clone(), u64::from(venue.capacity)))
                .collect(),
        )
    }

    /// That of a subject; nothing but a venue has one.
    pub(super) fn of(&self, (kind, subject): (&str, &str)) -> Option<u64> {
        (kind == "venue").then(|| self.0.get(subject).copied())?
    }
}

/// A slot ahead: how many steps, its end, and its place in the seasons.
pub(super) type Ahead = (u16, EventTime, ClockSlot);

/// Rows of [`STAGGER_SCHEMA`] under construction, all of one layer.
#[derive(Debug)]
pub(super) struct StaggerRows<'a> {
    layer: &'a str,
    made_at: EventTime,
    spec: StaggerSpec,
    subjects: Subjects,
    from: Vec<i64>,
    to: Vec<Option<i64>>,
    persons: Vec<i64>,
    expected: Vec<i64>,
    capacity: Vec<i64>,
}

impl<'a> StaggerRows<'a> {
    pub(super) fn new(layer: &'a str, made_at: EventTime, spec: StaggerSpec) -> Self {
        Self {
            layer,
            made_at,
            spec,
            subjects: Subjects::default(),
            from: Vec::new(),
            to: Vec::new(),
            persons: Vec::new(),
            expected: Vec::new(),
            capacity: Vec::new(),
        }
    }

    /// Adds the hints of one venue. A slot of which there is no forecast is neither too full nor
    /// has it room.
    pub(super) fn push(
        &mut self,
        of: Of<'_>,
        capacity: u64,
        forecaster: &Forecaster,
        ahead: &[Ahead],
    ) {
        let (mut ends, mut slots) = (Vec::new(), Vec::new());
        for (steps, end, slot) in ahead {
            let Ok(prediction) = forecaster.forecast(*steps, *slot) else {
                continue;
            };
            ends.push(*end);
            slots.push(Slot {
                start_minute: end.since(self.made_at).as_micros() / 60_000_000,
                persons: persons(prediction, self.spec.bound),
                capacity,
            });
        }
        if slots.iter().all(|slot| slot.excess() == 0) {
            return;
        }
        let shift = u64::try_from(self.spec.shift_max.as_micros() / 60_000_000).unwrap_or(0);
        let hints = hints(&slots, shift).expect("slots ascend, and there are not too many");
        for step in hints.moves {
            let to = Some(ends[step.to]);
            self.row(of, (ends[step.from], to), step.persons, slots[step.from]);
        }
        for left in hints.without_room {
            self.row(of, (ends[left.slot], None), left.persons, slots[left.slot]);
        }
    }

    fn row(
        &mut self,
        of: Of<'_>,
        (from, to): (EventTime, Option<EventTime>),
        persons: u64,
        slot: Slot,
    ) {
        self.subjects.push(of);
        self.from.push(from.micros());
        self.to.push(to.map(EventTime::micros));
        self.persons.push(signed(persons));
        self.expected.push(signed(slot.persons));
        self.capacity.push(signed(slot.capacity));
    }

    pub(super) fn finish(self) -> RecordBatch {
        let reasons: StringArray = self
            .to
            .iter()
            .map(|to| to.is_none().then_some(NO_ROOM))
            .collect();
        let method = vec![method::STAGGER_NEAREST; self.to.len()];
        let (mut columns, unit) = self.subjects.finish(self.layer, self.made_at);
        let from = TimestampMicrosecondArray::from(self.from).with_timezone("UTC");
        let to = TimestampMicrosecondArray::from(self.to).with_timezone("UTC");
        let rest: [ArrayRef; 8] = [
            Arc::new(from),
            Arc::new(to),
            Arc::new(Int64Array::from(self.persons)),
            Arc::new(Int64Array::from(self.expected)),
            Arc::new(Int64Array::from(self.capacity)),
            unit,
            Arc::new(StringArray::from(method)),
            Arc::new(reasons),
        ];
        columns.extend(rest);
        RecordBatch::try_new(Arc::clone(&STAGGER_SCHEMA), columns)
            .expect("the columns are those of the schema")
    }
}

/// Whole persons of a forecast, rounded up. Where errors are not known yet, the value itself.
fn persons(prediction: Prediction, bound: StaggerBound) -> u64 {
    let value = match (bound, prediction.interval80) {
        (StaggerBound::Hi80, Some(interval)) => interval.hi,
        (StaggerBound::Hi80, None) | (StaggerBound::Value, _) => prediction.value,
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a forecast is 0 or more, and too many persons are held at the largest number"
    )]
    let persons = value.ceil() as u64;
    persons
}

fn signed(persons: u64) -> i64 {
    i64::try_from(persons).unwrap_or(i64::MAX)
}

/// Slots ahead that may be asked for: as many as are searched at most.
pub(super) const AHEAD_MAX: usize = SLOTS_MAX;

#[cfg(test)]
mod tests;
