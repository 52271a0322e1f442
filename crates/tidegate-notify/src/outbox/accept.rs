//! Notices come in.

use std::collections::BTreeSet;

use jiff::Timestamp;
use rusqlite::{Connection, params};
use tidegate_dispatch::Notice;
use tidegate_dispatch::state::StatePart;

use super::{Outbox, OutboxError, ReadUpTo, Result, orders, standing};

/// Longest id of a notice.
const ID_LENGTH_MAX: usize = 128;

/// What is stored all or nothing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Batch {
    /// What is to be told. A notice whose id is known is passed over.
    pub notices: Vec<Notice>,
    /// What changed of the dispatcher's state, by all of it.
    pub dispatch_parts: Vec<StatePart>,
    /// How far its reader is.
    pub positions: Vec<ReadUpTo>,
    /// Orders that the state has taken in: number and result.
    pub done_orders: Vec<(i64, String)>,
}

impl Outbox {
    /// [`Outbox::accept_batch`] without orders.
    ///
    /// # Errors
    /// Those of [`Outbox::accept_batch`].
    pub fn accept(
        &mut self,
        notices: &[Notice],
        dispatch_parts: &[StatePart],
        positions: &[ReadUpTo],
        now: Timestamp,
    ) -> Result<usize> {
        let batch = Batch {
            notices: notices.to_vec(),
            dispatch_parts: dispatch_parts.to_vec(),
            positions: positions.to_vec(),
            done_orders: Vec::new(),
        };
        self.accept_batch(&batch, now)
    }

    /// Stores notices, what changed of the dispatcher's state, how far its reader is and which orders
    /// were applied, all or nothing, and gives how many of the notices are new.
    ///
    /// # Errors
    /// [`OutboxError::Full`] where more would be pending than it may hold,
    /// [`OutboxError::OrderNotOpen`], [`OutboxError::Id`], [`OutboxError::Body`],
    /// [`OutboxError::Sqlite`]; nothing is stored then.
    pub fn accept_batch(&mut self, batch: &Batch, now: Timestamp) -> Result<usize> {
        for notice in &batch.notices {
            check_id(&notice.id)?;
        }
        let kept = self.standing.clone();
        let (rows, rows_max) = (self.rows, self.limits.rows_max);
        let (new, pruned) = self.transaction(|db| {
            let mut new = 0;
            for notice in &batch.notices {
                match insert(db, notice, now)? {
                    Ok(Inserted::New(seq)) => {
                        new += 1;
                        link(db, notice, seq)?;
                        if kept.contains(&notice.channel) {
                            standing::keep(db, notice)?;
                        }
                    }
                    Ok(Inserted::Known) => {}
                    Err(fault) => return Ok(Err(fault)),
                }
            }
            for (number, result) in &batch.done_orders {
                if let Err(fault) = orders::done(db, *number, result, now)? {
                    return Ok(Err(fault));
                }
            }
            resume_from(db, batch)?;
            let over = (rows + new).saturating_sub(rows_max);
            let pruned = prune(db, over)?;
            if pruned < over {
                let pending = rows + new - pruned;
                return Ok(Err(OutboxError::Full {
                    pending: pending - new,
                    more: new,
                    rows_max,
                }));
            }
            Ok(Ok((new, pruned)))
        })?;
        self.rows = self.rows + new - pruned;
        Ok(usize::try_from(new).unwrap_or(usize::MAX))
    }
}

/// Stores where a restart begins.
fn resume_from(db: &Connection, batch: &Batch) -> rusqlite::Result<()> {
    for ReadUpTo {
        topic,
        partition,
        offset,
    } in &batch.positions
    {
        db.prepare_cached("INSERT OR REPLACE INTO read_up_to VALUES (?1, ?2, ?3)")?
            .execute(params![topic, partition, offset])?;
    }
    let sql = "INSERT INTO dispatch_part VALUES (?1, ?2)
               ON CONFLICT (key) DO UPDATE SET bytes = excluded.bytes";
    let mut put = db.prepare_cached(sql)?;
    let mut remove = db.prepare_cached("DELETE FROM dispatch_part WHERE key = ?1")?;
    for StatePart { key, bytes } in &batch.dispatch_parts {
        match bytes {
            Some(bytes) => put.execute(params![key, bytes])?,
            None => remove.execute([key])?,
        };
    }
    Ok(())
}

/// What `webhook-id` may be, so that it can be signed: without a dot.
fn check_id(id: &str) -> Result<()> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if id.is_empty() || id.len() > ID_LENGTH_MAX || !id.bytes().all(allowed) {
        return Err(OutboxError::Id { id: id.to_owned() });
    }
    Ok(())
}

enum Inserted {
    New(i64),
    Known,
}

fn insert(db: &Connection, notice: &Notice, now: Timestamp) -> rusqlite::Result<Result<Inserted>> {
    let body = match serde_json::to_string(notice) {
        Ok(body) => body,
        Err(error) => {
            return Ok(Err(OutboxError::Body {
                id: notice.id.clone(),
                error,
            }));
        }
    };
    let sql = "INSERT INTO notice (id, channel, body, accepted_at, expires_at, next_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?4) ON CONFLICT (id) DO NOTHING";
    let added = db.prepare_cached(sql)?.execute(params![
        notice.id,
        notice.channel,
        body,
        now.as_millisecond(),
        notice.expires.as_millisecond(),
    ])?;
    Ok(Ok(match added {
        0 => Inserted::Known,
        _ => Inserted::New(db.last_insert_rowid()),
    }))
}

/// Ties a pending notice to its alerts.
pub(super) fn link(db: &Connection, notice: &Notice, seq: i64) -> rusqlite::Result<()> {
    let alerts: BTreeSet<&str> = notice.alerts.iter().map(|a| a.record.id.as_str()).collect();
    let mut add = db.prepare_cached("INSERT OR IGNORE INTO pending_alert VALUES (?1, ?2, ?3)")?;
    for alert in alerts {
        add.execute(params![notice.channel, alert, seq])?;
    }
    Ok(())
}

/// Forgets up to so many notices that are done: the delivered first, the oldest first.
fn prune(db: &Connection, over: u64) -> rusqlite::Result<u64> {
    let mut pruned = 0;
    for state in [1, 2] {
        let left = i64::try_from(over - pruned).unwrap_or(i64::MAX);
        if left == 0 {
            break;
        }
        let sql = "DELETE FROM notice WHERE seq IN
                   (SELECT seq FROM notice WHERE state = ?1 ORDER BY seq LIMIT ?2)";
        let gone = db.prepare_cached(sql)?.execute(params![state, left])?;
        if state == 2 && gone > 0 {
            tracing::warn!(
                notices = gone,
                "Dead letters forgotten: the outbox is full."
            );
        }
        pruned += gone as u64;
    }
    Ok(pruned)
}
