//! A layer's rows as what was observed of each subject.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Float64Type;
use tidegate_risk::forecast::Point;

/// What a layer says of one subject.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading<'a> {
    /// Kind of subject, and subject.
    pub(super) of: (&'a str, &'a str),
    /// The unit of the value.
    pub(super) unit: &'a str,
    /// What to learn from it.
    pub(super) point: Point,
}

/// One reading a subject, ascending by kind and subject, as the rows are. A subject with several
/// rows has no one value: it is faulty.
pub(super) fn readings(rows: &RecordBatch) -> Vec<Reading<'_>> {
    let column = |name: &str| rows.column_by_name(name).expect("a layer column");
    let text = |name: &str| column(name).as_string::<i32>();
    let (kinds, subjects, units) = (text("subject_kind"), text("subject"), text("unit"));
    let values = column("value").as_primitive::<Float64Type>();
    let status = text("status");
    let mut readings: Vec<Reading<'_>> = Vec::with_capacity(rows.num_rows());
    for row in 0..rows.num_rows() {
        let of = (kinds.value(row), subjects.value(row));
        if let Some(last) = readings.last_mut().filter(|last| last.of == of) {
            last.point = Point::Faulty;
            continue;
        }
        let status = status.is_valid(row).then(|| status.value(row));
        let value = values.is_valid(row).then(|| values.value(row));
        readings.push(Reading {
            of,
            unit: units.value(row),
            point: point(value, status),
        });
    }
    readings
}

fn point(value: Option<f64>, status: Option<&str>) -> Point {
    match (status, value) {
        (Some("withheld"), _) => Point::Suppressed,
        // Stale, and whatever else is no plain value.
        (Some(_), _) => Point::Faulty,
        (None, None) => Point::Missing,
        (None, Some(value)) => Point::from_value(value),
    }
}
