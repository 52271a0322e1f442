//! What the plans of a session may use while they run.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;

use datafusion::common::{DataFusionError, Result};
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};

/// How many of the largest consumers an error about memory names.
const NAMED_CONSUMERS: NonZeroUsize = NonZeroUsize::new(3).expect("three is not zero");

/// What the plans of a session may use while they run; by default memory without a limit, and no
/// files.
///
/// The memory limit is shared by all plans of the session that run at the same time.
/// Beyond it, a partial aggregation gives out what it has, which is right but compacts less; final
/// aggregations, compaction and sorts spill; what cannot spill fails with an error that names the
/// limit. No limit ever changes a result.
///
/// It bounds what running plans hold, not their input: for the rows that windows keep between
/// runs, see [`WindowState::byte_count`](crate::WindowState::byte_count).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionLimits {
    /// Bytes of memory; `None` is no limit.
    pub memory_bytes_max: Option<NonZeroUsize>,
    /// Where plans may write what does not fit into memory; `None` is nowhere.
    pub spill: Option<SpillLimits>,
}

/// Leave to write temporary files.
///
/// The one effect of this crate, and only where it is asked for: `DataFusion` makes a folder of
/// its own in `folder`, writes Arrow files into it while a plan runs, deletes them when it ends,
/// and the folder with the session. What a killed process leaves there may be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpillLimits {
    /// An existing folder.
    pub folder: PathBuf,
    /// Bytes that all files together may have.
    pub bytes_max: NonZeroU64,
}

impl SessionLimits {
    /// The environment that keeps these limits.
    ///
    /// # Errors
    /// When the spill folder cannot be written to.
    pub(crate) fn runtime(&self) -> Result<Arc<RuntimeEnv>> {
        let mut runtime = RuntimeEnvBuilder::new();
        if let Some(bytes_max) = self.memory_bytes_max {
            // Fair: a sort above an aggregation gets its share.
            let pool = FairSpillPool::new(bytes_max.get());
            let pool = TrackConsumersPool::new(pool, NAMED_CONSUMERS);
            runtime = runtime.with_memory_pool(Arc::new(pool));
        }
        let disk = DiskManagerBuilder::default();
        let disk = match &self.spill {
            None => disk.with_mode(DiskManagerMode::Disabled),
            Some(spill) => disk
                .with_mode(DiskManagerMode::Directories(vec![spill.folder.clone()]))
                .with_max_temp_directory_size(spill.bytes_max.get()),
        };
        runtime
            .with_disk_manager_builder(disk)
            .build_arc()
            .map_err(|error| match &self.spill {
                None => error,
                Some(spill) => {
                    error.context(format!("spill folder {} is no use", spill.folder.display()))
                }
            })
    }

    /// `error`, and where a limit is its cause, which and what to do.
    pub(crate) fn explain(&self, error: DataFusionError) -> DataFusionError {
        let exhausted = matches!(error.find_root(), DataFusionError::ResourcesExhausted(_));
        let Some(memory) = self.memory_bytes_max.filter(|_| exhausted) else {
            return error;
        };
        let cause = error.strip_backtrace();
        DataFusionError::ResourcesExhausted(match &self.spill {
            None => format!(
                "the query needs more than memory_bytes_max = {memory} and has no folder to spill \
                 to: raise the limit, name a spill folder, or group by less; {cause}"
            ),
            Some(SpillLimits { folder, bytes_max }) => format!(
                "the query needs more than memory_bytes_max = {memory}, even with up to \
                 {bytes_max} bytes spilled to {}: raise either limit, or group by less; {cause}",
                folder.display()
            ),
        })
    }
}
