//! Alerts from the topic of a run, on a thread of its own: waiting for Kafka blocks.

use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Result;
use tidegate_alerts::wire::AlertRecord;
use tidegate_connect::{ConnectError, Disposition, KafkaSource, SourceConfig, SourceEvent, Stop};
use tidegate_model::FeedId;
use tidegate_notify::ReadUpTo;
use tokio::sync::mpsc;

use crate::live::StopSignal;
use crate::records::ALERT;

use super::relay::Incoming;

/// How long one look at the topic waits.
const LOOK: Duration = Duration::from_millis(200);
/// How long it waits before it asks a broker again that was away.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

/// Reads committed alerts of `pipeline` from the given positions on until it is stopped; what is
/// not an alert is told and passed over, and so are alerts of other pipelines.
pub(crate) fn read(
    (bootstrap, pipeline): (String, String),
    positions: Vec<ReadUpTo>,
    stop: StopSignal,
    send: mpsc::Sender<Incoming>,
) -> JoinHandle<Result<()>> {
    std::thread::spawn(move || {
        let mut next: Option<i64> = positions
            .into_iter()
            .find(|read| read.topic == ALERT && read.partition == 0)
            .map(|read| read.offset);
        while !stop.is_asked() {
            match follow((&bootstrap, &pipeline), &mut next, &stop, &send) {
                Ok(()) => return Ok(()),
                Err(error) if error.disposition() == Disposition::Retry => {
                    tracing::warn!(%error, "Waiting for the broker.");
                    std::thread::sleep(AGAIN_AFTER);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    })
}

/// Reads until it is stopped, nobody listens, or the broker fails.
fn follow(
    (bootstrap, pipeline): (&str, &str),
    next: &mut Option<i64>,
    stop: &StopSignal,
    send: &mpsc::Sender<Incoming>,
) -> Result<(), ConnectError> {
    let feed = FeedId::new("alert");
    let mut config = SourceConfig::new(
        bootstrap,
        vec![(feed.clone(), ALERT.to_owned())],
        Stop::Never,
    );
    config.start.extend(next.map(|offset| ((feed, 0), offset)));
    let mut source = KafkaSource::open(config)?;
    while !stop.is_asked() {
        match source.next(LOOK)? {
            Some(SourceEvent::Batch(batch)) => {
                let mut records = Vec::new();
                for payload in batch.iter() {
                    let bytes = payload.bytes.unwrap_or_default();
                    match serde_json::from_slice::<AlertRecord>(bytes) {
                        Ok(record)
                            if record.pipeline.as_deref().is_none_or(|of| of == pipeline) =>
                        {
                            records.push(record);
                        }
                        Ok(_) => {}
                        Err(error) => tracing::error!(
                            topic = ALERT,
                            offset = payload.position.offset,
                            %error,
                            "A record that is no alert is passed over."
                        ),
                    }
                }
                let offset = batch.last_offset() + 1;
                *next = Some(offset);
                let incoming = Incoming {
                    records,
                    read_up_to: Some(ReadUpTo {
                        topic: ALERT.to_owned(),
                        partition: batch.partition(),
                        offset,
                    }),
                    kept: None,
                };
                if send.blocking_send(incoming).is_err() {
                    return Ok(());
                }
            }
            Some(SourceEvent::Stalled { what }) => tracing::warn!(what, "Waiting for the broker."),
            Some(SourceEvent::Added { .. } | SourceEvent::CaughtUp { .. } | SourceEvent::Ended)
            | None => {}
        }
    }
    Ok(())
}
