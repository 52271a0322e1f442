//! Tries to break every numbered invariant at once: simulated worlds with disorder, duplicates,
//! idle partitions, rebalances, crashes between any two steps and damaged snapshots, each held
//! against a naive oracle. `cargo xtask sim` plays more of them.

use tidegate_world::{Report, Simulator};

/// About as many as fit into a minute.
const SEEDS: u64 = 100;

#[test]
fn a_hundred_worlds_keep_every_invariant() {
    let mut simulator = Simulator::new();
    let mut sums = Report::default();
    for seed in 0..SEEDS {
        match simulator.run(seed) {
            Ok(report) => sums.add(&report),
            Err(violation) => panic!(
                "seed {seed} breaks {violation}\n\
                 repeat with: cargo xtask sim --seed {seed} --verbose"
            ),
        }
    }
    // Nothing is proved by worlds in which nothing happens.
    for what in [
        "alerts",
        "crashes",
        "damaged files",
        "duplicates",
        "fenced",
        "idle",
        "late",
        "late after idle",
        "rebalances",
        "rejected",
        "restores",
        "revised panes",
    ] {
        assert!(sums.count(what) >= 20, "too few {what}: {sums}");
    }
}

#[test]
fn equal_seeds_are_equal_worlds() {
    let play = |seed| {
        let mut lines = Vec::new();
        let report = Simulator::new().timeline(seed, &mut |line| lines.push(line));
        (lines, report)
    };
    for seed in [1, 2, 3] {
        assert_eq!(play(seed), play(seed), "seed {seed}");
    }
}
