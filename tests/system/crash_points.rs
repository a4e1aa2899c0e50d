//! kill −9 at every named point of the event protocol: nothing acknowledged is lost, nothing is
//! doubled, and everything converges.

use futures::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{App, Options, Person, Shape, client::Answer};

/// The points at which the process dies, in the order of an event's life. `@3` is the third hit:
/// by then something went through before it.
const POINTS: &[&str] = &[
    "cycles.before_commit=crash@3",
    "cycles.after_commit=crash@3",
    "relay.after_claim=crash@3",
    "relay.before_publish=crash@3",
    "relay.after_publish=crash@3",
    "relay.after_mark=crash@3",
    "analytics.recompute=crash@3",
    "analytics.before_commit=crash@2",
    "analytics.after_commit=crash@2",
    "consumer.before_ack=crash@2",
    "notifications.before_commit=crash@2",
    "notifications.after_commit=crash@2",
];

/// Starts 28 days apart, so that every history is regular.
fn start_date(index: u64) -> String {
    let first = chrono::NaiveDate::from_ymd_opt(2024, 1, 1).unwrap();
    (first + chrono::Days::new(28 * index)).to_string()
}

/// One write with an idempotency key, tried until its outcome is known.
async fn log_until_known(app: &mut App, person: &Person, index: u64) -> Value {
    loop {
        let request = person
            .at(app.client())
            .request(Method::POST, "/api/cycles/cycles")
            .header("Idempotency-Key", format!("cycle-{index}"))
            .json(&json!({"start_date": start_date(index)}));
        match Answer::try_of(request).await {
            Ok(answer) => return answer.expect(StatusCode::CREATED),
            Err(_) if app.process().lives() => {}
            Err(_) => app.start_again().await,
        }
    }
}

async fn dies_and_converges(shape: Shape, point: &str) {
    let options = Options { faults: Some(point.to_owned()), ..Options::default() };
    let mut app = App::start_with(shape, options).await;
    let people = [app.client().somebody().await, app.client().somebody().await];
    let mut versions = [0, 0];
    for index in 0..6 {
        for (person, version) in people.iter().zip(&mut versions) {
            let written = log_until_known(&mut app, person, index).await;
            let now = written["version"].as_i64().unwrap();
            assert_eq!(now, *version + 1, "{point}: versions are dense");
            *version = now;
        }
    }
    if app.restarts == 0 {
        // Points behind the answer are hit a moment later.
        app.process().ended().await;
        app.start_again().await;
    }
    for (person, version) in people.iter().zip(versions) {
        check(&person.at(app.client()), version, point).await;
    }
    app.finish().await;
}

async fn check(person: &Person, version: i64, point: &str) {
    let cycles = person.get("/api/cycles/cycles?limit=100").await.expect(StatusCode::OK);
    assert_eq!(cycles["total"], 6, "{point}");
    eprintln!("after {point}:");
    let active = person.active_at(version, 5).await;
    let analytics = person.get("/api/analytics/analytics?limit=100").await.expect(StatusCode::OK);
    assert_eq!(analytics["total"], 6, "{point}");
    let path = format!("/api/notifications/notifications?limit=100&min_version={version}");
    let notifications = person.reflected(&path, version).await;
    let pending: Vec<&Value> = notifications["notifications"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|notification| notification["status"] == "pending")
        .collect();
    assert_eq!(pending.len(), 1, "{point}: exactly one reminder is pending");
    assert_eq!(pending[0]["prediction_id"], active["id"], "{point}");
}

/// A few at a time: each has a Postgres of its own.
async fn at_every_point(shape: Shape) {
    for points in POINTS.chunks(4) {
        join_all(points.iter().map(|point| dies_and_converges(shape, point))).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory() {
    at_every_point(Shape::Memory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jetstream() {
    at_every_point(Shape::JetStream).await;
}
