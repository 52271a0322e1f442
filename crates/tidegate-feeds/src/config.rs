//! The content of a feed's file, `feeds/NAME.toml`: which format, which limits, which columns.
//!
//! Durations are text and names are free here; [`crate::Decoder::try_new`] checks them all and
//! lists every problem at once.

use std::collections::BTreeMap;

use tidegate_model::{Measure, Subject};

use crate::{GtfsConfig, OccupancyConfig};

/// One thing wrong with a [`FeedConfig`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConfigProblem {
    /// The key, as a path from the file's top: `mapping.time.zone`, `mapping.counts[1].column`.
    pub key: String,
    /// What is wrong with it: lower case, no full stop, with the value.
    pub message: String,
}

impl ConfigProblem {
    pub(crate) fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            message: message.into(),
        }
    }
}

impl std::fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.key, self.message)
    }
}

/// The shape of a feed's payloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// The product's own JSON: one observation a message.
    #[default]
    Json,
    /// The product's own Protobuf, `schemas/observation.proto`: one `ObservationBatch` a message.
    Protobuf,
    /// The product's own observations as an Arrow IPC stream: one stream a message, columns by the
    /// names of the JSON's fields.
    Arrow,
    /// A city's own JSON, read through `[mapping]`: one object a message, an array of objects, or
    /// one object a line. Only fields at the top of an object are mapped.
    MappedJson,
    /// A city's own CSV, read through `[mapping]`: a header line and one or more rows a message.
    Csv,
    /// GTFS-Realtime as Protocol Buffers: one `FeedMessage` a message.
    GtfsRealtime,
    /// GTFS-Realtime as JSON, in snake case or camel case.
    GtfsRealtimeJson,
    /// SIRI 2.0 XML: deliveries of `EstimatedTimetable` (arrivals of vehicles at stops) and
    /// `VehicleMonitoring` (positions of vehicles).
    Siri,
}

/// What stands before the content of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Wire {
    /// Nothing.
    #[default]
    Plain,
    /// What serializers write that use a schema registry: byte 0, the schema's id in 4 bytes, and
    /// for `protobuf` the indexes of the message in its schema.
    Confluent,
}

/// What becomes of a count whose site is not in the registry and which carries no coordinates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnknownSite {
    /// Reject it as `unknown_site`: for feeds whose sites are all registered.
    #[default]
    Reject,
    /// Count it without a cell: for feeds whose stations have no coordinates.
    Accept,
}

/// A feed: one kind of message on one topic, and how it is read.
#[derive(Debug, Clone, PartialEq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FeedConfig {
    /// The shape of the payloads: `json`, `protobuf`, `arrow`, `mapped_json`, `csv`,
    /// `gtfs_realtime`, `gtfs_realtime_json` or `siri`.
    pub format: Format,
    /// What stands before the content of a payload: `plain` (nothing) or `confluent`, for the
    /// formats `json`, `mapped_json` and `protobuf`.
    #[serde(default)]
    pub wire: Wire,
    /// The ids of the schemas that are accepted with `wire = "confluent"`, 1 to 1024 of them; every
    /// id when absent. A payload with another is rejected as `unknown_schema`.
    #[serde(default)]
    pub schema_ids: Option<Vec<u32>>,
    /// The Kafka topic; `tidegate.feed.NAME` when absent.
    #[serde(default)]
    pub topic: Option<String>,
    /// How far behind the newest event time of its partition a record may come and still be in
    /// time: a duration such as `30s`, `1m`, `2h`.
    #[serde(default = "one_minute")]
    pub out_of_orderness: String,
    /// The longest interval that one count may cover; longer ones are rejected, and a cumulative
    /// counter that was silent for longer gives no count. At least `25h` for daily counts.
    #[serde(default = "one_hour")]
    pub interval_max: String,
    /// How long the ids of counts are remembered so that a repeat is not counted twice; no
    /// duplicate check when absent.
    #[serde(default)]
    pub dedup_within: Option<String>,
    /// How long without records is silence, of which an alert on the feed's health tells: a duration
    /// such as `15m`, `2h`. Three times the longest interval that its records count and at least
    /// `15m` when absent.
    #[serde(default)]
    pub silent_after: Option<String>,
    /// The largest count that one record may carry, 1 or more; larger ones are rejected.
    #[serde(default = "count_max_default")]
    pub count_max: i64,
    /// The largest payload in bytes, 1 to 67108864; larger ones are rejected.
    #[serde(default = "payload_bytes_max_default")]
    pub payload_bytes_max: usize,
    /// What becomes of a site that is not in the registry: `reject` or `accept`.
    #[serde(default)]
    pub unknown_site: UnknownSite,
    /// Names of fields and columns that identify a person, in place of the built-in list. Letter
    /// case, spaces, `_`, `-` and `.` do not matter; the whole name is compared, in nested objects
    /// too. A record with such a field is rejected and its bytes are not kept.
    #[serde(default)]
    pub personal_fields: Option<Vec<String>>,
    /// Which column means what; for `mapped_json` and `csv`.
    #[serde(default)]
    pub mapping: Option<MappingConfig>,
    /// How many persons are aboard a vehicle; for `gtfs_realtime` and `siri`.
    #[serde(default)]
    pub occupancy: Option<OccupancyConfig>,
    /// How GTFS-Realtime is read with its static feed.
    #[serde(default)]
    pub gtfs: Option<GtfsConfig>,
    /// What a `siri` feed leaves unsaid.
    #[serde(default)]
    pub siri: Option<SiriConfig>,
}

impl Default for FeedConfig {
    /// The product's own JSON with every default.
    fn default() -> Self {
        Self {
            format: Format::Json,
            wire: Wire::Plain,
            schema_ids: None,
            topic: None,
            out_of_orderness: one_minute(),
            interval_max: one_hour(),
            dedup_within: None,
            silent_after: None,
            count_max: count_max_default(),
            payload_bytes_max: payload_bytes_max_default(),
            unknown_site: UnknownSite::Reject,
            personal_fields: None,
            mapping: None,
            occupancy: None,
            gtfs: None,
            siri: None,
        }
    }
}

fn one_minute() -> String {
    "1m".to_owned()
}

fn one_hour() -> String {
    "1h".to_owned()
}

const fn count_max_default() -> i64 {
    1_000_000
}

const fn payload_bytes_max_default() -> usize {
    1 << 20
}

/// A column of a table or a field of an object, by its name.
///
/// Sources spell headers differently from week to week: `"CA | C/A"` means whichever of the two is
/// there (the first when both are). Names are compared exactly, after trimming.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct Column(Vec<String>);

impl Column {
    /// The spellings, at least one, none empty.
    pub fn spellings(&self) -> &[String] {
        &self.0
    }
}

impl TryFrom<String> for Column {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let spellings: Vec<String> = text.split('|').map(|name| name.trim().to_owned()).collect();
        if spellings.iter().any(String::is_empty) {
            return Err(format!(
                "{text:?} is not a column name, or several spellings with | between them"
            ));
        }
        Ok(Self(spellings))
    }
}

impl std::fmt::Display for Column {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.join(" | "))
    }
}

impl schemars::JsonSchema for Column {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Column".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "minLength": 1,
            "description": "A column of a table or a field of an object, by its name; \
                several spellings with | between them, such as \"CA | C/A\"."
        })
    }
}

/// Which column of a city's own table or object means what.
///
/// The counts come from exactly one of `count`, `count_each`, `[[mapping.counts]]` and
/// `[mapping.wide]`.
#[derive(Debug, Clone, PartialEq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MappingConfig {
    /// The counting point: one column, or several whose texts are joined.
    pub site: Vec<Column>,
    /// What stands between the joined texts of several site columns.
    #[serde(default = "one_space")]
    pub site_separator: String,
    /// Other spellings of sites: the text of the columns on the left, the site's id on the right.
    #[serde(default)]
    pub site_aliases: BTreeMap<String, String>,
    /// What stands between the cells of a CSV row: one ASCII character.
    #[serde(default)]
    pub delimiter: Option<String>,
    /// When it was counted.
    pub time: TimeConfig,
    /// The column of the count, where there is one; its measure is `measure` or `[mapping.direction]`.
    #[serde(default)]
    pub count: Option<Column>,
    /// What every record counts, where each is one event and no column tells a count: usually 1.
    #[serde(default)]
    pub count_each: Option<i64>,
    /// What every count measures that has no other: `in`, `out`, `through`, `present`, `load`.
    #[serde(default)]
    pub measure: Option<Measure>,
    /// Who is counted: `person` or `vehicle`.
    #[serde(default)]
    pub subject: Subject,
    /// The columns of the counts, where a row has several.
    #[serde(default)]
    pub counts: Vec<CountColumn>,
    /// One column an hour.
    #[serde(default)]
    pub wide: Option<WideConfig>,
    /// A column whose word says what the count measures.
    #[serde(default)]
    pub direction: Option<DirectionConfig>,
    /// Where the counted came from.
    #[serde(default)]
    pub origin: Option<OriginConfig>,
    /// Degrees north (WGS 84); needs `lng`. Empty cells mean no coordinate.
    #[serde(default)]
    pub lat: Option<Column>,
    /// Degrees east (WGS 84); needs `lat`.
    #[serde(default)]
    pub lng: Option<Column>,
    /// The columns that together identify a count within the feed, for `dedup_within`. Without
    /// them every row is a count of its own.
    #[serde(default)]
    pub id: Vec<Column>,
    /// The least and the most that the count can be, where the table tells them; only with `count`.
    #[serde(default)]
    pub range: Option<RangeConfig>,
    /// What becomes of an empty count outside a wide table: `reject`, or `pass` where the table
    /// leaves a cell empty when nothing was measured. An outage is not a count of zero.
    #[serde(default)]
    pub empty_count: EmptyCount,
    /// How many persons a vehicle stands for: each count of vehicles gives a count of persons too,
    /// flagged `estimated`.
    #[serde(default)]
    pub persons_per_vehicle: Option<FactorConfig>,
    /// How the text of the payloads is written, where it is not UTF-8: a name of the WHATWG
    /// Encoding Standard such as `gbk`, `gb18030`, `big5`, `euc-kr` or `shift_jis`. A payload that
    /// is not so written is rejected as `not_utf8`.
    #[serde(default)]
    pub encoding: Option<String>,
    /// The counts are readings of counters that only go up.
    #[serde(default)]
    pub cumulative: Option<CumulativeConfig>,
}

fn one_space() -> String {
    " ".to_owned()
}

/// The columns of the least and the most that a count can be.
#[derive(Debug, Clone, PartialEq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RangeConfig {
    /// The column of the least, at most the count.
    pub low: Column,
    /// The column of the most, at least the count.
    pub high: Column,
}

/// What becomes of an empty count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EmptyCount {
    /// Its record is rejected as `missing_field`.
    #[default]
    Reject,
    /// It is passed over as `no_count`, as long as the column is there.
    Pass,
}

/// How many persons a vehicle stands for.
#[derive(Debug, Clone, Copy, PartialEq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FactorConfig {
    /// On average, above 0 and at most 1000.
    pub value: f64,
    /// At least, 0 to `value`.
    pub low: f64,
    /// At most, `value` to 1000.
    pub high: f64,
}

/// Where a mapped record's time is and how it is written.
#[derive(Debug, Clone, PartialEq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimeConfig {
    /// The columns of the time; several are joined by a space before they are read.
    #[serde(default)]
    pub columns: Vec<Column>,
    /// The time of every record, in place of columns: for a table of one day or one period.
    #[serde(default)]
    pub constant: Option<String>,
    /// A column with the hour of the day, a whole number 0 to 47, added to the date in `columns`.
    #[serde(default)]
    pub hour: Option<Column>,
    /// How the time is written: a strftime format such as `%d-%m-%Y`, or `rfc3339`, `unix_s`,
    /// `unix_ms`.
    pub format: String,
    /// The time zone of local times, an IANA name such as `Asia/Shanghai`; needed unless the
    /// format carries an offset.
    #[serde(default)]
    pub zone: Option<String>,
    /// Which of the two instants a local time means that occurs twice, when clocks are set back.
    #[serde(default)]
    pub ambiguous: Ambiguous,
    /// What becomes of a local time that does not exist, when clocks are set forward.
    #[serde(default)]
    pub gap: Gap,
    /// Whether the time is the start or the end of the counted interval.
    #[serde(default)]
    pub anchor: Anchor,
    /// The length of the counted interval: `1h`, `15m`; or whole local calendar days, `1d`, which
    /// are 23 or 25 hours long when clocks change (`24h` is always 24 hours). A point in time when
    /// absent; one hour for `[mapping.wide]`.
    #[serde(default)]
    pub interval: Option<String>,
}

/// Which of two instants a repeated local time means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ambiguous {
    /// The first, before clocks are set back; flagged `time_ambiguous`. A cumulative counter whose
    /// last reading is already there means the second.
    #[default]
    Earlier,
    /// The second; flagged `time_ambiguous`.
    Later,
    /// Neither: the record is rejected as `bad_time`.
    Reject,
}

/// What becomes of a local time that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Gap {
    /// It means as much later as clocks were set forward: 02:30 is 03:30.
    Shift,
    /// The record is rejected as `bad_time`. An hour column with no count or 0 is passed over.
    #[default]
    Reject,
}

/// Which end of the interval the time is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Anchor {
    /// Its start.
    #[default]
    Start,
    /// Its end.
    End,
}

/// One of several count columns of a row.
#[derive(Debug, Clone, PartialEq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CountColumn {
    /// The column of the count.
    pub column: Column,
    /// What it measures, where it is not the mapping's `measure` or direction.
    #[serde(default)]
    pub measure: Option<Measure>,
    /// Who is counted, where it is not the mapping's `subject`.
    #[serde(default)]
    pub subject: Option<Subject>,
    /// The region code of where they came from, where each column counts another origin.
    #[serde(default)]
    pub origin: Option<String>,
}

/// A column whose word says what the count measures.
#[derive(Debug, Clone, PartialEq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DirectionConfig {
    /// The column.
    pub column: Column,
    /// The measure of each word in it; another word is rejected as `wrong_type`.
    pub values: BTreeMap<String, Measure>,
}

/// Where the counted came from: a column, or one region for the whole feed.
#[derive(Debug, Clone, PartialEq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OriginConfig {
    /// The column with the region code; an empty cell means `unknown`.
    #[serde(default)]
    pub column: Option<Column>,
    /// The region code of every count.
    #[serde(default)]
    pub constant: Option<String>,
}

/// Cumulative counters: a row carries the counter's reading, and the count is its difference from
/// the reading before. The first reading of a counter, and every step that cannot be true, gives a
/// count of 0 with a quality flag.
#[derive(Debug, Clone, PartialEq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CumulativeConfig {
    /// The columns that together name one counter.
    pub counter: Vec<Column>,
    /// The largest step between two readings that can be true, 1 or more and at most `count_max`.
    pub step_max: i64,
    /// How many values the counter has: it shows 0 up to one below this and then 0 again. Without
    /// it a counter never wraps.
    #[serde(default)]
    pub wrap_at: Option<i64>,
    /// A counter that goes down to a reading below this has started again from 0.
    #[serde(default = "reset_below_default")]
    pub reset_below: i64,
    /// How many counters are remembered; beyond it the sixteenth of them that was read longest ago
    /// is forgotten, and the next reading of each counts as a first one.
    #[serde(default = "counters_max_default")]
    pub counters_max: usize,
}

const fn reset_below_default() -> i64 {
    1_000
}

const fn counters_max_default() -> usize {
    1_000_000
}

/// A wide table: one column an hour of the date in `[mapping.time]`. An empty cell is no count.
#[derive(Debug, Clone, PartialEq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WideConfig {
    /// The name of the columns with `{hour}` or `{hour:02}` in place of the hour, and `{next}` or
    /// `{next:02}` in place of the one after it: `{hour:02}-{next:02}` is `06-07`.
    #[serde(default)]
    pub pattern: Option<String>,
    /// The first hour of the pattern, 0 to 47.
    #[serde(default)]
    pub first_hour: i64,
    /// The last hour of the pattern, 0 to 47; 24 and above are of the next day.
    #[serde(default = "last_hour_default")]
    pub last_hour: i64,
    /// The columns one by one, where no pattern names them.
    #[serde(default)]
    pub columns: Vec<WideColumn>,
}

const fn last_hour_default() -> i64 {
    23
}

/// One hour's column of a wide table.
#[derive(Debug, Clone, PartialEq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WideColumn {
    /// The column.
    pub column: Column,
    /// Its hour, 0 to 47; 24 and above are of the next day.
    pub hour: i64,
}

/// What a SIRI feed leaves unsaid.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SiriConfig {
    /// The time zone of times without an offset, an IANA name such as `Europe/Oslo`; without it
    /// they are rejected. A local time that occurs twice means the first and is flagged
    /// `time_ambiguous`; one that does not exist is rejected.
    #[serde(default)]
    pub zone: Option<String>,
}
