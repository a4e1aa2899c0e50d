//! The broker: what an independent client sees of it, and what happens when it goes away.

use std::{collections::BTreeMap, time::Duration};

use futures::StreamExt;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::harness::{App, Shape};

/// Strings that must never reach the broker.
const CANARIES: &[&str] =
    &["2031", "canary", "cramps-canary", "example.org", "somebody", "Jane", "2025-03"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_independent_client_sees_every_change_and_no_health_data() {
    let app = App::start(Shape::JetStream).await;
    let watcher = app.nats.as_ref().unwrap().client().await;
    let mut cycles = watcher.subscribe("cycle.>").await.unwrap();
    let mut predictions = watcher.subscribe("prediction.>").await.unwrap();
    watcher.flush().await.unwrap();

    let person = app.client().somebody().await;
    let (cycle, _) = person.log_cycle("2025-03-01", Some("2025-03-05")).await;
    let mut seen = vec![cycles.next().await.unwrap()];
    let symptom = json!({
        "cycle_id": cycle, "date": "2025-03-02", "symptom_type": "cramps-canary",
        "value": "canary", "severity": 7, "notes": "a canary in a note",
    });
    person.post("/api/cycles/symptoms", &symptom).await.expect(StatusCode::CREATED);
    seen.push(cycles.next().await.unwrap());
    let edited = json!({"end_date": "2025-03-06"});
    person.put(&format!("/api/cycles/cycles/{cycle}"), &edited).await.expect(StatusCode::OK);
    seen.push(cycles.next().await.unwrap());
    person.delete(&format!("/api/cycles/cycles/{cycle}")).await.expect(StatusCode::OK);
    seen.push(cycles.next().await.unwrap());
    seen.push(predictions.next().await.unwrap());

    for (index, message) in seen.iter().enumerate() {
        let payload: Value = serde_json::from_slice(&message.payload).unwrap();
        let members: Vec<&String> = payload.as_object().unwrap().keys().collect();
        assert_eq!(members, ["event_id", "schema", "user_id", "verb", "version"]);
        assert_eq!(payload["user_id"], person.id);
        let headers = message.headers.as_ref().unwrap();
        assert_eq!(headers.get("Nats-Msg-Id").unwrap().as_str(), payload["event_id"]);
        assert_eq!(headers.get("ce-id").unwrap().as_str(), payload["event_id"]);
        assert!(headers.get("traceparent").is_some());
        if index < 4 {
            assert_eq!(payload["version"], index + 1);
            assert!(message.subject.starts_with("cycle.changed.v1."), "{}", message.subject);
            assert!(message.subject.ends_with(&format!(".{}", person.id)), "{}", message.subject);
        }
        let whole = format!("{} {headers:?} {payload}", message.subject);
        for canary in CANARIES {
            assert!(!whole.contains(canary), "{canary} in {whole}");
        }
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_go_on_while_the_broker_is_away_and_arrive_when_it_is_back() {
    let mut app = App::start(Shape::JetStream).await;
    let person = app.client().somebody().await;
    let (_, version) = person.log_cycle("2024-01-01", None).await;
    person.prediction_at(version).await;
    app.nats.as_mut().unwrap().kill();
    let mut last = 0;
    for start in ["2024-01-29", "2024-02-26", "2024-03-25"] {
        last = person.log_cycle(start, None).await.1;
    }
    app.client().get("/api/cycles/health").await;
    app.nats.as_mut().unwrap().restart().await;
    person.active_at(last, 3).await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_rolled_back_to_an_older_copy_heals_by_itself() {
    let mut app = App::start(Shape::JetStream).await;
    let person = app.client().somebody().await;
    let (_, version) = person.log_cycle("2024-01-01", None).await;
    person.prediction_at(version).await;
    let copies = tempfile::tempdir().unwrap();
    let copy = copies.path().join("store");
    let nats = app.nats.as_mut().unwrap();
    nats.kill();
    nats.copy_store(&copy);
    nats.restart().await;
    for start in ["2024-01-29", "2024-02-26"] {
        let (_, version) = person.log_cycle(start, None).await;
        person.prediction_at(version).await;
    }
    let nats = app.nats.as_mut().unwrap();
    nats.kill();
    nats.put_store_back(&copy);
    let (_, version) = person.log_cycle("2024-03-25", None).await;
    app.nats.as_mut().unwrap().restart().await;
    let path = format!("/api/analytics/predictions?active=true&min_version={version}");
    person.reflected_within(Duration::from_mins(2), &path, version).await;
    person.active_at(version, 3).await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_deleted_while_running_heals_by_itself() {
    let mut app = App::start(Shape::JetStream).await;
    let mut people = BTreeMap::new();
    for _ in 0..5 {
        let person = app.client().somebody().await;
        let (_, version) = person.log_cycle("2024-01-01", None).await;
        people.insert(person.id, (person, version));
    }
    for (person, version) in people.values() {
        person.prediction_at(*version).await;
    }
    let nats = app.nats.as_mut().unwrap();
    nats.kill();
    nats.wipe();
    for (person, version) in people.values_mut() {
        *version = person.log_cycle("2024-01-29", None).await.1;
    }
    app.nats.as_mut().unwrap().restart().await;
    for (person, version) in people.values() {
        let path = format!("/api/analytics/predictions?active=true&min_version={version}");
        person.reflected_within(Duration::from_mins(2), &path, *version).await;
        person.active_at(*version, 1).await;
    }
    app.finish().await;
}
