//! Somebody takes an alert, or says what they think of it.

use std::sync::Arc;

use jiff::Timestamp;

use super::Dispatcher;
use super::held::{Acknowledged, Id};
use crate::precision::Verdict;
use crate::silence::COMMENT_CHARS_MAX;

/// What somebody says of an alert.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcknowledgeRequest {
    /// The alert's id.
    pub alert: String,
    /// Who: a role or a login.
    pub by: String,
    /// What else they say.
    #[serde(default)]
    pub note: String,
    /// What they think of it; it feeds the table of precision.
    #[serde(default)]
    pub verdict: Option<Verdict>,
}

/// Why an acknowledgement is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AcknowledgeError {
    /// There is no such alert, or it has been over for long.
    #[error("acknowledge the alert {0:?}, which is not known")]
    Unknown(String),
    /// It is over, so that only a verdict says something.
    #[error("acknowledge the alert {0:?}, which is over: only a verdict can be given")]
    Over(String),
    /// Nobody says so, or too much.
    #[error("acknowledge the alert {alert:?}: {message}")]
    Wrong {
        /// The alert.
        alert: String,
        /// What is wrong.
        message: String,
    },
}

impl Dispatcher {
    /// Takes an alert: it is not repeated and goes no further up. What is new of it is told as ever.
    /// It ends with the alert. On an alert that is over only a verdict can be given, as long as it
    /// is kept (`RESOLVED_MAX`). Said again, the newest counts.
    ///
    /// # Errors
    /// [`AcknowledgeError`]: unknown, over, or nobody says so.
    pub fn acknowledge(
        &mut self,
        now: Timestamp,
        request: &AcknowledgeRequest,
    ) -> Result<(), AcknowledgeError> {
        self.now = self.now.max(now);
        let alert: String = request.alert.chars().take(64).collect();
        let length = request.note.chars().count().max(request.by.chars().count());
        if request.by.trim().is_empty() || length > COMMENT_CHARS_MAX {
            let message = format!("say who, and at most {COMMENT_CHARS_MAX} characters");
            return Err(AcknowledgeError::Wrong { alert, message });
        }
        let key = request.alert.as_str();
        if let Some((id, _)) = self.alerts.get_key_value(key) {
            let id = Arc::clone(id);
            self.acknowledge_open(&id, request);
            return Ok(());
        }
        let Some((id, _)) = self.resolved.get_key_value(key) else {
            return Err(AcknowledgeError::Unknown(alert));
        };
        let Some(verdict) = request.verdict else {
            return Err(AcknowledgeError::Over(alert));
        };
        let id = Arc::clone(id);
        let resolved = self.resolved.get_mut(&id).expect("it was found above");
        let before = resolved.verdict.replace(verdict);
        self.precision.judged(&resolved.rule, before, verdict);
        Ok(())
    }

    fn acknowledge_open(&mut self, id: &Id, request: &AcknowledgeRequest) {
        let Some(active) = self.alerts.get_mut(id) else {
            return;
        };
        let before = active.acknowledged.as_ref().and_then(|it| it.verdict);
        active.acknowledged = Some(Box::new(Acknowledged {
            by: request.by.clone(),
            note: request.note.clone(),
            at: self.now,
            verdict: request.verdict.or(before),
        }));
        if let Some(verdict) = request.verdict {
            self.precision
                .judged(&active.record.unpack().rule, before, verdict);
        }
        self.set_going_up(id, None);
    }
}
