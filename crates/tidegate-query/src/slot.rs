//! A table whose rows are swapped between runs of a plan that is made once.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::datasource::TableType;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::memory::{LazyBatchGenerator, LazyMemoryExec};
use parking_lot::{Mutex, RwLock};

/// The rows of a table, as its plans will read them when they next run.
///
/// Cloning gives another handle on the same rows.
#[derive(Debug, Clone)]
pub struct Slot {
    schema: SchemaRef,
    rows: Arc<Mutex<Vec<RecordBatch>>>,
}

impl Slot {
    /// An empty table of `schema`.
    pub fn new(schema: SchemaRef) -> Self {
        Self {
            schema,
            rows: Arc::new(Mutex::new(Vec::new())),
        }
    }

    /// The table's schema.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Replaces the rows; they must have the table's schema.
    pub fn set(&self, rows: Vec<RecordBatch>) {
        *self.rows.lock() = rows;
    }

    /// The rows as they are.
    pub fn rows(&self) -> Vec<RecordBatch> {
        self.rows.lock().clone()
    }

    /// A leaf that reads the rows as they are when it is executed.
    pub(crate) fn scan(&self, projection: Option<&Vec<usize>>) -> Result<Arc<dyn ExecutionPlan>> {
        let reader = Reader {
            rows: Arc::clone(&self.rows),
            taken: None,
        };
        let leaf = LazyMemoryExec::try_new(
            Arc::clone(&self.schema),
            vec![Arc::new(RwLock::new(reader))],
        )?;
        Ok(Arc::new(leaf.with_projection(projection.cloned())))
    }
}

#[async_trait::async_trait]
impl TableProvider for Slot {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Self::scan(self, projection)
    }
}

/// Reads the slot's rows once; takes hold of them at its first batch.
#[derive(Debug)]
struct Reader {
    rows: Arc<Mutex<Vec<RecordBatch>>>,
    taken: Option<std::vec::IntoIter<RecordBatch>>,
}

impl fmt::Display for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("slot")
    }
}

impl LazyBatchGenerator for Reader {
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }

    fn generate_next_batch(&mut self) -> Result<Option<RecordBatch>> {
        let rows = &self.rows;
        Ok(self
            .taken
            .get_or_insert_with(|| rows.lock().clone().into_iter())
            .next())
    }

    fn reset_state(&self) -> Arc<RwLock<dyn LazyBatchGenerator>> {
        Arc::new(RwLock::new(Self {
            rows: Arc::clone(&self.rows),
            taken: None,
        }))
    }
}
