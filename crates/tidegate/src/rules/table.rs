//! Tables of text on a terminal.

/// Rows of text under a header, each column as wide as it needs to be.
#[derive(Debug)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns.
    pub(super) fn new(header: &[&str]) -> Self {
        let header = header.iter().map(|text| (*text).to_owned());
        Self {
            rows: vec![header.collect()],
        }
    }

    /// Adds a row.
    pub(super) fn row<T: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = T>) {
        let cells = cells.into_iter().map(|cell| cell.as_ref().to_owned());
        self.rows.push(cells.collect());
    }

    /// The lines, `indent` blanks before each.
    pub(super) fn indented(&self, indent: usize) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widest = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| width(cell)).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(widest).collect();
        let lines = self.rows.iter().map(|row| {
            let mut line = " ".repeat(indent);
            for (cell, widest) in row.iter().zip(&widths) {
                line.push_str(cell);
                line.push_str(&" ".repeat(widest - width(cell) + 2));
            }
            line.trim_end().to_owned()
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// How many columns of a terminal a text takes: signs of East Asian scripts take two.
fn width(text: &str) -> usize {
    let wide = |sign: char| {
        matches!(u32::from(sign), 0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3
            | 0xf900..=0xfaff | 0xfe30..=0xfe6f | 0xff00..=0xff60 | 0xffe0..=0xffe6)
    };
    text.chars()
        .map(|sign| if wide(sign) { 2 } else { 1 })
        .sum()
}
