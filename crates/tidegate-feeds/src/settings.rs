//! A feed's file, checked: its settings, and the form of its decoder.

use encoding_rs::Encoding;
use tidegate_model::{FeedId, Span};

use crate::config::{ConfigProblem, FeedConfig, Format, MappingConfig, UnknownSite};
use crate::csv::CsvForm;
use crate::decoder::Form;
use crate::gtfs::{GtfsForm, Rendering};
use crate::mapped::{self, Mapper};
use crate::occupancy::Occupancy;
use crate::own::OWN_FIELDS;
use crate::personal::PersonalFields;
use crate::siri::SiriForm;

/// The largest `count_max`: sums of a billion such counts still fit an `i64`.
const COUNT_MAX_MAX: i64 = 1_000_000_000;

/// The largest `payload_bytes_max`.
const PAYLOAD_BYTES_MAX_MAX: usize = 64 << 20;

/// What the rest of a pipeline needs of a feed's file, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedSettings {
    /// The Kafka topic.
    pub topic: String,
    /// How far behind the newest event time of its partition a record may come in time; 0 or more.
    pub out_of_orderness: Span,
    /// The longest interval of an observation; above 0.
    pub interval_max: Span,
    /// How long event ids are remembered; above 0, `None` for no duplicate check.
    pub dedup_within: Option<Span>,
    /// How long without records is silence; above 0, `None` where the feed's own intervals tell.
    pub silent_after: Option<Span>,
    /// The largest count of an observation; 1 or more.
    pub count_max: i64,
    /// The largest payload in bytes; 1 or more.
    pub payload_bytes_max: usize,
    /// What becomes of a site that is not in the registry.
    pub unknown_site: UnknownSite,
}

pub(crate) fn read_settings(
    feed: &FeedId,
    config: &FeedConfig,
    problems: &mut Vec<ConfigProblem>,
) -> FeedSettings {
    let mut span = |key: &str, text: &str, least: Span| match text.parse::<Span>() {
        Ok(span) if span >= least => span,
        Ok(span) => {
            problems.push(ConfigProblem::new(key, format!("{span} is too short")));
            Span::hours(1)
        }
        Err(error) => {
            problems.push(ConfigProblem::new(key, error.to_string()));
            Span::hours(1)
        }
    };
    let out_of_orderness = span("out_of_orderness", &config.out_of_orderness, Span::ZERO);
    let interval_max = span("interval_max", &config.interval_max, Span::micros(1));
    let dedup_within = config
        .dedup_within
        .as_deref()
        .map(|text| span("dedup_within", text, Span::micros(1)));
    let silent_after = config
        .silent_after
        .as_deref()
        .map(|text| span("silent_after", text, Span::micros(1)));
    if !(1..=COUNT_MAX_MAX).contains(&config.count_max) {
        let message = format!("{} is not within 1 to {COUNT_MAX_MAX}", config.count_max);
        problems.push(ConfigProblem::new("count_max", message));
    }
    if !(1..=PAYLOAD_BYTES_MAX_MAX).contains(&config.payload_bytes_max) {
        let message = format!(
            "{} is not within 1 to {PAYLOAD_BYTES_MAX_MAX}",
            config.payload_bytes_max
        );
        problems.push(ConfigProblem::new("payload_bytes_max", message));
    }
    let topic = match &config.topic {
        Some(topic) => topic.clone(),
        None => format!("tidegate.feed.{feed}"),
    };
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let named = (1..=249).contains(&topic.len()) && topic != "." && topic != "..";
    if !named || !topic.bytes().all(legal) {
        let message =
            format!("{topic:?} is not a Kafka topic name: 1 to 249 letters, digits, dots, _ and -");
        problems.push(ConfigProblem::new("topic", message));
    }
    FeedSettings {
        topic,
        out_of_orderness,
        interval_max,
        dedup_within,
        silent_after,
        count_max: config.count_max,
        payload_bytes_max: config.payload_bytes_max,
        unknown_site: config.unknown_site,
    }
}

pub(crate) fn read_form(
    config: &FeedConfig,
    settings: &FeedSettings,
    personal: &PersonalFields,
) -> Result<Form, Vec<ConfigProblem>> {
    match config.format {
        Format::Json => read_own(config, personal, Form::Json),
        Format::Protobuf => read_own(config, personal, Form::Protobuf),
        Format::Arrow => read_own(config, personal, Form::Arrow),
        Format::MappedJson => {
            let (mapper, _) = read_mapped(config, settings, personal)?;
            Ok(Form::MappedJson(Box::new(mapper)))
        }
        Format::Csv => {
            let (mapper, delimiter) = read_mapped(config, settings, personal)?;
            Ok(Form::Csv(Box::new(CsvForm::new(mapper, delimiter))))
        }
        Format::GtfsRealtime => read_gtfs(config, Rendering::Binary),
        Format::GtfsRealtimeJson => read_gtfs(config, Rendering::Json),
        Format::Siri => read_siri(config),
    }
}

fn one(key: &str, message: impl Into<String>) -> Vec<ConfigProblem> {
    vec![ConfigProblem::new(key, message)]
}

/// The product's own observations, for which there is nothing to say but `form`.
fn read_own(
    config: &FeedConfig,
    personal: &PersonalFields,
    form: Form,
) -> Result<Form, Vec<ConfigProblem>> {
    check_no_vehicles(config)?;
    if config.mapping.is_some() {
        return Err(one(
            "mapping",
            "is for the formats mapped_json and csv only",
        ));
    }
    match OWN_FIELDS.iter().find(|field| personal.denies(field)) {
        None => Ok(form),
        Some(field) => Err(one(
            "personal_fields",
            format!("{field:?} is a field of the product's own observation"),
        )),
    }
}

/// The mapper of a city's own form, and the delimiter where it is CSV.
fn read_mapped(
    config: &FeedConfig,
    settings: &FeedSettings,
    personal: &PersonalFields,
) -> Result<(Mapper, u8), Vec<ConfigProblem>> {
    check_no_vehicles(config)?;
    let Some(mapping) = &config.mapping else {
        return Err(one(
            "mapping",
            "is needed by the formats mapped_json and csv",
        ));
    };
    let frame = mapped::Frame {
        interval_max: settings.interval_max,
        count_max: settings.count_max,
        personal,
    };
    let delimiter = read_delimiter(config.format, mapping);
    match (mapped::compile(mapping, frame), delimiter) {
        (Ok(mapper), Ok(delimiter)) => Ok((mapper, delimiter)),
        (mapper, delimiter) => {
            let mut problems: Vec<ConfigProblem> = delimiter.err().into_iter().collect();
            problems.extend(mapper.err().into_iter().flatten());
            Err(problems)
        }
    }
}

/// Refuses what only feeds of vehicles have.
fn check_no_vehicles(config: &FeedConfig) -> Result<(), Vec<ConfigProblem>> {
    if config.occupancy.is_some() {
        return Err(one(
            "occupancy",
            "is for the formats gtfs_realtime and siri",
        ));
    }
    if config.gtfs.is_some() {
        return Err(one("gtfs", "is for the format gtfs_realtime"));
    }
    if config.siri.is_some() {
        return Err(one("siri", "is for the format siri"));
    }
    Ok(())
}

/// The encoding of a mapped feed's text; `None` for UTF-8.
pub(crate) fn read_encoding(
    config: &FeedConfig,
) -> Result<Option<&'static Encoding>, ConfigProblem> {
    let mapping = config.mapping.as_ref();
    let Some(label) = mapping.and_then(|mapping| mapping.encoding.as_ref()) else {
        return Ok(None);
    };
    match Encoding::for_label(label.as_bytes()) {
        Some(encoding) if encoding == encoding_rs::UTF_8 => Ok(None),
        // Delimiters and line ends are ASCII, and what is rejected is written back.
        Some(encoding) if encoding.is_ascii_compatible() => Ok(Some(encoding)),
        _ => {
            let message = format!("{label:?} is not an encoding such as gbk, big5 or euc-kr");
            Err(ConfigProblem::new("mapping.encoding", message))
        }
    }
}

fn read_gtfs(config: &FeedConfig, rendering: Rendering) -> Result<Form, Vec<ConfigProblem>> {
    let mut problems = Vec::new();
    let occupancy = read_occupancy(config, "gtfs_realtime", &mut problems);
    if config.siri.is_some() {
        problems.push(ConfigProblem::new("siri", "is for the format siri"));
    }
    let gtfs = config.gtfs.clone().unwrap_or_default();
    let form = GtfsForm::new(rendering, gtfs, occupancy);
    if problems.is_empty() {
        Ok(Form::GtfsRealtime(Box::new(form)))
    } else {
        Err(problems)
    }
}

fn read_siri(config: &FeedConfig) -> Result<Form, Vec<ConfigProblem>> {
    let mut problems = Vec::new();
    let occupancy = read_occupancy(config, "siri", &mut problems);
    if config.gtfs.is_some() {
        problems.push(ConfigProblem::new(
            "gtfs",
            "is for the format gtfs_realtime",
        ));
    }
    let form = SiriForm::new(config.siri.as_ref(), occupancy, &mut problems);
    if problems.is_empty() {
        Ok(Form::Siri(Box::new(form)))
    } else {
        Err(problems)
    }
}

/// The `[occupancy]` of a feed of vehicles, which has no mapping.
fn read_occupancy(
    config: &FeedConfig,
    format: &str,
    problems: &mut Vec<ConfigProblem>,
) -> Occupancy {
    if config.mapping.is_some() {
        let message = format!("is for the formats mapped_json and csv; the format is {format}");
        problems.push(ConfigProblem::new("mapping", message));
    }
    let occupancy = config.occupancy.clone().unwrap_or_default();
    Occupancy::new(&occupancy, problems)
}

fn read_delimiter(format: Format, mapping: &MappingConfig) -> Result<u8, ConfigProblem> {
    let problem = |message: String| Err(ConfigProblem::new("mapping.delimiter", message));
    match (mapping.delimiter.as_deref(), format) {
        (None, _) => Ok(b','),
        (Some(_), format) if format != Format::Csv => problem("is for the format csv".to_owned()),
        (Some(text), _) => match text.as_bytes() {
            [byte @ (b'\t' | b' '..=b'~')] if !byte.is_ascii_alphanumeric() && *byte != b'"' => {
                Ok(*byte)
            }
            _ => problem(format!(
                "{text:?} is not one ASCII character such as ; or a tab"
            )),
        },
    }
}
