//! What the tests share: notices, a folder with a channel, and a service that runs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tempfile::TempDir;
use tidegate_alerts::wire::AlertRecord;
use tidegate_dispatch::state::StatePart;
use tidegate_dispatch::{Notice, NoticeAlert, NoticeKind};
use tidegate_notify::{
    Attempt, Channels, ChannelsConfig, Counters, Environment, Kept, KeptState, Outbox,
    OutboxHandle, OutboxLimits, Service, Surroundings, Totals,
};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Longer than anything takes that works.
pub(crate) const LONG: Duration = Duration::from_mins(1);
/// A signing secret.
pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// An alert of this state.
pub(crate) fn alert(id: &str, state: &str, severity: &str) -> NoticeAlert {
    let now = Timestamp::now();
    NoticeAlert {
        record: AlertRecord {
            id: id.to_owned(),
            rule: "crowded".to_owned(),
            rule_hash: "abc".to_owned(),
            layer: "density".to_owned(),
            subject_kind: "venue".to_owned(),
            subject: format!("market-{id}"),
            name_zh: "东市场".to_owned(),
            name_en: "East market".to_owned(),
            state: state.to_owned(),
            severity: severity.to_owned(),
            window_start: (now - Duration::from_mins(5)).to_string(),
            window_end: now.to_string(),
            value: Some(1.25),
            lo: Some(1.0),
            hi: Some(1.5),
            unit: "persons/m²".to_owned(),
            level: Some("D".to_owned()),
            coverage: Some(1.0),
            data_age_s: Some(2.0),
            method: "density/area@1".to_owned(),
            title_zh: "东市场拥挤".to_owned(),
            title_en: "East market is crowded".to_owned(),
            text_zh: "请引导人员离开。".to_owned(),
            text_en: "Lead people out.".to_owned(),
            owner: "market-office".to_owned(),
            since: (now - Duration::from_mins(5)).to_string(),
            is_final: true,
            tags: BTreeMap::new(),
            labels: BTreeMap::from([("team.of".to_owned(), "east".to_owned())]),
            grid_unit: Some("g-1".to_owned()),
            runbook: Some("https://runbooks.example.org/crowded".to_owned()),
            threshold: Some(1.2),
            valid_until: None,
            shadow: false,
            why: None,
            pipeline: None,
        },
        told: Vec::new(),
        grid_units: vec!["g-1".to_owned(), "g".to_owned()],
        acknowledged_by: None,
    }
}

/// A notice of one firing alert, for the channel `c`, of use for ten minutes.
pub(crate) fn notice(id: &str, alert_id: &str) -> Notice {
    let now = Timestamp::now();
    Notice {
        id: id.to_owned(),
        channel: "c".to_owned(),
        kind: NoticeKind::Alert,
        group: BTreeMap::from([("rule".to_owned(), "crowded".to_owned())]),
        alerts: vec![alert(alert_id, "firing", "warning")],
        held_back: 0,
        to: Vec::new(),
        created: now,
        expires: now + Duration::from_mins(10),
        title_zh: None,
        title_en: None,
        text_zh: None,
        text_en: None,
        summary: None,
    }
}

/// A dispatcher's state of one part.
pub(crate) fn state(text: &str) -> Vec<StatePart> {
    let key = STATE.as_bytes().to_vec();
    let bytes = Some(text.as_bytes().to_vec());
    vec![StatePart { key, bytes }]
}

/// What [`state`] stored.
pub(crate) fn stored(outbox: &Outbox) -> Option<String> {
    let resume = outbox.resume().unwrap();
    let bytes = resume.dispatch_parts.get(STATE.as_bytes())?;
    Some(String::from_utf8(bytes.clone()).unwrap())
}

const STATE: &str = "state";

/// A folder with secrets and an outbox.
pub(crate) struct Place {
    pub(crate) folder: TempDir,
    pub(crate) outbox: OutboxHandle,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_secret(&folder.path().join("secret"), SECRET);
        let file = folder.path().join("outbox.sqlite");
        let outbox = Outbox::open(&file, OutboxLimits::default()).unwrap();
        Self {
            folder,
            outbox: OutboxHandle::new(outbox),
        }
    }

    pub(crate) fn channels(&self, toml: &str) -> Channels {
        let config = ChannelsConfig::from_toml(toml).unwrap();
        let plan = config.check(self.folder.path()).unwrap();
        Channels::new(plan, &self.outbox, &Surroundings::default()).unwrap()
    }

    pub(crate) async fn start(&self, toml: &str) -> Running {
        self.start_with(self.channels(toml)).await
    }

    pub(crate) async fn start_with(&self, channels: Channels) -> Running {
        let service = Service::new(channels, self.outbox.clone(), Environment::system());
        let service = service.await.unwrap().grace(Duration::from_secs(2));
        let counters = service.counters();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(service.run(async { drop(stopped.await) }));
        Running {
            counters,
            stop,
            task,
        }
    }

    pub(crate) async fn accept(&self, notices: &[Notice]) {
        let accepted =
            self.outbox
                .accept(notices.to_vec(), Vec::new(), Vec::new(), Timestamp::now());
        accepted.await.unwrap();
    }

    pub(crate) async fn show(&self, id: &str) -> (Kept, Vec<Attempt>) {
        let id = id.to_owned();
        let shown = self.outbox.with(move |outbox| outbox.show(&id)).await;
        let (kept, _, attempts) = shown.unwrap();
        (kept, attempts)
    }

    /// Waits until a notice is delivered or dead.
    pub(crate) async fn settled(&self, id: &str) -> (Kept, Vec<Attempt>) {
        let started = Instant::now();
        loop {
            let (kept, attempts) = self.show(id).await;
            if kept.state != KeptState::Pending {
                return (kept, attempts);
            }
            assert!(started.elapsed() < LONG, "{kept:?} {attempts:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// A service that runs.
pub(crate) struct Running {
    pub(crate) counters: Counters,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Totals>,
}

impl Running {
    pub(crate) async fn stop(self) -> Totals {
        drop(self.stop);
        tokio::time::timeout(LONG, self.task)
            .await
            .unwrap()
            .unwrap()
    }
}

/// `channels.toml` with the webhook `c` at this URL, quick to try again.
pub(crate) fn webhook(url: &str, lines: &str) -> String {
    let at = url.split("://").nth(1).unwrap().split('/').next().unwrap();
    format!(
        "[[channel]]\nname = 'c'\nkind = 'webhook'\nurl = '{url}'\nsecret_files = ['secret']\n\
         allow_internal = ['{at}']\nretry = {{ first = '10ms', longest = '50ms' }}\n{lines}"
    )
}

pub(crate) fn write_secret(path: &PathBuf, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < LONG, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
