//! The DataFusion session with Tidegate's functions and tables.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::MemTable;
use datafusion::execution::TaskContext;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::{ExecutionPlan, collect, execution_plan::reset_plan_states};
use datafusion::prelude::{SessionConfig, SessionContext};

use crate::{Slot, h3_functions, risk_functions};

/// A SQL session: stock DataFusion, one partition, H3 and risk functions registered.
#[derive(Clone)]
pub struct Session {
    ctx: SessionContext,
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
    /// A session without tables.
    pub fn new() -> Self {
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
        let ctx = SessionContext::new_with_config(config);
        for function in h3_functions().into_iter().chain(risk_functions()) {
            ctx.register_udf(function);
        }
        Self { ctx }
    }

    /// The DataFusion context, for what this type does not wrap.
    pub fn context(&self) -> &SessionContext {
        &self.ctx
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

    /// Plans one `SELECT`.
    ///
    /// # Errors
    /// DataFusion's, for SQL that does not parse, plan or is not a query.
    pub async fn plan(&self, sql: &str) -> Result<Arc<dyn ExecutionPlan>> {
        let state = self.ctx.state();
        let plan = state.create_logical_plan(sql).await?;
        if matches!(
            plan,
            LogicalPlan::Ddl(_) | LogicalPlan::Dml(_) | LogicalPlan::Copy(_)
        ) {
            return Err(DataFusionError::Plan(
                "only SELECT is allowed here".to_owned(),
            ));
        }
        state.create_physical_plan(&plan).await
    }

    /// Runs a plan made earlier on the rows that its slots hold now.
    ///
    /// # Errors
    /// DataFusion's.
    pub async fn run(&self, plan: &Arc<dyn ExecutionPlan>) -> Result<Vec<RecordBatch>> {
        let plan = reset_plan_states(Arc::clone(plan))?;
        let context: Arc<TaskContext> = self.ctx.task_ctx();
        let rows = collect(plan, context).await?;
        Ok(rows
            .into_iter()
            .filter(|batch| batch.num_rows() > 0)
            .collect())
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
