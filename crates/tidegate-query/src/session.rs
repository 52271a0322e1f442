//! The DataFusion session with Tidegate's functions and tables.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::MemTable;
use datafusion::execution::TaskContext;
use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};
use datafusion::physical_plan::{ExecutionPlan, collect, execution_plan::reset_plan_states};
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};

use crate::{
    SessionLimits, Slot, count_distinct_sketch, h3_functions, importation_functions,
    risk_functions, spatial_functions,
};

/// What DataFusion will have answered. Boxed, so that its planner and its operators are compiled
/// into this crate and not again into every crate that awaits one of them.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// A SQL session: stock DataFusion, one partition, the product's own functions registered.
#[derive(Clone)]
pub struct Session {
    ctx: SessionContext,
    limits: Arc<SessionLimits>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl Default for Session {
    fn default() -> Self {
        Self::new()
    }
}

impl Session {
    /// A session without tables, and with the default limits: memory as it needs, no files.
    ///
    /// That is right for planning, tests and one-off queries; what runs for long states its
    /// limits with [`Session::with_limits`].
    pub fn new() -> Self {
        Self::with_limits(SessionLimits::default())
            .expect("only making a spill folder can fail, and there is none")
    }

    /// A session without tables, whose plans keep within `limits`.
    ///
    /// # Errors
    /// When the spill folder cannot be written to.
    pub fn with_limits(limits: SessionLimits) -> Result<Self> {
        let mut config = SessionConfig::new()
            .with_target_partitions(1)
            .with_information_schema(true)
            // Text stays Utf8 in results whatever the literal: schemas of panes do not depend
            // on how a query was written.
            .set_bool("datafusion.sql_parser.map_string_types_to_utf8view", false)
            .set_bool(
                "datafusion.execution.parquet.schema_force_view_types",
                false,
            );
        // A partial aggregate must stay an aggregate: passing rows through would grow the state.
        config
            .options_mut()
            .execution
            .skip_partial_aggregation_probe_ratio_threshold = 1.0;
        let ctx = SessionContext::new_with_config_rt(config, limits.runtime()?);
        for function in h3_functions().into_iter().chain(risk_functions()) {
            ctx.register_udf(function);
        }
        for function in importation_functions()
            .into_iter()
            .chain(spatial_functions())
            .chain([count_distinct_sketch()])
        {
            ctx.register_udaf(function);
        }
        Ok(Self {
            ctx,
            limits: Arc::new(limits),
        })
    }

    /// What its plans may use.
    pub fn limits(&self) -> &SessionLimits {
        &self.limits
    }

    /// Adds a table that does not change.
    ///
    /// # Errors
    /// When the rows do not have `schema`.
    pub fn register_rows(
        &self,
        name: &str,
        schema: SchemaRef,
        rows: Vec<RecordBatch>,
    ) -> Result<()> {
        let table = MemTable::try_new(schema, vec![rows])?;
        self.ctx.register_table(name, Arc::new(table)).map(drop)
    }

    /// Adds a table whose rows are set through the slot.
    ///
    /// # Errors
    /// When DataFusion refuses the name.
    pub fn register_slot(&self, name: &str, slot: &Slot) -> Result<()> {
        self.ctx
            .register_table(name, Arc::new(slot.clone()))
            .map(drop)
    }

    /// Adds a Parquet file as a table.
    ///
    /// # Errors
    /// DataFusion's, when the file cannot be read or the name is taken.
    pub fn register_parquet<'a>(&'a self, name: &'a str, path: &'a str) -> Answer<'a, ()> {
        let options = ParquetReadOptions::default();
        Box::pin(self.ctx.register_parquet(name, path, options))
    }

    /// Names of the tables that were added, in order.
    pub fn table_names(&self) -> Vec<String> {
        let home = self.ctx.copied_config().options().catalog.clone();
        let catalog = self.ctx.catalog(&home.default_catalog);
        let schema = catalog.and_then(|catalog| catalog.schema(&home.default_schema));
        let mut names = schema.map_or_else(Vec::new, |schema| schema.table_names());
        names.sort();
        names
    }

    /// Plans one `SELECT`.
    ///
    /// # Errors
    /// DataFusion's, for SQL that does not parse, plan or is not a query.
    pub async fn plan(&self, sql: &str) -> Result<Arc<dyn ExecutionPlan>> {
        let plan = self.plan_logical(sql).await?;
        self.plan_physical(&plan).await
    }

    /// What one `SELECT` means, before it is optimized.
    pub(crate) fn plan_logical<'a>(&'a self, sql: &'a str) -> Answer<'a, LogicalPlan> {
        Box::pin(async move {
            let plan = self.ctx.state().create_logical_plan(sql).await?;
            // Also below EXPLAIN ANALYZE, which runs what it explains.
            SQLOptions::new()
                .with_allow_ddl(false)
                .with_allow_dml(false)
                .with_allow_statements(false)
                .verify_plan(&plan)
                .map_err(|_| DataFusionError::Plan("only SELECT is allowed here".to_owned()))?;
            Ok(plan)
        })
    }

    /// How the meaning of one `SELECT` is computed.
    pub(crate) fn plan_physical<'a>(
        &'a self,
        plan: &'a LogicalPlan,
    ) -> Answer<'a, Arc<dyn ExecutionPlan>> {
        Box::pin(async move { self.ctx.state().create_physical_plan(plan).await })
    }

    /// Names of the tables that `plan` reads: bare for this session's own, else with their schema.
    pub(crate) fn tables(&self, plan: &LogicalPlan) -> Result<BTreeSet<String>> {
        let state = self.ctx.state();
        let home = &state.config().options().catalog;
        let mut tables = BTreeSet::new();
        plan.apply_with_subqueries(|node| {
            if let LogicalPlan::TableScan(scan) = node {
                let name = &scan.table_name;
                let at_home = name
                    .catalog()
                    .is_none_or(|name| *name == home.default_catalog)
                    && name
                        .schema()
                        .is_none_or(|name| *name == home.default_schema);
                tables.insert(if at_home {
                    name.table().to_owned()
                } else {
                    name.to_string()
                });
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(tables)
    }

    /// Runs a plan made earlier on the rows that its slots hold now.
    ///
    /// # Errors
    /// DataFusion's; where a limit of the session is the cause, it is named.
    pub fn run<'a>(&'a self, plan: &'a Arc<dyn ExecutionPlan>) -> Answer<'a, Vec<RecordBatch>> {
        Box::pin(async move {
            let plan = reset_plan_states(Arc::clone(plan))?;
            let context: Arc<TaskContext> = self.ctx.task_ctx();
            let rows = collect(plan, context)
                .await
                .map_err(|error| self.limits.explain(error))?;
            Ok(rows
                .into_iter()
                .filter(|batch| batch.num_rows() > 0)
                .collect())
        })
    }

    /// Plans and runs one `SELECT`; the schema comes along for empty results.
    ///
    /// # Errors
    /// DataFusion's.
    pub async fn query(&self, sql: &str) -> Result<(Arc<Schema>, Vec<RecordBatch>)> {
        let plan = self.plan(sql).await?;
        let schema = plan.schema();
        Ok((schema, self.run(&plan).await?))
    }
}

/// The first function in `plan` whose value is not decided by its arguments, such as `now`.
pub(crate) fn unrepeatable_function(plan: &LogicalPlan) -> Result<Option<String>> {
    let mut found = None;
    each_expression(plan, |expr| {
        if let Expr::ScalarFunction(call) = expr
            && call.func.signature().volatility != Volatility::Immutable
        {
            found = Some(call.name().to_owned());
            return TreeNodeRecursion::Stop;
        }
        TreeNodeRecursion::Continue
    })?;
    Ok(found)
}

/// Names of the functions that `plan` calls; an aggregate OVER a window is one.
pub(crate) fn functions(plan: &LogicalPlan) -> Result<BTreeSet<String>> {
    let mut functions = BTreeSet::new();
    each_expression(plan, |expr| {
        let name = match expr {
            Expr::ScalarFunction(call) => Some(call.name()),
            Expr::AggregateFunction(call) => Some(call.func.name()),
            Expr::WindowFunction(call) => Some(call.fun.name()),
            _ => None,
        };
        functions.extend(name.map(str::to_owned));
        TreeNodeRecursion::Continue
    })?;
    Ok(functions)
}

/// Shows every expression of `plan` to `visit`, those of subqueries too, until it says to stop.
fn each_expression(
    plan: &LogicalPlan,
    mut visit: impl FnMut(&Expr) -> TreeNodeRecursion,
) -> Result<()> {
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| expr.apply(|expr| Ok(visit(expr))))
    })
    .map(drop)
}

#[cfg(test)]
mod tests {
    //! Tries to get more than a SELECT past a session.

    use super::Session;

    #[test]
    fn only_select_is_allowed() {
        let session = Session::new();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        for sql in [
            "CREATE TABLE t AS SELECT 1",
            "COPY (SELECT 1) TO 'nowhere.parquet'",
            "EXPLAIN ANALYZE COPY (SELECT 1) TO 'nowhere.parquet'",
            "EXPLAIN COPY (SELECT 1) TO 'nowhere.parquet'",
            "EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1",
            "SET datafusion.execution.target_partitions = 8",
            "PREPARE p AS SELECT 1",
        ] {
            let error = runtime.block_on(session.plan(sql)).unwrap_err();
            assert!(
                error.to_string().contains("only SELECT is allowed"),
                "{sql}: {error}"
            );
        }
        for sql in [
            "SELECT 1",
            "EXPLAIN SELECT 1",
            "EXPLAIN ANALYZE SELECT 1",
            "SHOW TABLES",
        ] {
            runtime
                .block_on(session.query(sql))
                .unwrap_or_else(|error| panic!("{sql}: {error}"));
        }
    }
}
