//! CSV payloads: a header line and one or more rows, each read or rejected on its own.

mod split;

use std::collections::{BTreeMap, BTreeSet};

use tidegate_model::{ObservationBuilder, Reason};

use crate::check::Fault;
use crate::decoder::{BOM, Rejects, at_row, not_utf8, whole};
use crate::json::Names;
use crate::mapped::{Cell, Context, Mapper, Record, Slots};
use crate::passed::Passed;
use crate::personal::PersonalFields;

use split::Splitter;

/// How many times the bytes of a payload its header may have, once for every line: each row that is
/// rejected is kept below the header.
const HEADERS_MAX: usize = 64;

#[derive(Debug, Clone)]
pub(crate) struct CsvForm {
    pub(crate) mapper: Mapper,
    splitter: Splitter,
    header: Header,
}

/// A header line, understood. The last one is kept: a payload that starts with the same bytes
/// needs no second look.
#[derive(Debug, Clone, Default)]
struct Header {
    /// The payload's bytes up to the first row, with BOM and line break.
    raw: Vec<u8>,
    /// How many cells it has, and how many up to the last one with a name.
    width: usize,
    named: usize,
    /// The cell of each slot.
    cells: Vec<Option<usize>>,
    /// Why no row under it can be read.
    fault: Option<Fault>,
    /// Whether `raw` alone, whatever follows, says all of this.
    reusable: bool,
}

struct CsvRecord<'r> {
    splitter: &'r Splitter,
    row: &'r str,
    cells: &'r [Option<usize>],
}

impl Record for CsvRecord<'_> {
    fn cell(&self, slot: usize) -> Cell<'_> {
        let Some(Some(index)) = self.cells.get(slot) else {
            return Cell::Absent;
        };
        self.splitter
            .cell(self.row, *index)
            .map_or(Cell::Empty, Cell::of_text)
    }
}

impl CsvForm {
    pub(crate) fn new(mapper: Mapper, delimiter: u8) -> Self {
        Self {
            mapper,
            splitter: Splitter::new(delimiter),
            header: Header::default(),
        }
    }

    pub(crate) fn decode(
        &mut self,
        bytes: &[u8],
        context: Context<'_>,
        out: &mut ObservationBuilder,
        rejects: &mut Rejects<'_>,
    ) {
        self.understand(bytes, rejects.personal);
        if let Err(fault) = self.check_length(bytes) {
            return rejects.add(fault, context.position, None, Some(bytes));
        }
        let rows = &bytes[self.header.raw.len()..];
        let (mut at, mut index) = (0, 0);
        while let Some((line, problem)) = self.next_row(rows, &mut at) {
            let context = Context {
                position: at_row(context.position, index),
                ..context
            };
            index += 1;
            self.mapper.clear_site();
            match self.decode_row(line, problem, context, out) {
                Ok(None) => {}
                Ok(Some(why)) => rejects.pass(why),
                Err(fault) => {
                    let kept = self.with_header(line);
                    rejects.add(fault, context.position, self.mapper.site(), Some(&kept));
                }
            }
        }
        if index == 0 {
            let fault = self
                .header
                .fault
                .clone()
                .unwrap_or_else(|| Fault::new(Reason::Malformed, "a header without a row"));
            rejects.add(fault, context.position, None, Some(bytes));
        }
    }

    /// The rows that `wanted` names, each below its header, so that it can be read alone.
    pub(crate) fn rows(
        &mut self,
        bytes: &[u8],
        wanted: &BTreeSet<usize>,
        personal: &PersonalFields,
    ) -> BTreeMap<usize, Vec<u8>> {
        self.understand(bytes, personal);
        if self.check_length(bytes).is_err() {
            return whole(bytes, wanted);
        }
        let rows = &bytes[self.header.raw.len()..];
        let (mut at, mut index) = (0, 0);
        let mut found = BTreeMap::new();
        while let Some((line, _)) = self.next_row(rows, &mut at) {
            if wanted.contains(&index) {
                found.insert(index, self.with_header(line));
            }
            index += 1;
        }
        if index == 0 {
            return whole(bytes, wanted);
        }
        found
    }

    /// Reads the header of a payload, unless it is the one that is known.
    fn understand(&mut self, bytes: &[u8], personal: &PersonalFields) {
        let known = self.header.reusable && bytes.starts_with(&self.header.raw);
        if !known {
            self.header = read_header(&mut self.splitter, bytes, self.mapper.slots(), personal);
        }
    }

    /// Refuses a header that is long and stands above many short rows: it is no table.
    fn check_length(&self, bytes: &[u8]) -> Result<(), Fault> {
        let header = self.header.raw.len();
        let lines = memchr::memchr_iter(b'\n', &bytes[header..]).count();
        if lines.saturating_mul(header) <= HEADERS_MAX * bytes.len() {
            return Ok(());
        }
        let detail = format!(
            "a header of {header} bytes over {lines} lines, together more than {HEADERS_MAX} times \
             the payload's {}",
            bytes.len()
        );
        Err(Fault::new(Reason::TooLarge, detail))
    }

    /// The next row from `at` on that is not blank, split, and what is wrong with its quotes.
    fn next_row<'b>(
        &mut self,
        rows: &'b [u8],
        at: &mut usize,
    ) -> Option<(&'b [u8], Option<&'static str>)> {
        let width = self.header.width;
        while *at < rows.len() {
            let row = self.splitter.split(&rows[*at..], |cells| cells == width);
            let line = &rows[*at..*at + row.len];
            *at += row.consumed;
            if !line.trim_ascii().is_empty() {
                return Some((line, row.problem));
            }
        }
        None
    }

    fn decode_row(
        &mut self,
        line: &[u8],
        problem: Option<&'static str>,
        context: Context<'_>,
        out: &mut ObservationBuilder,
    ) -> Result<Option<Passed>, Fault> {
        let Self {
            mapper,
            splitter,
            header,
        } = self;
        if let Some(fault) = &header.fault {
            return Err(fault.clone());
        }
        let text = std::str::from_utf8(line).map_err(|_| not_utf8())?;
        if let Some(problem) = problem {
            return Err(Fault::new(Reason::Malformed, problem));
        }
        splitter.unquote(text);
        splitter
            .check_width(text, header.width, header.named)
            .map_err(|ragged| {
                Fault::new(
                    Reason::Malformed,
                    format!(
                        "the row has {} cells, its header {}",
                        ragged.cells, header.width
                    ),
                )
            })?;
        let record = CsvRecord {
            splitter,
            row: text,
            cells: &header.cells,
        };
        mapper.map(&record, context, out)
    }

    /// A row as it is kept when rejected: below its header, so that it can be read alone.
    fn with_header(&self, line: &[u8]) -> Vec<u8> {
        let header = &self.header.raw;
        let mut kept = Vec::with_capacity(header.len() + line.len() + 1);
        kept.extend_from_slice(header);
        if !kept.ends_with(b"\n") {
            kept.push(b'\n');
        }
        kept.extend_from_slice(line);
        kept
    }
}

/// Reads the header line of a CSV payload, behind a BOM and blank lines.
fn read_header(
    splitter: &mut Splitter,
    bytes: &[u8],
    slots: &Slots,
    personal: &PersonalFields,
) -> Header {
    let mut at = if bytes.starts_with(BOM) { BOM.len() } else { 0 };
    let (line, problem) = loop {
        if at >= bytes.len() {
            return Header {
                raw: bytes.to_vec(),
                fault: Some(Fault::new(Reason::Malformed, "no header line")),
                ..Header::default()
            };
        }
        let row = splitter.split(&bytes[at..], |_| true);
        let line = &bytes[at..at + row.len];
        at += row.consumed;
        if !line.trim_ascii().is_empty() {
            break (line, row.problem);
        }
    };
    let mut header = Header {
        raw: bytes[..at].to_vec(),
        reusable: problem.is_none() && bytes[..at].ends_with(b"\n"),
        ..Header::default()
    };
    header.fault = name_cells(&mut header, splitter, line, slots)
        .err()
        .or_else(|| problem.map(|problem| Fault::new(Reason::Malformed, problem)));
    let denied = std::str::from_utf8(line).is_ok_and(|line| {
        problem.is_none()
            && (0..splitter.len())
                .filter_map(|index| splitter.cell(line, index))
                .any(|cell| personal.denies(cell))
    });
    if denied || (header.fault.is_some() && personal.find_in_header(line)) {
        header.fault = Some(Fault::new(
            Reason::PersonalData,
            "a column could identify a person",
        ));
    }
    header
}

/// Finds which cell of the header each slot is.
fn name_cells(
    header: &mut Header,
    splitter: &mut Splitter,
    line: &[u8],
    slots: &Slots,
) -> Result<(), Fault> {
    let text = std::str::from_utf8(line).map_err(|_| not_utf8())?;
    splitter.unquote(text);
    header.width = splitter.len();
    header.cells = vec![None; slots.slots()];
    let mut ranks = vec![usize::MAX; slots.slots()];
    for index in 0..splitter.len() {
        let name = splitter.cell(text, index).unwrap_or_default();
        if !name.is_empty() {
            header.named = index + 1;
        }
        let Some((slot, rank)) = slots.find(name) else {
            continue;
        };
        if rank == ranks[slot] {
            return Err(Fault::new(
                Reason::Malformed,
                format!("column {name} is in the header twice"),
            ));
        }
        if rank < ranks[slot] {
            ranks[slot] = rank;
            header.cells[slot] = Some(index);
        }
    }
    Ok(())
}
