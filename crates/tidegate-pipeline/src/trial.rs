//! A payload on trial: what a pipeline's decoders and registry make of it, without windows.
//!
//! It says what a run would count and what it would reject, for rejected records above all.
//! It does not say whether a record would be late or a duplicate: that depends on the run.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidegate_feeds::{Decoder, TimeLimit, reject_unknown_feed};
use tidegate_model::{EventTime, FeedId, ObservationBatch, ObservationBuilder, Payload, Rejected};

use crate::Pipeline;
use crate::locate::{Locator, reject_unlocated};

/// See the module documentation.
#[derive(Debug)]
pub struct Trial {
    pipeline: Arc<Pipeline>,
    decoders: BTreeMap<FeedId, Decoder>,
    locator: Locator,
}

/// What became of one payload.
#[derive(Debug)]
pub struct Tried {
    /// What would be counted, with venue and cell.
    pub observations: ObservationBatch,
    /// What would be rejected.
    pub rejected: Vec<Rejected>,
}

impl Trial {
    /// Trials by the feeds and sites of `pipeline`.
    pub fn new(pipeline: Arc<Pipeline>) -> Self {
        let feeds = pipeline.feeds.iter();
        Self {
            decoders: feeds
                .map(|feed| (feed.id.clone(), feed.decoder.clone()))
                .collect(),
            locator: Locator::new(&pipeline.reference.sites, pipeline.resolution),
            pipeline,
        }
    }

    /// Decodes and locates one payload of `feed` as a run does; `latest` bounds the event times of
    /// one without a stamp.
    ///
    /// A cumulative counter has no reading before this one, so its observations are flagged as a
    /// baseline and count 0.
    pub fn decode(&mut self, feed: &FeedId, payload: Payload<'_>, latest: EventTime) -> Tried {
        let mut builder = ObservationBuilder::new(feed.clone(), 1);
        let mut rejected = Vec::new();
        let Some(decoder) = self.decoders.get_mut(feed) else {
            rejected.push(reject_unknown_feed(feed, payload));
            return Tried {
                observations: builder.finish(),
                rejected,
            };
        };
        if decoder.is_cumulative()
            && let Some(fresh) = self.pipeline.feed(feed.as_str())
        {
            *decoder = fresh.decoder.clone();
        }
        let latest = self.pipeline.latest(payload, latest);
        decoder.decode(payload, TimeLimit { latest }, &mut builder, &mut rejected);
        let unknown = decoder.config().unknown_site;
        let (observations, unlocated) = self.locator.locate(&builder.finish(), unknown);
        rejected.extend(reject_unlocated(decoder, &unlocated, &[payload]));
        Tried {
            observations,
            rejected,
        }
    }
}
