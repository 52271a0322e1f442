//! Silences: what nobody wants to hear of, until when, and who said so.

use jiff::Timestamp;
use tidegate_model::Span;

use crate::config::MatchConfig;
use crate::digest::{digest, hex};
use crate::matcher::Matchers;
use crate::problem::{Problem, Problems};
use crate::tree::GridTree;

/// The most silences, ended ones included. Beyond it a new one is refused.
pub const SILENCES_MAX: usize = 1_000;

/// The most characters of a comment or a note. Beyond it the command is refused.
pub const COMMENT_CHARS_MAX: usize = 1_000;

/// What somebody asks to be silenced.
#[derive(Debug, Clone, PartialEq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SilenceRequest {
    /// Which alerts; at least one condition.
    #[serde(rename = "match")]
    pub matchers: MatchConfig,
    /// From when, RFC 3339 with an offset. Without it, from now.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub starts_at: Option<Timestamp>,
    /// Until when, RFC 3339 with an offset. A silence without an end is refused.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub ends_at: Option<Timestamp>,
    /// Who: a role or a login.
    pub created_by: String,
    /// Why.
    pub comment: String,
}

/// A silence. Part of the stored state: the order of fields is a promise.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Silence {
    /// A hash of the rest: the same silence has the same id.
    pub id: String,
    /// Which alerts.
    pub matchers: Matchers,
    /// From when.
    pub starts_at: Timestamp,
    /// Until when.
    pub ends_at: Timestamp,
    /// Who said so.
    pub created_by: String,
    /// Why.
    pub comment: String,
}

/// Where a silence stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SilenceState {
    /// It begins later.
    Pending,
    /// It mutes.
    Active,
    /// It is over.
    Expired,
}

/// Why a silence is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SilenceError {
    /// Something in it is wrong.
    #[error("silence alerts: {}", list(.0))]
    Wrong(Vec<Problem>),
    /// There are too many.
    #[error("silence alerts: {SILENCES_MAX} silences are kept, let some end first")]
    TooMany,
    /// There is none with this id.
    #[error("end the silence {0:?}, which is not known")]
    Unknown(String),
}

fn list(problems: &[Problem]) -> String {
    let texts: Vec<String> = problems.iter().map(Problem::to_string).collect();
    texts.join("; ")
}

impl Silence {
    /// Checks a request at `now`; it may last `max`.
    pub(crate) fn try_new(
        request: &SilenceRequest,
        tree: &GridTree,
        max: Span,
        now: Timestamp,
    ) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::default();
        let matchers = Matchers::check(&request.matchers, "match", tree, &mut problems);
        if matchers.is_empty() {
            problems.add("match", "is empty and would mute every alert: say which");
        }
        for (key, text) in [
            ("created_by", &request.created_by),
            ("comment", &request.comment),
        ] {
            if text.trim().is_empty() {
                problems.add(key, "is empty: say who and why");
            }
            if text.chars().count() > COMMENT_CHARS_MAX {
                problems.add(key, format!("has more than {COMMENT_CHARS_MAX} characters"));
            }
        }
        let starts_at = request.starts_at.unwrap_or(now).max(now);
        let Some(ends_at) = request.ends_at else {
            problems.add(
                "ends_at",
                "is missing: a silence must end, at most after the longest",
            );
            return Err(problems.into_list());
        };
        if ends_at <= starts_at {
            let message = format!("{ends_at} is not after the start, {starts_at}");
            problems.add("ends_at", message);
        }
        if ends_at.as_microsecond() - starts_at.as_microsecond() > max.as_micros() {
            let message = format!("{ends_at} is more than {max} after the start: end it sooner");
            problems.add("ends_at", message);
        }
        let mut this = Self {
            id: String::new(),
            matchers,
            starts_at,
            ends_at,
            created_by: request.created_by.clone(),
            comment: request.comment.clone(),
        };
        let bytes = postcard::to_stdvec(&this).expect("texts and times can be written");
        this.id = hex(&digest([b"silence/1".as_slice(), bytes.as_slice()]));
        problems.ok(this)
    }

    /// Where it stands at `now`.
    pub fn state(&self, now: Timestamp) -> SilenceState {
        if now < self.starts_at {
            SilenceState::Pending
        } else if now < self.ends_at {
            SilenceState::Active
        } else {
            SilenceState::Expired
        }
    }
}
