//! What the machine is shown: the final rows of a layer.

use std::borrow::Cow;

use tidegate_model::{EventTime, Span};

/// One final layer row, as far as rules and alerts read it. Text is borrowed.
#[derive(Debug, Clone, Copy)]
pub struct Measurement<'a> {
    /// The layer.
    pub layer: &'a str,
    /// Start of the window.
    pub window_start: EventTime,
    /// End of the window.
    pub window_end: EventTime,
    /// `cell`, `venue`, `site`, `grid_unit` or `city`.
    pub subject_kind: &'a str,
    /// The subject's id.
    pub subject: &'a str,
    /// The subject's name in Chinese; its id stands in for an empty one.
    pub name_zh: &'a str,
    /// The subject's name in English; its id stands in for an empty one.
    pub name_en: &'a str,
    /// The subject's tags, for example `("kind", "market")`.
    pub tags: &'a [(&'a str, Cow<'a, str>)],
    /// The value; `None`, NaN and infinities are rows without data.
    pub value: Option<f64>,
    /// Lower bound of its interval.
    pub lo: Option<f64>,
    /// Upper bound of its interval.
    pub hi: Option<f64>,
    /// Unit of the three.
    pub unit: &'a str,
    /// The value's level where the layer has levels, for example a level of service.
    pub level: Option<&'a str>,
    /// Share of the expected inputs that the value rests on, 0 to 1.
    pub coverage: Option<f64>,
    /// Event time from the newest input to the window's end.
    pub data_age: Option<Span>,
    /// The method's id, see `docs/METHODS.md`.
    pub method: &'a str,
}
