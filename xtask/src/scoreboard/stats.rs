//! Measures of a section's tables: of a score against a yes or no, and of two rankings.

/// How often a moment with the label has a higher score than one without, ties counting half: the
/// area under the receiver operating characteristic, 0 to 1 (Hanley and `McNeil` 1982, Radiology
/// 143:29). `None` unless both kinds are there.
pub(crate) fn auc(scored: &[(f64, bool)]) -> Option<f64> {
    let values: Vec<f64> = scored.iter().map(|(score, _)| *score).collect();
    let labelled = scored.iter().zip(ranks(&values));
    let labelled: Vec<f64> = labelled
        .filter(|((_, label), _)| *label)
        .map(|(_, rank)| rank)
        .collect();
    let (n, others) = (count(labelled.len()), count(scored.len() - labelled.len()));
    let above = labelled.iter().sum::<f64>() - n * (n + 1.0) / 2.0;
    (n > 0.0 && others > 0.0).then(|| above / (n * others))
}

/// `2 hits / (2 hits + mistakes)` of answers `(said, true)`, 0 to 1. `None` when there is nothing
/// to find and nothing was said.
pub(crate) fn f1(answers: &[(bool, bool)]) -> Option<f64> {
    let of = |wanted: (bool, bool)| answers.iter().filter(|answer| **answer == wanted).count();
    let hits = 2 * of((true, true));
    let all = hits + of((true, false)) + of((false, true));
    (all > 0).then(|| count(hits) / count(all))
}

/// Spearman's rank correlation of two lists of equal length, -1 to 1, ties at their mean rank.
/// `None` when one of them does not vary.
pub(crate) fn spearman(a: &[f64], b: &[f64]) -> Option<f64> {
    let (a, b) = (ranks(a), ranks(b));
    let mean = f64::midpoint(count(a.len()), 1.0);
    let sum = |x: &[f64], y: &[f64]| -> f64 {
        let products = x.iter().zip(y).map(|(x, y)| (x - mean) * (y - mean));
        products.sum()
    };
    let variance = sum(&a, &a) * sum(&b, &b);
    (variance > 0.0).then(|| sum(&a, &b) / variance.sqrt())
}

/// The median, of an even number of values the mean of the middle two. `None` of no values.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.get(sorted.len() / 2)?;
    let below = sorted.get(sorted.len().checked_sub(1)? / 2)?;
    Some(f64::midpoint(*below, *middle))
}

/// The rank of each value from 1, ascending, ties at their mean.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for tied in order.chunk_by(|a, b| values[*a].total_cmp(&values[*b]).is_eq()) {
        let rank = count(before) + f64::midpoint(count(tied.len()), 1.0);
        for idx in tied {
            ranks[*idx] = rank;
        }
        before += tied.len();
    }
    ranks
}

/// A number of things as a number.
#[expect(clippy::cast_precision_loss, reason = "exact below 2^53")]
pub(crate) fn count(n: usize) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(found: Option<f64>, expected: Option<f64>) {
        match (found, expected) {
            (Some(found), Some(expected)) => assert!((found - expected).abs() < 1e-12, "{found}"),
            _ => assert_eq!(found, expected),
        }
    }

    #[test]
    fn areas() {
        let at = |scores: &[(u8, u8)]| {
            let scored = scores
                .iter()
                .map(|(score, label)| (f64::from(*score), *label == 1));
            auc(&scored.collect::<Vec<_>>())
        };
        check(at(&[(1, 0), (2, 1)]), Some(1.0));
        check(at(&[(2, 0), (1, 1)]), Some(0.0));
        check(at(&[(2, 0), (2, 1)]), Some(0.5));
        // Of six pairs four and a half are right.
        check(
            at(&[(1, 0), (2, 1), (3, 0), (3, 1), (4, 1)]),
            Some(4.5 / 6.0),
        );
        check(at(&[(1, 1)]), None);
        check(at(&[]), None);
    }

    #[test]
    fn answers() {
        let at = |hits, false_alarms, misses| {
            let mut answers = vec![(true, true); hits];
            answers.extend(vec![(true, false); false_alarms]);
            answers.extend(vec![(false, true); misses]);
            answers.extend([(false, false); 9]);
            f1(&answers)
        };
        check(at(3, 1, 2), Some(6.0 / 9.0));
        check(at(0, 1, 0), Some(0.0));
        check(at(0, 0, 0), None);
    }

    #[test]
    fn rankings() {
        check(spearman(&[1.0, 2.0, 9.0], &[5.0, 6.0, 7.0]), Some(1.0));
        check(spearman(&[1.0, 2.0, 9.0], &[7.0, 6.0, 5.0]), Some(-1.0));
        // Ranks 1, 2.5, 2.5, 4 against 1, 3, 2, 4: 4.5 over the root of 4.5 times 5.
        let tied = spearman(&[1.0, 2.0, 2.0, 3.0], &[1.0, 3.0, 2.0, 4.0]);
        check(tied, Some(4.5 / 22.5_f64.sqrt()));
        check(spearman(&[1.0, 1.0], &[1.0, 2.0]), None);
    }

    #[test]
    fn medians() {
        check(median(&[3.0, 1.0, 2.0]), Some(2.0));
        check(median(&[4.0, 1.0]), Some(2.5));
        check(median(&[]), None);
    }
}
