//! Reference data as SQL tables.

use std::sync::Arc;

use arrow::array::{
    Array, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, UInt64Array,
};
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::Result;
use tidegate_model::{Cell, GridUnit, Incidence, Site, Venue};
use tidegate_query::{Session, Slot};
use tidegate_risk::importation::{Ascertainment, Prevalence, PrevalenceRange, prevalence_range};

use crate::Reference;
use crate::foresight::{ABERRATION_SCHEMA, FORECAST_SCHEMA};
use crate::occupancy::OCCUPANCY_SCHEMA;
use crate::quality::{FEED_QUALITY_SCHEMA, FEED_REJECTED_SCHEMA, FEED_SITE_SCHEMA};

/// The table of occupancies, which each closing of the flow window sets anew.
pub(crate) const OCCUPANCY: &str = "occupancy";

/// The tables of feed quality, which each closing of the first window sets anew.
pub(crate) const FEED_QUALITY: &str = "feed_quality";
pub(crate) const FEED_REJECTED: &str = "feed_rejected";
pub(crate) const FEED_SITE: &str = "feed_site";

/// The table of forecasts, of which each slot of a `[[forecast]]` sets its layer's rows anew.
pub(crate) const FORECAST: &str = "forecast";

/// The table of aberrations, of which each slot of an `[[aberration]]` sets its layer's rows anew.
pub(crate) const ABERRATION: &str = "aberration";

/// The tables that follow the windows, step by step: what reads them is evaluated when a window
/// closes, and not again for its revision.
pub(crate) const STEPPED: [&str; 6] = [
    OCCUPANCY,
    FEED_QUALITY,
    FEED_REJECTED,
    FEED_SITE,
    FORECAST,
    ABERRATION,
];

/// The tables of [`STEPPED`].
#[derive(Debug)]
pub(crate) struct SteppedTables {
    pub(crate) occupancy: Slot,
    pub(crate) feed_quality: Slot,
    pub(crate) feed_rejected: Slot,
    pub(crate) feed_site: Slot,
    pub(crate) forecast: Slot,
    pub(crate) aberration: Slot,
}

impl SteppedTables {
    /// Each with its name.
    pub(crate) fn named(&self) -> [(&'static str, &Slot); STEPPED.len()] {
        [
            (OCCUPANCY, &self.occupancy),
            (FEED_QUALITY, &self.feed_quality),
            (FEED_REJECTED, &self.feed_rejected),
            (FEED_SITE, &self.feed_site),
            (FORECAST, &self.forecast),
            (ABERRATION, &self.aberration),
        ]
    }
}

/// Registers `site`, `venue`, `venue_cell`, `grid_unit`, `incidence`, and those of [`STEPPED`] empty.
pub(crate) fn register_reference(
    session: &Session,
    reference: &Reference,
) -> Result<SteppedTables> {
    for (name, table) in [
        ("site", sites(&reference.sites)),
        ("venue", venues(&reference.venues)),
        ("venue_cell", venue_cells(&reference.venues)),
        ("grid_unit", grid_units(&reference.grid_units)),
        ("incidence", incidence(&reference.incidence)),
    ] {
        session.register_rows(name, table.schema(), vec![table])?;
    }
    let stepped = |name: &str, schema: &SchemaRef| -> Result<Slot> {
        let slot = Slot::new(Arc::clone(schema));
        session.register_slot(name, &slot)?;
        Ok(slot)
    };
    Ok(SteppedTables {
        occupancy: stepped(OCCUPANCY, &OCCUPANCY_SCHEMA)?,
        feed_quality: stepped(FEED_QUALITY, &FEED_QUALITY_SCHEMA)?,
        feed_rejected: stepped(FEED_REJECTED, &FEED_REJECTED_SCHEMA)?,
        feed_site: stepped(FEED_SITE, &FEED_SITE_SCHEMA)?,
        forecast: stepped(FORECAST, &FORECAST_SCHEMA)?,
        aberration: stepped(ABERRATION, &ABERRATION_SCHEMA)?,
    })
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

fn venue_cells(rows: &[Venue]) -> RecordBatch {
    let pairs: Vec<(&str, u64)> = rows
        .iter()
        .flat_map(|v| v.footprint.iter().map(|cell| (v.id.as_str(), cell.index())))
        .collect();
    table(vec![
        (
            "venue_id",
            false,
            text(pairs.iter().map(|(venue, _)| *venue)),
        ),
        (
            "cell",
            false,
            Arc::new(UInt64Array::from_iter_values(
                pairs.iter().map(|(_, cell)| *cell),
            )),
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

fn incidence(rows: &[Incidence]) -> RecordBatch {
    let rho = |idx: usize| number(rows.iter().map(move |i| i.ascertainment[idx]));
    let share = |end: fn(PrevalenceRange) -> Prevalence| {
        number(rows.iter().map(move |row| end(prevalence(row)).get()))
    };
    table(vec![
        (
            "origin",
            false,
            text(rows.iter().map(|i| i.origin.as_str())),
        ),
        ("cases_7d", false, whole(rows.iter().map(|i| i.cases_7d))),
        (
            "population",
            false,
            whole(rows.iter().map(|i| i.population)),
        ),
        ("ascertainment_low", false, rho(0)),
        ("ascertainment_mid", false, rho(1)),
        ("ascertainment_high", false, rho(2)),
        (
            "infectious_days",
            false,
            number(rows.iter().map(|i| i.infectious_days)),
        ),
        ("as_of", false, text(rows.iter().map(|i| i.as_of.as_str()))),
        ("prevalence", false, share(PrevalenceRange::mid)),
        ("prevalence_lo", false, share(PrevalenceRange::lo)),
        ("prevalence_hi", false, share(PrevalenceRange::hi)),
    ])
}

/// The prevalence of an origin at low, middle and high ascertainment.
fn prevalence(row: &Incidence) -> PrevalenceRange {
    Ascertainment::try_new(row.ascertainment)
        .and_then(|ascertainment| {
            prevalence_range(
                row.cases_7d,
                row.population,
                ascertainment,
                row.infectious_days,
            )
        })
        .expect("an incidence row is checked when it is read")
}
