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
    /// What stands on a channel at `now`, of these alerts or of all, with what ended lately. What
    /// ended before that is forgotten.
    ///
    /// # Errors
    /// [`crate::OutboxError::Sqlite`].
    pub fn standing(
        &mut self,
        channel: &str,
        alerts: Option<&[&str]>,
        now: Timestamp,
    ) -> Result<Vec<Standing>> {
        let before =
            |span: Duration| now.as_millisecond() - i64::try_from(span.as_millis()).unwrap_or(0);
        self.transaction(|db| {
            let sql = "DELETE FROM standing WHERE channel = ?1 AND (ended_at < ?2 OR told_at < ?3)";
            let (ended, told) = (before(ENDED_FOR), before(FORGOTTEN_AFTER));
            db.prepare_cached(sql)?
                .execute(params![channel, ended, told])?;
            let mut found = Vec::new();
            let mut take = |sql: &str, alert: Option<&str>| -> rusqlite::Result<()> {
                let mut all = db.prepare_cached(sql)?;
                let mut rows = match alert {
                    Some(alert) => all.query(params![channel, alert])?,
                    None => all.query([channel])?,
                };
                while let Some(row) = rows.next()? {
                    let body: String = row.get(0)?;
                    let ended: Option<i64> = row.get(1)?;
                    // What an older version wrote and this one cannot read is not told.
                    if let Ok(alert) = serde_json::from_str(&body) {
                        let ended = ended.map(time);
                        found.push(Standing { alert, ended });
                    }
                }
                Ok(())
            };
            let all =
                "SELECT body, ended_at FROM standing WHERE channel = ?1 ORDER BY alert, labels";
            let some = "SELECT body, ended_at FROM standing WHERE channel = ?1 AND alert = ?2
                        ORDER BY labels";
            match alerts {
                None => take(all, None)?,
                Some(alerts) => {
                    for alert in alerts {
                        take(some, Some(alert))?;
                    }
                }
            }
            Ok(Ok(found))
        })
    }
}
