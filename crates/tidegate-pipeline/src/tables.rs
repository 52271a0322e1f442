//! Reference data as SQL tables.

use std::sync::Arc;

use arrow::array::{
    Array, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, StructArray,
    TimestampMicrosecondArray, UInt64Array,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::Result;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use tidegate_model::{Cell, EventTime, GridUnit, Site, Venue};
use tidegate_query::{EVIDENCE_FIELDS, Session, Slot};
use tidegate_risk::importation::{Held, OriginKind, Prevalence, PrevalenceRange, TierRule};

use crate::foresight::{ABERRATION_SCHEMA, FORECAST_SCHEMA, STAGGER_SCHEMA};
use crate::occupancy::{OCCUPANCY_CORRECTION_SCHEMA, OCCUPANCY_SCHEMA};
use crate::quality::{FEED_QUALITY_SCHEMA, FEED_REJECTED_SCHEMA, FEED_SITE_SCHEMA};
use crate::quarantine::QUARANTINE_SCHEMA;
use crate::{Origin, Reference};

/// The table of occupancies, which each closing of the flow window sets anew.
pub(crate) const OCCUPANCY: &str = "occupancy";

/// The table of corrections since the flow window before, which each closing sets anew.
pub(crate) const OCCUPANCY_CORRECTION: &str = "occupancy_correction";

/// The tables of feed quality, which each closing of the first window sets anew.
pub(crate) const FEED_QUALITY: &str = "feed_quality";
pub(crate) const FEED_REJECTED: &str = "feed_rejected";
pub(crate) const FEED_SITE: &str = "feed_site";

/// The table of persons in quarantine, which each evaluation of its layer sets anew.
pub(crate) const QUARANTINE_LOAD: &str = "quarantine_load";

/// The table of forecasts, of which each slot of a `[[forecast]]` sets its layer's rows anew.
pub(crate) const FORECAST: &str = "forecast";

/// The table of hints for staggering, of which each slot of a `[[forecast]]` sets its layer's rows anew.
pub(crate) const STAGGER_HINT: &str = "stagger_hint";

/// The table of aberrations, of which each slot of an `[[aberration]]` sets its layer's rows anew.
pub(crate) const ABERRATION: &str = "aberration";

/// The tables that follow the windows, step by step: what reads them is evaluated when a window
/// closes, and not again for its revision.
pub(crate) const STEPPED: [&str; 9] = [
    OCCUPANCY,
    OCCUPANCY_CORRECTION,
    FEED_QUALITY,
    FEED_REJECTED,
    FEED_SITE,
    QUARANTINE_LOAD,
    FORECAST,
    ABERRATION,
    STAGGER_HINT,
];

/// The table of the window that layers are evaluated for: one row, which each evaluation sets anew.
///
/// It is how SQL knows the time: with panes alone an empty window has none.
pub(crate) const THIS_WINDOW: &str = "this_window";

/// Those of [`STEPPED`] that tell what is yet to come: rules on layers that read them only `watch`.
pub(crate) const FORECASTS: [&str; 3] = [FORECAST, STAGGER_HINT, QUARANTINE_LOAD];

/// The tables of [`STEPPED`], and [`THIS_WINDOW`].
#[derive(Debug)]
pub(crate) struct SteppedTables {
    pub(crate) this_window: Slot,
    pub(crate) occupancy: Slot,
    pub(crate) occupancy_correction: Slot,
    pub(crate) feed_quality: Slot,
    pub(crate) feed_rejected: Slot,
    pub(crate) feed_site: Slot,
    pub(crate) quarantine_load: Slot,
    pub(crate) forecast: Slot,
    pub(crate) aberration: Slot,
    pub(crate) stagger_hint: Slot,
}

impl SteppedTables {
    /// Each with its name.
    pub(crate) fn named(&self) -> [(&'static str, &Slot); STEPPED.len()] {
        [
            (OCCUPANCY, &self.occupancy),
            (OCCUPANCY_CORRECTION, &self.occupancy_correction),
            (FEED_QUALITY, &self.feed_quality),
            (FEED_REJECTED, &self.feed_rejected),
            (FEED_SITE, &self.feed_site),
            (QUARANTINE_LOAD, &self.quarantine_load),
            (FORECAST, &self.forecast),
            (ABERRATION, &self.aberration),
            (STAGGER_HINT, &self.stagger_hint),
        ]
    }
}

/// Registers `site`, `venue`, `venue_cell`, `grid_unit`, `incidence`, `tier`, [`THIS_WINDOW`],
/// and those of [`STEPPED`] empty.
pub(crate) fn register_reference(
    session: &Session,
    reference: &Reference,
    zone: &TimeZone,
) -> Result<SteppedTables> {
    for (name, table) in [
        ("site", sites(&reference.sites)),
        ("venue", venues(&reference.venues)),
        ("venue_cell", venue_cells(&reference.venues)),
        ("grid_unit", grid_units(&reference.grid_units)),
        ("incidence", incidence(reference, zone)),
        ("tier", tiers(reference)),
    ] {
        session.register_rows(name, table.schema(), vec![table])?;
    }
    let stepped = |name: &str, schema: &SchemaRef| -> Result<Slot> {
        let slot = Slot::new(Arc::clone(schema));
        session.register_slot(name, &slot)?;
        Ok(slot)
    };
    Ok(SteppedTables {
        this_window: stepped(
            THIS_WINDOW,
            &this_window(EventTime::MIN, EventTime::MIN).schema(),
        )?,
        occupancy: stepped(OCCUPANCY, &OCCUPANCY_SCHEMA)?,
        occupancy_correction: stepped(OCCUPANCY_CORRECTION, &OCCUPANCY_CORRECTION_SCHEMA)?,
        feed_quality: stepped(FEED_QUALITY, &FEED_QUALITY_SCHEMA)?,
        feed_rejected: stepped(FEED_REJECTED, &FEED_REJECTED_SCHEMA)?,
        feed_site: stepped(FEED_SITE, &FEED_SITE_SCHEMA)?,
        quarantine_load: stepped(QUARANTINE_LOAD, &QUARANTINE_SCHEMA)?,
        forecast: stepped(FORECAST, &FORECAST_SCHEMA)?,
        aberration: stepped(ABERRATION, &ABERRATION_SCHEMA)?,
        stagger_hint: stepped(STAGGER_HINT, &STAGGER_SCHEMA)?,
    })
}

/// The row of [`THIS_WINDOW`].
pub(crate) fn this_window(start: EventTime, end: EventTime) -> RecordBatch {
    let time = |time: EventTime| -> Arc<dyn Array> {
        Arc::new(TimestampMicrosecondArray::from(vec![time.micros()]).with_timezone("UTC"))
    };
    table(vec![
        ("window_start", false, time(start)),
        ("window_end", false, time(end)),
    ])
}

/// A column under construction: name, whether it may be null, values.
type Column = (&'static str, bool, Arc<dyn Array>);

fn table(columns: Vec<Column>) -> RecordBatch {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, nullable, values)| Field::new(*name, values.data_type().clone(), *nullable))
        .collect();
    let arrays = columns.into_iter().map(|(_, _, values)| values).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
        .expect("the schema is made from the columns")
}

fn text<'a>(values: impl Iterator<Item = &'a str>) -> Arc<dyn Array> {
    Arc::new(StringArray::from_iter_values(values))
}

pub(crate) fn maybe_text<'a>(values: impl Iterator<Item = Option<&'a str>>) -> Arc<dyn Array> {
    Arc::new(values.collect::<StringArray>())
}

fn number(values: impl Iterator<Item = f64>) -> Arc<dyn Array> {
    Arc::new(Float64Array::from_iter_values(values))
}

pub(crate) fn whole(values: impl Iterator<Item = u64>) -> Arc<dyn Array> {
    let values = values.map(|value| i64::try_from(value).unwrap_or(i64::MAX));
    Arc::new(Int64Array::from_iter_values(values))
}

fn sites(rows: &[Site]) -> RecordBatch {
    let at = |pick: fn((f64, f64)) -> f64| -> Arc<dyn Array> {
        Arc::new(
            rows.iter()
                .map(|s| s.coordinate.map(pick))
                .collect::<Float64Array>(),
        )
    };
    let cells: UInt64Array = rows.iter().map(|s| s.cell.map(Cell::index)).collect();
    table(vec![
        ("site_id", false, text(rows.iter().map(|s| s.id.as_str()))),
        ("kind", false, text(rows.iter().map(|s| s.kind.as_str()))),
        ("name", false, text(rows.iter().map(|s| s.name.as_str()))),
        (
            "venue_id",
            true,
            maybe_text(rows.iter().map(|s| s.venue_id.as_deref())),
        ),
        (
            "cordon",
            false,
            Arc::new(
                rows.iter()
                    .map(|s| Some(s.cordon))
                    .collect::<BooleanArray>(),
            ),
        ),
        ("cell", true, Arc::new(cells)),
        ("lat", true, at(|(lat, _)| lat)),
        ("lng", true, at(|(_, lng)| lng)),
    ])
}

fn venues(rows: &[Venue]) -> RecordBatch {
    let cells = rows.iter().map(|v| v.cell.index());
    table(vec![
        ("venue_id", false, text(rows.iter().map(|v| v.id.as_str()))),
        ("kind", false, text(rows.iter().map(|v| v.kind.as_str()))),
        (
            "name_zh",
            false,
            text(rows.iter().map(|v| v.name_zh.as_str())),
        ),
        (
            "name_en",
            false,
            text(rows.iter().map(|v| v.name_en.as_str())),
        ),
        (
            "usable_area_m2",
            false,
            number(rows.iter().map(|v| v.usable_area_m2)),
        ),
        (
            "capacity",
            false,
            whole(rows.iter().map(|v| u64::from(v.capacity))),
        ),
        (
            "capacity_basis",
            false,
            text(rows.iter().map(|v| v.capacity_basis.as_str())),
        ),
        (
            "grid_unit",
            true,
            maybe_text(rows.iter().map(|v| v.grid_unit.as_deref())),
        ),
        (
            "cell",
            false,
            Arc::new(UInt64Array::from_iter_values(cells)),
        ),
        ("lat", false, number(rows.iter().map(|v| v.centroid.0))),
        ("lng", false, number(rows.iter().map(|v| v.centroid.1))),
    ])
}

/// One row a cell that a venue's polygon overlaps, with the share of the polygon's area in it.
fn venue_cells(rows: &[Venue]) -> RecordBatch {
    let venues = rows.iter();
    let pairs: Vec<_> = venues
        .flat_map(|venue| venue.footprint.iter().map(move |part| (venue, part)))
        .collect();
    let cells = pairs.iter().map(|(_, part)| part.cell.index());
    table(vec![
        (
            "venue_id",
            false,
            text(pairs.iter().map(|(venue, _)| venue.id.as_str())),
        ),
        (
            "cell",
            false,
            Arc::new(UInt64Array::from_iter_values(cells)),
        ),
        (
            "share",
            false,
            number(pairs.iter().map(|(_, part)| part.share)),
        ),
    ])
}

fn grid_units(rows: &[GridUnit]) -> RecordBatch {
    table(vec![
        ("grid_unit", false, text(rows.iter().map(|u| u.id.as_str()))),
        (
            "parent",
            true,
            maybe_text(rows.iter().map(|u| u.parent.as_deref())),
        ),
        ("level", false, text(rows.iter().map(|u| u.level.as_str()))),
        (
            "name_zh",
            false,
            text(rows.iter().map(|u| u.name_zh.as_str())),
        ),
        (
            "name_en",
            false,
            text(rows.iter().map(|u| u.name_en.as_str())),
        ),
        (
            "duty",
            true,
            maybe_text(rows.iter().map(|u| u.duty.as_deref())),
        ),
    ])
}

/// One row an origin; `as_of_end` is the end of the local day that its prevalence is about.
fn incidence(reference: &Reference, zone: &TimeZone) -> RecordBatch {
    let origins = &reference.origins;
    let rows = || origins.iter().map(|origin| &origin.incidence);
    let rho = |idx: usize| number(rows().map(move |row| row.ascertainment[idx]));
    let share = |end: fn(PrevalenceRange) -> Prevalence| {
        number(origins.iter().map(move |row| end(row.prevalence).get()))
    };
    let tier = |origin: &Origin| reference.tiers.get(origin.tier.as_deref()?).copied();
    let kinds = origins.iter().map(|row| row.kind.map(OriginKind::as_str));
    let ends = origins.iter().map(|row| end_of_day(row.as_of, zone));
    let effects = origins
        .iter()
        .map(|row| tier(row).map_or(0.0, |rule| rule.entry_effect()));
    table(vec![
        ("origin", false, text(rows().map(|row| row.origin.as_str()))),
        ("kind", true, maybe_text(kinds)),
        (
            "tier",
            true,
            maybe_text(origins.iter().map(|row| row.tier.as_deref())),
        ),
        ("cases_7d", false, whole(rows().map(|row| row.cases_7d))),
        ("population", false, whole(rows().map(|row| row.population))),
        ("ascertainment_low", false, rho(0)),
        ("ascertainment_mid", false, rho(1)),
        ("ascertainment_high", false, rho(2)),
        (
            "infectious_days",
            false,
            number(rows().map(|row| row.infectious_days)),
        ),
        (
            "as_of",
            false,
            Arc::new(StringArray::from_iter_values(
                origins.iter().map(|row| row.as_of.to_string()),
            )),
        ),
        (
            "as_of_end",
            true,
            Arc::new(
                ends.collect::<TimestampMicrosecondArray>()
                    .with_timezone("UTC"),
            ),
        ),
        (
            "basis",
            false,
            text(origins.iter().map(|row| row.basis.as_str())),
        ),
        ("evidence", false, evidence(origins)),
        ("prevalence", false, share(PrevalenceRange::mid)),
        ("prevalence_lo", false, share(PrevalenceRange::lo)),
        ("prevalence_hi", false, share(PrevalenceRange::hi)),
        ("entry_effect", false, number(effects)),
    ])
}

/// What `import_risk` takes: a struct of [`EVIDENCE_FIELDS`].
fn evidence(origins: &[Origin]) -> Arc<dyn Array> {
    let parts: Vec<[f64; 5]> = origins.iter().map(|row| row.evidence.parts()).collect();
    let columns = EVIDENCE_FIELDS.iter().enumerate().map(|(idx, name)| {
        let field = Field::new(*name, DataType::Float64, false);
        let values = number(parts.iter().map(|parts| parts[idx]));
        (Arc::new(field), values)
    });
    Arc::new(StructArray::from(columns.collect::<Vec<_>>()))
}

/// One row a tier of origins; `held_share` and `stay_days` are null where nobody is quarantined.
fn tiers(reference: &Reference) -> RecordBatch {
    let rules = || reference.tiers.values();
    let held = || rules().map(TierRule::held);
    let shares = held().map(|held| held.map(Held::share));
    let stays = held().map(|held| held.map(|held| i64::from(held.stay_days())));
    table(vec![
        (
            "tier",
            false,
            text(reference.tiers.keys().map(String::as_str)),
        ),
        (
            "entry_effect",
            false,
            number(rules().map(TierRule::entry_effect)),
        ),
        (
            "held_share",
            true,
            Arc::new(shares.collect::<Float64Array>()),
        ),
        ("stay_days", true, Arc::new(stays.collect::<Int64Array>())),
    ])
}

/// When the local day is over, in microseconds; nothing for the last day of the calendar.
fn end_of_day(day: Date, zone: &TimeZone) -> Option<i64> {
    let next = day.tomorrow().ok()?.at(0, 0, 0, 0);
    let next = zone.to_ambiguous_timestamp(next).compatible().ok()?;
    Some(next.as_microsecond())
}
