//! SQL over observations, panes and layers: the session, H3, risk and spatial functions, and window
//! aggregates that are fed batch by batch.
//!
//! This crate wraps stock DataFusion.
//! It starts no thread, and opens no file unless [`SessionLimits::spill`] names a folder for what
//! does not fit into memory; its functions are `async` and the caller brings the executor.
//! Every plan has one partition, so that equal input gives byte-equal output.

mod slot;

mod gather;
mod h3_functions;
mod importation;
mod risk_functions;
mod sketch;
mod spatial;

mod limits;
mod session;

mod aggregate;
mod layer;

pub use aggregate::{RestoreError, WindowQuery, WindowQueryError, WindowState};
pub use h3_functions::h3_functions;
pub use importation::{EVIDENCE_FIELDS, importation_functions};
pub use layer::{LAYER_SCHEMA, LayerError, LayerFrame, LayerQuery, no_value};
pub use limits::{SessionLimits, SpillLimits};
pub use risk_functions::risk_functions;
pub use session::{Answer, Session};
pub use sketch::count_distinct_sketch;
pub use slot::Slot;
pub use spatial::{DISPLAY_ONLY_FUNCTIONS, spatial_functions};
