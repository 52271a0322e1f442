//! The product's own observations in Protobuf: `schemas/observation.proto`.
//!
//! A payload is an `ObservationBatch`, so that one message carries many observations. It is walked
//! entry by entry over the payload itself: text is borrowed, only rows are allocated. What is wrong
//! inside an entry rejects that entry; where the batch itself is broken, what follows
//! cannot be told apart and is one rejection.
//!
//! Fields that the schema does not have are passed over, as Protobuf wants it, and of a field that
//! is there twice the last one counts. Field names are not on the wire, so a field that could
//! identify a person cannot be seen: it is never read, and a producer must not send it.

mod reader;

pub(crate) use reader::{Broken, Reader, WireType};

use std::collections::{BTreeMap, BTreeSet};

use tidegate_model::{EventTime, Measure, ObservationBuilder, Reason, Subject};

use crate::check::{Fault, check_name};
use crate::decoder::{Rejects, at_row};
use crate::mapped::Context;
use crate::own::{self, Parsed};
use crate::passed::Passed;

/// The field of `ObservationBatch`.
const OBSERVATIONS: u32 = 1;

/// Which message of `schemas/observation.proto` a payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Root {
    /// An `ObservationBatch`, the first message of the schema.
    Batch,
    /// One `Observation`, the second; only a header with message indexes can say so.
    Single,
}

/// One observation of a batch, or what is left of a batch that is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry<'p> {
    /// With key and length: a batch of its own.
    raw: &'p [u8],
    content: Result<&'p [u8], Fault>,
}

/// The entries of a batch, in order; the first that is broken is the last.
#[derive(Debug)]
struct Entries<'p> {
    reader: Reader<'p>,
    root: Root,
    /// Bytes of fields that are not observations.
    others: usize,
}

impl<'p> Entries<'p> {
    const fn new(body: &'p [u8], root: Root) -> Self {
        Self {
            reader: Reader::new(body),
            root,
            others: 0,
        }
    }

    fn next_of_batch(&mut self) -> Result<Option<Entry<'p>>, Broken> {
        while !self.reader.is_empty() {
            let before = self.reader.rest();
            let (field, wire_type) = self.reader.key()?;
            let content = if (field, wire_type) == (OBSERVATIONS, WireType::Bytes) {
                Ok(self.reader.bytes()?)
            } else {
                self.reader.skip(field, wire_type)?;
                Err(wrong_wire("observations", wire_type, "LEN"))
            };
            let raw = &before[..before.len() - self.reader.rest().len()];
            if field == OBSERVATIONS {
                return Ok(Some(Entry { raw, content }));
            }
            self.others += raw.len();
        }
        Ok(None)
    }
}

impl<'p> Iterator for Entries<'p> {
    type Item = Entry<'p>;

    fn next(&mut self) -> Option<Self::Item> {
        let before = self.reader.rest();
        if self.root == Root::Single {
            self.root = Root::Batch;
            self.reader = Reader::new(&[]);
            return Some(Entry {
                raw: before,
                content: Ok(before),
            });
        }
        self.next_of_batch().unwrap_or_else(|broken| {
            // Unknown fields that were read on the way to the break belong to the rest.
            self.reader = Reader::new(&[]);
            let detail = format!("the batch cannot be read from here on: {broken}");
            Some(Entry {
                raw: before,
                content: Err(Fault::new(Reason::Malformed, detail)),
            })
        })
    }
}

/// Decodes one payload: every observation becomes a row or a rejection.
pub(crate) fn decode(
    body: &[u8],
    root: Root,
    context: Context<'_>,
    out: &mut ObservationBuilder,
    rejects: &mut Rejects<'_>,
) {
    let mut entries = Entries::new(body, root);
    let mut row = 0;
    for entry in entries.by_ref() {
        let context = Context {
            position: at_row(context.position, row),
            ..context
        };
        row += 1;
        let mut fields = Fields::default();
        let pushed = entry
            .content
            .and_then(|content| fields.read(content))
            .and_then(|()| own::push(&fields.parsed()?, context, out));
        if let Err(fault) = pushed {
            let site = fields.site.and_then(|site| std::str::from_utf8(site).ok());
            let site = site.filter(|site| check_name("site", site).is_ok());
            rejects.add(
                fault,
                context.position,
                site.map(str::to_owned),
                Some(entry.raw),
            );
        }
    }
    if row == 0 && entries.others > 0 {
        let detail = "no field 1 (observations), but others: not an ObservationBatch";
        let fault = Fault::new(Reason::MissingField, detail);
        rejects.add(fault, context.position, None, Some(body));
    } else if row == 0 {
        rejects.pass(Passed::Empty);
    }
}

/// The entries `wanted` of a payload, each as a message that can be read alone.
pub(crate) fn rows(body: &[u8], root: Root, wanted: &BTreeSet<usize>) -> BTreeMap<usize, Vec<u8>> {
    let mut entries = Entries::new(body, root);
    let mut found: BTreeMap<usize, Vec<u8>> = entries
        .by_ref()
        .enumerate()
        .filter(|(row, _)| wanted.contains(row))
        .map(|(row, entry)| (row, entry.raw.to_vec()))
        .collect();
    if !body.is_empty() && entries.others == body.len() && wanted.contains(&0) {
        found.insert(0, body.to_vec());
    }
    found
}

/// The fields of one `Observation` as they stand on the wire.
#[derive(Debug, Default)]
struct Fields<'p> {
    id: Option<&'p [u8]>,
    site: Option<&'p [u8]>,
    start: Option<u64>,
    end: Option<u64>,
    measure: Option<u64>,
    subject: Option<u64>,
    count: Option<u64>,
    origin: Option<&'p [u8]>,
    lat: Option<u64>,
    lng: Option<u64>,
}

impl<'p> Fields<'p> {
    /// Reads every field; what was read before a break stays, to name the site.
    fn read(&mut self, content: &'p [u8]) -> Result<(), Fault> {
        self.walk(content).unwrap_or_else(|broken| {
            let detail = format!("an observation cannot be read: {broken}");
            Err(Fault::new(Reason::Malformed, detail))
        })
    }

    /// The outer result is of the wire format, the inner one of the schema.
    #[inline]
    fn walk(&mut self, content: &'p [u8]) -> Result<Result<(), Fault>, Broken> {
        let mut reader = Reader::new(content);
        let mut wrong = Ok(());
        while !reader.is_empty() {
            match reader.key()? {
                (2, WireType::Bytes) => self.id = Some(reader.bytes()?),
                (3, WireType::Bytes) => self.site = Some(reader.bytes()?),
                (4, WireType::Fixed64) => self.start = Some(reader.fixed64()?),
                (5, WireType::Fixed64) => self.end = Some(reader.fixed64()?),
                (6, WireType::Varint) => self.measure = Some(reader.varint()?),
                (7, WireType::Varint) => self.subject = Some(reader.varint()?),
                (8, WireType::Varint) => self.count = Some(reader.varint()?),
                (9, WireType::Bytes) => self.origin = Some(reader.bytes()?),
                (10, WireType::Fixed64) => self.lat = Some(reader.fixed64()?),
                (11, WireType::Fixed64) => self.lng = Some(reader.fixed64()?),
                (field, wire_type) => {
                    reader.skip(field, wire_type)?;
                    if let Some((name, wanted)) = known(field) {
                        wrong = wrong.and(Err(wrong_wire(name, wire_type, wanted)));
                    }
                }
            }
        }
        Ok(wrong)
    }

    fn parsed(&self) -> Result<Parsed<'p>, Fault> {
        Ok(Parsed {
            id: text("id", self.id)?.map(str::as_bytes),
            site: required("site", text("site", self.site)?)?,
            start: time(required("start_us", self.start)?),
            end: self.end.map(time),
            measure: word("measure", required("measure", self.measure)?, &Measure::ALL)?,
            subject: match self.subject {
                None => Subject::default(),
                Some(number) => word("subject", number, &Subject::ALL)?,
            },
            count: required("count", self.count)?.cast_signed(),
            origin: text("origin", self.origin)?,
            lat: self.lat.map(f64::from_bits),
            lng: self.lng.map(f64::from_bits),
        })
    }
}

/// The name of a field of `Observation`, and how its value is written.
const fn known(field: u32) -> Option<(&'static str, &'static str)> {
    Some(match field {
        2 => ("id", "LEN"),
        3 => ("site", "LEN"),
        4 => ("start_us", "I64"),
        5 => ("end_us", "I64"),
        6 => ("measure", "VARINT"),
        7 => ("subject", "VARINT"),
        8 => ("count", "VARINT"),
        9 => ("origin", "LEN"),
        10 => ("lat", "I64"),
        11 => ("lng", "I64"),
        _ => return None,
    })
}

fn wrong_wire(name: &str, wire_type: WireType, wanted: &str) -> Fault {
    let detail = format!(
        "{name} is of wire type {}, not {wanted}",
        wire_type.as_str()
    );
    Fault::new(Reason::WrongType, detail)
}

fn required<T>(name: &str, value: Option<T>) -> Result<T, Fault> {
    value.ok_or_else(|| Fault::new(Reason::MissingField, format!("{name} is not there")))
}

fn text<'p>(name: &str, bytes: Option<&'p [u8]>) -> Result<Option<&'p str>, Fault> {
    let text = bytes.map(std::str::from_utf8).transpose();
    text.map_err(|_| Fault::new(Reason::NotUtf8, format!("{name} is not UTF-8")))
}

const fn time(micros: u64) -> EventTime {
    EventTime::from_micros(micros.cast_signed())
}

/// The word of a number on the wire: 0 is none, 1 the first.
fn word<T: Copy>(name: &str, number: u64, words: &[T]) -> Result<T, Fault> {
    if number == 0 {
        let detail = format!("{name} is 0, unspecified");
        return Err(Fault::new(Reason::MissingField, detail));
    }
    let index = usize::try_from(number - 1).ok();
    index
        .and_then(|index| words.get(index))
        .copied()
        .ok_or_else(|| {
            let number = number.cast_signed();
            Fault::new(
                Reason::WrongType,
                format!("{name} {number} is not a known number"),
            )
        })
}
