//! The content of `pipeline.toml`. Each doc comment is the manual of its key.

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
    /// Occupancy by conservation, when venues have gates.
    #[serde(default)]
    pub occupancy: Option<OccupancyConfig>,
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
    /// Public holidays, CSV with the columns `date` (local, `YYYY-MM-DD`) and `name`.
    pub holidays: Option<String>,
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
