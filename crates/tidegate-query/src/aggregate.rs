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

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch, UInt32Array};
use arrow::compute::{SortColumn, concat_batches, lexsort_to_indices, take_record_batch};
use arrow::datatypes::{DataType, SchemaRef, TimestampMicrosecondType};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::sql::sqlparser::ast::{
    Expr, GroupByExpr, Ident, SelectItem, SetExpr, Statement, TableFactor, Value, ValueWithSpan,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use tidegate_model::EventTime;

use crate::{Session, Slot};

/// Aggregates whose partial state is exact, portable and merges associatively.
const ALLOWED: [&str; 10] = [
    "avg", "bit_and", "bit_or", "bit_xor", "bool_and", "bool_or", "count", "max", "min", "sum",
];

/// State rows are merged once there are more than this, and twice as many as after the last time.
const REDUCE_ABOVE_ROWS: usize = 65_536;

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
        /// The reason.
        why: &'static str,
    },
}

impl From<DataFusionError> for WindowQueryError {
    fn from(error: DataFusionError) -> Self {
        Self::Sql(error.strip_backtrace())
    }
}

/// A planned window query. Its state lives in [`WindowState`] values of the caller.
#[derive(Debug)]
pub struct WindowQuery {
    session: Session,
    input: Slot,
    state: Slot,
    partial: Arc<dyn ExecutionPlan>,
    reduce: Arc<dyn ExecutionPlan>,
    finish: Arc<dyn ExecutionPlan>,
}

impl WindowQuery {
    /// Plans `sql` over a table `observation` of `input_schema`, which has `window_start` and
    /// `window_end`.
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
        let plan = planner.plan(&sql).await?;
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
        })
    }

    /// Schema of the panes: `window_start`, `window_end`, then the columns of the `SELECT`.
    pub fn pane_schema(&self) -> SchemaRef {
        self.finish.schema()
    }

    /// Merges windowed rows into `state`.
    ///
    /// # Errors
    /// DataFusion's, for instance an overflow in the SQL's arithmetic.
    pub async fn accumulate(&self, state: &mut WindowState, rows: Vec<RecordBatch>) -> Result<()> {
        self.input.set(rows);
        let partial = self.session.run(&self.partial).await;
        self.input.set(Vec::new());
        for batch in partial? {
            state.rows += batch.num_rows();
            state.unsplit.push(batch);
        }
        if state.rows > REDUCE_ABOVE_ROWS.max(2 * state.reduced) {
            self.reduce(state).await?;
        }
        Ok(())
    }

    /// Merges state rows of the same group into one.
    async fn reduce(&self, state: &mut WindowState) -> Result<()> {
        self.state.set(std::mem::take(&mut state.unsplit));
        state.unsplit = self.session.run(&self.reduce).await?;
        self.state.set(Vec::new());
        state.rows = state.unsplit.iter().map(RecordBatch::num_rows).sum();
        state.reduced = state.rows;
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

/// The state rows of one window query, for all windows that are open.
#[derive(Debug, Default)]
pub struct WindowState {
    unsplit: Vec<RecordBatch>,
    rows: usize,
    reduced: usize,
    split: BTreeMap<EventTime, Vec<RecordBatch>>,
}

impl WindowState {
    /// The state rows of the window that ends at `end`, kept.
    ///
    /// # Errors
    /// DataFusion's.
    pub fn peek(&mut self, end: EventTime) -> Result<Vec<RecordBatch>> {
        self.split()?;
        Ok(self.split.get(&end).cloned().unwrap_or_default())
    }

    /// The state rows of the window that ends at `end`, removed.
    ///
    /// # Errors
    /// DataFusion's.
    pub fn take(&mut self, end: EventTime) -> Result<Vec<RecordBatch>> {
        self.split()?;
        Ok(self.split.remove(&end).unwrap_or_default())
    }

    /// Drops the state rows of windows that ended before `before`.
    ///
    /// # Errors
    /// DataFusion's.
    pub fn forget(&mut self, before: EventTime) -> Result<()> {
        self.split()?;
        self.split = self.split.split_off(&before);
        Ok(())
    }

    /// Ends of the windows that hold rows, ascending.
    ///
    /// # Errors
    /// DataFusion's.
    pub fn open(&mut self) -> Result<Vec<EventTime>> {
        self.split()?;
        Ok(self.split.keys().copied().collect())
    }

    /// Sorts what came since the last time into its windows: each row is moved once.
    fn split(&mut self) -> Result<()> {
        let Some(first) = self.unsplit.first() else {
            return Ok(());
        };
        let rows = concat_batches(&first.schema(), &self.unsplit)?;
        self.unsplit.clear();
        (self.rows, self.reduced) = (0, 0);
        // The window's start and end are the first two group keys.
        let order = lexsort_to_indices(
            &[SortColumn {
                values: Arc::clone(rows.column(1)),
                options: None,
            }],
            None,
        )?;
        let rows = take_record_batch(&rows, &order)?;
        let ends = rows
            .column(1)
            .as_primitive::<TimestampMicrosecondType>()
            .values()
            .clone();
        let mut from = 0;
        while from < ends.len() {
            let to = from + ends[from..].partition_point(|end| *end == ends[from]);
            let window = self
                .split
                .entry(EventTime::from_micros(ends[from]))
                .or_default();
            window.push(rows.slice(from, to - from));
            from = to;
        }
        Ok(())
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

/// Puts `window_start, window_end` in front of the select list and the group keys.
fn with_window_keys(sql: &str) -> Result<String, WindowQueryError> {
    let shape = |what: &str| WindowQueryError::Shape(what.to_owned());
    let mut statements = Parser::parse_sql(&GenericDialect {}, sql)
        .map_err(|error| WindowQueryError::Sql(error.to_string()))?;
    if statements.len() != 1 {
        return Err(shape("this is not one statement"));
    }
    let Some(Statement::Query(query)) = statements.first_mut() else {
        return Err(shape("this is not a SELECT"));
    };
    if query.with.is_some() || query.order_by.is_some() || query.limit_clause.is_some() {
        return Err(shape(
            "WITH, ORDER BY and LIMIT have no meaning in a window",
        ));
    }
    let SetExpr::Select(select) = query.body.as_mut() else {
        return Err(shape("UNION and VALUES are not possible"));
    };
    let from_observation = match select.from.as_slice() {
        [from] if from.joins.is_empty() => matches!(
            &from.relation,
            TableFactor::Table { name, .. } if name.to_string() == "observation"
        ),
        _ => false,
    };
    if !from_observation {
        return Err(shape(
            "FROM must name the table observation alone; join in a layer instead",
        ));
    }
    if select.distinct.is_some() {
        return Err(shape("SELECT DISTINCT is not an aggregate"));
    }
    let keys = ["window_start", "window_end"].map(|name| Expr::Identifier(Ident::new(name)));
    for (idx, key) in keys.iter().enumerate() {
        select
            .projection
            .insert(idx, SelectItem::UnnamedExpr(key.clone()));
    }
    match &mut select.group_by {
        GroupByExpr::All(_) => {}
        GroupByExpr::Expressions(groups, _) => {
            let ordinal = |group: &Expr| {
                matches!(
                    group,
                    Expr::Value(ValueWithSpan {
                        value: Value::Number(..),
                        ..
                    })
                )
            };
            if groups.iter().any(ordinal) {
                return Err(shape("GROUP BY must name columns, not their numbers"));
            }
            groups.splice(0..0, keys);
        }
    }
    Ok(statements[0].to_string())
}

/// The one aggregate of `plan` in raw-input form.
fn only_aggregate(plan: &Arc<dyn ExecutionPlan>) -> Result<AggregateExec, WindowQueryError> {
    let mut found: Vec<AggregateExec> = Vec::new();
    plan.apply(|node| {
        if let Some(aggregate) = node.downcast_ref::<AggregateExec>() {
            found.push(aggregate.clone());
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    found.retain(|aggregate| {
        matches!(
            aggregate.mode(),
            AggregateMode::Single | AggregateMode::SinglePartitioned | AggregateMode::Partial
        )
    });
    match found.len() {
        1 if found[0].group_expr().is_single() => Ok(found.remove(0)),
        1 => Err(WindowQueryError::Shape(
            "GROUPING SETS, CUBE and ROLLUP are not possible".into(),
        )),
        0 => Err(WindowQueryError::Shape("there is no aggregate".into())),
        _ => Err(WindowQueryError::Shape(
            "there is more than one aggregation (DISTINCT aggregates and subqueries make one)"
                .into(),
        )),
    }
}

fn check_aggregates(aggregate: &AggregateExec) -> Result<(), WindowQueryError> {
    for expr in aggregate.aggr_expr() {
        let function = expr.fun().name().to_owned();
        let refuse = |why| {
            Err(WindowQueryError::Aggregate {
                function: function.clone(),
                why,
            })
        };
        if !ALLOWED.contains(&function.as_str()) {
            return refuse("its partial state is not exact and portable across versions");
        }
        if expr.is_distinct() {
            return refuse("DISTINCT state grows without bound");
        }
        let input = aggregate.input_schema();
        for argument in expr.expressions() {
            let float = matches!(
                argument.data_type(&input)?,
                DataType::Float16 | DataType::Float32 | DataType::Float64
            );
            // avg casts whole numbers to DOUBLE itself; their sums are exact below 2^53.
            let cast_from_integer = argument.to_string().starts_with("CAST(");
            if float && function == "sum" || float && function == "avg" && !cast_from_integer {
                return refuse("a sum of floating-point numbers depends on the order of rows");
            }
        }
    }
    Ok(())
}

/// `plan` with its topmost aggregate replaced by `with`.
fn replace_aggregate(
    plan: &Arc<dyn ExecutionPlan>,
    with: &Arc<dyn ExecutionPlan>,
) -> Result<Arc<dyn ExecutionPlan>> {
    Arc::clone(plan)
        .transform_down(|node| {
            if node.downcast_ref::<AggregateExec>().is_some() {
                Ok(Transformed::new(
                    Arc::clone(with),
                    true,
                    TreeNodeRecursion::Jump,
                ))
            } else {
                Ok(Transformed::no(node))
            }
        })
        .map(|transformed| transformed.data)
}
