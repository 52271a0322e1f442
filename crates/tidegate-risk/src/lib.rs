//! Pure functions and small state behind the numbers of Tidegate's layers: occupancy, density,
//! level of service and importation risk.
//!
//! This crate promises units in its types, and that no function returns a NaN or an infinity: what
//! cannot be computed is a typed error or `None`, for the reason stated at the function.
//! It does no I/O, asks no clock, and holds no state but [`occupancy::Occupancy`].
//! Sums run in an order that depends on the terms alone, and logarithms come from `libm`, so that
//! the same input gives the same bits whatever the order of rows and the platform.
//!
//! `docs/METHODS.md` says for a reader what each number is, where it comes from, and what its
//! interval does not cover. [`method`] holds the ids under which layers name these methods.

pub mod method;

pub mod counts;
pub mod density;
pub mod exposure;
pub mod importation;
pub mod occupancy;
pub mod outbreak;
pub mod presence;
pub mod quarantine;
pub mod stagger;

mod special;

pub mod state;
