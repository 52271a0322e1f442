//! What must have come out, computed naively: the whole input, the recorded steps, and the
//! documented definitions. No query engine, no incremental state, no code of the product.
//!
//! It takes from the steps what is a decision of clocks: in which order partitions were read, when
//! each appeared and when each was found idle. All else follows from the records.

mod alert;

use std::collections::{BTreeMap, BTreeSet};

use tidegate_pipeline::Step;

use super::output::{alert_id, layer_id, pane_id, record_id};
use super::shape::{GATES, RuleShape, Shape, WindowShape};
use super::step::{Action, action};
use super::traffic::{Count, Key, Logs, Sent};
use alert::Alert;

/// How many records had each of the [`FATES`].
pub(crate) type Sums = [u64; 5];

/// What becomes of a record; the first is of all of them.
const FATES: [&str; 5] = ["received", "counted", "late", "duplicate", "rejected"];

/// One partition: its own watermark, whether windows wait for it, the ids it has seen.
#[derive(Debug)]
struct Clock {
    watermark: i64,
    holds: bool,
    ids: BTreeSet<String>,
}

/// Value by subject.
type Rows = BTreeMap<String, i64>;

/// See the module documentation.
#[derive(Debug)]
pub(crate) struct Oracle<'a> {
    shape: &'a Shape,
    logs: &'a Logs,
    clocks: BTreeMap<Key, Clock>,
    /// Counted records, and whether they are on time.
    counted: Vec<(&'a Count, bool)>,
    /// By rule and subject.
    alerts: BTreeMap<(&'static str, String), Alert>,
    /// Persons more in each venue at the end of each `flow`, as known by now.
    flows: BTreeMap<i64, Rows>,
    /// Persons of the latest `flow`, by venue.
    latest: Rows,
    /// The merged watermark.
    pub(crate) merged: i64,
    pub(crate) sums: Sums,
    /// Id and content of everything that must be visible.
    pub(crate) expected: BTreeMap<String, String>,
}

impl<'a> Oracle<'a> {
    pub(crate) fn new(shape: &'a Shape, logs: &'a Logs) -> Self {
        Self {
            shape,
            logs,
            clocks: BTreeMap::new(),
            counted: Vec::new(),
            alerts: BTreeMap::new(),
            flows: BTreeMap::new(),
            latest: Rows::new(),
            merged: i64::MIN,
            sums: Sums::default(),
            expected: BTreeMap::new(),
        }
    }

    pub(crate) fn take(&mut self, step: &Step) {
        let (key, action) = action(step);
        let clock = self.clocks.entry(key.clone()).or_insert_with(|| Clock {
            watermark: i64::MIN,
            holds: true,
            ids: BTreeSet::new(),
        });
        match action {
            Action::Assigned(_) => clock.holds = true,
            Action::Idle => clock.holds = false,
            Action::Read(from, to) => {
                let logs = self.logs;
                let sent = logs[&key].between(from, to);
                for sent in sent {
                    self.judge(&key, sent);
                }
            }
        }
        let holding = self.clocks.values().filter(|clock| clock.holds);
        let lowest = holding.map(|clock| clock.watermark).min();
        self.merged = self.merged.max(lowest.unwrap_or(i64::MIN));
    }

    fn judge(&mut self, key: &Key, sent: &'a Sent) {
        let (shape, merged) = (self.shape, self.merged);
        let clock = self.clocks.get_mut(key).expect("assigned before");
        let is_new = |ids: &mut BTreeSet<String>, count: &Count| {
            let id = count.id.clone();
            id.is_none_or(|id| ids.insert(id))
        };
        let (fate, content) = match sent.accepted(shape, &key.0) {
            Err(reason) => (4, reason.to_owned()),
            Ok(count) if !is_new(&mut clock.ids, count) => (3, String::new()),
            Ok(count) => {
                let own = clock.watermark;
                clock.watermark = own.max(count.end - shape.feed(&key.0).delay());
                // The first window that the count touches, of any query.
                let (first, _) = touched(count);
                let ends = shape.windows().map(|w| floor(first, w.slide) + w.slide);
                let end = ends.into_iter().min().expect("there are windows");
                let last_call = end + shape.allowed_lateness;
                if last_call <= own {
                    (2, format!("beyond_allowed_lateness missed={own}"))
                } else if last_call <= merged {
                    (2, format!("after_idle missed={merged}"))
                } else {
                    self.counted.push((count, end > own.max(merged)));
                    (1, String::new())
                }
            }
        };
        // Neither what is refused nor what was there before.
        clock.holds |= fate < 3;
        self.sums[0] += 1;
        self.sums[fate] += 1;
        if fate > 1 {
            let id = record_id(FATES[fate], &key.0, key.1, sent.offset);
            self.expected.insert(id, content);
        }
    }

    /// Adds everything that the windows behind the merged watermark give.
    pub(crate) fn close(&mut self) {
        let shape = self.shape;
        // By when it is due, revision, query and end: the order in which windows fire.
        let mut firings = BTreeMap::new();
        for window in shape.windows() {
            let mut panes: BTreeMap<i64, Vec<(Count, bool)>> = BTreeMap::new();
            for (count, is_on_time) in &self.counted {
                for (end, part) in parts(&window, count) {
                    panes.entry(end).or_default().push((part, *is_on_time));
                }
            }
            let is_full = |rows: &[(Count, bool)]| rows.iter().any(|(_, is_on_time)| *is_on_time);
            let first = panes.iter().find(|(_, rows)| is_full(rows));
            let mut end = first.map_or(i64::MAX, |(end, _)| *end);
            // Windows without data between windows with data fire too.
            while end <= self.merged {
                let mut rows = panes.get(&end).cloned().unwrap_or_default();
                rows.retain(|(_, is_on_time)| *is_on_time);
                firings.insert((end, 0, window.name, end), rows);
                end += window.slide;
            }
            for (end, rows) in panes {
                let due = end + shape.allowed_lateness;
                if due <= self.merged && rows.iter().any(|(_, is_on_time)| !is_on_time) {
                    firings.insert((due, 1, window.name, end), rows);
                }
            }
        }
        for ((_, revision, window, end), rows) in firings {
            self.fire((window, end, revision), &rows);
        }
    }

    /// One firing: panes, occupancy, layers, alerts.
    fn fire(&mut self, (window, end, revision): (&str, i64, u32), rows: &[(Count, bool)]) {
        let mut groups: BTreeMap<&str, Vec<&Count>> = BTreeMap::new();
        for (count, _) in rows {
            let venue = GATES.iter().find(|gate| gate.0 == count.site);
            let key = match window {
                "flow" => venue.map(|gate| gate.1),
                _ => Some(count.site),
            };
            let Some(key) = key else { continue };
            groups.entry(key).or_default().push(count);
        }
        for (key, counts) in &groups {
            let id = pane_id(window, end, revision, key);
            self.expected.insert(id, pane(counts));
        }
        let persons = groups.iter().map(|(key, counts)| {
            let persons: i64 = counts.iter().map(|count| count.persons).sum();
            ((*key).to_owned(), persons)
        });
        let persons: Rows = persons.collect();
        let inside = self.inside(window, end, &groups);
        let city = |rows: &Rows, times: i64| {
            let total = times * rows.values().sum::<i64>();
            let is_there = !rows.is_empty();
            is_there
                .then(|| ("city".to_owned(), total))
                .into_iter()
                .collect()
        };
        let layers: Vec<(&str, Rows)> = match (window, revision) {
            ("flow", 0) => {
                // What rests on occupancy is not revised.
                self.latest.clone_from(&persons);
                let (crowd, total) = (city(&inside, 1), city(&persons, 1));
                vec![
                    ("busy", persons),
                    ("total", total),
                    ("inside", inside),
                    ("crowd", crowd),
                ]
            }
            ("flow", _) => vec![("total", city(&persons, 1)), ("busy", persons)],
            // Of another window the latest is read.
            _ => vec![("recent", city(&self.latest, 2)), ("trend", persons)],
        };
        for (layer, rows) in layers {
            for (subject, value) in &rows {
                let id = layer_id(layer, end, revision, subject);
                self.expected.insert(id, format!("value={value}.0"));
            }
            let shape = self.shape;
            let rules = shape.rules.iter().filter(|rule| rule.layer == layer);
            for rule in rules.filter(|_| revision == 0) {
                self.alert(rule, end, &rows);
            }
        }
    }

    /// The persons inside each venue, counted anew from the first window on; never below none.
    fn inside(&mut self, window: &str, end: i64, groups: &BTreeMap<&str, Vec<&Count>>) -> Rows {
        let more = groups.iter().map(|(venue, counts)| {
            let signed = counts.iter().map(|count| match count.measure {
                "in" => count.persons,
                _ => -count.persons,
            });
            ((*venue).to_owned(), signed.sum())
        });
        if window == "flow" {
            self.flows.insert(end, more.collect());
        }
        let mut inside: Rows = ["east", "west"].map(|venue| (venue.to_owned(), 0)).into();
        for flow in self.flows.values() {
            for (venue, persons) in &mut inside {
                *persons = 0.max(*persons + flow.get(venue).unwrap_or(&0));
            }
        }
        inside
    }

    /// Shows one rule the rows of its layer.
    fn alert(&mut self, rule: &RuleShape, end: i64, rows: &Rows) {
        let open = self.alerts.keys().filter(|(name, _)| *name == rule.name);
        let mut subjects: BTreeSet<String> = open.map(|(_, subject)| subject.clone()).collect();
        let called = rows.iter().filter(|(_, value)| **value >= rule.fire_above);
        subjects.extend(called.map(|(subject, _)| subject.clone()));
        for subject in subjects {
            let value = rows.get(&subject).copied();
            let id = alert_id(rule.name, &subject, end);
            let key = (rule.name, subject);
            let alert = self.alerts.entry(key.clone()).or_default();
            let since = *alert.since.get_or_insert(end);
            let (state, is_over) = alert.window(rule, end, value);
            if let Some(state) = state {
                let value = value.map_or("null".to_owned(), |value| format!("{value}.0"));
                let content = format!("{state} value={value} since={since}");
                self.expected.insert(id, content);
            }
            if is_over {
                self.alerts.remove(&key);
            }
        }
    }
}

/// A pane's columns in the order of their names.
fn pane(counts: &[&Count]) -> String {
    let show = |number: Option<i64>| number.map_or("null".to_owned(), |n| n.to_string());
    let sum = |measure: &str| {
        let of = counts.iter().filter(|count| count.measure == measure);
        show(of.map(|count| count.persons).reduce(|a, b| a + b))
    };
    let largest = show(counts.iter().map(|count| count.persons).max());
    let newest = show(counts.iter().map(|count| count.end).max());
    let oldest = show(counts.iter().map(|count| count.start).min());
    let persons: i64 = counts.iter().map(|count| count.persons).sum();
    let (n, sum_in, sum_out) = (counts.len(), sum("in"), sum("out"));
    format!(
        "largest={largest} n={n} newest={newest} oldest={oldest} persons={persons} \
         persons_in={sum_in} persons_out={sum_out}"
    )
}

/// The latest multiple of `step` at or before `time`.
fn floor(time: i64, step: i64) -> i64 {
    time - time.rem_euclid(step)
}

/// The first and the last instant that a count is about.
fn touched(count: &Count) -> (i64, i64) {
    let last = count.start.max(count.end - 1);
    match count.measure {
        "present" => (last, last),
        _ => (count.start, last),
    }
}

/// The shares of a count in the windows that hold it, by their ends: in proportion to the overlap
/// with each slide, whole persons, the remainder one each to the largest fractions, earlier first.
fn parts(window: &WindowShape, count: &Count) -> Vec<(i64, Count)> {
    let (first, last) = touched(count);
    let (mut shares, mut start) = (Vec::new(), floor(first, window.slide));
    while start <= last {
        let overlap = (last + 1).min(start + window.slide) - first.max(start);
        let (share, length) = (count.persons * overlap, last + 1 - first);
        shares.push((start, share / length, share % length));
        start += window.slide;
    }
    while shares.iter().map(|share| share.1).sum::<i64>() < count.persons {
        let largest = shares.iter().map(|share| share.2).max();
        let share = shares.iter_mut().find(|share| Some(share.2) == largest);
        let share = share.expect("there is a largest one");
        (share.1, share.2) = (share.1 + 1, -1);
    }
    let mut parts = Vec::new();
    for (start, part, _) in shares {
        for back in 0..window.size / window.slide {
            let end = start - back * window.slide + window.size;
            let count = Count {
                persons: part,
                ..count.clone()
            };
            parts.push((end, count));
        }
    }
    parts
}
