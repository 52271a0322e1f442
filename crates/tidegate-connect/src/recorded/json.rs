//! JSON files as messages: one line each, the elements of an array, or one document.

use std::io::{self, BufRead};
use std::path::Path;

use super::lines::{is_blank, read_line};
use super::{MESSAGE_BYTES_MAX, Reader, read_error, too_large};
use crate::error::ConnectError;

/// The values of a JSON file.
#[derive(Debug)]
pub(super) struct Values {
    reader: Reader,
    layout: Layout,
    /// Number of the next value, from 1.
    row: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// One value a line.
    Lines,
    /// Inside an array; before its first element or after a comma.
    Array,
    /// One value over several lines, or several one after the other.
    Document,
    End,
}

impl Values {
    /// Finds the layout: an array when the first byte is `[`, a document when the first line is
    /// only `{`, otherwise lines, so that a broken line spoils no other.
    pub(super) fn new(reader: Reader, path: &Path) -> Result<Self, ConnectError> {
        let mut values = Self {
            reader,
            layout: Layout::Lines,
            row: 1,
        };
        let start = values
            .reader
            .fill_buf()
            .map_err(|e| read_error(path, 1, e))?;
        if start.starts_with(b"\xef\xbb\xbf") {
            values.reader.consume(3);
        }
        match values.peek(path)? {
            Some(b'[') => {
                values.reader.consume(1);
                values.layout = Layout::Array;
            }
            Some(b'{') => {
                let buffered = values
                    .reader
                    .fill_buf()
                    .map_err(|e| read_error(path, 1, e))?;
                let line = buffered.split(|b| *b == b'\n').next().unwrap_or_default();
                if line.trim_ascii() == b"{" && line.len() < buffered.len() {
                    values.layout = Layout::Document;
                }
            }
            _ => {}
        }
        Ok(values)
    }

    pub(super) fn next_value(&mut self, path: &Path) -> Result<Option<Vec<u8>>, ConnectError> {
        let value = match self.layout {
            Layout::Lines => self.next_line(path)?,
            Layout::Array => self.next_element(path)?,
            Layout::Document => match self.peek(path)? {
                Some(_) => Some(self.scan(path)?),
                None => None,
            },
            Layout::End => None,
        };
        if value.is_some() {
            self.row += 1;
        }
        Ok(value)
    }

    fn next_line(&mut self, path: &Path) -> Result<Option<Vec<u8>>, ConnectError> {
        loop {
            let mut line = Vec::new();
            match read_line(&mut self.reader, &mut line) {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                    return Err(too_large(path, self.row));
                }
                Err(error) => return Err(read_error(path, self.row, error)),
            }
            if is_blank(&line) {
                continue;
            }
            while line.last().is_some_and(|b| matches!(b, b'\r' | b'\n')) {
                line.pop();
            }
            return Ok(Some(line));
        }
    }

    fn next_element(&mut self, path: &Path) -> Result<Option<Vec<u8>>, ConnectError> {
        match self.peek(path)? {
            Some(b']') => {
                self.reader.consume(1);
                self.layout = Layout::End;
                return match self.peek(path)? {
                    None => Ok(None),
                    Some(_) => Err(self.broken(path, "something follows the array's end")),
                };
            }
            None => return Err(self.broken(path, "the array does not end")),
            Some(_) => {}
        }
        let value = self.scan(path)?;
        match self.peek(path)? {
            Some(b',') => {
                self.reader.consume(1);
                if self.peek(path)? == Some(b']') {
                    return Err(self.broken(path, "no element follows a comma"));
                }
            }
            Some(b']') => {}
            Some(_) => return Err(self.broken(path, "no comma follows an element")),
            None => return Err(self.broken(path, "the array does not end")),
        }
        Ok(Some(value))
    }

    /// The next byte that is not white space, left in place.
    fn peek(&mut self, path: &Path) -> Result<Option<u8>, ConnectError> {
        loop {
            let row = self.row;
            let buffered = self
                .reader
                .fill_buf()
                .map_err(|e| read_error(path, row, e))?;
            if buffered.is_empty() {
                return Ok(None);
            }
            let found = buffered.iter().position(|b| !b.is_ascii_whitespace());
            let skipped = found.unwrap_or(buffered.len());
            let byte = found.map(|at| buffered[at]);
            self.reader.consume(skipped);
            if byte.is_some() {
                return Ok(byte);
            }
        }
    }

    /// Takes one value, of which at least a byte is there. Line ends between its tokens become
    /// spaces, so that a value is one line; inside strings JSON allows none.
    fn scan(&mut self, path: &Path) -> Result<Vec<u8>, ConnectError> {
        let mut value = Vec::new();
        let mut scan = Scan::default();
        loop {
            let row = self.row;
            let buffered = self
                .reader
                .fill_buf()
                .map_err(|e| read_error(path, row, e))?;
            if buffered.is_empty() {
                if scan.depth == 0 && !scan.string && !value.is_empty() {
                    return Ok(trimmed(value));
                }
                return Err(self.broken(path, "the value does not end"));
            }
            let end = buffered.iter().position(|byte| scan.ends_before(*byte));
            let part = &buffered[..end.unwrap_or(buffered.len())];
            value.extend(part.iter().map(|b| match b {
                b'\r' | b'\n' => b' ',
                other => *other,
            }));
            let length = part.len();
            self.reader.consume(length);
            if value.len() > MESSAGE_BYTES_MAX {
                return Err(too_large(path, self.row));
            }
            if end.is_some() {
                if value.is_empty() {
                    return Err(self.broken(path, "no value where one is due"));
                }
                return Ok(trimmed(value));
            }
        }
    }

    fn broken(&self, path: &Path, detail: &str) -> ConnectError {
        ConnectError::Corrupt {
            path: path.to_owned(),
            row: Some(self.row),
            detail: detail.to_owned(),
        }
    }
}

fn trimmed(mut value: Vec<u8>) -> Vec<u8> {
    value.truncate(value.trim_ascii_end().len());
    value
}

/// Follows nesting and strings through one value.
#[derive(Default)]
struct Scan {
    depth: usize,
    string: bool,
    escaped: bool,
    /// The value was an object, an array or a string and is whole.
    whole: bool,
}

impl Scan {
    /// Takes in one byte; true when the value ended before it.
    fn ends_before(&mut self, byte: u8) -> bool {
        if self.whole {
            return true;
        }
        if self.string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => {
                    self.string = false;
                    self.whole = self.depth == 0;
                }
                _ => {}
            }
            return false;
        }
        match byte {
            b'"' => self.string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' if self.depth > 0 => {
                self.depth -= 1;
                self.whole = self.depth == 0;
            }
            b'}' | b']' | b',' | b' ' | b'\t' | b'\r' | b'\n' => return self.depth == 0,
            _ => {}
        }
        false
    }
}
