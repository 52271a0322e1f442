//! What an authority chooses for its messages.

use jiff::tz::TimeZone;

use crate::form::text;

/// What is the same in all messages of a channel.
#[derive(Debug, Clone)]
pub struct CapConfig {
    /// Who sends, in CAP's sense: unique in the world, such as `tidegate@cdc.example.gov.cn`.
    pub sender: Sender,
    /// The sender's name for people, in Chinese.
    pub sender_name_zh: String,
    /// The same in English.
    pub sender_name_en: String,
    /// The zone of all times. Changing it changes how earlier messages are referred to.
    pub zone: TimeZone,
    /// What all messages are, but those of tests and of shadow rules, which are never `Actual`.
    pub status: CapStatus,
    /// Whom the messages are for.
    pub scope: Scope,
    /// At least one is written: `Safety` if this is empty.
    pub categories: Vec<Category>,
    /// Whom to ask.
    pub contact: Option<String>,
    /// A page with more, where the rule has no runbook.
    pub web: Option<String>,
    /// Codes by which receivers know how to handle a message.
    pub codes: Vec<String>,
    /// Which exercise it is, in messages of the status `Exercise`.
    pub note: String,
    /// Methods that forecast: beginnings of method ids. Their alerts are expected and likely, those
    /// of all others are immediate and observed. A rule's label `nature` (`forecast` or `observed`)
    /// goes before.
    pub forecast_methods: Vec<String>,
}

impl CapConfig {
    /// Restricted to those on duty, health and safety, at China's time.
    pub fn new(sender: Sender) -> Self {
        Self {
            sender,
            sender_name_zh: String::new(),
            sender_name_en: String::new(),
            zone: TimeZone::fixed(jiff::tz::offset(8)),
            status: CapStatus::Actual,
            scope: Scope::default(),
            categories: vec![Category::Health, Category::Safety],
            contact: None,
            web: None,
            codes: Vec::new(),
            note: "Exercise".to_owned(),
            forecast_methods: ["forecast/", "inflow/", "indicator/time-to-threshold"]
                .map(str::to_owned)
                .to_vec(),
        }
    }
}

/// CAP's `status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, schemars::JsonSchema)]
pub enum CapStatus {
    /// To be acted upon.
    Actual,
    /// For those who take part in an exercise.
    Exercise,
    /// To be ignored.
    #[default]
    Test,
}

impl CapStatus {
    /// The standard's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Actual => "Actual",
            Self::Exercise => "Exercise",
            Self::Test => "Test",
        }
    }
}

/// CAP's `sender`: not empty, without spaces, commas, `<` and `&`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender(String);

impl Sender {
    /// Checks `text`.
    ///
    /// # Errors
    /// [`SenderError`] if the standard forbids one of its characters, or there is none.
    pub fn new(text: &str) -> Result<Self, SenderError> {
        if text.is_empty() || text.len() > 255 || text.chars().any(is_forbidden) {
            return Err(SenderError(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether identifiers and senders must not hold `c`.
pub(super) fn is_forbidden(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, ',' | '<' | '&')
}

/// A sender that the standard forbids.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("CAP sender {0:?} must have 1 to 255 bytes and no spaces, commas, < or &")]
pub struct SenderError(String);

/// Whom messages are for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Anybody.
    Public,
    /// Those whom the text describes.
    Restricted(String),
    /// These addresses.
    Private(Vec<String>),
}

impl Default for Scope {
    /// Restricted to those on duty: who makes a warning public decides so.
    fn default() -> Self {
        Self::Restricted(
            "仅供值班和责任单位使用 / For duty officers and responsible units only".to_owned(),
        )
    }
}

/// Addresses separated by spaces, those with spaces in quotes.
pub(super) fn addresses(addresses: &[String]) -> String {
    let quoted = addresses.iter().map(|address| {
        let address = text::line(address, 320).replace('"', "'");
        if address.contains(' ') {
            format!("\"{address}\"")
        } else {
            address
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

/// CAP's `category`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
pub enum Category {
    /// Medical and public health.
    Health,
    /// General emergency and public safety.
    Safety,
    /// Public and private transportation.
    Transport,
    /// Law enforcement, military, homeland and local or private security.
    Security,
    /// Rescue and recovery.
    Rescue,
    /// Fire suppression and rescue.
    Fire,
    /// Utility, telecommunication and other infrastructure that is not transport.
    Infra,
    /// Pollution and other environment.
    Env,
    /// Meteorology, flood included.
    Met,
    /// Geophysics, landslide included.
    Geo,
    /// Chemical, biological, radiological, nuclear or high-yield explosive threat or attack.
    #[serde(rename = "CBRNE")]
    Cbrne,
    /// Anything else.
    Other,
}

impl Category {
    /// The standard's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Health => "Health",
            Self::Safety => "Safety",
            Self::Transport => "Transport",
            Self::Security => "Security",
            Self::Rescue => "Rescue",
            Self::Fire => "Fire",
            Self::Infra => "Infra",
            Self::Env => "Env",
            Self::Met => "Met",
            Self::Geo => "Geo",
            Self::Cbrne => "CBRNE",
            Self::Other => "Other",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senders_are_checked() {
        assert!(Sender::new("tidegate@cdc.example").is_ok());
        for bad in ["", "a b", "a,b", "a<b", "a&b", "a\u{3000}b"] {
            assert!(Sender::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn addresses_with_spaces_are_quoted() {
        let list = ["a@b".to_owned(), "Duty \"room\"".to_owned()];
        assert_eq!(addresses(&list), "a@b \"Duty 'room'\"");
    }
}
