//! What a moment costs on one core, by the time on it, while 100,000 alerts are active, each a
//! group of its own: 1,000 transitions in one moment, from the records to the notices. `worse` tells all
//! of them at once; `changed` holds them until their group's time.

#[path = "../../tidegate-feeds/benches/cpu/mod.rs"]
mod cpu;
mod standing;

use std::cell::RefCell;

use criterion::{BatchSize, Throughput, criterion_group, criterion_main};
use tidegate_alerts::wire::AlertRecord;
use tidegate_dispatch::ALERTS_MAX;

use cpu::CpuTime;
use standing::{alert, at, standing};

type Criterion = criterion::Criterion<CpuTime>;

const TRANSITIONS: usize = 1_000;

/// A dead feed is told instead of what rests on it.
const INHIBITION: &str = "
    [[inhibit]]
    source = { rule = 'feed-gap' }
    target = { subject_kind = 'venue' }
    equal = 'subject=feed'
";

fn transitions(criterion: &mut Criterion) {
    // Preparing and measuring take turns with it.
    let dispatcher = RefCell::new(standing(ALERTS_MAX, INHIBITION));
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
