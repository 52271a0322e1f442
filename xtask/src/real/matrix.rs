//! The crash matrix: what was broken at which step, how often, and what came of it.

use std::fmt;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Where the table begins in a document.
pub(super) const BEGIN: &str = "<!-- crash matrix: begin -->";
/// Where it ends.
pub(super) const END: &str = "<!-- crash matrix: end -->";

/// The counts of a line, in the order of the columns.
const COUNTS: [&str; 4] = ["tries", "lost", "doubled", "wrong"];

/// The sums of all lines of a report, by step and fault in the order in which they first came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Matrix {
    rows: Vec<Row>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    step: String,
    fault: String,
    counts: [u64; COUNTS.len()],
}

impl Matrix {
    /// Adds up lines such as
    /// `{"step":"after_begin","fault":"kill -9","tries":1,"lost":0,"doubled":0,"wrong":0}`.
    ///
    /// # Errors
    /// Names the line that is not one.
    pub(super) fn parse(lines: &str) -> Result<Self> {
        let mut matrix = Self::default();
        for (number, line) in lines.lines().enumerate() {
            let row = Row::parse(line).with_context(|| format!("line {}: {line}", number + 1))?;
            matrix.add(row);
        }
        Ok(matrix)
    }

    fn add(&mut self, row: Row) {
        let known = self
            .rows
            .iter_mut()
            .find(|known| known.step == row.step && known.fault == row.fault);
        match known {
            None => self.rows.push(row),
            Some(known) => {
                for (sum, more) in known.counts.iter_mut().zip(row.counts) {
                    *sum += more;
                }
            }
        }
    }

    /// Fails when nothing was tried, or anything was lost, doubled or wrong.
    ///
    /// # Errors
    /// Lists the rows.
    pub(crate) fn check(&self) -> Result<()> {
        ensure!(
            !self.rows.is_empty(),
            "nothing was tried: no test reported anything"
        );
        let bad: Vec<_> = self
            .rows
            .iter()
            .filter(|row| row.counts[1..].iter().any(|count| *count > 0))
            .map(Row::to_string)
            .collect();
        ensure!(
            bad.is_empty(),
            "the output is not what it has to be after:\n{}",
            bad.concat()
        );
        Ok(())
    }
}

impl Row {
    fn parse(line: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(line)?;
        let text = |name: &str| -> Result<String> {
            let text = value[name].as_str();
            Ok(text.with_context(|| format!("no text {name}"))?.to_owned())
        };
        let mut counts = [0; COUNTS.len()];
        for (count, name) in counts.iter_mut().zip(COUNTS) {
            *count = value[name]
                .as_u64()
                .with_context(|| format!("no count {name}"))?;
        }
        Ok(Self {
            step: text("step")?,
            fault: text("fault")?,
            counts,
        })
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A bar would end the cell.
        let cell = |text: &str| text.replace('|', "\\|");
        write!(f, "| {} | {} |", cell(&self.step), cell(&self.fault))?;
        for count in self.counts {
            write!(f, " {count} |")?;
        }
        writeln!(f)
    }
}

impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| step | fault | {} |", COUNTS.join(" | "))?;
        writeln!(f, "|---|---|{}", "---:|".repeat(COUNTS.len()))?;
        self.rows.iter().try_for_each(|row| row.fmt(f))
    }
}

/// `document` with the table between its markers replaced; `None` without the markers.
pub(super) fn renew(document: &str, servers: &str, matrix: &Matrix) -> Option<String> {
    let (before, rest) = document.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    let made = format!("Made by `cargo xtask test real --report` with {servers}.");
    Some(format!("{before}{BEGIN}\n{made}\n\n{matrix}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = r#"{"step":"begin","fault":"kill -9","tries":1,"lost":0,"doubled":0,"wrong":0}
{"step":"commit","fault":"kill -9","tries":2,"lost":0,"doubled":1,"wrong":0}
{"step":"begin","fault":"kill -9","tries":3,"lost":0,"doubled":0,"wrong":0}
"#;

    #[test]
    fn lines_of_one_step_and_fault_are_added_up() {
        let matrix = Matrix::parse(LINES).unwrap();
        let table = "| step | fault | tries | lost | doubled | wrong |\n\
                     |---|---|---:|---:|---:|---:|\n\
                     | begin | kill -9 | 4 | 0 | 0 | 0 |\n\
                     | commit | kill -9 | 2 | 0 | 1 | 0 |\n";
        assert_eq!(matrix.to_string(), table);
        let error = matrix.check().unwrap_err().to_string();
        assert!(
            error.contains("commit") && !error.contains("begin"),
            "{error}"
        );
        let good = Matrix::parse(&LINES[..76]).unwrap();
        assert!(good.check().is_ok());
        let error = Matrix::default().check().unwrap_err().to_string();
        assert!(error.contains("nothing was tried"), "{error}");
    }

    #[test]
    fn a_line_that_is_none_is_named() {
        for line in ["{", "{}", r#"{"step":"a","fault":"b","tries":1,"lost":-1}"#] {
            let error = Matrix::parse(&format!("{}{line}", &LINES[..76])).unwrap_err();
            assert!(format!("{error:#}").contains("line 2"), "{error:#}");
        }
    }

    #[test]
    fn only_what_is_between_the_markers_is_renewed() {
        let matrix = Matrix::parse(LINES).unwrap();
        let document = format!("# Title\n\n{BEGIN}\nold\n{END}\n\nMore.\n");
        let renewed = renew(&document, "a broker", &matrix).unwrap();
        assert!(renewed.starts_with("# Title\n\n") && renewed.ends_with("\n\nMore.\n"));
        assert!(renewed.contains("| begin |") && !renewed.contains("old"));
        assert_eq!(renew(&renewed, "a broker", &matrix).unwrap(), renewed);
        assert_eq!(renew("nothing", "a broker", &matrix), None);
    }
}
