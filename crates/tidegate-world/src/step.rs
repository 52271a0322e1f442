//! A recorded step, by partition.

use tidegate_pipeline::Step;

use super::traffic::Key;

/// What was done to a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// It is read from this offset on.
    Assigned(i64),
    /// It was read from one offset up to another.
    Read(i64, i64),
    /// It does not hold windows open.
    Idle,
}

/// The partition and what was done to it.
///
/// # Panics
/// When a feed fell silent or rules changed, which does not happen in this world.
pub(crate) fn action(step: &Step) -> (Key, Action) {
    match step {
        Step::Assigned {
            feed,
            partition,
            offset,
        } => ((feed.clone(), *partition), Action::Assigned(*offset)),
        Step::Read {
            feed,
            partition,
            from,
            to,
        } => ((feed.clone(), *partition), Action::Read(*from, *to)),
        Step::Idle { feed, partition } => ((feed.clone(), *partition), Action::Idle),
        Step::Silent { feed } => panic!("feed {feed} of this world is silent after 9000 h only"),
        Step::Rules(change) => panic!("rules of this world do not change: {}", change.at),
    }
}
