//! SIGTERM of every process under load. What was accepted is answered; 503 with `Retry-After`, and
//! nobody who listens, is all that may be met, and only while a whole group is away. Of a gateway
//! that is the only one, connections that it had not read a request from may break as well.

use std::time::Duration;

use xtask::{Failure, Settings};

use super::{Drill, failed};
use crate::harness::{App, Options, Shape, app::DOMAINS};

const CONVERGED_WITHIN: Duration = Duration::from_secs(30);

/// A connection for each request: a server that stops closes idle connections, and a client that
/// uses one at that very moment cannot know whether its request arrived.
fn settings(seed: u64) -> Settings {
    Settings { seed, keep_alive: false, ..Settings::default() }
}

async fn ended_well(drill: &mut Drill, name: &'static str) {
    drill.app.group(name).signal("TERM");
    let status = drill.app.group(name).ended().await;
    assert_eq!(status.code(), Some(0), "{name}: {}", drill.app.output());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_process_stops_and_comes_back() {
    let mut drill = Drill::with(Options::default(), &settings(21)).await;
    for name in DOMAINS.into_iter().chain(["api"]) {
        ended_well(&mut drill, name).await;
        drill.app.start_group_again(name).await;
        drill.moved();
        drill.goes_on(20).await;
    }
    let log = drill.app.output();
    let expected = [Failure::Refused, Failure::Unconnected, Failure::Reset];
    let verdict = drill.finish(CONVERGED_WITHIN, &expected).await;
    // Connections that wait to be taken, or from which no request was read yet, break when the
    // listener closes. Of a request that a process had begun with, the logs would tell.
    assert!(log.contains("drill-1-0-0"), "requests are not found in the log by their ids");
    for request_id in verdict.failures.reset() {
        let id = format!("\"{request_id}\"");
        assert!(!log.contains(&id), "{request_id} was accepted and not answered");
    }
}

/// With another process of the group, not even that is met.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_processes_stops_and_nobody_notices() {
    let mut app = App::start(Shape::Split).await;
    let second = [("cycles", "cycles-2"), ("analytics", "analytics-2")];
    for (group, name) in second {
        app.start_replica(group, name).await;
    }
    let mut drill = Drill::under(app, &settings(22)).await;
    for (group, _) in second {
        ended_well(&mut drill, group).await;
        drill.goes_on(30).await;
        drill.app.start_group_again(group).await;
        drill.moved();
        drill.goes_on(10).await;
    }
    let verdict = drill.finish(CONVERGED_WITHIN, &[]).await;
    assert_eq!(failed(&verdict.failures), 0, "{verdict}");
}
