//! A topic of an ntfy server.

use jiff::Timestamp;
use reqwest::Url;
use tidegate_dispatch::Notice;

use super::bearer;
use crate::config::Language;
use crate::deliver::{Deliver, Delivering, Outcome, Tried};
use crate::form::ntfy;
use crate::http::Poster;
use crate::secret::SecretFile;

/// A topic of an ntfy server.
#[derive(Debug)]
pub struct NtfyChannel {
    /// Makes the requests.
    pub poster: Poster,
    /// The server.
    pub url: Url,
    /// The topic.
    pub topic: String,
    /// File with an access token; read in every try.
    pub token: Option<SecretFile>,
    /// The languages of the text.
    pub languages: Vec<Language>,
}

impl NtfyChannel {
    async fn post(&self, notice: &Notice, now: Timestamp) -> Tried {
        let mut request = ntfy::request(notice, &self.topic, &self.languages);
        match bearer(self.token.as_ref()) {
            Ok(header) => request.headers.extend(header),
            Err(why) => return Outcome::retry(why).into(),
        }
        self.poster.post(&self.url, request, None, now).await
    }
}

impl Deliver for NtfyChannel {
    fn deliver<'a>(&'a self, notice: &'a Notice, now: Timestamp) -> Delivering<'a> {
        Box::pin(self.post(notice, now))
    }
}
