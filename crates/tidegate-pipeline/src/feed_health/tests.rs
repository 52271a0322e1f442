//! Records against a feed's health: the tests try to make it flap, to speak at another record when
//! the records come in other batches, and to go on otherwise after a restore than without.

use proptest::prelude::*;

use super::*;

fn health(records: u32) -> FeedHealth {
    let rule = FeedHealthRule::try_new(records, 99, 50).unwrap();
    FeedHealth::new(FeedId::new("rail"), rule)
}

/// `records` as words: `7+` good ones, `7-` malformed ones, `7x` of an unknown site. Each
/// transition is told as `Q` or `R`, the record behind which it came, and rejected of received.
#[track_caller]
fn check(records: u32, happening: &str, expected: &[&str]) {
    let mut health = health(records);
    let mut told = Vec::new();
    for word in happening.split_whitespace() {
        let (count, kind) = word.split_at(word.len() - 1);
        let count: u64 = count.parse().unwrap();
        match kind {
            "+" => told.extend(health.accepted(count)),
            "-" => told.extend((0..count).filter_map(|_| health.rejected(Reason::Malformed))),
            _ => told.extend((0..count).filter_map(|_| health.rejected(Reason::UnknownSite))),
        }
    }
    let told: Vec<String> = told
        .iter()
        .map(|t| {
            let state = &t.state.as_str()[..1];
            let reason = t.top_reason.map_or("-", Reason::code);
            format!("{state}{} {}/{} {reason}", t.seen, t.rejected, t.received)
        })
        .collect();
    assert_eq!(told, expected, "{happening}");
}

#[test]
fn garbage_is_quarantined_once_and_recovers_once() {
    check(1_000, "999-", &[]);
    check(1_000, "5000-", &["q1000 1000/1000 malformed"]);
    check(1_000, "100+ 889- 900-", &["q1090 990/1000 malformed"]);
    let told = ["q1000 1000/1000 malformed", "r5501 499/1000 malformed"];
    check(1_000, "5000- 500+", &told[..1]);
    check(1_000, "5000- 2000+", &told);
    check(1_000, "5000- 501+ 700-", &told);
    let again = [told[0], told[1], "q6491 990/1000 malformed"];
    check(1_000, "5000- 501+ 2000-", &again);
}

#[test]
fn a_mixed_feed_is_left_alone() {
    check(100, &"49- 51+ ".repeat(20), &[]);
    check(100, &"98- 2+ ".repeat(20), &[]);
    check(100, "1+ 99-", &["q100 99/100 malformed"]);
    // Between the two shares nothing is said, whichever came first.
    check(
        100,
        &format!("100- {}", "2+ 8- ".repeat(50)),
        &["q100 100/100 malformed"],
    );
    check(1, "1+ 1- 1- 1+", &["q2 1/1 malformed", "r4 0/1 -"]);
}

#[test]
fn the_most_frequent_reason_is_told() {
    check(10, "4- 6x", &["q10 10/10 unknown_site"]);
    check(10, "5x 5-", &["q10 10/10 malformed"]);
    check(
        10,
        "10- 4+ 1x 1+ 1+",
        &["q10 10/10 malformed", "r17 4/10 malformed"],
    );
}

#[test]
fn a_rule_is_checked() {
    for (records, quarantine, recover) in [(0, 99, 50), (100_001, 99, 50)] {
        let error = FeedHealthRule::try_new(records, quarantine, recover).unwrap_err();
        assert_eq!(error, FeedHealthError::Records(records));
    }
    for (quarantine, recover) in [(101, 50), (49, 50), (99, 0), (0, 0)] {
        let error = FeedHealthRule::try_new(10, quarantine, recover).unwrap_err();
        assert!(matches!(error, FeedHealthError::Percent { .. }), "{error}");
    }
    assert!(FeedHealthRule::try_new(100_000, 100, 100).is_ok());
}

/// A run of records that became of the same.
fn records() -> impl Strategy<Value = Vec<(Outcome, u64)>> {
    let outcome = prop_oneof![
        2 => Just(None),
        2 => Just(Some(Reason::Malformed)),
        1 => prop::sample::select(Reason::ALL.to_vec()).prop_map(Some),
    ];
    let count = prop_oneof![1 => Just(0), 9 => 1..30_u64, 1 => 30..3_000_u64];
    prop::collection::vec((outcome, count), 1..30)
}

fn take(health: &mut FeedHealth, (outcome, count): (Outcome, u64)) -> Vec<FeedHealthTransition> {
    match outcome {
        None => health.accepted(count).into_iter().collect(),
        Some(reason) => (0..count).filter_map(|_| health.rejected(reason)).collect(),
    }
}

proptest! {
    /// Against a plain list of all records: shares, transitions and the top reason.
    #[test]
    fn a_plain_list_says_the_same(all in records(), n in 1..40_u32) {
        let mut health = health(n);
        let mut list: Vec<Outcome> = Vec::new();
        let mut is_quarantined = false;
        for (outcome, count) in all {
            let mut expected = Vec::new();
            for _ in 0..count {
                list.push(outcome);
                let Some(start) = list.len().checked_sub(n as usize) else { continue };
                let last = &list[start..];
                let rejected = last.iter().filter(|o| o.is_some()).count();
                let (hundredfold, all) = (100 * rejected, n as usize);
                let recovers = is_quarantined && hundredfold < 50 * all;
                if recovers || !is_quarantined && hundredfold >= 99 * all {
                    is_quarantined = !is_quarantined;
                    let of = |reason| last.iter().filter(|o| **o == Some(reason)).count();
                    let top = Reason::ALL.into_iter().map(of).max().unwrap_or(0);
                    expected.push((is_quarantined, rejected, list.len(), top));
                }
            }
            let told = take(&mut health, (outcome, count)).into_iter().map(|t| {
                let start = usize::try_from(t.seen).unwrap() - n as usize;
                let last = &list[start..start + n as usize];
                let top = t.top_reason.map_or(0, |r| last.iter().filter(|o| **o == Some(r)).count());
                let is_quarantined = t.state == FeedHealthChange::Quarantined;
                (is_quarantined, t.rejected as usize, usize::try_from(t.seen).unwrap(), top)
            });
            prop_assert_eq!(told.collect::<Vec<_>>(), expected);
            prop_assert_eq!(health.is_quarantined(), is_quarantined);
            prop_assert!(health.remembered <= n && health.runs.len() <= n as usize);
        }
    }

    /// A feed's health restored anywhere goes on as the one that was never stopped, in whatever
    /// batches the good records come.
    #[test]
    fn a_restored_health_goes_on(
        all in records(), cut in any::<prop::sample::Index>(), n in 1..40_u32,
    ) {
        let cut = cut.index(all.len() + 1);
        let mut whole = health(n);
        for run in &all[..cut] {
            take(&mut whole, *run);
        }
        let state = postcard::from_bytes(&postcard::to_stdvec(&whole.state()).unwrap()).unwrap();
        let mut second = FeedHealth::restore(FeedId::new("rail"), whole.rule, &state).unwrap();
        for (outcome, count) in &all[cut..] {
            let one_by_one = (0..*count).flat_map(|_| take(&mut second, (*outcome, 1)));
            let one_by_one: Vec<_> = one_by_one.collect();
            prop_assert_eq!(one_by_one, take(&mut whole, (*outcome, *count)));
        }
        prop_assert_eq!(second.state(), whole.state());
    }
}

#[test]
fn a_state_of_another_rule_is_refused() {
    let mut health = health(10);
    health.accepted(3);
    for _ in 0..4 {
        health.rejected(Reason::Empty);
    }
    let refused = |records, change: fn(&mut FeedHealthState)| {
        let mut state = health.state();
        change(&mut state);
        let rule = FeedHealthRule::try_new(records, 99, 50).unwrap();
        FeedHealth::restore(FeedId::new("rail"), rule, &state)
            .unwrap_err()
            .to_string()
    };
    let message = "7 records are stored of 7 seen and 6 remembered";
    assert_eq!(refused(6, |_| ()), message);
    let message = "7 records are stored of 6 seen and 10 remembered";
    assert_eq!(refused(10, |s| s.seen = 6), message);
    let message = "reason \"bored\" is not known";
    assert_eq!(refused(10, |s| s.reasons[0] = "bored".to_owned()), message);
    let message = "reason \"number 2\" is not known";
    assert_eq!(refused(10, |s| s.runs[1].outcome = 2), message);
}

/// The bytes are a stored format: a change of them is a new version of the snapshot.
#[test]
fn the_stored_form_stays() {
    let mut health = health(3);
    health.accepted(299);
    health.rejected(Reason::Empty);
    let bytes = postcard::to_stdvec(&health.state()).unwrap();
    let expected = [[0xac, 2, 0, 1, 5].as_slice(), b"empty", &[2, 0, 2, 1, 1]].concat();
    assert_eq!(bytes, expected);
}
