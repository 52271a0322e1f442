//! CSV as cities write it: rows split one by one, so that a broken row stays alone.
//!
//! RFC 4180 with these liberties: LF or CRLF; any ASCII delimiter; a BOM; blank lines passed over;
//! a quote inside an unquoted cell is part of it. A quoted cell may hold line breaks, but when its
//! row does not come out with the header's width, or the quote is not closed within a few lines,
//! only the line on which it opened is given up.

use std::ops::Range;

/// How many line breaks one row may hold in its quoted cells.
const BREAKS_MAX: usize = 8;

/// One cell: a range of the row's bytes, or of the splitter's own text where quotes were doubled.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Span {
    range: Range<usize>,
    doubled: bool,
}

/// What was split off the front of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    /// Length of the row without its line break.
    pub(crate) len: usize,
    /// Length with its line break: where the next row starts.
    pub(crate) consumed: usize,
    /// What is wrong with its quotes.
    pub(crate) problem: Option<&'static str>,
}

/// Splits rows into cells; keeps its buffers from row to row.
#[derive(Debug, Clone, Default)]
pub(crate) struct Splitter {
    delimiter: u8,
    cells: Vec<Span>,
    unquoted: String,
}

/// Why a row does not fit its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ragged {
    pub(crate) cells: usize,
}

impl Splitter {
    pub(crate) fn new(delimiter: u8) -> Self {
        Self {
            delimiter,
            cells: Vec::new(),
            unquoted: String::new(),
        }
    }

    /// Splits the first row off `bytes`, which is not empty. `fits` says whether a row of several
    /// lines may have this many cells.
    pub(crate) fn split(&mut self, bytes: &[u8], fits: impl Fn(usize) -> bool) -> Row {
        let mut row = self.split_quoted(bytes);
        let several_lines = bytes[..row.len].contains(&b'\n');
        if row.problem.is_none() && several_lines && !fits(self.cells.len()) {
            row = first_line(bytes, "a quoted cell runs over the end of the line");
        }
        if row.problem.is_some() {
            // The cells found so far may lie beyond the line that is given up.
            self.cells.clear();
        }
        row
    }

    fn split_quoted(&mut self, bytes: &[u8]) -> Row {
        self.cells.clear();
        self.unquoted.clear();
        let mut at = 0;
        let mut breaks = 0;
        loop {
            let start = at;
            let (range, doubled) = if bytes.get(at) == Some(&b'"') {
                let Some((end, doubled)) = quoted_end(bytes, at + 1, &mut breaks) else {
                    return first_line(bytes, "a quote is not closed");
                };
                at = end + 1;
                (start + 1..end, doubled)
            } else {
                at += bytes[at..]
                    .iter()
                    .position(|&byte| byte == self.delimiter || byte == b'\n')
                    .unwrap_or(bytes.len() - at);
                let line_end = bytes.get(at) != Some(&self.delimiter);
                let end = if line_end && at > start && bytes[at - 1] == b'\r' {
                    at - 1
                } else {
                    at
                };
                (start..end, false)
            };
            self.cells.push(Span { range, doubled });
            let len = at;
            match bytes.get(at..).unwrap_or_default() {
                [byte, ..] if *byte == self.delimiter => at += 1,
                [] => return whole(trim_cr(bytes, len), len),
                [b'\n', ..] => return whole(trim_cr(bytes, len), len + 1),
                [b'\r', b'\n', ..] => return whole(len, len + 2),
                [b'\r'] => return whole(len, len + 1),
                _ => return first_line(bytes, "text stands behind a closing quote"),
            }
        }
    }

    /// Makes the cells readable, once the row is known to be text.
    pub(crate) fn unquote(&mut self, row: &str) {
        for cell in &mut self.cells {
            if cell.doubled {
                let start = self.unquoted.len();
                for (index, part) in row[cell.range.clone()].split("\"\"").enumerate() {
                    if index > 0 {
                        self.unquoted.push('"');
                    }
                    self.unquoted.push_str(part);
                }
                cell.range = start..self.unquoted.len();
            }
        }
    }

    /// How many cells the row has.
    pub(crate) fn len(&self) -> usize {
        self.cells.len()
    }

    /// The cell at `index`, trimmed; `row` is the row that was split and unquoted.
    pub(crate) fn cell<'a>(&'a self, row: &'a str, index: usize) -> Option<&'a str> {
        let cell = self.cells.get(index)?;
        let text = if cell.doubled { &self.unquoted } else { row };
        Some(text[cell.range.clone()].trim())
    }

    /// Whether the row fits a header of `width` cells of which the first `named` have a name:
    /// cells may be missing where the header has no name, and surplus ones must be empty.
    pub(crate) fn check_width(&self, row: &str, width: usize, named: usize) -> Result<(), Ragged> {
        let cells = self.len();
        let surplus_empty = || (width..cells).all(|index| self.cell(row, index) == Some(""));
        if cells == width || (cells >= named && cells < width) || (cells > width && surplus_empty())
        {
            Ok(())
        } else {
            Err(Ragged { cells })
        }
    }
}

/// The closing quote of a cell whose text starts at `from`, and whether quotes are doubled in it.
fn quoted_end(bytes: &[u8], from: usize, breaks: &mut usize) -> Option<(usize, bool)> {
    let mut at = from;
    let mut doubled = false;
    loop {
        match bytes.get(at)? {
            b'"' if bytes.get(at + 1) == Some(&b'"') => {
                doubled = true;
                at += 2;
            }
            b'"' => return Some((at, doubled)),
            b'\n' => {
                *breaks += 1;
                if *breaks > BREAKS_MAX {
                    return None;
                }
                at += 1;
            }
            _ => at += 1,
        }
    }
}

fn trim_cr(bytes: &[u8], len: usize) -> usize {
    if len > 0 && bytes[len - 1] == b'\r' {
        len - 1
    } else {
        len
    }
}

const fn whole(len: usize, consumed: usize) -> Row {
    Row {
        len,
        consumed,
        problem: None,
    }
}

/// The first line of `bytes` alone, broken.
fn first_line(bytes: &[u8], problem: &'static str) -> Row {
    let end = bytes.iter().position(|&byte| byte == b'\n');
    let len = end.unwrap_or(bytes.len());
    Row {
        len: trim_cr(bytes, len),
        consumed: end.map_or(bytes.len(), |end| end + 1),
        problem: Some(problem),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Splits all of `text`; a broken row is `["!", its text]`.
    fn rows(text: &str, width: usize) -> Vec<Vec<String>> {
        let mut splitter = Splitter::new(b',');
        let (mut rows, mut at) = (Vec::new(), 0);
        while at < text.len() {
            let row = splitter.split(&text.as_bytes()[at..], |cells| cells == width);
            let line = &text[at..at + row.len];
            at += row.consumed;
            if row.problem.is_some() {
                rows.push(vec!["!".to_owned(), line.to_owned()]);
                continue;
            }
            splitter.unquote(line);
            rows.push(
                (0..splitter.len())
                    .map(|i| splitter.cell(line, i).unwrap().to_owned())
                    .collect(),
            );
        }
        rows
    }

    #[test]
    fn splits() {
        for (text, want) in [
            ("a,b\n", vec![vec!["a", "b"]]),
            ("a,b", vec![vec!["a", "b"]]),
            ("a,b\r\nc,d\r\n", vec![vec!["a", "b"], vec!["c", "d"]]),
            ("a,\n,b", vec![vec!["a", ""], vec!["", "b"]]),
            ("\n", vec![vec![""]]),
            (" a , b ", vec![vec!["a", "b"]]),
            ("\"a,1\",\"b\"\"c\"\r\n", vec![vec!["a,1", "b\"c"]]),
            ("\"a\nb\",c\nd,e", vec![vec!["a\nb", "c"], vec!["d", "e"]]),
            ("a\"b,c\"", vec![vec!["a\"b", "c\""]]),
            ("\"a\",\"\"\r", vec![vec!["a", ""]]),
            // Broken rows stay alone.
            ("\"a,b\nc,d\n", vec![vec!["!", "\"a,b"], vec!["c", "d"]]),
            (
                "\"a\"x,b\nc,d\n",
                vec![vec!["!", "\"a\"x,b"], vec!["c", "d"]],
            ),
            (
                "\"a,b\nc,\"d\"\ne,f",
                vec![vec!["!", "\"a,b"], vec!["c", "d"], vec!["e", "f"]],
            ),
            (
                "\"a,b\n\",d,e\nf,g",
                vec![vec!["!", "\"a,b"], vec!["!", "\",d,e"], vec!["f", "g"]],
            ),
        ] {
            assert_eq!(rows(text, 2), want, "{text:?}");
        }
    }

    proptest! {
        /// What both can read they read alike: cells that the csv crate wrote.
        #[test]
        fn equals_the_csv_crate(table in proptest::collection::vec(
            proptest::collection::vec("[a-z\",\n 0-9é]{0,6}", 3), 1..6)) {
            let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
            for row in &table {
                writer.write_record(row).unwrap();
            }
            let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            let trimmed: Vec<Vec<String>> = table
                .iter()
                .map(|row| row.iter().map(|cell| cell.trim().to_owned()).collect())
                .collect();
            let breaks = table.iter().map(|row| row.iter().map(|c| c.matches('\n').count()).sum::<usize>()).max();
            prop_assume!(breaks <= Some(BREAKS_MAX));
            prop_assert_eq!(rows(&text, 3), trimmed);
        }

        /// Any bytes: every byte belongs to exactly one row, and splitting ends.
        #[test]
        fn consumes_everything(text in "[a\",\r\n]{0,40}") {
            let mut splitter = Splitter::new(b',');
            let mut at = 0;
            while at < text.len() {
                let row = splitter.split(&text.as_bytes()[at..], |cells| cells == 2);
                prop_assert!(row.consumed > 0 && row.len <= row.consumed);
                at += row.consumed;
            }
            prop_assert_eq!(at, text.len());
        }
    }
}
