//! What holds of every notice and every alert of a random day, told by a model that only knows what
//! came in.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use tidegate_alerts::wire::AlertRecord;
use tidegate_dispatch::{Mute, Notice, NoticeKind};

use crate::run::{Event, ROUTES, Run, STORM, day, is_storm_digest, routes};
use crate::support::at;

/// A storm in which digests show everything.
const SHOWN: &str = "
    [storm]
    alerts_per_notice = 1000
    notices_per_minute = 1
";

/// What is known of alerts by the records alone.
#[derive(Default)]
struct Model {
    /// The last record of each alert that counts.
    last: BTreeMap<String, AlertRecord>,
}

impl Model {
    fn see(&mut self, record: &AlertRecord) {
        if record.shadow {
            return;
        }
        let is_news = match self.last.get(&record.id) {
            None => record.state != "resolved",
            Some(last) => last.state != "resolved" && record.window_end > last.window_end,
        };
        if is_news {
            self.last.insert(record.id.clone(), record.clone());
        }
    }

    fn is_over(&self, id: &str) -> bool {
        self.last[id].state == "resolved"
    }
}

/// Plays a day without records of alerts that are over by the model: what comes after the end is
/// another episode, which has another id outside of tests.
fn play(run: &mut Run, day: &[(i64, Event)], mut after: impl FnMut(&mut Run, &Model)) {
    let mut model = Model::default();
    for (gap, event) in day {
        run.wait(*gap);
        match run.record_of(event) {
            Some(record) if model.last.contains_key(&record.id) && model.is_over(&record.id) => {}
            Some(record) => {
                model.see(&record);
                run.play(0, event);
            }
            None => run.play(0, event),
        }
        after(run, &model);
    }
    run.wait(30_000);
    after(run, &model);
}

/// The notices on a channel about an alert, in their order.
fn about<'a>(run: &'a Run, channel: &str, id: &str) -> Vec<(&'a Notice, &'a AlertRecord)> {
    let on_channel = run
        .notices
        .iter()
        .filter(|notice| notice.channel == channel);
    on_channel
        .flat_map(|notice| {
            notice
                .alerts
                .iter()
                .map(move |alert| (notice, &alert.record))
        })
        .filter(|(_, record)| record.id == id)
        .collect()
}

/// What waits for the next digest of a channel.
#[derive(Default)]
struct Waiting {
    /// How many are only counted.
    gone: u64,
    /// The alerts that have something to tell there, or are to be told again.
    held: Vec<AlertRecord>,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.gone == 0 && self.held.is_empty()
    }

    /// How many a digest must show or count by what mutes them now.
    fn told(&self, run: &Run) -> u64 {
        let is_told =
            |record: &&AlertRecord| match run.dispatcher.explain(at(run.now), record).muted_by {
                None => true,
                Some(Mute::Inhibition(_)) => record.state == "resolved",
                Some(Mute::Silence(_)) => false,
            };
        self.gone + self.held.iter().filter(is_told).count() as u64
    }
}

/// By channel, what the next digest must show or count unless something mutes it.
fn waiting(run: &Run) -> BTreeMap<String, Waiting> {
    let state = run.dispatcher.state();
    let lanes: BTreeMap<[u8; 16], &str> = state
        .groups
        .iter()
        .map(|group| (group.key, group.channel.as_str()))
        .collect();
    let mut waiting: BTreeMap<String, Waiting> = BTreeMap::new();
    for channel in &state.channels {
        let gone = channel.gone.values().sum();
        let of_channel = Waiting {
            gone,
            held: Vec::new(),
        };
        waiting.insert(channel.channel.clone(), of_channel);
    }
    for (alert, status) in state.alerts.iter().zip(run.dispatcher.alerts()) {
        for seat in alert.seats.iter().filter(|seat| seat.is_held) {
            // Who took an alert is not told again what they heard.
            if seat.is_pending || seat.told.is_empty() || alert.acknowledged.is_none() {
                let of_channel = waiting.entry(lanes[&seat.group].to_owned()).or_default();
                of_channel.held.push(status.record.clone());
            }
        }
    }
    waiting
}

proptest! {
    /// An alert stands from its first record to its end, whatever silences, acknowledgements and
    /// inhibitions there are, and is shown as it was last.
    #[test]
    fn nothing_but_its_end_ends_an_alert(day in day(), routes in routes()) {
        let mut run = Run::new(&routes);
        play(&mut run, &day, |run, model| {
            for (id, record) in &model.last {
                match run.dispatcher.alert(id) {
                    Some(status) => assert_eq!(&status.record, record),
                    None => assert!(model.is_over(id), "{id} is gone"),
                }
            }
            let count = run.dispatcher.alerts().count();
            assert_eq!(count, run.dispatcher.alert_count());
            assert!(count <= model.last.len());
        });
        let over = run.dispatcher.alerts().filter(|alert| alert.record.state == "resolved");
        prop_assert_eq!(over.count(), 0, "an end waits for ever");
    }

    /// As long as nothing is only counted, what stands and is not kept quiet was told on each of its
    /// channels as it was last, and to the top where nobody took it; what is over was told so to all
    /// who heard of it, unless a silence muted that.
    #[test]
    fn the_last_word_is_told(day in day(), storm in prop::sample::select(vec!["", SHOWN])) {
        // A repeat would tell late what was to be told in time.
        let routes = ROUTES
            .replace("repeat_interval = '20m'", "repeat_interval = '366d'")
            .replace("group_wait = '0s'", "group_wait = '0s'\nrepeat_interval = '366d'");
        let mut run = Run::new(&format!("{routes}{storm}"));
        let mut ends: BTreeMap<String, AlertRecord> = BTreeMap::new();
        play(&mut run, &day, |_, model| ends.clone_from(&model.last));
        for status in run.dispatcher.alerts() {
            let id = &status.record.id;
            for channel in status.told.keys().filter(|_| status.muted_by.is_none()) {
                let told = about(&run, channel, id);
                prop_assert_eq!(told.last().map(|(_, record)| *record), Some(&status.record));
            }
            let goes_up = status.muted_by.is_none()
                && status.acknowledged.is_none()
                && status.record.severity != "watch";
            let top = about(&run, "sms", id);
            prop_assert!(!goes_up || !top.is_empty(), "nobody above knows of {status:?}");
        }
        let has_silences = day.iter().any(|(_, event)| matches!(event, Event::Silence { .. }));
        for (id, end) in ends.iter().filter(|(_, end)| end.state == "resolved" && !has_silences) {
            for channel in ["hall", "mail", "sms"] {
                let told = about(&run, channel, id);
                let last = told.last().map(|(_, record)| *record);
                prop_assert!(last.is_none_or(|last| last == end), "{id} on {channel}: {last:?}");
            }
        }
    }

    /// A notice refers to all earlier ones on its channel about the alert, and to no others.
    #[test]
    fn a_notice_knows_those_before_it(day in day(), routes in routes()) {
        let mut run = Run::new(&routes);
        play(&mut run, &day, |_, _| {});
        let mut before: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
        for notice in &run.notices {
            for alert in &notice.alerts {
                let told: Vec<&str> = alert.told.iter().map(|told| told.notice.as_str()).collect();
                let key = (notice.channel.clone(), alert.record.id.clone());
                let before = before.entry(key).or_default();
                let newest = before.len().saturating_sub(tidegate_dispatch::TOLD_MAX);
                prop_assert_eq!(&told, &before[newest..]);
                before.push(notice.id.clone());
            }
        }
    }

    /// From the moment somebody takes an alert it goes no further up and is not repeated.
    #[test]
    fn an_acknowledgement_ends_repeats_and_escalation(day in day(), routes in routes()) {
        let mut run = Run::new(&routes);
        let mut taken: BTreeMap<String, usize> = BTreeMap::new();
        play(&mut run, &day, |run, _| {
            let told = run.notices.len();
            for alert in run.dispatcher.alerts().filter(|alert| alert.acknowledged.is_some()) {
                taken.entry(alert.record.id).or_insert(told);
            }
        });
        for (n, notice) in run.notices.iter().enumerate() {
            if matches!(notice.kind, NoticeKind::Repeat | NoticeKind::Escalation) {
                for alert in &notice.alerts {
                    let taken = taken.get(&alert.record.id);
                    // What was only counted is told then to those who never heard of it.
                    let is_first = notice.kind == NoticeKind::Repeat && alert.told.is_empty();
                    let before = taken.is_none_or(|taken| n < *taken);
                    prop_assert!(before || is_first, "{notice:?}");
                }
            }
            for alert in notice.alerts.iter().filter(|_| is_storm_digest(notice)) {
                let is_taken = taken.get(&alert.record.id).is_some_and(|taken| n >= *taken);
                let earlier = about(&run, &notice.channel, &alert.record.id);
                let known = earlier.iter().take_while(|(it, _)| it.id != notice.id).last();
                let is_news = known.is_none_or(|(_, record)| *record != &alert.record);
                prop_assert!(!is_taken || is_news, "{notice:?}");
            }
        }
    }

    /// What a silence mutes is in no notice until the silence is over.
    #[test]
    fn what_is_silenced_is_not_shown(day in day(), routes in routes()) {
        let mut run = Run::new(&routes);
        let mut silences: Vec<(String, i64, i64)> = Vec::new();
        for (gap, event) in &day {
            run.play(*gap, event);
            if let Event::Silence { rule, seconds } = event {
                silences.push((format!("r{rule}"), run.now, run.now + seconds));
            }
        }
        run.wait(3_000);
        for notice in &run.notices {
            let created = notice.created.as_second() - at(0).as_second();
            for alert in &notice.alerts {
                let mutes = |(rule, from, until): &&(String, i64, i64)| {
                    *rule == alert.record.rule && *from < created && created < *until
                };
                prop_assert_eq!(silences.iter().find(mutes), None, "{:?}", notice);
            }
        }
    }

    /// Nothing goes up more often than there are people, and each step is for who is next.
    #[test]
    fn it_goes_up_one_by_one(day in day()) {
        let mut run = Run::new(ROUTES);
        play(&mut run, &day, |_, _| {});
        let mut ups: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for notice in run.notices.iter().filter(|it| it.kind == NoticeKind::Escalation) {
            prop_assert_eq!(notice.alerts.len(), 1);
            let id = notice.alerts[0].record.id.as_str();
            *ups.entry((notice.channel.as_str(), id)).or_default() += 1;
        }
        // The grid answers first, so only the city is above.
        prop_assert!(ups.values().all(|count| *count == 1), "{ups:?}");
    }

    /// What a storm holds back and nothing mutes is in the next digest of its channel, a minute
    /// later at the most, shown or counted.
    #[test]
    fn a_digest_has_all_that_was_held_back(day in day()) {
        let mut run = Run::new(&format!("{ROUTES}{STORM}"));
        for (gap, event) in &day {
            let until = run.now + gap;
            while run.now < until {
                let due = run.dispatcher.next_deadline().filter(|due| *due <= at(until));
                let (waiting, told) = (waiting(&run), run.notices.len());
                let next = due.map_or(until, |due| due.as_second() - at(0).as_second());
                run.wait(next - run.now);
                for notice in run.notices[told..].iter().filter(|it| is_storm_digest(it)) {
                    let shown = notice.alerts.len() as u64;
                    let counted = u64::from(notice.held_back);
                    let expected = waiting[&notice.channel].told(&run);
                    prop_assert_eq!(shown + counted, expected, "{:?}", notice);
                }
                if due.is_none() {
                    break;
                }
            }
            run.play(0, event);
            let minute: BTreeSet<i64> = (run.now - 60..=run.now).collect();
            for channel in &run.dispatcher.state().channels {
                let began = channel.minute.map(|at_| at_.as_second() - at(0).as_second());
                let waits = !waiting(&run)[&channel.channel].is_empty();
                prop_assert!(!waits || began.is_none_or(|it| minute.contains(&it)));
            }
        }
    }

    /// What is kept quiet by another alert is listed with one that stands and is not over.
    #[test]
    fn what_keeps_quiet_stands(day in day(), routes in routes()) {
        let mut run = Run::new(&routes);
        play(&mut run, &day, |run, model| {
            for alert in run.dispatcher.alerts() {
                if let Some(Mute::Inhibition(source)) = &alert.muted_by {
                    assert!(!model.is_over(source), "{source} keeps {} quiet", alert.record.id);
                }
            }
        });
    }
}
