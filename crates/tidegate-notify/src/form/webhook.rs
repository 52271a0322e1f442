//! Signed requests by the specification Standard Webhooks 1.0.0.
//!
//! The body is JSON; its shape is a promise:
//!
//! ```json
//! {
//!   "type": "alert.firing",
//!   "timestamp": "2026-05-01T08:00:00Z",
//!   "data": {
//!     "id": "n-1", "channel": "duty-room", "kind": "alert", "expires": "2026-05-01T08:30:00Z",
//!     "group": {"rule": "crowded"},
//!     "title": {"zh-CN": "…", "en": "…"},
//!     "text": {"zh-CN": "…", "en": "…"},
//!     "held_back": 0, "left_out": 0,
//!     "alerts": [{"id": "…", "rule": "…", "state": "firing", "severity": "warning", "…": "…",
//!                 "grid_units": ["g-1"], "acknowledged_by": null, "told_before": 0}]
//!   }
//! }
//! ```
//!
//! `type` is `alert.` and the state of the alerts (`firing` if any of them fires), or
//! `alert.repeated`, `alert.escalated`, `alert.digest`, `summary` or `test`. An alert has the fields
//! of the topic `tidegate.alert`, of [`tidegate_alerts::wire::AlertRecord`]. Bodies are shorter
//! than [`BODY_BYTES_MAX`]: texts are cut, and alerts that do not fit are only counted in `left_out`.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use ring::hmac;
use ring::signature::Ed25519KeyPair;
use serde_json::{Value, json};
use tidegate_dispatch::{Notice, NoticeAlert, NoticeKind};

use super::Request;
use super::text::{Language, cut, notice_body, notice_title};

/// Largest body, as the specification advises.
pub const BODY_BYTES_MAX: usize = 20_000;
/// Longest headline and text, and longest text of one alert, in bytes.
const TITLE_BYTES_MAX: usize = 400;
const TEXT_BYTES_MAX: usize = 2_000;
const ALERT_TEXT_BYTES_MAX: usize = 1_000;
/// An alert that is larger is told by its main fields only.
const ALERT_BYTES_MAX: usize = 8_000;

/// What signs.
pub struct SigningKey(Key);

enum Key {
    Hmac(hmac::Key),
    // Large beside the other.
    Ed25519(Box<Ed25519KeyPair>),
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

impl SigningKey {
    /// Reads `whsec_…`, base64 of 24 to 64 bytes for HMAC-SHA256, or `whsk_…`, base64 of an ed25519
    /// secret key: its 32 bytes, with or without the 32 bytes of the public key after it.
    ///
    /// # Errors
    /// What is wrong, without the secret.
    pub fn read(secret: &str) -> Result<Self, String> {
        let decode = |text: &str| {
            let bytes = STANDARD.decode(text);
            bytes.map_err(|_| "what follows the prefix must be base64".to_owned())
        };
        if let Some(text) = secret.strip_prefix("whsec_") {
            let bytes = decode(text)?;
            if !(24..=64).contains(&bytes.len()) {
                let length = bytes.len();
                return Err(format!(
                    "the secret has {length} bytes, 24 to 64 are needed"
                ));
            }
            return Ok(Self(Key::Hmac(hmac::Key::new(hmac::HMAC_SHA256, &bytes))));
        }
        if let Some(text) = secret.strip_prefix("whsk_") {
            let bytes = decode(text)?;
            let pair = match bytes.split_at_checked(32) {
                Some((seed, [])) => Ed25519KeyPair::from_seed_unchecked(seed),
                Some((seed, public)) => Ed25519KeyPair::from_seed_and_public_key(seed, public),
                None => return Err("the ed25519 key has fewer than 32 bytes".to_owned()),
            };
            let pair = pair.map_err(|error| format!("the ed25519 key is none: {error}"))?;
            return Ok(Self(Key::Ed25519(Box::new(pair))));
        }
        Err("the secret must begin with whsec_ or whsk_".to_owned())
    }

    /// One entry of `webhook-signature`.
    fn sign(&self, signed: &[u8]) -> String {
        match &self.0 {
            Key::Hmac(key) => format!("v1,{}", STANDARD.encode(hmac::sign(key, signed))),
            Key::Ed25519(pair) => format!("v1a,{}", STANDARD.encode(pair.sign(signed))),
        }
    }
}

/// The request for a notice that is sent at `now`: the id is the notice's, the time that of the
/// try, and each key signs.
pub fn request(
    notice: &Notice,
    languages: &[Language],
    keys: &[SigningKey],
    now: Timestamp,
) -> Request {
    let body = body(notice, languages);
    let timestamp = now.as_second();
    let mut signed = format!("{}.{timestamp}.", notice.id).into_bytes();
    signed.extend_from_slice(&body);
    let signatures: Vec<String> = keys.iter().map(|key| key.sign(&signed)).collect();
    Request {
        headers: vec![
            ("webhook-id".to_owned(), notice.id.clone()),
            ("webhook-timestamp".to_owned(), timestamp.to_string()),
            ("webhook-signature".to_owned(), signatures.join(" ")),
        ],
        content_type: "application/json",
        body,
    }
}

/// The `type` of a notice.
pub fn event_type(notice: &Notice) -> String {
    match notice.kind {
        NoticeKind::Alert => {
            let states = || {
                notice
                    .alerts
                    .iter()
                    .map(|alert| alert.record.state.as_str())
            };
            let state = states().find(|state| *state == "firing");
            format!(
                "alert.{}",
                state.or_else(|| states().next()).unwrap_or("firing")
            )
        }
        NoticeKind::Repeat => "alert.repeated".to_owned(),
        NoticeKind::Escalation => "alert.escalated".to_owned(),
        NoticeKind::Digest => "alert.digest".to_owned(),
        NoticeKind::Summary => "summary".to_owned(),
        NoticeKind::Test => "test".to_owned(),
    }
}

/// The body: the same in every try.
pub fn body(notice: &Notice, languages: &[Language]) -> Vec<u8> {
    let texts = |of: fn(&Notice, Language) -> String, bytes_max| -> BTreeMap<&str, String> {
        let one = |language: &Language| (language.tag(), cut(&of(notice, *language), bytes_max));
        languages.iter().map(one).collect()
    };
    let mut data = json!({
        "id": notice.id,
        "channel": cut(&notice.channel, 200),
        "kind": notice.kind,
        "expires": notice.expires,
        "group": group(notice),
        "title": texts(notice_title, TITLE_BYTES_MAX),
        "text": texts(notice_body, TEXT_BYTES_MAX),
        "held_back": notice.held_back,
        "left_out": 0,
        "alerts": [],
    });
    let envelope = |data: &Value| {
        let all = json!({
            "type": event_type(notice),
            "timestamp": notice.created,
            "data": data,
        });
        all.to_string().into_bytes()
    };
    // The count that is left out grows by less than this.
    let mut left = BODY_BYTES_MAX.saturating_sub(envelope(&data).len() + 20);
    let mut alerts = Vec::new();
    for one in &notice.alerts {
        let value = alert(one);
        let length = value.to_string().len() + 1;
        if length > left {
            break;
        }
        left -= length;
        alerts.push(value);
    }
    data["left_out"] = json!(notice.alerts.len() - alerts.len());
    data["alerts"] = Value::Array(alerts);
    envelope(&data)
}

/// What the alerts have in common, cut to what a body can hold.
fn group(notice: &Notice) -> BTreeMap<String, String> {
    let entries = notice.group.iter().take(20);
    entries
        .map(|(name, value)| (cut(name, 64), cut(value, 128)))
        .collect()
}

fn alert(alert: &NoticeAlert) -> Value {
    let mut record = alert.record.clone();
    let fields = [
        &mut record.title_zh,
        &mut record.title_en,
        &mut record.text_zh,
        &mut record.text_en,
    ];
    for field in fields {
        *field = cut(field, ALERT_TEXT_BYTES_MAX);
    }
    let mut value = json!(record);
    if value.to_string().len() > ALERT_BYTES_MAX {
        let short = |text: &str| cut(text, 200);
        value = json!({
            "id": short(&record.id),
            "rule": short(&record.rule),
            "state": short(&record.state),
            "severity": short(&record.severity),
            "subject_kind": short(&record.subject_kind),
            "subject": short(&record.subject),
            "title_zh": short(&record.title_zh),
            "title_en": short(&record.title_en),
            "since": short(&record.since),
        });
    }
    let units: Vec<String> = alert
        .grid_units
        .iter()
        .take(10)
        .map(|unit| cut(unit, 64))
        .collect();
    value["grid_units"] = json!(units);
    value["acknowledged_by"] = json!(alert.acknowledged_by.as_deref().map(|who| cut(who, 200)));
    value["told_before"] = json!(alert.told.len());
    value
}
