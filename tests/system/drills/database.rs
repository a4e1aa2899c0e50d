//! Postgres restarted and paused under load.

use std::time::Duration;

use xtask::Failure;

use super::{Drill, KILLED, lasting};

const CONVERGED_WITHIN: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarted() {
    let mut drill = Drill::start().await;
    for _ in 0..2 {
        let postgres = drill.app.postgres();
        postgres.kill();
        postgres.start_again().await;
        drill.goes_on(40).await;
    }
    drill.finish(CONVERGED_WITHIN, &[Failure::Refused, Failure::Interrupted]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paused() {
    let mut drill = Drill::start().await;
    for seconds in [1, 5] {
        drill.app.postgres().signal_all("STOP");
        lasting(Duration::from_secs(seconds)).await;
        drill.app.postgres().signal_all("CONT");
        drill.goes_on(40).await;
    }
    drill.finish(CONVERGED_WITHIN, KILLED).await;
}
