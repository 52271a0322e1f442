//! A world in which everything goes wrong: the product's own task under Kafka logs in disorder,
//! crashes between any two steps, rebalances, lost answers, slow and damaged stores.
//!
//! One seed is one world: [`Simulator::run`] plays it to its end and holds what became visible
//! against the naive oracle and the numbered invariants of `ARCHITECTURE.md`. What is simulated
//! is the outside; decoding, engine, queries, occupancy, layers, alerts, progress and snapshots
//! are the product's. Equal seeds give equal worlds, bit for bit.

mod shape;
mod step;
mod traffic;

mod broker;
mod store;
mod worker;

mod idleness;
mod output;

mod oracle;

mod check;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tidegate_pipeline::{Pipeline, Source};

pub use check::Violation;

use broker::Broker;
use shape::{SHAPES, Shape};
use store::Store;
use tidegate_sim::Random;
use worker::{Around, Stop, Worker};

/// A world that has not ended by then never will.
const ROUNDS_MAX: u32 = 20_000;

/// Plays worlds.
#[derive(Debug, Default)]
pub struct Simulator {
    /// By number of the shape: loading one takes longer than a world.
    pipelines: BTreeMap<u32, Arc<Pipeline>>,
}

/// What happened in a world, or in many.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// How often each thing happened.
    pub counts: BTreeMap<&'static str, u64>,
}

impl Report {
    /// How often `what` happened.
    pub fn count(&self, what: &str) -> u64 {
        self.counts.get(what).copied().unwrap_or(0)
    }

    /// Adds another world's.
    pub fn add(&mut self, other: &Self) {
        for (what, count) in &other.counts {
            self.note(what, *count);
        }
    }

    fn note(&mut self, what: &'static str, count: u64) {
        *self.counts.entry(what).or_default() += count;
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let counts = self.counts.iter();
        let counts: Vec<String> = counts.map(|(what, n)| format!("{n} {what}")).collect();
        f.write_str(&counts.join(", "))
    }
}

impl Simulator {
    /// A simulator that has loaded nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Plays the world of `seed` and checks it.
    ///
    /// # Errors
    /// The first broken invariant; an assertion of the product that fails is one too.
    pub fn run(&mut self, seed: u64) -> Result<Report, Violation> {
        self.timeline(seed, &mut |_| {})
    }

    /// As [`Self::run`], giving a line for each thing that happens.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn timeline(
        &mut self,
        seed: u64,
        tell: &mut dyn FnMut(String),
    ) -> Result<Report, Violation> {
        let number = Random::new(seed, 102).below(SHAPES);
        let shape = Shape::new(number);
        let played = catch_unwind(AssertUnwindSafe(|| {
            let pipeline = self.pipeline(number, &shape);
            futures_executor::block_on(World::new(seed, &shape, &pipeline, tell).play())
        }));
        played.unwrap_or_else(|panic| Err(of_panic(panic.as_ref())))
    }

    fn pipeline(&mut self, number: u32, shape: &Shape) -> Arc<Pipeline> {
        let load = || {
            let loaded = futures_executor::block_on(Pipeline::load(&Source::new(shape.files())));
            Arc::new(loaded.unwrap_or_else(|problems| panic!("shape {number}: {problems:#?}")))
        };
        Arc::clone(self.pipelines.entry(number).or_insert_with(load))
    }
}

/// An assertion of the product names its invariant first.
fn of_panic(panic: &(dyn std::any::Any + Send)) -> Violation {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    let detail = text.unwrap_or("a panic without a text").to_owned();
    let known = [
        "T1", "T2", "T3", "T4", "T5", "T6", "T7", "A1", "A2", "D1", "D2", "L1",
    ];
    let named = known
        .into_iter()
        .find(|id| detail.contains(&format!("{id}:")));
    Violation {
        invariant: named.unwrap_or("run"),
        detail,
    }
}

/// One world under way.
struct World<'a> {
    shape: &'a Shape,
    pipeline: &'a Arc<Pipeline>,
    tell: &'a mut dyn FnMut(String),
    random: Random,
    broker: Broker,
    store: Store,
    round: u32,
    /// Microseconds.
    now: i64,
    /// In how many rounds something goes wrong, of 1,000.
    trouble: u32,
    /// Who owns the task.
    owner: Option<Worker>,
    /// When somebody begins to own it, if nobody does.
    hires_at: u32,
    /// Who believes to own it, until the round in which they learn.
    zombies: Vec<(Worker, u32)>,
    processes: u64,
    report: Report,
}

impl<'a> World<'a> {
    fn new(
        seed: u64,
        shape: &'a Shape,
        pipeline: &'a Arc<Pipeline>,
        tell: &'a mut dyn FnMut(String),
    ) -> Self {
        let mut random = Random::new(seed, 103);
        let logs = traffic::logs(seed, shape);
        let mut report = Report::default();
        let messages = logs.values().map(|log| log.sent.len() as u64);
        report.note("messages", messages.sum());
        Self {
            shape,
            pipeline,
            tell,
            trouble: [0, 15, 30, 60][random.weighted(&[2, 3, 3, 2])],
            random,
            broker: Broker::new(logs),
            store: Store::default(),
            round: 0,
            now: 0,
            owner: None,
            hires_at: 0,
            zombies: Vec::new(),
            processes: 0,
            report,
        }
    }

    async fn play(mut self) -> Result<Report, Violation> {
        while !self.is_over() {
            self.round += 1;
            if self.round > ROUNDS_MAX {
                return Err(Violation {
                    invariant: "live",
                    detail: format!("not at its end after {ROUNDS_MAX} rounds"),
                });
            }
            self.now += i64::from(20_000 + self.random.below(400_000));
            self.broker.advance(self.round);
            self.store.advance(self.round);
            if self.is_rough() {
                self.go_wrong();
            } else {
                self.zombies.clear();
            }
            let round = self.round;
            self.zombies.retain(|(_, until)| round < *until);
            if self.owner.is_none() && self.hires_at <= round {
                self.hire();
            }
            self.let_one_work().await?;
        }
        self.say(&format!("visible in the end: {}", self.broker.digest()));
        check::check(self.shape, self.pipeline, &self.broker).await?;
        self.note_commits();
        Ok(self.report)
    }

    /// Counts what became visible.
    fn note_commits(&mut self) {
        let report = &mut self.report;
        for commit in &self.broker.commits {
            report.note("epochs", 1);
            report.note("idle", commit.progress.matches("\"idle\"").count() as u64);
            for output in commit.outputs.iter().filter(|output| output.is_final) {
                let mut parts = output.id.split('/');
                let what = match (parts.next(), parts.nth(2)) {
                    (Some("pane"), Some("r1")) => "revised panes",
                    (Some("pane"), _) => "panes",
                    (Some("layer"), _) => "layer rows",
                    (Some("alert"), _) => "alerts",
                    (Some("late"), _) => "late",
                    (Some("duplicate"), _) => "duplicates",
                    (Some("forecast"), _) => "forecasts",
                    (Some("aberration"), _) => "aberrations",
                    _ => "rejected",
                };
                report.note(what, 1);
                let is_after_idle = output.content.starts_with("after_idle");
                report.note("late after idle", u64::from(is_after_idle));
            }
        }
    }

    /// Whether things may still go wrong: in the end the world calms down, so that it ends.
    fn is_rough(&self) -> bool {
        self.trouble > 0 && self.round < self.broker.last_due() + 60
    }

    fn is_over(&self) -> bool {
        self.round > self.broker.last_due()
            && self
                .owner
                .as_ref()
                .is_some_and(|owner| owner.is_done(&self.broker.ends()))
    }

    fn say(&mut self, what: &str) {
        (self.tell)(format!("{:5} {what}", self.round));
    }

    fn hire(&mut self) {
        self.processes += 1;
        self.report.note("processes", 1);
        let worker = Worker::new(self.processes, self.now, &mut self.random);
        self.say(&format!("process {} begins", worker.number));
        self.owner = Some(worker);
    }

    fn go_wrong(&mut self) {
        if self.random.below(1_000) >= self.trouble {
            return;
        }
        match self.random.weighted(&[4, 3, 3, 3, 2]) {
            0 => {
                if let Some(owner) = self.owner.take() {
                    self.say(&format!("process {} crashes", owner.number));
                    self.report.note("crashes", 1);
                    self.hires_at = self.round + self.random.below(20);
                }
            }
            1 => {
                if let Some(owner) = self.owner.take() {
                    self.say(&format!("the task is taken from process {}", owner.number));
                    let until = self.round + 5 + self.random.below(60);
                    self.zombies.push((owner, until));
                    self.hires_at = self.round + self.random.below(10);
                    self.report.note("rebalances", 1);
                }
            }
            2 => {
                let seconds = 1 + self.random.below(60);
                self.say(&format!("everything stands still for {seconds} s"));
                self.now += i64::from(seconds) * shape::SECOND;
            }
            3 => {
                if let Some(name) = self.store.damage(&mut self.random) {
                    self.say(&format!("file {name} is damaged"));
                    self.report.note("damaged files", 1);
                }
            }
            _ => {
                if let Some(owner) = &mut self.owner {
                    owner.fails_next = true;
                }
            }
        }
    }

    /// One of those who work, or believe to, takes one step.
    async fn let_one_work(&mut self) -> Result<(), Violation> {
        let count = u32::try_from(self.zombies.len()).expect("a few zombies");
        let chosen = usize::try_from(self.random.below(count + 2)).expect("a few zombies");
        let is_rough = self.is_rough();
        let is_zombie = chosen < self.zombies.len();
        let worker = if is_zombie {
            &mut self.zombies[chosen].0
        } else if let Some(owner) = &mut self.owner {
            owner
        } else {
            return Ok(());
        };
        let mut around = Around {
            shape: self.shape,
            pipeline: self.pipeline,
            broker: &mut self.broker,
            store: &mut self.store,
            random: &mut self.random,
            round: self.round,
            now: self.now,
            is_rough,
        };
        let outcome = worker.step(&mut around).await;
        let (number, did) = (worker.number, std::mem::take(&mut worker.did));
        let line = match outcome {
            Ok(()) => format!("process {number} {did}"),
            Err(Stop::Wrong(violation)) => return Err(violation),
            Err(Stop::Fenced) if is_zombie => {
                self.report.note("fenced", 1);
                self.zombies.remove(chosen);
                format!("process {number} is fenced and stops")
            }
            Err(Stop::Fenced) => {
                worker.reload();
                format!("process {number} is fenced and joins again")
            }
            Err(Stop::Reload(why)) => {
                worker.reload();
                format!("process {number} begins anew: {why}")
            }
        };
        for (what, of) in [("restores", "restores"), ("begins to store", "snapshots")] {
            self.report.note(of, u64::from(line.contains(what)));
        }
        self.say(&line);
        Ok(())
    }
}
