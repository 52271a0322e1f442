//! Aggregates that need all rows of a group at once: each gathers them, and finds its result at the
//! end. What is common to them is here: one group and many, states as bytes, account of memory.

use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, LargeBinaryBuilder};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, not_impl_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, EmitTo, GroupsAccumulator,
    Signature, Volatility,
};

/// An aggregate that gathers the rows of each group.
pub(crate) trait Gather: Copy + Debug + Eq + Hash + Send + Sync + 'static {
    /// What a state holds, a word for its column.
    const STATE: &'static str;

    /// What is gathered of a group.
    type Group: Debug + Default + Send + Sync + 'static;

    /// The arguments of a batch.
    type Arguments<'a>;

    /// Its name in SQL.
    fn name(self) -> &'static str;

    /// The types that arguments of `types` are cast to.
    ///
    /// # Errors
    /// A plan error that names the argument.
    fn coerce(self, types: &[DataType]) -> Result<Vec<DataType>>;

    /// The type of its result.
    fn data_type(self) -> DataType;

    /// What it promises.
    fn documentation(self) -> Documentation;

    /// Reads `values`, whose types the function has decided.
    fn arguments(self, values: &[ArrayRef]) -> Self::Arguments<'_>;

    /// Adds the row at `row_idx` to `group`.
    ///
    /// # Errors
    /// An execution error that names the value.
    fn add(
        self,
        group: &mut Self::Group,
        arguments: &Self::Arguments<'_>,
        row_idx: usize,
    ) -> Result<()>;

    /// Bytes that `group` has on the heap.
    fn heap_bytes(group: &Self::Group) -> usize;

    /// Appends `group` to `bytes`, for [`Self::merge`] in the same process.
    fn write(group: &Self::Group, bytes: &mut Vec<u8>);

    /// Adds a group that was written to `group`.
    ///
    /// # Errors
    /// As [`Self::add`]; an internal error for bytes that no group writes.
    fn merge(self, group: &mut Self::Group, bytes: &[u8]) -> Result<()>;

    /// The results of `groups`, in order.
    ///
    /// # Errors
    /// An execution error that names what is wrong with a group.
    fn results(self, groups: &[Self::Group]) -> Result<ArrayRef>;
}

/// The function in SQL of an aggregate that gathers.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Gathered<G> {
    gather: G,
    signature: Signature,
    documentation: Documentation,
}

/// Its function, to be registered with a session.
pub(crate) fn function<G: Gather>(gather: G) -> AggregateUDF {
    AggregateUDF::from(Gathered {
        gather,
        signature: Signature::user_defined(Volatility::Immutable),
        documentation: gather.documentation(),
    })
}

impl<G: Gather> Gathered<G> {
    fn refuse_distinct(&self, args: &AccumulatorArgs<'_>) -> Result<()> {
        if args.is_distinct {
            // Two origins may have equal rows, and a cell that comes twice is a mistake, which
            // DISTINCT would hide at times.
            return not_impl_err!("{}(DISTINCT …)", self.gather.name());
        }
        Ok(())
    }
}

impl<G: Gather> AggregateUDFImpl for Gathered<G> {
    fn name(&self) -> &str {
        self.gather.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.gather.coerce(types)
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(self.gather.data_type())
    }

    /// One column: a written group.
    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let name = format_state_name(args.name, G::STATE);
        Ok(vec![Arc::new(Field::new(
            name,
            DataType::LargeBinary,
            false,
        ))])
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        self.refuse_distinct(&args)?;
        Ok(Box::new(One::new(self.gather)))
    }

    fn groups_accumulator_supported(&self, _args: AccumulatorArgs<'_>) -> bool {
        true
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs<'_>,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        self.refuse_distinct(&args)?;
        Ok(Box::new(Groups::new(self.gather)))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

/// The accumulator without groups.
#[derive(Debug)]
pub(crate) struct One<G: Gather> {
    gather: G,
    group: G::Group,
}

impl<G: Gather> One<G> {
    /// An empty group.
    pub(crate) fn new(gather: G) -> Self {
        Self {
            gather,
            group: G::Group::default(),
        }
    }
}

impl<G: Gather> Accumulator for One<G> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let arguments = self.gather.arguments(values);
        for row_idx in 0..values[0].len() {
            self.gather.add(&mut self.group, &arguments, row_idx)?;
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let result = self.gather.results(std::slice::from_ref(&self.group))?;
        ScalarValue::try_from_array(&result, 0)
    }

    fn size(&self) -> usize {
        size_of_val(self) + G::heap_bytes(&self.group)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let mut bytes = Vec::new();
        G::write(&self.group, &mut bytes);
        Ok(vec![ScalarValue::LargeBinary(Some(bytes))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for bytes in states[0].as_binary::<i64>().iter().flatten() {
            self.gather.merge(&mut self.group, bytes)?;
        }
        Ok(())
    }
}

/// The accumulator of many groups.
#[derive(Debug)]
pub(crate) struct Groups<G: Gather> {
    gather: G,
    all: Vec<G::Group>,
    /// The sum of their heap bytes.
    heap_bytes: usize,
}

impl<G: Gather> Groups<G> {
    /// No groups.
    pub(crate) fn new(gather: G) -> Self {
        Self {
            gather,
            all: Vec::new(),
            heap_bytes: 0,
        }
    }

    /// Bytes of the groups on the heap, beside the list of them.
    #[cfg(test)]
    pub(crate) fn heap_bytes(&self) -> usize {
        self.heap_bytes
    }

    /// Changes one group, and keeps account of its memory.
    fn change(
        &mut self,
        group_idx: usize,
        change: impl FnOnce(&mut G::Group) -> Result<()>,
    ) -> Result<()> {
        let group = &mut self.all[group_idx];
        let before = G::heap_bytes(group);
        let result = change(group);
        self.heap_bytes = self.heap_bytes + G::heap_bytes(group) - before;
        result
    }

    fn take(&mut self, emit_to: EmitTo) -> Vec<G::Group> {
        let taken = emit_to.take_needed(&mut self.all);
        self.heap_bytes -= taken.iter().map(G::heap_bytes).sum::<usize>();
        taken
    }
}

impl<G: Gather> GroupsAccumulator for Groups<G> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        n_groups: usize,
    ) -> Result<()> {
        self.all.resize_with(n_groups, G::Group::default);
        let gather = self.gather;
        let arguments = gather.arguments(values);
        let through = filter.map(let_through);
        for (row_idx, group_idx) in groups.iter().enumerate() {
            if through.as_ref().is_none_or(|rows| rows.is_valid(row_idx)) {
                self.change(*group_idx, |group| gather.add(group, &arguments, row_idx))?;
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let groups = self.take(emit_to);
        self.gather.results(&groups)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let mut column = LargeBinaryBuilder::new();
        let mut bytes = Vec::new();
        for group in &self.take(emit_to) {
            bytes.clear();
            G::write(group, &mut bytes);
            column.append_value(&bytes);
        }
        Ok(vec![Arc::new(column.finish())])
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        n_groups: usize,
    ) -> Result<()> {
        self.all.resize_with(n_groups, G::Group::default);
        let gather = self.gather;
        for (bytes, group_idx) in values[0].as_binary::<i64>().iter().zip(groups) {
            if let Some(bytes) = bytes {
                self.change(*group_idx, |group| gather.merge(group, bytes))?;
            }
        }
        Ok(())
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let mut rows = Self::new(self.gather);
        let all: Vec<usize> = (0..values[0].len()).collect();
        rows.update_batch(values, &all, filter, all.len())?;
        rows.state(EmitTo::All)
    }

    fn size(&self) -> usize {
        self.all.capacity() * size_of::<G::Group>() + self.heap_bytes
    }
}

/// Rows for which the filter is true.
fn let_through(filter: &BooleanArray) -> NullBuffer {
    match filter.nulls() {
        Some(nulls) => NullBuffer::new(filter.values() & nulls.inner()),
        None => NullBuffer::new(filter.values().clone()),
    }
}
