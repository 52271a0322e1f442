//! The words that a rule chooses from.

/// How bad an alert is, from a note to an emergency.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Look at it.
    Watch,
    /// Get ready.
    Warning,
    /// Act now.
    Critical,
}

impl Severity {
    /// The word used in files, JSON and SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Watch => "watch",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// What a rule compares with its thresholds.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Compare {
    /// The value itself.
    #[default]
    Value,
    /// The lower bound of its interval. A row without one is a row without data.
    Lo,
}

impl Compare {
    /// The word used in files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Value => "value",
            Self::Lo => "lo",
        }
    }
}

/// What becomes of a subject that has no data.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum OnNoData {
    /// What was seen before still stands: an open alert stays open, and says so once.
    #[default]
    Keep,
    /// As `keep`; and after `no_data_after` an alert is raised, with the severity of the lowest
    /// step, on a subject that had data before.
    Alert,
    /// After `no_data_after` an open alert is over, and says why. Rows that rest on too little
    /// input (`coverage_min`) are data here: they never end an alert.
    Resolve,
}

impl OnNoData {
    /// The word used in files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Alert => "alert",
            Self::Resolve => "resolve",
        }
    }
}

/// Whether a rule notifies.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    serde::Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Its alerts are for people.
    #[default]
    Live,
    /// Its alerts are recorded and never notify.
    Shadow,
}

impl Mode {
    /// The word used in files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Shadow => "shadow",
        }
    }
}
