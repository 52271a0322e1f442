//! Pure functions and small state behind the numbers of Tidegate's layers: occupancy, density,
//! level of service, leading indicators, forecasts, aberrations and importation risk.
//!
//! This crate promises units in its types, and that no function returns a NaN or an infinity: what
//! cannot be computed is a typed error or `None`, for the reason stated at the function.
//! It does no I/O, asks no clock, and holds no state but what [`occupancy`], [`forecast`] and
//! [`aberration`] remember of a venue, in the forms of [`state`].
//! Sums run in an order that depends on the terms alone, and logarithms come from `libm`, so that
//! the same input gives the same bits whatever the order of rows and the platform.
//!
//! `docs/METHODS.md` says for a reader what each number is, where it comes from, and what its
//! interval does not cover. [`method`] holds the ids under which layers name these methods.

pub mod method;

pub mod aberration;
pub mod area;
pub mod capacity;
pub mod counts;
pub mod crowding;
pub mod density;
pub mod exposure;
pub mod forecast;
pub mod importation;
pub mod indicators;
pub mod moments;
pub mod occupancy;
pub mod outbreak;
pub mod presence;
pub mod quarantine;
pub mod spatial;
pub mod stagger;

mod special;
pub mod state;
