//! Delivery of [`tidegate_dispatch::Notice`]s: at least once, in order per alert, until they expire.
//!
//! [`form`] makes of a notice what a channel wants to read and is pure; the rest does I/O.

pub mod form;
pub mod smtp;
