//! Speed of the alert machine on one core, by the time on it: windows of a layer shown to one rule.
//!
//! An element is one row shown to one rule. `no alert` and `1 % open` are the everyday of a rule:
//! nothing is told. `1000 fire, 1000 end` is a bad moment: every second window raises an alert on
//! each of 1,000 venues, and the next ends it.

mod cpu;

use std::borrow::Cow;
use std::hint::black_box;

use criterion::{BatchSize, Throughput, criterion_group, criterion_main};
use tidegate_alerts::{AlertMachine, Measurement, Rule};
use tidegate_model::{EventTime, Span};

use cpu::CpuTime;

type Criterion = criterion::Criterion<CpuTime>;

/// Windows in one run of a machine.
const WINDOWS: i64 = 32;

const RULE: &str = "
    name = 'crush'
    layer = 'venue_density'
    subject_kind = 'venue'
    where = { kind = ['market', 'station'] }
    for = '5m'
    keep_firing_for = '10m'
    owner = 'grid-duty'
    title = { zh-CN = '{name}：{value}', en = '{name}: {value}' }
    do = { zh-CN = '暂停入场。', en = 'Stop entry.' }
";

const SINGLE: &str = "fire_above = 4.0\nclear_below = 3.0\nseverity = 'critical'\n";

const LADDER: &str = "
    step = [
        { severity = 'watch', fire_above = 4.0, clear_below = 3.0 },
        { severity = 'warning', fire_above = 6.0, clear_below = 5.0 },
        { severity = 'critical', fire_above = 8.0, clear_below = 7.0 },
    ]
";

fn machine(more: &str) -> AlertMachine {
    let config = toml::from_str(&format!("{RULE}{more}")).expect("the bench's own rule is valid");
    let rule = Rule::try_new(&config).expect("the bench's own rule is valid");
    AlertMachine::new(vec![rule]).with_alerts_max(100_000)
}

fn end(window: i64) -> EventTime {
    EventTime::from_micros(1_772_323_200_000_000 + window * 300_000_000)
}

/// Ids and names of `n` venues.
fn venues(n: usize) -> Vec<[String; 2]> {
    let venue = |index| [format!("venue-{index:06}"), format!("Market {index}")];
    (0..n).map(venue).collect()
}

/// The rows of a window; `value` is of a venue.
fn rows(venues: &[[String; 2]], window: i64, value: impl Fn(usize) -> f64) -> Vec<Measurement<'_>> {
    let rows = venues.iter().enumerate();
    rows.map(|(index, [id, name])| Measurement {
        layer: "venue_density",
        window_start: end(window - 1),
        window_end: end(window),
        subject_kind: "venue",
        subject: id,
        name_zh: name,
        name_en: name,
        tags: &[
            ("kind", Cow::Borrowed("market")),
            ("grid_unit", Cow::Borrowed("g-17")),
        ],
        value: Some(value(index)),
        lo: Some(value(index) * 0.9),
        hi: Some(value(index) * 1.1),
        unit: "persons/m²",
        level: Some("C"),
        coverage: Some(1.0),
        data_age: Some(Span::seconds(30)),
        method: "density/usable-area@1",
    })
    .collect()
}

/// Shows windows to copies of `machine`; `value` is of a window and a venue.
fn run(
    criterion: &mut Criterion,
    name: &str,
    mut machine: AlertMachine,
    venues: &[[String; 2]],
    value: impl Fn(i64, usize) -> f64,
) {
    // Two windows before the time is taken, so that what is to be open is open.
    for window in -1..=0 {
        let rows = rows(venues, window, |index| value(window, index));
        machine.observe("venue_density", end(window), &rows);
    }
    let windows: Vec<_> = (1..=WINDOWS)
        .map(|window| rows(venues, window, |index| value(window, index)))
        .collect();
    let mut group = criterion.benchmark_group("alert machine");
    group.throughput(Throughput::Elements(
        WINDOWS.unsigned_abs() * venues.len() as u64,
    ));
    group.sample_size(20);
    group.bench_function(name, |bencher| {
        bencher.iter_batched(
            || machine.clone(),
            |mut machine| {
                for (window, rows) in (1..).zip(&windows) {
                    black_box(machine.observe("venue_density", end(window), rows));
                }
                machine
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

fn observe(criterion: &mut Criterion) {
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let calm = |window: i64, index: usize| {
        ((window + 2).unsigned_abs() + index as u64) as f64 % 29.0 / 10.0
    };
    let one_percent = |window: i64, index: usize| match index % 100 {
        0 if window <= 0 => 4.5,
        0 => 3.5 + calm(window, index) / 10.0,
        _ => calm(window, index),
    };
    for n in [1_000, 10_000] {
        let venues = venues(n);
        let single = || machine(SINGLE);
        run(
            criterion,
            &format!("{n} venues, no alert"),
            single(),
            &venues,
            calm,
        );
        run(
            criterion,
            &format!("{n} venues, 1 % open"),
            single(),
            &venues,
            one_percent,
        );
        let ladder = machine(LADDER);
        run(
            criterion,
            &format!("{n} venues, ladder, 1 % open"),
            ladder,
            &venues,
            one_percent,
        );
        let missing = machine(&format!("{SINGLE}on_no_data = 'alert'"));
        let name = format!("{n} venues, told when missing, 1 % open");
        run(criterion, &name, missing, &venues, one_percent);
    }
    let venues = venues(1_000);
    let storm = machine(&format!("{}\nflap_max = 0", SINGLE.replace("4.0", "3.5")));
    let both = |window: i64, _: usize| if window / 3 % 2 == 0 { 9.0 } else { 0.0 };
    run(criterion, "1000 fire, 1000 end", storm, &venues, both);
}

criterion_group! {
    name = benches;
    config = criterion::Criterion::default().with_measurement(CpuTime);
    targets = observe
}
criterion_main!(benches);
