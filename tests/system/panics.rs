//! A panic costs one request and is restarted; too many end the process with exit code 70.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::harness::{App, Options, Shape, client::Answer};

async fn with_faults(faults: &str) -> App {
    let options = Options { faults: Some(faults.to_owned()), ..Options::default() };
    App::start_with(Shape::Memory, options).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_in_a_mailbox_costs_one_request() {
    let app = with_faults("cycles.handle=panic@3").await;
    let person = app.client().somebody().await;
    person.log_cycle("2024-01-01", None).await;
    let mut failed = 0;
    let mut last = 0;
    for start in ["2024-01-29", "2024-02-26", "2024-03-25", "2024-04-22"] {
        let answer = person.post("/api/cycles/cycles", &json!({"start_date": start})).await;
        if answer.status == StatusCode::CREATED {
            last = answer.body["version"].as_i64().unwrap();
        } else {
            let problem = answer.problem(500);
            assert!(!problem.to_string().contains("panic"), "{problem}");
            failed += 1;
        }
    }
    // The snapshots that analytics asks for pass the same mailbox: it may be one of them.
    assert!(failed <= 1, "{failed} requests failed");
    assert!(app.output().contains("a panic was caught"), "nothing panicked");
    assert_eq!(person.prediction_at(last).await["count"], 1);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn panics_in_every_group_cost_one_request_each() {
    for (group, path) in [
        ("users", "/api/users/profile"),
        ("analytics", "/api/analytics/insights"),
        ("notifications", "/api/notifications/preferences"),
    ] {
        let app = with_faults(&format!("{group}.handle=panic@5")).await;
        let person = app.client().somebody().await;
        let mut failed = 0;
        for _ in 0..12 {
            let answer = person.get(path).await;
            failed += usize::from(answer.status != StatusCode::OK);
        }
        assert!(failed <= 1, "{group}: {failed} requests failed");
        assert!(app.output().contains("restarted"), "{group}");
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_panics_end_the_process() {
    let mut app = with_faults("notifications.handle=panic").await;
    let person = app.client().somebody().await;
    let path = "/api/notifications/preferences";
    while app.process().lives() {
        let _refused = Answer::try_of(person.request(Method::GET, path)).await;
    }
    assert_eq!(app.process().ended().await.code(), Some(70), "{}", app.output());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_users_poison_delays_nobody_else() {
    let app = with_faults("analytics.recompute=panic@1-4").await;
    let first = app.client().somebody().await;
    let (_, poisoned) = first.log_cycle("2024-01-01", None).await;
    let other = app.client().somebody().await;
    let (_, version) = other.log_cycle("2024-01-01", None).await;
    assert_eq!(other.prediction_at(version).await["count"], 1);
    assert_eq!(first.prediction_at(poisoned).await["count"], 1);
    assert_eq!(app.output().matches("a panic was caught").count(), 4, "{}", app.output());
    app.finish().await;
}
