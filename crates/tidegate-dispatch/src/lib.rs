//! Who is told of which alert, when, and how often.
//!
//! Alerts come as [`tidegate_alerts::wire::AlertRecord`]s in event time; what leaves are
//! [`Notice`]s, each for one channel, in the time of the clock on the wall, which is an argument.
//!
//! It does not deliver: `tidegate-notify` does.

mod notice;

pub use notice::{Notice, NoticeAlert, NoticeKind, Told};
