//! The accumulators of one group and of many.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, LargeBinaryBuilder};
use arrow::buffer::NullBuffer;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};

use super::arguments::Arguments;
use super::group::Group;
use super::outcome::Outcome;

/// The accumulator without groups.
#[derive(Debug)]
pub(super) struct One {
    outcome: Outcome,
    group: Group,
}

impl One {
    /// An empty group.
    pub(super) fn new(outcome: Outcome) -> Self {
        Self {
            outcome,
            group: Group::default(),
        }
    }
}

impl Accumulator for One {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let arguments = Arguments::new(self.outcome, values);
        for row_idx in 0..values[0].len() {
            let row = arguments.row(row_idx)?;
            self.group.add(self.outcome.name(), &row)?;
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let result = self.outcome.of(std::slice::from_ref(&self.group))?;
        ScalarValue::try_from_array(&result, 0)
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.group.heap_bytes()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let mut bytes = Vec::new();
        self.group.write(&mut bytes);
        Ok(vec![ScalarValue::LargeBinary(Some(bytes))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for bytes in states[0].as_binary::<i64>().iter().flatten() {
            self.group.merge(self.outcome.name(), bytes)?;
        }
        Ok(())
    }
}

/// The accumulator of many groups.
#[derive(Debug)]
pub(super) struct Groups {
    outcome: Outcome,
    all: Vec<Group>,
    /// The sum of their heap bytes.
    heap_bytes: usize,
}

impl Groups {
    /// No groups.
    pub(super) fn new(outcome: Outcome) -> Self {
        Self {
            outcome,
            all: Vec::new(),
            heap_bytes: 0,
        }
    }

    /// Bytes of the groups on the heap, beside the list of them.
    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        self.heap_bytes
    }

    /// Changes one group, and keeps account of its memory.
    fn change(
        &mut self,
        group_idx: usize,
        change: impl FnOnce(&mut Group) -> Result<()>,
    ) -> Result<()> {
        let group = &mut self.all[group_idx];
        let before = group.heap_bytes();
        let result = change(group);
        self.heap_bytes = self.heap_bytes + group.heap_bytes() - before;
        result
    }

    fn take(&mut self, emit_to: EmitTo) -> Vec<Group> {
        let taken = emit_to.take_needed(&mut self.all);
        self.heap_bytes -= taken.iter().map(Group::heap_bytes).sum::<usize>();
        taken
    }
}

impl GroupsAccumulator for Groups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        n_groups: usize,
    ) -> Result<()> {
        self.all.resize_with(n_groups, Group::default);
        let (arguments, function) = (Arguments::new(self.outcome, values), self.outcome.name());
        let through = filter.map(let_through);
        for (row_idx, group_idx) in groups.iter().enumerate() {
            if through.as_ref().is_none_or(|rows| rows.is_valid(row_idx)) {
                let row = arguments.row(row_idx)?;
                self.change(*group_idx, |group| group.add(function, &row))?;
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let groups = self.take(emit_to);
        self.outcome.of(&groups)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![written(&self.take(emit_to))])
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        n_groups: usize,
    ) -> Result<()> {
        self.all.resize_with(n_groups, Group::default);
        let function = self.outcome.name();
        for (bytes, group_idx) in values[0].as_binary::<i64>().iter().zip(groups) {
            if let Some(bytes) = bytes {
                self.change(*group_idx, |group| group.merge(function, bytes))?;
            }
        }
        Ok(())
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let mut rows = Self::new(self.outcome);
        let all: Vec<usize> = (0..values[0].len()).collect();
        rows.update_batch(values, &all, filter, all.len())?;
        rows.state(EmitTo::All)
    }

    fn size(&self) -> usize {
        self.all.capacity() * size_of::<Group>() + self.heap_bytes
    }
}

/// Rows for which the filter is true.
fn let_through(filter: &BooleanArray) -> NullBuffer {
    match filter.nulls() {
        Some(nulls) => NullBuffer::new(filter.values() & nulls.inner()),
        None => NullBuffer::new(filter.values().clone()),
    }
}

fn written(groups: &[Group]) -> ArrayRef {
    let mut column = LargeBinaryBuilder::new();
    let mut bytes = Vec::new();
    for group in groups {
        bytes.clear();
        group.write(&mut bytes);
        column.append_value(&bytes);
    }
    Arc::new(column.finish())
}
