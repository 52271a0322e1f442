//! What one batch costs by the clock, from the records to the disk, while 1,000, 10,000 and 100,000
//! alerts stand, each a group of its own: 100 of them become worse at once, and the dispatcher, the
//! notices and the position are kept. The disk is part of it, so the figures are this machine's.

#[path = "../../tidegate-dispatch/tests/support/mod.rs"]
mod support;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use jiff::Timestamp;
use tidegate_alerts::wire::AlertRecord;
use tidegate_dispatch::{Dispatcher, GridTree, Plan, RoutesConfig};
use tidegate_notify::{Batch, Outbox, OutboxLimits};

use support::{at, record};

const TRANSITIONS: usize = 100;

const ROUTES: &str = "
    [[route]]
    name = 'default'
    channels = ['hall', 'mail']
    repeat_interval = '360d'
    [storm]
    notices_per_minute = 10000
";

fn alert(n: usize, state: &str, severity: &str, seconds: i64) -> AlertRecord {
    // Ids are hashes: they come in no order.
    let id = (n as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    let mut record = record(&format!("{id:032x}"), state, severity, seconds);
    record.subject = format!("m{n}");
    record
}

/// A dispatcher with so many alerts, all told.
fn standing(count: usize) -> Dispatcher {
    let config: RoutesConfig = toml::from_str(ROUTES).expect("it is valid");
    let plan = Plan::try_new(&config, GridTree::default(), &["hall", "mail"]);
    let mut dispatcher = Dispatcher::new(plan.expect("it is valid"));
    for n in 0..count {
        let seconds = i64::try_from(n / 4_000).expect("it is small") * 60;
        dispatcher.handle_record(at(seconds), &alert(n, "firing", "warning", seconds));
    }
    dispatcher.handle_time(at(10_000));
    dispatcher
}

fn batches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("keep");
    group.sample_size(10);
    for count in [1_000, 10_000, 100_000] {
        let folder = tempfile::tempdir().expect("there is room");
        let limits = OutboxLimits::default();
        let mut outbox = Outbox::open(&folder.path().join("o"), limits).expect("it can be made");
        let mut dispatcher = standing(count);
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
