//! The decoder of one feed: payloads in, observations and rejections out.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use encoding_rs::Encoding;
use tidegate_model::{
    EventIdHasher, EventTime, FeedId, ObservationBuilder, Payload, Position, Reason, Rejected,
};

use crate::check::{Fault, Limits};
use crate::config::{ConfigProblem, FeedConfig};
use crate::counter::{CounterFaults, RestoreError};
use crate::csv::CsvForm;
use crate::gtfs::{GtfsConfig, GtfsForm, References, Schedule};
use crate::ipc;
use crate::json::Object;
use crate::mapped::{self, Cell, Context, Mapper, Record};
use crate::own;
use crate::passed::{Passed, PassedOver};
use crate::personal::PersonalFields;
use crate::protobuf;
use crate::settings::{FeedSettings, read_encoding, read_form, read_settings};
use crate::siri::SiriForm;
use crate::state::DecoderState;
use crate::wire::{Envelope, WireForm};

pub(crate) const BOM: &[u8] = b"\xef\xbb\xbf";

/// How new an event may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeLimit {
    /// The newest event time that is taken as possible; an interval that ends after it is rejected
    /// as [`Reason::TimeInFuture`], so that one wrong clock does not close every window.
    pub latest: EventTime,
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
    pub(crate) personal: PersonalFields,
    ids: EventIds,
    passed_over: PassedOver,
    /// How the text of payloads is written, where it is not UTF-8.
    encoding: Option<&'static Encoding>,
    pub(crate) wire: WireForm,
    pub(crate) form: Form,
}

#[derive(Debug, Clone)]
pub(crate) enum Form {
    Json,
    Protobuf,
    Arrow,
    MappedJson(Box<Mapper>),
    Csv(Box<CsvForm>),
    GtfsRealtime(Box<GtfsForm>),
    Siri(Box<SiriForm>),
}

/// Event ids of one feed: of the producer's ids, and of positions where it gives none.
#[derive(Debug, Clone)]
pub(crate) struct EventIds {
    producer: EventIdHasher,
    positions: EventIdHasher,
    feed: FeedId,
}

impl EventIds {
    fn new(feed: &FeedId) -> Self {
        Self {
            producer: EventIdHasher::new(feed.as_str()),
            // A name that no feed can have, so that a position never looks like a producer's id.
            positions: EventIdHasher::new(&format!("{feed}\0position")),
            feed: feed.clone(),
        }
    }

    /// The feed's name.
    pub(crate) fn feed(&self) -> &str {
        self.feed.as_str()
    }

    pub(crate) fn produced(&self, id: &[u8]) -> u128 {
        self.producer.hash(id)
    }

    /// The id of what was derived from the count `id` in the way called `what`.
    pub(crate) fn derived(&self, id: u128, what: &str) -> u128 {
        let mut bytes = id.to_be_bytes().to_vec();
        bytes.extend_from_slice(what.as_bytes());
        self.positions.hash(&bytes)
    }

    /// The id of the count `index` of the record at `position`.
    pub(crate) fn placed(&self, position: Position, index: usize) -> u128 {
        let mut bytes = [0_u8; 24];
        bytes[..8].copy_from_slice(&position.offset.to_be_bytes());
        bytes[8..12].copy_from_slice(&position.partition.to_be_bytes());
        bytes[12..16].copy_from_slice(&position.row.to_be_bytes());
        bytes[16..].copy_from_slice(&(index as u64).to_be_bytes());
        self.positions.hash(&bytes)
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
                PersonalFields::built_in()
            });
        let encoding = read_encoding(config).unwrap_or_else(|found| {
            problems.push(found);
            None
        });
        let form = read_form(config, &settings, &personal).unwrap_or_else(|found| {
            problems.extend(found);
            Form::Json
        });
        let wire = WireForm::try_new(config).unwrap_or_else(|found| {
            problems.extend(found);
            WireForm::Plain
        });
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            ids: EventIds::new(&feed),
            feed,
            settings,
            personal,
            passed_over: PassedOver::default(),
            encoding,
            wire,
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
        self.mapper().is_some_and(Mapper::is_cumulative)
    }

    /// Whether a message may hold several records, one a line.
    pub fn takes_many_rows(&self) -> bool {
        matches!(self.form, Form::MappedJson(_) | Form::Csv(_))
    }

    /// How many readings of each odd kind the feed's cumulative counters gave so far; all 0 for a
    /// feed without.
    pub fn counter_faults(&self) -> CounterFaults {
        self.mapper().map(Mapper::faults).unwrap_or_default()
    }

    /// How many records had nothing to count so far, by why.
    pub fn passed_over(&self) -> PassedOver {
        self.passed_over
    }

    /// Everything that the decoder remembers from payload to payload: its cumulative counters.
    pub fn state(&self) -> DecoderState {
        DecoderState {
            counters: self.mapper().and_then(Mapper::counters_state),
            passed_over: self.passed_over,
            references: self.references(),
            loads: self.gtfs().map(GtfsForm::loads_state).unwrap_or_default(),
        }
    }

    /// This feed's decoder, going on where `state` was taken; what it remembered is gone.
    ///
    /// # Errors
    /// [`RestoreError`] when `state` is not one of this feed with its present file.
    pub fn restore(mut self, state: &DecoderState) -> Result<Self, RestoreError> {
        let mapper = match &mut self.form {
            Form::Json | Form::Protobuf | Form::Arrow | Form::GtfsRealtime(_) | Form::Siri(_) => {
                None
            }
            Form::MappedJson(mapper) => Some(&mut **mapper),
            Form::Csv(form) => Some(&mut form.mapper),
        };
        match (mapper, &state.counters) {
            (Some(mapper), counters) => mapper.restore_counters(counters.as_ref())?,
            (None, None) => {}
            (None, Some(_)) => return Err(RestoreError::Form),
        }
        match &mut self.form {
            Form::GtfsRealtime(form) => {
                form.references = state.references;
                form.restore_loads(&state.loads).ok_or(RestoreError::Load)?;
            }
            _ if !state.loads.is_empty() => return Err(RestoreError::Form),
            _ => {}
        }
        self.passed_over = state.passed_over;
        Ok(self)
    }

    /// How often the feed named stops, trips and routes that its static feed has, and others.
    pub fn references(&self) -> References {
        self.gtfs().map(|form| form.references).unwrap_or_default()
    }

    /// How the feed's static GTFS feed is named and read; `None` for other formats.
    pub fn gtfs_config(&self) -> Option<&GtfsConfig> {
        self.gtfs().map(GtfsForm::config)
    }

    /// The same decoder with the static feed `schedule`; without effect for other formats.
    #[must_use]
    pub fn with_schedule(mut self, schedule: Arc<Schedule>) -> Self {
        if let Form::GtfsRealtime(form) = &mut self.form {
            form.set_schedule(schedule);
        }
        self
    }

    fn gtfs(&self) -> Option<&GtfsForm> {
        match &self.form {
            Form::GtfsRealtime(form) => Some(form),
            Form::Json
            | Form::Protobuf
            | Form::Arrow
            | Form::MappedJson(_)
            | Form::Csv(_)
            | Form::Siri(_) => None,
        }
    }

    fn mapper(&self) -> Option<&Mapper> {
        match &self.form {
            Form::Json | Form::Protobuf | Form::Arrow | Form::GtfsRealtime(_) | Form::Siri(_) => {
                None
            }
            Form::MappedJson(mapper) => Some(mapper),
            Form::Csv(form) => Some(&form.mapper),
        }
    }

    /// Decodes one payload: appends its observations to `out` and what is wrong to `rejected`.
    ///
    /// Every record gives observations (one a count column) or one rejection, or is passed over
    /// ([`Passed`]); a payload gives at least one of the three. In the product's own JSON it gives
    /// exactly one observation or rejection.
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
            header: &[],
            encoding: None,
            rejected,
            passed_over: &mut self.passed_over,
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
        let Envelope {
            header,
            body,
            message,
        } = match self.wire.open(bytes) {
            Ok(envelope) => envelope,
            Err(fault) => return rejects.add(fault, position, None, Some(bytes)),
        };
        rejects.header = header;
        let context = Context {
            position,
            limits: Limits {
                interval_max: self.settings.interval_max,
                count_max: self.settings.count_max,
                latest: limit.latest,
            },
            ids: &self.ids,
        };
        let body = match transcoded(self.encoding, body) {
            Ok(body) => body,
            Err(fault) => return rejects.add(fault, position, None, Some(body)),
        };
        let body = body.as_ref();
        rejects.encoding = self.encoding;
        match &mut self.form {
            Form::Json => own::decode(body, context, out, &mut rejects),
            Form::Protobuf => protobuf::decode(body, message, context, out, &mut rejects),
            Form::Arrow => ipc::decode(body, context, out, &mut rejects),
            Form::MappedJson(mapper) => decode_objects(mapper, body, context, out, &mut rejects),
            Form::Csv(form) => form.decode(body, context, out, &mut rejects),
            Form::GtfsRealtime(form) => form.decode(body, context, out, &mut rejects),
            Form::Siri(form) => form.decode(body, context, out, &mut rejects),
        }
    }
}

impl Decoder {
    /// The bytes of the records `rows` of a payload, counted as [`Position::row`] counts them: each
    /// as it can be sent and read alone. A CSV row comes with its header's line first, an
    /// observation of a Protobuf batch as a batch of one, a row of an Arrow stream as a stream with
    /// that row, an entity as a message of one, a SIRI record in a delivery of its own. A number
    /// that the payload does not have is left out.
    pub fn record_bytes(&mut self, payload: &[u8], rows: &BTreeSet<i32>) -> BTreeMap<i32, Vec<u8>> {
        let wanted = rows.iter().filter_map(|row| usize::try_from(*row).ok());
        let wanted: BTreeSet<usize> = wanted.collect();
        let opened = self.wire.open(payload);
        let opened = opened.and_then(|envelope| {
            transcoded(self.encoding, envelope.body).map(|body| (envelope, body))
        });
        let found = match opened {
            Err(_) => whole(payload, &wanted),
            Ok((envelope, body)) => {
                let mut found = self.cut(&body, envelope.message, &wanted);
                for bytes in found.values_mut() {
                    if let Some(encoding) = self.encoding {
                        *bytes = encoded(encoding, bytes);
                    }
                    bytes.splice(0..0, envelope.header.iter().copied());
                }
                found
            }
        };
        let number = |(row, bytes)| Some((i32::try_from(row).ok()?, bytes));
        found.into_iter().filter_map(number).collect()
    }

    /// The records `wanted` of a payload without its header, in UTF-8.
    fn cut(
        &mut self,
        body: &[u8],
        message: protobuf::Root,
        wanted: &BTreeSet<usize>,
    ) -> BTreeMap<usize, Vec<u8>> {
        match &mut self.form {
            Form::Json => whole(body, wanted),
            Form::Protobuf => protobuf::rows(body, message, wanted),
            Form::Arrow => ipc::rows(body, wanted, &self.personal),
            Form::MappedJson(_) => object_rows(body, wanted),
            Form::Csv(form) => form.rows(body, wanted, &self.personal),
            Form::GtfsRealtime(form) => form.rows(body, wanted),
            Form::Siri(_) => SiriForm::rows(body, wanted, &self.personal),
        }
    }
}

/// The payload itself, where its first record is wanted.
pub(crate) fn whole(payload: &[u8], wanted: &BTreeSet<usize>) -> BTreeMap<usize, Vec<u8>> {
    let first = wanted.get(&0).map(|row| (*row, payload.to_vec()));
    first.into_iter().collect()
}

/// A payload's text as UTF-8.
fn transcoded<'p>(
    encoding: Option<&'static Encoding>,
    body: &'p [u8],
) -> Result<Cow<'p, [u8]>, Fault> {
    let Some(encoding) = encoding else {
        return Ok(Cow::Borrowed(body));
    };
    match encoding.decode_without_bom_handling_and_without_replacement(body) {
        Some(Cow::Borrowed(text)) => Ok(Cow::Borrowed(text.as_bytes())),
        Some(Cow::Owned(text)) => Ok(Cow::Owned(text.into_bytes())),
        None => Err(Fault::new(
            Reason::NotUtf8,
            format!("bytes that are not {}", encoding.name()),
        )),
    }
}

/// UTF-8 text in another encoding.
fn encoded(encoding: &'static Encoding, bytes: &[u8]) -> Vec<u8> {
    encoding
        .encode(&String::from_utf8_lossy(bytes))
        .0
        .into_owned()
}

/// The rejection of a payload that came by a feed which the pipeline does not have. Its bytes are
/// searched for personal data as those of a payload that cannot be read.
pub fn reject_unknown_feed(feed: &FeedId, payload: Payload<'_>) -> Rejected {
    let personal = PersonalFields::built_in();
    let mut rejected = Vec::new();
    let mut rejects = Rejects {
        feed,
        personal: &personal,
        header: &[],
        encoding: None,
        rejected: &mut rejected,
        passed_over: &mut PassedOver::default(),
    };
    let fault = Fault::new(
        Reason::UnknownFeed,
        format!("the pipeline has no feed {feed}"),
    );
    rejects.add(fault, payload.position, None, payload.bytes);
    rejected.pop().expect("one fault is one rejection")
}

/// Where records go that are not counted.
pub(crate) struct Rejects<'r> {
    feed: &'r FeedId,
    pub(crate) personal: &'r PersonalFields,
    /// What stands before the records of a payload and belongs to the bytes of each.
    header: &'r [u8],
    /// How the records were written that are read as UTF-8: what is kept of them is written so
    /// again, and can be read again by the feed.
    encoding: Option<&'static Encoding>,
    rejected: &'r mut Vec<Rejected>,
    passed_over: &'r mut PassedOver,
}

impl Rejects<'_> {
    /// Counts a record that has nothing to count.
    pub(crate) fn pass(&mut self, why: Passed) {
        self.passed_over.add(why);
    }

    /// Keeps one rejection. Bytes that could not be read are searched for personal data first.
    pub(crate) fn add(
        &mut self,
        mut fault: Fault,
        position: Position,
        site: Option<String>,
        bytes: Option<&[u8]>,
    ) {
        let unread = matches!(
            fault.reason,
            Reason::Malformed
                | Reason::NotUtf8
                | Reason::TooLarge
                | Reason::UnknownFeed
                | Reason::UnknownSchema
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
            bytes: bytes.filter(|_| !personal).map(|bytes| self.kept(bytes)),
        });
    }

    /// A record's bytes as they came.
    fn kept(&self, bytes: &[u8]) -> Vec<u8> {
        match self.encoding {
            None => [self.header, bytes].concat(),
            Some(encoding) => [self.header, &encoded(encoding, bytes)].concat(),
        }
    }

    fn looks_personal(&self, bytes: &[u8]) -> bool {
        let start = bytes.trim_ascii_start();
        let line = start
            .split(|&byte| byte == b'\n')
            .next()
            .unwrap_or_default();
        self.personal.find_before_colon(bytes)
            || self.personal.find_in_header(line)
            || self.personal.find_in_binary(bytes)
            || self.personal.find_in_tags(bytes)
    }
}

pub(crate) fn not_utf8() -> Fault {
    Fault::new(Reason::NotUtf8, "bytes that are not UTF-8")
}

pub(crate) fn at_row(position: Position, row: usize) -> Position {
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
        match decode_object(mapper, object, context, out, rejects.personal) {
            Ok(None) => {}
            Ok(Some(why)) => rejects.pass(why),
            Err(fault) => rejects.add(fault, context.position, mapper.site(), Some(object)),
        }
    });
}

fn object_rows(bytes: &[u8], wanted: &BTreeSet<usize>) -> BTreeMap<usize, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut row = 0;
    mapped::split_objects(bytes.strip_prefix(BOM).unwrap_or(bytes), |object| {
        if wanted.contains(&row) {
            found.insert(row, object.to_vec());
        }
        row += 1;
    });
    found
}

fn decode_object(
    mapper: &mut Mapper,
    bytes: &[u8],
    context: Context<'_>,
    out: &mut ObservationBuilder,
    personal: &PersonalFields,
) -> Result<Option<Passed>, Fault> {
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
