//! What each kind of channel wants to read. Pure: a notice in, bytes and headers out.
//!
//! Time, secrets and places are arguments. What a receiver answers is read here too
//! ([`answer::Answer`]), since robots say in the body what went wrong.
//!
//! ```
//! use tidegate_dispatch::{Notice, NoticeKind};
//! use tidegate_notify::form::cap::{self, CapConfig, Place, Sender};
//! use tidegate_notify::form::{RobotStyle, feishu};
//!
//! let now = jiff::Timestamp::UNIX_EPOCH;
//! let notice = Notice {
//!     id: "n-1".into(),
//!     channel: "duty".into(),
//!     kind: NoticeKind::Test,
//!     group: [].into(),
//!     alerts: vec![],
//!     held_back: 0,
//!     to: vec![],
//!     created: now,
//!     expires: now,
//!     title_zh: None,
//!     title_en: None,
//!     text_zh: None,
//!     text_en: None,
//!     summary: None,
//! };
//! let config = CapConfig::new(Sender::new("tidegate@cdc.example")?);
//! let places = |_kind: &str, _id: &str| -> Option<Place> { None };
//! let message = &cap::messages(&notice, &config, &places)[0];
//! assert!(cap::check(&message.xml).is_ok());
//!
//! let request = feishu::request(&notice, &RobotStyle::default(), Some("secret"), now.as_second());
//! assert!(request.body.starts_with(b"{"));
//! # Ok::<(), cap::SenderError>(())
//! ```

mod robot;
mod text;
mod xml;

pub mod alertmanager_webhook;
pub mod answer;
pub mod atom;
pub mod cap;
pub mod cloudevents;
pub mod dingtalk;
pub mod feishu;
pub mod mail;
pub mod summary;
pub mod wecom;

pub use robot::{ANSWER_BYTES_MAX, RobotRate, RobotRequest, RobotStyle};
pub use text::{Language, TEXT_CHARS_MAX, TITLE_CHARS_MAX};

mod request;

pub mod alertmanager;
pub mod ntfy;
pub mod webhook;

pub use request::Request;
