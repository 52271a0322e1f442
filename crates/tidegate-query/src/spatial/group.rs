//! The cells of one group, and the whole number that is one for it.

use std::collections::BTreeMap;

use datafusion::common::{Result, exec_err, internal_err};
use h3o::CellIndex;

use super::function::Function;

/// Bytes of a number in a written group.
const NUMBER: usize = 8;

/// Everything of one group.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Group {
    /// The whole number, where a row had it.
    pub(super) one: Option<i64>,
    /// Each cell with its number, in the order of rows.
    pub(super) cells: Vec<(CellIndex, f64)>,
}

impl Group {
    /// Takes what is one value for the group.
    ///
    /// # Errors
    /// Names two that differ.
    pub(super) fn agree(&mut self, function: Function, one: Option<i64>) -> Result<()> {
        if let (Some(a), Some(b)) = (self.one, one)
            && a != b
        {
            let (name, what) = (function.name(), function.one());
            return exec_err!("{name}: {what} {a} and {b} in one group");
        }
        self.one = self.one.or(one);
        Ok(())
    }

    /// The number of each cell.
    ///
    /// # Errors
    /// Names a cell that comes twice, and two of different resolutions.
    pub(super) fn by_cell(&self, function: Function) -> Result<BTreeMap<CellIndex, f64>> {
        let name = function.name();
        let resolution = |cell: &&CellIndex| cell.resolution();
        let cells = || self.cells.iter().map(|(cell, _)| cell);
        if let (Some(a), Some(b)) = (
            cells().min_by_key(resolution),
            cells().max_by_key(resolution),
        ) && resolution(&a) != resolution(&b)
        {
            return exec_err!(
                "{name}: cells {a} (resolution {}) and {b} (resolution {}) in one group",
                resolution(&a),
                resolution(&b)
            );
        }
        let mut by_cell = BTreeMap::new();
        for (cell, number) in &self.cells {
            if by_cell.insert(*cell, *number).is_some() {
                return exec_err!("{name}: cell {cell} comes twice in one group");
            }
        }
        Ok(by_cell)
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        self.cells.capacity() * size_of::<(CellIndex, f64)>()
    }

    /// Appends the group to `bytes`, for [`Self::merge`] in the same process.
    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        let mut put = |number: u64| bytes.extend_from_slice(&number.to_le_bytes());
        put(self.one.is_some().into());
        put(self.one.unwrap_or_default().cast_unsigned());
        for (cell, number) in &self.cells {
            put((*cell).into());
            put(number.to_bits());
        }
    }

    /// Adds a group that was written.
    ///
    /// # Errors
    /// As [`Self::agree`]; an internal error for bytes that no group writes.
    pub(super) fn merge(&mut self, function: Function, bytes: &[u8]) -> Result<()> {
        let name = function.name();
        let (numbers, rest) = bytes.as_chunks::<NUMBER>();
        let (pairs, odd) = numbers.as_chunks::<2>();
        let (Some(([is_there, one], cells)), [], []) = (pairs.split_first(), rest, odd) else {
            return internal_err!("{name}: a state of {} bytes", bytes.len());
        };
        let one = i64::from_le_bytes(*one);
        self.agree(
            function,
            (u64::from_le_bytes(*is_there) != 0).then_some(one),
        )?;
        self.cells.reserve(cells.len());
        for [cell, number] in cells {
            let number = f64::from_le_bytes(*number);
            match CellIndex::try_from(u64::from_le_bytes(*cell)) {
                Ok(cell) => self.cells.push((cell, number)),
                Err(error) => return internal_err!("{name}: a state with {error}"),
            }
        }
        Ok(())
    }
}
