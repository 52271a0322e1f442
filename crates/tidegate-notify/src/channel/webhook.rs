//! Signed HTTP requests.

use jiff::Timestamp;
use reqwest::Url;
use tidegate_dispatch::Notice;

use crate::config::Language;
use crate::deliver::{Deliver, Delivering, Outcome, Tried};
use crate::form::webhook::{self, SigningKey};
use crate::http::Poster;
use crate::secret::SecretFile;

/// A receiver of Standard Webhooks.
#[derive(Debug)]
pub struct WebhookChannel {
    /// Makes the requests.
    pub poster: Poster,
    /// Where they go.
    pub url: Url,
    /// What signs, each with its own signature; read in every try.
    pub secrets: Vec<SecretFile>,
    /// The languages of the text.
    pub languages: Vec<Language>,
}

impl WebhookChannel {
    async fn post(&self, notice: &Notice, now: Timestamp) -> Tried {
        let key = |file: &SecretFile| {
            let read = file
                .read()
                .and_then(|secret| SigningKey::read(secret.expose()));
            read.map_err(|error| format!("{}: {error}", file.path().display()))
        };
        match self.secrets.iter().map(key).collect::<Result<Vec<_>, _>>() {
            Ok(keys) => {
                let request = webhook::request(notice, &self.languages, &keys, now);
                self.poster.post(&self.url, request, None, now).await
            }
            // Somebody may be changing the file.
            Err(why) => Outcome::retry(why).into(),
        }
    }
}

impl Deliver for WebhookChannel {
    fn deliver<'a>(&'a self, notice: &'a Notice, now: Timestamp) -> Delivering<'a> {
        Box::pin(self.post(notice, now))
    }
}
