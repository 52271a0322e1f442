//! What is known of one feed: what it delivered, window by window.

use std::collections::BTreeMap;

use arrow::array::Array;
use tidegate_engine::{WindowSpec, first_instant};
use tidegate_model::{
    EventIdHasher, EventTime, FeedId, ORIGIN_UNKNOWN, ObservationBatch, Payload, Position, Reason,
    Span,
};

use super::delays::Delays;
use super::places::Places;
use super::profile::Profile;
use super::verdict::{Count, Patience, Silence, Verdict};

/// Sites that are remembered of one feed.
const SITES_MAX: usize = 200_000;
/// Cells that are remembered of one feed.
const CELLS_MAX: usize = 1_000_000;
/// Messages by which a repeated one is recognised, for each partition.
const RECENT: usize = 256;
/// A site is expected when it was heard within this time.
const SITE_EXPECTED_WITHIN: Span = Span::hours(7 * 24);
/// The least time after which a feed counts as silent, unless its file says otherwise.
const SILENT_AFTER_MIN: Span = Span::minutes(15);
/// Producers of which at least so many are heard have a common delay, from which one may differ.
const PRODUCERS_MIN: usize = 3;

/// What was read while the feed stood in one window.
///
/// Stored in snapshots: the fields are a promise.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Delivery {
    pub(super) payloads: u64,
    /// Messages that one of the last [`RECENT`] of their partition had said byte for byte.
    pub(super) unchanged: u64,
    pub(super) received: u64,
    pub(super) late: u64,
    pub(super) duplicate: u64,
    /// By [`Reason::code`].
    pub(super) rejected: BTreeMap<String, u64>,
    pub(super) counter_faults: u64,
    pub(super) delays: Delays,
}

impl Delivery {
    pub(super) fn rejected(&self) -> u64 {
        self.rejected.values().sum()
    }

    fn merge(&mut self, other: Self) {
        self.payloads += other.payloads;
        self.unchanged += other.unchanged;
        self.received += other.received;
        self.late += other.late;
        self.duplicate += other.duplicate;
        self.counter_faults += other.counter_faults;
        for (reason, count) in other.rejected {
            *self.rejected.entry(reason).or_default() += count;
        }
        self.delays.merge(other.delays);
    }
}

/// What the on-time records say of one window.
///
/// Stored in snapshots: the fields are a promise.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Content {
    pub(super) records: i64,
    pub(super) persons: i64,
    pub(super) unknown_origin: i64,
    /// End of the newest, microseconds; meaningless while there are none.
    last_us: i64,
    /// The longest interval counted, microseconds.
    longest_us: i64,
    /// By number of the site.
    sites: Vec<SiteContent>,
}

#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, serde::Deserialize)]
struct SiteContent {
    records: i64,
    /// The shortest time from an event to its arrival, microseconds.
    delay_min_us: Option<i64>,
}

/// One window that has not closed.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Tally {
    pub(super) delivery: Delivery,
    pub(super) content: Content,
}

/// A site as one window shows it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SiteQuality<'a> {
    pub(super) site: &'a str,
    pub(super) records: i64,
    /// Since it was last heard, at the window's end.
    pub(super) silent_for: Span,
    pub(super) delay_min: Option<Span>,
    pub(super) clock_skew: Option<Span>,
}

/// What one window shows of the feed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Closed<'a> {
    pub(super) tally: Tally,
    pub(super) sites: Vec<SiteQuality<'a>>,
    pub(super) verdict: Verdict,
}

/// Where a chunk of messages stands, and what became of its records so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chunk<'a> {
    pub(crate) partition: i32,
    pub(crate) payloads: &'a [Payload<'a>],
    /// Records that have a place.
    pub(crate) rows: &'a ObservationBatch,
    /// Records that are rejected, in the order of their log.
    pub(crate) faults: &'a [(Position, Reason)],
    /// Odd steps of counters in each message; empty where there are no counters.
    pub(crate) counter_faults: &'a [u64],
}

/// See the module documentation.
#[derive(Debug)]
pub(crate) struct FeedQuality {
    hasher: EventIdHasher,
    grid: WindowSpec,
    silent_after: Option<Span>,
    /// The newest event time of each partition.
    at: BTreeMap<i32, EventTime>,
    /// Hashes of the last messages of each partition, each at a place that follows from it.
    recent: BTreeMap<i32, Vec<u64>>,
    /// Read before the feed said any time.
    unplaced: Delivery,
    /// Windows that have not closed, by their end.
    open: BTreeMap<EventTime, Tally>,
    closed_to: Option<EventTime>,
    sites: Places<String>,
    /// When each site was last heard: the end of the window, by number.
    heard: Vec<EventTime>,
    venues: Places<String>,
    cells: Places<u64>,
    /// The newest event time, of windows that have not closed too.
    newest: Option<EventTime>,
    silence: Silence,
    profile: Profile,
    /// Of the chunk that is being read: the newest event time at each record.
    reading: Vec<(Position, EventTime)>,
    /// How many of them were read before.
    repeated: usize,
}

impl FeedQuality {
    pub(super) fn new(feed: &FeedId, grid: WindowSpec, silent_after: Option<Span>) -> Self {
        Self {
            hasher: EventIdHasher::new(feed.as_str()),
            grid,
            silent_after,
            at: BTreeMap::new(),
            recent: BTreeMap::new(),
            unplaced: Delivery::default(),
            open: BTreeMap::new(),
            closed_to: None,
            sites: Places::new(SITES_MAX),
            heard: Vec::new(),
            venues: Places::new(SITES_MAX),
            cells: Places::new(CELLS_MAX),
            newest: None,
            silence: Silence::default(),
            profile: Profile::default(),
            reading: Vec::new(),
            repeated: 0,
        }
    }

    /// Takes a chunk, message by message and record by record, so that it does not matter how
    /// messages were put together.
    pub(super) fn read(&mut self, chunk: Chunk<'_>) {
        self.reading.clear();
        self.repeated = 0;
        let (mut row, mut fault) = (0, 0);
        for (index, payload) in chunk.payloads.iter().enumerate() {
            loop {
                let next_row = (row < chunk.rows.len()).then(|| chunk.rows.position(row));
                let next_row = next_row.filter(|at| at.offset <= payload.position.offset);
                let next_fault = chunk.faults.get(fault);
                let next_fault = next_fault.filter(|(at, _)| at.offset <= payload.position.offset);
                match (next_row, next_fault) {
                    (Some(at), Some((fault_at, _))) if at <= *fault_at => {
                        self.read_row(&chunk, row, at, payload.arrived);
                        row += 1;
                    }
                    (_, Some((_, reason))) => {
                        self.reject(chunk.partition, *reason);
                        fault += 1;
                    }
                    (Some(at), None) => {
                        self.read_row(&chunk, row, at, payload.arrived);
                        row += 1;
                    }
                    (None, None) => break,
                }
            }
            let is_repeated = self.is_repeated(chunk.partition, payload.bytes);
            let delivery = self.delivery(chunk.partition);
            delivery.payloads += 1;
            delivery.unchanged += u64::from(is_repeated);
            delivery.counter_faults += chunk.counter_faults.get(index).copied().unwrap_or(0);
        }
    }

    fn read_row(
        &mut self,
        chunk: &Chunk<'_>,
        row: usize,
        at: Position,
        arrived: Option<EventTime>,
    ) {
        let batch = chunk.rows;
        let end = EventTime::from_micros(batch.interval_end().value(row));
        let newest = self.at.entry(chunk.partition).or_insert(end);
        *newest = (*newest).max(end);
        let stands = *newest;
        self.reading.push((at, stands));
        self.newest = self.newest.max(Some(end));
        let delay = arrived.map(|arrived| arrived.since(end).as_micros());
        let delivery = self.delivery(chunk.partition);
        delivery.received += 1;
        if let Some(delay) = delay {
            delivery.delays.add(delay);
        }
        self.add_content(batch, row, 1, delay);
    }

    fn reject(&mut self, partition: i32, reason: Reason) {
        let delivery = self.delivery(partition);
        delivery.received += 1;
        *delivery
            .rejected
            .entry(reason.code().to_owned())
            .or_default() += 1;
    }

    fn is_repeated(&mut self, partition: i32, bytes: Option<&[u8]>) -> bool {
        let Some(bytes) = bytes else { return false };
        let digest = self.hasher.hash(bytes).to_le_bytes();
        let hash = u64::from_le_bytes(*digest.first_chunk().expect("16 bytes"));
        let recent = self
            .recent
            .entry(partition)
            .or_insert_with(|| vec![0; RECENT]);
        let place = usize::from(digest[0]) % RECENT;
        std::mem::replace(&mut recent[place], hash) == hash
    }

    /// Records of the chunk that was read last are late: they are not what their windows hold.
    pub(super) fn late(&mut self, batch: &ObservationBatch) {
        for row in 0..batch.len() {
            self.add_content(batch, row, -1, None);
            self.delivery_of(batch.position(row)).late += 1;
        }
    }

    /// The same for records that were read before.
    pub(super) fn duplicate(&mut self, batch: &ObservationBatch) {
        self.repeated += batch.len();
        for row in 0..batch.len() {
            self.add_content(batch, row, -1, None);
            self.delivery_of(batch.position(row)).duplicate += 1;
        }
    }

    /// Whether the chunk that was read last had a record that was not read before.
    pub(super) fn is_heard(&self) -> bool {
        self.reading.len() > self.repeated
    }

    /// Adds a record to every window that it touches and that has not closed, or takes it out.
    fn add_content(&mut self, batch: &ObservationBatch, row: usize, sign: i64, delay: Option<i64>) {
        let end = batch.interval_end().value(row);
        let first = first_instant(batch, row);
        let last = EventTime::from_micros(end)
            .minus(Span::micros(1))
            .max(first);
        let window = self.grid.earliest_end(first);
        let site = self.sites.note(batch.site_id().value(row), window);
        if !batch.venue_id().is_null(row) {
            self.venues.note(batch.venue_id().value(row), window);
        }
        if !batch.cell().is_null(row) {
            self.cells.note(&batch.cell().value(row), window);
        }
        let count = batch.count().value(row);
        let origin = batch.origin();
        let is_unknown = origin.is_null(row) || origin.value(row) == ORIGIN_UNKNOWN;
        let length = end - batch.interval_start().value(row);
        let (mut window, to) = (window, self.grid.earliest_end(last));
        while window <= to {
            if self.closed_to.is_none_or(|closed| window > closed) {
                let content = &mut self.open.entry(window).or_default().content;
                content.records += sign;
                content.persons += sign * count;
                content.unknown_origin += if is_unknown { sign * count } else { 0 };
                content.last_us = content.last_us.max(end.min(window.micros()));
                content.longest_us = content.longest_us.max(length);
                if let Some(site) = site {
                    if content.sites.len() <= site {
                        content.sites.resize(site + 1, SiteContent::default());
                    }
                    let known = &mut content.sites[site];
                    known.records += sign;
                    known.delay_min_us = match (known.delay_min_us, delay) {
                        (Some(known), Some(delay)) => Some(known.min(delay)),
                        (known, delay) => known.or(delay),
                    };
                }
            }
            window = window.plus(self.grid.slide());
        }
    }

    /// What is read of a partition now belongs here.
    fn delivery(&mut self, partition: i32) -> &mut Delivery {
        match self.at.get(&partition).copied() {
            Some(at) => self.delivery_at(at),
            None => &mut self.unplaced,
        }
    }

    fn delivery_of(&mut self, position: Position) -> &mut Delivery {
        let found = self.reading.binary_search_by_key(&position, |(at, _)| *at);
        match found.map(|index| self.reading[index].1) {
            Ok(at) => self.delivery_at(at),
            Err(_) => &mut self.unplaced,
        }
    }

    /// The window that ends at or after `at`, or the next one to close.
    fn delivery_at(&mut self, at: EventTime) -> &mut Delivery {
        let window = self.grid.earliest_end(at.minus(Span::micros(1)));
        let next = self.closed_to.map(|closed| closed.plus(self.grid.slide()));
        let window = next.map_or(window, |next| window.max(next));
        &mut self.open.entry(window).or_default().delivery
    }

    /// Closes the windows up to `end`, which fall in this local hour of the week.
    pub(super) fn close(&mut self, end: EventTime, hour: usize) -> Closed<'_> {
        let mut tally = self.take_up_to(end);
        tally.delivery.merge(std::mem::take(&mut self.unplaced));
        self.closed_to = Some(end);
        let records = u64::try_from(tally.content.records).unwrap_or(0);
        let longest = Span::micros(tally.content.longest_us);
        self.silence.longest = self.silence.longest.max(longest);
        self.heard.resize(self.sites.keys().len(), EventTime::MIN);
        for (site, content) in tally.content.sites.iter().enumerate() {
            if content.records > 0 {
                self.heard[site] = end;
            }
        }
        let heard = EventTime::from_micros(tally.content.last_us);
        let heard = (records > 0).then_some(heard);
        let expected = self.profile.expected(hour, end);
        let count = Count {
            end,
            records,
            expected,
        };
        let patience = self.patience();
        let verdict = self.silence.judge(count, heard, patience);
        let is_off = expected.is_some() && verdict.is_stale();
        let window = (end, self.grid.slide());
        self.profile.learn(hour, window, records, is_off);
        let sites = self.sites_at(end, &tally.content);
        Closed {
            tally,
            sites,
            verdict,
        }
    }

    fn take_up_to(&mut self, end: EventTime) -> Tally {
        let later = self.open.split_off(&end.plus(Span::micros(1)));
        let mut tallies = std::mem::replace(&mut self.open, later);
        // Only where windows without data were passed over is there more than one.
        let mut tally = tallies.remove(&end).unwrap_or_default();
        for (_, earlier) in tallies {
            tally.delivery.merge(earlier.delivery);
        }
        tally
    }

    /// The sites that are expected, in the order of their names.
    fn sites_at(&self, end: EventTime, content: &Content) -> Vec<SiteQuality<'_>> {
        let delays: Vec<i64> = {
            let heard = content.sites.iter().filter(|site| site.records > 0);
            let mut delays: Vec<i64> = heard.filter_map(|site| site.delay_min_us).collect();
            delays.sort_unstable();
            delays
        };
        let common = (delays.len() >= PRODUCERS_MIN).then(|| delays[delays.len() / 2]);
        let since = end.minus(SITE_EXPECTED_WITHIN);
        let mut sites: Vec<SiteQuality<'_>> = Vec::new();
        for (number, name) in self.sites.keys().iter().enumerate() {
            let heard = self.heard[number];
            if heard <= since {
                continue;
            }
            let content = content.sites.get(number).copied().unwrap_or_default();
            let delay = content.delay_min_us.filter(|_| content.records > 0);
            sites.push(SiteQuality {
                site: name,
                records: content.records,
                silent_for: end.since(heard),
                delay_min: delay.map(Span::micros),
                clock_skew: delay
                    .and_then(|delay| skew(delay, common))
                    .map(Span::micros),
            });
        }
        sites.sort_by_key(|site| site.site);
        sites
    }

    fn patience(&self) -> Patience {
        let usual = self.grid.slide().max(self.silence.longest);
        let usual = Span::micros(3 * usual.as_micros()).max(SILENT_AFTER_MIN);
        self.silent_after
            .map_or(Patience::Usual(usual), Patience::Set)
    }

    /// How long without records is silence.
    pub(super) fn silent_after(&self) -> Span {
        self.patience().span()
    }

    /// Whether records of the feed are at this subject of a layer.
    pub(super) fn is_at(&self, kind: &str, subject: &str) -> bool {
        let Some(end) = self.closed_to else {
            return false;
        };
        match kind {
            "venue" => self.venues.is_known(subject, end),
            "site" => self.sites.is_known(subject, end),
            "cell" => {
                let cell = u64::from_str_radix(subject, 16);
                cell.is_ok_and(|cell| self.cells.is_known(&cell, end))
            }
            _ => false,
        }
    }

    /// Notes whether somebody was told that it is silent; gives what was noted before.
    pub(super) fn set_told(&mut self, is_told: bool) -> bool {
        std::mem::replace(&mut self.silence.is_told, is_told)
    }

    /// The newest event time.
    pub(super) fn newest(&self) -> Option<EventTime> {
        self.newest
    }

    /// What the last window that closed said.
    pub(super) fn verdict(&self) -> Verdict {
        self.silence.last
    }
}

/// By how much a producer's clock seems to be ahead: its shortest delay against that of the others.
/// Without others only what cannot be otherwise is known, an event after its arrival.
fn skew(delay: i64, common: Option<i64>) -> Option<i64> {
    match common {
        Some(common) => Some(common - delay),
        None => (delay < 0).then_some(-delay),
    }
}

/// The stored form of a [`FeedQuality`]; the fields and their order are a promise.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct FeedQualityState {
    at_us: Vec<(i32, i64)>,
    recent: Vec<(i32, Vec<u64>)>,
    unplaced: Delivery,
    open: Vec<(i64, Tally)>,
    closed_to_us: Option<i64>,
    sites: Vec<(String, i64)>,
    heard_us: Vec<i64>,
    venues: Vec<(String, i64)>,
    cells: Vec<(u64, i64)>,
    newest_us: Option<i64>,
    silence: Silence,
    profile: Profile,
}

impl FeedQuality {
    pub(super) fn state(&self) -> FeedQualityState {
        FeedQualityState {
            at_us: self.at.iter().map(|(p, at)| (*p, at.micros())).collect(),
            recent: self.recent.iter().map(|(p, r)| (*p, r.clone())).collect(),
            unplaced: self.unplaced.clone(),
            open: self
                .open
                .iter()
                .map(|(end, tally)| (end.micros(), tally.clone()))
                .collect(),
            closed_to_us: self.closed_to.map(EventTime::micros),
            sites: self.sites.state(),
            heard_us: self.heard.iter().map(|heard| heard.micros()).collect(),
            venues: self.venues.state(),
            cells: self.cells.state(),
            newest_us: self.newest.map(EventTime::micros),
            silence: self.silence.clone(),
            profile: self.profile.clone(),
        }
    }

    /// Goes on where `state` was taken; `None` when it contradicts itself.
    pub(super) fn restore(&mut self, state: FeedQualityState) -> Option<()> {
        let time = EventTime::from_micros;
        self.at = state
            .at_us
            .into_iter()
            .map(|(p, at)| (p, time(at)))
            .collect();
        self.recent = state.recent.into_iter().collect();
        if self.recent.values().any(|recent| recent.len() != RECENT) {
            return None;
        }
        self.unplaced = state.unplaced;
        let open = state.open.into_iter();
        self.open = open.map(|(end, tally)| (time(end), tally)).collect();
        self.closed_to = state.closed_to_us.map(time);
        self.sites.restore(state.sites)?;
        self.venues.restore(state.venues)?;
        self.cells.restore(state.cells)?;
        self.heard = state.heard_us.into_iter().map(time).collect();
        let known = self.sites.keys().len();
        let are_known = |tally: &Tally| tally.content.sites.len() <= known;
        if self.heard.len() > known || !self.open.values().all(are_known) {
            return None;
        }
        self.newest = state.newest_us.map(time);
        self.silence = state.silence;
        self.profile = state.profile;
        Some(())
    }
}
