//! What each kind of channel wants to read. Pure: a notice in, bytes and headers out.

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
