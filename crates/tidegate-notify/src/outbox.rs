//! Notices on disk: nothing that was accepted is lost, and nothing is told under another id.
//!
//! [`Outbox::accept`] stores notices, what changed of the dispatcher's state and the reader's position
//! in one transaction that is on disk when it returns. Killed before it, the reader begins where it was
//! and makes the same notices with the same ids; killed after it, they are here. A notice is
//! pending until it is delivered or dead, and what is pending for one alert on one channel is due
//! one after the other. What was sent but not yet recorded is sent again after a restart: at least
//! once, with the same id.
//!
//! Several processes may read the file and make dead letters pending, but one only may deliver:
//! [`Outbox::deliver_alone`].

mod accept;
mod list;
mod orders;
mod record;
mod standing;
mod turns;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::Connection;
use tidegate_dispatch::Notice;
use tidegate_dispatch::state::StoredParts;

pub use accept::Batch;
pub use list::{Attempt, Counts, Filter, Kept, KeptState};
pub use orders::{ORDER_BYTES_MAX, Order, OrdersHead};
pub use record::{Done, End};
pub use standing::Standing;
pub use turns::Turn;

/// Version of the tables; `user_version` of the file.
const VERSION: i64 = 3;
/// Longest reason that is kept, in characters.
const WHY_CHARS_MAX: usize = 500;
/// Most attempts that are kept of one notice; later ones are only counted.
const ATTEMPTS_MAX: u32 = 200;

/// What the outbox may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxLimits {
    /// Most notices; beyond it those delivered first are forgotten, then the oldest dead ones,
    /// never pending ones.
    pub rows_max: u64,
}

impl Default for OutboxLimits {
    fn default() -> Self {
        Self { rows_max: 100_000 }
    }
}

/// Where the reader of a topic goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadUpTo {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The next offset to read.
    pub offset: i64,
}

/// What was stored with the newest notices.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resume {
    /// The dispatcher's state; without any part in a new outbox.
    pub dispatch_parts: StoredParts,
    /// Where to go on reading.
    pub positions: Vec<ReadUpTo>,
}

/// A notice that can be tried now.
#[derive(Debug, Clone, PartialEq)]
pub struct Due {
    /// Its place in the order of acceptance.
    pub seq: i64,
    /// Tries so far.
    pub tries: u32,
    /// When tries stop: what the notice says, or what [`Outbox::resend`] made of it.
    pub expires: Timestamp,
    /// What to tell.
    pub notice: Notice,
}

/// Why the outbox did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutboxError {
    /// `SQLite` said no: a full disk, a file of something else, another process.
    #[error("outbox {path}: {error}")]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What `SQLite` said.
        error: rusqlite::Error,
    },
    /// The file could not be made.
    #[error("outbox {path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// Another process delivers.
    #[error("outbox {path} is in use by another process that delivers; stop that one first")]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// The file is of a later version of the product.
    #[error(
        "outbox {path} has version {found}, this program knows up to {VERSION}; use the newer program"
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
    },
    /// Everything it may hold is pending.
    #[error(
        "outbox is full: {pending} notices are pending and {more} more came, {rows_max} are allowed; \
         see which channels do not deliver, or raise the limit"
    )]
    Full {
        /// Pending ones.
        pending: u64,
        /// What was to be accepted.
        more: u64,
        /// The limit.
        rows_max: u64,
    },
    /// A notice that no receiver could take.
    #[error("notice id {id:?} must be of 1 to 128 letters, digits, - and _")]
    Id {
        /// What it says.
        id: String,
    },
    /// A notice that is stored cannot be read, or one to store cannot be written.
    #[error("notice {id}: {error}")]
    Body {
        /// Its id.
        id: String,
        /// What is wrong with its JSON.
        error: serde_json::Error,
    },
    /// No notice has this id.
    #[error("no notice {id:?} is in the outbox; it may have been forgotten")]
    Unknown {
        /// The id.
        id: String,
    },
    /// An order that is none.
    #[error("order refused: {why}")]
    OrderRefused {
        /// Why.
        why: String,
    },
    /// An order is said to be applied that does not exist, or was applied before.
    #[error("order {number} is not open: it was applied before, or there is none of this number")]
    OrderNotOpen {
        /// Its number.
        number: i64,
    },
    /// The chain of orders is broken.
    #[error("order {number}: {why}; somebody changed the outbox by hand")]
    OrderBroken {
        /// The first order that is not what it was.
        number: i64,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The notice is not dead.
    #[error("notice {id:?} is {state}; only dead ones can be sent again")]
    NotDead {
        /// The id.
        id: String,
        /// What it is.
        state: &'static str,
    },
}

type Result<T> = std::result::Result<T, OutboxError>;

/// Notices on disk.
#[derive(Debug)]
pub struct Outbox {
    db: Connection,
    path: PathBuf,
    limits: OutboxLimits,
    /// Channels whose alerts are kept as standing.
    standing: std::collections::BTreeSet<String>,
    /// Rows, so that they need not be counted each time.
    rows: u64,
}

impl Outbox {
    /// Opens the file, and makes it, readable for its owner only, where there is none.
    ///
    /// # Errors
    /// [`OutboxError::Sqlite`], [`OutboxError::File`] and [`OutboxError::Version`].
    pub fn open(path: &Path, limits: OutboxLimits) -> Result<Self> {
        use std::os::unix::fs::OpenOptionsExt as _;
        // SQLite gives its own files beside it the same mode.
        std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)
            .map_err(|error| OutboxError::File {
                path: path.to_owned(),
                error,
            })?;
        let told = |error| OutboxError::Sqlite {
            path: path.to_owned(),
            error,
        };
        let db = Connection::open(path).map_err(told)?;
        db.busy_timeout(std::time::Duration::from_secs(5))
            .map_err(told)?;
        // FULL: a commit is on disk when it returns.
        db.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;",
        )
        .map_err(told)?;
        db.set_prepared_statement_cache_capacity(64);
        let mut outbox = Self {
            db,
            path: path.to_owned(),
            limits,
            standing: std::collections::BTreeSet::new(),
            rows: 0,
        };
        outbox.migrate()?;
        let count = "SELECT count(*) FROM notice";
        let rows: i64 = outbox.run(|db| db.query_row(count, [], |row| row.get(0)))?;
        outbox.rows = rows.unsigned_abs();
        Ok(outbox)
    }

    fn migrate(&mut self) -> Result<()> {
        let path = self.path.clone();
        self.transaction(|db| {
            let found: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
            if !(0..=VERSION).contains(&found) {
                return Ok(Err(OutboxError::Version { path, found }));
            }
            if found < 1 {
                db.execute_batch(include_str!("outbox/schema.sql"))?;
            }
            if found < 2 {
                db.execute_batch(include_str!("outbox/orders.sql"))?;
            }
            if found < 3 {
                db.execute_batch(include_str!("outbox/parts.sql"))?;
                db.execute_batch(include_str!("outbox/turns.sql"))?;
            }
            if found < VERSION {
                db.pragma_update(None, "user_version", VERSION)?;
            }
            Ok(Ok(()))
        })
    }

    /// The alerts of these channels are kept as [`Standing`] from now on; what stands on others is
    /// forgotten.
    ///
    /// # Errors
    /// [`OutboxError::Sqlite`].
    pub fn keep_standing(&mut self, channels: &[&str]) -> Result<()> {
        self.standing = channels.iter().map(|name| (*name).to_owned()).collect();
        let kept = self.standing.clone();
        self.transaction(|db| {
            let mut known = db.prepare("SELECT DISTINCT channel FROM standing")?;
            let known: Vec<String> = known
                .query_map([], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            for channel in known.iter().filter(|name| !kept.contains(*name)) {
                db.execute("DELETE FROM standing WHERE channel = ?1", [channel])?;
            }
            Ok(Ok(()))
        })
    }

    /// What was stored with the newest notices: where to begin after a restart.
    ///
    /// # Errors
    /// [`OutboxError::Sqlite`].
    pub fn resume(&self) -> Result<Resume> {
        self.run(|db| {
            let mut parts = db.prepare("SELECT key, bytes FROM dispatch_part")?;
            let parts = parts.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let sql = "SELECT topic, partition, offset FROM read_up_to ORDER BY topic, partition";
            let mut positions = db.prepare(sql)?;
            let positions = positions.query_map([], |row| {
                Ok(ReadUpTo {
                    topic: row.get(0)?,
                    partition: row.get(1)?,
                    offset: row.get(2)?,
                })
            })?;
            Ok(Resume {
                dispatch_parts: parts.collect::<rusqlite::Result<_>>()?,
                positions: positions.collect::<rusqlite::Result<_>>()?,
            })
        })
    }

    /// Channels that are gone and whose settings are as they were then: why. Others that were gone
    /// are forgotten. `settings` has the hash of each channel's settings.
    ///
    /// # Errors
    /// [`OutboxError::Sqlite`].
    pub fn gone(
        &mut self,
        settings: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>> {
        self.transaction(|db| {
            let mut all = db.prepare("SELECT channel, settings, why FROM gone")?;
            let all: Vec<(String, String, String)> = all
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
                .collect::<rusqlite::Result<_>>()?;
            let mut still = BTreeMap::new();
            for (channel, hash, why) in all {
                if settings.get(&channel) == Some(&hash) {
                    still.insert(channel, why);
                } else {
                    db.execute("DELETE FROM gone WHERE channel = ?1", [&channel])?;
                }
            }
            Ok(Ok(still))
        })
    }

    /// Makes sure that nobody else delivers as long as what is returned lives, or this process.
    ///
    /// # Errors
    /// [`OutboxError::Busy`], [`OutboxError::File`].
    pub fn deliver_alone(&self) -> Result<std::fs::File> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let mut path = self.path.clone().into_os_string();
        path.push(".lock");
        let path = PathBuf::from(path);
        let told = |error| OutboxError::File {
            path: path.clone(),
            error,
        };
        let options = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&path);
        let file = options.map_err(told)?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(std::fs::TryLockError::WouldBlock) => Err(OutboxError::Busy {
                path: self.path.clone(),
            }),
            Err(std::fs::TryLockError::Error(error)) => Err(told(error)),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn told(&self, error: rusqlite::Error) -> OutboxError {
        OutboxError::Sqlite {
            path: self.path.clone(),
            error,
        }
    }

    /// Reads.
    fn run<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        work(&self.db).map_err(|error| self.told(error))
    }

    /// Writes all or nothing. A fault of ours (the inner error) undoes it, too.
    fn transaction<T>(
        &mut self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<Result<T>>,
    ) -> Result<T> {
        let path = self.path.clone();
        let told = |error| OutboxError::Sqlite { path, error };
        let behavior = rusqlite::TransactionBehavior::Immediate;
        let transaction = match self.db.transaction_with_behavior(behavior) {
            Ok(transaction) => transaction,
            Err(error) => return Err(told(error)),
        };
        match work(&transaction) {
            Ok(Ok(value)) => match transaction.commit() {
                Ok(()) => Ok(value),
                Err(error) => Err(told(error)),
            },
            Ok(Err(fault)) => Err(fault),
            Err(error) => Err(told(error)),
        }
    }
}

/// A reason, cut to what is kept.
fn short(why: &str) -> String {
    why.chars().take(WHY_CHARS_MAX).collect()
}

fn time(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX)
}

fn notice_of(id: &str, body: &str) -> Result<Notice> {
    serde_json::from_str(body).map_err(|error| OutboxError::Body {
        id: id.to_owned(),
        error,
    })
}
