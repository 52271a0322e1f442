//! A synthetic city: venues, feeds, daily profiles and injected scenarios with known truth.
//!
//! [`City::standard`] is one fixed, fictional city, Lanjiang (澜江): its reference files are what
//! `pipelines/demo` holds. [`Day::new`] plays one day in it, as the messages that its feeds would
//! send, with scenarios put in on purpose and the truth about each of them.
//! [`workload`] makes records without a city, by the million, for benchmarks.
//!
//! Everything here is a pure function of its arguments: the same city and seed give the same
//! bytes. Random numbers come from `ChaCha8` streams and are turned into counts with whole numbers
//! and the four basic `f64` operations only, so that no maths library can change a byte.
//!
//! This crate writes no file and asks no clock; it knows nothing of the pipeline that reads it.

mod random;

mod city;

mod day;
pub mod workload;

pub use city::{City, CitySite, CityVenue, GridArea, Line, LineMode};
pub use day::{Day, Injected, InjectedKind, Message, Truth};
pub use random::Random;
