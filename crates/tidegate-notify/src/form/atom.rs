//! An Atom feed (RFC 4287) of the latest CAP messages, as "Example Practices: CAP Feeds 1.0" asks.

use jiff::Timestamp;

use super::cap::{self, CapMessage};
use super::text::{self, Language};
use super::xml::Xml;

/// Largest feed, in bytes; the oldest messages are left out beyond it.
pub const FEED_BYTES_MAX: usize = 100_000;

/// What is the same in every reading of the feed.
#[derive(Debug, Clone)]
pub struct AtomConfig {
    /// An IRI that never changes, such as `urn:uuid:…` or the feed's own address.
    pub id: String,
    /// The feed's address.
    pub address: String,
    /// Before the identifier of a message, with `.xml` after it, this makes the message's address.
    pub messages_address: String,
    /// The feed's name.
    pub title: String,
    /// Who publishes it.
    pub author: String,
    /// The language of headlines.
    pub language: Language,
}

/// The feed of `messages` in any order; `updated` is used while there is none.
pub fn feed(config: &AtomConfig, messages: &[CapMessage], updated: Timestamp) -> Vec<u8> {
    let mut latest: Vec<&CapMessage> = messages.iter().collect();
    latest.sort_by(|a, b| b.sent.cmp(&a.sent).then(a.identifier.cmp(&b.identifier)));
    latest.dedup_by(|a, b| a.identifier == b.identifier);
    let empty = write(config, &[], updated);
    let mut room = FEED_BYTES_MAX.saturating_sub(empty.len());
    let mut fitting = 0;
    for message in &latest {
        let size = write(config, &[message], updated).len() - empty.len();
        if size > room {
            break;
        }
        room -= size;
        fitting += 1;
    }
    latest.truncate(fitting);
    write(config, &latest, updated)
}

fn write(config: &AtomConfig, messages: &[&CapMessage], updated: Timestamp) -> Vec<u8> {
    let updated = messages.first().map_or(updated, |message| message.sent);
    let mut xml = Xml::new();
    let language = config.language.tag();
    xml.open(
        "feed",
        &[
            ("xmlns", "http://www.w3.org/2005/Atom"),
            ("xml:lang", language),
        ],
    );
    xml.leaf("id", &config.id);
    xml.leaf("title", &text::line(&config.title, text::TITLE_CHARS_MAX));
    xml.leaf("updated", &instant(updated));
    xml.open("author", &[]);
    xml.leaf("name", &text::line(&config.author, text::TITLE_CHARS_MAX));
    xml.close("author");
    xml.empty("link", &[("rel", "self"), ("href", &config.address)]);
    for message in messages {
        write_entry(&mut xml, config, message);
    }
    xml.close("feed");
    xml.finish()
}

fn write_entry(xml: &mut Xml, config: &AtomConfig, message: &CapMessage) {
    let headline = config
        .language
        .prefer(&message.headline_zh, &message.headline_en);
    let address = format!("{}{}.xml", config.messages_address, message.identifier);
    xml.open("entry", &[]);
    xml.leaf("id", &format!("urn:tidegate:cap:{}", message.identifier));
    xml.leaf("title", headline);
    xml.leaf("updated", &instant(message.sent));
    xml.leaf("published", &instant(message.sent));
    xml.empty("category", &[("term", message.message_type)]);
    xml.empty(
        "link",
        &[
            ("rel", "alternate"),
            ("type", cap::CONTENT_TYPE),
            ("href", &address),
        ],
    );
    xml.leaf("summary", headline);
    xml.close("entry");
}

/// RFC 3339, whole seconds.
fn instant(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
