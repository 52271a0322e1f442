//! What a message that was written says of itself, for a feed after a restart.

use super::CapMessage;
use super::check::{find, leaves};
use crate::form::text::{Language, instant};

/// Reads a message that [`super::messages`] made; `None` if it is none.
pub fn read(xml: &[u8]) -> Option<CapMessage> {
    let leaves = leaves(xml).ok()?;
    let message_type = match find(&leaves, "alert/msgType")? {
        "Alert" => "Alert",
        "Update" => "Update",
        "Cancel" => "Cancel",
        _ => return None,
    };
    let headline = |language: Language| {
        let of = |number: usize| {
            let text = |name| find(&leaves, &format!("alert/info[{number}]/{name}"));
            (text("language") == Some(language.tag())).then(|| text("headline"))?
        };
        (1..=Language::BOTH.len()).find_map(of).unwrap_or_default()
    };
    Some(CapMessage {
        identifier: find(&leaves, "alert/identifier")?.to_owned(),
        sent: instant(find(&leaves, "alert/sent")?)?,
        expires: instant(find(&leaves, "alert/info[1]/expires")?)?,
        headline_zh: headline(Language::Chinese).to_owned(),
        headline_en: headline(Language::English).to_owned(),
        message_type,
        xml: xml.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of everything but what a feed does not show: times are written in whole seconds.
    #[test]
    fn golden_messages_are_read() {
        for (xml, message_type) in [
            (
                &include_bytes!("../../../tests/forms/golden/cap_alert.xml")[..],
                "Alert",
            ),
            (
                include_bytes!("../../../tests/forms/golden/cap_cancel.xml"),
                "Cancel",
            ),
        ] {
            let message = read(xml).unwrap();
            assert_eq!(message.message_type, message_type);
            assert!(!message.headline_zh.is_empty() && !message.headline_en.is_empty());
            assert_ne!(message.headline_zh, message.headline_en);
            assert!(message.expires > message.sent);
        }
        assert_eq!(read(b"<alert/>"), None);
        assert_eq!(read(b""), None);
    }
}
