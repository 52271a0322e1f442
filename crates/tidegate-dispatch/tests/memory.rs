//! What a dispatcher with as many alerts as it may hold takes. Tries to break the bound with
//! alerts that are each a group of their own, on two channels, all told.

mod support;

use std::alloc::System;

use cap::Cap;
use tidegate_dispatch::{ALERTS_MAX, Dispatcher, GridTree, Plan, RoutesConfig};

use support::{at, record};

#[global_allocator]
static ALLOCATED: Cap<System> = Cap::new(System, usize::MAX);

/// Bytes for `ALERTS_MAX` alerts: with what the alert machine holds of them, below 300 MB.
const BYTES_MAX: usize = 220 << 20;

const ROUTES: &str = "
    [[route]]
    name = 'default'
    channels = ['hall', 'mail']
    [storm]
    notices_per_minute = 10000
";

#[test]
fn as_many_alerts_as_may_be() {
    let config: RoutesConfig = toml::from_str(ROUTES).unwrap();
    let plan = Plan::try_new(&config, GridTree::default(), &["hall", "mail"]).unwrap();
    let before = ALLOCATED.allocated();
    let mut dispatcher = Dispatcher::new(plan);
    let mut told = 0;
    for n in 0..=ALERTS_MAX {
        let seconds = i64::try_from(n / 4_000).unwrap() * 60;
        // Ids are hashes: they come in no order.
        let id = (n as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        let mut record = record(&format!("{id:032x}"), "firing", "warning", seconds);
        record.subject = format!("m{n}");
        told += dispatcher.handle_record(at(seconds), &record).len();
    }
    told += dispatcher.handle_time(at(10_000)).len();
    let bytes = ALLOCATED.allocated() - before;
    println!(
        "{} MB for {} alerts, {told} notices",
        bytes >> 20,
        dispatcher.alert_count()
    );
    assert_eq!(dispatcher.alert_count(), ALERTS_MAX);
    assert_eq!(dispatcher.totals().refused, 1);
    assert!(bytes <= BYTES_MAX, "{bytes} bytes");
}
