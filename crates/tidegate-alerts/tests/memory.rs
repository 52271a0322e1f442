//! How much memory open alerts take: as many as a large city could have on its worst day, each with
//! long names and tags, all of them raised within an hour, so that their changes are remembered too.

use std::alloc::System;

use cap::Cap;
use tidegate_alerts::{AlertMachine, Measurement, Rule};
use tidegate_model::{EventTime, Span};

#[global_allocator]
static ALLOCATED: Cap<System> = Cap::new(System, usize::MAX);

const ALERTS: usize = 100_000;

const BYTES_MAX: usize = 300 << 20;

const RULE: &str = "
    name = 'crush'
    layer = 'density'
    severity = 'critical'
    fire_above = 4.0
    clear_below = 3.0
    on_no_data = 'alert'
    owner = 'grid-duty'
    title = { zh-CN = '{name}人群过密：{value} {unit}', en = '{name} is crushed: {value} {unit}' }
    do = { zh-CN = '暂停入场，引导分流。', en = 'Stop entry and lead people away.' }
";

#[test]
fn a_hundred_thousand_open_alerts() {
    let rule = Rule::try_new(&toml::from_str(RULE).expect("the file is valid"));
    let machine = AlertMachine::new(vec![rule.expect("the rule is valid")]);
    let mut machine = machine
        .with_alerts_max(ALERTS)
        .with_subjects_max(2 * ALERTS);
    let ids: Vec<String> = (0..ALERTS).map(|n| format!("venue-{n:08}")).collect();
    let at = EventTime::from_micros(1_772_323_200_000_000);
    let row = |id| Measurement {
        layer: "density",
        window_start: at.minus(Span::minutes(5)),
        window_end: at,
        subject_kind: "venue",
        subject: id,
        name_zh: "武汉华南海鲜批发市场东区地下停车场入口",
        name_en: "South China Seafood Wholesale Market, East Wing, car park entrance",
        tags: &[
            ("kind", std::borrow::Cow::Borrowed("market")),
            (
                "grid_unit",
                std::borrow::Cow::Borrowed("420103-jianghan-007"),
            ),
            ("district", std::borrow::Cow::Borrowed("jianghan")),
        ],
        value: Some(9.0),
        lo: Some(8.0),
        hi: Some(10.0),
        unit: "persons/m²",
        level: Some("F"),
        coverage: Some(1.0),
        data_age: Some(Span::seconds(30)),
        method: "density/usable-area@1",
    };
    let rows: Vec<_> = ids.iter().map(|id| row(id.as_str())).collect();
    let before = ALLOCATED.allocated();
    let told = machine.observe("density", at, &rows);
    assert_eq!(
        (told.len(), machine.open(), machine.forgotten()),
        (ALERTS, ALERTS, 0)
    );
    drop(told);
    let held = ALLOCATED.allocated() - before;
    println!("{} bytes an alert, {} MiB", held / ALERTS, held >> 20);
    assert!(held < BYTES_MAX, "{held} bytes");
}
