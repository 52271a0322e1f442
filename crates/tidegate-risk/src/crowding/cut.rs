//! From which score on a venue is called crowded, learnt from moments that somebody judged.
//!
//! One cut for all venues is the safe answer; a venue gets its own as far as its judged moments
//! speak for it. Judgements are somebody's: a cut repeats them and makes no crowd safe.

use super::{CrowdingError, RelativeCrowd};

/// How far above the highest score a cut is put that calls none of them crowded.
const ABOVE: f64 = 1.05;

/// What somebody said of a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Judgement {
    /// Too many for comfort, or worse.
    Crowded,
    /// Not so.
    NotCrowded,
}

/// A moment of a venue: its score and what was said of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    /// The score.
    pub score: RelativeCrowd,
    /// What was said.
    pub judgement: Judgement,
}

/// A score from which on, itself included, a venue is crowded: finite, above 0.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Cut(f64);

impl Cut {
    /// The score.
    pub const fn get(self) -> f64 {
        self.0
    }

    /// What the cut says of a score.
    pub fn judge(self, score: RelativeCrowd) -> Judgement {
        if score.get() >= self.0 {
            Judgement::Crowded
        } else {
            Judgement::NotCrowded
        }
    }
}

/// The cut of all venues and that of each.
#[derive(Debug, Clone, PartialEq)]
pub struct Cuts {
    /// For all venues, and for one without a past.
    pub global: Cut,
    /// Of each venue, in the order given.
    pub venues: Vec<Cut>,
}

/// How many mistakes of the common cut a venue's own cut must avoid to be believed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CutRule {
    prior: f64,
}

impl CutRule {
    /// A venue's own cut weighs `g / (g + prior)` when it avoids `g` mistakes of the common one.
    ///
    /// # Errors
    /// [`CrowdingError::Prior`] unless `prior` is finite and 0 or more.
    pub fn try_new(prior: f64) -> Result<Self, CrowdingError> {
        if prior.is_finite() && prior >= 0.0 {
            Ok(Self { prior })
        } else {
            Err(CrowdingError::Prior(prior))
        }
    }

    /// Mistakes that halve the way to a venue's own cut.
    pub const fn prior(self) -> f64 {
        self.prior
    }

    /// The cuts that the judged moments of venues speak for; `None` when none was crowded.
    ///
    /// The common cut has the best F1 over all moments. A venue's own has the fewest mistakes, of
    /// several the nearest to the common one, and the answer lies between the two in logarithms.
    /// The order of moments does not matter. Method [`crate::method::CROWDING_VENUE_CUT`].
    ///
    /// ```
    /// use tidegate_risk::crowding::{CutRule, Judged, Judgement, RelativeCrowd};
    /// let moment = |score, judgement| -> Result<Judged, tidegate_risk::crowding::CrowdingError> {
    ///     Ok(Judged { score: RelativeCrowd::try_new(score)?, judgement })
    /// };
    /// let venue = vec![moment(0.8, Judgement::NotCrowded)?, moment(1.25, Judgement::Crowded)?];
    /// let cuts = CutRule::try_new(1.0)?.learn(&[venue]).expect("one moment was crowded");
    /// assert!((cuts.global.get() - 1.0).abs() < 1e-12);
    /// # Ok::<(), tidegate_risk::crowding::CrowdingError>(())
    /// ```
    pub fn learn(self, venues: &[Vec<Judged>]) -> Option<Cuts> {
        let all: Vec<Judged> = venues.iter().flatten().copied().collect();
        let global = best_f1(&candidates(&all))?;
        let own = |moments: &Vec<Judged>| self.own(moments, global);
        Some(Cuts {
            global: Cut(global),
            venues: venues.iter().map(own).collect(),
        })
    }

    fn own(self, moments: &[Judged], global: f64) -> Cut {
        let away = |cut: f64| libm::fabs(libm::log(cut / global));
        let best = candidates(moments).into_iter().min_by(|a, b| {
            let by_mistakes = a.mistakes().cmp(&b.mistakes());
            by_mistakes.then(away(a.cut).total_cmp(&away(b.cut)))
        });
        let Some(best) = best else {
            return Cut(global);
        };
        let common = moments
            .iter()
            .filter(|one| one.judgement != Cut(global).judge(one.score));
        let avoided = common.count().saturating_sub(best.mistakes());
        if avoided == 0 {
            return Cut(global);
        }
        let avoided = count(avoided);
        let weight = avoided / (avoided + self.prior);
        if weight >= 1.0 {
            // Through the power a cut on a score could come to lie above it.
            return Cut(best.cut);
        }
        Cut(global * libm::pow(best.cut / global, weight))
    }
}

/// A cut and what it would say of the judged moments.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    cut: f64,
    hits: usize,
    misses: usize,
    false_alarms: usize,
}

impl Candidate {
    fn mistakes(&self) -> usize {
        self.misses + self.false_alarms
    }

    /// `2 hits / (2 hits + mistakes)`.
    fn f1(&self) -> f64 {
        let hits = 2 * self.hits;
        count(hits) / count((hits + self.mistakes()).max(1))
    }
}

/// Cuts that differ in what they say, ascending: the lowest score, halfway (in logarithms) between
/// any two neighbours, and above the highest.
fn candidates(moments: &[Judged]) -> Vec<Candidate> {
    let mut sorted = moments.to_vec();
    sorted.sort_unstable_by(|a, b| a.score.get().total_cmp(&b.score.get()));
    let crowded = |one: &Judged| one.judgement == Judgement::Crowded;
    let hits = sorted.iter().filter(|one| crowded(one)).count();
    let (mut hits, mut false_alarms) = (hits, sorted.len() - hits);
    let mut misses = 0;
    let mut found = Vec::new();
    let mut below: Option<f64> = None;
    for one in &sorted {
        let score = one.score.get();
        if below.is_none_or(|below| below < score) {
            let cut = below.map_or(score, |below| between(below, score));
            found.push(Candidate {
                cut,
                hits,
                misses,
                false_alarms,
            });
        }
        match one.judgement {
            Judgement::Crowded => {
                hits -= 1;
                misses += 1;
            }
            Judgement::NotCrowded => false_alarms -= 1,
        }
        below = Some(score);
    }
    found.extend(below.map(|highest| Candidate {
        cut: highest * ABOVE,
        hits,
        misses,
        false_alarms,
    }));
    found
}

/// Halfway in logarithms; above the lower, whatever rounding does.
fn between(lower: f64, higher: f64) -> f64 {
    let half = libm::sqrt(lower) * libm::sqrt(higher);
    if lower < half && half <= higher {
        half
    } else {
        higher
    }
}

/// The cut of the best F1, of several the lowest; `None` when nothing was crowded.
fn best_f1(candidates: &[Candidate]) -> Option<f64> {
    let mut best: Option<&Candidate> = None;
    for one in candidates.iter().filter(|one| one.hits > 0) {
        if best.is_none_or(|best| one.f1() > best.f1()) {
            best = Some(one);
        }
    }
    best.map(|best| best.cut)
}

#[expect(clippy::cast_precision_loss, reason = "exact below 2^53 moments")]
fn count(n: usize) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests;
