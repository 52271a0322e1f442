//! What a receiver made of a message.

use super::text::line;

/// Longest reason that is kept, in characters.
pub const REASON_CHARS_MAX: usize = 300;

/// The outcome of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The receiver took it. The note says what of it was not taken, such as one address of three.
    Delivered {
        /// What an operator should know though nothing is to be tried again.
        note: Option<String>,
    },
    /// It may be taken later: the network, TLS, a limit of rate, a server in trouble.
    Retry {
        /// What the receiver said.
        reason: String,
    },
    /// It will not be taken however often it is tried: a wrong token, a message that is not liked.
    Refused {
        /// What the receiver said.
        reason: String,
    },
}

impl Answer {
    /// Taken, and nothing to say of it.
    pub const DELIVERED: Self = Self::Delivered { note: None };

    pub(crate) fn retry(reason: &str) -> Self {
        Self::Retry {
            reason: line(reason, REASON_CHARS_MAX),
        }
    }

    pub(crate) fn refused(reason: &str) -> Self {
        Self::Refused {
            reason: line(reason, REASON_CHARS_MAX),
        }
    }

    /// What an HTTP status alone says.
    pub(crate) fn of_status(status: u16) -> Self {
        match status {
            200..=299 => Self::DELIVERED,
            408 | 425 | 429 | 500..=599 => Self::retry(&format!("HTTP status {status}")),
            _ => Self::refused(&format!("HTTP status {status}")),
        }
    }
}

/// A note of bounded length.
pub(crate) fn noted(note: &str) -> String {
    line(note, REASON_CHARS_MAX)
}
