//! What a moment costs on one core, by the time on it, while 100,000 alerts are active, each a
//! group of its own: 1,000 transitions in one moment, from the records to the notices. `worse` tells all
//! of them at once; `changed` holds them until their group's time.

mod cpu;
#[path = "../tests/support/mod.rs"]
mod support;

use std::cell::RefCell;

use criterion::{BatchSize, Throughput, criterion_group, criterion_main};
use tidegate_alerts::wire::AlertRecord;
use tidegate_dispatch::{ALERTS_MAX, Dispatcher, GridTree, Plan, RoutesConfig};

use cpu::CpuTime;
use support::{at, record};

type Criterion = criterion::Criterion<CpuTime>;

const TRANSITIONS: usize = 1_000;

const ROUTES: &str = "
    [[inhibit]]
    source = { rule = 'feed-gap' }
    target = { subject_kind = 'venue' }
    equal = 'subject=feed'
    [[route]]
    name = 'default'
    channels = ['hall', 'mail']
    repeat_interval = '360d'
    [storm]
    notices_per_minute = 10000
";

fn alert(n: usize, state: &str, severity: &str, seconds: i64) -> AlertRecord {
    let mut record = record(&format!("{n:032x}"), state, severity, seconds);
    record.subject = format!("m{n}");
    record
}

/// A dispatcher with as many alerts as it may hold, all told.
fn full() -> Dispatcher {
    let config: RoutesConfig = toml::from_str(ROUTES).expect("it is valid");
    let plan = Plan::try_new(&config, GridTree::default(), &["hall", "mail"]);
    let mut dispatcher = Dispatcher::new(plan.expect("it is valid"));
    for n in 0..ALERTS_MAX {
        let seconds = i64::try_from(n / 4_000).expect("it is small") * 60;
        dispatcher.handle_record(at(seconds), &alert(n, "firing", "warning", seconds));
    }
    dispatcher.handle_time(at(10_000));
    dispatcher
}

fn transitions(criterion: &mut Criterion) {
    // Preparing and measuring take turns with it.
    let dispatcher = RefCell::new(full());
    let mut group = criterion.benchmark_group("dispatch");
    group.throughput(Throughput::Elements(TRANSITIONS as u64));
    group.sample_size(20);
    let mut seconds = 20_000;
    for (name, state, severity) in [
        ("worse", "escalated", "critical"),
        ("changed", "no_data", "warning"),
    ] {
        group.bench_function(format!("100000 active, 1000 {name}"), |bencher| {
            bencher.iter_batched_ref(
                || {
                    seconds += 600;
                    // Before the measured moment everything that was due is told.
                    dispatcher.borrow_mut().handle_time(at(seconds - 1));
                    let step = ALERTS_MAX / TRANSITIONS;
                    let numbers = (0..TRANSITIONS).map(|n| n * step);
                    let records: Vec<AlertRecord> = numbers
                        .map(|n| alert(n, state, severity, seconds))
                        .collect();
                    (records, seconds)
                },
                |(records, seconds)| {
                    dispatcher
                        .borrow_mut()
                        .handle_records(at(*seconds), records)
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = criterion::Criterion::default().with_measurement(CpuTime);
    targets = transitions
}
criterion_main!(benches);
