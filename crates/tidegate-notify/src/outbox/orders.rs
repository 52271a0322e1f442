//! What operators order while a notifier runs: silences, acknowledgements, and what else the program
//! knows.
//!
//! Any process may append an order; the one that delivers reads [`Outbox::open_orders`], changes the
//! dispatcher's state, and stores that state, what is told because of it and the orders it applied
//! by [`Outbox::accept_batch`], all or nothing: an order is applied exactly once, whatever is killed.
//!
//! Orders are never changed or deleted (triggers forbid it to every program that does not take them
//! away first) and each has the hash of the one before it, so that [`Outbox::verify_orders`] names
//! the first that somebody changed, took out or put in. Whoever also notes the newest number and
//! hash elsewhere can tell that the newest were cut off, or that all were made anew. Time and result
//! of an order come later and are not part of its hash.
//!
//! The body is JSON that means nothing here.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use sha2::{Digest as _, Sha256};

use super::{Outbox, OutboxError, Result, time};

/// Longest body of an order.
pub const ORDER_BYTES_MAX: usize = 64 * 1024;
/// Longest name of who orders.
const BY_CHARS_MAX: usize = 200;
/// Longest result that is kept; what is longer is cut.
const RESULT_CHARS_MAX: usize = 4_000;
/// Most orders that may be open: nobody applies them.
const OPEN_MAX: i64 = 1_000;
/// What stands before the first order.
const NOTHING_BEFORE: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// An order.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Order {
    /// Its place in the order of orders, from 1 without a gap.
    pub number: i64,
    /// When it was made.
    pub made_at: Timestamp,
    /// Who made it.
    pub by: String,
    /// What is ordered: JSON.
    pub body: String,
    /// The hash of the order before it; zeros before the first.
    pub previous: String,
    /// Its own hash: SHA-256 in hexadecimal digits.
    pub hash: String,
    /// When it was applied; `None` while it is open.
    pub applied_at: Option<Timestamp>,
    /// What came of it.
    pub result: Option<String>,
}

/// The end of a chain that is whole.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct OrdersHead {
    /// The newest order; 0 without any.
    pub number: i64,
    /// Its hash.
    pub hash: String,
}

impl Outbox {
    /// Appends an order and gives its number. It is on disk when this returns.
    ///
    /// # Errors
    /// [`OutboxError::OrderRefused`] for a body that is not JSON or longer than 64 KiB, a name that
    /// is empty, longer than 200 characters or has control characters, and where 1,000 orders are
    /// open; [`OutboxError::Sqlite`].
    pub fn order(&mut self, by: &str, body: &str, now: Timestamp) -> Result<i64> {
        judge(by, body)?;
        self.transaction(|db| append(db, by, body, now))
    }

    /// The orders that are not applied yet, in their order: at most 1,000. Those of other processes
    /// are seen when this is asked; nothing tells of them.
    ///
    /// # Errors
    /// [`OutboxError::Sqlite`].
    pub fn open_orders(&self) -> Result<Vec<Order>> {
        self.orders_by(
            "WHERE applied_at IS NULL ORDER BY number LIMIT ?1",
            OPEN_MAX,
        )
    }

    /// The newest orders, the newest first, with what came of them.
    ///
    /// # Errors
    /// [`OutboxError::Sqlite`].
    pub fn orders(&self, limit: usize) -> Result<Vec<Order>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.orders_by("ORDER BY number DESC LIMIT ?1", limit)
    }

    fn orders_by(&self, which: &str, limit: i64) -> Result<Vec<Order>> {
        let sql = format!(
            "SELECT number, made_at, made_by, body, previous, hash, applied_at, result
             FROM orders {which}"
        );
        self.run(|db| {
            db.prepare_cached(&sql)?
                .query_map([limit], order_of)?
                .collect()
        })
    }

    /// Reads the whole chain and gives its end.
    ///
    /// # Errors
    /// [`OutboxError::OrderBroken`] names the first order that is not what was ordered, or that is
    /// missing; [`OutboxError::Sqlite`].
    pub fn verify_orders(&self) -> Result<OrdersHead> {
        let checked = self.run(|db| {
            let mut all = db.prepare(
                "SELECT number, made_at, made_by, body, previous, hash, applied_at, result
                 FROM orders ORDER BY number",
            )?;
            let mut rows = all.query([])?;
            let mut head = nothing();
            while let Some(row) = rows.next()? {
                match follows(&head, &order_of(row)?, row.get(1)?) {
                    Ok(next) => head = next,
                    Err(broken) => return Ok(Err(broken)),
                }
            }
            Ok(Ok(head))
        })?;
        checked.map_err(|(number, why)| OutboxError::OrderBroken { number, why })
    }
}

/// Appends an order that was judged, within a transaction.
pub(super) fn append(
    db: &Connection,
    by: &str,
    body: &str,
    now: Timestamp,
) -> rusqlite::Result<Result<i64>> {
    let sql = "SELECT count(*) FROM orders WHERE applied_at IS NULL";
    let open: i64 = db.query_row(sql, [], |row| row.get(0))?;
    if open >= OPEN_MAX {
        let why =
            format!("{open} orders are open and none is applied; see whether the notifier runs");
        return Ok(Err(OutboxError::OrderRefused { why }));
    }
    let head = newest(db)?;
    let (number, made_at) = (head.number + 1, now.as_millisecond());
    let hash = hash(number, made_at, by, body, &head.hash);
    db.execute(
        "INSERT INTO orders (number, made_at, made_by, body, previous, hash)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![number, made_at, by, body, head.hash, hash],
    )?;
    Ok(Ok(number))
}

/// Records that an order was applied, within the transaction of what it led to.
pub(super) fn done(
    db: &Connection,
    number: i64,
    result: &str,
    now: Timestamp,
) -> rusqlite::Result<Result<()>> {
    let result: String = result.chars().take(RESULT_CHARS_MAX).collect();
    let sql = "UPDATE orders SET applied_at = ?2, result = ?3
               WHERE number = ?1 AND applied_at IS NULL";
    let changed = db
        .prepare_cached(sql)?
        .execute(params![number, now.as_millisecond(), result])?;
    Ok(match changed {
        1 => Ok(()),
        _ => Err(OutboxError::OrderNotOpen { number }),
    })
}

/// The head after `order`, or which order is broken and why.
fn follows(
    head: &OrdersHead,
    order: &Order,
    made_at: i64,
) -> std::result::Result<OrdersHead, (i64, &'static str)> {
    let wanted = head.number + 1;
    if order.number != wanted {
        return Err((wanted, "it is missing"));
    }
    if order.previous != head.hash {
        return Err((wanted, "it does not follow the one before it"));
    }
    if order.hash != hash(wanted, made_at, &order.by, &order.body, &order.previous) {
        return Err((wanted, "it was changed after it was made"));
    }
    Ok(OrdersHead {
        number: wanted,
        hash: order.hash.clone(),
    })
}

/// Whether it may be an order at all.
pub(super) fn judge(by: &str, body: &str) -> Result<()> {
    let refused = |why: String| Err(OutboxError::OrderRefused { why });
    let length = by.chars().count();
    if by.trim().is_empty() || length > BY_CHARS_MAX || by.chars().any(char::is_control) {
        return refused(format!(
            "who orders must be of 1 to {BY_CHARS_MAX} characters without control characters"
        ));
    }
    if body.len() > ORDER_BYTES_MAX {
        let length = body.len();
        return refused(format!(
            "it has {length} bytes, {ORDER_BYTES_MAX} are allowed"
        ));
    }
    match serde_json::from_str::<serde::de::IgnoredAny>(body) {
        Ok(_) => Ok(()),
        Err(error) => refused(format!("it is not JSON: {error}")),
    }
}

fn nothing() -> OrdersHead {
    OrdersHead {
        number: 0,
        hash: NOTHING_BEFORE.to_owned(),
    }
}

fn newest(db: &Connection) -> rusqlite::Result<OrdersHead> {
    let sql = "SELECT number, hash FROM orders ORDER BY number DESC LIMIT 1";
    let found = db.query_row(sql, [], |row| {
        Ok(OrdersHead {
            number: row.get(0)?,
            hash: row.get(1)?,
        })
    });
    Ok(found.optional()?.unwrap_or_else(nothing))
}

fn order_of(row: &Row<'_>) -> rusqlite::Result<Order> {
    Ok(Order {
        number: row.get(0)?,
        made_at: time(row.get(1)?),
        by: row.get(2)?,
        body: row.get(3)?,
        previous: row.get(4)?,
        hash: row.get(5)?,
        applied_at: row.get::<_, Option<i64>>(6)?.map(time),
        result: row.get(7)?,
    })
}

/// SHA-256 over number and time (8 bytes each, big-endian), then over each text with its length
/// before it, so that nothing can move from one to the next.
fn hash(number: i64, made_at: i64, by: &str, body: &str, previous: &str) -> String {
    let mut digest = Sha256::new();
    digest.update(number.to_be_bytes());
    digest.update(made_at.to_be_bytes());
    for text in [by, body, previous] {
        digest.update((text.len() as u64).to_be_bytes());
        digest.update(text);
    }
    tidegate_model::hex(&digest.finalize())
}
