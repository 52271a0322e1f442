//! Tries to make a partition idle that is not, to keep windows open for one that is, and to lose
//! or to double what wakes up.

use super::*;

/// Partitions a/0 and b/0 with records up to `a` and `b` seconds.
fn pair(a: i64, b: i64) -> (Engine, [PartitionId; 2]) {
    let partitions = [partition("a", 0), partition("b", 0)];
    let mut engine = Engine::new(tumbling());
    for (partition, newest) in partitions.iter().zip([a, b]) {
        engine.handle(assigned(partition));
        engine.handle(batch(partition, &[Row::at(newest)]));
    }
    while engine.poll_output().is_some() {}
    (engine, partitions)
}

/// The records' watermark: three minutes behind the newest.
fn behind(newest: i64) -> EventTime {
    second(newest - 180)
}

#[test]
fn idle_comes_before_what_follows_from_it() {
    let (mut engine, [a, _]) = pair(10, 1_000);
    assert_eq!(engine.watermark(), behind(10));
    engine.handle(caught_up(&a, 0));
    let mut outputs = Vec::new();
    for second in 1..=30 {
        assert_eq!(words(&outputs), [""; 0], "not before half a minute");
        outputs = give(&mut engine, tick(second * 1_000));
    }
    assert_eq!(words(&outputs), ["idle a/0", "fire 300 r0", "fire 600 r0"]);
    assert_eq!(engine.watermark(), behind(1_000));
}

#[test]
fn each_decision_of_one_tick_can_be_repeated_alone() {
    let live = {
        let (mut engine, [a, b]) = pair(10, 1_000);
        engine.handle(caught_up(&a, 0));
        engine.handle(caught_up(&b, 0));
        give_all(&mut engine, (1..=30).map(|second| tick(second * 1_000)))
    };
    let expected = ["idle a/0", "fire 300 r0", "fire 600 r0", "idle b/0"];
    assert_eq!(words(&live), expected);
    let (mut engine, partitions) = pair(10, 1_000);
    let decisions = partitions.map(|partition| Input::Idle { partition });
    let replay = give_all(&mut engine, decisions);
    assert_eq!(words(&replay), ["fire 300 r0", "fire 600 r0"]);
}

#[test]
fn stalls_of_the_caller_do_not_count() {
    let (mut engine, [a, _]) = pair(10, 1_000);
    engine.handle(caught_up(&a, 0));
    // Each of these ticks comes ten minutes late and counts for a second.
    let ticks = (1..30).map(|n| tick(n * 600_000));
    assert_eq!(give_all(&mut engine, ticks), []);
    let outputs = give(&mut engine, tick(30 * 600_000));
    assert_eq!(words(&outputs)[0], "idle a/0");
}

#[test]
fn a_clock_that_steps_back_counts_nothing_twice() {
    let (mut engine, [a, _]) = pair(10, 1_000);
    engine.handle(caught_up(&a, 10_000));
    for _ in 0..100 {
        assert_eq!(give(&mut engine, tick(9_500)), []);
        assert_eq!(give(&mut engine, tick(10_000)), []);
    }
}

#[test]
fn the_timeout_is_when_a_tick_matters() {
    let mut config = tumbling();
    config.idle_after = Span::micros(1_500_000);
    let mut engine = Engine::new(config);
    let a = partition("a", 0);
    engine.handle(assigned(&a));
    assert_eq!(engine.poll_timeout(), None);
    engine.handle(caught_up(&a, 100));
    assert_eq!(engine.poll_timeout(), Some(milli(1_100)), "a step at most");
    engine.handle(tick(600));
    assert_eq!(engine.poll_timeout(), Some(milli(1_600)));
    engine.handle(tick(1_599));
    assert_eq!(engine.poll_timeout(), Some(milli(1_600)));
    assert_eq!(engine.poll_output(), None);
    let outputs = give(&mut engine, tick(1_600));
    assert_eq!(words(&outputs), ["idle a/0"]);
    assert_eq!(engine.poll_timeout(), None);
    engine.handle(batch(&a, &[Row::at(0)]));
    assert_eq!(engine.poll_timeout(), None, "reading again");
}

#[test]
fn garbage_pauses_the_count_and_wakes_nobody() {
    let (mut engine, [a, _]) = pair(10, 1_000);
    engine.handle(caught_up(&a, 0));
    let before = (1..=29).map(|second| tick(second * 1_000));
    assert_eq!(give_all(&mut engine, before), []);
    // Good records may stand behind the garbage, however long it takes to read.
    engine.handle(batch(&a, &[]));
    let reading = (30..=90).map(|second| tick(second * 1_000));
    assert_eq!(give_all(&mut engine, reading), []);
    engine.handle(caught_up(&a, 90_000));
    let outputs = give(&mut engine, tick(91_000));
    assert_eq!(
        words(&outputs)[0],
        "idle a/0",
        "its quiet was not forgotten"
    );
    engine.handle(batch(&a, &[]));
    engine.handle(batch(&partition("b", 0), &[Row::at(2_000)]));
    assert_eq!(engine.watermark(), behind(2_000), "it still holds nothing");
}

#[test]
fn repetitions_pause_the_count_and_wake_nobody() {
    let (mut engine, [a, _]) = pair(10, 1_000);
    engine.handle(caught_up(&a, 0));
    let mut outputs = Vec::new();
    // The same record every five seconds.
    for second in 1..=60 {
        outputs.extend(give(&mut engine, tick(second * 1_000)));
        if second % 5 == 0 {
            outputs.extend(give(&mut engine, batch(&a, &[Row::at(10)])));
            outputs.extend(give(&mut engine, caught_up(&a, second * 1_000)));
        }
    }
    assert!(
        words(&outputs).contains(&"idle a/0".to_owned()),
        "{:?}",
        words(&outputs)
    );
    engine.handle(batch(&a, &[Row::at(10), Row::at(10)]));
    engine.handle(batch(&partition("b", 0), &[Row::at(2_000)]));
    assert_eq!(engine.watermark(), behind(2_000), "it still holds nothing");
    engine.handle(batch(&a, &[Row::at(10), Row::at(2_001)]));
    engine.handle(batch(&partition("b", 0), &[Row::at(9_000)]));
    assert_eq!(
        engine.watermark(),
        behind(2_001),
        "what is new is waited for"
    );
}

#[test]
fn a_new_partition_holds_the_watermark_until_it_has_data() {
    let (mut engine, [a, b]) = pair(1_500, 1_500);
    let c = partition("c", 0);
    engine.handle(assigned(&c));
    for partition in [&a, &b] {
        engine.handle(batch(partition, &[Row::at(2_000)]));
    }
    assert_eq!(engine.watermark(), behind(1_500), "held, and not back");
    while engine.poll_output().is_some() {}
    // Watermark 1320: windows to 600 are past revision, those to 1200 have closed.
    let rows = [100, 601, 1_201, 1_900].map(Row::at);
    let outputs = give(&mut engine, batch(&c, &rows));
    assert_eq!(engine.watermark(), behind(1_900));
    let expected = [
        "accumulate",
        "accumulate",
        "after_idle",
        "fire 1500 r0",
        "fire 900 r1",
    ];
    assert_eq!(words(&outputs), expected);
    let Output::Late {
        watermarks, batch, ..
    } = &outputs[2]
    else {
        panic!("{:?}", outputs[2]);
    };
    assert_eq!(offsets(batch), [0]);
    assert_eq!(*watermarks, [behind(1_500)]);
}

#[test]
fn a_new_partition_that_is_idle_or_ends_lets_go() {
    let c = partition("c", 0);
    for lets_go in [
        Input::Idle {
            partition: c.clone(),
        },
        Input::Ended {
            partition: c.clone(),
        },
    ] {
        let (mut engine, [a, b]) = pair(1_000, 1_000);
        engine.handle(assigned(&c));
        for partition in [&a, &b] {
            engine.handle(batch(partition, &[Row::at(2_000)]));
        }
        assert_eq!(engine.watermark(), behind(1_000));
        engine.handle(lets_go);
        assert_eq!(engine.watermark(), behind(2_000));
    }
}

#[test]
fn assigning_again_changes_nothing_while_reading() {
    let (mut engine, [a, b]) = pair(1_000, 2_000);
    engine.handle(Input::Assigned {
        partition: a.clone(),
        spec: PartitionSpec {
            out_of_orderness: Span::ZERO,
            interval_max: Span::ZERO,
            dedup_within: None,
        },
    });
    assert_eq!(engine.watermark(), behind(1_000));
    engine.handle(batch(&a, &[Row::at(1_500)]));
    assert_eq!(engine.watermark(), behind(1_500), "the first spec stands");
    engine.handle(Input::Idle {
        partition: a.clone(),
    });
    engine.handle(assigned(&a));
    engine.handle(batch(&b, &[Row::at(3_000)]));
    assert_eq!(engine.watermark(), behind(3_000), "still idle");
}

#[test]
fn an_ended_partition_goes_on_when_it_is_assigned_again() {
    let (mut engine, [a, b]) = pair(1_000, 2_000);
    engine.handle(Input::Ended {
        partition: a.clone(),
    });
    assert_eq!(engine.watermark(), behind(2_000));
    engine.handle(assigned(&a));
    engine.handle(batch(&b, &[Row::at(3_000)]));
    assert_eq!(
        engine.watermark(),
        behind(2_000),
        "held again, and not back"
    );
    while engine.poll_output().is_some() {}
    let outputs = give(&mut engine, batch(&a, &[Row::at(1_000)]));
    assert_eq!(words(&outputs), ["duplicate"], "its ids are remembered");
}

#[test]
#[should_panic(expected = "partition 3 of feed a must be assigned")]
fn records_of_an_unknown_partition_are_a_bug() {
    let (mut engine, _) = pair(10, 10);
    engine.handle(batch(&partition("a", 3), &[Row::at(0)]));
}
