//! A Prometheus Alertmanager.
//!
//! A try tells what stands of the notice's alerts by the outbox, so that an old notice that is
//! tried late does not raise again what has ended since.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::Url;
use serde_json::Value;
use tidegate_dispatch::Notice;

use super::bearer;
use crate::deliver::{Deliver, Delivering, Outcome, Tried};
use crate::form::Request;
use crate::form::alertmanager::{self, ALERTS_MAX, PushAlert};
use crate::handle::OutboxHandle;
use crate::http::Poster;
use crate::outbox::Standing;
use crate::secret::SecretFile;

/// An Alertmanager.
#[derive(Debug)]
pub struct AlertmanagerChannel {
    /// The channel's name, under which the outbox knows what stands.
    pub name: String,
    /// Makes the requests.
    pub poster: Poster,
    /// `…/api/v2/alerts`.
    pub url: Url,
    /// How often what stands is told again.
    pub resend: Duration,
    /// File with a bearer token; read in every try.
    pub token: Option<SecretFile>,
    /// Knows what stands.
    pub outbox: OutboxHandle,
}

impl AlertmanagerChannel {
    async fn tell(&self, notice: &Notice, now: Timestamp) -> Tried {
        if notice.alerts.is_empty() {
            return match alertmanager::lone(notice, now) {
                Some(alert) => self.post(vec![alert], now).await,
                // A summary is nothing to an Alertmanager.
                None => Outcome::Delivered.into(),
            };
        }
        let ids: Vec<String> = notice.alerts.iter().map(|a| a.record.id.clone()).collect();
        let found = self.standing(Some(ids), now).await;
        let mut alerts = match found {
            Ok(found) => found,
            Err(why) => return Outcome::retry(why).into(),
        };
        for alert in &notice.alerts {
            let known =
                |one: &Standing| one.alert.annotations.get("alert_id") == Some(&alert.record.id);
            if !alerts.iter().any(known) {
                let ended = (alert.record.state == "resolved").then_some(notice.created);
                let alert = PushAlert::new(alert);
                alerts.push(Standing { alert, ended });
            }
        }
        self.post(self.entries(&alerts, now), now).await
    }

    async fn remind_all(&self, now: Timestamp) -> Tried {
        let alerts = match self.standing(None, now).await {
            Ok(alerts) => alerts,
            Err(why) => return Outcome::retry(why).into(),
        };
        self.post(self.entries(&alerts, now), now).await
    }

    async fn standing(
        &self,
        alerts: Option<Vec<String>>,
        now: Timestamp,
    ) -> Result<Vec<Standing>, String> {
        let name = self.name.clone();
        let found = self.outbox.with(move |outbox| {
            let alerts: Option<Vec<&str>> = alerts
                .as_ref()
                .map(|ids| ids.iter().map(String::as_str).collect());
            outbox.standing(&name, alerts.as_deref(), now)
        });
        found.await.map_err(|error| error.to_string())
    }

    fn entries(&self, alerts: &[Standing], now: Timestamp) -> Vec<Value> {
        let entry = |one: &Standing| alertmanager::entry(&one.alert, one.ended, now, self.resend);
        alerts.iter().map(entry).collect()
    }

    /// All of them, in requests of a bounded size; the first failure is the outcome.
    async fn post(&self, alerts: Vec<Value>, now: Timestamp) -> Tried {
        let header = match bearer(self.token.as_ref()) {
            Ok(header) => header,
            Err(why) => return Outcome::retry(why).into(),
        };
        let mut tried = Tried::from(Outcome::Delivered);
        for part in alerts.chunks(ALERTS_MAX) {
            let request = Request {
                headers: header.iter().cloned().collect(),
                content_type: "application/json",
                body: Value::Array(part.to_vec()).to_string().into_bytes(),
            };
            tried = self.poster.post(&self.url, request, None, now).await;
            if tried.outcome != Outcome::Delivered {
                return tried;
            }
        }
        tried
    }
}

impl Deliver for AlertmanagerChannel {
    fn deliver<'a>(&'a self, notice: &'a Notice, now: Timestamp) -> Delivering<'a> {
        Box::pin(self.tell(notice, now))
    }

    fn remind_every(&self) -> Option<Duration> {
        Some(self.resend)
    }

    fn remind(&self, now: Timestamp) -> Delivering<'_> {
        Box::pin(self.remind_all(now))
    }
}
