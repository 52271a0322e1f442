//! What is due, and what became of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{ATTEMPTS_MAX, Due, Outbox, OutboxError, Result, accept, notice_of, short, time};

/// How long a dead letter is tried that is sent again, at least: its own end may be past.
const AGAIN_FOR: Duration = Duration::from_hours(1);

/// What a try came to, for the notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It is delivered.
    Delivered,
    /// It is tried again then.
    RetryAt(Timestamp, String),
    /// It is dead.
    Dead(String),
    /// It is dead, and so is all else that waits for its channel; the hash is that of the
    /// channel's settings.
    Gone(String, String),
}

/// A try that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The notice.
    pub seq: i64,
    /// When the try began.
    pub at: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// One word for it: `delivered`, `retry`, `refused` or `gone`.
    pub outcome: &'static str,
    /// The other side's status.
    pub status: Option<u16>,
    /// What comes of it.
    pub end: End,
}

impl Outbox {
    /// The notices of a channel that can be tried now, in the order in which they were accepted: at
    /// most `limit`, without those of `claimed`. One of an alert is never due while an earlier one
    /// of that alert is pending on the channel, nor while a later one is claimed: that one was on
    /// its way when a dead letter was made pending again.
    ///
    /// # Errors
    /// [`OutboxError::Sqlite`], [`OutboxError::Body`].
    pub fn due(
        &self,
        channel: &str,
        now: Timestamp,
        limit: usize,
        claimed: &BTreeSet<i64>,
    ) -> Result<Vec<Due>> {
        let sql = "SELECT seq, tries, expires_at, id, body FROM notice AS n
                   WHERE state = 0 AND channel = ?1 AND next_at <= ?2 AND expires_at > ?2
                     AND NOT EXISTS (
                       SELECT 1 FROM pending_alert AS mine JOIN pending_alert AS earlier
                         ON earlier.channel = mine.channel AND earlier.alert = mine.alert
                        AND earlier.seq < mine.seq
                       WHERE mine.seq = n.seq)
                   ORDER BY seq";
        let rows = self.run(|db| {
            let mut due = db.prepare_cached(sql)?;
            let mut rows = due.query(params![channel, now.as_millisecond()])?;
            let mut found: Vec<(i64, u32, i64, String, String)> = Vec::new();
            while found.len() < limit
                && let Some(row) = rows.next()?
            {
                let seq = row.get(0)?;
                if !claimed.contains(&seq) && !touches(db, seq, claimed)? {
                    found.push((seq, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?));
                }
            }
            Ok(found)
        })?;
        let due = |(seq, tries, expires, id, body): (i64, u32, i64, String, String)| {
            Ok(Due {
                seq,
                tries,
                expires: time(expires),
                notice: notice_of(&id, &body)?,
            })
        };
        rows.into_iter().map(due).collect()
    }

    /// When something next becomes due or expires that is neither now; `None` where nothing will.
    ///
    /// # Errors
    /// [`OutboxError::Sqlite`].
    pub fn wake(&self, now: Timestamp) -> Result<Option<Timestamp>> {
        let sql = "SELECT min(at) FROM (
                     SELECT min(next_at) AS at FROM notice WHERE state = 0 AND next_at > ?1
                     UNION ALL
                     SELECT min(expires_at) FROM notice WHERE state = 0 AND expires_at > ?1)";
        let next: Option<i64> = self.run(|db| {
            db.prepare_cached(sql)?
                .query_row([now.as_millisecond()], |row| row.get(0))
        })?;
        Ok(next.map(time))
    }

    /// Records what tries came to, all or nothing. Those of notices that are not pending any more
    /// only count as attempts.
    ///
    /// # Errors
    /// [`OutboxError::Sqlite`].
    pub fn record(&mut self, done: &[Done]) -> Result<()> {
        self.transaction(|db| {
            for one in done {
                attempted(db, one)?;
                ended(db, one)?;
            }
            Ok(Ok(()))
        })
    }

    /// A notice is delivered, by whatever way: [`Outbox::record`] of one try without a status.
    ///
    /// # Errors
    /// [`OutboxError::Unknown`], [`OutboxError::Sqlite`].
    pub fn delivered(&mut self, id: &str, now: Timestamp) -> Result<()> {
        self.end_by_hand(id, now, "delivered", End::Delivered)
    }

    /// A notice is tried again at `when`.
    ///
    /// # Errors
    /// [`OutboxError::Unknown`], [`OutboxError::Sqlite`].
    pub fn retry_at(
        &mut self,
        id: &str,
        now: Timestamp,
        when: Timestamp,
        error: &str,
    ) -> Result<()> {
        self.end_by_hand(id, now, "retry", End::RetryAt(when, error.to_owned()))
    }

    /// A notice is dead.
    ///
    /// # Errors
    /// [`OutboxError::Unknown`], [`OutboxError::Sqlite`].
    pub fn dead(&mut self, id: &str, now: Timestamp, why: &str) -> Result<()> {
        self.end_by_hand(id, now, "refused", End::Dead(why.to_owned()))
    }

    fn end_by_hand(
        &mut self,
        id: &str,
        at: Timestamp,
        outcome: &'static str,
        end: End,
    ) -> Result<()> {
        let seq = self.run(|db| {
            let sql = "SELECT seq FROM notice WHERE id = ?1";
            db.query_row(sql, [id], |row| row.get(0)).optional()
        })?;
        let seq = seq.ok_or_else(|| OutboxError::Unknown { id: id.to_owned() })?;
        self.record(&[Done {
            seq,
            at,
            took: Duration::ZERO,
            outcome,
            status: None,
            end,
        }])
    }

    /// Makes dead letters, with the reason `expired`, of what is of no use any more, except of those
    /// that are being tried. Gives how many, by channel.
    ///
    /// # Errors
    /// [`OutboxError::Sqlite`].
    pub fn expire(
        &mut self,
        now: Timestamp,
        claimed: &BTreeSet<i64>,
    ) -> Result<BTreeMap<String, u64>> {
        let millis = now.as_millisecond();
        let sql = "SELECT seq, channel, why FROM notice WHERE state = 0 AND expires_at <= ?1";
        let late: Vec<(i64, String, Option<String>)> = self.run(|db| {
            let mut late = db.prepare_cached(sql)?;
            let rows =
                late.query_map([millis], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            rows.collect()
        })?;
        let late: Vec<_> = late
            .into_iter()
            .filter(|(seq, ..)| !claimed.contains(seq))
            .collect();
        let mut by_channel = BTreeMap::new();
        if late.is_empty() {
            return Ok(by_channel);
        }
        self.transaction(|db| {
            for (seq, channel, why) in late {
                let why = match why {
                    Some(why) => format!("expired; the last try: {why}"),
                    None => "expired".to_owned(),
                };
                bury(db, seq, now, &why)?;
                *by_channel.entry(channel).or_default() += 1;
            }
            Ok(Ok(()))
        })?;
        Ok(by_channel)
    }

    /// Makes dead letters of all that waits for a channel, except of `claimed`. Gives how many.
    ///
    /// # Errors
    /// [`OutboxError::Sqlite`].
    pub fn bury_channel(
        &mut self,
        channel: &str,
        now: Timestamp,
        why: &str,
        claimed: &BTreeSet<i64>,
    ) -> Result<u64> {
        let pending: Vec<i64> = self.run(|db| {
            let sql = "SELECT seq FROM notice WHERE state = 0 AND channel = ?1";
            let mut pending = db.prepare_cached(sql)?;
            pending.query_map([channel], |row| row.get(0))?.collect()
        })?;
        let pending: Vec<i64> = pending
            .into_iter()
            .filter(|seq| !claimed.contains(seq))
            .collect();
        if pending.is_empty() {
            return Ok(0);
        }
        self.transaction(|db| {
            for seq in &pending {
                bury(db, *seq, now, why)?;
            }
            Ok(Ok(pending.len() as u64))
        })
    }

    /// Channels with pending notices.
    ///
    /// # Errors
    /// [`OutboxError::Sqlite`].
    pub fn pending_channels(&self) -> Result<BTreeSet<String>> {
        self.run(|db| {
            // From one channel to the next by the index, not through all their rows.
            let sql = "WITH RECURSIVE one (name) AS (
                         SELECT min(channel) FROM notice WHERE state = 0
                         UNION ALL
                         SELECT (SELECT min(channel) FROM notice
                                 WHERE state = 0 AND channel > one.name)
                         FROM one WHERE one.name IS NOT NULL)
                       SELECT name FROM one WHERE name IS NOT NULL";
            db.prepare_cached(sql)?
                .query_map([], |row| row.get(0))?
                .collect()
        })
    }

    /// Makes a dead letter pending again, with its old id and its old place in the order, until it
    /// expires or for an hour, whichever is longer.
    ///
    /// # Errors
    /// [`OutboxError::Unknown`], [`OutboxError::NotDead`], [`OutboxError::Body`],
    /// [`OutboxError::Sqlite`].
    pub fn resend(&mut self, id: &str, now: Timestamp) -> Result<()> {
        let until = crate::retry::later(now, AGAIN_FOR).as_millisecond();
        self.transaction(|db| {
            let sql = "SELECT seq, state, body FROM notice WHERE id = ?1";
            let found: Option<(i64, i64, String)> = db
                .query_row(sql, [id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
                .optional()?;
            let id = id.to_owned();
            let (seq, body) = match found {
                None => return Ok(Err(OutboxError::Unknown { id })),
                Some((seq, 2, body)) => (seq, body),
                Some((_, state, _)) => {
                    let state = if state == 0 { "pending" } else { "delivered" };
                    return Ok(Err(OutboxError::NotDead { id, state }));
                }
            };
            let notice = match notice_of(&id, &body) {
                Ok(notice) => notice,
                Err(fault) => return Ok(Err(fault)),
            };
            db.execute(
                "UPDATE notice SET state = 0, next_at = ?2, done_at = NULL, why = NULL, tries = 0,
                 expires_at = max(expires_at, ?3) WHERE seq = ?1",
                params![seq, now.as_millisecond(), until],
            )?;
            accept::link(db, &notice, seq)?;
            Ok(Ok(()))
        })
    }
}

/// Whether a notice is about an alert that a claimed one is about, too.
fn touches(db: &Connection, seq: i64, claimed: &BTreeSet<i64>) -> rusqlite::Result<bool> {
    if claimed.range(seq..).next().is_none() {
        return Ok(false);
    }
    let sql = "SELECT later.seq FROM pending_alert AS mine JOIN pending_alert AS later
                 ON later.channel = mine.channel AND later.alert = mine.alert
                AND later.seq > mine.seq
               WHERE mine.seq = ?1";
    let mut later = db.prepare_cached(sql)?;
    let mut rows = later.query([seq])?;
    while let Some(row) = rows.next()? {
        if claimed.contains(&row.get(0)?) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Notes an attempt.
fn attempted(db: &Connection, done: &Done) -> rusqlite::Result<()> {
    let sql = "SELECT coalesce(max(try), 0) + 1 FROM attempt WHERE seq = ?1";
    let number: u32 = db
        .prepare_cached(sql)?
        .query_row([done.seq], |row| row.get(0))?;
    if number <= ATTEMPTS_MAX {
        let why = match &done.end {
            End::Delivered => None,
            End::RetryAt(_, why) | End::Dead(why) | End::Gone(why, _) => Some(short(why)),
        };
        let took = i64::try_from(done.took.as_millis()).unwrap_or(i64::MAX);
        let sql = "INSERT INTO attempt SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7
                   WHERE EXISTS (SELECT 1 FROM notice WHERE seq = ?1)";
        db.prepare_cached(sql)?.execute(params![
            done.seq,
            number,
            done.at.as_millisecond(),
            took,
            done.outcome,
            done.status,
            why
        ])?;
    }
    Ok(())
}

fn ended(db: &Connection, done: &Done) -> rusqlite::Result<()> {
    let over = crate::retry::later(done.at, done.took);
    db.prepare_cached("UPDATE notice SET tries = tries + 1 WHERE seq = ?1 AND state = 0")?
        .execute([done.seq])?;
    match &done.end {
        End::Delivered => {
            let sql = "UPDATE notice SET state = 1, done_at = ?2, why = NULL
                       WHERE seq = ?1 AND state = 0";
            db.prepare_cached(sql)?
                .execute(params![done.seq, over.as_millisecond()])?;
            unlink(db, done.seq)
        }
        End::RetryAt(when, why) => {
            let sql = "UPDATE notice SET next_at = ?2, why = ?3 WHERE seq = ?1 AND state = 0";
            db.prepare_cached(sql)?.execute(params![
                done.seq,
                when.as_millisecond(),
                short(why)
            ])?;
            Ok(())
        }
        End::Dead(why) => bury(db, done.seq, over, why),
        End::Gone(why, settings) => {
            bury(db, done.seq, over, why)?;
            let sql = "INSERT OR REPLACE INTO gone
                       SELECT channel, ?2, ?3, ?4 FROM notice WHERE seq = ?1";
            db.prepare_cached(sql)?.execute(params![
                done.seq,
                settings,
                over.as_millisecond(),
                short(why)
            ])?;
            Ok(())
        }
    }
}

fn bury(db: &Connection, seq: i64, now: Timestamp, why: &str) -> rusqlite::Result<()> {
    let sql = "UPDATE notice SET state = 2, done_at = ?2, why = ?3 WHERE seq = ?1 AND state = 0";
    db.prepare_cached(sql)?
        .execute(params![seq, now.as_millisecond(), short(why)])?;
    unlink(db, seq)
}

fn unlink(db: &Connection, seq: i64) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM pending_alert WHERE seq = ?1")?
        .execute([seq])?;
    Ok(())
}
