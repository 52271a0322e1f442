//! Tries to break delivery over loopback: receivers that refuse, stall, flood, lie and go away, a
//! process that is killed at any instant, and real counterparts that check what they get.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a helper of tests fails and speaks as a test does"
)]

mod alertmanager;
mod certificates;
mod channels;
mod config;
mod forms;
mod kill;
mod mail;
mod orders;
mod outbox;
mod receiver;
mod server;
mod service;
mod speed;
mod standard_webhooks;
mod support;
