//! Golden values of the domain notes, sections 3.1, 3.2 and 3.4, to the digits printed there
//! (R 4.2.2 with surveillance 1.20.3, scipy 1.17, or by hand), and tails computed to 60 digits.
//! They try to break the formulas at the ends of baselines, at deviations of 0, and in the tails.
//!
//! Also compared once, with data of R's surveillance 1.26.0 that are not committed here (GPL-2):
//! `salmonella.agona`, 312 weeks, gave its 16 alarms of C1 and 20 of C2, its bounds of C1 for
//! weeks 8 to 12 to 9 decimals, and the 10 alarms of `algo.cusum` (k 1.04, h 2.26) for weeks 200
//! to 312; `salmNewport` of 2011 gave the bounds 3.278854, 3.278854, 3.436517 and 3.855617 of the
//! package's own test at the 0.95 quantile.

use super::super::arl::{cusum_limit, cusum_run_length};
use super::super::baseline::{BaselineRule, SlotBaselines};
use super::super::chart::{AfterAlarm, CusumRule, EwmaRule, cusum, ewma};
use super::super::ears::{EarsStep, EarsThresholds, c1, c2, c3, ears};
use super::super::multiplicity::{
    FalseDiscoveryRate, KOfN, KOfNRule, adjusted_p_values, benjamini_hochberg,
};
use super::super::normal::{quantile, student_upper_tail, upper_quantile, upper_tail};
use super::super::residual::Expectation;
use super::super::{Flag, Point};
use super::{RESIDUALS, SERIES, SPARSE, check, check_relative, floor};

const Z_999: f64 = 3.090_232_306_167_813;

fn steps(rule: BaselineRule, series: &[f64]) -> Vec<EarsStep> {
    let points: Vec<Point> = series.iter().map(|value| Point::Trains(*value)).collect();
    ears(rule, &points).unwrap()
}

/// `expected` are the values from window `first` (from 1) to the last; before it there are none.
fn check_series(actual: &[Option<f64>], first: usize, expected: &[f64], decimals: i32) {
    assert_eq!(actual.len(), first - 1 + expected.len());
    assert!(actual[..first - 1].iter().all(Option::is_none));
    for (actual, expected) in actual[first - 1..].iter().zip(expected) {
        check(actual.unwrap(), *expected, decimals);
    }
}

/// Windows, from 1, in which method `idx` (C1, C2, C3) alarms.
fn alarms(steps: &[EarsStep], idx: usize, thresholds: EarsThresholds) -> Vec<usize> {
    let raised = |step: &EarsStep| thresholds.flags(*step)[idx] == Flag::Raised;
    let numbered = steps.iter().zip(1..);
    numbered
        .filter(|(step, _)| raised(step))
        .map(|(_, window)| window)
        .collect()
}

const U1: [f64; 9] = [
    9.299_792_58,
    10.669_681_66,
    10.572_497_33,
    15.466_636_52,
    20.042_234_88,
    19.141_991_03,
    19.340_806_94,
    27.389_708_57,
    27.467_723_22,
];

#[test]
fn ears_c1() {
    let rule = BaselineRule::DEFAULT;
    let expected = [
        2.123_977, -0.445_435, 3.972_307, 2.580_717, -0.389_396, -0.832_050, 3.267_620, -0.533_114,
        -0.676_836,
    ];
    check_series(&c1(rule, &SERIES).unwrap(), 8, &expected, 6);
    let steps = steps(rule, &SERIES);
    for (step, expected) in steps[7..].iter().zip(U1) {
        let bound = step.c1.unwrap().baseline().upper_bound(Z_999).unwrap();
        check(bound, expected, 8);
    }
    for thresholds in [EarsThresholds::CDC, EarsThresholds::NORMAL_999] {
        assert_eq!(alarms(&steps, 0, thresholds), [10, 14]);
    }
}

#[test]
fn ears_c2() {
    let rule = BaselineRule::DEFAULT;
    let expected = [
        5.097_545, 5.167_051, 0.264_820, -0.545_921, 3.079_767, -0.277_350, -0.499_754,
    ];
    check_series(&c2(rule, &SERIES).unwrap(), 10, &expected, 6);
    let steps = steps(rule, &SERIES);
    for (step, expected) in steps[9..].iter().zip(U1) {
        let bound = step.c2.unwrap().baseline().upper_bound(Z_999).unwrap();
        check(bound, expected, 8);
    }
    assert_eq!(alarms(&steps, 1, EarsThresholds::NORMAL_999), [10, 11]);
    // 3.08 is above the CDC's 3 and below 3.09.
    assert_eq!(alarms(&steps, 1, EarsThresholds::CDC), [10, 11, 14]);
}

/// By hand, from the C2 above; R's C3 has no alarm at 14, where the third wave is.
#[test]
fn ears_c3() {
    let rule = BaselineRule::DEFAULT;
    let expected = [8.264_595, 4.167_051, 2.079_767, 2.079_767, 2.079_767];
    check_series(&c3(rule, &SERIES).unwrap(), 12, &expected, 6);
    let steps = steps(rule, &SERIES);
    let all = alarms(&steps, 2, EarsThresholds::CDC);
    assert_eq!(all, [12, 13, 14, 15, 16]);
}

/// R's `minSigma` of 0 is the least floor here: 1 over seven zeros still alarms.
#[test]
fn ears_of_a_sparse_series() {
    for (sigma_floor, expected_bound, expected_alarms) in [
        (1e-9, 1.310_855_168, vec![9, 13]),
        (0.5, 1.687_973_296, vec![13]),
        (1.0, 3.233_089_449, vec![]),
    ] {
        let steps = steps(floor(sigma_floor), &SPARSE);
        let last = steps[12].c1.unwrap();
        check(
            last.baseline().upper_bound(Z_999).unwrap(),
            expected_bound,
            9,
        );
        let found = alarms(&steps, 0, EarsThresholds::NORMAL_999);
        assert_eq!(found, expected_alarms, "floor {sigma_floor}");
    }
}

#[test]
fn cusum_of_the_notes() {
    for (after_alarm, h, expected) in [
        (
            AfterAlarm::Continue,
            4.0,
            [0.0, 0.6, 0.0, 1.9, 3.2, 5.6, 5.2],
        ),
        (
            AfterAlarm::Restart,
            4.0,
            [0.0, 0.6, 0.0, 1.9, 3.2, 5.6, 0.0],
        ),
    ] {
        let rule = CusumRule::try_new(0.5, h, after_alarm).unwrap();
        for (step, expected) in cusum(rule, &RESIDUALS).unwrap().iter().zip(expected) {
            check(step.sum, expected, 12);
            assert_eq!(step.alarm, expected > h);
        }
    }
}

#[test]
fn ewma_of_the_notes() {
    let averages = [
        0.04,
        0.252,
        0.1416,
        0.593_28,
        0.834_624,
        1.247_699_2,
        1.018_159_36,
    ];
    let limits = [
        0.6,
        0.768_374_908_5,
        0.858_985_448_1,
        0.912_265_224_6,
        // The notes print …7689; the number is 0.944788768773.
        0.944_788_768_8,
        0.965_028_768_1,
        0.977_762_514_6,
    ];
    let steps = ewma(EwmaRule::DEFAULT, &RESIDUALS).unwrap();
    for ((step, average), limit) in steps.iter().zip(averages).zip(limits) {
        check(step.average, average, 10);
        check(step.limit, limit, 10);
    }
    let high: Vec<bool> = steps.iter().map(|step| step.is_high()).collect();
    assert_eq!(high, [false, false, false, false, false, true, true]);
    assert!(steps.iter().all(|step| !step.is_low()));
}

#[test]
fn cusum_run_lengths() {
    for (h, in_control, shifted) in [(4.0, 335.4, 8.38), (4.77, 737.1, 9.92), (5.0, 930.9, 10.38)] {
        check(cusum_run_length(0.5, h, 0.0).unwrap(), in_control, 1);
        check(cusum_run_length(0.5, h, 1.0).unwrap(), shifted, 2);
        // The notes' run lengths have 4 digits; so has the limit found from them.
        check(cusum_limit(0.5, in_control).unwrap(), h, 3);
    }
}

/// Against Page's integral equation, solved with 60 Gauss-Legendre nodes in another program.
#[test]
fn run_lengths_by_the_integral_equation() {
    for (k, h, shift, expected) in [
        (0.5, 1.0, 0.0, 11.208_856),
        (0.5, 4.0, 0.0, 335.367_578),
        (0.5, 4.0, 1.0, 8.383_202),
        (0.5, 4.77, 0.0, 737.122_789),
        (0.5, 4.77, 1.0, 9.917_052),
        (0.5, 5.0, 0.0, 930.887_012),
        (0.5, 5.0, 1.0, 10.375_975),
        (0.5, 5.83, 0.0, 2_151.758_888),
        (0.5, 10.0, 0.0, 140_264.979_5),
        (0.25, 8.0, 0.0, 736.787_747),
        (0.5, 8.0, 0.25, 736.787_747),
        (1.0, 2.5, 0.0, 716.003_879),
        (0.0, 5.0, 0.0, 38.009_610),
    ] {
        check_relative(cusum_run_length(k, h, shift).unwrap(), expected, 2e-5);
    }
}

#[test]
fn residuals_by_hand() {
    let expect = |mean, dispersion| Expectation::try_new(mean, dispersion).unwrap();
    for (count, mean, dispersion, anscombe, root) in [
        (8.0, 1.0, 1.0, 4.5, 2.0 * (8.0_f64.sqrt() - 1.0)),
        (
            64.0,
            27.0,
            1.0,
            6.062_177_826_491,
            2.0 * (8.0 - 27.0_f64.sqrt()),
        ),
        (64.0, 64.0, 3.0, 0.0, 0.0),
        (0.0, 64.0, 4.0, -6.0, -8.0),
        (27.0, 64.0, 0.25, -10.5, 4.0 * (27.0_f64.sqrt() - 8.0)),
    ] {
        let expectation = expect(mean, dispersion);
        check(expectation.anscombe(count).unwrap().unwrap(), anscombe, 12);
        check(expectation.square_root(count).unwrap(), root, 12);
    }
    assert_eq!(expect(0.0, 1.0).anscombe(3.0), Ok(None));
    assert_eq!(expect(0.0, 1.0).square_root(9.0), Ok(6.0));
}

#[test]
fn normal_tail() {
    for (z, expected) in [
        (0.0, 0.5),
        (0.5, 3.085_375_387_259_869e-1),
        (1.0, 1.586_552_539_314_570_5e-1),
        (2.0, 2.275_013_194_817_921e-2),
        (3.0, 1.349_898_031_630_094_6e-3),
        (3.09, 1.000_782_476_614_010_4e-3),
        (5.0, 2.866_515_718_791_939e-7),
        (8.0, 6.220_960_574_271_784e-16),
        (10.0, 7.619_853_024_160_525e-24),
        (20.0, 2.753_624_118_606_233_7e-89),
        (37.0, 5.725_571_222_524_577e-300),
    ] {
        check_relative(upper_tail(z).unwrap(), expected, 1e-12);
        check(upper_tail(-z).unwrap(), 1.0 - expected, 15);
    }
    assert_eq!(upper_tail(f64::INFINITY), Some(0.0));
    assert_eq!(upper_tail(f64::NEG_INFINITY), Some(1.0));
}

#[test]
fn normal_quantile() {
    for (p, expected) in [
        (0.4, 0.253_347_103_135_799_8),
        (0.25, 0.674_489_750_196_081_7),
        (0.1, 1.281_551_565_544_600_4),
        (0.05, 1.644_853_626_951_472_6),
        (0.025, 1.959_963_984_540_054_3),
        (0.001, Z_999),
        (1e-6, 4.753_424_308_822_899),
        (1e-12, 7.034_483_825_301_132),
        (1e-20, 9.262_340_089_798_407),
        (1e-100, 21.273_453_560_965_326),
        (1e-300, 37.047_096_299_361_2),
    ] {
        check_relative(upper_quantile(p).unwrap(), expected, 1e-14);
        assert_eq!(quantile(p), upper_quantile(p).map(|z| -z));
    }
    check_relative(quantile(0.999).unwrap(), Z_999, 1e-14);
    check_relative(quantile(0.975).unwrap(), 1.959_963_984_540_054, 1e-14);
    assert_eq!(quantile(0.5).map(f64::to_bits), Some(0.0_f64.to_bits()));
}

#[test]
fn student_tail() {
    for (freedom, t, expected) in [
        (1, 0.3, 4.072_264_209_222_576e-1),
        (1, 1.0, 0.25),
        (1, 1000.0, 3.183_097_800_805_589e-4),
        (2, 1.0, 2.113_248_654_051_871e-1),
        (2, 5.0, 1.887_477_567_531_186e-2),
        (3, 2.4, 4.793_724_113_591_551e-2),
        (3, 1000.0, 1.102_653_821_288_296e-9),
        (6, 0.0, 0.5),
        (6, 0.3, 3.871_496_104_589_792e-1),
        (6, 2.4, 2.664_743_866_591_81e-2),
        (6, 5.0, 1.226_170_880_379_276e-3),
        (6, 1000.0, 3.374_946_844_324_082e-17),
        (7, 1.0, 1.753_083_314_101_038e-1),
        (7, 12.0, 3.179_155_189_092_55e-6),
        (59, 2.4, 9.784_860_579_658_548e-3),
        (59, 12.0, 9.002_032_693_391_57e-18),
    ] {
        check_relative(student_upper_tail(t, freedom).unwrap(), expected, 1e-12);
        check(student_upper_tail(-t, freedom).unwrap(), 1.0 - expected, 14);
    }
    // A C1 of 3 over seven values: Student's 1.5 %, not the normal 0.13 %.
    let baseline = floor(1e-9).baseline(&SERIES[..7]).unwrap().unwrap();
    let three = baseline.mean() + 3.0 * baseline.sigma();
    let p = baseline.score(three).unwrap().p_value();
    check(p, 1.545_435_172_934e-2, 12);
}

/// Table of Benjamini and Hochberg 1995, section 4: of 15 hypotheses 4 are rejected at 0.05.
#[test]
fn benjamini_hochberg_of_the_paper() {
    let p_values = [
        0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262,
        0.5719, 0.6528, 0.7590, 1.0,
    ];
    let raised = |rate| {
        let flags = benjamini_hochberg(&p_values, FalseDiscoveryRate::try_new(rate).unwrap());
        let flags = flags.unwrap();
        flags.into_iter().filter(|f| *f == Flag::Raised).count()
    };
    assert_eq!(raised(0.05), 4);
    assert_eq!(raised(0.1), 9);
    let adjusted = adjusted_p_values(&p_values).unwrap();
    for (actual, expected) in adjusted.iter().zip([
        0.0015,
        0.003,
        0.0095,
        0.035_625,
        0.0603,
        0.063_857_142_857,
        0.063_857_142_857,
        0.0645,
        0.0765,
        0.486,
        0.581_181_818_182,
        0.714_875,
        0.753_230_769_231,
        0.813_214_285_714,
        1.0,
    ]) {
        check(*actual, expected, 12);
    }
}

/// Ties and p-values on their bound, at a rate of 0.1.
#[test]
fn benjamini_hochberg_at_the_bound() {
    use Flag::{Clear, Raised};
    let check = |p_values: &[f64], expected: &[Flag]| {
        let flags = benjamini_hochberg(p_values, FalseDiscoveryRate::DEFAULT).unwrap();
        assert_eq!(flags, expected, "{p_values:?}");
    };
    check(&[], &[]);
    check(&[0.1], &[Raised]);
    check(&[0.100_000_1], &[Clear]);
    // Two at 0.1 are both on the bound of rank 2, though above that of rank 1.
    check(&[0.1, 0.1], &[Raised, Raised]);
    check(&[0.1, 0.2, 0.1], &[Clear, Clear, Clear]);
    check(&[1.0, 0.0], &[Clear, Raised]);
    for m in 1..=60_u32 {
        // Each exactly on its own bound: all are raised, whatever the division rounds to.
        let p: Vec<f64> = (1..=m).map(|i| f64::from(i) * 0.1 / f64::from(m)).collect();
        check(&p, &vec![Raised; p.len()]);
        let p: Vec<f64> = (1..=m)
            .map(|i| f64::from(i) / (10.0 * f64::from(m)))
            .collect();
        check(&p, &vec![Raised; p.len()]);
    }
}

#[test]
fn two_of_three() {
    use Flag::{Clear, Raised, Unknown};
    let mut filter = KOfN::new(KOfNRule::DEFAULT);
    for (flag, expected) in [
        (Unknown, Clear),
        (Raised, Clear),
        (Clear, Clear),
        (Raised, Raised),
        (Unknown, Raised),
        (Clear, Clear),
        (Clear, Clear),
        (Raised, Clear),
        (Raised, Raised),
        (Raised, Raised),
    ] {
        assert_eq!(filter.take(flag), expected);
    }
}

/// Section 3.4: 100 venues with 72 windows a day at 3.09 are 7.2 false alarms a day.
#[test]
fn false_alarms_of_many_venues() {
    check(upper_tail(3.09).unwrap() * 7_200.0, 7.2, 1);
    check(upper_quantile(1.0 / 7_200.0).unwrap(), 3.64, 2);
}

/// The same slot of earlier weeks is a series of its own.
#[test]
fn slots_do_not_mix() {
    let mut slots = SlotBaselines::new(BaselineRule::DEFAULT);
    let series = c1(BaselineRule::DEFAULT, &SERIES).unwrap();
    for (value, expected) in SERIES.into_iter().zip(series) {
        for (slot, scale) in [(0, 1.0), (671, 10.0)] {
            let score = slots.take(slot, Point::Trains(value * scale)).unwrap();
            match (score, expected) {
                (Some(score), Some(expected)) => check(score.value(), expected, 12),
                (score, expected) => assert_eq!((score, expected), (None, None)),
            }
        }
        assert_eq!(slots.take(1, Point::Absent), Ok(None));
        assert_eq!(slots.take(2, Point::JudgedOnly(value)), Ok(None));
    }
    let known: Vec<u16> = slots.state().slots.iter().map(|slot| slot.slot).collect();
    assert_eq!(known, [0, 671]);
}
