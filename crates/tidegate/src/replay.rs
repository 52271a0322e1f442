//! `tidegate replay`: recorded files into feed topics.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use tidegate_connect::{KafkaSink, Properties, Retention};
use tidegate_model::EventTime;

use crate::cli::{Input, Replay};
use crate::progress::Bar;
use crate::recorded::Timed;
use crate::{folder, recorded};

/// What was sent, by feed.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Sent {
    /// Messages by feed.
    pub sent: BTreeMap<String, u64>,
}

/// Runs the command.
pub(crate) async fn replay(args: &Replay) -> Result<Sent> {
    let pipeline = folder::load(&args.pipeline).await?;
    recorded::check_feeds(&pipeline, &args.input)?;
    let mut sink = KafkaSink::connect(&args.bootstrap, &Properties::new())?;
    let mut queues: Vec<(String, String, std::vec::IntoIter<Timed>)> = Vec::new();
    for feed in &pipeline.feeds {
        let inputs: Vec<&Input> = args
            .input
            .iter()
            .filter(|input| input.feed == feed.id.as_str())
            .collect();
        let topic = feed.decoder.config().topic.clone();
        sink.ensure_topics(&[(&topic, args.partitions, Retention::Forever)])?;
        let messages = recorded::in_order(&feed.decoder, &inputs)?;
        queues.push((feed.id.to_string(), topic, messages.into_iter()));
    }
    let mut sent = BTreeMap::new();
    let bar = Bar::new("messages");
    let mut heads: Vec<Option<Timed>> = queues.iter_mut().map(|queue| queue.2.next()).collect();
    let mut pace = args.speed.map(Pace::new);
    while let Some(index) = earliest(&heads) {
        let (feed, topic, queue) = &mut queues[index];
        let Some(message) = std::mem::replace(&mut heads[index], queue.next()) else {
            break;
        };
        if let Some(pace) = &mut pace {
            pace.wait(message.sent_at);
        }
        let stamp = message.sent_at.micros() / 1_000;
        let key = Some(message.key.as_bytes());
        sink.send(topic, None, key, Some(&message.bytes), Some(stamp))?;
        *sent.entry(feed.clone()).or_default() += 1;
        bar.inc(1);
    }
    sink.flush(Duration::from_mins(2))?;
    bar.finish();
    Ok(Sent { sent })
}

/// The queue whose head was sent first; of equal ones the first.
fn earliest(heads: &[Option<Timed>]) -> Option<usize> {
    let with_time = heads
        .iter()
        .enumerate()
        .filter_map(|(index, head)| head.as_ref().map(|message| (message.sent_at, index)));
    with_time.min().map(|(_, index)| index)
}

/// Waits so that event time passes `speed` times as fast as the clock.
#[derive(Debug)]
pub(crate) struct Pace {
    speed: f64,
    began: Option<(Instant, EventTime)>,
}

impl Pace {
    /// A pace that begins with the first message.
    pub(crate) fn new(speed: f64) -> Self {
        Self { speed, began: None }
    }

    /// Returns when the message of `at` is due; `true` when it had to wait.
    pub(crate) fn wait(&mut self, at: EventTime) -> bool {
        let (started, first) = *self.began.get_or_insert((Instant::now(), at));
        let seconds = (at.since(first).as_seconds_f64() / self.speed).max(0.0);
        let due = started + Duration::from_secs_f64(seconds);
        let now = Instant::now();
        if due > now {
            std::thread::sleep(due - now);
        }
        due > now
    }
}
