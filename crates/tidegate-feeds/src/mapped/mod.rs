//! A city's own tables and objects, read by a [`plan`] that its feed file gave.
//!
//! A record is a row of a CSV or an object of a JSON payload; it gives one observation a count
//! column. Everything of a record is checked before anything of it is kept: it is counted whole or
//! rejected whole, and a rejected reading never moves a counter.

mod cell;
mod objects;
mod plan;

pub(crate) use cell::Cell;
pub(crate) use objects::split_objects;
pub(crate) use plan::{Frame, Plan, Reading, Slots, compile};

use tidegate_model::{
    CountRange, Measure, ORIGIN_UNKNOWN, Observation, ObservationBuilder, Position, Quality,
    Reason, Subject,
};

use crate::check::{Fault, Limits, check_coordinate, check_name, check_not_negative, shown};
use crate::config::{Ambiguous, EmptyCount, FactorConfig};
use crate::counter::{CounterFaults, Counters, RestoreError};
use crate::decoder::EventIds;
use crate::passed::Passed;
use crate::state::CountersState;
use crate::time::{Interval, TimeFault, TimeReader};

use plan::PlannedOrigin;

/// Between the parts of a joined key: a character that no cell holds in practice.
const JOINT: char = '\u{1f}';

/// A row or an object, whose cells are found by the slots of a plan.
pub(crate) trait Record {
    fn cell(&self, slot: usize) -> Cell<'_>;
}

/// What a record is mapped under.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context<'c> {
    pub(crate) position: Position,
    pub(crate) limits: Limits,
    pub(crate) ids: &'c EventIds,
}

/// One count of the record at hand, checked.
#[derive(Debug, Clone, Copy)]
struct Staged {
    /// Its place in the plan's counts.
    index: usize,
    /// The count, or the counter's reading.
    value: i64,
    measure: Measure,
    interval: Interval,
}

/// Maps records of one feed; keeps its buffers and its counters from record to record.
#[derive(Debug, Clone)]
pub(crate) struct Mapper {
    plan: Plan,
    time: TimeReader,
    counters: Option<Counters>,
    site: String,
    text: String,
    origin: String,
    id: String,
    staged: Vec<Staged>,
}

impl Mapper {
    pub(crate) fn new(plan: Plan, time: TimeReader, counters: Option<Counters>) -> Self {
        Self {
            plan,
            time,
            counters,
            site: String::new(),
            text: String::new(),
            origin: String::new(),
            id: String::new(),
            staged: Vec::new(),
        }
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(crate) fn slots(&self) -> &Slots {
        &self.plan.slots
    }

    pub(crate) fn is_cumulative(&self) -> bool {
        self.counters.is_some()
    }

    pub(crate) fn faults(&self) -> CounterFaults {
        self.counters
            .as_ref()
            .map(Counters::faults)
            .unwrap_or_default()
    }

    pub(crate) fn counters_state(&self) -> Option<CountersState> {
        self.counters.as_ref().map(Counters::state)
    }

    /// Puts the counters of `state` in place of these; the counters stay as they are on an error.
    pub(crate) fn restore_counters(
        &mut self,
        state: Option<&CountersState>,
    ) -> Result<(), RestoreError> {
        self.counters = match (&self.counters, state) {
            (None, None) => None,
            (Some(counters), Some(state)) => Some(counters.restored(state)?),
            (None, Some(_)) | (Some(_), None) => return Err(RestoreError::Form),
        };
        Ok(())
    }

    /// The site of the record mapped last, where it could be read.
    pub(crate) fn site(&self) -> Option<String> {
        check_name("site", &self.site)
            .is_ok()
            .then(|| self.site.clone())
    }

    /// Forgets the site of the record before, when the next one cannot be mapped at all.
    pub(crate) fn clear_site(&mut self) {
        self.site.clear();
    }

    /// Maps one record to its observations, to why it has none, or to what is wrong with it.
    pub(crate) fn map(
        &mut self,
        record: &impl Record,
        context: Context<'_>,
        out: &mut ObservationBuilder,
    ) -> Result<Option<Passed>, Fault> {
        self.site.clear();
        self.staged.clear();
        self.read_site(record)?;
        let coordinate = self.read_coordinate(record)?;
        self.read_origin(record)?;
        self.read_id(record)?;
        self.stage(record, &context.limits)?;
        if self.staged.is_empty() {
            return Ok(Some(Passed::NoCount));
        }
        let range = self.read_range(record)?;
        if self.counters.is_some() {
            self.read_counters(record, &context.limits)?;
        }
        for staged in &self.staged {
            let count = &self.plan.counts[staged.index];
            let origin = match (&count.origin, &self.plan.origin) {
                (Some(origin), _) | (None, PlannedOrigin::Constant(origin)) => {
                    Some(origin.as_str())
                }
                (None, PlannedOrigin::Column(_)) => Some(self.origin.as_str()),
                (None, PlannedOrigin::None) => None,
            };
            let observation = Observation {
                event_id: self.event_id(staged.index, context),
                site_id: &self.site,
                interval_start: staged.interval.start,
                interval_end: staged.interval.end,
                measure: staged.measure,
                subject: count.subject,
                count: staged.value,
                range: range.unwrap_or(CountRange::exact(staged.value)),
                origin,
                coordinate,
                quality: staged.interval.quality,
                position: context.position,
            };
            out.push(&observation);
            if let Some(factor) = self.plan.persons_per_vehicle
                && count.subject == Subject::Vehicle
            {
                out.push(&persons(&observation, factor, context.ids));
            }
        }
        Ok(None)
    }

    /// What the record tells of its count's range.
    fn read_range(&self, record: &impl Record) -> Result<Option<CountRange>, Fault> {
        let Self { plan, staged, .. } = self;
        let (Some((low, high)), [staged]) = (plan.range, staged.as_slice()) else {
            return Ok(None);
        };
        let end = |slot| read_number(plan, slot, record.cell(slot));
        let (Some(low), Some(high)) = (end(low)?, end(high)?) else {
            return Ok(None);
        };
        match CountRange::around(staged.value, low, high) {
            Some(range) => Ok(Some(range)),
            None => Err(Fault::new(
                Reason::AbsurdCount,
                format!(
                    "count {} is not within its range {low} to {high}",
                    staged.value
                ),
            )),
        }
    }

    fn event_id(&self, index: usize, context: Context<'_>) -> u128 {
        if self.plan.id.is_empty() {
            return context.ids.placed(context.position, index);
        }
        if self.plan.counts.len() == 1 {
            return context.ids.produced(self.id.as_bytes());
        }
        let count = self.plan.count_name(index);
        context
            .ids
            .produced(format!("{}{JOINT}{count}", self.id).as_bytes())
    }

    fn read_site(&mut self, record: &impl Record) -> Result<(), Fault> {
        let Self { plan, site, .. } = self;
        join(plan, &plan.site, &plan.site_separator, record, site)?;
        if let Some(alias) = plan.site_aliases.get(site.as_str()) {
            site.clone_from(alias);
        }
        check_name("site", site)
    }

    fn read_coordinate(&self, record: &impl Record) -> Result<Option<(f64, f64)>, Fault> {
        let Some((lat, lng)) = self.plan.coordinate else {
            return Ok(None);
        };
        let degrees = |slot| {
            record.cell(slot).degrees().map_err(|value| {
                Fault::new(
                    Reason::BadCoordinate,
                    format!("{} is {value}, not degrees", self.plan.slots.name(slot)),
                )
            })
        };
        check_coordinate(degrees(lat)?, degrees(lng)?)
    }

    fn read_origin(&mut self, record: &impl Record) -> Result<(), Fault> {
        let Self { plan, origin, .. } = self;
        if let PlannedOrigin::Column(slot) = plan.origin {
            if let Cell::Empty = record.cell(slot) {
                ORIGIN_UNKNOWN.clone_into(origin);
            } else {
                join(plan, &[slot], "", record, origin)?;
            }
            check_name("origin", origin)?;
        }
        Ok(())
    }

    fn read_id(&mut self, record: &impl Record) -> Result<(), Fault> {
        let Self { plan, id, .. } = self;
        if plan.id.is_empty() {
            return Ok(());
        }
        join(plan, &plan.id, JOINT.encode_utf8(&mut [0; 4]), record, id)
    }

    /// Reads times and counts, and checks them.
    fn stage(&mut self, record: &impl Record, limits: &Limits) -> Result<(), Fault> {
        let Self { plan, text, .. } = self;
        match &plan.time_constant {
            Some(constant) => text.clone_from(constant),
            None => join(plan, &plan.time, " ", record, text)?,
        }
        let measure = read_direction(plan, record)?;
        let hour = match plan.hour {
            None => None,
            Some(slot) => Some(read_number(plan, slot, record.cell(slot))?.ok_or_else(|| {
                Fault::new(
                    Reason::MissingField,
                    format!("{} has no hour", plan.slots.name(slot)),
                )
            })?),
        };
        for (index, count) in plan.counts.iter().enumerate() {
            let name = plan.count_name(index);
            let value = match count.reading {
                Reading::Each(value) => value,
                Reading::Column(slot) => match read_number(plan, slot, record.cell(slot))? {
                    Some(value) => value,
                    None if plan.passes_empty(record.cell(slot)) => continue,
                    None => return Err(missing(plan, slot, record)),
                },
            };
            let interval = match self.time.read(text, count.hour.or(hour)) {
                // This hour was not there that day, so nobody was counted in it.
                Err(TimeFault::Gap(_)) if plan.wide && value == 0 => continue,
                read => read?,
            };
            if self.counters.is_some() {
                check_not_negative(name, value)?;
                limits.check_time(interval.end)?;
            } else {
                limits.check_count(name, value)?;
                limits.check_interval(interval.start, interval.end)?;
            }
            let Some(measure) = count.measure.or(measure) else {
                unreachable!("the plan gives every count a measure or has a direction");
            };
            self.staged.push(Staged {
                index,
                value,
                measure,
                interval,
            });
        }
        if self.staged.is_empty() && plan.empty_count == EmptyCount::Reject {
            return Err(Fault::new(
                Reason::MissingField,
                "no hour column has a count",
            ));
        }
        Ok(())
    }

    /// Turns the staged readings into counts. Nothing can be rejected once a counter has moved.
    fn read_counters(&mut self, record: &impl Record, limits: &Limits) -> Result<(), Fault> {
        let Self {
            plan,
            counters: Some(counters),
            staged,
            text,
            ..
        } = self
        else {
            return Ok(());
        };
        join(
            plan,
            &plan.counter,
            JOINT.encode_utf8(&mut [0; 4]),
            record,
            text,
        )?;
        for staged in staged {
            let seed = (staged.index as u64) << 8 | staged.measure as u64;
            let key = xxhash_rust::xxh3::xxh3_128_with_seed(text.as_bytes(), seed);
            let mut time = staged.interval.end;
            // A counter already read in the first of two hours is in the second one now.
            if let Some(second) = staged.interval.second
                && let Some(last) = counters.last_time(key)
                && self.time.ambiguous() == Ambiguous::Earlier
                && (time..second).contains(&last)
                && second <= limits.latest
            {
                time = second;
            }
            let step = counters.read(key, staged.value, time);
            staged.value = step.count;
            staged.interval.start = step.start;
            staged.interval.end = time;
            staged.interval.quality = staged.interval.quality.with(step.quality);
        }
        Ok(())
    }
}

/// The persons that counted vehicles stand for.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "counts are at most 10^9 and factors at most 1000"
)]
fn persons<'a>(
    vehicles: &Observation<'a>,
    factor: FactorConfig,
    ids: &EventIds,
) -> Observation<'a> {
    let times = |count: i64, factor: f64| count as f64 * factor;
    let count = times(vehicles.count, factor.value).round() as i64;
    let low = times(vehicles.range.low(), factor.low).floor() as i64;
    let high = times(vehicles.range.high(), factor.high).ceil() as i64;
    Observation {
        event_id: ids.derived(vehicles.event_id, "persons"),
        subject: Subject::Person,
        count,
        range: CountRange::around(count, low, high).expect("a checked factor keeps the order"),
        quality: vehicles.quality.with(Quality::ESTIMATED),
        ..*vehicles
    }
}

/// Joins the texts of `slots` into `into`; each must be there.
fn join(
    plan: &Plan,
    slots: &[usize],
    separator: &str,
    record: &impl Record,
    into: &mut String,
) -> Result<(), Fault> {
    into.clear();
    for (index, &slot) in slots.iter().enumerate() {
        if index > 0 {
            into.push_str(separator);
        }
        match record.cell(slot) {
            Cell::Text(text) => into.push_str(text),
            Cell::Int(value) => into.push_str(&value.to_string()),
            Cell::Absent | Cell::Empty => {
                into.clear();
                return Err(missing(plan, slot, record));
            }
            cell => {
                into.clear();
                return Err(Fault::new(
                    Reason::WrongType,
                    format!("{} is {cell}, not text", plan.slots.name(slot)),
                ));
            }
        }
    }
    Ok(())
}

fn missing(plan: &Plan, slot: usize, record: &impl Record) -> Fault {
    let name = plan.slots.name(slot);
    let detail = match record.cell(slot) {
        Cell::Absent => format!("there is no {name}"),
        _ => format!("{name} is empty"),
    };
    Fault::new(Reason::MissingField, detail)
}

fn read_direction(plan: &Plan, record: &impl Record) -> Result<Option<Measure>, Fault> {
    let Some((slot, words)) = &plan.direction else {
        return Ok(None);
    };
    let wrong = |value: String| {
        Fault::new(
            Reason::WrongType,
            format!(
                "{} is {value}, not a word of mapping.direction.values",
                plan.slots.name(*slot)
            ),
        )
    };
    match record.cell(*slot) {
        Cell::Absent | Cell::Empty => Err(missing(plan, *slot, record)),
        Cell::Text(word) => match words.get(word) {
            Some(measure) => Ok(Some(*measure)),
            None => Err(wrong(shown(word))),
        },
        Cell::Int(value) => match words.get(&value.to_string()) {
            Some(measure) => Ok(Some(*measure)),
            None => Err(wrong(value.to_string())),
        },
        cell => Err(wrong(cell.to_string())),
    }
}

fn read_number(plan: &Plan, slot: usize, cell: Cell<'_>) -> Result<Option<i64>, Fault> {
    cell.whole_number().map_err(|reason| {
        Fault::new(
            reason,
            format!("{} is {cell}, not a whole number", plan.slots.name(slot)),
        )
    })
}
