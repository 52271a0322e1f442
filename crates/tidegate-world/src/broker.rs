//! Kafka as far as the product can tell: logs that grow, one transactional producer that fences
//! the one before it, and outputs that become visible together with their progress or not at all.

use std::collections::BTreeMap;

use tidegate_model::{EventTime, Payload, Position};

use super::output::Output;
use super::store::sha256;
use super::traffic::{Key, Log, Logs};

/// What was made visible by one transaction.
#[derive(Debug)]
pub(crate) struct Commit {
    /// The progress record, as it stands in its topic.
    pub(crate) progress: String,
    pub(crate) outputs: Vec<Output>,
    /// The process that made it.
    pub(crate) by: u64,
}

/// What becomes of a request to commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is done, and the client hears of it.
    Acknowledged,
    /// It is done, and the client does not hear of it.
    AnswerLost,
    /// It never arrives.
    RequestLost,
    /// The broker refuses it, and the transaction with it.
    Refused,
}

/// What the client of a commit learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Committed,
    /// Anything may have happened.
    Unknown,
    /// Nothing has happened.
    Aborted,
}

/// The producer has been fenced: another one took its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fenced;

/// See the module documentation.
#[derive(Debug)]
pub(crate) struct Broker {
    logs: Logs,
    round: u32,
    /// The epoch of the newest producer.
    producer: u64,
    open: Option<Vec<Output>>,
    pub(crate) commits: Vec<Commit>,
}

impl Broker {
    pub(crate) fn new(logs: Logs) -> Self {
        Self {
            logs,
            round: 0,
            producer: 0,
            open: None,
            commits: Vec::new(),
        }
    }

    /// Producers append what is due.
    pub(crate) fn advance(&mut self, round: u32) {
        self.round = round;
    }

    pub(crate) fn logs(&self) -> &Logs {
        &self.logs
    }

    fn log(&self, key: &Key) -> &Log {
        self.logs
            .get(key)
            .expect("only partitions that exist are read")
    }

    /// Partitions that exist by now.
    pub(crate) fn partitions(&self) -> impl Iterator<Item = &Key> {
        let there = |log: &Log| log.appears <= self.round;
        self.logs
            .iter()
            .filter(move |(_, log)| there(log))
            .map(|(key, _)| key)
    }

    /// The first offset of a partition.
    pub(crate) fn start(&self, key: &Key) -> i64 {
        self.log(key).start
    }

    /// The offset behind the last message of a partition.
    pub(crate) fn end(&self, key: &Key) -> i64 {
        self.log(key).end(self.round)
    }

    /// The messages that are there with `from <= offset < to`.
    pub(crate) fn fetch(&self, key: &Key, from: i64, to: i64) -> Vec<Payload<'_>> {
        let there = self.log(key).between(from, to).iter();
        there
            .filter(|sent| sent.due <= self.round)
            .map(|sent| Payload {
                position: Position {
                    partition: key.1,
                    offset: sent.offset,
                    row: 0,
                },
                bytes: sent.bytes.as_deref(),
                arrived: Some(EventTime::from_micros(sent.arrived)),
            })
            .collect()
    }

    /// The offset behind the next `messages` messages from `from` on, at most the log's end.
    pub(crate) fn offset_after(&self, key: &Key, from: i64, messages: usize) -> i64 {
        let sent = &self.log(key).sent;
        let there = sent
            .iter()
            .filter(|s| s.offset >= from && s.due <= self.round);
        match there.take(messages).last() {
            Some(last) => last.offset + 1,
            None => self.end(key),
        }
    }

    /// `init_transactions`: fences every earlier producer and drops what it left open.
    pub(crate) fn init(&mut self) -> u64 {
        self.open = None;
        self.producer += 1;
        self.producer
    }

    /// Begins a transaction.
    pub(crate) fn begin(&mut self, producer: u64) -> Result<(), Fenced> {
        self.check(producer)?;
        self.open = Some(Vec::new());
        Ok(())
    }

    /// Sends records within the transaction.
    pub(crate) fn send(&mut self, producer: u64, outputs: &[Output]) -> Result<(), Fenced> {
        self.check(producer)?;
        let open = self.open.as_mut().expect("begun before");
        open.extend_from_slice(outputs);
        Ok(())
    }

    /// Ends the transaction.
    pub(crate) fn commit(
        &mut self,
        producer: u64,
        by: u64,
        progress: String,
        fate: Fate,
    ) -> Result<Answer, Fenced> {
        if fate == Fate::RequestLost {
            return Ok(Answer::Unknown);
        }
        self.check(producer)?;
        let outputs = self.open.take().expect("begun before");
        if fate == Fate::Refused {
            return Ok(Answer::Aborted);
        }
        self.commits.push(Commit {
            progress,
            outputs,
            by,
        });
        match fate {
            Fate::Acknowledged => Ok(Answer::Committed),
            Fate::AnswerLost | Fate::RequestLost | Fate::Refused => Ok(Answer::Unknown),
        }
    }

    fn check(&self, producer: u64) -> Result<(), Fenced> {
        if producer == self.producer {
            Ok(())
        } else {
            Err(Fenced)
        }
    }

    /// Where every partition must have been read to.
    pub(crate) fn ends(&self) -> BTreeMap<Key, i64> {
        let keys = self.logs.keys();
        keys.map(|key| (key.clone(), self.end(key))).collect()
    }

    /// The SHA-256 of everything visible, the order included.
    pub(crate) fn digest(&self) -> String {
        let mut all = String::new();
        for commit in &self.commits {
            all.push_str(&commit.progress);
            for output in &commit.outputs {
                all.push_str(&output.id);
                all.push_str(&output.full);
            }
        }
        sha256(all.as_bytes())
    }

    /// The round in which the last message is appended.
    pub(crate) fn last_due(&self) -> u32 {
        let sent = self.logs.values().flat_map(|log| &log.sent);
        sent.map(|sent| sent.due).max().unwrap_or(0)
    }
}
