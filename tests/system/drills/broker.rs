//! NATS stopped, its store wiped, its store rolled back to an older copy. People write at the port
//! of the cycles group, which needs no broker to take a write; the gateway does.

use std::time::Duration;

use xtask::{Addresses, Verdict};

use super::{Drill, addresses, failed};
use crate::harness::App;

/// Everything is caught up so soon after the broker's return.
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(30);
/// And so soon after it has lost what it stored.
const HEALED_WITHIN: Duration = Duration::from_mins(2);

/// Where everything is reached without a broker in between.
fn past_the_broker(app: &App) -> Addresses {
    Addresses {
        writes: app.urls_of("cycles"),
        analytics: app.urls_of("analytics"),
        notifications: app.urls_of("notifications"),
        ..addresses(app)
    }
}

async fn start() -> Drill {
    let drill = Drill::start().await;
    drill.load.moved(past_the_broker(&drill.app));
    drill.goes_on(40).await;
    drill
}

/// Every write was acknowledged at once, although the broker was away.
async fn nothing_failed(drill: Drill, within: Duration) {
    let Verdict { failures, .. } = drill.finish(within, &[]).await;
    assert_eq!(failed(&failures), 0, "{failures}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_write_is_taken_while_the_broker_is_away() {
    let mut drill = start().await;
    for _ in 0..2 {
        drill.app.nats.as_mut().unwrap().kill();
        drill.goes_on(60).await;
        drill.app.nats.as_mut().unwrap().restart().await;
        drill.goes_on(30).await;
    }
    nothing_failed(drill, CAUGHT_UP_WITHIN).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_deleted_while_running_is_made_again() {
    let mut drill = start().await;
    let nats = drill.app.nats.as_mut().unwrap();
    nats.delete_under_way();
    drill.goes_on(30).await;
    // What the server still has open is gone with it.
    let nats = drill.app.nats.as_mut().unwrap();
    nats.kill();
    nats.wipe();
    nats.restart().await;
    drill.goes_on(30).await;
    nothing_failed(drill, HEALED_WITHIN).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_rolled_back_to_an_older_copy_is_filled_again() {
    let mut drill = start().await;
    let copies = tempfile::tempdir().unwrap();
    let copy = copies.path().join("store");
    let nats = drill.app.nats.as_mut().unwrap();
    nats.kill();
    nats.copy_store(&copy);
    nats.restart().await;
    drill.goes_on(60).await;
    let nats = drill.app.nats.as_mut().unwrap();
    nats.kill();
    nats.put_store_back(&copy);
    nats.restart().await;
    drill.goes_on(30).await;
    nothing_failed(drill, HEALED_WITHIN).await;
}
