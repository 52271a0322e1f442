//! Window queries: ordinary aggregate SQL, evaluated batch by batch.
//!
//! `SELECT venue_id, sum(count) AS persons FROM observation GROUP BY venue_id` gets the window's
//! start and end as leading group keys and columns; then
//!
//! ```text
//! rows of a micro-batch --Partial--> state rows --PartialReduce--> fewer --Final--> panes
//! ```
//!
//! State rows are plain Arrow batches (group keys, then accumulator state), so they merge in any
//! order, and keeping them is keeping batches. Only aggregates whose state is exact and whose
//! merge is associative are taken, so the panes do not depend on how the rows were cut.

mod shape;
mod state;
#[cfg(test)]
mod tests;

pub use state::{RestoreError, WindowState};

use std::sync::Arc;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{SortColumn, concat_batches, lexsort_to_indices, take_record_batch};
use arrow::datatypes::SchemaRef;
use datafusion::common::{DataFusionError, Result};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::expressions::Column as PhysicalColumn;
use shape::{check_aggregates, check_meaning, only_aggregate, replace_aggregate, with_window_keys};
use state::Weight;

use crate::{Session, Slot};

/// State rows are merged once there are more than this, and twice as many as after the last time.
const REDUCE_ABOVE: Weight = Weight {
    rows: 65_536,
    bytes: 64 << 20,
};

/// Why a window query cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WindowQueryError {
    /// The SQL does not parse or plan.
    #[error("{0}")]
    Sql(String),
    /// The SQL is a query of another shape.
    #[error(
        "a window query is one SELECT of aggregates FROM observation, with WHERE, GROUP BY and \
         HAVING only; {0}"
    )]
    Shape(String),
    /// The aggregate's state would not be exact or portable.
    #[error("aggregate {function} cannot be used in a window: {why}")]
    Aggregate {
        /// Its name.
        function: String,
        /// The reason, and what to use instead.
        why: &'static str,
    },
    /// A function gives another value at each evaluation.
    #[error("function {0} gives another value in a replay; use the times of the observation")]
    Unrepeatable(String),
}

impl From<DataFusionError> for WindowQueryError {
    fn from(error: DataFusionError) -> Self {
        Self::Sql(error.strip_backtrace())
    }
}

/// A planned window query. Its state lives in [`WindowState`] values of the caller.
///
/// Its plans read tables whose rows each call sets, so calls must not overlap: await one before
/// the next, whatever state it is for.
#[derive(Debug)]
pub struct WindowQuery {
    session: Session,
    input: Slot,
    state: Slot,
    partial: Arc<dyn ExecutionPlan>,
    reduce: Arc<dyn ExecutionPlan>,
    finish: Arc<dyn ExecutionPlan>,
    reduce_above: Weight,
}

impl WindowQuery {
    /// Plans `sql` over a table `observation` of `input_schema`, which has `window_start` and
    /// `window_end`. Its plans run in `session`, within its limits.
    ///
    /// # Errors
    /// [`WindowQueryError`], in words for whoever wrote the SQL.
    pub async fn plan(
        session: &Session,
        input_schema: SchemaRef,
        sql: &str,
    ) -> Result<Self, WindowQueryError> {
        let sql = with_window_keys(sql)?;
        let input = Slot::new(input_schema);
        let planner = Session::new();
        planner.register_slot("observation", &input)?;
        let meaning = planner.plan_logical(&sql).await?;
        check_meaning(&meaning)?;
        let plan = planner.plan_physical(&meaning).await?;
        let whole = only_aggregate(&plan)?;
        check_aggregates(&whole)?;
        let groups = whole.group_expr().clone();
        let aggregates = whole.aggr_expr().to_vec();
        let no_filter = vec![None; aggregates.len()];
        let raw_schema = whole.input_schema();
        let partial = Arc::new(AggregateExec::try_new(
            AggregateMode::Partial,
            groups.clone(),
            aggregates.clone(),
            whole.filter_expr().to_vec(),
            Arc::clone(whole.input()),
            Arc::clone(&raw_schema),
        )?);
        let state = Slot::new(partial.schema());
        let merge = |mode| {
            AggregateExec::try_new(
                mode,
                groups.as_final(),
                aggregates.clone(),
                no_filter.clone(),
                state.scan(None)?,
                Arc::clone(&raw_schema),
            )
        };
        let reduce = Arc::new(merge(AggregateMode::PartialReduce)?);
        let finish = replace_aggregate(&plan, &(Arc::new(merge(AggregateMode::Final)?) as _))?;
        Ok(Self {
            session: session.clone(),
            input,
            state,
            partial,
            reduce,
            finish,
            reduce_above: REDUCE_ABOVE,
        })
    }

    /// Schema of the panes: `window_start`, `window_end`, then the columns of the `SELECT`.
    pub fn pane_schema(&self) -> SchemaRef {
        self.finish.schema()
    }

    /// Schema of the state rows: the group keys, of which the window's start and end are the
    /// first, then the states of the aggregates. A snapshot fits a query that has an equal one.
    pub fn state_schema(&self) -> SchemaRef {
        Arc::clone(self.state.schema())
    }

    /// Whether `column` of the observations is one of the group keys as it stands, so that no pane
    /// rests on rows that differ in it.
    pub fn groups_by(&self, column: &str) -> bool {
        let aggregate = self.partial.downcast_ref::<AggregateExec>();
        let groups = aggregate
            .expect("the partial plan is an aggregate")
            .group_expr();
        groups.expr().iter().any(|(key, _)| {
            let key = key.downcast_ref::<PhysicalColumn>();
            key.is_some_and(|key| key.name() == column)
        })
    }

    /// Merges windowed rows into `state`.
    ///
    /// The state then holds at most 65,536 rows or twice the groups that it held when it was last
    /// compacted, and 64 MiB or twice their bytes, beside the state rows of this one call.
    ///
    /// # Errors
    /// DataFusion's, for instance an overflow in the SQL's arithmetic or a limit of the session.
    /// Then `state` is what it was.
    pub async fn accumulate(&self, state: &mut WindowState, rows: Vec<RecordBatch>) -> Result<()> {
        if state.should_reduce(self.reduce_above) {
            // Before the rows come in: if it fails, none of them have been counted.
            self.reduce(state).await?;
        }
        state.settle_if_scattered()?;
        self.input.set(rows);
        let partial = self.session.run(&self.partial).await;
        self.input.set(Vec::new());
        state.extend(partial?);
        Ok(())
    }

    /// Merges state rows of the same group into one.
    async fn reduce(&self, state: &mut WindowState) -> Result<()> {
        self.state.set(state.rows());
        let reduced = self.session.run(&self.reduce).await;
        self.state.set(Vec::new());
        state.replace(reduced?);
        Ok(())
    }

    /// The panes of these state rows, sorted by all columns from the left, so that equal rows give
    /// equal bytes.
    ///
    /// # Errors
    /// DataFusion's.
    pub async fn panes(&self, rows: Vec<RecordBatch>) -> Result<RecordBatch> {
        if rows.is_empty() {
            return Ok(RecordBatch::new_empty(self.pane_schema()));
        }
        self.state.set(rows);
        let panes = self.session.run(&self.finish).await;
        self.state.set(Vec::new());
        sorted(&concat_batches(&self.pane_schema(), &panes?)?)
    }
}

fn sorted(rows: &RecordBatch) -> Result<RecordBatch> {
    let keys: Vec<SortColumn> = rows
        .columns()
        .iter()
        .map(|values| SortColumn {
            values: Arc::clone(values),
            options: None,
        })
        .collect();
    let order: UInt32Array = lexsort_to_indices(&keys, None)?;
    Ok(take_record_batch(rows, &order)?)
}
