//! What a way to people offers, and what a try came to.

use std::pin::Pin;
use std::time::Duration;

use jiff::Timestamp;
use tidegate_dispatch::Notice;

use crate::form::answer::Answer;

/// A try on its way.
pub type Delivering<'a> = Pin<Box<dyn Future<Output = Tried> + Send + 'a>>;

/// One way on which notices reach people.
///
/// The service bounds each try by the channel's `timeout` and drops it then, so a try must be
/// written so that it may end at any `await`.
pub trait Deliver: Send + Sync + std::fmt::Debug {
    /// Tries once, at `now`. The notice's id is the same in every try.
    fn deliver<'a>(&'a self, notice: &'a Notice, now: Timestamp) -> Delivering<'a>;

    /// How often [`Deliver::remind`] is wanted; `None`, the default, for never.
    fn remind_every(&self) -> Option<Duration> {
        None
    }

    /// Tells again what stands, where the other side forgets it otherwise. Never at the same time
    /// as a try of [`Deliver::deliver`].
    fn remind(&self, now: Timestamp) -> Delivering<'_> {
        let _ = now;
        Box::pin(async { Outcome::Delivered.into() })
    }
}

/// What a try came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The other side has it.
    Delivered,
    /// It may go well later.
    Retry {
        /// The wait that the other side asked for.
        after: Option<Duration>,
        /// Why it did not.
        why: String,
    },
    /// The other side will never take this notice.
    Refused {
        /// Why.
        why: String,
    },
    /// The other side will never take any notice again.
    Gone {
        /// Why.
        why: String,
    },
}

impl Outcome {
    /// A failure that may heal.
    pub fn retry(why: impl Into<String>) -> Self {
        Self::Retry {
            after: None,
            why: why.into(),
        }
    }

    /// A failure that will not heal for this notice.
    pub fn refused(why: impl Into<String>) -> Self {
        Self::Refused { why: why.into() }
    }

    /// One word: `delivered`, `retry`, `refused` or `gone`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Retry { .. } => "retry",
            Self::Refused { .. } => "refused",
            Self::Gone { .. } => "gone",
        }
    }

    /// Why it was not delivered; empty if it was.
    pub fn why(&self) -> &str {
        match self {
            Self::Delivered => "",
            Self::Retry { why, .. } | Self::Refused { why } | Self::Gone { why } => why,
        }
    }
}

impl From<Answer> for Outcome {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Delivered { note } => {
                if let Some(note) = note {
                    tracing::warn!(note, "Delivered, but not to all.");
                }
                Self::Delivered
            }
            Answer::Retry { reason } => Self::retry(reason),
            Answer::Refused { reason } => Self::refused(reason),
        }
    }
}

/// An outcome with the status that the other side gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// What it came to.
    pub outcome: Outcome,
    /// The status of the answer, where the channel has such a thing: that of HTTP or SMTP.
    pub status: Option<u16>,
}

impl From<Outcome> for Tried {
    fn from(outcome: Outcome) -> Self {
        Self {
            outcome,
            status: None,
        }
    }
}
