//! Fail points: named steps of the epoch protocol at which a test can break the product.
//!
//! They are in every build, so that what is tested is what is released, and do nothing unless the
//! variable `TIDEGATE_FAILPOINT` asks for it; whoever can set a variable of a process can kill it
//! anyway. It holds `NAME[:N][:ACTION]`: at the N-th time (default the first) that the step NAME is
//! reached, and at no other, ACTION happens:
//!
//! - `kill` (the default): SIGKILL to this process, as `kill -9` does;
//! - `stop`: SIGSTOP to this process, until somebody sends SIGCONT;
//! - `error`: the step fails with an error;
//! - `delay_MS`: the step takes so many milliseconds longer.
//!
//! What happens is told on standard error before it does. `TIDEGATE_FAILPOINT=list` makes every
//! command print all steps, `NAME PHASE` a line, and nothing else: a test goes through that list
//! and needs none of its own.

use std::process::ExitCode;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tidegate_connect::{EpochSink, EpochStep};

use self::plan::{Action, Plan};

/// A place in the code, named after what was done last or comes next, in the order of one epoch
/// and then of a recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Before the first file of an epoch's snapshot is written.
    BeforeSnapshot,
    /// The snapshot is whole in the store, and nothing refers to it.
    AfterSnapshot,
    /// The transaction is open and empty.
    AfterBegin,
    /// Between two output records of the transaction.
    MidRecords,
    /// All output records are handed to the producer.
    AfterRecords,
    /// The progress record is handed to the producer.
    AfterProgress,
    /// The source offsets are part of the transaction.
    AfterOffsets,
    /// Everything is flushed, and the commit comes next.
    BeforeCommit,
    /// The commit was confirmed, and nothing after it is done.
    AfterCommit,
    /// Recovery has loaded the snapshot and read nothing of the sources.
    DuringRecoverySnapshotLoaded,
    /// Recovery is reading what follows the snapshot.
    DuringReplay,
}

/// When a step is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// In every epoch.
    Epoch,
    /// Only when an earlier run left something to recover.
    Recovery,
}

impl Step {
    /// Every step, in order.
    const ALL: [Self; 11] = [
        Self::BeforeSnapshot,
        Self::AfterSnapshot,
        Self::AfterBegin,
        Self::MidRecords,
        Self::AfterRecords,
        Self::AfterProgress,
        Self::AfterOffsets,
        Self::BeforeCommit,
        Self::AfterCommit,
        Self::DuringRecoverySnapshotLoaded,
        Self::DuringReplay,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::BeforeSnapshot => "before_snapshot",
            Self::AfterSnapshot => "after_snapshot",
            Self::AfterBegin => "after_begin",
            Self::MidRecords => "mid_records",
            Self::AfterRecords => "after_records",
            Self::AfterProgress => "after_progress",
            Self::AfterOffsets => "after_offsets",
            Self::BeforeCommit => "before_commit",
            Self::AfterCommit => "after_commit",
            Self::DuringRecoverySnapshotLoaded => "during_recovery_snapshot_loaded",
            Self::DuringReplay => "during_replay",
        }
    }

    fn phase(self) -> Phase {
        match self {
            Self::DuringRecoverySnapshotLoaded | Self::DuringReplay => Phase::Recovery,
            Self::BeforeSnapshot
            | Self::AfterSnapshot
            | Self::AfterBegin
            | Self::MidRecords
            | Self::AfterRecords
            | Self::AfterProgress
            | Self::AfterOffsets
            | Self::BeforeCommit
            | Self::AfterCommit => Phase::Epoch,
        }
    }
}

/// The variable that holds the plan.
const VARIABLE: &str = "TIDEGATE_FAILPOINT";

static PLAN: OnceLock<Plan> = OnceLock::new();
static HITS: AtomicU64 = AtomicU64::new(0);

/// Reads the plan, once, before anything else; gives the code to end with at once, where there
/// is one: after the list of steps, or for a plan that is none.
#[expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a test reads the list, and nobody may overlook a plan"
)]
pub(crate) fn arm() -> Option<ExitCode> {
    let text = std::env::var(VARIABLE).ok()?;
    if text == "list" {
        for step in Step::ALL {
            let phase = format!("{:?}", step.phase()).to_lowercase();
            println!("{} {phase}", step.name());
        }
        return Some(ExitCode::SUCCESS);
    }
    match text.parse() {
        Ok(plan) => {
            eprintln!("tidegate: will break as {VARIABLE}={text} asks");
            PLAN.get_or_init(|| plan);
            None
        }
        Err(error) => {
            eprintln!("tidegate: {VARIABLE}={text}: {error}");
            Some(ExitCode::from(2))
        }
    }
}

/// Marks the steps of every epoch that `sink` commits. `error` has no effect there.
pub(crate) fn watch(sink: &mut EpochSink) {
    sink.observe(|step| {
        let step = match step {
            EpochStep::Begun => Step::AfterBegin,
            // The last record is the progress.
            EpochStep::Sent { sent, of } if sent == of => Step::AfterProgress,
            EpochStep::Sent { sent, of } if sent + 1 == of => Step::AfterRecords,
            EpochStep::Sent { .. } => Step::MidRecords,
            EpochStep::Offsets => Step::AfterOffsets,
            EpochStep::Stored => Step::BeforeCommit,
            EpochStep::Committed => return,
        };
        drop(failpoint(step));
    });
}

/// Marks a step, and acts if the plan says so.
///
/// # Errors
/// Where the plan says so.
#[expect(
    clippy::print_stderr,
    reason = "a test waits for what a fail point says"
)]
pub(crate) fn failpoint(step: Step) -> Result<()> {
    let Some(plan) = PLAN.get().filter(|plan| plan.step == step) else {
        return Ok(());
    };
    if HITS.fetch_add(1, Ordering::AcqRel) + 1 != plan.hit {
        return Ok(());
    }
    eprintln!(
        "failpoint {} hit {}: {:?}",
        step.name(),
        plan.hit,
        plan.action
    );
    let raise = |signal| kill(Pid::this(), signal).context("failed to signal this process");
    match plan.action {
        Action::Kill => raise(Signal::SIGKILL),
        Action::Stop => raise(Signal::SIGSTOP),
        Action::Error => bail!("fail point {}", step.name()),
        Action::Delay(ms) => {
            std::thread::sleep(Duration::from_millis(ms));
            Ok(())
        }
    }
}

/// What `TIDEGATE_FAILPOINT` asks for.
mod plan {
    use super::Step;

    /// Act at the `hit`-th time that `step` is reached.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) struct Plan {
        pub(super) step: Step,
        /// From 1.
        pub(super) hit: u64,
        pub(super) action: Action,
    }

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) enum Action {
        Kill,
        Stop,
        Error,
        /// In milliseconds.
        Delay(u64),
    }

    /// Longest delay: a minute.
    const DELAY_MS_MAX: u64 = 60_000;

    impl std::str::FromStr for Plan {
        type Err = String;

        fn from_str(text: &str) -> Result<Self, String> {
            let mut parts = text.split(':');
            let name = parts.next().unwrap_or_default();
            let step = Step::ALL.into_iter().find(|step| step.name() == name);
            let step = step.ok_or_else(|| format!("{name:?} is not a step"))?;
            let mut plan = Self {
                step,
                hit: 1,
                action: Action::Kill,
            };
            let mut part = parts.next();
            if let Some(hit) = part.and_then(|part| part.parse().ok()) {
                plan.hit = hit;
                part = parts.next();
            }
            if let Some(word) = part {
                plan.action = action(word).ok_or_else(|| {
                    format!("{word:?} is not a number, kill, stop, error or delay_MS")
                })?;
            }
            match (plan.hit, parts.next()) {
                (0, _) => Err("hits are counted from 1".to_owned()),
                (_, Some(more)) => Err(format!("{more:?} is too much")),
                (_, None) => Ok(plan),
            }
        }
    }

    fn action(word: &str) -> Option<Action> {
        match word {
            "kill" => Some(Action::Kill),
            "stop" => Some(Action::Stop),
            "error" => Some(Action::Error),
            _ => {
                let delay = word.strip_prefix("delay_")?.parse().ok()?;
                (delay <= DELAY_MS_MAX).then_some(Action::Delay(delay))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_plan_is_a_step_a_hit_and_an_action() {
        let plan = |hit, action| {
            Ok(Plan {
                step: Step::AfterBegin,
                hit,
                action,
            })
        };
        let bad = |text: &str| Err(text.to_owned());
        for (text, expected) in [
            ("after_begin", plan(1, Action::Kill)),
            ("after_begin:3", plan(3, Action::Kill)),
            ("after_begin:stop", plan(1, Action::Stop)),
            ("after_begin:3:error", plan(3, Action::Error)),
            ("after_begin:1:delay_250", plan(1, Action::Delay(250))),
            ("", bad("\"\" is not a step")),
            ("after_lunch:1", bad("\"after_lunch\" is not a step")),
            ("after_begin:0", bad("hits are counted from 1")),
            ("after_begin:3:stop:4", bad("\"4\" is too much")),
            (
                "after_begin:delay_60001",
                bad("\"delay_60001\" is not a number, kill, stop, error or delay_MS"),
            ),
        ] {
            assert_eq!(text.parse(), expected, "{text}");
        }
    }

    #[test]
    fn steps_have_different_names_and_do_nothing_unasked() {
        let names: BTreeSet<_> = Step::ALL.into_iter().map(Step::name).collect();
        assert_eq!(names.len(), Step::ALL.len());
        let recovery = Step::ALL
            .into_iter()
            .filter(|s| s.phase() == Phase::Recovery);
        assert_eq!(recovery.count(), 2);
        for step in Step::ALL {
            assert!(failpoint(step).is_ok());
        }
    }
}
