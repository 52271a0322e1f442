//! Mail: text and HTML, in one or two languages, that mail clients show as one thread an alert.
//!
//! `Message-ID` is made of the notice's id, so that a repeated attempt is the same message.
//! Nothing in the HTML is fetched from anywhere, and nothing in it runs.

mod body;

pub(crate) use body::page;

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use jiff::tz::TimeZone;
use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};
use tidegate_dispatch::Notice;

use super::summary::{self, Rendered};
use super::text::{self, Language};

/// Most alerts that one mail shows; the rest is counted.
pub const ALERTS_MAX: usize = 50;
/// Most addresses of one mail; those beyond are named in [`Mail::skipped`].
pub const ADDRESSES_MAX: usize = 100;
/// Most earlier messages in `References`.
const REFERENCES_MAX: usize = 20;

/// What is the same in all mails of a channel.
#[derive(Debug, Clone)]
pub struct MailConfig {
    from: Mailbox,
    domain: String,
    /// Where mail goes when a notice names nobody.
    pub to: Vec<String>,
    /// Languages, in order. The subject is in the first.
    pub languages: Vec<Language>,
    /// The zone of the times shown.
    pub zone: TimeZone,
}

impl MailConfig {
    /// Mail from `from`, such as `Tidegate <alerts@cdc.example>`, in Chinese and English, at China's
    /// time.
    ///
    /// # Errors
    /// [`MailFault::From`] if `from` is no address.
    pub fn new(from: &str) -> Result<Self, MailFault> {
        let mailbox: Mailbox = from
            .parse()
            .map_err(|_| MailFault::From(text::line(from, 320)))?;
        let domain = mailbox.email.domain();
        // An address may name its host by number, which a Message-ID should not.
        let domain = domain.trim_matches(['[', ']']).replace(':', ".");
        Ok(Self {
            from: mailbox,
            domain,
            to: Vec::new(),
            languages: Language::BOTH.to_vec(),
            zone: TimeZone::fixed(jiff::tz::offset(8)),
        })
    }

    fn languages(&self) -> &[Language] {
        if self.languages.is_empty() {
            Language::BOTH
        } else {
            &self.languages
        }
    }
}

/// Why there is no mail.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailFault {
    /// The sender is no address.
    #[error("sender {0:?} is not a mail address")]
    From(String),
    /// Nobody to send it to.
    #[error("none of the {0} addresses can be used")]
    NoAddress(usize),
    /// The library that writes mail refused it.
    #[error("the mail could not be written: {0}")]
    Write(String),
}

/// A mail that is ready to be sent.
#[derive(Debug, Clone)]
pub struct Mail {
    /// Who sends and to whom, for the SMTP dialogue.
    pub envelope: Envelope,
    /// The message as RFC 5322 wants it, lines ending in CR LF.
    pub bytes: Vec<u8>,
    /// With its angle brackets.
    pub message_id: String,
    /// Addresses that are none.
    pub skipped: Vec<String>,
}

/// The `Message-ID` of the mail of a notice, by its id.
pub fn message_id(notice: &str, config: &MailConfig) -> String {
    let id: String = notice
        .chars()
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' => c,
            _ => '-',
        })
        .collect();
    format!("<{id}@{}>", config.domain)
}

/// The mail of a notice.
///
/// # Errors
/// [`MailFault`]; none of them heals by trying again.
pub fn mail(notice: &Notice, config: &MailConfig) -> Result<Mail, MailFault> {
    mail_of(notice, config, &render(notice, config))
}

/// Subject and bodies of a notice, as a preview or for a mail that is put together elsewhere.
pub fn render(notice: &Notice, config: &MailConfig) -> Rendered {
    // One that cannot be read is told by its texts.
    let drawn = notice.summary.as_deref();
    if let Some(of) = drawn.and_then(|json| serde_json::from_str(json).ok()) {
        return summary::mail(&of, config.languages(), &config.zone);
    }
    Rendered {
        subject: text::notice_title(notice, config.languages()[0]),
        text: body::text(notice, config),
        html: body::html(notice, config),
    }
}

/// A mail with a body that was made elsewhere, such as a summary.
///
/// # Errors
/// [`MailFault`]; none of them heals by trying again.
pub fn mail_of(
    notice: &Notice,
    config: &MailConfig,
    rendered: &Rendered,
) -> Result<Mail, MailFault> {
    let (to, skipped) = addresses(notice, config)?;
    let message_id = message_id(&notice.id, config);
    let references = references(notice, &message_id, config);
    let mut builder = Message::builder()
        .from(config.from.clone())
        .date(date(notice))
        .subject(text::line(&rendered.subject, 2 * text::TITLE_CHARS_MAX))
        .message_id(Some(message_id.clone()));
    for address in &to {
        builder = builder.to(Mailbox::new(None, address.clone()));
    }
    if let Some(first) = references.first() {
        builder = builder
            .in_reply_to(first.clone())
            .references(references.join(" "));
    }
    // RFC 3834: no robot answers, no one is told that somebody is on holiday.
    builder = builder.raw_header(header("Auto-Submitted", "auto-generated"));
    if is_critical(notice) {
        builder = builder.raw_header(header("Importance", "high"));
    }
    let parts = MultiPart::alternative()
        // Not in any body: neither text nor HTML has a line that begins with two hyphens and this.
        .boundary(format!("=_tidegate_{}", boundary(notice)))
        .singlepart(SinglePart::plain(rendered.text.clone()))
        .singlepart(SinglePart::html(rendered.html.clone()));
    let message = builder
        .multipart(parts)
        .map_err(|error| MailFault::Write(error.to_string()))?;
    Ok(Mail {
        envelope: message.envelope().clone(),
        bytes: message.formatted(),
        message_id,
        skipped,
    })
}

/// Between 1970 and 9999, outside which the library that writes dates panics.
fn date(notice: &Notice) -> SystemTime {
    let seconds = notice.created.as_second().clamp(0, 253_402_300_799);
    let since_1970 = Duration::from_secs(seconds.unsigned_abs());
    SystemTime::UNIX_EPOCH + since_1970
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

fn boundary(notice: &Notice) -> String {
    let alphanumeric = notice.id.chars().filter(char::is_ascii_alphanumeric);
    alphanumeric.take(40).collect()
}

fn is_critical(notice: &Notice) -> bool {
    notice
        .alerts
        .iter()
        .any(|alert| alert.record.severity == "critical" && alert.record.state != "resolved")
}

fn addresses(
    notice: &Notice,
    config: &MailConfig,
) -> Result<(Vec<Address>, Vec<String>), MailFault> {
    let wanted = if notice.to.is_empty() {
        &config.to
    } else {
        &notice.to
    };
    let (mut good, mut skipped) = (Vec::new(), Vec::new());
    for address in wanted {
        match address.trim().parse::<Mailbox>() {
            Ok(mailbox) if good.contains(&mailbox.email) => {}
            Ok(mailbox) if good.len() < ADDRESSES_MAX => good.push(mailbox.email),
            _ => skipped.push(text::line(address, 320)),
        }
    }
    if good.is_empty() {
        return Err(MailFault::NoAddress(wanted.len()));
    }
    Ok((good, skipped))
}

/// The first message about each alert, the worst alert's first: what this one answers.
fn references(notice: &Notice, own: &str, config: &MailConfig) -> Vec<String> {
    let mut seen = BTreeSet::new();
    notice
        .alerts
        .iter()
        .filter_map(|alert| alert.told.first())
        .map(|told| message_id(&told.notice, config))
        .filter(|id| id != own && seen.insert(id.clone()))
        .take(REFERENCES_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_is_an_address() {
        assert!(MailConfig::new("Tidegate <a@b.example>").is_ok());
        assert_eq!(
            MailConfig::new("nobody\n").unwrap_err().to_string(),
            "sender \"nobody\" is not a mail address"
        );
    }

    #[test]
    fn ids_are_of_the_notice_alone() {
        let config = MailConfig::new("a@cdc.example").unwrap();
        assert_eq!(message_id("n-1_a", &config), "<n-1_a@cdc.example>");
        assert_eq!(
            message_id("n>\r\nBcc: x", &config),
            "<n---Bcc--x@cdc.example>"
        );
    }
}
