//! SIGTERM of every process under load. Whoever gets a connection is answered; 503 with
//! `Retry-After`, and nobody who listens, is all that may be met, and only while a whole group is
//! away.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use reqwest::StatusCode;
use xtask::{Failure, Settings};

use super::{Drill, failed};
use crate::harness::{App, Options, Shape, app::DOMAINS, wait};

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
    drill.finish(CONVERGED_WITHIN, &[Failure::Refused, Failure::Unconnected]).await;
}

/// With another process of the group, not even that is met: neither by those who write, nor by
/// somebody who asks the groups that writing does not ask.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_processes_stops_and_nobody_notices() {
    let mut app = App::start(Shape::Split).await;
    let second = ["users-2", "cycles-2", "analytics-2", "notifications-2"];
    for (group, name) in DOMAINS.into_iter().zip(second) {
        app.start_replica(group, name).await;
    }
    let person = app.client().somebody().await;
    let asked = AtomicU64::new(0);
    let asking = async {
        for path in ["/api/users/profile", "/api/notifications/preferences"].iter().cycle() {
            person.get(path).await.expect(StatusCode::OK);
            asked.fetch_add(1, Ordering::Relaxed);
        }
    };
    let answered = async |count: u64| {
        let goal = asked.load(Ordering::Relaxed) + count;
        let there = || async { (asked.load(Ordering::Relaxed) >= goal).then_some(()) };
        wait::until("somebody who asks to be answered", there).await;
    };
    let mut drill = Drill::under(app, &settings(22)).await;
    let stopping = async {
        for group in DOMAINS {
            answered(10).await;
            ended_well(&mut drill, group).await;
            drill.goes_on(30).await;
            answered(10).await;
            drill.app.start_group_again(group).await;
            drill.moved();
            drill.goes_on(10).await;
        }
    };
    tokio::select! {
        () = asking => {}
        () = stopping => {}
    }
    let verdict = drill.finish(CONVERGED_WITHIN, &[]).await;
    assert_eq!(failed(&verdict.failures), 0, "{verdict}");
}
