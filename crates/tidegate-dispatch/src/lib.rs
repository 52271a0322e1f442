//! Who is told of which alert, when, and how often.
//!
//! Alerts come as [`tidegate_alerts::wire::AlertRecord`]s in event time; what leaves are
//! [`Notice`]s, each for one channel, in the time of the clock on the wall, which is an argument.
//! A `routes.toml` ([`RoutesConfig`]) is checked into a [`Plan`]; a [`Dispatcher`] follows it.
//!
//! This crate promises:
//! - no clock, no I/O: the same inputs at the same times give the same notices, ids included, and
//!   no id twice;
//! - [`Dispatcher::take_changes`] is complete: a dispatcher restored from all that it gave goes on as
//!   if nothing had happened, also under another plan, and tells nothing a second time;
//! - nothing vanishes unseen: what is not told is counted with the reason ([`Totals`]), and what is
//!   kept quiet is listed with what keeps it so;
//! - a shadow record never makes a notice.
//!
//! It does not deliver: `tidegate-notify` does.

mod digest;
mod hours;
mod problem;
mod record;
mod tracked;

mod config;
mod matcher;
mod plan;
mod tree;

mod dispatcher;
mod notice;
mod precision;
mod silence;
mod summary;
mod totals;

pub mod state;

pub use config::{
    DutyConfig, EscalationConfig, HoursConfig, InhibitConfig, MatchConfig, RouteConfig,
    RoutesConfig, SilencesConfig, StormConfig, SummaryConfig,
};
pub use dispatcher::{
    ALERTS_MAX, ALL_CLEAR_LIFE_MIN, AcknowledgeError, AcknowledgeRequest, Acknowledged,
    AlertStatus, Dispatcher, Explanation, GROUPS_MAX, GroupStatus, Mute, NOTICE_LIFE,
    PlannedDelivery, RESOLVED_MAX, RestoreError, RulePrecision, SilenceStatus, TOLD_MAX,
};
pub use matcher::Matchers;
pub use notice::{Notice, NoticeAlert, NoticeKind, Told};
pub use plan::{DUTY, ENTRIES_MAX, Plan, RouteStep};
pub use precision::{RULES_MAX, Verdict, Verdicts};
pub use problem::Problem;
pub use silence::{
    COMMENT_CHARS_MAX, SILENCES_MAX, Silence, SilenceError, SilenceRequest, SilenceState,
};
pub use summary::{
    SUMMARIES_SKIPPED_DAYS_MAX, SUMMARY_AFTER_MAX, SUMMARY_LIFE, SUMMARY_TIMES_MAX, SummaryDue,
    SummaryKind, SummaryPeriod, SummaryPlan,
};
pub use totals::Totals;
pub use tree::{GRID_DEPTH_MAX, GRID_UNITS_MAX, GridTree, GridUnit};
