//! kill −9 during a load of 5,000 acknowledged writes: none is missing afterwards, in cycles or in
//! analytics, and at most one prediction of a user is active at every poll.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use chrono::{Days, NaiveDate};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{App, Client, Person, Shape, client::Answer, wait};

const PEOPLE: i64 = 50;
const ACKNOWLEDGED: usize = 5_000;
const KILLS: usize = 3;

struct Load {
    acknowledged: AtomicUsize,
    stop: AtomicBool,
    url: tokio::sync::watch::Receiver<String>,
}

/// Logs cycles one after the other until the load is done; returns the acknowledged starts and
/// the one whose outcome is unknown.
async fn log_on(person: Person, load: Arc<Load>) -> (BTreeMap<NaiveDate, i64>, Option<NaiveDate>) {
    let mut acknowledged = BTreeMap::new();
    let mut day = NaiveDate::from_ymd_opt(1950, 1, 1).unwrap();
    let mut in_doubt = None;
    let mut url = load.url.clone();
    let mut person = person.at(Client::new(url.borrow_and_update().clone()));
    while !load.stop.load(Ordering::Relaxed) {
        if url.has_changed().unwrap_or(false) {
            person = person.at(Client::new(url.borrow_and_update().clone()));
        }
        let request = person
            .request(Method::POST, "/api/cycles/cycles")
            .header("Idempotency-Key", day.to_string())
            .json(&json!({"start_date": day.to_string()}));
        match Answer::try_of(request).await {
            Ok(answer) if answer.status == StatusCode::CREATED => {
                let version = answer.body["version"].as_i64().unwrap();
                acknowledged.insert(day, version);
                load.acknowledged.fetch_add(1, Ordering::Relaxed);
                day = day + Days::new(28);
                in_doubt = None;
            }
            Ok(answer) => {
                assert!(answer.status.is_server_error(), "{}", answer.text);
                in_doubt = Some(day);
            }
            Err(_) => {
                in_doubt = Some(day);
                tokio::task::yield_now().await;
            }
        }
    }
    (acknowledged, in_doubt)
}

async fn killed_under_load(shape: Shape) {
    let mut app = App::start(shape).await;
    let mut people = Vec::new();
    for person in 1..=PEOPLE {
        people.push(app.minted(person));
    }
    let (url, follow) = tokio::sync::watch::channel(app.url());
    let load = Arc::new(Load {
        acknowledged: AtomicUsize::new(0),
        stop: AtomicBool::new(false),
        url: follow,
    });
    let loggers: Vec<_> =
        people.iter().map(|person| spawn(log_on(person.clone(), Arc::clone(&load)))).collect();
    for kill in 1..=KILLS {
        acknowledged(&load, ACKNOWLEDGED * kill / (KILLS + 1)).await;
        app.kill();
        app.start_again().await;
        url.send_replace(app.url());
        for person in &people {
            at_most_one_active(&person.at(app.client())).await;
        }
    }
    acknowledged(&load, ACKNOWLEDGED).await;
    load.stop.store(true, Ordering::Relaxed);
    let mut outcomes = Vec::new();
    for logger in loggers {
        outcomes.push(logger.await.unwrap());
    }
    for (person, (acknowledged, in_doubt)) in people.iter().zip(outcomes) {
        verify(&person.at(app.client()), &acknowledged, in_doubt).await;
    }
    app.finish().await;
}

/// The loads go on while the test kills what they talk to.
#[expect(clippy::disallowed_methods, reason = "a test has no supervisor")]
fn spawn<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    tokio::spawn(work)
}

async fn acknowledged(load: &Load, count: usize) {
    wait::until_within(Duration::from_mins(5), "acknowledged writes", || async {
        (load.acknowledged.load(Ordering::Relaxed) >= count).then_some(())
    })
    .await;
}

/// The look is repeated if the service has no room for it under the load: nothing is promised there.
async fn at_most_one_active(person: &Person) {
    let answer = person.reflected("/api/analytics/predictions?active=true", 0).await;
    assert!(answer["total"].as_i64().unwrap() <= 1, "{answer}");
}

async fn verify(
    person: &Person,
    acknowledged: &BTreeMap<NaiveDate, i64>,
    in_doubt: Option<NaiveDate>,
) {
    let cycles = all(person, "/api/cycles/cycles", "cycles").await;
    let stored: Vec<String> = starts(&cycles);
    for start in acknowledged.keys() {
        assert!(stored.contains(&start.to_string()), "a lost write of user {}", person.id);
    }
    let unknown = stored.len() - acknowledged.len();
    assert!(unknown <= usize::from(in_doubt.is_some()), "a doubled write of user {}", person.id);
    let newest = acknowledged.values().copied().max().unwrap() + i64::try_from(unknown).unwrap();
    let predictions = person.prediction_at(newest).await;
    assert_eq!(predictions["total"], 1);
    let analytics = all(person, "/api/analytics/analytics", "analytics").await;
    assert_eq!(starts(&analytics), stored, "analytics of user {}", person.id);
}

async fn all(person: &Person, path: &str, member: &str) -> Vec<Value> {
    let mut rows = Vec::new();
    loop {
        let page = format!("{path}?limit=100&offset={}", rows.len());
        let page = person.get(&page).await.expect(StatusCode::OK);
        rows.extend(page[member].as_array().unwrap().iter().cloned());
        if rows.len() as u64 >= page["total"].as_u64().unwrap() {
            return rows;
        }
    }
}

fn starts(rows: &[Value]) -> Vec<String> {
    rows.iter().map(|row| row["start_date"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory() {
    killed_under_load(Shape::Memory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jetstream() {
    killed_under_load(Shape::JetStream).await;
}
