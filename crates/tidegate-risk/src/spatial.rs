//! Persons between places and cells: whole numbers stay whole, and no step makes or loses anybody.
//!
//! Which cells a polygon overlaps, which cells are neighbours and which cell is whose parent is the
//! caller's to say; cells here are any ordered ids.

mod allocation;

mod smoothing;

pub use allocation::{AllocationError, allocate, parent_sums};
pub use smoothing::{Kernel, Smoothed, SmoothingError, smooth};
