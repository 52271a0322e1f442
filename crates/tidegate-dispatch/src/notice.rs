//! What is told: one message for one channel.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tidegate_alerts::wire::AlertRecord;

/// Why a message is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// Alerts of a group began, changed or ended.
    Alert,
    /// A group that still fires is told again.
    Repeat,
    /// Nobody acknowledged in time, so the next one up is told.
    Escalation,
    /// Alerts that change too often to be told one by one.
    Digest,
    /// The summary of a day or a shift.
    Summary,
    /// An operator tries a channel.
    Test,
}

/// One message for one channel. Complete in itself: who formats it needs to look nothing up.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Notice {
    /// The same over retries, restarts and a replay of the same alerts: a hash of the channel, the
    /// group and what is told. Letters, digits, `-` and `_`.
    pub id: String,
    /// The name of the channel.
    pub channel: String,
    /// Why it is sent.
    pub kind: NoticeKind,
    /// What the alerts have in common: what they are grouped by, and nothing else.
    pub group: BTreeMap<String, String>,
    /// The alerts, the worst first, then by id; at least one unless it is a summary or a test.
    pub alerts: Vec<NoticeAlert>,
    /// How many more alerts of the group the storm cap held back.
    pub held_back: u32,
    /// Addresses of those on duty, where the channel has any (such as mail); empty means the
    /// channel's own.
    pub to: Vec<String>,
    /// When it was made.
    pub created: Timestamp,
    /// When it is of no use any more: tries stop then. A stale warning of a crowd does harm.
    pub expires: Timestamp,
    /// A headline, where it is not that of the alerts (digest, summary, test), in Chinese.
    pub title_zh: Option<String>,
    /// The same in English.
    pub title_en: Option<String>,
    /// The body, where it is not that of the alerts, in Chinese: plain text.
    pub text_zh: Option<String>,
    /// The same in English.
    pub text_en: Option<String>,
    /// What the texts of a summary say, as JSON, for channels that draw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
}

/// One alert in a [`Notice`].
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct NoticeAlert {
    /// Its last transition.
    pub record: AlertRecord,
    /// How often this alert was told on this channel before: 0 makes it new there, and all of
    /// [`NoticeAlert::told`] are what a CAP message refers to.
    pub told: Vec<Told>,
    /// The chain of grid units that it lies in, from the nearest to the top: ids.
    pub grid_units: Vec<String>,
    /// Who acknowledged it, if anyone did: a role or a login, never more.
    pub acknowledged_by: Option<String>,
}

/// An earlier message on the same channel about the same alert.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Told {
    /// The id of the notice.
    pub notice: String,
    /// When it was made.
    pub at: Timestamp,
}
