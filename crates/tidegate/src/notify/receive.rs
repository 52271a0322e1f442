//! Alerts of an Alertmanager, which pushes them to `POST /alertmanager` in its webhook form 4: they
//! go the way of our own, through routes, silences and channels.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use tidegate_alerts::wire::AlertRecord;
use tidegate_ingest::{LocalAnswer, LocalServer};
use tidegate_notify::form::alertmanager_webhook::{ReadLimits, read, record};
use tokio::sync::{mpsc, oneshot};

use super::relay::Incoming;

/// How long it may take until the alerts are on disk.
const KEPT_WITHIN: Duration = Duration::from_secs(20);

#[derive(Debug, Clone)]
struct Inlet {
    pipeline: Arc<str>,
    /// Weak, so that the notifier ends when the reader of its topic does.
    send: mpsc::WeakSender<Incoming>,
}

/// Takes alerts at `address` from now on.
pub(super) fn serve(
    address: SocketAddr,
    pipeline: &str,
    send: &mpsc::Sender<Incoming>,
) -> Result<()> {
    let inlet = Inlet {
        pipeline: pipeline.into(),
        send: send.downgrade(),
    };
    LocalServer::new("receive")
        .post("/alertmanager", move |body| {
            Box::pin(take(inlet.clone(), body))
        })
        .serve(address)?;
    Ok(())
}

/// Answers 200 once the alerts are on disk; anything else has Alertmanager push them again, but 400,
/// which is for what never will be right.
async fn take(inlet: Inlet, body: Vec<u8>) -> LocalAnswer {
    let group = match read(&body, ReadLimits::default()) {
        Ok(group) => group,
        Err(fault) => {
            tracing::warn!(%fault, "What was pushed is no webhook of an Alertmanager.");
            let error = fault.to_string();
            return LocalAnswer::json(400, &json!({ "error": error }));
        }
    };
    let alerts = group.alerts.iter();
    let records: Vec<AlertRecord> = alerts
        .filter_map(|alert| record(alert, &inlet.pipeline))
        .collect();
    let counts = json!({
        "accepted": records.len(),
        "our_own": group.alerts.len() - records.len(),
        "left_out_there": group.truncated,
    });
    if group.truncated > 0 {
        tracing::warn!(
            receiver = group.receiver,
            count = group.truncated,
            "An Alertmanager left alerts out: set max_alerts to 0 there."
        );
    }
    let (kept, is_kept) = oneshot::channel();
    let incoming = Incoming {
        records,
        read_up_to: None,
        kept: Some(kept),
    };
    let keeping = async {
        inlet.send.upgrade()?.send(incoming).await.ok()?;
        is_kept.await.ok()
    };
    if let Ok(Some(())) = tokio::time::timeout(KEPT_WITHIN, keeping).await {
        return LocalAnswer::json(200, &counts);
    }
    let error = "the alerts are not on disk yet; push them again";
    LocalAnswer::json(503, &json!({ "error": error }))
}
