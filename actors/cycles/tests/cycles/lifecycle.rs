//! Admission, deadlines and restarts.

use std::time::{Duration, Instant};

use actor_runtime::admission::AdmissionLimits;
use contracts::{
    ErrorKind, UserId,
    cycles::{GetHistory, ListCycles},
};
use futures::future::{join, join_all};

use crate::harness::{ALL, PATIENCE, TestApp, call, record, refused};

const USER: UserId = UserId::new(7);
const OTHER: UserId = UserId::new(8);

#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_write_costs_its_user_alone_and_can_be_retried() {
    let limits = AdmissionLimits { in_flight_max: 64, in_flight_per_user_max: 1 };
    let app = TestApp::start_with(limits).await;
    let group = &app.group;
    group.record(USER, "2025-01-10", None).await.unwrap();
    let mut holder = app.pool.begin().await.unwrap();
    sqlx::query!("SELECT version FROM outbox WHERE user_id = $1 FOR UPDATE", USER.get())
        .fetch_one(&mut *holder)
        .await
        .unwrap();

    let request = record(USER, "2025-02-10", None);
    let impatient = call(USER, Duration::from_millis(400), Some("stuck"));
    let stuck = group.handle.ask(&impatient, request.clone());
    let meanwhile = async {
        let list = ListCycles { user_id: USER, from: None, to: None, page: ALL };
        tokio::task::yield_now().await;
        let turned_away = group.ask(USER, list).await;
        // Another user, and on another writer.
        (
            turned_away.err().map(|refusal| refusal.kind),
            group.record(OTHER, "2025-01-10", None).await,
        )
    };
    let (stuck, (turned_away, other)) = join(stuck, meanwhile).await;
    assert_eq!(refused(stuck).kind, ErrorKind::Interrupted);
    assert_eq!(turned_away, Some(ErrorKind::Overloaded));
    assert_eq!(other.unwrap().version.get(), 1);
    holder.rollback().await.unwrap();

    // It may have happened or not: with its key it happens once.
    let deadline = Instant::now() + PATIENCE;
    let retried = loop {
        match group.ask_with_key(USER, "stuck", request.clone()).await {
            Err(refusal) if Instant::now() < deadline => {
                assert!(matches!(refusal.kind, ErrorKind::Overloaded | ErrorKind::Unavailable));
            }
            answer => break answer.unwrap(),
        }
    };
    assert_eq!(retried.version.get(), 2);
    assert_eq!(group.list(USER).await.len(), 2);
    app.settle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_waits_for_is_not_begun() {
    let app = TestApp::start().await;
    let late = call(USER, Duration::ZERO, None);
    let answer = app.group.handle.ask(&late, record(USER, "2025-01-10", None)).await;
    assert_eq!(refused(answer).kind, ErrorKind::Unavailable);
    // The mailbox is served in order: had the late one been begun, this would be refused.
    let written = app.group.record(USER, "2025-01-10", None).await.unwrap();
    assert_eq!(written.version.get(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_died_cost_nobody_an_answer() {
    let app = TestApp::start().await;
    let group = &app.group;
    for (count, start) in (1..).zip(["2025-01-10", "2025-02-10", "2025-03-10"]) {
        // All of the pool's connections have been used a moment ago, so none is pinged.
        join_all((0..32).map(|_| group.list(USER))).await;
        sqlx::query!(
            r#"SELECT count(pg_terminate_backend(pid)) AS "died!" FROM pg_stat_activity
               WHERE application_name = 'cycles-test' AND pid <> pg_backend_pid()"#
        )
        .fetch_one(&app.pool)
        .await
        .unwrap();
        let (lists, written) =
            join(join_all((0..8).map(|_| group.list(USER))), group.record(USER, start, None)).await;
        assert_eq!(lists.len(), 8);
        assert_eq!(written.unwrap().version.get(), count);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lets_nobody_in_is_away_and_no_fault_of_ours() {
    let app = TestApp::start().await;
    let group = app.group_of_nobody().await;
    let written = group.record(USER, "2025-01-10", None).await;
    assert_eq!(refused(written).kind, ErrorKind::Unavailable);
    let read = group.ask(USER, GetHistory { user_id: USER }).await;
    assert_eq!(refused(read).kind, ErrorKind::Unavailable);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_handle_outlives_the_actors() {
    // Two groups, since one bears five failures at a time and has more children.
    for at in [0, 4] {
        let app = TestApp::start().await;
        app.group.record(USER, "2025-01-10", None).await.unwrap();
        let children = app.group.supervisor.get_children();
        assert_eq!(children.len(), 7, "relay, purge, actor, retention, sealing, two of erasures");
        for child in children.into_iter().skip(at).take(4) {
            child.kill();
        }
        let written = app.group.ask_until_admitted(USER, record(USER, "2025-02-10", None)).await;
        assert_eq!(written.unwrap().version.get(), 2);
        // The relay is back as well.
        app.settle().await;
    }
}
