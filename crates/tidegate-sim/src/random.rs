//! Seeded random numbers whose bytes do not depend on the platform's maths library.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// One stream of random numbers.
#[derive(Debug, Clone)]
pub struct Random(ChaCha8Rng);

impl Random {
    /// Stream number `stream` of `seed`; streams of one seed are independent of each other, so
    /// that a change in one part of the city leaves the others as they were.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Self(rng)
    }

    /// A whole number in `0..bound`, or 0 when `bound` is 0.
    ///
    /// Multiply and shift; the bias is below `bound / 2^32`, far below what a count could show.
    pub fn below(&mut self, bound: u32) -> u32 {
        let scaled = (u64::from(self.0.next_u32()) * u64::from(bound)) >> 32;
        u32::try_from(scaled).expect("the product shifted by 32 is below the bound")
    }

    /// A number in `[0, 1)`, a multiple of 2^-32.
    pub fn unit(&mut self) -> f64 {
        f64::from(self.0.next_u32()) / 4_294_967_296.0
    }

    /// A whole number in `low..=high`, most often in the middle (the mean of two dice).
    pub fn middling(&mut self, low: u32, high: u32) -> u32 {
        let span = high - low;
        low + u32::midpoint(self.below(span + 1), self.below(span + 1))
    }

    /// An index drawn with the given weights, the last one when all are 0.
    pub fn weighted(&mut self, weights: &[u32]) -> usize {
        let mut left = self.below(weights.iter().sum());
        for (index, &weight) in weights.iter().enumerate() {
            if left < weight {
                return index;
            }
            left -= weight;
        }
        weights.len().saturating_sub(1)
    }

    /// A Poisson count with the given mean, by Knuth's product of uniforms in parts of mean 1
    /// at most (The Art of Computer Programming, volume 2, 3.4.1): a sum of Poisson counts is one.
    pub fn poisson(&mut self, mean: f64) -> u32 {
        let mut left = mean;
        let mut total = 0;
        while left > 0.0 {
            let floor = exp_of_minus(left.min(1.0));
            let mut product = self.unit();
            while product > floor {
                total += 1;
                product *= self.unit();
            }
            left -= 1.0;
        }
        total
    }
}

/// `e^-x` for `x` in `[0, 1]` by its Taylor series in Horner's form: 18 terms leave less than
/// 2^-52, and sums and products are the same on every platform where `exp` need not be.
fn exp_of_minus(x: f64) -> f64 {
    let mut value = 1.0;
    for term in (1..=18_u32).rev() {
        value = 1.0 - x / f64::from(term) * value;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponential_is_right() {
        for step in 0..=10 {
            let x = f64::from(step) / 10.0;
            assert!((exp_of_minus(x) - (-x).exp()).abs() < 1e-15, "{x}");
        }
    }

    #[test]
    fn poisson_has_its_mean_and_variance() {
        for mean in [0.3, 1.0, 7.5, 60.0] {
            let mut random = Random::new(1, 1);
            let draws: Vec<f64> = (0..20_000)
                .map(|_| f64::from(random.poisson(mean)))
                .collect();
            let average = draws.iter().sum::<f64>() / 20_000.0;
            let variance = draws.iter().map(|n| (n - average).powi(2)).sum::<f64>() / 20_000.0;
            assert!((average / mean - 1.0).abs() < 0.03, "{average} for {mean}");
            assert!(
                (variance / mean - 1.0).abs() < 0.06,
                "{variance} for {mean}"
            );
        }
    }

    #[test]
    fn weights_are_kept() {
        let mut random = Random::new(2, 0);
        let mut seen = [0_u32; 3];
        for _ in 0..10_000 {
            seen[random.weighted(&[1, 0, 3])] += 1;
        }
        assert_eq!(seen[1], 0);
        assert!((2_300..2_700).contains(&seen[0]), "{seen:?}");
    }
}
