//! The decoder of one feed: payloads in, observations and rejections out.

use tidegate_model::{
    EventTime, FeedId, ORIGIN_UNKNOWN, Observation, ObservationBuilder, Payload, Position, Quality,
    Reason, Rejected, Span, event_id,
};

use crate::check::{Fault, Limits, check_coordinate, check_name};
use crate::config::{ConfigProblem, FeedConfig, Format, MappingConfig, UnknownSite};
use crate::counter::CounterFaults;
use crate::csv::Splitter;
use crate::json::{self, Names, OWN_FIELDS, Object, OwnNames, Parsed};
use crate::mapped::{self, Cell, Context, Mapper, Record, Slots};
use crate::personal::PersonalFields;

/// The largest `count_max`: sums of a billion such counts still fit an `i64`.
const COUNT_MAX_MAX: i64 = 1_000_000_000;

/// The largest `payload_bytes_max`.
const PAYLOAD_BYTES_MAX_MAX: usize = 64 << 20;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// How new an event may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeLimit {
    /// The newest event time that is taken as possible; an interval that ends after it is rejected
    /// as [`Reason::TimeInFuture`], so that one wrong clock does not close every window.
    pub latest: EventTime,
}

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
    /// The largest count of an observation; 1 or more.
    pub count_max: i64,
    /// The largest payload in bytes; 1 or more.
    pub payload_bytes_max: usize,
    /// What becomes of a site that is not in the registry.
    pub unknown_site: UnknownSite,
}

/// Decodes the payloads of one feed.
///
/// Cumulative counters have state, so the payloads of one counter must come to one decoder, in the
/// order of their source.
///
/// ```
/// use tidegate_feeds::{Decoder, FeedConfig, TimeLimit};
/// use tidegate_model::{EventTime, FeedId, ObservationBuilder, Payload, Position};
///
/// let feed = FeedId::new("rail");
/// let mut decoder = Decoder::try_new(feed.clone(), &FeedConfig::default()).unwrap();
/// let mut out = ObservationBuilder::new(feed, 1);
/// let mut rejected = Vec::new();
/// let limit = TimeLimit { latest: EventTime::MAX };
/// let good = br#"{"site":"gate-7","start":"2026-03-01T08:00:00+08:00","measure":"in","count":31}"#;
/// for bytes in [good.as_slice(), b"{"] {
///     let payload = Payload { position: Position::default(), bytes: Some(bytes), arrived: None };
///     decoder.decode(payload, limit, &mut out, &mut rejected);
/// }
/// assert_eq!((out.len(), rejected.len()), (1, 1));
/// assert_eq!(rejected[0].reason.code(), "malformed");
/// ```
#[derive(Debug, Clone)]
pub struct Decoder {
    feed: FeedId,
    settings: FeedSettings,
    personal: PersonalFields,
    ids: EventIds,
    form: Form,
}

#[derive(Debug, Clone)]
enum Form {
    Json,
    MappedJson(Box<Mapper>),
    Csv(Box<CsvForm>),
}

/// Event ids of one feed: of the producer's ids, and of positions where it gives none.
#[derive(Debug, Clone)]
pub(crate) struct EventIds {
    feed: String,
    /// A name that no feed can have, so that a position never looks like a producer's id.
    positions: String,
}

impl EventIds {
    fn new(feed: &FeedId) -> Self {
        Self {
            feed: feed.as_str().to_owned(),
            positions: format!("{feed}\0position"),
        }
    }

    pub(crate) fn produced(&self, id: &[u8]) -> u128 {
        event_id(&self.feed, id)
    }

    /// The id of the count `index` of the record at `position`.
    pub(crate) fn placed(&self, position: Position, index: usize) -> u128 {
        let mut bytes = [0_u8; 24];
        bytes[..8].copy_from_slice(&position.offset.to_be_bytes());
        bytes[8..12].copy_from_slice(&position.partition.to_be_bytes());
        bytes[12..16].copy_from_slice(&position.row.to_be_bytes());
        bytes[16..].copy_from_slice(&(index as u64).to_be_bytes());
        event_id(&self.positions, &bytes)
    }
}

impl Decoder {
    /// The decoder of the feed called `feed`.
    ///
    /// # Errors
    /// Everything that is wrong with `config`, in the order of the file's sections.
    pub fn try_new(feed: FeedId, config: &FeedConfig) -> Result<Self, Vec<ConfigProblem>> {
        let mut problems = Vec::new();
        let settings = read_settings(&feed, config, &mut problems);
        let personal =
            PersonalFields::try_new(config.personal_fields.as_deref()).unwrap_or_else(|found| {
                problems.extend(found);
                PersonalFields::try_new(None).expect("the built-in list is valid")
            });
        let form = read_form(config, &settings, &personal).unwrap_or_else(|found| {
            problems.extend(found);
            Form::Json
        });
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            ids: EventIds::new(&feed),
            feed,
            settings,
            personal,
            form,
        })
    }

    /// The feed.
    pub fn feed(&self) -> &FeedId {
        &self.feed
    }

    /// The feed's settings.
    pub fn config(&self) -> &FeedSettings {
        &self.settings
    }

    /// Whether the feed's counters are cumulative: their readings must then come in order.
    pub fn is_cumulative(&self) -> bool {
        match &self.form {
            Form::Json => false,
            Form::MappedJson(mapper) => mapper.is_cumulative(),
            Form::Csv(form) => form.mapper.is_cumulative(),
        }
    }

    /// Whether a message may hold several records.
    pub fn takes_many_rows(&self) -> bool {
        !matches!(self.form, Form::Json)
    }

    /// How many readings of each odd kind the feed's cumulative counters gave so far; all 0 for a
    /// feed without.
    pub fn counter_faults(&self) -> CounterFaults {
        match &self.form {
            Form::Json => CounterFaults::default(),
            Form::MappedJson(mapper) => mapper.faults(),
            Form::Csv(form) => form.mapper.faults(),
        }
    }

    /// Decodes one payload: appends its observations to `out` and what is wrong to `rejected`.
    ///
    /// Every record gives observations (one a count column) or one rejection; a payload gives at
    /// least one of either. In the product's own JSON it gives exactly one.
    pub fn decode(
        &mut self,
        payload: Payload<'_>,
        limit: TimeLimit,
        out: &mut ObservationBuilder,
        rejected: &mut Vec<Rejected>,
    ) {
        let mut rejects = Rejects {
            feed: &self.feed,
            personal: &self.personal,
            rejected,
        };
        let position = payload.position;
        let bytes_max = self.settings.payload_bytes_max;
        let bytes = match payload.bytes {
            None => {
                let fault = Fault::new(Reason::Tombstone, "a message without a value");
                return rejects.add(fault, position, None, None);
            }
            Some([]) => {
                let fault = Fault::new(Reason::Empty, "a payload of zero bytes");
                return rejects.add(fault, position, None, Some(&[]));
            }
            Some(bytes) if bytes.len() > bytes_max => {
                let detail = format!("payload of {} bytes, more than {bytes_max}", bytes.len());
                let fault = Fault::new(Reason::TooLarge, detail);
                return rejects.add(fault, position, None, Some(bytes));
            }
            Some(bytes) => bytes,
        };
        let context = Context {
            position,
            limits: Limits {
                interval_max: self.settings.interval_max,
                count_max: self.settings.count_max,
                latest: limit.latest,
            },
            ids: &self.ids,
        };
        match &mut self.form {
            Form::Json => decode_own(bytes, context, out, &mut rejects),
            Form::MappedJson(mapper) => decode_objects(mapper, bytes, context, out, &mut rejects),
            Form::Csv(form) => form.decode(bytes, context, out, &mut rejects),
        }
    }
}

/// Where rejections go.
struct Rejects<'r> {
    feed: &'r FeedId,
    personal: &'r PersonalFields,
    rejected: &'r mut Vec<Rejected>,
}

impl Rejects<'_> {
    /// Keeps one rejection. Bytes that could not be read are searched for personal data first.
    fn add(
        &mut self,
        mut fault: Fault,
        position: Position,
        site: Option<String>,
        bytes: Option<&[u8]>,
    ) {
        let unread = matches!(
            fault.reason,
            Reason::Malformed | Reason::NotUtf8 | Reason::TooLarge
        );
        if unread && bytes.is_some_and(|bytes| self.looks_personal(bytes)) {
            fault = Fault::new(
                Reason::PersonalData,
                "a field could identify a person, in bytes that cannot be read otherwise",
            );
        }
        let personal = fault.reason == Reason::PersonalData;
        self.rejected.push(Rejected {
            feed: self.feed.clone(),
            position,
            reason: fault.reason,
            detail: fault.detail,
            site: site.filter(|_| !personal),
            bytes: bytes.filter(|_| !personal).map(<[u8]>::to_vec),
        });
    }

    fn looks_personal(&self, bytes: &[u8]) -> bool {
        let start = bytes.trim_ascii_start();
        let line = start
            .split(|&byte| byte == b'\n')
            .next()
            .unwrap_or_default();
        self.personal.find_before_colon(bytes) || self.personal.find_in_header(line)
    }
}

// --- The product's own JSON ------------------------------------------------------------------

fn decode_own(
    bytes: &[u8],
    context: Context<'_>,
    out: &mut ObservationBuilder,
    rejects: &mut Rejects<'_>,
) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return rejects.add(not_utf8(), context.position, None, Some(bytes));
    };
    let (fault, site) = match json::scan(text, rejects.personal) {
        Some(parsed) => match push_own(&parsed, context, out) {
            Ok(()) => return,
            Err(fault) => (fault, Some(parsed.site.to_owned())),
        },
        None => match Object::read(text, &OwnNames, rejects.personal) {
            Err(fault) => (fault, None),
            Ok(object) => {
                let pushed =
                    json::interpret(&object).and_then(|parsed| push_own(&parsed, context, out));
                match pushed {
                    Ok(()) => return,
                    Err(fault) => (fault, json::site_of(&object)),
                }
            }
        },
    };
    let site = site.filter(|site| check_name("site", site).is_ok());
    rejects.add(fault, context.position, site, Some(bytes));
}

fn push_own(
    parsed: &Parsed<'_>,
    context: Context<'_>,
    out: &mut ObservationBuilder,
) -> Result<(), Fault> {
    let Context {
        position,
        limits,
        ids,
    } = context;
    check_name("site", parsed.site)?;
    let end = parsed.end.unwrap_or(parsed.start);
    limits.check_interval(parsed.start, end)?;
    limits.check_count("count", parsed.count)?;
    let coordinate = check_coordinate(parsed.lat, parsed.lng)?;
    let origin = match parsed.origin {
        Some("") => Some(ORIGIN_UNKNOWN),
        origin => origin,
    };
    if let Some(origin) = origin {
        check_name("origin", origin)?;
    }
    let event_id = match parsed.id {
        // An empty id would make every count of the feed a duplicate of the first.
        Some("") => return Err(Fault::new(Reason::MissingField, "id is empty")),
        Some(id) => ids.produced(id.as_bytes()),
        None => ids.placed(position, 0),
    };
    out.push(&Observation {
        event_id,
        site_id: parsed.site,
        interval_start: parsed.start,
        interval_end: end,
        measure: parsed.measure,
        subject: parsed.subject,
        count: parsed.count,
        origin,
        coordinate,
        quality: Quality::GOOD,
        position,
    });
    Ok(())
}

fn not_utf8() -> Fault {
    Fault::new(Reason::NotUtf8, "bytes that are not UTF-8")
}

fn at_row(position: Position, row: usize) -> Position {
    Position {
        row: i32::try_from(row).unwrap_or(i32::MAX),
        ..position
    }
}

// --- Mapped JSON -----------------------------------------------------------------------------

fn decode_objects(
    mapper: &mut Mapper,
    bytes: &[u8],
    context: Context<'_>,
    out: &mut ObservationBuilder,
    rejects: &mut Rejects<'_>,
) {
    let payload = bytes.strip_prefix(BOM).unwrap_or(bytes);
    let mut row = 0;
    mapped::split_objects(payload, |object| {
        let context = Context {
            position: at_row(context.position, row),
            ..context
        };
        row += 1;
        mapper.clear_site();
        if let Err(fault) = decode_object(mapper, object, context, out, rejects.personal) {
            rejects.add(fault, context.position, mapper.site(), Some(object));
        }
    });
}

fn decode_object(
    mapper: &mut Mapper,
    bytes: &[u8],
    context: Context<'_>,
    out: &mut ObservationBuilder,
    personal: &PersonalFields,
) -> Result<(), Fault> {
    if bytes.is_empty() {
        return Err(Fault::new(
            Reason::Malformed,
            "no object, or an array that is empty or not closed",
        ));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| not_utf8())?;
    let object = Object::read(text, mapper.slots(), personal)?;
    mapper.map(&object, context, out)
}

impl Record for Object<'_> {
    fn cell(&self, slot: usize) -> Cell<'_> {
        self.fields.get(slot).map_or(Cell::Absent, Cell::of_field)
    }
}

// --- CSV -------------------------------------------------------------------------------------

#[derive(Debug, Clone)]
struct CsvForm {
    mapper: Mapper,
    splitter: Splitter,
    header: Header,
}

/// A header line, understood. The last one is kept: a payload that starts with the same bytes
/// needs no second look.
#[derive(Debug, Clone, Default)]
struct Header {
    /// The payload's bytes up to the first row, with BOM and line break.
    raw: Vec<u8>,
    /// How many cells it has, and how many up to the last one with a name.
    width: usize,
    named: usize,
    /// The cell of each slot.
    cells: Vec<Option<usize>>,
    /// Why no row under it can be read.
    fault: Option<Fault>,
    /// Whether `raw` alone, whatever follows, says all of this.
    reusable: bool,
}

struct CsvRecord<'r> {
    splitter: &'r Splitter,
    row: &'r str,
    cells: &'r [Option<usize>],
}

impl Record for CsvRecord<'_> {
    fn cell(&self, slot: usize) -> Cell<'_> {
        let Some(Some(index)) = self.cells.get(slot) else {
            return Cell::Absent;
        };
        self.splitter
            .cell(self.row, *index)
            .map_or(Cell::Empty, Cell::of_text)
    }
}

impl CsvForm {
    fn decode(
        &mut self,
        bytes: &[u8],
        context: Context<'_>,
        out: &mut ObservationBuilder,
        rejects: &mut Rejects<'_>,
    ) {
        let known = self.header.reusable && bytes.starts_with(&self.header.raw);
        if !known {
            self.header = read_header(
                &mut self.splitter,
                bytes,
                self.mapper.slots(),
                rejects.personal,
            );
        }
        let rows = &bytes[self.header.raw.len()..];
        let (mut at, mut index) = (0, 0);
        while at < rows.len() {
            let width = self.header.width;
            let row = self.splitter.split(&rows[at..], |cells| cells == width);
            let line = &rows[at..at + row.len];
            at += row.consumed;
            if line.trim_ascii().is_empty() {
                continue;
            }
            let context = Context {
                position: at_row(context.position, index),
                ..context
            };
            index += 1;
            self.mapper.clear_site();
            if let Err(fault) = self.decode_row(line, row.problem, context, out) {
                let kept = self.with_header(line);
                rejects.add(fault, context.position, self.mapper.site(), Some(&kept));
            }
        }
        if index == 0 {
            let fault = self
                .header
                .fault
                .clone()
                .unwrap_or_else(|| Fault::new(Reason::Malformed, "a header without a row"));
            rejects.add(fault, context.position, None, Some(bytes));
        }
    }

    fn decode_row(
        &mut self,
        line: &[u8],
        problem: Option<&'static str>,
        context: Context<'_>,
        out: &mut ObservationBuilder,
    ) -> Result<(), Fault> {
        let Self {
            mapper,
            splitter,
            header,
        } = self;
        if let Some(fault) = &header.fault {
            return Err(fault.clone());
        }
        let text = std::str::from_utf8(line).map_err(|_| not_utf8())?;
        if let Some(problem) = problem {
            return Err(Fault::new(Reason::Malformed, problem));
        }
        splitter.unquote(text);
        splitter
            .check_width(text, header.width, header.named)
            .map_err(|ragged| {
                Fault::new(
                    Reason::Malformed,
                    format!(
                        "the row has {} cells, its header {}",
                        ragged.cells, header.width
                    ),
                )
            })?;
        let record = CsvRecord {
            splitter,
            row: text,
            cells: &header.cells,
        };
        mapper.map(&record, context, out)
    }

    /// A row as it is kept when rejected: below its header, so that it can be read alone.
    fn with_header(&self, line: &[u8]) -> Vec<u8> {
        let header = &self.header.raw;
        let mut kept = Vec::with_capacity(header.len() + line.len() + 1);
        kept.extend_from_slice(header);
        if !kept.ends_with(b"\n") {
            kept.push(b'\n');
        }
        kept.extend_from_slice(line);
        kept
    }
}

/// Reads the header line of a CSV payload, behind a BOM and blank lines.
fn read_header(
    splitter: &mut Splitter,
    bytes: &[u8],
    slots: &Slots,
    personal: &PersonalFields,
) -> Header {
    let mut at = if bytes.starts_with(BOM) { BOM.len() } else { 0 };
    let (line, problem) = loop {
        if at >= bytes.len() {
            return Header {
                raw: bytes.to_vec(),
                fault: Some(Fault::new(Reason::Malformed, "no header line")),
                ..Header::default()
            };
        }
        let row = splitter.split(&bytes[at..], |_| true);
        let line = &bytes[at..at + row.len];
        at += row.consumed;
        if !line.trim_ascii().is_empty() {
            break (line, row.problem);
        }
    };
    let mut header = Header {
        raw: bytes[..at].to_vec(),
        reusable: problem.is_none() && bytes[..at].ends_with(b"\n"),
        ..Header::default()
    };
    header.fault = name_cells(&mut header, splitter, line, slots)
        .err()
        .or_else(|| problem.map(|problem| Fault::new(Reason::Malformed, problem)));
    let denied = std::str::from_utf8(line).is_ok_and(|line| {
        problem.is_none()
            && (0..splitter.len())
                .filter_map(|index| splitter.cell(line, index))
                .any(|cell| personal.denies(cell))
    });
    if denied || (header.fault.is_some() && personal.find_in_header(line)) {
        header.fault = Some(Fault::new(
            Reason::PersonalData,
            "a column could identify a person",
        ));
    }
    header
}

/// Finds which cell of the header each slot is.
fn name_cells(
    header: &mut Header,
    splitter: &mut Splitter,
    line: &[u8],
    slots: &Slots,
) -> Result<(), Fault> {
    let text = std::str::from_utf8(line).map_err(|_| not_utf8())?;
    splitter.unquote(text);
    header.width = splitter.len();
    header.cells = vec![None; slots.slots()];
    let mut ranks = vec![usize::MAX; slots.slots()];
    for index in 0..splitter.len() {
        let name = splitter.cell(text, index).unwrap_or_default();
        if !name.is_empty() {
            header.named = index + 1;
        }
        let Some((slot, rank)) = slots.find(name) else {
            continue;
        };
        if rank == ranks[slot] {
            return Err(Fault::new(
                Reason::Malformed,
                format!("column {name} is in the header twice"),
            ));
        }
        if rank < ranks[slot] {
            ranks[slot] = rank;
            header.cells[slot] = Some(index);
        }
    }
    Ok(())
}

// --- Settings --------------------------------------------------------------------------------

fn read_settings(
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
        count_max: config.count_max,
        payload_bytes_max: config.payload_bytes_max,
        unknown_site: config.unknown_site,
    }
}

fn read_form(
    config: &FeedConfig,
    settings: &FeedSettings,
    personal: &PersonalFields,
) -> Result<Form, Vec<ConfigProblem>> {
    let one = |key: &str, message: String| Err(vec![ConfigProblem::new(key, message)]);
    let mapping = match (config.format, &config.mapping) {
        (Format::Json, None) => {
            return match OWN_FIELDS.iter().find(|field| personal.denies(field)) {
                None => Ok(Form::Json),
                Some(field) => one(
                    "personal_fields",
                    format!("{field:?} is a field of the product's own JSON"),
                ),
            };
        }
        (Format::Json, Some(_)) => {
            return one(
                "mapping",
                "is for the formats mapped_json and csv; the format is json".to_owned(),
            );
        }
        (Format::MappedJson | Format::Csv, None) => {
            return one(
                "mapping",
                "is needed by the formats mapped_json and csv".to_owned(),
            );
        }
        (Format::MappedJson | Format::Csv, Some(mapping)) => mapping,
    };
    let frame = mapped::Frame {
        interval_max: settings.interval_max,
        count_max: settings.count_max,
        personal,
    };
    let delimiter = read_delimiter(config.format, mapping);
    match (mapped::compile(mapping, frame), delimiter) {
        (Ok(mapper), Ok(delimiter)) => Ok(match config.format {
            Format::Csv => Form::Csv(Box::new(CsvForm {
                mapper,
                splitter: Splitter::new(delimiter),
                header: Header::default(),
            })),
            Format::Json | Format::MappedJson => Form::MappedJson(Box::new(mapper)),
        }),
        (mapper, delimiter) => {
            let mut problems: Vec<ConfigProblem> = delimiter.err().into_iter().collect();
            problems.extend(mapper.err().into_iter().flatten());
            Err(problems)
        }
    }
}

fn read_delimiter(format: Format, mapping: &MappingConfig) -> Result<u8, ConfigProblem> {
    let problem = |message: String| Err(ConfigProblem::new("mapping.delimiter", message));
    match (mapping.delimiter.as_deref(), format) {
        (None, _) => Ok(b','),
        (Some(_), Format::Json | Format::MappedJson) => problem("is for the format csv".to_owned()),
        (Some(text), Format::Csv) => match text.as_bytes() {
            [byte @ (b'\t' | b' '..=b'~')] if !byte.is_ascii_alphanumeric() && *byte != b'"' => {
                Ok(*byte)
            }
            _ => problem(format!(
                "{text:?} is not one ASCII character such as ; or a tab"
            )),
        },
    }
}
