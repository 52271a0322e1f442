//! The sum of the results of many test binaries.

use std::fmt;

/// How many tests passed, failed and were skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tally {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl Tally {
    /// Adds the counts of `line` if it is the last line of a test binary.
    pub(super) fn read(&mut self, line: &str) {
        let Some(counts) = line.strip_prefix("test result: ") else {
            return;
        };
        self.passed += count(counts, "passed");
        self.failed += count(counts, "failed");
        self.skipped += count(counts, "ignored");
    }

    /// The run ended with a failure. A test binary that crashed or did not compile names no failed
    /// test, and must not look like a success: it counts as one.
    pub(super) fn ended_badly(&mut self) {
        self.failed = self.failed.max(1);
    }
}

/// The number before `word`.
fn count(counts: &str, word: &str) -> u64 {
    let words: Vec<_> = counts.split([' ', ';', '.']).collect();
    words
        .windows(2)
        .find(|pair| pair[1] == word)
        .and_then(|pair| pair[0].parse().ok())
        .unwrap_or(0)
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &str, expected: &str) {
        let mut tally = Tally::default();
        lines.lines().for_each(|line| tally.read(line));
        assert_eq!(tally.to_string(), expected);
    }

    #[test]
    fn sums_result_lines_and_nothing_else() {
        check("", "0 passed, 0 failed");
        check(
            "running 3 tests\n\
             test a ... ok\n\
             test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; \
             finished in 0.00s\n\
             test result: FAILED. 10 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; \
             finished in 1.23s\n\
             a test said: test result: ok. 99 passed",
            "13 passed, 2 failed, 1 skipped",
        );
    }

    #[test]
    fn a_crash_is_one_failure_and_named_failures_are_not_counted_twice() {
        let mut tally = Tally::default();
        tally.ended_badly();
        assert_eq!(tally.to_string(), "0 passed, 1 failed");
        tally.read("test result: FAILED. 1 passed; 2 failed; 0 ignored");
        let counted = Tally { failed: 3, ..tally };
        tally.ended_badly();
        assert_eq!(tally, counted);
    }
}
