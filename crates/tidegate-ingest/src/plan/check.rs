//! From [`IngestConfig`] to [`IngestPlan`], or to the list of all its problems.

mod mqtt;
mod poll;
mod receive;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tidegate_model::Span;

use super::{FeedTarget, IngestPlan};
use crate::config::IngestConfig;
use crate::problem::ConfigProblem;

/// Most feeds of one kind.
const FEEDS_MAX: usize = 1_000;
/// Largest body or payload that can be asked for: what the sink sends, less what Kafka adds.
const BYTES_MAX: usize = 16 * 1024 * 1024;

impl IngestConfig {
    /// Checks everything: values, the files that are named (relative to `folder`), and that each
    /// feed has a topic in `topics`.
    ///
    /// # Errors
    /// Every [`ConfigProblem`], in the order of the keys.
    pub fn check(
        &self,
        folder: &Path,
        topics: &BTreeMap<String, String>,
    ) -> Result<IngestPlan, Vec<ConfigProblem>> {
        let mut checker = Checker {
            folder,
            topics,
            problems: Vec::new(),
        };
        let receive = self
            .receive
            .as_ref()
            .map(|config| receive::check(&mut checker, config));
        checker.number("poll", self.poll.len(), 0..=FEEDS_MAX);
        checker.number("mqtt", self.mqtt.len(), 0..=FEEDS_MAX);
        let poll: Vec<_> = self
            .poll
            .iter()
            .map(|(name, config)| poll::check(&mut checker, name, config))
            .collect();
        let mqtt: Vec<_> = self
            .mqtt
            .iter()
            .map(|(name, config)| mqtt::check(&mut checker, name, config))
            .collect();
        let mut problems = checker.problems;
        problems.sort();
        if !problems.is_empty() {
            return Err(problems);
        }
        // A part that is missing has left a problem behind.
        Ok(IngestPlan {
            receive: receive.flatten(),
            poll: poll.into_iter().flatten().collect(),
            mqtt: mqtt.into_iter().flatten().collect(),
        })
    }
}

/// Collects problems; what it gives is `None` where it left one.
struct Checker<'a> {
    folder: &'a Path,
    topics: &'a BTreeMap<String, String>,
    problems: Vec<ConfigProblem>,
}

impl Checker<'_> {
    fn problem<T>(&mut self, key: &str, message: impl Into<String>) -> Option<T> {
        self.problems.push(ConfigProblem::new(key, message));
        None
    }

    fn take<T>(&mut self, key: &str, result: Result<T, String>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(message) => self.problem(key, message),
        }
    }

    fn target(&mut self, key: &str, feed: &str) -> Option<FeedTarget> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if feed.is_empty() || feed.len() > 64 || !feed.bytes().all(plain) {
            return self.problem(
                key,
                format!(
                    "the feed's name {feed:?} must have 1 to 64 letters, digits, -, _ or full stops"
                ),
            );
        }
        if let Some(topic) = self.topics.get(feed) {
            Some(FeedTarget {
                feed: feed.into(),
                topic: topic.as_str().into(),
            })
        } else {
            let known: Vec<_> = self.topics.keys().map(String::as_str).collect();
            let message = format!(
                "the pipeline has no feed {feed:?}; it has {}",
                if known.is_empty() {
                    "none".to_owned()
                } else {
                    known.join(", ")
                }
            );
            self.problem(key, message)
        }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    fn number<T: PartialOrd + Display + Copy>(
        &mut self,
        key: &str,
        value: T,
        allowed: RangeInclusive<T>,
    ) -> Option<T> {
        if allowed.contains(&value) {
            return Some(value);
        }
        let (least, most) = (allowed.start(), allowed.end());
        self.problem(key, format!("{value} must be from {least} to {most}"))
    }

    fn duration(
        &mut self,
        key: &str,
        text: &str,
        allowed: RangeInclusive<Span>,
    ) -> Option<Duration> {
        let span: Span = match text.parse() {
            Ok(span) => span,
            Err(error) => return self.problem(key, format!("{error}")),
        };
        if !allowed.contains(&span) {
            let (least, most) = (allowed.start(), allowed.end());
            return self.problem(key, format!("{text:?} must be from {least} to {most}"));
        }
        u64::try_from(span.as_micros())
            .ok()
            .map(Duration::from_micros)
    }
}
