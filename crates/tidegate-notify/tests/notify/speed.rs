//! How long 1,000 notices that are accepted at once take to the wire. The figures are printed; the
//! bound is loose, since a shared machine measures itself.

use std::time::{Duration, Instant};

use crate::server::{Server, answer};
use crate::support::{LONG, Place, notice, until, webhook};

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_notices_at_once() {
    let server = Server::start(|_, _| answer(204, "", "")).await;
    let place = Place::new();
    let running = place
        .start(&webhook(&server.url("/"), "concurrency = 32\n"))
        .await;
    // Connections are there in a running service.
    let warm: Vec<_> = (0..32)
        .map(|n| notice(&format!("w-{n}"), &n.to_string()))
        .collect();
    place.accept(&warm).await;
    until("it is warm", || server.requests().len() == warm.len()).await;
    let all: Vec<_> = (0..1_000)
        .map(|n| notice(&format!("n-{n}"), &n.to_string()))
        .collect();
    let began = Instant::now();
    place.accept(&all).await;
    let accepted = began.elapsed();
    until("all came", || {
        server.requests().len() == warm.len() + all.len()
    })
    .await;
    running.stop().await;
    let seen = server.requests();
    let mut took: Vec<Duration> = seen[warm.len()..]
        .iter()
        .map(|seen| seen.at - began)
        .collect();
    took.sort();
    eprintln!(
        "1,000 notices: accepted after {accepted:?}; first byte at the receiver: median {:?}, p99 {:?}, \
         last {:?}",
        took[499], took[989], took[999]
    );
    assert!(took[999] < LONG);
}
