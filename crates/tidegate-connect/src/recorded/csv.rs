//! CSV files as messages of a header line and rows, byte for byte.
//!
//! The `csv` crate gives fields, not the bytes of a row, so rows are cut here; tests hold the cut
//! against that crate. A row ends at a line feed outside quotes. A quote opens only at the start of
//! a field, as there, so `5" pipe` is text. Blank lines are no rows.

use std::collections::VecDeque;
use std::io;
use std::path::Path;

use super::lines::{is_blank, read_line};
use super::{MESSAGE_BYTES_MAX, Reader, read_error, too_large};
use crate::error::ConnectError;

/// The longest row that may span lines. A quote that does not close within it is taken as text of
/// one broken line, so that one stray quote does not swallow the rest of a file.
const QUOTED_ROW_MAX: usize = 1 << 20;

/// The rows of a CSV file after its header.
#[derive(Debug)]
pub(super) struct Rows {
    reader: Reader,
    delimiter: u8,
    /// The header's line with its line ending, a byte order mark included.
    header: Vec<u8>,
    /// The next row is this one of the file, the header being row 1.
    row: u64,
    /// Lines that were read in search of a closing quote and given back.
    back: VecDeque<Vec<u8>>,
}

impl Rows {
    pub(super) fn new(reader: Reader, path: &Path) -> Result<Self, ConnectError> {
        let mut rows = Self {
            reader,
            delimiter: b',',
            header: Vec::new(),
            row: 1,
            back: VecDeque::new(),
        };
        if let Some(line) = rows.next_line(path)? {
            rows.delimiter = delimiter_of(&line);
            rows.header = rows.complete(line, path)?;
            rows.row = 2;
        }
        Ok(rows)
    }

    /// The header and up to `count` rows.
    pub(super) fn next_message(
        &mut self,
        count: usize,
        path: &Path,
    ) -> Result<Option<Vec<u8>>, ConnectError> {
        let mut message = Vec::new();
        for _ in 0..count {
            let Some(line) = self.next_line(path)? else {
                break;
            };
            let row = self.complete(line, path)?;
            if message.is_empty() {
                message.reserve(self.header.len() + row.len() * count.min(1024));
                message.extend_from_slice(&self.header);
            }
            message.extend_from_slice(&row);
            self.row += 1;
            if message.len() >= MESSAGE_BYTES_MAX {
                break;
            }
        }
        Ok((!message.is_empty()).then_some(message))
    }

    /// The next line that is not blank.
    fn next_line(&mut self, path: &Path) -> Result<Option<Vec<u8>>, ConnectError> {
        while let Some(line) = self.any_line(path)? {
            if !is_blank(&line) {
                return Ok(Some(line));
            }
        }
        Ok(None)
    }

    fn any_line(&mut self, path: &Path) -> Result<Option<Vec<u8>>, ConnectError> {
        if let Some(line) = self.back.pop_front() {
            return Ok(Some(line));
        }
        let mut line = Vec::new();
        match read_line(&mut self.reader, &mut line) {
            Ok(true) => Ok(Some(line)),
            Ok(false) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                Err(too_large(path, self.row))
            }
            Err(error) => Err(read_error(path, self.row, error)),
        }
    }

    /// The whole row that starts with `line`: more lines while a quote is open.
    fn complete(&mut self, line: Vec<u8>, path: &Path) -> Result<Vec<u8>, ConnectError> {
        let mut quotes = Quotes::new(self.delimiter);
        if quotes.closed_after(&line) {
            return Ok(line);
        }
        let mut taken = vec![];
        let mut length = line.len();
        while length < QUOTED_ROW_MAX {
            let Some(more) = self.any_line(path)? else {
                break;
            };
            length += more.len();
            let closed = quotes.closed_after(&more);
            taken.push(more);
            if closed {
                let mut row = line;
                for more in &taken {
                    row.extend_from_slice(more);
                }
                return Ok(row);
            }
        }
        for more in taken.into_iter().rev() {
            self.back.push_front(more);
        }
        Ok(line)
    }
}

/// Follows quotes through the lines of one row.
struct Quotes {
    delimiter: u8,
    state: Inside,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    FieldStart,
    Text,
    Quoted,
    /// After a quote within a quoted field: it closes the field or is half of a doubled one.
    QuoteInQuoted,
}

impl Quotes {
    fn new(delimiter: u8) -> Self {
        Self {
            delimiter,
            state: Inside::FieldStart,
        }
    }

    /// Whether the row is whole after `line`.
    fn closed_after(&mut self, line: &[u8]) -> bool {
        if self.state == Inside::FieldStart && !line.contains(&b'"') {
            return true;
        }
        let bom = self.state == Inside::FieldStart && line.starts_with(b"\xef\xbb\xbf");
        for &byte in &line[if bom { 3 } else { 0 }..] {
            self.state = match (self.state, byte) {
                (Inside::Quoted, b'"') => Inside::QuoteInQuoted,
                (Inside::FieldStart | Inside::QuoteInQuoted, b'"') | (Inside::Quoted, _) => {
                    Inside::Quoted
                }
                (_, byte) if byte == self.delimiter => Inside::FieldStart,
                _ => Inside::Text,
            };
        }
        self.state != Inside::Quoted
    }
}

/// The delimiter that occurs most in the header outside quotes; a comma when none does.
fn delimiter_of(header: &[u8]) -> u8 {
    let mut counts = [(b',', 0_usize), (b';', 0), (b'\t', 0), (b'|', 0)];
    let mut quoted = false;
    for byte in header {
        quoted ^= *byte == b'"';
        if let Some((_, count)) = counts.iter_mut().find(|(d, _)| !quoted && d == byte) {
            *count += 1;
        }
    }
    // The first of equals, so that a comma is preferred.
    counts
        .iter()
        .rev()
        .max_by_key(|(_, count)| *count)
        .map_or(b',', |(delimiter, _)| *delimiter)
}

#[cfg(test)]
mod tests {
    //! Tries to break the cutting of rows: the `csv` crate must see the same records in the pieces
    //! as in the whole.

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn delimiters() {
        for (header, expected) in [
            ("a,b,c", b','),
            ("a;b;c", b';'),
            ("a\tb", b'\t'),
            ("a|b", b'|'),
            ("only", b','),
            ("\"a;b;c\",d", b','),
            ("a,b;c", b','),
        ] {
            assert_eq!(delimiter_of(header.as_bytes()), expected, "{header}");
        }
    }

    fn records(bytes: &[u8]) -> Vec<csv::ByteRecord> {
        csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(bytes)
            .byte_records()
            .map(Result::unwrap)
            .collect()
    }

    proptest! {
        /// Cutting a document with every mix of quotes, delimiters and line ends gives the records
        /// that the `csv` crate gives. The last quote is closed, since an open one is a case of its
        /// own.
        #[test]
        fn cuts_where_the_csv_crate_does(
            pieces in prop::collection::vec(
                prop::sample::select(vec!["a", "\"", "\"\"", ",", "\n", "\r\n", " ", "é", "\"x\ny\","]),
                0..40,
            ),
            count in 1_usize..4,
        ) {
            let text = format!("h,i\n{}", pieces.concat());
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("t.csv");
            std::fs::write(&path, &text).unwrap();
            let whole = records(text.as_bytes());
            let mut file = super::super::RecordedFile::open(&path).unwrap()
                .with_rows_per_message(count.try_into().unwrap());
            let mut cut = vec![whole[0].clone()];
            let mut bytes = b"h,i\n".to_vec();
            for message in file.messages() {
                let message = message.unwrap();
                prop_assert!(message.starts_with(b"h,i\n"));
                bytes.extend_from_slice(&message[4..]);
                cut.extend(records(&message).into_iter().skip(1));
            }
            // No byte but blank lines is lost, whatever the quotes say.
            let solid = |bytes: &[u8]| bytes.iter().filter(|b| !b"\r\n".contains(b)).count();
            prop_assert_eq!(solid(&bytes), solid(text.as_bytes()));
            if balanced(&text) {
                prop_assert_eq!(cut, whole);
            }
        }
    }

    /// Whether no quoted field is open at the end, followed row by row.
    fn balanced(text: &str) -> bool {
        let mut quotes = Quotes::new(b',');
        let mut closed = true;
        for line in text.split_inclusive('\n') {
            if closed {
                quotes = Quotes::new(b',');
            }
            closed = quotes.closed_after(line.as_bytes());
        }
        closed
    }
}
