//! Each group killed under load.

use std::time::Duration;

use super::{Drill, KILLED};

/// How soon everything has to be there after the last kill.
const CONVERGED_WITHIN: Duration = Duration::from_secs(30);

/// Kills the process of a group, lets the others write meanwhile if they can, and starts it again.
async fn killed(name: &'static str, others_go_on: bool) {
    let mut drill = Drill::start().await;
    for _ in 0..2 {
        drill.app.kill_group(name);
        if others_go_on {
            drill.goes_on(30).await;
        }
        drill.app.start_group_again(name).await;
        drill.moved();
        drill.goes_on(30).await;
    }
    drill.finish(CONVERGED_WITHIN, KILLED).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users() {
    killed("users", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cycles() {
    killed("cycles", false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn analytics() {
    killed("analytics", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notifications() {
    killed("notifications", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateway() {
    killed("api", false).await;
}
