//! OASIS Common Alerting Protocol 1.2: one message for each alert of a notice.
//!
//! The standard: <http://docs.oasis-open.org/emergency/cap/v1.2/CAP-v1.2.html>.
//! Every message names what it updates or cancels, says until when it holds and where it is, in
//! Chinese and English. The record of a shadow rule and a test never have the status `Actual`.
//! `docs/guide/cap.md` says how each element is chosen; [`check()`] is what a message has to keep
//! beyond the schema.

mod area;
mod check;
mod config;
mod info;
mod read;

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use tidegate_dispatch::{Notice, NoticeAlert, NoticeKind};

use super::text::{self, Language};
use super::xml::Xml;
pub use area::{CELLS_MAX, Corner, POINTS_MAX, Place, Places};
pub use check::{CapFault, check};
pub use config::{CapConfig, CapStatus, Category, Scope, Sender, SenderError};
pub(crate) use info::is_link;
pub use read::read;

/// The name space of CAP 1.2.
pub const NAMESPACE: &str = "urn:oasis:names:tc:emergency:cap:1.2";
/// The media type of a message.
pub const CONTENT_TYPE: &str = "application/cap+xml";
/// Most earlier messages that one refers to: the newest.
pub const REFERENCES_MAX: usize = 100;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapMessage {
    /// Unique for each message of this sender, and the same over retries.
    pub identifier: String,
    /// When it was made.
    pub sent: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
    /// Its headline in Chinese.
    pub headline_zh: String,
    /// Its headline in English.
    pub headline_en: String,
    /// `Alert`, `Update` or `Cancel`.
    pub message_type: &'static str,
    /// The XML, in UTF-8.
    pub xml: Vec<u8>,
}

/// The messages of a notice: one for each alert, and for a notice without alerts one with the status
/// `Test` if it is a test, else none, since a summary or a digest warns of nothing.
pub fn messages(notice: &Notice, config: &CapConfig, places: &dyn Places) -> Vec<CapMessage> {
    if notice.alerts.is_empty() {
        let test = (notice.kind == NoticeKind::Test).then(|| test_message(notice, config));
        return test.into_iter().collect();
    }
    notice
        .alerts
        .iter()
        .map(|alert| message(notice, alert, config, places))
        .collect()
}

/// The identifier of the message that `notice` (its id) sent of `alert` (its id).
///
/// It holds none of the characters that the standard forbids: whatever is no letter, digit, `-`,
/// `_` or `.` becomes `-`.
pub fn identifier(notice: &str, alert: &str) -> String {
    let whole = if alert.is_empty() {
        notice.to_owned()
    } else {
        format!("{notice}.{alert}")
    };
    whole
        .chars()
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.' => c,
            _ => '-',
        })
        .collect()
}

/// An instant as the standard wants it: whole seconds, an offset, never `Z`, and `-00:00` for UTC.
pub fn time(at: Timestamp, zone: &TimeZone) -> String {
    let zoned = at.to_zoned_datetime(zone.clone());
    // Offsets of seconds are history, and the schema has no room for them.
    let seconds = zoned.offset().seconds() / 60 * 60;
    let offset = jiff::tz::Offset::from_seconds(seconds).unwrap_or(jiff::tz::Offset::UTC);
    let local = offset.to_datetime(at);
    let sign = if seconds > 0 { '+' } else { '-' };
    let minutes = seconds.abs() / 60;
    format!(
        "{}{sign}{:02}:{:02}",
        local.strftime("%Y-%m-%dT%H:%M:%S"),
        minutes / 60,
        minutes % 60
    )
}

fn message(
    notice: &Notice,
    alert: &NoticeAlert,
    config: &CapConfig,
    places: &dyn Places,
) -> CapMessage {
    let record = &alert.record;
    let identifier = identifier(&notice.id, &record.id);
    let references = references(alert, &identifier, config);
    let message_type = match (references.is_empty(), record.state.as_str()) {
        (true, _) => "Alert",
        (false, "resolved") => "Cancel",
        (false, _) => "Update",
    };
    let sent = notice.created;
    let expires = expires(
        notice,
        text::instant(record.valid_until.as_deref().unwrap_or_default()),
    );
    let is_test = notice.kind == NoticeKind::Test || record.shadow;
    let mut xml = Xml::new();
    let head = Head {
        identifier: &identifier,
        sent,
        status: status(is_test, config),
        message_type,
        references: &references,
        incident: &identifier_part(&record.id),
    };
    head.write(&mut xml, config);
    let drawn = area::draw(record, places);
    for &language in Language::BOTH {
        let info = info::Info {
            alert,
            language,
            sent,
            expires,
        };
        info.write(&mut xml, config, &drawn);
    }
    xml.close("alert");
    CapMessage {
        identifier,
        sent,
        expires,
        headline_zh: info::headline(record, Language::Chinese),
        headline_en: info::headline(record, Language::English),
        message_type,
        xml: xml.finish(),
    }
}

fn test_message(notice: &Notice, config: &CapConfig) -> CapMessage {
    let identifier = identifier(&notice.id, "");
    let (sent, expires) = (notice.created, expires(notice, None));
    let mut xml = Xml::new();
    let head = Head {
        identifier: &identifier,
        sent,
        status: "Test",
        message_type: "Alert",
        references: "",
        incident: "",
    };
    head.write(&mut xml, config);
    for &language in Language::BOTH {
        info::write_test(&mut xml, notice, config, (language, sent, expires));
    }
    xml.close("alert");
    CapMessage {
        identifier,
        sent,
        expires,
        headline_zh: text::notice_title(notice, Language::Chinese),
        headline_en: text::notice_title(notice, Language::English),
        message_type: "Alert",
        xml: xml.finish(),
    }
}

fn status(is_test: bool, config: &CapConfig) -> &'static str {
    if is_test {
        CapStatus::Test.as_str()
    } else {
        config.status.as_str()
    }
}

/// The end of the alert's own time where it is after the message, else the notice's, and never less
/// than a minute after the message.
fn expires(notice: &Notice, valid_until: Option<Timestamp>) -> Timestamp {
    let sent = notice.created;
    let minute = sent.checked_add(Span::new().minutes(1)).unwrap_or(sent);
    valid_until
        .filter(|&until| until > sent)
        .unwrap_or(notice.expires)
        .max(minute)
}

/// The earlier messages of this alert on this channel: `sender,identifier,sent`, oldest first.
fn references(alert: &NoticeAlert, own: &str, config: &CapConfig) -> String {
    let mut seen = BTreeSet::new();
    let mut triples: Vec<String> = alert
        .told
        .iter()
        .rev()
        .map(|told| (identifier(&told.notice, &alert.record.id), told.at))
        .filter(|(identifier, _)| identifier != own && seen.insert(identifier.clone()))
        .map(|(identifier, at)| {
            let sent = time(at, &config.zone);
            format!("{},{identifier},{sent}", config.sender.as_str())
        })
        .take(REFERENCES_MAX)
        .collect();
    triples.reverse();
    triples.join(" ")
}

fn identifier_part(id: &str) -> String {
    identifier(id, "")
}

/// What stands before the `info` blocks.
struct Head<'a> {
    identifier: &'a str,
    sent: Timestamp,
    status: &'static str,
    message_type: &'static str,
    references: &'a str,
    incident: &'a str,
}

impl Head<'_> {
    fn write(&self, xml: &mut Xml, config: &CapConfig) {
        xml.open("alert", &[("xmlns", NAMESPACE)]);
        xml.leaf("identifier", self.identifier);
        xml.leaf("sender", config.sender.as_str());
        xml.leaf("sent", &time(self.sent, &config.zone));
        xml.leaf("status", self.status);
        xml.leaf("msgType", self.message_type);
        xml.leaf("source", "Tidegate");
        match &config.scope {
            Scope::Public => xml.leaf("scope", "Public"),
            Scope::Restricted(whom) => {
                xml.leaf("scope", "Restricted");
                xml.leaf("restriction", &text::line(whom, text::TEXT_CHARS_MAX));
            }
            Scope::Private(addresses) => {
                xml.leaf("scope", "Private");
                xml.leaf("addresses", &config::addresses(addresses));
            }
        }
        for code in &config.codes {
            xml.leaf("code", &text::line(code, text::TITLE_CHARS_MAX));
        }
        if self.status == "Exercise" {
            xml.leaf_if("note", &text::line(&config.note, text::TEXT_CHARS_MAX));
        }
        xml.leaf_if("references", self.references);
        xml.leaf_if("incidents", self.incident);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_an_offset_and_no_fraction() {
        let at: Timestamp = "2026-11-26T10:05:07.987Z".parse().unwrap();
        let fixed = |hours| TimeZone::fixed(jiff::tz::offset(hours));
        assert_eq!(time(at, &fixed(8)), "2026-11-26T18:05:07+08:00");
        assert_eq!(time(at, &TimeZone::UTC), "2026-11-26T10:05:07-00:00");
        assert_eq!(time(at, &fixed(-3)), "2026-11-26T07:05:07-03:00");
        let half = jiff::tz::Offset::from_seconds(5 * 3600 + 1800).unwrap();
        assert_eq!(
            time(at, &TimeZone::fixed(half)),
            "2026-11-26T15:35:07+05:30"
        );
        // Before railways, Shanghai was at 8 h 5 min 43 s.
        let odd = jiff::tz::Offset::from_seconds(8 * 3600 + 343).unwrap();
        assert_eq!(time(at, &TimeZone::fixed(odd)), "2026-11-26T18:10:07+08:05");
    }

    #[test]
    fn identifiers_hold_nothing_that_is_forbidden() {
        assert_eq!(identifier("n-1", "a b,c<&"), "n-1.a-b-c--");
        assert_eq!(identifier("人", ""), "-");
    }
}
