//! Laws on random input: streams equal the formulas written out by index, stored streams go on as
//! if nothing had happened, shifts and scales do what they must, the order of venues does nothing,
//! and no result is a NaN or an infinity.

use proptest::prelude::*;

use super::super::arl::{cusum_limit, cusum_run_length};
use super::super::baseline::{BaselineRule, SlotBaselines};
use super::super::chart::{AfterAlarm, Cusum, CusumRule, Ewma, EwmaRule, cusum, ewma};
use super::super::ears::{Ears, EarsStep, c1, c2, c3, ears};
use super::super::multiplicity::{
    FalseDiscoveryRate, KOfN, KOfNRule, adjusted_p_values, benjamini_hochberg,
};
use super::super::normal::{quantile, student_upper_tail, upper_quantile, upper_tail};
use super::super::residual::Expectation;
use super::super::{Flag, Point};

fn counts() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec((0..60_u32).prop_map(f64::from), 0..60)
}

/// Any value that is taken, the ends included.
fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => (0..20_u32).prop_map(f64::from),
        1 => -1e12..1e12_f64,
        1 => Just(1e12),
        1 => Just(-1e12),
        1 => Just(f64::MIN_POSITIVE),
        1 => Just(-0.0),
    ]
}

fn points() -> impl Strategy<Value = Vec<Point>> {
    let point = prop_oneof![
        6 => any_value().prop_map(Point::Trains),
        1 => any_value().prop_map(Point::JudgedOnly),
        1 => Just(Point::Absent),
    ];
    prop::collection::vec(point, 0..60)
}

fn rules() -> impl Strategy<Value = BaselineRule> {
    (2..=14_u8, prop::sample::select(vec![1e-9, 0.5, 1.0, 1e9]))
        .prop_map(|(length, floor)| BaselineRule::try_new(length, floor).unwrap())
}

/// C2 by index, or C1 with a guard of 0: `None` where the baseline would begin before the series.
fn score_by_index(rule: BaselineRule, series: &[f64], t: usize, guard: usize) -> Option<f64> {
    let end = t.checked_sub(guard)?;
    let start = end.checked_sub(usize::from(rule.length()))?;
    let n = f64::from(rule.length());
    let mean = series[start..end].iter().sum::<f64>() / n;
    let squares: f64 = series[start..end].iter().map(|y| (y - mean).powi(2)).sum();
    Some((series[t] - mean) / (squares / (n - 1.0)).sqrt().max(rule.sigma_floor()))
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * (1.0 + a.abs().max(b.abs()))
}

fn all_close(a: &[Option<f64>], b: &[Option<f64>]) -> bool {
    let close = |(a, b): (&Option<f64>, &Option<f64>)| match (a, b) {
        (Some(a), Some(b)) => close(*a, *b),
        (a, b) => a == b,
    };
    a.len() == b.len() && a.iter().zip(b).all(close)
}

fn finite(step: EarsStep) -> bool {
    let scores = [step.c1, step.c2].into_iter().flatten().all(|score| {
        let bound = score.baseline().upper_bound(3.0).unwrap();
        score.value().is_finite() && bound.is_finite() && (0.0..=1.0).contains(&score.p_value())
    });
    scores && step.c3.is_none_or(|c3| c3.is_finite() && c3 >= 0.0)
}

proptest! {
    #[test]
    fn ears_equals_the_formulas(rule in rules(), series in counts()) {
        let by_index = |guard| -> Vec<Option<f64>> {
            let windows = 0..series.len();
            windows.map(|t| score_by_index(rule, &series, t, guard)).collect()
        };
        let second = by_index(2);
        let third: Vec<Option<f64>> = (0..series.len())
            .map(|t| {
                let terms = second[t.checked_sub(2)?..=t].iter();
                terms.map(|c2| Some((*c2)? - 1.0)).try_fold(0.0, |sum, x| Some(sum + x?.max(0.0)))
            })
            .collect();
        prop_assert!(all_close(&c1(rule, &series).unwrap(), &by_index(0)));
        prop_assert!(all_close(&c2(rule, &series).unwrap(), &second));
        prop_assert!(all_close(&c3(rule, &series).unwrap(), &third));
    }

    /// A stored stream goes on as the one that was never stopped, and remembers no more than
    /// it promises.
    #[test]
    fn restored_ears_goes_on(
        rule in rules(), points in points(), cut in any::<prop::sample::Index>(),
    ) {
        let whole = ears(rule, &points).unwrap();
        prop_assert!(whole.iter().all(|step| finite(*step)));
        let cut = cut.index(points.len() + 1);
        let mut stream = Ears::new(rule);
        let mut steps = Vec::new();
        for (idx, point) in points.iter().enumerate() {
            if idx == cut {
                let bytes = postcard::to_stdvec(&stream.state()).unwrap();
                let restored = Ears::restore(rule, postcard::from_bytes(&bytes).unwrap()).unwrap();
                prop_assert_eq!(&restored, &stream);
                stream = restored;
            }
            if let Some(value) = point.value() {
                prop_assert_eq!(stream.judge(value).unwrap(), stream.clone().take(*point).unwrap());
            }
            steps.push(stream.take(*point).unwrap());
            prop_assert!(stream.state().trained.len() <= usize::from(rule.length()) + 2);
        }
        prop_assert_eq!(steps, whole);
    }

    /// A value that does not train changes no later C1.
    #[test]
    fn what_does_not_train_changes_no_baseline(
        rule in rules(), points in points(), at in any::<prop::sample::Index>(),
        value in any_value(), next in any_value(),
    ) {
        let c1_after = |points: &[Point]| {
            let mut stream = Ears::new(rule);
            for point in points {
                stream.take(*point).unwrap();
            }
            stream.judge(next).unwrap().c1
        };
        let mut more = points.clone();
        more.insert(at.index(points.len() + 1), Point::JudgedOnly(value));
        prop_assert_eq!(c1_after(&more), c1_after(&points));
    }

    /// Scores do not see a shift, nor a scale when the floor is scaled too; a higher value has a
    /// higher score and a lower p-value.
    #[test]
    fn scores_shift_and_scale(series in counts(), shift in -50..50_i32, scale in 1..50_u32) {
        let (shift, scale) = (f64::from(shift), f64::from(scale));
        let scaled = BaselineRule::try_new(7, 0.5 * scale).unwrap();
        let moved: Vec<f64> = series.iter().map(|y| scale * y + shift).collect();
        for batch in [c1, c2, c3] {
            let plain = batch(BaselineRule::DEFAULT, &series).unwrap();
            prop_assert!(all_close(&batch(scaled, &moved).unwrap(), &plain));
        }
        if series.len() >= 7 {
            let baseline = BaselineRule::DEFAULT.baseline(&series[..7]).unwrap().unwrap();
            let (low, high) = (baseline.score(9.0).unwrap(), baseline.score(9.5).unwrap());
            prop_assert!(low.value() < high.value() && low.p_value() >= high.p_value());
        }
    }

    #[test]
    fn restored_slots_go_on(
        rule in rules(), points in points(), slots in prop::collection::vec(0..3_u16, 60),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut whole = SlotBaselines::new(rule);
        let mut stream = SlotBaselines::new(rule);
        // One EARS stream a slot has the same C1.
        let mut alone = [Ears::new(rule), Ears::new(rule), Ears::new(rule)];
        let cut = cut.index(points.len() + 1);
        for (idx, (point, slot)) in points.iter().zip(slots).enumerate() {
            if idx == cut {
                let bytes = postcard::to_stdvec(&stream.state()).unwrap();
                let state = postcard::from_bytes(&bytes).unwrap();
                stream = SlotBaselines::restore(rule, state).unwrap();
            }
            let score = whole.take(slot, *point).unwrap();
            prop_assert_eq!(stream.take(slot, *point).unwrap(), score);
            prop_assert_eq!(alone[usize::from(slot)].take(*point).unwrap().c1, score);
        }
        prop_assert_eq!(stream, whole);
    }

    #[test]
    fn restored_charts_go_on(
        values in prop::collection::vec(any_value(), 0..60), cut in any::<prop::sample::Index>(),
        k in 0.0..3.0_f64, h in 0.1..9.0_f64, weight in 1e-12..=1.0_f64,
    ) {
        let cut = cut.index(values.len() + 1);
        for after_alarm in [AfterAlarm::Restart, AfterAlarm::Continue] {
            let rule = CusumRule::try_new(k, h, after_alarm).unwrap();
            let mut chart = Cusum::new(rule);
            let mut steps: Vec<_> = values[..cut].iter().map(|z| chart.take(*z).unwrap()).collect();
            chart = Cusum::restore(rule, chart.state()).unwrap();
            steps.extend(values[cut..].iter().map(|z| chart.take(*z).unwrap()));
            prop_assert!(steps.iter().all(|step| step.sum.is_finite() && step.sum >= 0.0));
            prop_assert_eq!(steps, cusum(rule, &values).unwrap());
        }
        let rule = EwmaRule::try_new(weight, 3.0).unwrap();
        let mut chart = Ewma::new(rule);
        let mut steps: Vec<_> = values[..cut].iter().map(|z| chart.take(*z).unwrap()).collect();
        chart = Ewma::restore(rule, chart.state()).unwrap();
        steps.extend(values[cut..].iter().map(|z| chart.take(*z).unwrap()));
        prop_assert!(steps.iter().all(|step| step.average.is_finite() && step.limit >= 0.0));
        prop_assert!(steps.is_sorted_by(|a, b| a.limit <= b.limit));
        prop_assert_eq!(steps, ewma(rule, &values).unwrap());
    }

    /// The EWMA is linear; its limit is that of the formula with a power.
    #[test]
    fn ewma_is_linear(
        values in prop::collection::vec(-9.0..9.0_f64, 1..40), weight in 0.01..1.0_f64,
    ) {
        let rule = EwmaRule::try_new(weight, 3.0).unwrap();
        let doubled: Vec<f64> = values.iter().map(|z| 2.0 * z).collect();
        let (plain, doubled) = (ewma(rule, &values).unwrap(), ewma(rule, &doubled).unwrap());
        for ((plain, doubled), t) in plain.iter().zip(doubled).zip(1..) {
            prop_assert!(close(2.0 * plain.average, doubled.average));
            let share = 1.0 - (1.0 - weight).powi(2 * t);
            prop_assert!(close(plain.limit, 3.0 * (weight / (2.0 - weight) * share).sqrt()));
        }
    }

    #[test]
    fn residuals_rise_with_the_count(
        count in 0.0..1e12_f64, more in 0.0..1e12_f64,
        mean in prop_oneof![0.0..1e12_f64, 0.0..5.0_f64, Just(f64::MIN_POSITIVE), Just(0.0)],
        dispersion in 1e-6..1e6_f64,
    ) {
        let expectation = Expectation::try_new(mean, dispersion).unwrap();
        let (count, more) = (count.min(more), count.max(more));
        let root = [count, more].map(|y| expectation.square_root(y).unwrap());
        prop_assert!(root[0].is_finite() && root[0] <= root[1] && root[1].is_finite());
        let anscombe = [count, more].map(|y| expectation.anscombe(y).unwrap());
        prop_assert_eq!(anscombe[0].is_none(), mean == 0.0);
        if let [Some(low), Some(high)] = anscombe {
            prop_assert!(low.is_finite() && low <= high && high.is_finite());
        }
        // A root of a million is rounded, so no residual of the expectation is 0 exactly.
        prop_assert!(expectation.square_root(mean).unwrap().abs() < 1e-9);
    }

    /// By the definition: all up to the largest rank whose p-value is within its bound; and the
    /// order of venues changes nothing.
    #[test]
    fn benjamini_hochberg_is_its_definition(
        p_values in prop::collection::vec(prop_oneof![
            (0..=40_u32).prop_map(|n| f64::from(n) / 400.0), 0.0..=1.0_f64,
        ], 0..40),
        order in prop::collection::vec(any::<u64>(), 40), q in 0.01..0.9_f64,
    ) {
        let rate = FalseDiscoveryRate::try_new(q).unwrap();
        let flags = benjamini_hochberg(&p_values, rate).unwrap();
        let mut sorted = p_values.clone();
        sorted.sort_by(f64::total_cmp);
        let total = f64::from(u32::try_from(p_values.len()).unwrap());
        let within = |(p, rank): (&f64, u32)| *p * total <= f64::from(rank) * q * (1.0 + 1e-12);
        let bound = sorted.iter().zip(1_u32..).filter(|pair| within(*pair)).map(|(p, _)| *p).last();
        for (p, flag) in p_values.iter().zip(&flags) {
            let expected = bound.is_some_and(|bound| *p <= bound);
            prop_assert_eq!(*flag == Flag::Raised, expected);
        }
        let adjusted = adjusted_p_values(&p_values).unwrap();
        let mut venues: Vec<usize> = (0..p_values.len()).collect();
        venues.sort_by_key(|venue| order[*venue]);
        let shuffled: Vec<f64> = venues.iter().map(|venue| p_values[*venue]).collect();
        let again = adjusted_p_values(&shuffled).unwrap();
        for (venue, again) in venues.into_iter().zip(again) {
            prop_assert_eq!(adjusted[venue].to_bits(), again.to_bits());
            prop_assert!(p_values[venue] <= adjusted[venue] && adjusted[venue] <= 1.0);
        }
    }

    #[test]
    fn k_of_n_counts_the_last_known_windows(
        n in 1..=64_u8, k in 1..=64_u8, flags in prop::collection::vec(
            prop::sample::select(vec![Flag::Raised, Flag::Clear, Flag::Unknown]), 0..150),
    ) {
        let rule = KOfNRule::try_new(k.min(n), n).unwrap();
        let mut filter = KOfN::new(rule);
        for end in 0..flags.len() {
            filter = KOfN::restore(rule, filter.state()).unwrap();
            let known = flags[..=end].iter().rev().filter(|flag| **flag != Flag::Unknown);
            let raised = known.take(usize::from(n)).filter(|flag| **flag == Flag::Raised).count();
            let expected = raised >= usize::from(k.min(n));
            prop_assert_eq!(filter.take(flags[end]) == Flag::Raised, expected);
        }
    }

    #[test]
    fn tails_and_quantiles_are_inverse(
        z in -30.0..37.0_f64, t in -1e9..1e9_f64, freedom in 1..=59_u8,
    ) {
        let tail = upper_tail(z).unwrap();
        if z > -5.0 {
            prop_assert!((upper_quantile(tail).unwrap() - z).abs() < 1e-9, "{z}");
        }
        if let Some(back) = quantile(tail) {
            prop_assert!(back.is_finite());
        }
        let near = z / 10.0;
        for (low, high) in [(near, near + 0.1), (t, t + 1.0)] {
            let pair = [low, high].map(|t| student_upper_tail(t, freedom).unwrap());
            prop_assert!(pair[0] >= pair[1] && pair[1] >= 0.0 && pair[0] <= 1.0);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// The run length is finite and rises with the limit and the drift, and the limit gives what
    /// was asked for.
    #[test]
    fn run_lengths_rise_with_the_limit(
        k in 0.0..5.0_f64, h in 0.01..19.0_f64, shift in -4.9..5.0_f64, windows in 12.0..1e6_f64,
    ) {
        let run = |h, shift| cusum_run_length(k, h, shift).unwrap();
        prop_assert!(run(h, shift).is_finite() && run(h, shift) >= 1.0);
        prop_assert!(run(h + 0.5, shift) >= run(h, shift) * (1.0 - 1e-9));
        prop_assert!(run(h, shift - 0.1) >= run(h, shift) * (1.0 - 1e-9));
        let k = 0.5 + 0.1 * k;
        let limit = cusum_limit(k, windows).unwrap();
        let reached = cusum_run_length(k, limit, 0.0).unwrap();
        prop_assert!(reached >= windows && reached <= windows * (1.0 + 1e-6));
    }
}
