//! `[receive]`.

use std::net::SocketAddr;

use tidegate_model::Span;

use super::{BYTES_MAX, Checker, FEEDS_MAX};
use crate::config::{ReceiveConfig, ReceiveFeedConfig};
use crate::plan::{ReceiveFeedPlan, ReceivePlan};
use crate::secret::Tokens;

const WAIT: std::ops::RangeInclusive<Span> = Span::micros(50_000)..=Span::minutes(10);

pub(super) fn check(checker: &mut Checker<'_>, config: &ReceiveConfig) -> Option<ReceivePlan> {
    let listen = config.listen.parse::<SocketAddr>().map_err(|_| {
        let given = &config.listen;
        format!("{given:?} is not an address and a port such as 127.0.0.1:8088 or [::1]:8088")
    });
    let listen = checker.take("receive.listen", listen);
    let connections_max = checker.number(
        "receive.connections_max",
        config.connections_max,
        1..=100_000,
    );
    let bodies_bytes_max = checker.number(
        "receive.bodies_bytes_max",
        config.bodies_bytes_max,
        1..=1 << 31,
    );
    let header_timeout = checker.duration("receive.header_timeout", &config.header_timeout, WAIT);
    let body_timeout = checker.duration("receive.body_timeout", &config.body_timeout, WAIT);
    let acknowledge_within = checker.duration(
        "receive.acknowledge_within",
        &config.acknowledge_within,
        WAIT,
    );
    let keys_max = checker.number("receive.keys_max", config.keys_max, 1..=1_000_000);
    let kept = Span::micros(1_000)..=Span::hours(24 * 7);
    let keys_kept = checker.duration("receive.keys_kept", &config.keys_kept, kept);
    checker.number("receive.feeds", config.feeds.len(), 1..=FEEDS_MAX);
    let feeds: Vec<_> = config
        .feeds
        .iter()
        .filter_map(|(name, feed)| check_feed(checker, name, feed))
        .collect();
    for feed in &feeds {
        if bodies_bytes_max.is_some_and(|most| feed.bytes_max > most) {
            let key = format!("receive.feeds.{}.bytes_max", feed.target.feed);
            let message = format!(
                "{} must be at most receive.bodies_bytes_max, which is {}",
                feed.bytes_max, config.bodies_bytes_max
            );
            checker.problem::<()>(&key, message);
        }
    }
    Some(ReceivePlan {
        listen: listen?,
        connections_max: connections_max?,
        bodies_bytes_max: bodies_bytes_max?,
        header_timeout: header_timeout?,
        body_timeout: body_timeout?,
        acknowledge_within: acknowledge_within?,
        keys_max: keys_max?,
        keys_kept: keys_kept?,
        feeds,
    })
}

fn check_feed(
    checker: &mut Checker<'_>,
    name: &str,
    config: &ReceiveFeedConfig,
) -> Option<ReceiveFeedPlan> {
    let key = |field: &str| format!("receive.feeds.{name}{field}");
    let target = checker.target(&key(""), name);
    let token_file = checker.path(&config.token_file);
    let tokens = checker.take(&key(".token_file"), Tokens::read(&token_file));
    let bytes_max = checker.number(&key(".bytes_max"), config.bytes_max, 1..=BYTES_MAX);
    let requests_per_second = checker.number(
        &key(".requests_per_second"),
        config.requests_per_second,
        0.001..=1e6,
    );
    let burst = checker.number(&key(".burst"), config.burst, 1..=1_000_000);
    Some(ReceiveFeedPlan {
        target: target?,
        token_file,
        tokens: tokens?,
        bytes_max: bytes_max?,
        requests_per_second: requests_per_second?,
        burst: burst?,
    })
}
