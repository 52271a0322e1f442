//! One record batch: its wanted columns as views, its rows as observations.

use std::collections::BTreeMap;

use arrow::ipc::RecordBatch;
use tidegate_model::{EventTime, Measure, Reason, Subject};

use super::column::{Dictionary, Floats, Ints, Times, Validity, Value, Values};
use super::plan::{BytesType, ColumnType, Name, Plan};
use super::stream::malformed;
use crate::check::{Fault, shown};
use crate::own::Parsed;

/// The values of the dictionaries of a stream, as far as it was read.
pub(super) type Dictionaries<'p> = BTreeMap<i64, Dictionary<'p>>;

/// The wanted columns of a record batch. Every view has [`Self::rows`] rows.
#[derive(Debug)]
pub(super) struct Batch<'p> {
    pub(super) rows: usize,
    pub(super) id: Option<Values<'p>>,
    pub(super) site: Values<'p>,
    pub(super) start: Times<'p>,
    pub(super) end: Option<Times<'p>>,
    pub(super) measure: Values<'p>,
    pub(super) subject: Option<Values<'p>>,
    pub(super) count: Ints<'p>,
    pub(super) origin: Option<Values<'p>>,
    pub(super) lat: Option<Floats<'p>>,
    pub(super) lng: Option<Floats<'p>>,
}

/// Which rows of a column have a value, and its other buffers.
type Buffers<'p> = (Validity<'p>, Vec<&'p [u8]>);

/// The parts of a batch's metadata that say where its buffers are.
struct Layout<'p> {
    batch: RecordBatch<'p>,
    body: &'p [u8],
    rows: usize,
    node: usize,
    buffer: usize,
    variadic: usize,
}

impl<'p> Layout<'p> {
    fn try_new(batch: RecordBatch<'p>, body: &'p [u8]) -> Result<Self, Fault> {
        if let Some(compression) = batch.compression() {
            let codec = compression.codec().variant_name().unwrap_or("unknown");
            return Err(malformed(format!(
                "a batch compressed with {codec}: compress the Kafka message instead"
            )));
        }
        let rows = usize::try_from(batch.length())
            .map_err(|_| malformed(format!("a batch of {} rows", batch.length())))?;
        Ok(Self {
            batch,
            body,
            rows,
            node: 0,
            buffer: 0,
            variadic: 0,
        })
    }

    /// The validity and the buffers of the next node, of which `fixed` are always there; `None`
    /// when nobody wants them.
    fn next(
        &mut self,
        fixed: usize,
        variadic: bool,
        wanted: bool,
    ) -> Result<Option<Buffers<'p>>, Fault> {
        let mut count = fixed;
        if variadic {
            let counts = self.batch.variadicBufferCounts();
            let stated = counts.filter(|counts| self.variadic < counts.len());
            let stated = stated.map(|counts| counts.get(self.variadic));
            let more = stated.and_then(|more| usize::try_from(more).ok());
            let more = more.ok_or_else(|| malformed("a batch without a count of view buffers"))?;
            count = fixed.saturating_add(more);
            self.variadic += 1;
        }
        let first = self.buffer;
        self.buffer = first.saturating_add(count);
        let node = self.node;
        self.node += 1;
        let nodes = self.batch.nodes().filter(|nodes| node < nodes.len());
        let buffers = self.batch.buffers();
        let (Some(nodes), Some(buffers)) = (nodes, buffers) else {
            return Err(malformed("a batch with fewer columns than its schema"));
        };
        if self.buffer > buffers.len() {
            return Err(malformed("a batch with fewer buffers than its schema"));
        }
        if !wanted {
            return Ok(None);
        }
        let node = nodes.get(node);
        if usize::try_from(node.length()) != Ok(self.rows) {
            let (length, rows) = (node.length(), self.rows);
            return Err(malformed(format!(
                "a column of {length} rows in a batch of {rows}"
            )));
        }
        let mut found = Vec::with_capacity(count);
        for index in first..self.buffer {
            let buffer = buffers.get(index);
            let start = usize::try_from(buffer.offset()).ok();
            let len = usize::try_from(buffer.length()).ok();
            let range = start
                .zip(len)
                .and_then(|(start, len)| Some(start..start.checked_add(len)?));
            let bytes = range
                .and_then(|range| self.body.get(range))
                .ok_or_else(|| {
                    let (offset, len, body) = (buffer.offset(), buffer.length(), self.body.len());
                    malformed(format!(
                        "a buffer of {len} bytes at {offset} in a body of {body}"
                    ))
                })?;
            found.push(bytes);
        }
        let validity = Validity::try_new(found.remove(0), self.rows, node.null_count())?;
        Ok(Some((validity, found)))
    }

    /// Everything that the metadata lists must have been of the schema.
    fn finish(&self) -> Result<(), Fault> {
        let listed = (
            self.batch.nodes().map_or(0, |nodes| nodes.len()),
            self.batch.buffers().map_or(0, |buffers| buffers.len()),
            self.batch
                .variadicBufferCounts()
                .map_or(0, |counts| counts.len()),
        );
        if listed != (self.node, self.buffer, self.variadic) {
            return Err(malformed(
                "a batch with more columns or buffers than its schema",
            ));
        }
        Ok(())
    }
}

/// One column, as its type wants it.
enum Column<'p> {
    Values(Values<'p>),
    Times(Times<'p>),
    Ints(Ints<'p>),
    Floats(Floats<'p>),
}

impl<'p> Column<'p> {
    fn try_new(
        column_type: ColumnType,
        rows: usize,
        (validity, buffers): Buffers<'p>,
        dictionaries: &Dictionaries<'p>,
    ) -> Result<Self, Fault> {
        let data = buffers.first().copied().unwrap_or_default();
        Ok(match column_type {
            ColumnType::Bytes(bytes_type) => {
                Self::Values(Values::try_new(bytes_type, rows, validity, &buffers)?)
            }
            ColumnType::Dictionary { id, keys, values } => {
                let keys = Ints::try_new(keys, rows, validity, data)?;
                // A dictionary that no row uses may be left out.
                let dictionary = dictionaries.get(&id).cloned().unwrap_or_else(|| [].into());
                Self::Values(Values::of_dictionary(
                    keys,
                    rows,
                    dictionary,
                    values.is_text,
                )?)
            }
            ColumnType::Time(unit) => Self::Times(Times::try_new(unit, rows, validity, data)?),
            ColumnType::Int(int_type) => Self::Ints(Ints::try_new(int_type, rows, validity, data)?),
            ColumnType::Float32 => Self::Floats(Floats::try_new(4, rows, validity, data)?),
            ColumnType::Float64 => Self::Floats(Floats::try_new(8, rows, validity, data)?),
        })
    }

    fn values(self) -> Option<Values<'p>> {
        match self {
            Self::Values(values) => Some(values),
            _ => None,
        }
    }

    fn times(self) -> Option<Times<'p>> {
        match self {
            Self::Times(times) => Some(times),
            _ => None,
        }
    }

    fn ints(self) -> Option<Ints<'p>> {
        match self {
            Self::Ints(ints) => Some(ints),
            _ => None,
        }
    }

    fn floats(self) -> Option<Floats<'p>> {
        match self {
            Self::Floats(floats) => Some(floats),
            _ => None,
        }
    }
}

/// The values of a dictionary batch.
pub(super) fn read_dictionary<'p>(
    batch: RecordBatch<'p>,
    body: &'p [u8],
    values: BytesType,
) -> Result<Dictionary<'p>, Fault> {
    let (buffers, variadic) = match values.lengths {
        super::plan::Lengths::Views => (2, true),
        super::plan::Lengths::Fixed(_) => (2, false),
        _ => (3, false),
    };
    let mut layout = Layout::try_new(batch, body)?;
    let found = layout.next(buffers, variadic, true)?;
    layout.finish()?;
    let (validity, buffers) = found.expect("a wanted column has buffers");
    let column = Values::try_new(values, layout.rows, validity, &buffers)?;
    let mut dictionary = Vec::with_capacity(layout.rows);
    column.all(0..layout.rows, |value| {
        dictionary.push(value);
        true
    });
    Ok(dictionary.into())
}

impl<'p> Batch<'p> {
    pub(super) fn try_new(
        plan: &Plan,
        batch: RecordBatch<'p>,
        body: &'p [u8],
        dictionaries: &Dictionaries<'p>,
    ) -> Result<Self, Fault> {
        let mut layout = Layout::try_new(batch, body)?;
        let mut columns: [Option<Column<'p>>; 10] = Default::default();
        for step in &plan.steps {
            let found = layout.next(step.buffers, step.variadic, step.wanted.is_some())?;
            if let (Some((name, column_type)), Some(found)) = (step.wanted, found) {
                let column = Column::try_new(column_type, layout.rows, found, dictionaries);
                columns[name as usize] = Some(column.map_err(|fault| {
                    malformed(format!("column {}: {}", name.as_str(), fault.detail))
                })?);
            }
        }
        layout.finish()?;
        let mut take = |name: Name| columns[name as usize].take();
        let there = "the plan refuses a schema without the column, or with another type";
        Ok(Self {
            rows: layout.rows,
            id: take(Name::Id).and_then(Column::values),
            site: take(Name::Site).and_then(Column::values).expect(there),
            start: take(Name::Start).and_then(Column::times).expect(there),
            end: take(Name::End).and_then(Column::times),
            measure: take(Name::Measure).and_then(Column::values).expect(there),
            subject: take(Name::Subject).and_then(Column::values),
            count: take(Name::Count).and_then(Column::ints).expect(there),
            origin: take(Name::Origin).and_then(Column::values),
            lat: take(Name::Lat).and_then(Column::floats),
            lng: take(Name::Lng).and_then(Column::floats),
        })
    }

    /// The observation of one row.
    pub(super) fn parsed(&self, row: usize) -> Result<Parsed<'p>, Fault> {
        let subject = optional_text("subject", self.subject.as_ref(), row)?;
        Ok(Parsed {
            id: self.id(row)?,
            site: required("site", optional_text("site", Some(&self.site), row)?)?,
            start: required("start", time("start", Some(&self.start), row)?)?,
            end: time("end", self.end.as_ref(), row)?,
            measure: {
                let word = optional_text("measure", Some(&self.measure), row)?;
                known("measure", required("measure", word)?, Measure::from_word)?
            },
            subject: match subject {
                None => Subject::default(),
                Some(word) => known("subject", word, Subject::from_word)?,
            },
            count: {
                let valid = self.count.validity.has(row).then_some(());
                required("count", valid)?;
                self.count.get(row).ok_or_else(|| {
                    Fault::new(Reason::AbsurdCount, "count is above 9223372036854775807")
                })?
            },
            origin: optional_text("origin", self.origin.as_ref(), row)?,
            lat: self.lat.and_then(|lat| lat.get(row)),
            lng: self.lng.and_then(|lng| lng.get(row)),
        })
    }

    fn id(&self, row: usize) -> Result<Option<&'p [u8]>, Fault> {
        let Some(id) = &self.id else {
            return Ok(None);
        };
        match id.get(row) {
            Value::Null => Ok(None),
            Value::Text(text) => Ok(Some(text.as_bytes())),
            Value::Bytes(_) if id.is_text() => Err(not_utf8("id")),
            Value::Bytes(bytes) => Ok(Some(bytes)),
        }
    }

    /// The site of a row that could not be understood.
    pub(super) fn site(&self, row: usize) -> Option<&'p str> {
        optional_text("site", Some(&self.site), row).ok().flatten()
    }
}

fn not_utf8(name: &str) -> Fault {
    Fault::new(Reason::NotUtf8, format!("{name} is not UTF-8"))
}

fn required<T>(name: &str, value: Option<T>) -> Result<T, Fault> {
    value.ok_or_else(|| Fault::new(Reason::MissingField, format!("{name} is null")))
}

fn optional_text<'p>(
    name: &str,
    values: Option<&Values<'p>>,
    row: usize,
) -> Result<Option<&'p str>, Fault> {
    match values.map_or(Value::Null, |values| values.get(row)) {
        Value::Null => Ok(None),
        Value::Text(text) => Ok(Some(text)),
        Value::Bytes(_) => Err(not_utf8(name)),
    }
}

fn known<T>(name: &str, word: &str, from_word: fn(&str) -> Option<T>) -> Result<T, Fault> {
    from_word(word).ok_or_else(|| {
        let detail = format!("{name} {} is not a known word", shown(word));
        Fault::new(Reason::WrongType, detail)
    })
}

fn time(name: &str, times: Option<&Times<'_>>, row: usize) -> Result<Option<EventTime>, Fault> {
    let Some(times) = times.filter(|times| times.ints.validity.has(row)) else {
        return Ok(None);
    };
    let time = times.get(row).ok_or_else(|| {
        let number = times.ints.get(row).unwrap_or_default();
        let detail = format!("{name}: {number} is beyond what microseconds can tell");
        Fault::new(Reason::BadTime, detail)
    })?;
    Ok(Some(time))
}
