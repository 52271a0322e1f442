//! A dispatcher with many alerts, all told, each a group of its own.

#[path = "../../tests/support/mod.rs"]
mod support;

use tidegate_alerts::wire::AlertRecord;
use tidegate_dispatch::{Dispatcher, GridTree, Plan, RoutesConfig};

pub(crate) use support::at;

const ROUTES: &str = "
    [[route]]
    name = 'default'
    channels = ['hall', 'mail']
    repeat_interval = '360d'
    [storm]
    notices_per_minute = 10000
";

/// A change of alert `n`.
pub(crate) fn alert(n: usize, state: &str, severity: &str, seconds: i64) -> AlertRecord {
    // Ids are hashes: they come in no order.
    let id = (n as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    let mut record = support::record(&format!("{id:032x}"), state, severity, seconds);
    record.subject = format!("m{n}");
    record
}

/// A dispatcher with `count` alerts; `more` comes before the route in its `routes.toml`.
pub(crate) fn standing(count: usize, more: &str) -> Dispatcher {
    let routes = format!("{more}{ROUTES}");
    let config: RoutesConfig = toml::from_str(&routes).expect("it is valid");
    let plan = Plan::try_new(&config, GridTree::default(), &["hall", "mail"]);
    let mut dispatcher = Dispatcher::new(plan.expect("it is valid"));
    for n in 0..count {
        let seconds = i64::try_from(n / 4_000).expect("it is small") * 60;
        dispatcher.handle_record(at(seconds), &alert(n, "firing", "warning", seconds));
    }
    dispatcher.handle_time(at(10_000));
    dispatcher
}
