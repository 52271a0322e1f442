//! Orders that a schedule makes: each turn of a series is ordered once, whoever looks at the clock
//! how often, and whatever is killed.

use jiff::Timestamp;
use rusqlite::{OptionalExtension as _, params};

use super::{Outbox, OutboxError, Result, orders, time};

/// Longest name of a series.
const SERIES_CHARS_MAX: usize = 500;

/// One of the orders that come again and again; the two together are its identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// What comes again and again, such as the summary of a grid unit on a channel.
    pub series: String,
    /// Which of them, to the millisecond.
    pub at: Timestamp,
}

impl Outbox {
    /// Appends the order of a turn and gives its number, unless the turn has had one: then `None`.
    /// It is on disk when this returns, order and turn together.
    ///
    /// # Errors
    /// Those of [`Outbox::order`]; [`OutboxError::OrderRefused`] also for a series whose name is
    /// empty or longer than 500 characters.
    pub fn order_once(
        &mut self,
        turn: &Turn,
        by: &str,
        body: &str,
        now: Timestamp,
    ) -> Result<Option<i64>> {
        let length = turn.series.chars().count();
        if !(1..=SERIES_CHARS_MAX).contains(&length) {
            let why = format!("its series has {length} characters, not 1 to {SERIES_CHARS_MAX}");
            return Err(OutboxError::OrderRefused { why });
        }
        orders::judge(by, body)?;
        let at = turn.at.as_millisecond();
        self.transaction(|db| {
            let known = "SELECT number FROM order_turn WHERE series = ?1 AND turn = ?2";
            let known = db.query_row(known, params![turn.series, at], |row| row.get::<_, i64>(0));
            if known.optional()?.is_some() {
                return Ok(Ok(None));
            }
            let number = match orders::append(db, by, body, now)? {
                Ok(number) => number,
                Err(fault) => return Ok(Err(fault)),
            };
            db.execute(
                "INSERT INTO order_turn VALUES (?1, ?2, ?3)",
                params![turn.series, at, number],
            )?;
            Ok(Ok(Some(number)))
        })
    }

    /// The newest turn of a series that was ordered.
    ///
    /// # Errors
    /// [`OutboxError::Sqlite`].
    pub fn last_turn(&self, series: &str) -> Result<Option<Timestamp>> {
        self.run(|db| {
            let sql = "SELECT max(turn) FROM order_turn WHERE series = ?1";
            let turn: Option<i64> = db.query_row(sql, [series], |row| row.get(0))?;
            Ok(turn.map(time))
        })
    }
}
