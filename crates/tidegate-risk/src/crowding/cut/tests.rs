use super::*;
use Judgement::{Crowded, NotCrowded};
use proptest::prelude::*;

fn venue(moments: &[(f64, Judgement)]) -> Vec<Judged> {
    let judged = |(score, judgement): &(f64, Judgement)| Judged {
        score: RelativeCrowd::try_new(*score).unwrap(),
        judgement: *judgement,
    };
    moments.iter().map(judged).collect()
}

#[track_caller]
fn check(prior: f64, venues: &[Vec<Judged>], global: f64, own: &[f64]) {
    let cuts = CutRule::try_new(prior).unwrap().learn(venues).unwrap();
    let near = |found: Cut, expected: f64| {
        assert!((found.get() - expected).abs() < 1e-12, "{cuts:?}");
    };
    near(cuts.global, global);
    assert_eq!(cuts.venues.len(), own.len());
    for (found, expected) in cuts.venues.iter().zip(own) {
        near(*found, *expected);
    }
}

/// Four venues of one common cut at 1, by many moments of the first.
fn venues(other: Vec<Judged>) -> Vec<Vec<Judged>> {
    let first = [(0.8, NotCrowded), (1.25, Crowded)].repeat(50);
    vec![venue(&first), other]
}

#[test]
fn a_venue_that_agrees_has_the_common_cut() {
    check(1.0, &venues(vec![]), 1.0, &[1.0, 1.0]);
    check(1.0, &venues(venue(&[(0.5, NotCrowded)])), 1.0, &[1.0, 1.0]);
    // Halves of neighbours that the common cut already divides well are no reason to leave it.
    let agrees = venue(&[(0.5, NotCrowded), (3.0, Crowded)]);
    check(0.0, &venues(agrees), 1.0, &[1.0, 1.0]);
}

#[test]
fn a_cut_goes_as_far_as_avoided_mistakes_speak_for_it() {
    // The own cut is at 4 and avoids one mistake.
    let one = venue(&[(2.0, NotCrowded), (8.0, Crowded)]);
    check(0.0, &venues(one.clone()), 1.0, &[1.0, 4.0]);
    check(1.0, &venues(one.clone()), 1.0, &[1.0, 2.0]);
    check(3.0, &venues(one), 1.0, &[1.0, 2.0_f64.sqrt()]);
    // Three mistakes against three: half of the way again.
    let three = venue(&[
        (2.0, NotCrowded),
        (2.0, NotCrowded),
        (2.0, NotCrowded),
        (8.0, Crowded),
    ]);
    check(3.0, &venues(three), 1.0, &[1.0, 2.0]);
    // Downwards too.
    let lower = venue(&[(0.125, NotCrowded), (0.5, Crowded)]);
    check(1.0, &venues(lower), 1.0, &[1.0, 0.5]);
}

#[test]
fn a_venue_that_is_never_crowded_has_its_cut_above_it() {
    let never = venue(&[(0.5, NotCrowded), (2.0, NotCrowded)]);
    check(0.0, &venues(never), 1.0, &[1.0, 2.0 * ABOVE]);
    let always = venue(&[(0.25, Crowded), (2.0, Crowded)]);
    check(0.0, &venues(always), 1.0, &[1.0, 0.25]);
}

#[test]
fn equal_scores_are_not_divided() {
    let tied = venue(&[(2.0, NotCrowded), (2.0, Crowded), (2.0, Crowded)]);
    check(0.0, &venues(tied), 1.0, &[1.0, 1.0]);
}

#[test]
fn of_several_cuts_the_nearest_counts() {
    // 1.5 and 3 as lower ends make one mistake each; the common cut makes two.
    let moments = [
        (1.5, NotCrowded),
        (2.0, Crowded),
        (3.0, NotCrowded),
        (4.0, Crowded),
    ];
    check(0.0, &venues(venue(&moments)), 1.0, &[1.0, 3.0_f64.sqrt()]);
    // The same from above.
    let moments = [
        (0.25, NotCrowded),
        (1.0 / 3.0, Crowded),
        (0.5, NotCrowded),
        (2.0 / 3.0, Crowded),
    ];
    check(
        0.0,
        &venues(venue(&moments)),
        1.0,
        &[1.0, 1.0 / 3.0_f64.sqrt()],
    );
}

/// Found by the laws below: rounding put the cut of the last venue above its lowest score.
#[test]
fn without_a_prior_the_own_cut_is_met_exactly() {
    let last = venue(&[
        (0.4, Crowded),
        (0.4, Crowded),
        (0.4, Crowded),
        (0.1, Crowded),
    ]);
    let venues = [
        venue(&[(0.1, NotCrowded)]),
        venue(&[(0.3, NotCrowded)]),
        last.clone(),
    ];
    let cuts = CutRule::try_new(0.0).unwrap().learn(&venues).unwrap();
    assert_eq!(mistakes(cuts.venues[2], &last), 0, "{cuts:?}");
}

#[test]
fn nothing_is_learnt_where_nothing_was_crowded() {
    let rule = CutRule::try_new(1.0).unwrap();
    assert_eq!(rule.learn(&[]), None);
    assert_eq!(rule.learn(&[venue(&[(1.0, NotCrowded)])]), None);
    for bad in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(CutRule::try_new(bad).is_err(), "{bad}");
    }
}

fn mistakes(cut: Cut, moments: &[Judged]) -> usize {
    let wrong = moments
        .iter()
        .filter(|one| cut.judge(one.score) != one.judgement);
    wrong.count()
}

proptest! {
    /// Without a prior no cut of a venue makes fewer mistakes, and with one the cut is between
    /// the common and that one.
    #[test]
    fn laws(
        all in prop::collection::vec(
            prop::collection::vec((1_u32..40, any::<bool>()), 0..20),
            1..5,
        ),
        prior in 0.0..5.0_f64,
    ) {
        let all: Vec<Vec<Judged>> = all.iter().map(|moments| {
            let moment = |(score, crowded): &(u32, bool)| (
                f64::from(*score) / 10.0,
                if *crowded { Crowded } else { NotCrowded },
            );
            venue(&moments.iter().map(moment).collect::<Vec<_>>())
        }).collect();
        let free = CutRule::try_new(0.0).unwrap().learn(&all);
        let held = CutRule::try_new(prior).unwrap().learn(&all);
        prop_assert_eq!(free.is_some(), held.is_some());
        let (Some(free), Some(held)) = (free, held) else { return Ok(()) };
        prop_assert_eq!(free.global, held.global);
        for ((own, drawn), moments) in free.venues.iter().zip(&held.venues).zip(&all) {
            let least = mistakes(*own, moments);
            for score in 1..45_u32 {
                prop_assert!(mistakes(Cut(f64::from(score) / 10.0 - 0.05), moments) >= least);
            }
            let ends = [own.get(), free.global.get()];
            let (lo, hi) = (ends[0].min(ends[1]), ends[0].max(ends[1]));
            prop_assert!((lo * 0.999_999..=hi * 1.000_001).contains(&drawn.get()));
        }
    }
}
