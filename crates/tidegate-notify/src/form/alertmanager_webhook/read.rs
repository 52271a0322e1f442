//! Reading a payload: unknown fields are passed over, everything has a limit, and what is wrong is
//! said with its path.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

/// What a payload may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLimits {
    /// Bytes of the whole body.
    pub bytes_max: usize,
    /// Alerts.
    pub alerts_max: usize,
    /// Labels, and as many annotations, of one alert.
    pub pairs_max: usize,
    /// Bytes of one name.
    pub name_bytes_max: usize,
    /// Bytes of one value.
    pub value_bytes_max: usize,
}

impl Default for ReadLimits {
    /// 1 MiB; 1,000 alerts with 64 labels of 128 and 8,192 bytes.
    fn default() -> Self {
        Self {
            bytes_max: 1024 * 1024,
            alerts_max: 1_000,
            pairs_max: 64,
            name_bytes_max: 128,
            value_bytes_max: 8_192,
        }
    }
}

/// What a payload says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalGroup {
    /// The receiver that Alertmanager sent it for.
    pub receiver: String,
    /// The group's key.
    pub group_key: String,
    /// How many alerts Alertmanager left out.
    pub truncated: u64,
    /// The alerts, in the payload's order.
    pub alerts: Vec<ExternalAlert>,
}

/// An alert of somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalAlert {
    /// Alertmanager's hash of the labels: the identity.
    pub fingerprint: String,
    /// Whether it is still on.
    pub is_firing: bool,
    /// The labels.
    pub labels: BTreeMap<String, String>,
    /// The annotations.
    pub annotations: BTreeMap<String, String>,
    /// Since when.
    pub starts_at: Timestamp,
    /// Until when; `None` while that is open.
    pub ends_at: Option<Timestamp>,
    /// Where it came from; it may be empty, and is shown as text until somebody checked it.
    pub generator_url: String,
}

/// What is wrong with a payload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct WebhookFault {
    /// Where, such as `alerts[3].startsAt`; `body` for the whole.
    pub path: String,
    /// What, with the value or the limit.
    pub problem: String,
}

fn fault(path: &str, problem: impl Into<String>) -> WebhookFault {
    WebhookFault {
        path: path.to_owned(),
        problem: problem.into(),
    }
}

/// Reads a payload of version 4, whole or not at all.
///
/// # Errors
/// The first [`WebhookFault`].
pub fn read(body: &[u8], limits: ReadLimits) -> Result<ExternalGroup, WebhookFault> {
    if body.len() > limits.bytes_max {
        let problem = format!("{} bytes are more than {}", body.len(), limits.bytes_max);
        return Err(fault("body", problem));
    }
    let value: Value =
        serde_json::from_slice(body).map_err(|error| fault("body", error.to_string()))?;
    if !value.is_object() {
        return Err(fault("body", "not an object"));
    }
    let version = text(&value, "version", "version", limits.name_bytes_max)?;
    if version != "4" {
        return Err(fault("version", format!("{version:?} is not \"4\"")));
    }
    let truncated = match value.get("truncatedAlerts") {
        None | Some(Value::Null) => 0,
        Some(number) => number
            .as_u64()
            .ok_or_else(|| fault("truncatedAlerts", "not a whole number"))?,
    };
    let Some(alerts) = value.get("alerts").and_then(Value::as_array) else {
        return Err(fault("alerts", "not a list"));
    };
    if alerts.len() > limits.alerts_max {
        let problem = format!("{} are more than {}", alerts.len(), limits.alerts_max);
        return Err(fault("alerts", problem));
    }
    Ok(ExternalGroup {
        receiver: text_or_empty(&value, "receiver", "receiver", limits.value_bytes_max)?,
        group_key: text_or_empty(&value, "groupKey", "groupKey", limits.value_bytes_max)?,
        truncated,
        alerts: alerts
            .iter()
            .enumerate()
            .map(|(n, alert)| read_alert(alert, &format!("alerts[{n}]"), limits))
            .collect::<Result<_, _>>()?,
    })
}

fn read_alert(
    value: &Value,
    path: &str,
    limits: ReadLimits,
) -> Result<ExternalAlert, WebhookFault> {
    if !value.is_object() {
        return Err(fault(path, "not an object"));
    }
    let at = |name: &str| format!("{path}.{name}");
    let status = text(value, "status", &at("status"), limits.name_bytes_max)?;
    let is_firing = match status.as_str() {
        "firing" => true,
        "resolved" => false,
        other => {
            return Err(fault(
                &at("status"),
                format!("{other:?} is neither firing nor resolved"),
            ));
        }
    };
    let labels = pairs(value, "labels", &at("labels"), limits)?;
    if labels.is_empty() {
        return Err(fault(
            &at("labels"),
            "an alert without labels has no identity",
        ));
    }
    let starts_at = time(value, "startsAt", &at("startsAt"))?
        .ok_or_else(|| fault(&at("startsAt"), "missing"))?;
    Ok(ExternalAlert {
        fingerprint: text(
            value,
            "fingerprint",
            &at("fingerprint"),
            limits.name_bytes_max,
        )?,
        is_firing,
        labels,
        annotations: pairs(value, "annotations", &at("annotations"), limits)?,
        starts_at,
        ends_at: time(value, "endsAt", &at("endsAt"))?,
        generator_url: text_or_empty(
            value,
            "generatorURL",
            &at("generatorURL"),
            limits.value_bytes_max,
        )?,
    })
}

fn text(value: &Value, name: &str, path: &str, bytes_max: usize) -> Result<String, WebhookFault> {
    let text = text_or_empty(value, name, path, bytes_max)?;
    if text.is_empty() {
        return Err(fault(path, "missing"));
    }
    Ok(text)
}

fn text_or_empty(
    value: &Value,
    name: &str,
    path: &str,
    bytes_max: usize,
) -> Result<String, WebhookFault> {
    match value.get(name) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) if text.len() <= bytes_max => Ok(text.clone()),
        Some(Value::String(text)) => {
            let problem = format!("{} bytes are more than {bytes_max}", text.len());
            Err(fault(path, problem))
        }
        Some(_) => Err(fault(path, "not a text")),
    }
}

fn pairs(
    value: &Value,
    name: &str,
    path: &str,
    limits: ReadLimits,
) -> Result<BTreeMap<String, String>, WebhookFault> {
    let map = match value.get(name) {
        None | Some(Value::Null) => return Ok(BTreeMap::new()),
        Some(Value::Object(map)) => map,
        Some(_) => return Err(fault(path, "not an object")),
    };
    if map.len() > limits.pairs_max {
        let problem = format!("{} are more than {}", map.len(), limits.pairs_max);
        return Err(fault(path, problem));
    }
    let mut pairs = BTreeMap::new();
    for (n, (key, value)) in map.iter().enumerate() {
        if key.len() > limits.name_bytes_max {
            let problem = format!(
                "{} bytes are more than {}",
                key.len(),
                limits.name_bytes_max
            );
            return Err(fault(&format!("{path}, name {}", n + 1), problem));
        }
        let at = format!("{path}.{key}");
        let Value::String(text) = value else {
            return Err(fault(&at, "not a text"));
        };
        if text.len() > limits.value_bytes_max {
            let problem = format!(
                "{} bytes are more than {}",
                text.len(),
                limits.value_bytes_max
            );
            return Err(fault(&at, problem));
        }
        pairs.insert(key.clone(), text.clone());
    }
    Ok(pairs)
}

/// `None` where it is missing or Go's year 1.
fn time(value: &Value, name: &str, path: &str) -> Result<Option<Timestamp>, WebhookFault> {
    let text = text_or_empty(value, name, path, 64)?;
    if text.is_empty() || text.starts_with("0001-01-01T") {
        return Ok(None);
    }
    let parsed = text.parse::<Timestamp>();
    let parsed = parsed.map_err(|_| fault(path, format!("{text:?} is no RFC 3339 time")))?;
    Ok(Some(parsed))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Alertmanager 0.25 sends, with fields of later versions beside.
    const PAYLOAD: &str = r#"{"receiver":"tidegate","status":"firing","alerts":[
        {"status":"firing","labels":{"alertname":"HostDown","instance":"a"},
         "annotations":{"summary":"down"},"startsAt":"2026-11-26T10:00:00.123Z",
         "endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://p/graph","fingerprint":"0123456789abcdef"},
        {"status":"resolved","labels":{"alertname":"HostDown","instance":"b"},"annotations":null,
         "startsAt":"2026-11-26T10:00:00+08:00","endsAt":"2026-11-26T10:05:00+08:00",
         "generatorURL":"","fingerprint":"fedcba9876543210","future":[1]}],
        "groupLabels":{},"commonLabels":{},"commonAnnotations":{},"externalURL":"http://am",
        "version":"4","groupKey":"{}:{}","truncatedAlerts":3,"notification_reason":"x"}"#;

    #[test]
    fn reads_what_alertmanager_sends() {
        let group = read(PAYLOAD.as_bytes(), ReadLimits::default()).unwrap();
        assert_eq!((group.truncated, group.receiver.as_str()), (3, "tidegate"));
        assert_eq!(group.alerts[0].ends_at, None);
        assert!(group.alerts[0].is_firing && !group.alerts[1].is_firing);
        assert_eq!(
            group.alerts[1].ends_at.unwrap().to_string(),
            "2026-11-26T02:05:00Z"
        );
        assert_eq!(group.alerts[1].labels["instance"], "b");
    }

    #[test]
    fn bad_input_is_named_with_its_path() {
        let cases = [
            (
                "\"version\":\"4\"",
                "\"version\":\"3\"",
                "version: \"3\" is not \"4\"",
            ),
            (
                "\"startsAt\":\"2026-11-26T10:00:00.123Z\"",
                "\"startsAt\":\"soon\"",
                "alerts[0].startsAt: \"soon\" is no RFC 3339 time",
            ),
            (
                "\"status\":\"resolved\"",
                "\"status\":\"muted\"",
                "alerts[1].status: \"muted\" is neither firing nor resolved",
            ),
            (
                "\"instance\":\"b\"",
                "\"instance\":7",
                "alerts[1].labels.instance: not a text",
            ),
            (
                "\"fingerprint\":\"0123456789abcdef\"",
                "\"x\":1",
                "alerts[0].fingerprint: missing",
            ),
            (
                "\"truncatedAlerts\":3",
                "\"truncatedAlerts\":-1",
                "truncatedAlerts: not a whole number",
            ),
            (
                "{\"alertname\":\"HostDown\",\"instance\":\"a\"}",
                "{}",
                "alerts[0].labels: an alert without labels has no identity",
            ),
        ];
        for (replace, with, expected) in cases {
            let body = PAYLOAD.replace(replace, with);
            let fault = read(body.as_bytes(), ReadLimits::default()).unwrap_err();
            assert_eq!(fault.to_string(), expected);
        }
        for body in [
            "",
            "[]",
            "{\"version\":\"4\"}",
            "{\"version\":\"4\",\"alerts\":[1]}",
        ] {
            assert!(
                read(body.as_bytes(), ReadLimits::default()).is_err(),
                "{body}"
            );
        }
        let deep = "[".repeat(100_000);
        assert_eq!(
            read(deep.as_bytes(), ReadLimits::default())
                .unwrap_err()
                .path,
            "body"
        );
    }

    #[test]
    fn limits_hold() {
        let limits = ReadLimits::default();
        for tight in [
            ReadLimits {
                bytes_max: 10,
                ..limits
            },
            ReadLimits {
                alerts_max: 1,
                ..limits
            },
            ReadLimits {
                pairs_max: 1,
                ..limits
            },
            ReadLimits {
                name_bytes_max: 8,
                ..limits
            },
            ReadLimits {
                value_bytes_max: 3,
                ..limits
            },
        ] {
            assert!(read(PAYLOAD.as_bytes(), tight).is_err(), "{tight:?}");
        }
    }
}
