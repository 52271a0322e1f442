//! The body of a request: bounded in bytes, in time, and together with all others.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt as _;
use tokio::sync::OwnedSemaphorePermit;

use super::answer::{Answer, Problem};
use super::{Feed, Shared};
use crate::receive::server::BUSY_WAIT;

/// Every body counts as at least this much, for what surrounds it.
const BODY_COST: usize = 1_024;

/// A body and its share of the memory for all bodies, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) bytes: Vec<u8>,
    _share: OwnedSemaphorePermit,
}

/// Reads it all.
pub(super) async fn read(
    shared: &Shared,
    feed: &Feed,
    headers: &HeaderMap,
    body: Body,
) -> Result<Received, Answer> {
    let bytes_max = feed.plan.bytes_max;
    let declared = headers.get(header::CONTENT_LENGTH);
    let declared = declared.and_then(|value| value.to_str().ok());
    if let Some(text) = declared
        && text.parse::<usize>().map_or(true, |size| size > bytes_max)
    {
        return Err(Problem::TooLarge.into());
    }
    match tokio::time::timeout(shared.plan.body_timeout, collect(shared, bytes_max, body)).await {
        Ok(Ok(received)) if received.bytes.is_empty() => Err(Problem::Empty.into()),
        Ok(received) => received,
        Err(_) => Err(Problem::SlowClient.into()),
    }
}

async fn collect(shared: &Shared, bytes_max: usize, mut body: Body) -> Result<Received, Answer> {
    let least = BODY_COST.min(shared.plan.bodies_bytes_max);
    let mut share = share(shared, least)?;
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Answer::from(Problem::BrokenBody))?;
        let Ok(piece) = frame.into_data() else {
            // Trailers.
            continue;
        };
        let size = bytes.len() + piece.len();
        if size > bytes_max {
            return Err(Problem::TooLarge.into());
        }
        if let Some(more) = size
            .checked_sub(share.num_permits())
            .filter(|more| *more > 0)
        {
            share.merge(self::share(shared, more)?);
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(Received {
        bytes,
        _share: share,
    })
}

/// A part of the memory for all bodies. Nobody waits for it: who waited would keep what they have.
fn share(shared: &Shared, bytes: usize) -> Result<OwnedSemaphorePermit, Answer> {
    let budget = Arc::clone(&shared.budget);
    u32::try_from(bytes)
        .ok()
        .and_then(|bytes| budget.try_acquire_many_owned(bytes).ok())
        .ok_or_else(|| Answer::retry_after(Problem::TooManyBytes, BUSY_WAIT))
}
