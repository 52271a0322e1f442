//! What one batch costs by the clock, from the records to the disk, while 1,000, 10,000 and 100,000
//! alerts stand, each a group of its own: 100 of them become worse at once, and the dispatcher, the
//! notices and the position are kept. The disk is part of it, so the figures are this machine's.

#[path = "../../tidegate-dispatch/benches/standing/mod.rs"]
mod standing;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use jiff::Timestamp;
use tidegate_notify::{Batch, Outbox, OutboxLimits};

use standing::{alert, at, standing};

const TRANSITIONS: usize = 100;

fn batches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("keep");
    group.sample_size(10);
    for count in [1_000, 10_000, 100_000] {
        let folder = tempfile::tempdir().expect("there is room");
        let limits = OutboxLimits::default();
        let mut outbox = Outbox::open(&folder.path().join("o"), limits).expect("it can be made");
        let mut dispatcher = standing(count, "");
        let first = Batch {
            dispatch_parts: dispatcher.take_changes(),
            ..Batch::default()
        };
        outbox
            .accept_batch(&first, Timestamp::now())
            .expect("there is room");
        let mut seconds = 20_000;
        group.bench_function(
            format!("{count} standing, {TRANSITIONS} worse"),
            |bencher| {
                bencher.iter_batched(
                    || {
                        seconds += 600;
                        let numbers = (0..TRANSITIONS).map(|n| n * (count / TRANSITIONS));
                        let worse = |n| alert(n, "escalated", "critical", seconds);
                        (numbers.map(worse).collect::<Vec<_>>(), seconds)
                    },
                    |(records, seconds)| {
                        let batch = Batch {
                            notices: dispatcher.handle_records(at(seconds), &records),
                            dispatch_parts: dispatcher.take_changes(),
                            ..Batch::default()
                        };

                        outbox
                            .accept_batch(&batch, Timestamp::now())
                            .expect("there is room")
                    },
                    BatchSize::PerIteration,
                );
            },
        );
    }
    group.finish();
}

criterion_group!(benches, batches);
criterion_main!(benches);
