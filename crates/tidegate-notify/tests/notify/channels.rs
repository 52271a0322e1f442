//! The channels of robots, CAP and all kinds together, over receivers that record what they get.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use serde_json::Value;
use tidegate_dispatch::{Notice, NoticeKind, Told};
use tidegate_notify::form::cap::{Place as CapPlace, check};
use tidegate_notify::form::cloudevents::{KafkaEvent, events};
use tidegate_notify::form::{dingtalk, feishu};
use tidegate_notify::{
    Attempt, Channels, ChannelsConfig, Deliver, Delivering, Environment, Kept, KeptState, Outcome,
    Surroundings,
};

use crate::server::{Reply, Seen, Server, answer};
use crate::support::{Place, notice, write_secret};

/// A channel of a robot whose files are `{kind}.url` and `{kind}.secret`.
fn robot(kind: &str, server: &Server) -> String {
    let secret = match kind {
        "wecom" => String::new(),
        kind => format!("secret_files = ['{kind}.secret']\n"),
    };
    format!(
        "[[channel]]\nname = 'c'\nkind = '{kind}'\nurl_file = '{kind}.url'\n{secret}\
         allow_internal = ['{}']\nretry = {{ tries = 3, first = '10ms', longest = '20ms' }}\n",
        server.address
    )
}

fn write_robot(place: &Place, kind: &str, server: &Server, target: &str) {
    let folder = place.folder.path();
    write_secret(&folder.join(format!("{kind}.url")), &server.url(target));
    write_secret(&folder.join(format!("{kind}.secret")), "SECabc");
}

/// Where each platform's robots are.
const TARGETS: [(&str, &str); 3] = [
    ("feishu", "/open-apis/bot/v2/hook/0f1e"),
    ("dingtalk", "/robot/send?access_token=0f1e"),
    ("wecom", "/cgi-bin/webhook/send?key=0f1e"),
];

/// What becomes of one notice for a robot.
async fn tell(
    (kind, target): (&str, &str),
    reply: impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static,
) -> (Kept, Vec<Attempt>, Vec<Seen>) {
    let server = Server::start(reply).await;
    let place = Place::new();
    write_robot(&place, kind, &server, target);
    let running = place.start(&robot(kind, &server)).await;
    place.accept(&[notice("n-1", "a")]).await;
    let (kept, attempts) = place.settled("n-1").await;
    running.stop().await;
    (kept, attempts, server.requests())
}

fn check_form(kind: &str, seen: &Seen) {
    assert_eq!(
        seen.header("content-type"),
        "application/json; charset=utf-8"
    );
    let body = seen.json();
    match kind {
        "feishu" => {
            let at: i64 = body["timestamp"].as_str().unwrap().parse().unwrap();
            assert_eq!(body["sign"], feishu::signature("SECabc", at));
            assert!((Timestamp::now().as_second() - at).abs() < 60);
            assert_eq!(body["msg_type"], "interactive");
            assert_eq!(body["card"]["header"]["template"], "orange");
            assert_eq!(seen.target, "/open-apis/bot/v2/hook/0f1e");
        }
        "dingtalk" => {
            let rest = seen
                .target
                .strip_prefix("/robot/send?access_token=0f1e&timestamp=");
            let (at, sign) = rest.unwrap().split_once("&sign=").unwrap();
            let at: i64 = at.parse().unwrap();
            assert_eq!(sign, dingtalk::signature("SECabc", at));
            assert!((Timestamp::now().as_millisecond() - at).abs() < 60_000);
            assert_eq!(body["msgtype"], "markdown");
            let text = body["markdown"]["text"].as_str().unwrap();
            assert!(
                text.starts_with("### ") && text.contains("东市场拥挤"),
                "{text}"
            );
        }
        _ => {
            assert_eq!(seen.target, "/cgi-bin/webhook/send?key=0f1e");
            assert_eq!(body["msgtype"], "markdown");
            let text = body["markdown"]["content"].as_str().unwrap();
            assert!(
                text.len() <= 4_096 && text.contains("Lead people out."),
                "{text}"
            );
        }
    }
}

#[tokio::test]
async fn robots_get_their_documented_form_and_say_yes_in_the_body() {
    for (kind, target) in TARGETS {
        let yes = r#"{"code":0,"errcode":0,"errmsg":"ok","msg":"success"}"#;
        let (kept, attempts, seen) = tell((kind, target), move |_, _| answer(200, "", yes)).await;
        assert_eq!(kept.state, KeptState::Delivered, "{kind}: {kept:?}");
        assert_eq!(attempts.len(), 1);
        assert_eq!(seen.len(), 1);
        check_form(kind, &seen[0]);
    }
}

#[tokio::test]
async fn robots_that_are_too_fast_come_back_and_the_body_decides() {
    for ((kind, target), status, busy) in [
        (
            TARGETS[0],
            200,
            r#"{"code":11232,"msg":"frequency limited psm"}"#,
        ),
        (
            TARGETS[0],
            400,
            r#"{"code":11232,"msg":"frequency limited psm"}"#,
        ),
        (
            TARGETS[1],
            200,
            r#"{"errcode":130101,"errmsg":"send too fast"}"#,
        ),
        (
            TARGETS[2],
            200,
            r#"{"errcode":45009,"errmsg":"api freq out of limit"}"#,
        ),
        // A page of somebody in between is no delivery.
        (TARGETS[2], 200, "<html>Log in first</html>"),
    ] {
        let (kept, attempts, seen) = tell((kind, target), move |number, _| match number {
            0 => answer(status, "", busy),
            _ => answer(200, "", r#"{"code":0,"errcode":0}"#),
        })
        .await;
        assert_eq!(kept.state, KeptState::Delivered, "{kind}: {kept:?}");
        let outcomes: Vec<&str> = attempts.iter().map(|a| a.outcome.as_str()).collect();
        assert_eq!(outcomes, ["retry", "delivered"], "{kind}");
        assert_eq!(seen.len(), 2);
    }
}

#[tokio::test]
async fn a_robot_that_refuses_with_status_200_is_a_dead_letter_without_the_key() {
    for (of, no) in [
        (
            TARGETS[0],
            r#"{"code":19001,"msg":"param invalid: incoming webhook access token invalid"}"#,
        ),
        (
            TARGETS[0],
            r#"{"code":19021,"msg":"sign match fail or timestamp is not within one hour"}"#,
        ),
        (
            TARGETS[1],
            r#"{"errcode":300005,"errmsg":"token is not exist"}"#,
        ),
        (
            TARGETS[1],
            r#"{"errcode":310000,"errmsg":"sign not match"}"#,
        ),
        (
            TARGETS[2],
            r#"{"errcode":93000,"errmsg":"invalid webhook url"}"#,
        ),
    ] {
        let (kept, attempts, seen) = tell(of, move |_, _| answer(200, "", no)).await;
        assert_eq!(kept.state, KeptState::Dead, "{no}");
        assert_eq!(attempts[0].outcome, "refused");
        assert_eq!(attempts[0].status, Some(200));
        assert_eq!(seen.len(), 1);
        let why = kept.why.unwrap();
        assert!(why.contains("code ") && !why.contains("0f1e"), "{why}");
    }
}

#[tokio::test]
async fn the_address_of_a_robot_is_read_and_judged_in_every_try() {
    let first = Server::start(|_, _| answer(200, "", r#"{"errcode":93000,"errmsg":"gone"}"#)).await;
    let second = Server::start(|_, _| answer(200, "", r#"{"errcode":0}"#)).await;
    let place = Place::new();
    write_robot(&place, "wecom", &first, "/send?key=1");
    let toml = robot("wecom", &first).replace(
        "allow_internal = [",
        &format!("allow_internal = ['{}', ", second.address),
    );
    let running = place.start(&toml).await;
    place.accept(&[notice("n-1", "a")]).await;
    assert_eq!(place.settled("n-1").await.0.state, KeptState::Dead);
    write_robot(&place, "wecom", &second, "/send?key=2");
    place.accept(&[notice("n-2", "a")]).await;
    assert_eq!(place.settled("n-2").await.0.state, KeptState::Delivered);
    // An address inside that nobody named.
    let file = place.folder.path().join("wecom.url");
    write_secret(&file, "https://10.1.2.3/send?key=0f1e");
    place.accept(&[notice("n-3", "a")]).await;
    let (kept, _) = place.settled("n-3").await;
    let why = kept.why.unwrap();
    assert!(
        why.contains("a private address") && !why.contains("0f1e"),
        "{why}"
    );
    // A file that is being changed is asked again.
    write_secret(&file, "");
    place.accept(&[notice("n-4", "a")]).await;
    let (kept, attempts) = place.settled("n-4").await;
    assert_eq!(attempts.len(), 3, "{attempts:?}");
    assert!(kept.why.unwrap().contains("wecom.url"));
    running.stop().await;
    assert_eq!(second.requests().len(), 1);
}

#[test]
fn robots_keep_to_the_rate_of_their_platform() {
    for (kind, per_second, per_minute) in
        [("feishu", 5, 100), ("dingtalk", 20, 20), ("wecom", 20, 20)]
    {
        let folder = tempfile::tempdir().unwrap();
        write_secret(&folder.path().join("u"), "https://robots.example/x?key=1");
        let toml = format!("[[channel]]\nname = 'c'\nkind = '{kind}'\nurl_file = 'u'\n");
        let plan = ChannelsConfig::from_toml(&toml)
            .unwrap()
            .check(folder.path())
            .unwrap();
        let rate = plan.channels[0].rate.unwrap();
        assert!(
            rate.burst + rate.per_minute <= per_minute,
            "{kind}: {rate:?}"
        );
        assert!(
            rate.burst + rate.per_minute.div_ceil(60) <= per_second,
            "{kind}: {rate:?}"
        );
        assert!(
            rate.burst >= 3 && rate.per_minute >= per_minute * 3 / 4,
            "{kind}: {rate:?}"
        );
    }
}

const CAP: &str = "[[channel]]\nname = 'c'\nkind = 'cap'\nfolder = 'out/cap'\n\
                   sender = 'duty@city.example'\nstatus = 'Actual'\nfeed_max = 2\n\
                   public_url = 'https://city.example/cap'\n";

/// The market is a square.
fn around() -> Surroundings {
    let square = |kind: &str, _: &str| {
        let ring = vec![(30.0, 114.0), (30.0, 114.1), (30.1, 114.1), (30.1, 114.0)];
        (kind == "venue").then(|| CapPlace {
            polygons: vec![ring],
            cells: Vec::new(),
        })
    };
    Surroundings {
        places: Arc::new(square),
        ..Surroundings::default()
    }
}

fn channels(place: &Place, toml: &str) -> Channels {
    let plan = ChannelsConfig::from_toml(toml).unwrap();
    let plan = plan.check(place.folder.path()).unwrap();
    Channels::new(plan, &place.outbox, &around()).unwrap()
}

/// The names in the CAP folder with their content.
fn files(place: &Place) -> BTreeMap<String, String> {
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        (name, std::fs::read_to_string(entry.path()).unwrap())
    };
    let folder = place.folder.path().join("out/cap");
    std::fs::read_dir(folder).unwrap().map(read).collect()
}

/// The identifiers in the feed, in its order.
fn fed(files: &BTreeMap<String, String>) -> Vec<String> {
    let links = files["feed.atom"]
        .split("href=\"https://city.example/cap/")
        .skip(2);
    links
        .map(|rest| rest.split(".xml").next().unwrap().to_owned())
        .collect()
}

fn at_second(mut notice: Notice, second: i64) -> Notice {
    notice.created = Timestamp::from_second(notice.created.as_second() + second).unwrap();
    notice
}

#[tokio::test]
async fn a_cap_folder_goes_on_after_a_restart_and_doubles_nothing() {
    let place = Place::new();
    let first = at_second(notice("n-1", "a"), 0);
    let mut second = at_second(notice("n-2", "a"), 1);
    second.alerts[0].told = vec![Told {
        notice: "n-1".to_owned(),
        at: first.created,
    }];
    let mut shadow = at_second(notice("n-3", "s"), 2);
    shadow.alerts[0].record.shadow = true;
    let mut summary = notice("n-4", "x");
    summary.alerts.clear();
    summary.kind = NoticeKind::Summary;
    let running = place.start_with(channels(&place, CAP)).await;
    place.accept(&[first.clone(), second]).await;
    place.settled("n-2").await;
    running.stop().await;
    let before = files(&place);
    assert_eq!(
        before.keys().collect::<Vec<_>>(),
        ["feed.atom", "n-1.a.xml", "n-2.a.xml"]
    );
    assert_eq!(fed(&before), ["n-2.a", "n-1.a"]);
    assert!(before["n-1.a.xml"].contains("<status>Actual</status>"));
    assert!(before["n-1.a.xml"].contains("<polygon>30"));
    assert!(before["n-2.a.xml"].contains("<msgType>Update</msgType>"));
    assert!(before["n-2.a.xml"].contains("duty@city.example,n-1.a,"));
    // A new process, the first one told again as after a kill, and files of somebody else.
    let folder = place.folder.path().join("out/cap");
    std::fs::write(folder.join("stranger.xml"), &before["n-1.a.xml"]).unwrap();
    std::fs::write(folder.join("notes.xml"), "<x>").unwrap();
    let running = place.start_with(channels(&place, CAP)).await;
    let written = std::fs::metadata(folder.join("n-1.a.xml"))
        .unwrap()
        .modified()
        .unwrap();
    place.accept(&[shadow, summary]).await;
    place.settled("n-3").await;
    assert_eq!(place.settled("n-4").await.0.state, KeptState::Delivered);
    running.stop().await;
    tell_again(&place, first).await;
    let after = files(&place);
    assert_eq!(after.len(), 6, "{:?}", after.keys());
    assert_eq!(fed(&after), ["n-3.s", "n-2.a"]);
    assert!(after["n-3.s.xml"].contains("<status>Test</status>"));
    assert_eq!(after["n-1.a.xml"], before["n-1.a.xml"]);
    let now = std::fs::metadata(folder.join("n-1.a.xml"))
        .unwrap()
        .modified()
        .unwrap();
    assert_eq!(now, written);
    for name in ["n-1.a.xml", "n-2.a.xml", "n-3.s.xml"] {
        check(after[name].as_bytes()).unwrap();
    }
}

/// The same notice once more, in an outbox that does not know it.
async fn tell_again(place: &Place, again: Notice) {
    let other = Place::new();
    let folder = place.folder.path().display().to_string();
    let toml = CAP.replace("out/cap", &format!("{folder}/out/cap"));
    let running = other.start_with(channels(&other, &toml)).await;
    other.accept(&[again]).await;
    assert_eq!(other.settled("n-1").await.0.state, KeptState::Delivered);
    running.stop().await;
}

#[tokio::test]
async fn a_cap_folder_that_cannot_be_written_is_tried_again() {
    let place = Place::new();
    std::fs::write(place.folder.path().join("out"), "a file").unwrap();
    let toml = format!("{CAP}retry = {{ first = '10ms', longest = '20ms' }}\n");
    let running = place.start_with(channels(&place, &toml)).await;
    place.accept(&[notice("n-1", "a")]).await;
    crate::support::until("it is tried", || {
        running.counters.totals().channel("c").retried > 1
    })
    .await;
    std::fs::remove_file(place.folder.path().join("out")).unwrap();
    assert_eq!(place.settled("n-1").await.0.state, KeptState::Delivered);
    running.stop().await;
    let tried = channels(&place, CAP)
        .test("c", &Environment::system())
        .await
        .unwrap();
    assert_eq!(tried.outcome, Outcome::Delivered);
    let test = files(&place)
        .into_iter()
        .find(|(name, _)| name.starts_with("test-"))
        .unwrap();
    assert!(test.1.contains("<status>Test</status>"));
}

/// What a program plugs in for Kafka: it keeps what would be produced.
#[derive(Debug, Default)]
struct Topic(Mutex<Vec<KafkaEvent>>);

impl Deliver for Topic {
    fn deliver<'a>(&'a self, notice: &'a Notice, _now: Timestamp) -> Delivering<'a> {
        let mut events = events(notice, "/tidegate/pipelines/city");
        self.0.lock().unwrap().append(&mut events);
        Box::pin(async { Outcome::Delivered.into() })
    }
}

/// One channel of each kind that needs no real counterpart; `{at}` is the server.
const ALL: &str = r"
channel = [
  { name = 'webhook', kind = 'webhook', url = 'http://{at}/webhook', secret_files = ['secret'], allow_internal = ['{at}'] },
  { name = 'alertmanager', kind = 'alertmanager', url = 'http://{at}/alertmanager', allow_internal = ['{at}'] },
  { name = 'alertmanager-webhook', kind = 'alertmanager_webhook', url = 'http://{at}/alertmanager-webhook', external_url = 'https://alerts.example/', allow_internal = ['{at}'] },
  { name = 'ntfy', kind = 'ntfy', url = 'http://{at}/ntfy', topic = 't', allow_internal = ['{at}'] },
  { name = 'feishu', kind = 'feishu', url_file = 'feishu.url', secret_files = ['feishu.secret'], allow_internal = ['{at}'] },
  { name = 'dingtalk', kind = 'dingtalk', url_file = 'dingtalk.url', secret_files = ['dingtalk.secret'], allow_internal = ['{at}'] },
  { name = 'wecom', kind = 'wecom', url_file = 'wecom.url', allow_internal = ['{at}'] },
  { name = 'smtp', kind = 'smtp', host = '127.0.0.1', port = {smtp}, tls = 'none', from = 'a@b.example', to = ['c@d.example'], allow_internal = ['127.0.0.1'] },
  { name = 'cap', kind = 'cap', folder = 'out/cap', sender = 'duty@city.example' },
  { name = 'kafka', kind = 'kafka' },
  { name = 'stdout', kind = 'stdout' },
]
";

#[tokio::test(flavor = "multi_thread")]
async fn a_service_with_every_kind_doubles_nothing() {
    let server = Server::start(|_, _| answer(200, "", r#"{"code":0,"errcode":0}"#)).await;
    let mail = crate::mail::Post::start().await;
    let place = Place::new();
    for (kind, _) in TARGETS {
        write_robot(&place, kind, &server, &format!("/{kind}?key=1"));
    }
    let toml = ALL
        .replace("{at}", &server.address.to_string())
        .replace("{smtp}", &mail.port.to_string());
    let mut channels = channels(&place, &toml);
    let missing: Vec<String> = channels
        .missing()
        .into_iter()
        .map(|plan| plan.name)
        .collect();
    assert_eq!(missing, ["kafka"]);
    let topic = Arc::new(Topic::default());
    let plugged = Arc::clone(&topic) as Arc<dyn Deliver>;
    channels.plug("kafka", plugged).unwrap();
    let running = place.start_with(channels).await;
    let kinds = [
        "webhook",
        "alertmanager",
        "alertmanager-webhook",
        "ntfy",
        "feishu",
        "dingtalk",
        "wecom",
        "smtp",
        "cap",
        "kafka",
        "stdout",
    ];
    let of = |kind: &str| {
        let mut one = notice(&format!("n-{kind}"), "a");
        one.channel = kind.to_owned();
        one
    };
    let all: Vec<Notice> = kinds.iter().map(|kind| of(kind)).collect();
    place.accept(&all).await;
    for kind in kinds {
        let (kept, attempts) = place.settled(&format!("n-{kind}")).await;
        assert_eq!(kept.state, KeptState::Delivered, "{kept:?} {attempts:?}");
        assert_eq!(attempts.len(), 1, "{kind}");
    }
    let totals = running.stop().await;
    assert!(
        kinds.iter().all(|kind| totals.channel(kind).delivered == 1),
        "{totals:?}"
    );
    let mut asked: BTreeMap<String, usize> = BTreeMap::new();
    for seen in server.requests() {
        let kind = seen.target.split(['/', '?']).nth(1).unwrap().to_owned();
        *asked.entry(kind).or_default() += 1;
    }
    // An Alertmanager is also reminded of what stands when a service begins.
    assert!((1..=2).contains(&asked.remove("alertmanager").unwrap()));
    assert_eq!(asked.len(), 6);
    assert!(asked.values().all(|n| *n == 1), "{asked:?}");
    assert_eq!(mail.letters().len(), 1);
    assert_eq!(files(&place).len(), 2);
    let topic = topic.0.lock().unwrap();
    let event: Value = serde_json::from_slice(&topic[0].value).unwrap();
    assert_eq!((topic.len(), topic[0].key.as_str()), (1, "a"));
    assert_eq!(event["type"], "org.tidegate.alert.firing");
}
