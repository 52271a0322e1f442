//! The content of `pipeline.toml`. Each doc comment is the manual of its key.

use std::collections::BTreeMap;

/// A pipeline: which reference data, windows and layers, and how time is judged.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PipelineConfig {
    /// Name of the pipeline, in outputs and logs.
    pub name: String,
    /// IANA time zone of the city, for local times of day; `UTC` when absent.
    #[serde(default = "utc")]
    pub zone: String,
    /// Base H3 resolution of cells, 0 to 15.
    #[serde(default = "nine")]
    pub resolution: u8,
    /// How long after a window's end late records still enter its revision.
    #[serde(default = "zero")]
    pub allowed_lateness: String,
    /// How long a partition must be quiet at its log's end before it stops holding windows open.
    #[serde(default = "thirty_seconds")]
    pub idle_after: String,
    /// How far after its arrival an event may claim to be; later ones are rejected.
    #[serde(default = "ten_minutes")]
    pub max_future: String,
    /// How often, in processing time, open windows are shown before they close; never when absent.
    #[serde(default)]
    pub provisional_every: Option<String>,
    /// How many processes may share the work, when records are keyed for it; one when absent.
    #[serde(default)]
    pub scale: Option<ScaleConfig>,
    /// Files of reference data.
    #[serde(default)]
    pub reference: ReferenceConfig,
    /// How reports become infections, where origins have reports by day.
    #[serde(default)]
    pub infection: Option<InfectionConfig>,
    /// Occupancy by conservation, when venues have gates.
    #[serde(default)]
    pub occupancy: Option<OccupancyConfig>,
    /// Persons in quarantine on each day ahead, when arrivals of some origins are held.
    #[serde(default)]
    pub quarantine: Option<QuarantineConfig>,
    /// Window queries, `windows/NAME.sql`.
    #[serde(default)]
    pub window: Vec<WindowConfig>,
    /// Layers, `layers/NAME.sql`; a layer may read those before it.
    #[serde(default)]
    pub layer: Vec<LayerConfig>,
    /// Forecasts of layers, one a layer.
    #[serde(default)]
    pub forecast: Vec<ForecastConfig>,
    /// Aberrations of layers, one a layer.
    #[serde(default)]
    pub aberration: Vec<AberrationConfig>,
}

/// Work shared by partitions: task `t` of `n` reads partitions `t`, `t + n`, ... of every feed.
///
/// That is right only where all records of one key are in one such share: every feed's topic has
/// the same number of partitions, a multiple of `tasks`, and its producers choose the partition by
/// the key. Layers and rules then see the keys of their task only.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScaleConfig {
    /// How many tasks, 1 to 64. It cannot change while there is progress to go on from.
    pub tasks: i32,
    /// The column that producers choose partitions by; every window query groups by it.
    pub keyed_by: KeyColumn,
}

/// A column of observations that partitions may be chosen by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyColumn {
    /// The counting point.
    SiteId,
    /// The venue that the counting point is at.
    VenueId,
}

impl KeyColumn {
    /// The column's name in window queries.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SiteId => "site_id",
            Self::VenueId => "venue_id",
        }
    }
}

/// Which files of the folder hold reference data.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferenceConfig {
    /// Counting points, GeoJSON.
    pub sites: Option<String>,
    /// Venues, GeoJSON.
    pub venues: Option<String>,
    /// Grid units, GeoJSON.
    pub grid_units: Option<String>,
    /// Incidence per origin, CSV or JSON.
    pub incidence: Option<String>,
    /// Cases per origin by day of report, CSV or JSON: `origin`, `date`, `cases`, without gaps.
    /// An origin that is in it has its prevalence from here, by `[infection]`.
    pub reports: Option<String>,
    /// What is done with travellers on entry, by the tier of their origin, CSV or JSON: `tier`,
    /// `entry_effect`, and `held_share` with `stay_days` where they are quarantined.
    pub tiers: Option<String>,
    /// Public holidays, CSV with the columns `date` (local, `YYYY-MM-DD`) and `name`.
    pub holidays: Option<String>,
}

/// How cases by day of report become the share of people who are infectious.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InfectionConfig {
    /// Days from infection to report.
    pub delay_days: u32,
    /// The share of infected people who are infectious and not isolated, for each day after
    /// infection from day 0.
    pub infectious_curve: Vec<f64>,
}

/// One window query.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowConfig {
    /// Name of the SQL file and of the pane table.
    pub name: String,
    /// Length of a window.
    pub size: String,
    /// How far apart windows begin; the size when absent.
    pub slide: Option<String>,
    /// How far the windows' grid is moved from midnight UTC: `16h` for days in China, `30m` for
    /// hours in India.
    #[serde(default = "zero")]
    pub offset: String,
}

/// One layer.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerConfig {
    /// Name of the SQL file and of the layer.
    pub name: String,
    /// The window query at whose closing it is evaluated.
    pub on: String,
}

/// Occupancy of venues from the flows at their gates.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OccupancyConfig {
    /// The window query whose panes hold the flows; it must group by `venue_id`.
    pub window: String,
    /// Its column of persons who entered.
    pub arrivals: String,
    /// Its column of persons who left.
    pub departures: String,
    /// Probability that a passage is counted, in (0, 1]; gives the interval.
    #[serde(default = "capture")]
    pub capture: f64,
    /// Local time of day at which venues are known to be empty, `HH:MM`.
    #[serde(default)]
    pub empty_at: Option<String>,
    /// One side of the counts is scaled by what past service days say of it; it is not when absent.
    #[serde(default)]
    pub gain: Option<GainConfig>,
    /// Kinds of venues whose gates count entries only, with how long people stay in them. A venue
    /// may have its own `dwell` in the file of venues.
    #[serde(default)]
    pub entries: BTreeMap<String, DwellConfig>,
    /// A window query whose panes say how many are inside, as pictures do.
    #[serde(default)]
    pub snapshots: Option<ObservedConfig>,
    /// A window query whose panes say how many are aboard the vehicles that stand in the venue.
    #[serde(default)]
    pub load: Option<ObservedConfig>,
}

/// How past service days, from `empty_at` to `empty_at`, correct the counts of a venue.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GainConfig {
    /// The side that is scaled: the one that is counted worse.
    #[serde(default)]
    pub side: GainSideConfig,
    /// Persons in and out that stand beside those of the days and pull the gain to 1, above 0.
    #[serde(default = "thousand")]
    pub prior: i64,
    /// How many of the last days of a type (working day, Saturday, Sunday) count, 1 to 366.
    #[serde(default = "four_weeks")]
    pub days_max: usize,
    /// Dates `YYYY-MM-DD` that are as Sundays.
    #[serde(default)]
    pub holidays: Vec<String>,
    /// Dates `YYYY-MM-DD` that are as working days, whatever their weekday.
    #[serde(default)]
    pub workdays: Vec<String>,
}

/// A side of the counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GainSideConfig {
    /// Persons who left.
    #[default]
    Departures,
    /// Persons who came.
    Arrivals,
}

/// How long people stay.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DwellConfig {
    /// The form of the distribution.
    pub model: DwellModel,
    /// Its mean, minutes.
    pub mean_min: f64,
    /// The standard deviation of a lognormal one, minutes.
    #[serde(default)]
    pub sd_min: Option<f64>,
    /// The lowest mean that may be, minutes; `mean_min` when absent.
    #[serde(default)]
    pub mean_low_min: Option<f64>,
    /// The highest mean that may be, minutes; `mean_min` when absent.
    #[serde(default)]
    pub mean_high_min: Option<f64>,
    /// The longest stay that is counted, minutes, 1 to 1440 windows.
    #[serde(default = "four_hours")]
    pub max_min: f64,
}

/// The form of a dwell distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DwellModel {
    /// Whoever stays may go at any time.
    Exponential,
    /// Most stay about as long, a few much longer.
    Lognormal,
}

/// A window query whose panes say how many are inside venues at the window's end.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObservedConfig {
    /// The window query; it must group by `venue_id`, and close where the flow window closes.
    pub window: String,
    /// Its column of persons inside.
    #[serde(default = "persons")]
    pub persons: String,
    /// Its column of the low end of their 95 % interval.
    #[serde(default = "low_end")]
    pub lo: String,
    /// Its column of the high end.
    #[serde(default = "high_end")]
    pub hi: String,
}

/// Quarantine of travellers from origins whose tier has a `held_share`.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuarantineConfig {
    /// The layer of arrivals: a row an origin (`subject_kind` is `origin`) with the persons of the
    /// window, each traveller once.
    pub layer: String,
    /// Days ahead that are told, today included, 1 to 366.
    #[serde(default = "two_weeks")]
    pub days: usize,
    /// Places, occupied ones included; the capacities of all venues of kind `quarantine` when
    /// absent.
    #[serde(default)]
    pub places: Option<u64>,
}

/// Forecasts of one layer's value for each of its subjects, as rows of the table `forecast`.
///
/// The value of the window that ends with a slot of local time is observed. Layers after this one
/// may read the table; rules on such layers have the severity `watch`.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForecastConfig {
    /// The layer whose values are forecast.
    pub layer: String,
    /// The slot of local time: whole minutes, 15 at least, a multiple of the slide of the layer's
    /// window, and such that slots fill a day.
    pub every: String,
    /// How far ahead: one to four ascending multiples of `every`, up to twelve times.
    pub horizons: Vec<String>,
    /// `last_value`, `seasonal_naive`, `profile`, `double_seasonal` or `local_level`.
    #[serde(default = "profile")]
    pub model: String,
    /// Hints for venues that are forecast over their capacity, as rows of the table `stagger_hint`;
    /// none when absent.
    #[serde(default)]
    pub stagger: Option<StaggerConfig>,
}

/// Where persons over a venue's capacity would find room.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StaggerConfig {
    /// How far ahead slots are looked at: a multiple of the forecast's `every`.
    #[serde(default = "half_a_day")]
    pub ahead: String,
    /// The longest shift, earlier or later, that is asked of anybody.
    #[serde(default = "two_hours")]
    pub shift_max: String,
    /// What of a forecast is held against the capacity.
    #[serde(default)]
    pub bound: StaggerBound,
}

/// An end of a forecast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StaggerBound {
    /// The high end of its 80 % interval: careful.
    #[default]
    Hi80,
    /// What is expected.
    Value,
}

/// Whether one layer's value is higher than normal, for each of its subjects, as rows of the table
/// `aberration`.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AberrationConfig {
    /// The layer whose values are judged.
    pub layer: String,
    /// The slot of local time, as of a `[[forecast]]`.
    pub every: String,
    /// What a value is compared with: `same_slot`, values of this slot of the day on days of its
    /// type, or `residual`, the forecast one slot ahead by the layer's `[[forecast]]` of the same
    /// `every`.
    #[serde(default = "same_slot")]
    pub baseline: String,
    /// Values of a baseline, 2 to 60; of `residual` those of EARS alone.
    #[serde(default = "seven")]
    pub baseline_length: u8,
    /// Least standard deviation of `same_slot`, in the unit of the values.
    #[serde(default = "half")]
    pub sigma_floor: f64,
    /// Windows that must stand out, of the last `n`.
    #[serde(default = "two")]
    pub k: u8,
    /// Windows looked at, `k` to 64.
    #[serde(default = "three")]
    pub n: u8,
    /// Share of false ones that may be expected among the series that stand out in a window, above
    /// 0 and below 1 (Benjamini and Hochberg).
    #[serde(default = "tenth")]
    pub q: f64,
    /// Threshold of EARS C1, in standard deviations.
    #[serde(default = "three_sigma")]
    pub ears_c1: f64,
    /// Threshold of EARS C2, in standard deviations.
    #[serde(default = "three_sigma")]
    pub ears_c2: f64,
    /// Threshold of EARS C3, in standard deviations.
    #[serde(default = "two_sigma")]
    pub ears_c3: f64,
    /// Allowance of the CUSUM, half of the shift to be found, in standard deviations.
    #[serde(default = "half")]
    pub cusum_k: f64,
    /// Decision limit of the CUSUM, in standard deviations; 5 is a false alarm in 931 windows.
    #[serde(default = "five_sigma")]
    pub cusum_h: f64,
    /// Weight of the newest value in the EWMA, above 0 and at most 1.
    #[serde(default = "fifth")]
    pub ewma_weight: f64,
    /// Width of the limits of the EWMA, in standard deviations of the average.
    #[serde(default = "three_sigma")]
    pub ewma_width: f64,
}

fn half_a_day() -> String {
    "12h".to_owned()
}

fn two_hours() -> String {
    "2h".to_owned()
}

fn same_slot() -> String {
    "same_slot".to_owned()
}

const fn seven() -> u8 {
    7
}

const fn two() -> u8 {
    2
}

const fn three() -> u8 {
    3
}

const fn half() -> f64 {
    0.5
}

const fn tenth() -> f64 {
    0.1
}

const fn fifth() -> f64 {
    0.2
}

const fn two_sigma() -> f64 {
    2.0
}

const fn three_sigma() -> f64 {
    3.0
}

const fn five_sigma() -> f64 {
    5.0
}

fn profile() -> String {
    "profile".to_owned()
}

fn utc() -> String {
    "UTC".to_owned()
}

const fn nine() -> u8 {
    9
}

fn zero() -> String {
    "0s".to_owned()
}

fn thirty_seconds() -> String {
    "30s".to_owned()
}

fn ten_minutes() -> String {
    "10m".to_owned()
}

const fn capture() -> f64 {
    0.98
}

const fn two_weeks() -> usize {
    14
}

const fn thousand() -> i64 {
    1_000
}

const fn four_weeks() -> usize {
    28
}

const fn four_hours() -> f64 {
    tidegate_risk::occupancy::DWELL_MAX_MINUTES
}

fn persons() -> String {
    "persons".to_owned()
}

fn low_end() -> String {
    "lo".to_owned()
}

fn high_end() -> String {
    "hi".to_owned()
}
