//! What stands on channels that forget it otherwise.
//!
//! An Alertmanager ends an alert that nobody tells again. So the last word on each alert is kept
//! while it stands and for some time after its end. Labels are the identity there: when they change
//! (the severity went up), the alert with the old ones ends.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, params};
use tidegate_dispatch::Notice;

use super::{Outbox, Result, time};
use crate::form::alertmanager::PushAlert;

/// How long an end is told again (Alertmanager's clients: 5 minutes, or 15 in Prometheus).
const ENDED_FOR: Duration = Duration::from_mins(5);
/// An alert of which nothing was told for so long stands no more.
const FORGOTTEN_AFTER: Duration = Duration::from_hours(48);
/// Most alerts of a channel that stand; beyond it those told first are forgotten.
const STANDING_MAX: u32 = 100_000;

/// An alert as it stands on a channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// The alert's id and its labels, by which it is found again.
    pub key: (String, String),
    /// What is told of it.
    pub alert: PushAlert,
    /// When it ended; `None` while it stands.
    pub ended: Option<Timestamp>,
}

/// Keeps the last word on the alerts of a notice.
pub(super) fn keep(db: &Connection, notice: &Notice) -> rusqlite::Result<()> {
    let told_at = notice.created.as_millisecond();
    for alert in &notice.alerts {
        let push = PushAlert::new(alert);
        let Ok(body) = serde_json::to_string(&push) else {
            continue;
        };
        let labels = push.identity();
        let ended = (alert.record.state == "resolved").then_some(told_at);
        // Whoever is known by other labels ends now.
        let sql = "UPDATE standing SET ended_at = ?4
                   WHERE channel = ?1 AND alert = ?2 AND labels <> ?3 AND ended_at IS NULL";
        db.prepare_cached(sql)?.execute(params![
            notice.channel,
            alert.record.id,
            labels,
            told_at
        ])?;
        let sql = "INSERT OR REPLACE INTO standing VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        db.prepare_cached(sql)?.execute(params![
            notice.channel,
            alert.record.id,
            labels,
            body,
            told_at,
            ended
        ])?;
    }
    let sql = "DELETE FROM standing WHERE channel = ?1 AND (alert, labels) IN (
                 SELECT alert, labels FROM standing WHERE channel = ?1
                 ORDER BY told_at DESC, alert, labels LIMIT -1 OFFSET ?2)";
    let count: u32 = db
        .prepare_cached("SELECT count(*) FROM standing WHERE channel = ?1")?
        .query_row([&notice.channel], |row| row.get(0))?;
    if count > STANDING_MAX {
        db.prepare_cached(sql)?
            .execute(params![notice.channel, STANDING_MAX])?;
    }
    Ok(())
}

impl Outbox {
    /// Forgets what ended on a channel so long ago that nobody is told of it any more, and alerts of
    /// which nothing was told for two days.
    ///
    /// # Errors
    /// [`crate::OutboxError::Sqlite`].
    pub fn forget_ended(&mut self, channel: &str, now: Timestamp) -> Result<()> {
        let before = |span: Duration| {
            let millis = i64::try_from(span.as_millis()).unwrap_or(0);
            now.as_millisecond().saturating_sub(millis)
        };
        let sql = "DELETE FROM standing WHERE channel = ?1 AND (ended_at < ?2 OR told_at < ?3)";
        let (ended, told) = (before(ENDED_FOR), before(FORGOTTEN_AFTER));
        self.run(|db| {
            db.prepare_cached(sql)?
                .execute(params![channel, ended, told])
        })?;
        Ok(())
    }

    /// What stands on a channel, with what ended lately: at most `limit`, in the order of the keys,
    /// those after `after`.
    ///
    /// # Errors
    /// [`crate::OutboxError::Sqlite`].
    pub fn standing(
        &self,
        channel: &str,
        after: &(String, String),
        limit: usize,
    ) -> Result<Vec<Standing>> {
        let sql = "SELECT alert, labels, body, ended_at FROM standing
                   WHERE channel = ?1 AND (alert, labels) > (?2, ?3)
                   ORDER BY alert, labels LIMIT ?4";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.standing_by(sql, params![channel, after.0, after.1, limit])
    }

    /// What stands on a channel of one alert: several only while its labels change.
    ///
    /// # Errors
    /// [`crate::OutboxError::Sqlite`].
    pub fn standing_of(&self, channel: &str, alert: &str) -> Result<Vec<Standing>> {
        let sql = "SELECT alert, labels, body, ended_at FROM standing
                   WHERE channel = ?1 AND alert = ?2 ORDER BY labels";
        self.standing_by(sql, params![channel, alert])
    }

    fn standing_by(&self, sql: &str, of: &[&dyn rusqlite::ToSql]) -> Result<Vec<Standing>> {
        self.run(|db| {
            let mut all = db.prepare_cached(sql)?;
            let mut rows = all.query(of)?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let body: String = row.get(2)?;
                let ended: Option<i64> = row.get(3)?;
                // What an older version wrote and this one cannot read is not told.
                if let Ok(alert) = serde_json::from_str(&body) {
                    found.push(Standing {
                        key: (row.get(0)?, row.get(1)?),
                        alert,
                        ended: ended.map(time),
                    });
                }
            }
            Ok(found)
        })
    }
}
