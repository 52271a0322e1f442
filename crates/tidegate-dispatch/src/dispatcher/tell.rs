//! A notice is made, unless its channel has had too much: then its alerts wait for a digest.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use tidegate_alerts::wire::AlertRecord;
use tidegate_model::Span;

use super::held::{Id, after};
use super::{Dispatcher, TOLD_MAX};
use crate::digest::{Hash, digest, hex};
use crate::notice::{Notice, NoticeAlert, NoticeKind, Told};
use crate::record::Packed;

/// How long a notice is of use when its alerts do not say.
pub const NOTICE_LIFE: Span = Span::minutes(15);

/// How long an all-clear is of use at the least.
pub const ALL_CLEAR_LIFE_MIN: Span = Span::minutes(5);

/// What is to be told on one channel.
#[derive(Debug)]
pub(super) struct Telling {
    pub(super) lane: u16,
    pub(super) kind: NoticeKind,
    /// Which repeat, escalation or digest it is; 0 where each can only be told once.
    pub(super) number: u32,
    pub(super) group: BTreeMap<String, String>,
    pub(super) ids: Vec<Id>,
    /// Whom, where it is not everybody who answers for the alerts.
    pub(super) to: Option<BTreeSet<String>>,
}

impl Dispatcher {
    /// Makes a notice of the worst alerts; the others, or all, are held back for a digest.
    pub(super) fn tell(&mut self, mut telling: Telling, notices: &mut Vec<Notice>) {
        let storm = self.plan.storm();
        let (shown_max, sent_max) = (storm.alerts_per_notice as usize, storm.notices_per_minute);
        let now = self.now;
        let lane = self.lane_mut(telling.lane);
        lane.turn(now);
        let shown_max = if lane.sent < sent_max { shown_max } else { 0 };
        self.sort_worst_first(&mut telling.ids);
        let held = telling.ids.split_off(shown_max.min(telling.ids.len()));
        for id in &held {
            self.hold(id, telling.lane);
        }
        if !telling.ids.is_empty() {
            let held_back = u32::try_from(held.len()).unwrap_or(u32::MAX);
            let notice = self.compose(&telling, held_back);
            self.note(&telling, &notice);
            notices.push(notice);
        }
        self.schedule_lane(telling.lane);
    }

    fn sort_worst_first(&self, ids: &mut [Id]) {
        ids.sort_by_cached_key(|id| (Reverse(self.alerts[id].severity), Arc::clone(id)));
    }

    /// Holds an alert back for the channel's next digest. What it has to tell waits until then.
    fn hold(&mut self, id: &Id, lane: u16) {
        let Some(key) = self.seat_on(id, lane) else {
            return;
        };
        if let Some(seat) = self.seat_mut(id, &key) {
            seat.is_held = true;
        }
        self.lane_mut(lane).held.insert(Arc::clone(id));
        self.begin_watch(id);
    }

    /// The group in which an alert is told on a channel.
    pub(super) fn seat_on(&self, id: &Id, lane: u16) -> Option<Hash> {
        let keys = self.alerts.get(id)?.seats.iter().map(|seat| seat.group);
        let mut keys = keys.filter(|key| self.groups.get(key).is_some_and(|it| it.lane == lane));
        keys.next()
    }

    /// Takes an alert from what its group has to tell: 1 if it was there.
    pub(super) fn take_pending(&mut self, id: &Id, key: &Hash) -> u64 {
        self.set_quiet(id, None);
        let Some(group) = self.groups.get_mut(key) else {
            return 0;
        };
        group.remind.remove(id);
        u64::from(group.pending.remove(id))
    }

    /// From when it is first told or counted, somebody has to take it.
    fn begin_watch(&mut self, id: &Id) {
        let record = self.alerts[id].record.unpack();
        if self.alerts[id].reached.is_none() {
            let chain = self.plan.chain(&record);
            let nearest = self.plan.next_on_duty(&chain, 0, self.now);
            let nearest = nearest.and_then(|at| u8::try_from(at).ok());
            if let Some(active) = self.alerts.get_mut(id) {
                active.reached = nearest;
            }
        }
        self.start_going_up(id, self.plan.goes_up_after(&record));
    }

    fn compose(&self, telling: &Telling, held_back: u32) -> Notice {
        let channel = self.channel(telling.lane);
        let alerts: Vec<NoticeAlert> = telling
            .ids
            .iter()
            .map(|id| self.notice_alert(id, telling.lane))
            .collect();
        let to = telling.to.clone().unwrap_or_else(|| {
            let to = |id| self.addresses(id, channel);
            telling.ids.iter().flat_map(to).collect()
        });
        let mut notice = Notice {
            id: notice_id(channel, telling, &alerts),
            channel: channel.to_owned(),
            kind: telling.kind,
            group: telling.group.clone(),
            held_back,
            to: to.into_iter().collect(),
            created: self.now,
            expires: expires(self.now, &alerts),
            title_zh: None,
            title_en: None,
            text_zh: None,
            text_en: None,
            summary: None,
            alerts,
        };
        if telling.kind == NoticeKind::Digest && telling.number == 0 {
            let n = notice.alerts.len() + held_back as usize;
            notice.title_zh = Some(format!("{n} 条预警频繁变化"));
            notice.title_en = Some(format!("{n} alerts change too often"));
        }
        notice
    }

    fn notice_alert(&self, id: &Id, lane: u16) -> NoticeAlert {
        let active = &self.alerts[id];
        let record = active.record.unpack();
        let chain = self.plan.chain(&record);
        let grid_units = chain.into_iter().map(str::to_owned).collect();
        let seat = self.seat_on(id, lane).and_then(|key| self.seat(id, &key));
        let told = seat.map_or(&[][..], |seat| &seat.told);
        NoticeAlert {
            told: told
                .iter()
                .map(|(id, at)| Told {
                    notice: hex(id),
                    at: *at,
                })
                .collect(),
            grid_units,
            acknowledged_by: active.acknowledged.as_ref().map(|it| it.by.clone()),
            record,
        }
    }

    /// Where on this channel those are reached who answer for an alert.
    fn addresses(&self, id: &Id, channel: &str) -> BTreeSet<String> {
        let active = &self.alerts[id];
        let record = active.record.unpack();
        let reached = active.reached.map(usize::from);
        let duties = self.plan.answerable(&record, reached, self.now);
        let here = duties.iter().filter(|duty| duty.channels.contains(channel));
        here.flat_map(|duty| duty.to.iter().cloned()).collect()
    }

    /// Remembers that a notice was made.
    fn note(&mut self, telling: &Telling, notice: &Notice) {
        self.totals.notices += 1;
        match telling.kind {
            NoticeKind::Repeat => self.totals.repeats += 1,
            NoticeKind::Escalation => self.totals.escalations += 1,
            NoticeKind::Digest => self.totals.digests += 1,
            NoticeKind::Alert | NoticeKind::Summary | NoticeKind::Test => {}
        }
        self.lane_mut(telling.lane).sent += 1;
        let hash = crate::digest::unhex(&notice.id).expect("it was written by `hex`");
        for id in &telling.ids {
            let Some(key) = self.seat_on(id, telling.lane) else {
                continue;
            };
            self.totals.told += self.take_pending(id, &key);
            self.lane_mut(telling.lane).held.remove(id);
            let now = self.now;
            if let Some(seat) = self.seat_mut(id, &key) {
                seat.is_held = false;
                if seat.told.len() >= TOLD_MAX {
                    seat.told.remove(0);
                }
                seat.told.reserve_exact(1);
                seat.told.push((hash, now));
            }
            self.begin_watch(id);
            self.let_go_if_over(id, &key);
        }
    }

    /// What is over and told, or counted, leaves its group.
    fn let_go_if_over(&mut self, id: &Id, key: &Hash) {
        if self
            .alerts
            .get(id)
            .is_some_and(super::held::Active::is_over)
        {
            self.leave(id, key);
            self.retire_if_done(id);
        }
    }

    /// Sums up what was held back on a channel. What is muted by now is not in it: it is told when
    /// nothing mutes it any more. Without anything to show there is no digest: what is only
    /// counted waits for the next one.
    pub(super) fn digest(&mut self, lane: u16, notices: &mut Vec<Notice>) {
        let shown_max = self.plan.storm().alerts_per_notice as usize;
        let now = self.now;
        let it = self.lane_mut(lane);
        it.scheduled = None;
        it.turn(now);
        let held = std::mem::take(&mut it.held).into_iter();
        let mut shown: Vec<Id> = held.filter(|id| self.take_held(id, lane)).collect();
        self.sort_worst_first(&mut shown);
        let rest = shown.split_off(shown_max.min(shown.len()));
        let example = self.lanes[&lane].example.as_ref().map(Packed::unpack);
        let example = example.filter(|it| shown.is_empty() && self.mute(it).is_none());
        if !shown.is_empty() || example.is_some() {
            let notice = self.make_digest(lane, shown, &rest, example);
            notices.push(notice);
        }
        self.schedule_lane(lane);
    }

    /// Takes an alert from those that wait for a digest; whether it is in it.
    fn take_held(&mut self, id: &Id, lane: u16) -> bool {
        let Some(key) = self.seat_on(id, lane) else {
            return false;
        };
        if let Some(seat) = self.seat_mut(id, &key) {
            seat.is_held = false;
        }
        // In a state of an earlier version what was held has nothing that waits, its end neither.
        if self.groups[&key].pending.contains(id) || self.alerts[id].is_over() {
            return self.may_tell(id, &key);
        }
        self.wait_for_source(id, &key);
        self.stands_told(id, &key)
    }

    /// A digest that shows some, or an example of those that are counted, and counts the rest.
    fn make_digest(
        &mut self,
        lane: u16,
        shown: Vec<Id>,
        rest: &[Id],
        example: Option<AlertRecord>,
    ) -> Notice {
        let it = self.lane_mut(lane);
        it.digests += 1;
        it.example = None;
        let number = it.digests;
        let mut counts = std::mem::take(&mut it.gone);
        for id in rest {
            let record = self.alerts[id].record.unpack();
            *counts.entry(record.rule).or_default() += 1;
            self.count_only(id, lane);
        }
        if let Some(count) = example.as_ref().and_then(|it| counts.get_mut(&it.rule)) {
            *count -= 1;
        }
        counts.retain(|_, count| *count > 0);
        let total = counts.values().sum::<u64>();
        let telling = Telling {
            lane,
            kind: NoticeKind::Digest,
            number,
            group: BTreeMap::new(),
            ids: shown,
            to: None,
        };
        let mut notice = self.compose(&telling, u32::try_from(total).unwrap_or(u32::MAX));
        if let Some(record) = example {
            notice.alerts.push(NoticeAlert {
                record,
                told: Vec::new(),
                grid_units: Vec::new(),
                acknowledged_by: None,
            });
            notice.id = notice_id(&notice.channel, &telling, &notice.alerts);
        }
        summarise(&mut notice, &counts);
        self.note(&telling, &notice);
        notice
    }

    /// A digest counts an alert and does not show it.
    fn count_only(&mut self, id: &Id, lane: u16) {
        let Some(key) = self.seat_on(id, lane) else {
            return;
        };
        self.totals.held_back += self.take_pending(id, &key);
        self.let_go_if_over(id, &key);
    }
}

/// The headline and the text of a digest: how many of which rule are not shown.
fn summarise(notice: &mut Notice, counts: &BTreeMap<String, u64>) {
    let total = u64::from(notice.held_back) + notice.alerts.len() as u64;
    notice.title_zh = Some(format!("预警过多，汇总 {total} 条"));
    notice.title_en = Some(format!("Too many alerts: a digest of {total}"));
    if notice.held_back == 0 {
        return;
    }
    let mut counts: Vec<_> = counts.iter().collect();
    counts.sort_by_key(|(rule, count)| (Reverse(**count), (*rule).clone()));
    let lines: Vec<String> = counts
        .iter()
        .map(|(rule, n)| format!("{rule}: {n}"))
        .collect();
    let lines = lines.join("\n");
    notice.text_zh = Some(format!("另有 {} 条未逐条列出：\n{lines}", notice.held_back));
    notice.text_en = Some(format!(
        "{} more are not shown one by one:\n{lines}",
        notice.held_back
    ));
}

/// The hash of the channel, the group and what is told.
fn notice_id(channel: &str, telling: &Telling, alerts: &[NoticeAlert]) -> String {
    let kind = match telling.kind {
        NoticeKind::Alert => "alert",
        NoticeKind::Repeat => "repeat",
        NoticeKind::Escalation => "escalation",
        NoticeKind::Digest => "digest",
        NoticeKind::Summary => "summary",
        NoticeKind::Test => "test",
    };
    let number = telling.number.to_string();
    let count = telling.group.len().to_string();
    let mut parts = vec!["notice/1", channel, kind, &number, &count];
    parts.extend(
        telling
            .group
            .iter()
            .flat_map(|(name, value)| [name.as_str(), value]),
    );
    let mut told: Vec<[&str; 3]> = Vec::new();
    told.extend(alerts.iter().map(|NoticeAlert { record, .. }| {
        [
            record.id.as_str(),
            record.state.as_str(),
            record.window_end.as_str(),
        ]
    }));
    told.sort_unstable();
    parts.extend(told.iter().flatten());
    hex(&digest(parts.into_iter().map(str::as_bytes)))
}

/// When the newest of what the alerts say is of no use any more.
fn expires(now: Timestamp, alerts: &[NoticeAlert]) -> Timestamp {
    let life = |record: &AlertRecord| {
        let life = crate::record::stands_for(record).unwrap_or(NOTICE_LIFE);
        if record.state == "resolved" {
            life.max(ALL_CLEAR_LIFE_MIN)
        } else {
            life
        }
    };
    let lives = alerts.iter().map(|alert| life(&alert.record));
    after(now, lives.max().unwrap_or(NOTICE_LIFE))
}
