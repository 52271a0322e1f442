//! What operators order a notifier to do: written down in its outbox by any process, and applied by
//! the one that delivers, once, together with what comes of it.

use anyhow::Result;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use tidegate_dispatch::{AcknowledgeRequest, Dispatcher, Notice, NoticeKind, SilenceRequest};
use tidegate_notify::ORDER_BYTES_MAX;

/// How long a summary is of use.
const SUMMARY_HOURS: i64 = 24;

/// An order, as its body says it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Body {
    Silence(SilenceRequest),
    EndSilence { id: String },
    Acknowledge(AcknowledgeRequest),
    Summary(SummaryOrder),
}

/// A summary to be told on one channel.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SummaryOrder {
    channel: String,
    title_zh: String,
    title_en: String,
    text_zh: String,
    text_en: String,
    /// All that it says, for channels that draw it.
    #[serde(default)]
    summary: Option<Value>,
}

/// The body of an order to silence what matches.
pub(crate) fn silence(request: Value) -> Value {
    json!({ "silence": request })
}

/// The body of an order to end a silence.
pub(crate) fn end_silence(id: &str) -> Value {
    json!({ "end_silence": { "id": id } })
}

/// The body of an order to acknowledge an alert.
pub(crate) fn acknowledge(alert: &str, by: &str, note: &str, verdict: Option<&str>) -> Value {
    json!({ "acknowledge": { "alert": alert, "by": by, "note": note, "verdict": verdict } })
}

/// The body of an order to tell a summary; texts are in Chinese and in English. One that is too
/// large for an order is told by its texts alone.
pub(crate) fn summary(channel: &str, titles: [&str; 2], texts: [&str; 2], all: Value) -> Value {
    let mut order = json!({ "summary": {
        "channel": channel, "title_zh": titles[0], "title_en": titles[1],
        "text_zh": texts[0], "text_en": texts[1], "summary": all,
    } });
    if order.to_string().len() > ORDER_BYTES_MAX {
        order["summary"]["summary"] = Value::Null;
    }
    order
}

/// What an order led to: for its trail, and for people.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    pub(crate) result: String,
    pub(crate) notices: Vec<Notice>,
}

/// Does what an order says. One that cannot be done says why and is done with.
pub(crate) fn apply(
    dispatcher: &mut Dispatcher,
    (number, body): (i64, &str),
    channels: &[String],
    now: Timestamp,
) -> Applied {
    let done = |result: Result<String, String>| Applied {
        result: result.unwrap_or_else(|why| format!("refused: {why}")),
        notices: Vec::new(),
    };
    match serde_json::from_str::<Body>(body) {
        Err(error) => done(Err(error.to_string())),
        Ok(Body::Silence(request)) => {
            let added = dispatcher.add_silence(now, &request);
            let said = |silence: tidegate_dispatch::Silence| format!("silence {}", silence.id);
            done(added.map(said).map_err(|error| error.to_string()))
        }
        Ok(Body::EndSilence { id }) => {
            let ended = dispatcher.end_silence_early(now, &id);
            done(
                ended
                    .map(|()| format!("silence {id} is over"))
                    .map_err(|error| error.to_string()),
            )
        }
        Ok(Body::Acknowledge(request)) => {
            let taken = dispatcher.acknowledge(now, &request);
            let said = format!("alert {} is acknowledged", request.alert);
            done(taken.map(|()| said).map_err(|error| error.to_string()))
        }
        Ok(Body::Summary(order)) if !channels.contains(&order.channel) => {
            done(Err(format!("{:?} is no channel", order.channel)))
        }
        Ok(Body::Summary(order)) => Applied {
            result: format!("told on {}", order.channel),
            notices: vec![told(order, number, now)],
        },
    }
}

fn told(order: SummaryOrder, number: i64, now: Timestamp) -> Notice {
    let life = jiff::SignedDuration::from_hours(SUMMARY_HOURS);
    Notice {
        id: format!("summary-{number}"),
        channel: order.channel,
        kind: NoticeKind::Summary,
        group: std::collections::BTreeMap::new(),
        alerts: Vec::new(),
        held_back: 0,
        to: Vec::new(),
        created: now,
        expires: now.checked_add(life).unwrap_or(Timestamp::MAX),
        title_zh: Some(order.title_zh),
        title_en: Some(order.title_en),
        text_zh: Some(order.text_zh),
        text_en: Some(order.text_en),
        summary: order.summary.map(|all| all.to_string()),
    }
}

#[cfg(test)]
mod tests {
    //! Tries to have an order do nothing without saying so.

    use super::*;
    use tidegate_dispatch::{GridTree, Plan};

    fn dispatcher() -> Dispatcher {
        let routes = "[[route]]\nname = \"default\"\nchannels = [\"hall\"]\n";
        Dispatcher::new(Plan::from_toml(routes, GridTree::default(), &["hall"]).unwrap())
    }

    #[test]
    fn every_order_says_what_came_of_it() {
        let now: Timestamp = "2026-03-02T00:00:00Z".parse().unwrap();
        let mut dispatcher = dispatcher();
        let mut check = |body: &Value, part: &str| {
            let channels = ["hall".to_owned()];
            let applied = apply(&mut dispatcher, (7, &body.to_string()), &channels, now);
            assert!(applied.result.contains(part), "{body}: {}", applied.result);
            applied
        };
        let request = json!({
            "match": { "rule": "crush" }, "ends_at": "2026-03-02T02:00:00Z",
            "created_by": "duty", "comment": "drill",
        });
        let added = check(&silence(request.clone()), "silence ");
        let id = added.result.trim_start_matches("silence ").to_owned();
        check(&end_silence(&id), "is over");
        check(&end_silence("nothing"), "refused: ");
        let mut endless = request;
        endless.as_object_mut().unwrap().remove("ends_at");
        check(&silence(endless), "refused: ");
        check(&acknowledge("a", "duty", "", None), "refused: ");
        check(&json!({ "burn": {} }), "refused: unknown variant");
        let summed = check(
            &summary("hall", ["一", "one"], ["二", "two"], json!({ "a": 1 })),
            "told on hall",
        );
        assert_eq!(summed.notices[0].id, "summary-7");
        assert_eq!(summed.notices[0].summary.as_deref(), Some("{\"a\":1}"));
        let large = json!("x".repeat(ORDER_BYTES_MAX));
        let large = summary("hall", ["一", "one"], ["二", "two"], large);
        let cut = check(&large, "told on hall");
        assert_eq!(cut.notices[0].text_en.as_deref(), Some("two"));
        assert_eq!(cut.notices[0].summary, None);
        check(
            &summary("well", ["一", "one"], ["二", "two"], Value::Null),
            "is no channel",
        );
    }
}
