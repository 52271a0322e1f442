//! A dispatcher that lives through a random day, with what it told and what was stored of it.

use proptest::prelude::*;
use tidegate_alerts::wire::AlertRecord;
use tidegate_dispatch::state::StoredParts;
use tidegate_dispatch::{
    AcknowledgeRequest, Dispatcher, GridTree, GridUnit, Notice, Plan, RoutesConfig, SilenceRequest,
};

use crate::support::{at, record};

pub(super) const ROUTES: &str = "
    [[duty]]
    role = 'grid'
    grid_unit = 'g1'
    channels = ['mail']
    to = ['grid@example.org']
    [[duty]]
    role = 'city'
    grid_unit = 'city'
    channels = ['sms', 'mail']
    [escalation]
    warning = '10m'
    critical = '5m'
    [[inhibit]]
    source = { rule = 'r0', severity_min = 'critical' }
    target = { severity_max = 'warning' }
    equal = 'station'
    [[route]]
    name = 'worst'
    match = { severity_min = 'critical' }
    channels = ['sms', 'duty']
    continue = true
    group_by = ['rule', 'station']
    group_wait = '0s'
    [[route]]
    name = 'default'
    channels = ['hall']
    repeat_interval = '20m'
";

pub(super) const STORM: &str = "
    [storm]
    alerts_per_notice = 1
    notices_per_minute = 2
";

pub(super) fn plan(routes: &str) -> Plan {
    let unit = |id: &str, parent: Option<&str>| GridUnit {
        id: id.to_owned(),
        parent: parent.map(str::to_owned),
        name_zh: id.to_owned(),
        name_en: id.to_owned(),
    };
    let units = vec![unit("g1", Some("city")), unit("city", None)];
    let config: RoutesConfig = toml::from_str(routes).expect("it is valid");
    Plan::try_new(
        &config,
        GridTree::try_new(units).expect("it is valid"),
        &["hall", "mail", "sms"],
    )
    .expect("it is valid")
}

/// Something that happens.
#[derive(Debug, Clone)]
pub(super) enum Event {
    /// A transition of the alert with this number.
    Record {
        alert: u8,
        state: usize,
        severity: usize,
        is_shadow: bool,
    },
    Acknowledge {
        alert: u8,
    },
    Silence {
        rule: u8,
        seconds: i64,
    },
    /// Nothing but time.
    Wait,
}

pub(super) const STATES: [&str; 8] = [
    "firing",
    "firing",
    "escalated",
    "eased",
    "no_data",
    "resumed",
    "flapping",
    "resolved",
];
pub(super) const SEVERITIES: [&str; 3] = ["watch", "warning", "critical"];

pub(super) fn transition() -> impl Strategy<Value = Event> {
    let parts = (
        0..12_u8,
        0..STATES.len(),
        0..SEVERITIES.len(),
        prop::bool::weighted(0.05),
    );
    parts.prop_map(|(alert, state, severity, is_shadow)| Event::Record {
        alert,
        state,
        severity,
        is_shadow,
    })
}

pub(super) fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        10 => transition(),
        1 => (0..12_u8).prop_map(|alert| Event::Acknowledge { alert }),
        1 => (0..4_u8, 1..2_000_i64).prop_map(|(rule, seconds)| Event::Silence { rule, seconds }),
        2 => Just(Event::Wait),
    ]
}

/// Events with the seconds from each to the next.
pub(super) fn day() -> impl Strategy<Value = Vec<(i64, Event)>> {
    let gap = prop_oneof![3 => 0..5_i64, 3 => 5..120_i64, 1 => 120..1_500_i64];
    prop::collection::vec((gap, event()), 1..40)
}

pub(super) fn routes() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => Just(ROUTES.to_owned()),
        1 => Just(format!("{ROUTES}{STORM}")),
    ]
}

/// A dispatcher with what it told.
pub(super) struct Run {
    pub(super) dispatcher: Dispatcher,
    pub(super) now: i64,
    pub(super) notices: Vec<Notice>,
    pub(super) kept: Kept,
}

/// What an outbox has of a run.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) parts: StoredParts,
    now: i64,
    notices: usize,
    /// What happened since, which comes again after a restart.
    since: Vec<(i64, Event)>,
}

impl Run {
    pub(super) fn new(routes: &str) -> Self {
        Self {
            dispatcher: Dispatcher::new(plan(routes)),
            now: 0,
            notices: Vec::new(),
            kept: Kept::default(),
        }
    }

    /// Lets time pass as a shell would: deadline by deadline.
    pub(super) fn wait(&mut self, seconds: i64) {
        self.now += seconds;
        while let Some(due) = self
            .dispatcher
            .next_deadline()
            .filter(|due| *due <= at(self.now))
        {
            let told = self.dispatcher.handle_time(due);
            self.notices.extend(told);
            assert!(
                self.dispatcher
                    .next_deadline()
                    .is_none_or(|next| next > due),
                "it goes on"
            );
        }
    }

    pub(super) fn play(&mut self, gap: i64, event: &Event) {
        self.kept.since.push((gap, event.clone()));
        self.wait(gap);
        let now = at(self.now);
        match event {
            Event::Wait => {}
            Event::Acknowledge { alert } => {
                let request = AcknowledgeRequest {
                    alert: format!("a{alert}"),
                    by: "desk".to_owned(),
                    note: String::new(),
                    verdict: None,
                };
                let known = self.dispatcher.alert(&request.alert).is_some();
                assert_eq!(self.dispatcher.acknowledge(now, &request).is_ok(), known);
            }
            Event::Silence { rule, seconds } => {
                let request = SilenceRequest {
                    matchers: toml::from_str(&format!("rule = 'r{rule}'")).expect("it is valid"),
                    starts_at: None,
                    ends_at: Some(at(self.now + seconds)),
                    created_by: "desk".to_owned(),
                    comment: "test".to_owned(),
                };
                self.dispatcher
                    .add_silence(now, &request)
                    .expect("it is valid");
            }
            Event::Record { .. } => {
                let record = self.record_of(event).expect("it is one");
                self.notices
                    .extend(self.dispatcher.handle_record(now, &record));
            }
        }
    }

    /// The record that comes with an event now.
    pub(super) fn record_of(&self, event: &Event) -> Option<AlertRecord> {
        let Event::Record {
            alert,
            state,
            severity,
            is_shadow,
        } = event
        else {
            return None;
        };
        let severity = SEVERITIES[*severity];
        let id = format!("a{alert}");
        let mut record = record(&id, STATES[*state], severity, self.now);
        record.rule = format!("r{}", alert % 4);
        record.subject = format!("m{}", alert / 2);
        let station = format!("st{}", alert % 3);
        record.tags.insert("station".to_owned(), station);
        record.shadow = *is_shadow;
        Some(record)
    }

    /// Stores what changed, as an outbox does.
    pub(super) fn keep(&mut self) {
        for part in self.dispatcher.take_changes() {
            match part.bytes {
                Some(bytes) => self.kept.parts.insert(part.key, bytes),
                None => self.kept.parts.remove(&part.key),
            };
        }
        self.kept.now = self.now;
        self.kept.notices = self.notices.len();
        self.kept.since.clear();
        let all = all_parts(&self.dispatcher);
        let differs = |key: &&Vec<u8>| self.kept.parts.get(*key) != all.get(*key);
        let keys = self.kept.parts.keys().chain(all.keys());
        let wrong: Vec<_> = keys
            .filter(differs)
            .map(|key| key.escape_ascii().to_string())
            .collect();
        assert!(wrong.is_empty(), "not stored as they are: {wrong:?}");
    }

    /// Is killed, and goes on from what was stored last.
    pub(super) fn kill(&mut self) {
        let plan = self.dispatcher.plan().clone();
        let parts = self.kept.parts.clone();
        self.dispatcher = Dispatcher::restore_parts(plan, parts).expect("it is valid");
        self.now = self.kept.now;
        self.notices.truncate(self.kept.notices);
        for (gap, event) in std::mem::take(&mut self.kept.since) {
            self.play(gap, &event);
        }
    }

    /// Goes on with other routes.
    pub(super) fn replan(&mut self, routes: &str) {
        let state = self.dispatcher.state();
        self.dispatcher = Dispatcher::restore(plan(routes), &state).expect("it is valid");
    }

    pub(super) fn check_laws(&self) {
        let it = self.dispatcher.totals();
        let records = it.accepted + it.shadow + it.repeated + it.outdated + it.unheard + it.refused;
        assert_eq!(it.received, records, "{it:?}");
        let known = it.told + it.muted + it.inhibited + it.superseded + it.held_back;
        assert_eq!(it.deliveries, known + self.dispatcher.waiting(), "{it:?}");
        assert_eq!(it.notices, self.notices.len() as u64);
        let digests = self.notices.iter().filter(|notice| is_storm_digest(notice));
        // One that is counted may be shown as the example.
        let counted = |notice: &Notice| u64::from(notice.held_back) + 1;
        let counted: u64 = digests.map(counted).sum();
        let state = self.dispatcher.state();
        let next: u64 = state
            .channels
            .iter()
            .flat_map(|channel| channel.gone.values())
            .sum();
        assert!(
            it.held_back <= counted + next,
            "{it:?}, in digests {counted} and {next}"
        );
    }
}

pub(super) fn is_storm_digest(notice: &Notice) -> bool {
    let title = notice.title_en.as_deref().unwrap_or_default();
    title.starts_with("Too many alerts")
}

/// Everything of a dispatcher, as one that never stored anything gives it.
pub(super) fn all_parts(dispatcher: &Dispatcher) -> StoredParts {
    let plan = dispatcher.plan().clone();
    let mut fresh = Dispatcher::restore(plan, &dispatcher.state()).expect("it is valid");
    let parts = fresh.take_changes().into_iter();
    parts
        .map(|part| (part.key, part.bytes.expect("nothing is gone")))
        .collect()
}
