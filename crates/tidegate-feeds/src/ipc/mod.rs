//! The product's own observations as an Arrow IPC stream: one stream a message.
//!
//! Columns are found by their names, those of the product's JSON: `site`, `start`, `measure` and
//! `count` are needed; `end`, `id`, `subject`, `origin`, `lat` and `lng` may be left out or null.
//! Other columns are passed over, but a name that could identify a person, also of a column within
//! a column, rejects the message without its bytes.
//!
//! A stream that breaks the format anywhere is one rejection and gives no row: what is read is
//! checked first, to the last buffer. After that a row that is wrong rejects only itself.
//!
//! The reading is our own, over the bytes as they are. The metadata goes through the verifier of
//! flatbuffers, every length, offset, view and key is checked, and no Arrow array is made of what a
//! message says: the reader of arrow 59 panics on a third of the broken streams that the tests here
//! make (a buffer outside its body, a type without a value, a number of 7 bits).
//!
//! Memory: views of the columns, of at most [`BATCHES_MAX`] batches; and dictionaries, 24 bytes for
//! a value that takes 1 or more in the payload, and twice that while they are read, so at most 48
//! times the payload. Rows are at most [`ROWS_MAX`] a message, and each rejected one keeps at most
//! 2 KiB and its text.

mod alone;
mod batch;
mod chunk;
mod column;
mod plan;
mod stream;

use std::collections::{BTreeMap, BTreeSet};

use arrow::ipc::{DictionaryBatch, MessageHeader, MetadataVersion};
use tidegate_model::{ObservationBuilder, Reason};

use crate::check::{Fault, check_name};
use crate::decoder::{Rejects, at_row};
use crate::mapped::Context;
use crate::own;
use crate::passed::Passed;
use crate::personal::PersonalFields;

use alone::Alone;
use batch::{Batch, Dictionaries, read_dictionary};
use chunk::Scratch;
use plan::Plan;
use stream::{Frame, Frames, malformed};

/// The most rows of a message.
const ROWS_MAX: usize = 65_536;

/// The most record batches of a message.
const BATCHES_MAX: usize = 4_096;

/// A whole stream whose form is right.
#[derive(Debug)]
struct Stream<'p> {
    plan: Plan,
    batches: Vec<Batch<'p>>,
}

impl<'p> Stream<'p> {
    fn read(payload: &'p [u8], personal: &PersonalFields) -> Result<Self, Fault> {
        let mut frames = Frames::new(payload);
        let Some(first) = frames.next()? else {
            return Err(malformed("a stream without a schema"));
        };
        let version = first.message.version();
        let schema = first.message.header_as_schema();
        let schema = schema.ok_or_else(|| malformed("a stream that begins without a schema"))?;
        let plan = Plan::try_new(schema, version, personal)?;
        let mut dictionaries = Dictionaries::new();
        let mut batches: Vec<Batch<'p>> = Vec::new();
        let mut rows = 0_usize;
        while let Some(frame) = frames.next()? {
            let Some(batch) = read_frame(&plan, &frame, version, &mut dictionaries)? else {
                continue;
            };
            rows = rows.saturating_add(batch.rows);
            if rows > ROWS_MAX {
                let detail = format!("{rows} rows, more than {ROWS_MAX} a message");
                return Err(Fault::new(Reason::TooLarge, detail));
            }
            if batches.len() == BATCHES_MAX {
                let detail = format!("more than {BATCHES_MAX} record batches");
                return Err(Fault::new(Reason::TooLarge, detail));
            }
            batches.push(batch);
        }
        Ok(Self { plan, batches })
    }

    /// Every row: its number in the message, its batch, its number there.
    fn rows(&self) -> impl Iterator<Item = (usize, &Batch<'p>, usize)> {
        let rows = self.batches.iter();
        rows.flat_map(|batch| (0..batch.rows).map(move |row| (batch, row)))
            .enumerate()
            .map(|(number, (batch, row))| (number, batch, row))
    }
}

/// A record batch, or `None` for a dictionary, which is remembered.
fn read_frame<'p>(
    plan: &Plan,
    frame: &Frame<'p>,
    version: MetadataVersion,
    dictionaries: &mut Dictionaries<'p>,
) -> Result<Option<Batch<'p>>, Fault> {
    let message = &frame.message;
    if message.version() != version {
        return Err(malformed("messages of two metadata versions"));
    }
    if let Some(batch) = message.header_as_record_batch() {
        return Batch::try_new(plan, batch, frame.body, dictionaries).map(Some);
    }
    if let Some(dictionary) = message.header_as_dictionary_batch() {
        add_dictionary(plan, dictionary, frame.body, dictionaries)?;
        return Ok(None);
    }
    let kind = message.header_type();
    let kind = match kind {
        MessageHeader::Schema => "a second schema",
        kind => kind.variant_name().unwrap_or("an unknown kind"),
    };
    Err(malformed(format!("{kind} among the batches of a stream")))
}

fn add_dictionary<'p>(
    plan: &Plan,
    dictionary: DictionaryBatch<'p>,
    body: &'p [u8],
    dictionaries: &mut Dictionaries<'p>,
) -> Result<(), Fault> {
    let id = dictionary.id();
    let Some(values) = plan.dictionary(id) else {
        // Of a column that nobody wants.
        return Ok(());
    };
    if dictionary.isDelta() {
        let detail = format!("dictionary {id} comes as a delta; send it whole");
        return Err(malformed(detail));
    }
    let batch = dictionary.data();
    let batch = batch.ok_or_else(|| malformed(format!("dictionary {id} without values")))?;
    let values = read_dictionary(batch, body, values)
        .map_err(|fault| malformed(format!("dictionary {id}: {}", fault.detail)))?;
    dictionaries.insert(id, values);
    Ok(())
}

/// Decodes one payload: every row becomes a row of `out` or a rejection.
pub(crate) fn decode(
    payload: &[u8],
    context: Context<'_>,
    out: &mut ObservationBuilder,
    rejects: &mut Rejects<'_>,
) {
    let stream = match Stream::read(payload, rejects.personal) {
        Ok(stream) => stream,
        Err(fault) => return rejects.add(fault, context.position, None, Some(payload)),
    };
    let mut alone = None;
    let mut scratch = Scratch::default();
    let mut first = 0;
    for batch in &stream.batches {
        let mut start = 0;
        while start < batch.rows {
            let end = batch.rows.min(start + chunk::ROWS);
            let at = |row: usize| Context {
                position: at_row(context.position, first + row),
                ..context
            };
            if !scratch.push(batch, start..end, at(start), out) {
                for row in start..end {
                    let pushed = batch
                        .parsed(row)
                        .and_then(|parsed| own::push(&parsed, at(row), out));
                    if let Err(fault) = pushed {
                        let site = batch
                            .site(row)
                            .filter(|site| check_name("site", site).is_ok());
                        let alone = alone.get_or_insert_with(|| Alone::new(&stream.plan));
                        let bytes = alone.write(batch, row);
                        rejects.add(
                            fault,
                            at(row).position,
                            site.map(str::to_owned),
                            Some(&bytes),
                        );
                    }
                }
            }
            start = end;
        }
        first += batch.rows;
    }
    if first == 0 {
        rejects.pass(Passed::Empty);
    }
}

/// The rows `wanted` of a payload, each as a stream of its own.
pub(crate) fn rows(
    payload: &[u8],
    wanted: &BTreeSet<usize>,
    personal: &PersonalFields,
) -> BTreeMap<usize, Vec<u8>> {
    match Stream::read(payload, personal) {
        Ok(stream) => {
            let alone = Alone::new(&stream.plan);
            stream
                .rows()
                .filter(|(number, ..)| wanted.contains(number))
                .map(|(number, batch, row)| (number, alone.write(batch, row)))
                .collect()
        }
        Err(fault) if fault.reason != Reason::PersonalData && wanted.contains(&0) => {
            BTreeMap::from([(0, payload.to_vec())])
        }
        Err(_) => BTreeMap::new(),
    }
}
