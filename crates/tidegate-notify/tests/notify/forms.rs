//! What the forms make of notices, large and strange ones too.

use jiff::Timestamp;
use proptest::prelude::*;
use tidegate_dispatch::{Notice, NoticeAlert, NoticeKind};
use tidegate_notify::Language;
use tidegate_notify::form::alertmanager_webhook::{WebhookConfig, payload};
use tidegate_notify::form::webhook::{BODY_BYTES_MAX, SigningKey, body, event_type};
use tidegate_notify::form::{alertmanager, ntfy};

use crate::support::{alert, notice};

const BOTH: &[Language] = &[Language::Chinese, Language::English];

fn json(bytes: &[u8]) -> serde_json::Value {
    serde_json::from_slice(bytes).unwrap()
}

fn large(text: &str, alerts: usize) -> Notice {
    let mut notice = notice("n-1", "a");
    notice.title_zh = Some(text.to_owned());
    notice.text_en = Some(text.to_owned());
    for number in 0..alerts {
        let mut more = alert(&number.to_string(), "firing", "watch");
        text.clone_into(&mut more.record.text_zh);
        text.clone_into(&mut more.record.subject);
        more.record.tags.insert(text.to_owned(), text.to_owned());
        more.grid_units.push(text.to_owned());
        notice.alerts.push(more);
    }
    notice.group.insert("subject".to_owned(), text.to_owned());
    notice
}

#[test]
fn webhook_bodies_stay_small_and_say_what_is_left_out() {
    for (text, alerts) in [
        ("人".repeat(10_000), 3),
        ("\"\\\n".repeat(5_000), 200),
        (String::new(), 0),
    ] {
        let notice = large(&text, alerts);
        let bytes = body(&notice, BOTH);
        assert!(bytes.len() <= BODY_BYTES_MAX, "{}", bytes.len());
        let value = json(&bytes);
        let told = value["data"]["alerts"].as_array().unwrap().len();
        let left_out = value["data"]["left_out"].as_u64().unwrap();
        assert_eq!(told as u64 + left_out, alerts as u64 + 1);
        assert!(told > 0);
    }
}

#[test]
fn a_webhook_says_what_the_notice_says() {
    let mut notice = notice("n-1", "a");
    notice.alerts.push(alert("b", "resolved", "watch"));
    let value = json(&body(&notice, BOTH));
    assert_eq!(value["type"], "alert.firing");
    assert_eq!(value["timestamp"], notice.created.to_string());
    let data = &value["data"];
    assert_eq!(data["title"]["zh-CN"], "[警告] 东市场拥挤（另有 1 条）");
    assert_eq!(
        data["title"]["en"],
        "[Warning] East market is crowded (+1 more)"
    );
    assert_eq!(data["alerts"][0]["value"], 1.25);
    assert_eq!(data["alerts"][0]["grid_units"][1], "g");
    assert_eq!(data["alerts"][1]["state"], "resolved");
    let english = json(&body(&notice, &[Language::English]));
    assert!(english["data"]["title"].get("zh-CN").is_none());
    for (kind, states, expected) in [
        (NoticeKind::Alert, "resolved", "alert.resolved"),
        (NoticeKind::Alert, "stale", "alert.stale"),
        (NoticeKind::Repeat, "firing", "alert.repeated"),
        (NoticeKind::Summary, "firing", "summary"),
    ] {
        notice.kind = kind;
        notice.alerts = vec![alert("a", states, "watch")];
        assert_eq!(event_type(&notice), expected);
    }
}

#[test]
fn secrets_that_cannot_sign_are_refused_without_being_shown() {
    for wrong in [
        "",
        "hunter2",
        "whsec_hunter2!",
        "whsec_aGk=",
        "whsk_aGk=",
        "whpk_AAAA",
    ] {
        let error = SigningKey::read(wrong).unwrap_err();
        assert!(
            !error.contains("hunter2") && !error.contains("aGk"),
            "{error}"
        );
    }
}

#[test]
fn alertmanager_labels_are_an_identity() {
    let alert = alert("a", "firing", "warning");
    let push = alertmanager::PushAlert::new(&alert);
    let mut other = alert.clone();
    other.record.value = Some(9.0);
    other.record.level = None;
    other.record.title_en = "Another headline".to_owned();
    "critical".clone_into(&mut other.record.severity);
    assert_eq!(
        alertmanager::PushAlert::new(&other).identity(),
        push.identity()
    );
    assert_eq!(push.labels["alertname"], "crowded");
    assert_eq!(push.labels["team_of"], "east");
    assert_eq!(push.annotations["severity"], "warning");
    // A receiver of the webhook form sees the same identity, and the same fingerprint.
    let config = WebhookConfig {
        receiver: "r".to_owned(),
        external_url: "https://tidegate.example".to_owned(),
        alerts_max: None,
    };
    let told = |alert: &NoticeAlert| {
        let mut notice = notice("n-1", "a");
        notice.alerts = vec![alert.clone()];
        json(&payload(&notice, &config))["alerts"][0].clone()
    };
    let (before, after) = (told(&alert), told(&other));
    assert_eq!(before["labels"], serde_json::json!(push.labels));
    assert_eq!(after["labels"], before["labels"]);
    assert_eq!(after["fingerprint"], before["fingerprint"]);
    assert_eq!(after["annotations"]["severity"], "critical");
    assert_eq!(push.annotations["value"], "1.25 persons/m² (1 to 1.5)");
    let now = Timestamp::now();
    let resend = std::time::Duration::from_mins(1);
    let end = |valid: Option<String>, ended| {
        let mut push = push.clone();
        push.valid_until = valid;
        let entry = alertmanager::entry(&push, ended, now, resend);
        let end: Timestamp = entry["endsAt"].as_str().unwrap().parse().unwrap();
        end.as_second() - now.as_second()
    };
    assert_eq!(end(None, None), 180);
    assert_eq!(end(Some((now + 3 * resend).to_string()), None), 180);
    assert_eq!(end(Some((now + 9 * resend).to_string()), None), 540);
    assert_eq!(end(Some((now + 9 * resend).to_string()), Some(now)), 0);
}

#[test]
fn ntfy_messages_have_a_priority_and_fit() {
    let mut told = notice("n-1", "a");
    let value = json(&ntfy::request(&told, "duty", BOTH).body);
    assert_eq!(value["topic"], "duty");
    assert_eq!(
        value["title"],
        "[警告] 东市场拥挤 / [Warning] East market is crowded"
    );
    assert_eq!(value["priority"], 4);
    assert_eq!(value["click"], "https://runbooks.example.org/crowded");
    told.alerts[0].record.state = "resolved".to_owned();
    told.alerts[0].record.runbook = Some("javascript:alert(1)".to_owned());
    let value = json(&ntfy::request(&told, "duty", BOTH).body);
    assert_eq!(value["tags"][0], "white_check_mark");
    assert!(value.get("click").is_none());
    let value = json(&ntfy::request(&large(&"人".repeat(9_000), 9), "duty", BOTH).body);
    assert!(value["message"].as_str().unwrap().len() <= 4_096);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_gives_a_body_that_fits(text in ".{0,3000}", alerts in 0_usize..40) {
        let bytes = body(&large(&text, alerts), BOTH);
        prop_assert!(bytes.len() <= BODY_BYTES_MAX);
        json(&bytes);
    }
}
