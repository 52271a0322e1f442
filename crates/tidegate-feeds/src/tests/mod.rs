//! Whole decoders against records as they come: what they break on, and what they must not.

mod arrow;
mod forms;
mod gtfs;
mod laws;
mod mapped;
mod own;
mod protobuf;
mod restore;
mod siri;
mod tables;

use ::arrow::array::Array;
use tidegate_model::{
    EventTime, FeedId, ObservationBatch, ObservationBuilder, Payload, Position, Quality, Rejected,
    parse_rfc3339,
};

use crate::{ConfigProblem, Decoder, FeedConfig, TimeLimit};

/// Newest event time that the tests take as possible.
const LATEST: &str = "2027-01-01T00:00:00Z";

fn config(toml: &str) -> FeedConfig {
    toml::from_str(toml).unwrap_or_else(|error| panic!("{error}"))
}

fn problems(toml: &str) -> Vec<ConfigProblem> {
    Decoder::try_new(FeedId::new("test"), &config(toml)).expect_err("the file is wrong")
}

/// A decoder with its outputs; payloads get offsets 0, 1, 2 …
struct Bench {
    decoder: Decoder,
    out: ObservationBuilder,
    rejected: Vec<Rejected>,
    offset: i64,
}

impl Bench {
    fn new(config: &FeedConfig) -> Self {
        let feed = FeedId::new("test");
        Self {
            decoder: Decoder::try_new(feed.clone(), config).unwrap_or_else(|e| panic!("{e:?}")),
            out: ObservationBuilder::new(feed, 8),
            rejected: Vec::new(),
            offset: 0,
        }
    }

    fn of(toml: &str) -> Self {
        Self::new(&config(toml))
    }

    fn feed(&mut self, bytes: impl AsRef<[u8]>) {
        self.feed_raw(Some(bytes.as_ref()));
    }

    fn feed_raw(&mut self, bytes: Option<&[u8]>) {
        let position = Position {
            partition: 3,
            offset: self.offset,
            row: 0,
        };
        self.offset += 1;
        let limit = TimeLimit {
            latest: parse_rfc3339(LATEST).unwrap(),
        };
        let payload = Payload {
            position,
            bytes,
            arrived: None,
        };
        self.decoder
            .decode(payload, limit, &mut self.out, &mut self.rejected);
    }

    /// Rows so far, one line each: `site start end measure subject count origin lat,lng flags`,
    /// where the three last are left out when there is nothing to say.
    fn rows(&mut self) -> Vec<String> {
        lines(&self.out.finish())
    }

    /// Rejections so far, one line each: `row code site: detail`.
    fn rejections(&mut self) -> Vec<String> {
        let rejected = std::mem::take(&mut self.rejected);
        for one in &rejected {
            assert!(one.detail.chars().count() <= 200, "{}", one.detail);
        }
        rejected
            .iter()
            .map(|one| {
                let site = one.site.as_deref().unwrap_or("-");
                let (row, code) = (one.position.row, one.reason.code());
                format!("{row} {code} {site}: {}", one.detail)
            })
            .collect()
    }
}

fn lines(batch: &ObservationBatch) -> Vec<String> {
    let time = |micros| EventTime::from_micros(micros).to_string();
    (0..batch.len())
        .map(|row| {
            let subject = batch.subjects().keys().value(row);
            let mut line = format!(
                "{} {} {} {} {} {}",
                batch.site_id().value(row),
                time(batch.interval_start().value(row)),
                time(batch.interval_end().value(row)),
                batch.measure(row).as_str(),
                ["person", "vehicle"][usize::try_from(subject).unwrap()],
                batch.count().value(row),
            );
            if batch.origin().is_valid(row) {
                line.extend([format!(" from {}", batch.origin().value(row))]);
            }
            if batch.latitude().is_valid(row) {
                let (lat, lng) = (batch.latitude().value(row), batch.longitude().value(row));
                line.extend([format!(" at {lat},{lng}")]);
            }
            let quality = Quality::from_bits(batch.quality().value(row));
            for (flag, name) in Quality::NAMES {
                if quality.has(flag) {
                    line.extend([format!(" {name}")]);
                }
            }
            line
        })
        .collect()
}

fn event_ids(batch: &ObservationBatch) -> Vec<Vec<u8>> {
    batch
        .event_id()
        .iter()
        .map(|id| id.unwrap().to_vec())
        .collect()
}
