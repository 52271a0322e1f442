//! Random days of alerts, silences and acknowledgements. Tries to make the dispatcher forget an
//! alert, tell one twice, tell what nobody may hear, or go on differently after a restart.

mod support;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use tidegate_dispatch::{
    AcknowledgeRequest, Dispatcher, GridTree, GridUnit, Notice, NoticeKind, Plan, RoutesConfig,
    SilenceRequest,
};

use support::{at, record};

const ROUTES: &str = "
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

fn plan(routes: &str) -> Plan {
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
enum Event {
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

const STATES: [&str; 8] = [
    "firing",
    "firing",
    "escalated",
    "eased",
    "no_data",
    "resumed",
    "flapping",
    "resolved",
];
const SEVERITIES: [&str; 3] = ["watch", "warning", "critical"];

fn transition() -> impl Strategy<Value = Event> {
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

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        10 => transition(),
        1 => (0..12_u8).prop_map(|alert| Event::Acknowledge { alert }),
        1 => (0..4_u8, 1..2_000_i64).prop_map(|(rule, seconds)| Event::Silence { rule, seconds }),
        2 => Just(Event::Wait),
    ]
}

/// Events with the seconds from each to the next.
fn day() -> impl Strategy<Value = Vec<(i64, Event)>> {
    let gap = prop_oneof![3 => 0..5_i64, 3 => 5..120_i64, 1 => 120..1_500_i64];
    prop::collection::vec((gap, event()), 1..40)
}

fn routes() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => Just(ROUTES.to_owned()),
        1 => Just(format!("{ROUTES}\n[storm]\nalerts_per_notice = 1\nnotices_per_minute = 2")),
    ]
}

/// A dispatcher with what it told.
struct Run {
    dispatcher: Dispatcher,
    now: i64,
    notices: Vec<Notice>,
}

impl Run {
    fn new(routes: &str) -> Self {
        Self {
            dispatcher: Dispatcher::new(plan(routes)),
            now: 0,
            notices: Vec::new(),
        }
    }

    /// Lets time pass as a shell would: deadline by deadline.
    fn wait(&mut self, seconds: i64) {
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

    fn play(&mut self, gap: i64, event: &Event) {
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
            Event::Record {
                alert,
                state,
                severity,
                is_shadow,
            } => {
                let severity = SEVERITIES[*severity];
                let id = format!("a{alert}");
                let mut record = record(&id, STATES[*state], severity, self.now);
                record.rule = format!("r{}", alert % 4);
                record.subject = format!("m{}", alert / 2);
                record
                    .tags
                    .insert("station".to_owned(), format!("st{}", alert % 3));
                record.shadow = *is_shadow;
                self.notices
                    .extend(self.dispatcher.handle_record(now, &record));
            }
        }
    }

    fn restart(&mut self) {
        let bytes = postcard::to_stdvec(&self.dispatcher.state()).expect("it is valid");
        let plan = self.dispatcher.plan().clone();
        let state = postcard::from_bytes(&bytes).expect("it is valid");
        self.dispatcher = Dispatcher::restore(plan, &state).expect("it is valid");
    }

    fn check_laws(&self) {
        let it = self.dispatcher.totals();
        let records = it.accepted + it.shadow + it.repeated + it.outdated + it.unheard + it.refused;
        assert_eq!(it.received, records, "{it:?}");
        let known = it.told + it.muted + it.inhibited + it.superseded + it.held_back;
        assert_eq!(it.deliveries, known + self.dispatcher.waiting(), "{it:?}");
        assert_eq!(it.notices, self.notices.len() as u64);
    }
}

proptest! {
    /// A restart at any point changes nothing, and the laws hold after every event.
    #[test]
    fn a_restart_changes_nothing(day in day(), routes in routes(), cuts in any::<u64>()) {
        let (mut whole, mut cut) = (Run::new(&routes), Run::new(&routes));
        for (n, (gap, event)) in day.iter().enumerate() {
            whole.play(*gap, event);
            cut.play(*gap, event);
            if cuts >> (n % 64) & 1 == 1 {
                cut.restart();
            }
            whole.check_laws();
            prop_assert_eq!(&whole.notices, &cut.notices);
        }
        whole.wait(20_000);
        cut.wait(20_000);
        prop_assert_eq!(&whole.notices, &cut.notices);
        prop_assert_eq!(whole.dispatcher.state(), cut.dispatcher.state());
    }

    /// No id comes twice; every notice has an alert; shadows are never told; what waits at the end
    /// is kept quiet by something that is listed.
    #[test]
    fn nothing_is_told_twice_and_nothing_vanishes(day in day(), routes in routes()) {
        let mut run = Run::new(&routes);
        for (gap, event) in &day {
            run.play(*gap, event);
        }
        run.wait(3_000);
        let ids: BTreeSet<&str> = run.notices.iter().map(|notice| notice.id.as_str()).collect();
        prop_assert_eq!(ids.len(), run.notices.len());
        let mut first: BTreeSet<(String, String)> = BTreeSet::new();
        for notice in &run.notices {
            prop_assert!(!notice.alerts.is_empty());
            for alert in &notice.alerts {
                prop_assert!(!alert.record.shadow);
                let is_new = first.insert((notice.channel.clone(), alert.record.id.clone()));
                // An id that is used again is another episode only in this test.
                prop_assert!(!is_new || alert.told.is_empty());
            }
        }
        let waits: u64 = run.dispatcher.groups().iter().map(|group| group.pending as u64).sum();
        prop_assert_eq!(waits, run.dispatcher.waiting());
        let quiet = run.dispatcher.alerts().filter(|alert| alert.muted_by.is_some());
        let quiet: BTreeSet<String> = quiet.map(|alert| alert.record.id).collect();
        for group in run.dispatcher.groups().iter().filter(|group| group.due.is_none()) {
            let silent = group.alerts.iter().filter(|id| quiet.contains(*id)).count();
            prop_assert!(group.pending <= silent, "{group:?}");
        }
    }

    /// Records that come again change nothing.
    #[test]
    fn a_replay_changes_nothing(day in day()) {
        let (mut once, mut twice) = (Run::new(ROUTES), Run::new(ROUTES));
        for (gap, event) in &day {
            once.play(*gap, event);
            twice.play(*gap, event);
            if let Event::Record { .. } = event {
                twice.play(0, event);
            }
        }
        prop_assert_eq!(once.notices, twice.notices);
    }

    /// After somebody took it, an alert neither goes up nor is told again.
    #[test]
    fn what_is_acknowledged_never_goes_up(day in day(), alert in 0..12_u8) {
        let mut run = Run::new(ROUTES);
        for (gap, event) in &day {
            run.play(*gap, event);
        }
        run.play(0, &Event::Acknowledge { alert });
        let told = run.notices.len();
        run.wait(10_000);
        for notice in &run.notices[told..] {
            if matches!(notice.kind, NoticeKind::Escalation | NoticeKind::Repeat) {
                let id = format!("a{alert}");
                prop_assert!(notice.alerts.iter().all(|it| it.record.id != id));
            }
        }
    }

    /// Records of different groups that come at one time may come in any order.
    #[test]
    fn the_order_of_groups_does_not_matter(
        batches in prop::collection::vec(
            prop::collection::btree_map(0..12_u8, (0..STATES.len(), 0..SEVERITIES.len()), 1..8),
            1..8,
        ),
        seed in any::<u64>(),
    ) {
        let routes = "[[route]]\nname = 'default'\nchannels = ['hall', 'mail']";
        let (mut straight, mut mixed) = (Run::new(routes), Run::new(routes));
        for (n, batch) in (0..).zip(&batches) {
            let mut records: Vec<_> = batch
                .iter()
                .map(|(alert, (state, severity))| {
                    let id = format!("a{alert}");
                    let mut record = record(&id, STATES[*state], SEVERITIES[*severity], n * 100);
                    record.subject = format!("m{alert}");
                    record
                })
                .collect();
            let now = at(n * 100);
            for record in &records {
                straight.notices.extend(straight.dispatcher.handle_record(now, record));
            }
            let by = usize::from((seed >> n) & 1 == 1) % records.len();
            records.rotate_left(by);
            if seed & 1 == 0 {
                records.reverse();
            }
            mixed.notices.extend(mixed.dispatcher.handle_records(now, &records));
            straight.now = n * 100;
            mixed.now = straight.now;
            straight.wait(99);
            mixed.wait(99);
            straight.now -= 99;
            mixed.now -= 99;
        }
        let set = |run: &Run| -> BTreeMap<String, Notice> {
            run.notices.iter().map(|notice| (notice.id.clone(), notice.clone())).collect()
        };
        prop_assert_eq!(set(&straight), set(&mixed));
    }
}
