//! A receiver of what Alertmanager sends to its webhooks.

use jiff::Timestamp;
use reqwest::Url;
use tidegate_dispatch::{Notice, NoticeKind};

use super::bearer;
use crate::deliver::{Deliver, Delivering, Outcome, Tried};
use crate::form::Request;
use crate::form::alertmanager_webhook::{CONTENT_TYPE, WebhookConfig, payload};
use crate::http::Poster;
use crate::secret::SecretFile;

/// A receiver of Alertmanager's webhook payload, version 4.
#[derive(Debug)]
pub struct AlertmanagerWebhookChannel {
    /// Makes the requests.
    pub poster: Poster,
    /// Where they go.
    pub url: Url,
    /// What is the same in all payloads.
    pub form: WebhookConfig,
    /// File with a bearer token; read in every try.
    pub token: Option<SecretFile>,
}

impl AlertmanagerWebhookChannel {
    async fn post(&self, notice: &Notice, now: Timestamp) -> Tried {
        if notice.kind == NoticeKind::Summary {
            // Whoever reads this form reads alerts.
            return Outcome::Delivered.into();
        }
        let headers = match bearer(self.token.as_ref()) {
            Ok(header) => header.into_iter().collect(),
            Err(why) => return Outcome::retry(why).into(),
        };
        let request = Request {
            headers,
            content_type: CONTENT_TYPE,
            body: payload(notice, &self.form),
        };
        self.poster.post(&self.url, request, None, now).await
    }
}

impl Deliver for AlertmanagerWebhookChannel {
    fn deliver<'a>(&'a self, notice: &'a Notice, now: Timestamp) -> Delivering<'a> {
        Box::pin(self.post(notice, now))
    }
}
