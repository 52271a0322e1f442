//! Tries to break every numbered invariant at once: simulated worlds with disorder, duplicates,
//! idle partitions, rebalances, crashes between any two steps and damaged snapshots, each held
//! against a naive oracle. `cargo xtask sim` plays more of them.

use tidegate_sim::world::Simulator;

/// About as many as fit into a minute.
const SEEDS: u64 = 100;

#[test]
fn a_hundred_worlds_keep_every_invariant() {
    let mut simulator = Simulator::new();
    let mut restarts = 0;
    for seed in 0..SEEDS {
        match simulator.run(seed) {
            Ok(report) => restarts += report.restarts,
            Err(violation) => panic!(
                "seed {seed} breaks {violation}\n\
                 repeat with: cargo xtask sim --seed {seed} --verbose"
            ),
        }
    }
    assert!(
        restarts > SEEDS,
        "only {restarts} restarts: the worlds are too calm"
    );
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
