//! kill −9 at every named point of the event protocol: nothing acknowledged is lost, nothing is
//! doubled, and everything converges.

use actor_runtime::clock::Clock;
use chrono::{Days, NaiveDate};
use futures::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{App, Options, Person, Shape, client::Answer, wait};

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

/// The same of a date of birth that is said later. Two registrations come before it.
const POINTS_OF_PEOPLE: &[&str] = &["users.before_commit=crash@3", "users.after_commit=crash@3"];

/// Starts 28 days apart, so that every history is regular.
fn start_date(index: u64) -> String {
    let first = NaiveDate::from_ymd_opt(2024, 1, 1).unwrap();
    (first + Days::new(28 * index)).to_string()
}

async fn log_until_known(app: &mut App, person: &Person, index: u64) -> Value {
    let (key, body) = (format!("cycle-{index}"), json!({"start_date": start_date(index)}));
    let answer = until_known(app, person, Method::POST, "/api/cycles/cycles", &key, &body).await;
    answer.expect(StatusCode::CREATED)
}

/// One write with an idempotency key, tried until its outcome is known.
async fn until_known(
    app: &mut App,
    person: &Person,
    method: Method,
    path: &str,
    key: &str,
    body: &Value,
) -> Answer {
    loop {
        let person = person.at(app.client());
        let request = person.request(method.clone(), path);
        match Answer::try_of(request.header("Idempotency-Key", key).json(body)).await {
            Ok(answer) => return answer,
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

/// Nobody asks for an age again: without the event, analytics would never hear of it. Cycles that
/// differ by 8 days are regular as long as it is not known, and not at 30 years.
async fn a_date_of_birth_is_told_of(shape: Shape, point: &str) {
    let options = Options { faults: Some(point.to_owned()), ..Options::default() };
    let mut app = App::start_with(shape, options).await;
    let people = [app.client().somebody().await, app.client().somebody().await];
    for person in &people {
        let mut version = 0;
        for start in ["2024-01-01", "2024-01-29", "2024-02-26", "2024-04-02"] {
            version = person.log_cycle(start, None).await.1;
        }
        let path = format!("/api/analytics/insights?min_version={version}");
        let insights = person.reflected(&path, version).await;
        assert_eq!(regularity(&insights), "positive", "{point}: {insights}");
    }
    let born = (Clock::System.now().date_naive() - Days::new(30 * 366)).to_string();
    let (path, body) = ("/api/users/profile", json!({"date_of_birth": born}));
    for person in &people {
        let mut write = async || {
            let answer = until_known(&mut app, person, Method::PUT, path, "born", &body).await;
            answer.expect(StatusCode::OK)
        };
        assert_eq!(write().await, write().await, "{point}");
    }
    assert_eq!(app.restarts, 1, "{point}");
    for person in people.map(|person| person.at(app.client())) {
        assert_eq!(person.get(path).await.expect(StatusCode::OK)["date_of_birth"], born, "{point}");
        wait::until("the age to be known", || async {
            let insights = person.get("/api/analytics/insights").await;
            let known =
                insights.status == StatusCode::OK && regularity(&insights.body) == "warning";
            known.then_some(())
        })
        .await;
    }
    app.finish().await;
}

/// How the insight on regularity is to be read.
fn regularity(insights: &Value) -> &Value {
    let mut all = insights["insights"].as_array().unwrap().iter();
    &all.find(|insight| insight["rule"] == "regularity").unwrap()["type"]
}

/// A few at a time: each has a Postgres of its own.
async fn at_every_point(shape: Shape) {
    for points in POINTS.chunks(4) {
        join_all(points.iter().map(|point| dies_and_converges(shape, point))).await;
    }
    join_all(POINTS_OF_PEOPLE.iter().map(|point| a_date_of_birth_is_told_of(shape, point))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory() {
    at_every_point(Shape::Memory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jetstream() {
    at_every_point(Shape::JetStream).await;
}
