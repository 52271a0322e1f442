//! What a run gives out, as lines: who reads the output topics sees these.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType};
use arrow::util::display::array_value_to_string;
use tidegate_alerts::AlertTransition;
use tidegate_model::{FeedId, ObservationBatch, Reason, Rejected};
use tidegate_pipeline::Event;

/// One record of an output topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Output {
    /// Its key: equal for the same fact, in a repetition too.
    pub(crate) id: String,
    /// What the oracle can know of it.
    pub(crate) content: String,
    /// All of it.
    pub(crate) full: String,
    /// False when it shows a window that is still open.
    pub(crate) is_final: bool,
}

/// The id of a pane.
pub(crate) fn pane_id(window: &str, end: i64, revision: u32, key: &str) -> String {
    format!("pane/{window}/{end}/r{revision}/{key}")
}

/// The id of a layer's row.
pub(crate) fn layer_id(layer: &str, end: i64, revision: u32, subject: &str) -> String {
    format!("layer/{layer}/{end}/r{revision}/{subject}")
}

/// The id of an alert's transition.
pub(crate) fn alert_id(rule: &str, subject: &str, end: i64) -> String {
    format!("alert/{rule}/{subject}/{end}")
}

/// The id of a record that is in no window: `late`, `rejected` or `duplicate`.
pub(crate) fn record_id(what: &str, feed: &str, partition: i32, offset: i64) -> String {
    format!("{what}/{feed}/{partition}/{offset}")
}

/// The records that an event becomes.
pub(crate) fn outputs(event: &Event) -> Vec<Output> {
    match event {
        Event::Pane {
            window,
            rows,
            end,
            revision,
            is_final,
        } => panes(window, rows, end.micros(), *revision)
            .map(|output| Output {
                is_final: *is_final,
                ..output
            })
            .collect(),
        Event::Layer {
            layer,
            rows,
            is_final,
        } => (0..rows.num_rows())
            .map(|row| Output {
                is_final: *is_final,
                ..layer_row(layer, rows, row)
            })
            .collect(),
        Event::Alert(transition) => vec![alert(transition)],
        Event::Late {
            feed,
            batch,
            reason,
            watermarks,
            ..
        } => (0..batch.len())
            .map(|row| {
                let content = format!("{} missed={}", reason.code(), watermarks[row].micros());
                record("late", feed, batch, row, content)
            })
            .collect(),
        Event::Duplicate { feed, batch, .. } => (0..batch.len())
            .map(|row| record("duplicate", feed, batch, row, String::new()))
            .collect(),
        Event::Rejected(rejected) => rejected.iter().map(rejection).collect(),
        Event::FeedHealth(change) => vec![Output {
            id: format!("feed_health/{}/{}", change.feed, change.seen),
            content: change.state.as_str().to_owned(),
            full: change.text_en(),
            is_final: true,
        }],
        Event::OccupancyCorrection(rows) => (0..rows.num_rows())
            .map(|row| correction(rows, row))
            .collect(),
        Event::FeedQuality { quality, .. } => (0..quality.num_rows())
            .map(|row| feed_quality(quality, row))
            .collect(),
        Event::Aberration { rows, .. } => (0..rows.num_rows())
            .map(|row| foreseen("aberration", &["window_end"], rows, row))
            .collect(),
        Event::Forecast { rows, .. } => (0..rows.num_rows())
            .map(|row| foreseen("forecast", &["made_at", "horizon_minutes"], rows, row))
            .collect(),
        Event::LayerFailed { layer, end, why } => {
            vec![text(format!("layer_failed/{layer}/{end}"), why)]
        }
        Event::Audit(entry) => {
            vec![text(
                format!("audit/{}/{}", entry.task, entry.number),
                &entry.hash,
            )]
        }
    }
}

/// Something that is one text.
fn text(id: String, text: &str) -> Output {
    Output {
        id,
        content: text.to_owned(),
        full: text.to_owned(),
        is_final: true,
    }
}

fn correction(rows: &RecordBatch, row: usize) -> Output {
    let of = |name: &str| {
        let column = rows.column_by_name(name).expect("a column of the table");
        value(column.as_ref(), row)
    };
    let (venue, kind) = (of("venue_id"), of("kind"));
    let (window_end, at) = (of("window_end"), of("at"));
    Output {
        id: format!("occupancy_correction/{venue}/{window_end}/{at}/{kind}"),
        content: String::new(),
        full: all(rows, row),
        is_final: true,
    }
}

fn feed_quality(rows: &RecordBatch, row: usize) -> Output {
    let of = |name: &str| {
        let column = rows.column_by_name(name).expect("a column of the table");
        value(column.as_ref(), row)
    };
    Output {
        id: format!("feed_quality/{}/{}", of("feed"), of("window_end")),
        content: String::new(),
        full: all(rows, row),
        is_final: true,
    }
}

/// A row of a table about the subjects of a layer.
fn foreseen(table: &str, when: &[&str], rows: &RecordBatch, row: usize) -> Output {
    let of = |name: &str| {
        let column = rows.column_by_name(name).expect("a column of the table");
        value(column.as_ref(), row)
    };
    let keys = ["layer", "subject_kind", "subject"];
    let keys = keys.iter().chain(when).map(|name| of(name));
    Output {
        id: format!("{table}/{}", keys.collect::<Vec<_>>().join("/")),
        content: String::new(),
        full: all(rows, row),
        is_final: true,
    }
}

fn panes(
    window: &str,
    rows: &RecordBatch,
    end: i64,
    revision: u32,
) -> impl Iterator<Item = Output> {
    let key = if window == "flow" {
        "venue_id"
    } else {
        "site_id"
    };
    (0..rows.num_rows()).map(move |row| {
        let mut content = Vec::new();
        let mut of = String::new();
        for (field, column) in rows.schema().fields().iter().zip(rows.columns()) {
            let text = value(column.as_ref(), row);
            match field.name().as_str() {
                "window_start" | "window_end" => {}
                name if name == key => of = text,
                name => content.push(format!("{name}={text}")),
            }
        }
        // The order of columns is the query's affair.
        content.sort();
        let content = content.join(" ");
        Output {
            id: pane_id(window, end, revision, &of),
            full: all(rows, row),
            content,
            is_final: true,
        }
    })
}

fn layer_row(layer: &str, rows: &RecordBatch, row: usize) -> Output {
    let of = |name: &str| {
        let column = rows.column_by_name(name).expect("a layer column");
        value(column.as_ref(), row)
    };
    let end: i64 = of("window_end").parse().expect("a time");
    let revision: u32 = of("revision").parse().expect("0 or 1");
    Output {
        id: layer_id(layer, end, revision, &of("subject")),
        content: format!("value={}", of("value")),
        full: all(rows, row),
        is_final: true,
    }
}

fn alert(transition: &AlertTransition) -> Output {
    let value = transition
        .value
        .map_or("null".to_owned(), |value| format!("{value:?}"));
    Output {
        id: alert_id(
            &transition.rule,
            &transition.subject,
            transition.window_end.micros(),
        ),
        content: format!(
            "{} value={value} since={}",
            transition.state.as_str(),
            transition.since.micros()
        ),
        full: format!("{transition:?}"),
        is_final: transition.is_final,
    }
}

fn record(
    what: &str,
    feed: &FeedId,
    batch: &ObservationBatch,
    row: usize,
    content: String,
) -> Output {
    let position = batch.position(row);
    Output {
        id: record_id(what, feed.as_str(), position.partition, position.offset),
        full: format!("{content} {}", all(batch.batch(), row)),
        content,
        is_final: true,
    }
}

fn rejection(rejected: &Rejected) -> Output {
    let position = rejected.position;
    let kept = match (&rejected.bytes, rejected.reason) {
        (Some(_), Reason::PersonalData) => " with its bytes, which must not be kept",
        (None, Reason::PersonalData | Reason::Tombstone) | (Some(_), _) => "",
        (None, _) => " without its bytes",
    };
    Output {
        id: record_id(
            "rejected",
            rejected.feed.as_str(),
            position.partition,
            position.offset,
        ),
        content: format!("{}{kept}", rejected.reason.code()),
        full: format!("{rejected:?}"),
        is_final: true,
    }
}

/// Every column of a row.
fn all(rows: &RecordBatch, row: usize) -> String {
    let columns = rows.columns().iter();
    let values: Vec<String> = columns.map(|column| value(column.as_ref(), row)).collect();
    values.join("|")
}

/// One value; times in microseconds since the epoch.
fn value(column: &dyn Array, row: usize) -> String {
    if column.is_null(row) {
        return "null".to_owned();
    }
    match column.data_type() {
        DataType::Timestamp(TimeUnit::Microsecond, _) => column
            .as_primitive::<TimestampMicrosecondType>()
            .value(row)
            .to_string(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::Float64 => format!("{:?}", column.as_primitive::<Float64Type>().value(row)),
        _ => array_value_to_string(column, row).expect("every column of the product has a text"),
    }
}
