//! What rules would have done: stored layer rows through the same [`crate::AlertMachine`].
//!
//! This module promises:
//! - one semantics: every change of an alert is the machine's own. A [`LayerRun`] only leaves out
//!   rows that could not matter to it (a subject of which it remembers nothing, a value below every
//!   threshold), and a property test compares that with showing all of them;
//! - coverage first: a [`Report`] begins with how much of the expected data was there;
//! - [`diff()`] of a rule set with itself is empty.
//!
//! It does not read files, and knows rows as columns ([`Columns`]): who reads them decides which
//! revision of a window is shown.
//!
//! What is not simulated: a layer that fails, the routing and the silences behind the machine, and
//! the room of a machine that several layers share (each layer has its own here).

mod coverage;
mod diff;
mod episode;
mod events;
mod kept;
mod layer;
mod report;
mod run;
mod silence;
mod subjects;
mod suggest;

#[cfg(test)]
mod tests;

pub use coverage::{GAPS_MAX, Gap, LayerCoverage, SubjectCoverage};
pub use diff::{Diff, Difference, Move, diff};
pub use episode::{Episode, FlappingPeriod, Peak};
pub use events::{EventOutcome, LabelledEvent, Outcome, Score, Share, score};
pub use kept::Kept;
pub use layer::{Columns, LayerOutcome, LayerSettings, Selection};
pub use report::{Place, Report, RuleReport};
pub use run::LayerRun;
pub use subjects::{Described, Subjects};
pub use suggest::{Candidate, Quota, Suggestion, suggest};
