//! What the outbox holds, for people.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, Row, params};
use tidegate_dispatch::Notice;

use super::{Outbox, OutboxError, Result, notice_of, time};

/// What became of a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeptState {
    /// It waits, or is tried.
    Pending,
    /// The other side has it.
    Delivered,
    /// It is a dead letter.
    Dead,
}

impl KeptState {
    const ALL: [Self; 3] = [Self::Pending, Self::Delivered, Self::Dead];

    const fn code(self) -> i64 {
        match self {
            Self::Pending => 0,
            Self::Delivered => 1,
            Self::Dead => 2,
        }
    }
}

/// Which notices are wanted. Empty: all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Of this state.
    pub state: Option<KeptState>,
    /// Of this channel.
    pub channel: Option<String>,
    /// At most so many, the newest; 0 means 100.
    pub limit: usize,
}

/// A notice in the outbox.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Kept {
    /// Its id.
    pub id: String,
    /// Its channel.
    pub channel: String,
    /// What became of it.
    pub state: KeptState,
    /// When it was accepted.
    pub accepted: Timestamp,
    /// When tries stop.
    pub expires: Timestamp,
    /// When it is tried next; null unless it is pending.
    pub next: Option<Timestamp>,
    /// When it was delivered or died; null while it is pending.
    pub done: Option<Timestamp>,
    /// Tries so far.
    pub tries: u32,
    /// Why the last try failed, or why it is dead.
    pub why: Option<String>,
}

/// One try.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Attempt {
    /// Its number, from 1.
    pub number: u32,
    /// When it began.
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub took_ms: i64,
    /// `delivered`, `retry`, `refused` or `gone`.
    pub outcome: String,
    /// The status of the answer.
    pub status: Option<u16>,
    /// Why it was not delivered.
    pub why: Option<String>,
}

/// How many notices there are, by channel and state.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct Counts {
    /// By channel, then by state.
    pub channels: BTreeMap<String, BTreeMap<KeptState, u64>>,
}

impl Counts {
    /// All of one state.
    pub fn of(&self, state: KeptState) -> u64 {
        self.channels
            .values()
            .filter_map(|by_state| by_state.get(&state))
            .sum()
    }
}

const COLUMNS: &str = "id, channel, state, accepted_at, expires_at, next_at, done_at, tries, why";

fn kept(row: &Row<'_>) -> rusqlite::Result<Kept> {
    let code: i64 = row.get(2)?;
    let state = KeptState::ALL
        .into_iter()
        .find(|state| state.code() == code);
    let state = state.unwrap_or(KeptState::Dead);
    let next: i64 = row.get(5)?;
    Ok(Kept {
        id: row.get(0)?,
        channel: row.get(1)?,
        state,
        accepted: time(row.get(3)?),
        expires: time(row.get(4)?),
        next: (state == KeptState::Pending).then(|| time(next)),
        done: row.get::<_, Option<i64>>(6)?.map(time),
        tries: row.get(7)?,
        why: row.get(8)?,
    })
}

impl Outbox {
    /// Notices, the newest first.
    ///
    /// # Errors
    /// [`OutboxError::Sqlite`].
    pub fn list(&self, filter: &Filter) -> Result<Vec<Kept>> {
        let limit = if filter.limit == 0 { 100 } else { filter.limit };
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let sql = format!(
            "SELECT {COLUMNS} FROM notice WHERE (?1 IS NULL OR state = ?1)
             AND (?2 IS NULL OR channel = ?2) ORDER BY seq DESC LIMIT ?3"
        );
        self.run(|db| {
            let mut all = db.prepare_cached(&sql)?;
            let wanted = params![filter.state.map(KeptState::code), filter.channel, limit];
            all.query_map(wanted, kept)?.collect()
        })
    }

    /// One notice with what it says and all its tries.
    ///
    /// # Errors
    /// [`OutboxError::Unknown`], [`OutboxError::Body`], [`OutboxError::Sqlite`].
    pub fn show(&self, id: &str) -> Result<(Kept, Notice, Vec<Attempt>)> {
        let found = self.run(|db| {
            let sql = format!("SELECT {COLUMNS}, body, seq FROM notice WHERE id = ?1");
            let row =
                |row: &Row<'_>| Ok((kept(row)?, row.get::<_, String>(9)?, row.get::<_, i64>(10)?));
            db.query_row(&sql, [id], row).optional()
        })?;
        let (kept, body, seq) = found.ok_or_else(|| OutboxError::Unknown { id: id.to_owned() })?;
        let attempts = self.run(|db| {
            let sql = "SELECT try, at, took_ms, outcome, status, why FROM attempt
                       WHERE seq = ?1 ORDER BY try";
            let mut all = db.prepare_cached(sql)?;
            let attempts = all.query_map([seq], |row| {
                Ok(Attempt {
                    number: row.get(0)?,
                    at: time(row.get(1)?),
                    took_ms: row.get(2)?,
                    outcome: row.get(3)?,
                    status: row.get(4)?,
                    why: row.get(5)?,
                })
            })?;
            attempts.collect()
        })?;
        let notice = notice_of(id, &body)?;
        Ok((kept, notice, attempts))
    }

    /// How many notices there are.
    ///
    /// # Errors
    /// [`OutboxError::Sqlite`].
    pub fn counts(&self) -> Result<Counts> {
        self.run(|db| {
            let mut counts = Counts::default();
            for state in KeptState::ALL {
                let sql = "SELECT channel, count(*) FROM notice WHERE state = ?1 GROUP BY channel";
                let mut all = db.prepare_cached(sql)?;
                let mut rows = all.query([state.code()])?;
                while let Some(row) = rows.next()? {
                    let by_state = counts.channels.entry(row.get(0)?).or_default();
                    by_state.insert(state, row.get::<_, i64>(1)?.unsigned_abs());
                }
            }
            Ok(counts)
        })
    }
}
