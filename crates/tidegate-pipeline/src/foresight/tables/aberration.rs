//! The table of aberrations.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use tidegate_model::EventTime;
use tidegate_risk::aberration::Flag;
use tidegate_risk::aberration::baseline::Score;
use tidegate_risk::aberration::chart::EwmaStep;

use super::{Of, Subjects, constant, numbers, utc};
use crate::foresight::detector::{Charts, Judged};
use crate::foresight::spec::AberrationSpec;

/// Columns of numbers.
const NUMBERS: [&str; 11] = [
    "value",
    "expected",
    "z",
    "p_value",
    "p_adjusted",
    "c1",
    "c2",
    "c3",
    "cusum",
    "ewma",
    "ewma_limit",
];

/// Columns of answers.
const ANSWERS: [&str; 6] = [
    "c1_high",
    "c2_high",
    "c3_high",
    "cusum_high",
    "ewma_high",
    "flag",
];

/// The `aberration` table: of each `[[aberration]]` a row for each subject, as of the slot that ended
/// last.
///
/// - `layer`, `subject_kind`, `subject`: whose `value` in `unit` is judged; `window_end`, when.
/// - `expected`, by the mean of the same slot before or by the forecast one slot ahead; `z`, the
///   value's distance from it in standard deviations; `baseline_n`, how many values the deviation
///   rests on. `p_value`, the probability of a distance as high or higher by chance, and
///   `p_adjusted`, the same among all series of the window (Benjamini and Hochberg).
/// - `c1`, `c2`, `c3` (EARS), `cusum`, `ewma` with its upper `ewma_limit`, all over the distances of
///   the windows before; `c1_high` and so on, whether each is above its threshold.
/// - `flag`: in `k` of the last `n` windows that were judged, this one among them or not,
///   `p_adjusted` was at most `q`. Null when this window was not judged.
/// - `method` of `z`, see `docs/METHODS.md`.
/// - `reason`, why the value was not judged: `missing`, `faulty`, `suppressed`,
///   `too_little_history`, `too_many_series`.
pub static ABERRATION_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let text = |name| Field::new(name, DataType::Utf8, false);
    let mut fields = vec![text("layer"), text("subject_kind"), text("subject")];
    fields.push(Field::new("window_end", utc(), false));
    fields.extend(NUMBERS.map(|name| Field::new(name, DataType::Float64, true)));
    fields.extend(ANSWERS.map(|name| Field::new(name, DataType::Boolean, true)));
    fields.push(Field::new("baseline_n", DataType::Int64, true));
    fields.extend([text("unit"), text("method")]);
    fields.push(Field::new("reason", DataType::Utf8, true));
    Arc::new(Schema::new(fields))
});

/// What is said of one series.
#[derive(Debug, Clone, Copy)]
pub(in crate::foresight) struct Finding {
    pub(in crate::foresight) value: Option<f64>,
    pub(in crate::foresight) judged: Result<Judged, &'static str>,
    pub(in crate::foresight) p_adjusted: Option<f64>,
    pub(in crate::foresight) charts: Charts,
}

/// Rows of [`ABERRATION_SCHEMA`] under construction, all of one layer.
#[derive(Debug)]
pub(in crate::foresight) struct AberrationRows<'a> {
    layer: &'a str,
    window_end: EventTime,
    spec: &'a AberrationSpec,
    subjects: Subjects,
    numbers: [Vec<Option<f64>>; NUMBERS.len()],
    answers: [Vec<Option<bool>>; ANSWERS.len()],
    baseline_n: Vec<Option<i64>>,
    reasons: StringBuilder,
}

impl<'a> AberrationRows<'a> {
    pub(in crate::foresight) fn new(
        layer: &'a str,
        window_end: EventTime,
        spec: &'a AberrationSpec,
    ) -> Self {
        Self {
            layer,
            window_end,
            spec,
            subjects: Subjects::default(),
            numbers: [const { Vec::new() }; NUMBERS.len()],
            answers: [const { Vec::new() }; ANSWERS.len()],
            baseline_n: Vec::new(),
            reasons: StringBuilder::new(),
        }
    }

    pub(in crate::foresight) fn push(&mut self, of: Of<'_>, finding: Finding) {
        let judged = finding.judged.ok();
        let Charts {
            ears,
            cusum,
            ewma,
            flag,
        } = finding.charts;
        let [c1, c2, c3] = self.spec.thresholds.flags(ears).map(answer);
        self.add(
            of,
            [
                finding.value,
                judged.map(|judged| judged.expected),
                judged.map(|judged| judged.z),
                judged.map(|judged| judged.p_value),
                finding.p_adjusted,
                ears.c1.map(Score::value),
                ears.c2.map(Score::value),
                ears.c3,
                cusum.map(|step| step.sum),
                ewma.map(|step| step.average),
                ewma.map(|step| step.limit),
            ],
            [
                c1,
                c2,
                c3,
                cusum.map(|step| step.alarm),
                ewma.map(EwmaStep::is_high),
                answer(flag),
            ],
        );
        self.baseline_n
            .push(judged.map(|judged| i64::from(judged.baseline_n)));
        self.reasons.append_option(finding.judged.err());
    }

    /// A subject that is not followed.
    pub(in crate::foresight) fn refuse(&mut self, of: Of<'_>, reason: &'static str) {
        self.add(of, [None; NUMBERS.len()], [None; ANSWERS.len()]);
        self.baseline_n.push(None);
        self.reasons.append_value(reason);
    }

    fn add(
        &mut self,
        of: Of<'_>,
        numbers: [Option<f64>; NUMBERS.len()],
        answers: [Option<bool>; ANSWERS.len()],
    ) {
        self.subjects.push(of);
        for (column, number) in self.numbers.iter_mut().zip(numbers) {
            column.push(number);
        }
        for (column, answer) in self.answers.iter_mut().zip(answers) {
            column.push(answer);
        }
    }

    pub(in crate::foresight) fn finish(mut self) -> RecordBatch {
        let rows = self.baseline_n.len();
        let (mut columns, unit) = self.subjects.finish(self.layer, self.window_end);
        columns.extend(self.numbers.map(numbers));
        let answers = self.answers.into_iter();
        columns.extend(answers.map(|column| -> ArrayRef { Arc::new(BooleanArray::from(column)) }));
        columns.push(Arc::new(Int64Array::from(self.baseline_n)));
        columns.extend([
            unit,
            constant(self.spec.kind.method(), rows),
            Arc::new(self.reasons.finish()),
        ]);
        RecordBatch::try_new(Arc::clone(&ABERRATION_SCHEMA), columns)
            .expect("the columns are those of the schema")
    }
}

/// An answer; none where it is unknown.
fn answer(flag: Flag) -> Option<bool> {
    match flag {
        Flag::Unknown => None,
        Flag::Clear => Some(false),
        Flag::Raised => Some(true),
    }
}
