//! Whether a feed still makes sense: one whose records are nearly all rejected is quarantined.
//!
//! Promises:
//! - Nothing vanishes: a quarantined feed is decoded, counted and kept as any other, and its good
//!   records are counted where they fall. Quarantine is a statement about the feed, on which the
//!   caller raises one alert and takes the feed's partitions as idle for the merged watermark, so
//!   that garbage, which never brings a watermark forward, does not hold back the other feeds.
//! - No clock: the feed is judged after each of its records, by its last [`FeedHealthRule::records`]
//!   ones, so that the same records in the same order give the same transitions, however they are
//!   batched. Before there are that many, nothing is said.
//! - Quarantine begins and ends at different shares, so that a feed between them does not flap.
//!
//! A record is an observation or a rejection, as in the sums of T4, whichever step rejected it.
//! Where partitions of a feed are read side by side, their order is that of the caller.

use std::collections::VecDeque;

use tidegate_model::{FeedId, Reason, Span};

mod state;

pub use state::{FeedHealthState, RunState};

/// The most records by which a feed may be judged.
pub const HEALTH_RECORDS_MAX: u32 = 100_000;

/// By what a feed is judged, checked.
///
/// ```
/// use tidegate_pipeline::FeedHealthRule;
/// assert_eq!(FeedHealthRule::default(), FeedHealthRule::try_new(1_000, 99, 50)?);
/// assert!(FeedHealthRule::try_new(1_000, 40, 50).is_err());
/// # Ok::<(), tidegate_pipeline::FeedHealthError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedHealthRule {
    records: u32,
    quarantine_percent: u32,
    recover_percent: u32,
}

impl FeedHealthRule {
    /// Judges by the last `records` records: quarantine begins when at least
    /// `quarantine_percent` of them were rejected, and ends when fewer than `recover_percent` were.
    ///
    /// # Errors
    /// [`FeedHealthError::Records`] outside 1 to [`HEALTH_RECORDS_MAX`];
    /// [`FeedHealthError::Percent`] unless `1 <= recover_percent <= quarantine_percent <= 100`.
    pub fn try_new(
        records: u32,
        quarantine_percent: u32,
        recover_percent: u32,
    ) -> Result<Self, FeedHealthError> {
        if !(1..=HEALTH_RECORDS_MAX).contains(&records) {
            return Err(FeedHealthError::Records(records));
        }
        if !(1..=quarantine_percent).contains(&recover_percent) || quarantine_percent > 100 {
            return Err(FeedHealthError::Percent {
                quarantine_percent,
                recover_percent,
            });
        }
        Ok(Self {
            records,
            quarantine_percent,
            recover_percent,
        })
    }

    /// How many records a feed is judged by.
    pub const fn records(self) -> u32 {
        self.records
    }
}

impl Default for FeedHealthRule {
    /// The last 1,000 records: quarantine from 99 % rejected, until below 50 %.
    fn default() -> Self {
        Self {
            records: 1_000,
            quarantine_percent: 99,
            recover_percent: 50,
        }
    }
}

/// Why a rule makes no sense, or a feed's health cannot go on from a stored state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FeedHealthError {
    /// Too few records to judge by, or too many to remember.
    #[error("{0} records are not 1 to {HEALTH_RECORDS_MAX}")]
    Records(u32),
    /// Shares that are none, or a quarantine that would end before it begins.
    #[error(
        "recovery below {recover_percent} % and quarantine from {quarantine_percent} % are not \
         in order within 1 to 100"
    )]
    Percent {
        /// Share of rejected records from which a feed is quarantined.
        quarantine_percent: u32,
        /// Share of rejected records below which it recovers.
        recover_percent: u32,
    },
    /// A reason that this version does not know.
    #[error("reason {0:?} is not known")]
    Reason(String),
    /// More records than the rule remembers, or than were seen.
    #[error("{stored} records are stored of {seen} seen and {records} remembered")]
    Stored {
        /// How many are stored.
        stored: u64,
        /// How many were seen.
        seen: u64,
        /// How many the rule remembers.
        records: u32,
    },
}

/// Where a feed stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FeedHealthChange {
    /// Nearly all of its last records were rejected.
    Quarantined,
    /// Enough of its last records are good again.
    Recovered,
    /// Nothing of it is heard any more.
    Silent {
        /// For how long at least.
        since: Span,
    },
    /// It is heard again after a silence.
    Heard,
}

impl FeedHealthChange {
    /// The word used in JSON and SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Quarantined => "quarantined",
            Self::Recovered => "recovered",
            Self::Silent { .. } => "silent",
            Self::Heard => "heard",
        }
    }
}

/// A change of one feed's health.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedHealthTransition {
    /// The feed.
    pub feed: FeedId,
    /// What it is now.
    pub state: FeedHealthChange,
    /// Records received that it was judged by.
    pub received: u32,
    /// How many of them were rejected.
    pub rejected: u32,
    /// The most frequent reason among them; of two, the first of [`Reason::ALL`].
    pub top_reason: Option<Reason>,
    /// Records of the feed seen so far: two transitions of a feed to one state differ in it, a
    /// replay repeats it.
    pub seen: u64,
}

impl FeedHealthTransition {
    /// What happened and what follows, in English.
    pub fn text_en(&self) -> String {
        let Self { feed, .. } = self;
        let (received, rejected) = (self.received, self.rejected);
        match self.state {
            FeedHealthChange::Quarantined => {
                let why = self.top_reason.map_or("unknown", Reason::code);
                format!(
                    "Feed {feed} is in quarantine: {rejected} of its last {received} records were \
                     rejected, most as {why}. Windows no longer wait for it; its records are \
                     still counted or kept one by one."
                )
            }
            FeedHealthChange::Recovered => format!(
                "Feed {feed} is out of quarantine: {rejected} of its last {received} records were \
                 rejected. Windows wait for it again."
            ),
            FeedHealthChange::Silent { since } => format!(
                "Feed {feed} is silent: no record for {since}. What rests on it is shown as stale, \
                 not as empty. Check the producer and the connection."
            ),
            FeedHealthChange::Heard => format!("Feed {feed} is heard again."),
        }
    }

    /// The same in Chinese.
    pub fn text_zh(&self) -> String {
        let Self { feed, .. } = self;
        let (received, rejected) = (self.received, self.rejected);
        match self.state {
            FeedHealthChange::Quarantined => {
                let why = self.top_reason.map_or("unknown", Reason::code);
                format!(
                    "数据源 {feed} 已隔离：最近 {received} 条记录中有 {rejected} 条被拒绝，主要原因为 \
                     {why}。窗口不再等待该数据源；其记录仍逐条计数或留存。"
                )
            }
            FeedHealthChange::Recovered => format!(
                "数据源 {feed} 已解除隔离：最近 {received} 条记录中有 {rejected} 条被拒绝。窗口恢复等待该数据源。"
            ),
            FeedHealthChange::Silent { since } => format!(
                "数据源 {feed} 无数据：已 {since} 未收到记录。依赖该数据源的结果标为“数据不足”，而不是“空场”；请检查数据来源和网络连接。"
            ),
            FeedHealthChange::Heard => format!("数据源 {feed} 已恢复上报。"),
        }
    }
}

/// What became of a record; `None` when it was good.
type Outcome = Option<Reason>;

/// The health of one feed.
///
/// ```
/// use tidegate_model::{FeedId, Reason};
/// use tidegate_pipeline::{FeedHealth, FeedHealthRule};
///
/// let mut health = FeedHealth::new(FeedId::new("rail"), FeedHealthRule::try_new(3, 99, 50)?);
/// assert!(health.accepted(9).is_none());
/// assert!(health.rejected(Reason::Malformed).is_none());
/// assert!(health.rejected(Reason::Malformed).is_none());
/// let transition = health.rejected(Reason::Malformed).expect("three of three");
/// assert_eq!((transition.rejected, transition.seen), (3, 12));
/// assert!(health.is_quarantined());
/// # Ok::<(), tidegate_pipeline::FeedHealthError>(())
/// ```
#[derive(Debug, Clone)]
pub struct FeedHealth {
    feed: FeedId,
    rule: FeedHealthRule,
    /// The last records, oldest first, equal neighbours together: at most `rule.records` in all.
    runs: VecDeque<(Outcome, u32)>,
    remembered: u32,
    rejected: u32,
    seen: u64,
    is_quarantined: bool,
}

impl FeedHealth {
    /// A feed of which nothing was seen.
    pub fn new(feed: FeedId, rule: FeedHealthRule) -> Self {
        Self {
            feed,
            rule,
            runs: VecDeque::new(),
            remembered: 0,
            rejected: 0,
            seen: 0,
            is_quarantined: false,
        }
    }

    /// Whether the feed is in quarantine.
    pub fn is_quarantined(&self) -> bool {
        self.is_quarantined
    }

    /// Takes `count` good records, one after the other: they can only end a quarantine.
    pub fn accepted(&mut self, count: u64) -> Option<FeedHealthTransition> {
        let mut left = count;
        let mut transition = None;
        while self.is_quarantined && left > 0 && transition.is_none() {
            self.push(None, 1);
            left -= 1;
            transition = self.judge();
        }
        self.push(None, left);
        transition
    }

    /// Takes one record that was rejected.
    pub fn rejected(&mut self, reason: Reason) -> Option<FeedHealthTransition> {
        self.push(Some(reason), 1);
        self.judge()
    }

    /// Remembers `count` records that became of the same, and forgets as many as there is no
    /// room for.
    fn push(&mut self, outcome: Outcome, count: u64) {
        self.seen += count;
        let records = self.rule.records;
        let count = u32::try_from(count).unwrap_or(records).min(records);
        if count == 0 {
            return;
        }
        match self.runs.back_mut() {
            Some((last, length)) if *last == outcome => *length += count,
            _ => self.runs.push_back((outcome, count)),
        }
        self.remembered += count;
        self.rejected += if outcome.is_some() { count } else { 0 };
        while self.remembered > records {
            let (oldest, length) = self.runs.front_mut().expect("something is remembered");
            let surplus = (self.remembered - records).min(*length);
            *length -= surplus;
            self.remembered -= surplus;
            self.rejected -= if oldest.is_some() { surplus } else { 0 };
            if *length == 0 {
                self.runs.pop_front();
            }
        }
    }

    fn judge(&mut self) -> Option<FeedHealthTransition> {
        if self.remembered < self.rule.records {
            return None;
        }
        let (rejected, all) = (100 * u64::from(self.rejected), u64::from(self.remembered));
        let state = if self.is_quarantined {
            let recovers = rejected < u64::from(self.rule.recover_percent) * all;
            recovers.then_some(FeedHealthChange::Recovered)
        } else {
            let fails = rejected >= u64::from(self.rule.quarantine_percent) * all;
            fails.then_some(FeedHealthChange::Quarantined)
        }?;
        self.is_quarantined = state == FeedHealthChange::Quarantined;
        Some(self.transition(state))
    }

    /// The change to `state`, with the last records.
    pub(crate) fn transition(&self, state: FeedHealthChange) -> FeedHealthTransition {
        FeedHealthTransition {
            feed: self.feed.clone(),
            state,
            received: self.remembered,
            rejected: self.rejected,
            top_reason: self.top_reason(),
            seen: self.seen,
        }
    }

    fn top_reason(&self) -> Outcome {
        let count = |reason: Reason| -> u32 {
            let runs = self.runs.iter().filter(|(run, _)| *run == Some(reason));
            runs.map(|(_, length)| length).sum()
        };
        // Of equal counts the last is taken, and so the first of the list.
        let top = Reason::ALL.into_iter().rev().max_by_key(|r| count(*r))?;
        (count(top) > 0).then_some(top)
    }

    /// Everything remembered of the feed.
    pub fn state(&self) -> FeedHealthState {
        let mut reasons: Vec<Reason> = self.runs.iter().filter_map(|(run, _)| *run).collect();
        reasons.sort_unstable();
        reasons.dedup();
        let runs = self.runs.iter().map(|(run, records)| RunState {
            outcome: match run {
                None => 0,
                Some(reason) => {
                    let index = reasons.binary_search(reason).expect("collected above");
                    u8::try_from(index + 1).expect("there are few reasons")
                }
            },
            records: *records,
        });
        FeedHealthState {
            seen: self.seen,
            is_quarantined: self.is_quarantined,
            runs: runs.collect(),
            reasons: reasons.iter().map(|r| r.code().to_owned()).collect(),
        }
    }

    /// The health of `feed` that goes on where `state` was taken.
    ///
    /// # Errors
    /// [`FeedHealthError::Reason`], and [`FeedHealthError::Stored`] when the state is of a rule
    /// that remembers more.
    pub fn restore(
        feed: FeedId,
        rule: FeedHealthRule,
        state: &FeedHealthState,
    ) -> Result<Self, FeedHealthError> {
        let known = |code: &String| {
            let reason = Reason::ALL.into_iter().find(|r| r.code() == code);
            reason.ok_or_else(|| FeedHealthError::Reason(code.clone()))
        };
        let reasons: Vec<Reason> = state.reasons.iter().map(known).collect::<Result<_, _>>()?;
        let stored = state.runs.iter().map(|run| u64::from(run.records)).sum();
        if stored > state.seen || stored > u64::from(rule.records) {
            return Err(FeedHealthError::Stored {
                stored,
                seen: state.seen,
                records: rule.records,
            });
        }
        let mut health = Self::new(feed, rule);
        for run in &state.runs {
            let outcome =
                match usize::from(run.outcome).checked_sub(1) {
                    None => None,
                    Some(index) => Some(*reasons.get(index).ok_or_else(|| {
                        FeedHealthError::Reason(format!("number {}", run.outcome))
                    })?),
                };
            health.push(outcome, u64::from(run.records));
        }
        health.seen = state.seen;
        health.is_quarantined = state.is_quarantined;
        Ok(health)
    }
}

#[cfg(test)]
mod tests;
