//! What a run over a layer takes and gives.

use std::borrow::Cow;

use tidegate_model::{EventTime, Span};

use super::Described;
use super::coverage::LayerCoverage;
use super::episode::Episode;
use crate::measurement::Measurement;
use crate::transition::AlertTransition;

/// Rows of one layer as columns of equal length, windows in ascending order, all rows of a window
/// one after the other (over several calls if need be). A number that is NaN is none.
#[derive(Debug, Clone, Copy)]
pub struct Columns<'a> {
    /// Start of the window, microseconds.
    pub window_start: &'a [i64],
    /// End of the window, microseconds.
    pub window_end: &'a [i64],
    /// The subject's number.
    pub subject: &'a [u32],
    /// The value.
    pub value: &'a [f64],
    /// The lower bound of its interval; without it, no row has one.
    pub lo: Option<&'a [f64]>,
    /// Share of the expected input; without it, no row has one.
    pub coverage: Option<&'a [f64]>,
}

/// Which rows the machine is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Selection {
    /// Those that could matter.
    #[default]
    Matters,
    /// All of them: slow, and the same result.
    Everything,
}

/// What a run is told of its layer.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerSettings {
    /// The layer.
    pub layer: String,
    /// From the end of a window to the end of the next; above zero.
    pub step: Span,
    /// The unit of its values.
    pub unit: String,
    /// Ends of windows that had data although the layer may have no rows in them, ascending.
    pub full: Vec<EventTime>,
    /// Start of the period that was asked for, if any: what is missing from there on is a gap.
    pub from: Option<EventTime>,
    /// End of the period that was asked for, if any.
    pub to: Option<EventTime>,
    /// Which rows the machine is shown.
    pub selection: Selection,
}

/// What became of one layer.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerOutcome {
    /// How much of its data was there.
    pub coverage: LayerCoverage,
    /// The alerts that were raised, by the time at which they were.
    pub episodes: Vec<Episode>,
    /// Every change that the machine told, in its order.
    pub transitions: Vec<AlertTransition>,
    /// How often an alert did not begin for want of room in the machine.
    pub refused: u64,
}

/// A row that is shown to the machine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Picked {
    pub(super) subject: u32,
    pub(super) value: f64,
    pub(super) lo: f64,
    pub(super) coverage: f64,
}

impl Picked {
    /// A row of `subject` without any number.
    pub(super) fn none(subject: u32) -> Self {
        Self {
            subject,
            value: f64::NAN,
            lo: f64::NAN,
            coverage: f64::NAN,
        }
    }
}

/// A row of a subject as the machine reads it.
pub(super) fn measurement<'a>(
    settings: &'a LayerSettings,
    subject: &'a Described,
    (window_start, window_end): (EventTime, EventTime),
    row: &Picked,
) -> Measurement<'a> {
    let number = |number: f64| Some(number).filter(|number| !number.is_nan());
    let tags: &'a [(&'a str, Cow<'a, str>)] = &subject.tags;
    Measurement {
        layer: &settings.layer,
        window_start,
        window_end,
        subject_kind: &subject.kind,
        subject: &subject.id,
        name_zh: &subject.name_zh,
        name_en: &subject.name_en,
        tags,
        value: number(row.value),
        lo: number(row.lo),
        hi: None,
        unit: &settings.unit,
        level: None,
        coverage: number(row.coverage),
        data_age: None,
        method: "",
    }
}
