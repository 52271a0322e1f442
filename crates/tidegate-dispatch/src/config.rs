//! `routes.toml` as it is written. The documentation of these fields is the manual.

use std::collections::BTreeMap;

use tidegate_alerts::{OneOrMany, Severity};

/// The whole of `routes.toml`: who is told of which alert, when, and how often.
///
/// ```toml
/// [[duty]]
/// role = "grid-duty"
/// grid_unit = "g1"
/// hours = { weekdays = ["mon", "tue"], from = "08:00", to = "20:00", time_zone = "Asia/Shanghai" }
/// channels = ["mail"]
/// to = ["grid-duty@example.org"]
///
/// [[route]]
/// name = "crush"
/// match = { severity_min = "critical" }
/// channels = ["duty", "hall"]
/// continue = true
///
/// [[route]]
/// name = "default"
/// channels = ["mail"]
/// ```
#[derive(Debug, Clone, PartialEq, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoutesConfig {
    /// Who is on duty where, and how they are reached.
    #[serde(default, rename = "duty")]
    pub duties: Vec<DutyConfig>,
    /// The routes, asked from the first to the last. The last one must match everything: it is
    /// the default route.
    #[serde(default, rename = "route")]
    pub routes: Vec<RouteConfig>,
    /// What keeps quiet while something worse stands.
    #[serde(default, rename = "inhibit")]
    pub inhibits: Vec<InhibitConfig>,
    /// After how long without an acknowledgement the next grid unit up is told.
    #[serde(default)]
    pub escalation: EscalationConfig,
    /// How much is told at most.
    #[serde(default)]
    pub storm: StormConfig,
    /// How long silences may last.
    #[serde(default)]
    pub silences: SilencesConfig,
    /// Summaries that are told when a day or a shift is over.
    #[serde(default, rename = "summary")]
    pub summaries: Vec<SummaryConfig>,
}

/// One `[[duty]]`: a role that answers for a grid unit, or for a kind of venue, at some hours.
#[derive(Debug, Clone, PartialEq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DutyConfig {
    /// Who: a role such as `grid-duty`, never a person's name.
    pub role: String,
    /// The grid unit that the role answers for, with everything below it that has nobody nearer
    /// on duty. Either this or `kind`.
    #[serde(default)]
    pub grid_unit: Option<String>,
    /// The kind of venue that the role answers for, such as `market`, wherever it is. Either this
    /// or `grid_unit`.
    #[serde(default)]
    pub kind: Option<String>,
    /// When. Without it, always.
    #[serde(default)]
    pub hours: Option<HoursConfig>,
    /// The channels on which the role is reached; at least one.
    pub channels: Vec<String>,
    /// The role's addresses on those channels, such as of mail. Without any, the channel's own.
    #[serde(default)]
    pub to: Vec<String>,
}

/// Hours of the local day on some weekdays.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HoursConfig {
    /// `mon`, `tue`, `wed`, `thu`, `fri`, `sat`, `sun`. Without any, all seven.
    #[serde(default)]
    pub weekdays: Vec<String>,
    /// The first minute, `HH:MM` on the clock of the place.
    pub from: String,
    /// The minute after the last, `HH:MM`; `24:00` is the day's end. Before `from`, the hours go
    /// over midnight and belong to the weekday on which they begin.
    pub to: String,
    /// The time zone of the place, such as `Asia/Shanghai`.
    pub time_zone: String,
}

/// What an alert must be like. Everything that is given must hold; nothing given holds always.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MatchConfig {
    /// Its rule is one of these.
    #[serde(default)]
    pub rule: Option<OneOrMany>,
    /// It is at least so bad: `info`, `watch`, `warning` or `critical`.
    #[serde(default)]
    pub severity_min: Option<Severity>,
    /// It is at most so bad.
    #[serde(default)]
    pub severity_max: Option<Severity>,
    /// Its subject is of one of these kinds: `cell`, `venue`, `site`, `grid_unit`, `city`, `feed`.
    #[serde(default)]
    pub subject_kind: Option<OneOrMany>,
    /// Its subject is one of these.
    #[serde(default)]
    pub subject: Option<OneOrMany>,
    /// It lies in one of these grid units, or in one below them.
    #[serde(default)]
    pub grid_unit: Option<OneOrMany>,
    /// Its owner is one of these.
    #[serde(default)]
    pub owner: Option<OneOrMany>,
    /// Tags of its subject: each one's value, or a list of allowed values.
    #[serde(default)]
    pub tags: BTreeMap<String, OneOrMany>,
    /// Labels of its rule: each one's value, or a list of allowed values.
    #[serde(default)]
    pub labels: BTreeMap<String, OneOrMany>,
}

/// One `[[route]]`: where alerts of some sort go, and how often.
#[derive(Debug, Clone, PartialEq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteConfig {
    /// The route's name: lower-case letters, digits, `-` and `_`, at most 64, unique.
    pub name: String,
    /// Which alerts. Without it, all.
    #[serde(default, rename = "match")]
    pub matchers: MatchConfig,
    /// The channels; the word `duty` stands for the channels of whoever is on duty for the place.
    /// Where nobody is, those of the default route.
    pub channels: Vec<String>,
    /// Whether the routes below are asked too. A channel is told once, by the first route that
    /// names it.
    #[serde(default, rename = "continue")]
    pub goes_on: bool,
    /// Alerts that are equal in these are told in one notice: `rule`, `layer`, `subject`,
    /// `subject_kind`, `severity`, `grid_unit`, `owner`, or a tag or label by its name.
    #[serde(default = "group_by")]
    pub group_by: Vec<String>,
    /// How long the first notice of a group waits for more alerts. `0s` waits for nothing.
    #[serde(default = "group_wait")]
    pub group_wait: String,
    /// How long after a notice the next changes of the group are told. Worse and over are told at
    /// once.
    #[serde(default = "group_interval")]
    pub group_interval: String,
    /// How often a group that still fires is told again; at least `group_interval`.
    #[serde(default = "repeat_interval")]
    pub repeat_interval: String,
    /// Whether an all-clear is told at once, and not after `group_interval`.
    #[serde(default = "yes")]
    pub resolve_immediately: bool,
    /// Outside of these hours the route is passed over, as if it did not match.
    #[serde(default)]
    pub active: Option<HoursConfig>,
}

fn group_by() -> Vec<String> {
    vec!["rule".to_owned(), "subject".to_owned()]
}

fn group_wait() -> String {
    "30s".to_owned()
}

fn group_interval() -> String {
    "5m".to_owned()
}

fn repeat_interval() -> String {
    "4h".to_owned()
}

const fn yes() -> bool {
    true
}

/// One `[[inhibit]]`: while a source stands, its targets keep quiet.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InhibitConfig {
    /// The alert that makes others superfluous. An alert that is a source of this entry is never
    /// a target of it.
    pub source: MatchConfig,
    /// The alerts that keep quiet.
    pub target: MatchConfig,
    /// In what the two must be equal: a field, tag or label such as `station`, or
    /// `subject=station` where the source's `subject` is the target's `station`. What one of the
    /// two does not have is not equal. The word `any` asks for nothing.
    pub equal: OneOrMany,
}

/// `[escalation]`: by severity, how long nobody may acknowledge before the next grid unit up that
/// has somebody on duty is told; again and again up to the top. Without a time, never.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EscalationConfig {
    /// Of `info`.
    #[serde(default)]
    pub info: Option<String>,
    /// Of `watch`.
    #[serde(default)]
    pub watch: Option<String>,
    /// Of `warning`.
    #[serde(default)]
    pub warning: Option<String>,
    /// Of `critical`.
    #[serde(default)]
    pub critical: Option<String>,
}

/// `[storm]`: how much is told at most. What is beyond is held back, counted, and in the next
/// digest.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StormConfig {
    /// Alerts in one notice, 1 to 1,000; default 20.
    #[serde(default = "alerts_per_notice")]
    pub alerts_per_notice: u32,
    /// Notices to one channel in a minute, 1 to 10,000; default 30.
    #[serde(default = "notices_per_minute")]
    pub notices_per_minute: u32,
}

impl Default for StormConfig {
    fn default() -> Self {
        Self {
            alerts_per_notice: alerts_per_notice(),
            notices_per_minute: notices_per_minute(),
        }
    }
}

const fn alerts_per_notice() -> u32 {
    20
}

const fn notices_per_minute() -> u32 {
    30
}

/// `[silences]`: how long a silence may last, and how long an ended one is listed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SilencesConfig {
    /// The longest silence; default `30d`.
    #[serde(default = "silence_max")]
    pub max: String,
    /// How long an ended one is still listed; default `5d`.
    #[serde(default = "silence_keep")]
    pub keep: String,
}

impl Default for SilencesConfig {
    fn default() -> Self {
        Self {
            max: silence_max(),
            keep: silence_keep(),
        }
    }
}

/// One `[[summary]]`: what a day or a shift was like in a grid unit, told when it is over.
///
/// Each time of `at` ends a period that began at the one before, by the clock of the pipeline's time
/// zone. A time that the clocks skip comes as much later as they skip; of one that comes twice the
/// first counts.
///
/// ```toml
/// [[summary]]
/// grid_unit = "old-town"
/// at = ["08:00", "20:00"]
/// channels = ["mail"]
/// out = "summaries/{grid_unit}-{date}-{time}.html"
/// ```
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SummaryConfig {
    /// The grid unit, with all below it.
    pub grid_unit: String,
    /// When its periods end, `HH:MM`: one time for days, several for shifts. At most 24.
    pub at: Vec<String>,
    /// The days on whose times it is told: `mon`, `tue`, `wed`, `thu`, `fri`, `sat`, `sun`. Without
    /// any, all seven. A period is never longer for that: on Mondays a day's is of the Sunday.
    #[serde(default)]
    pub weekdays: Vec<String>,
    /// The channels that it is told on; at least one.
    pub channels: Vec<String>,
    /// A file for it as well, `.html`, relative to the pipeline folder. `{grid_unit}`, `{kind}`
    /// (`day` or `shift`), `{date}` and `{time}` (of the end, `2026-03-02` and `0800`) stand for
    /// what they say; each period needs a file of its own.
    #[serde(default)]
    pub out: Option<String>,
    /// How long after the end it is made, so that the windows of the period have closed: up to
    /// `12h`, default `10m`.
    #[serde(default = "summary_after")]
    pub after: String,
}

fn summary_after() -> String {
    "10m".to_owned()
}

fn silence_max() -> String {
    "30d".to_owned()
}

fn silence_keep() -> String {
    "5d".to_owned()
}
