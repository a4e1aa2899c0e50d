//! What the kept first answer prevents: the retries run with it, and again without it.

use actor_runtime::faults;
use contracts::UserId;
use futures::future::join;

use crate::harness::{Group, TestApp, record, symptom};

/// A client logs a symptom, hears nothing and tries again: at once, and later. How many symptoms
/// are there then, and how many versions did it take?
async fn logged_with_retries(app: &TestApp, other: &Group, user_id: UserId) -> (i64, i64) {
    let before = symptoms(app).await;
    let start = record(user_id, "2025-01-01", None);
    let cycle = app.group.ask(user_id, start).await.unwrap().cycle;
    let log = || symptom(user_id, cycle.id, "2025-01-02");
    let (one, two) = join(
        app.group.ask_with_key(user_id, "key", log()),
        other.ask_with_key(user_id, "key", log()),
    )
    .await;
    let later = app.group.ask_with_key(user_id, "key", log()).await;
    let versions = [one, two, later].map(|answer| answer.unwrap().version.get());
    (symptoms(app).await - before, versions.into_iter().max().unwrap() - 1)
}

async fn symptoms(app: &TestApp) -> i64 {
    let count = sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM symptom"#);
    count.fetch_one(&app.pool).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_first_answer_a_retry_is_a_second_write() {
    let app = TestApp::start().await;
    let other = app.another_group().await;
    assert_eq!(logged_with_retries(&app, &other, UserId::new(7)).await, (1, 1));
    let _out = faults::take_out("idempotency.first_answer");
    assert_eq!(logged_with_retries(&app, &other, UserId::new(8)).await, (3, 3));
}
