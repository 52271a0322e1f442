//! A Prometheus Alertmanager.
//!
//! A try tells what stands of the notice's alerts by the outbox, so that an old notice that is
//! tried late does not raise again what has ended since.

use std::collections::BTreeSet;
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
use crate::outbox::{OutboxError, Standing};
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
        let name = self.name.clone();
        let found = self.outbox.with(move |outbox| {
            let mut found = Vec::new();
            for id in &ids {
                found.append(&mut outbox.standing_of(&name, id)?);
            }
            Ok::<_, OutboxError>(found)
        });
        let found = match found.await {
            Ok(found) => found,
            Err(error) => return Outcome::retry(error.to_string()).into(),
        };
        let entry = |one: &Standing| self.entry(&one.alert, one.ended, now);
        let mut entries: Vec<Value> = found.iter().map(entry).collect();
        let known: BTreeSet<&str> = found.iter().map(|one| one.key.0.as_str()).collect();
        for alert in &notice.alerts {
            // What ended long ago is forgotten, and still has to be told once.
            if !known.contains(alert.record.id.as_str()) {
                let ended = (alert.record.state == "resolved").then_some(notice.created);
                entries.push(self.entry(&PushAlert::new(alert), ended, now));
            }
        }
        let mut tried = Tried::from(Outcome::Delivered);
        for part in entries.chunks(ALERTS_MAX) {
            tried = self.post(part.to_vec(), now).await;
            if tried.outcome != Outcome::Delivered {
                break;
            }
        }
        tried
    }

    /// All that stands, one request after the other.
    async fn remind_all(&self, now: Timestamp) -> Tried {
        let mut after = (String::new(), String::new());
        loop {
            let (name, key) = (self.name.clone(), after.clone());
            let found = self.outbox.with(move |outbox| {
                if key.0.is_empty() {
                    outbox.forget_ended(&name, now)?;
                }
                outbox.standing(&name, &key, ALERTS_MAX)
            });
            let found = match found.await {
                Ok(found) => found,
                Err(error) => return Outcome::retry(error.to_string()).into(),
            };
            let Some(last) = found.last() else {
                return Outcome::Delivered.into();
            };
            after.clone_from(&last.key);
            let entry = |one: &Standing| self.entry(&one.alert, one.ended, now);
            let tried = self.post(found.iter().map(entry).collect(), now).await;
            if tried.outcome != Outcome::Delivered {
                return tried;
            }
        }
    }

    fn entry(&self, alert: &PushAlert, ended: Option<Timestamp>, now: Timestamp) -> Value {
        alertmanager::entry(alert, ended, now, self.resend)
    }

    async fn post(&self, alerts: Vec<Value>, now: Timestamp) -> Tried {
        let header = match bearer(self.token.as_ref()) {
            Ok(header) => header,
            Err(why) => return Outcome::retry(why).into(),
        };
        let request = Request {
            headers: header.into_iter().collect(),
            content_type: "application/json",
            body: Value::Array(alerts).to_string().into_bytes(),
        };
        self.poster.post(&self.url, request, None, now).await
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
