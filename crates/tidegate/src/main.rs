//! Live movement counts to crowd-density and inflow-risk alerts.
fn main() {}
