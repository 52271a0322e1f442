//! What each kind of channel wants to read. Pure: a notice in, bytes and headers out.

mod request;
mod words;

pub mod alertmanager;
pub mod ntfy;
pub mod webhook;

pub use request::Request;
