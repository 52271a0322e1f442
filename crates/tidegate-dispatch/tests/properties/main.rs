//! Random days of alerts, silences and acknowledgements. Tries to make the dispatcher forget an
//! alert, tell one twice, tell what nobody may hear, or go on differently after a restart.

mod laws;
mod restart;
mod run;
#[path = "../support/mod.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use tidegate_dispatch::{Notice, NoticeKind};

use run::{Event, ROUTES, Run, SEVERITIES, STATES, day, routes};
use support::{at, record};

proptest! {
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
