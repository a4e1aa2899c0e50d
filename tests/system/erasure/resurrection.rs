//! Nobody comes back: not by writes that are under way, not by events that are late, not by events
//! that come twice.

use std::time::Duration;

use actor_runtime::clock::Ids;
use async_nats::{HeaderMap, jetstream};
use futures::future::join_all;
use reqwest::StatusCode;
use serde_json::json;

use super::{complete, erased, kept, rows_of};
use crate::harness::{App, Options, Person, Shape, app::DOMAINS, wait};

/// How many of them at the same time: each has its password hashed three times.
const AT_ONCE: usize = 10;

/// Publishes events again, as if they had been delayed on their way: with ids that the broker does not
/// know.
pub(crate) async fn publish_again(app: &App, events: &[(String, String)]) {
    let Some(nats) = &app.nats else { return };
    let context = jetstream::new(nats.client().await);
    for (subject, payload) in events {
        let mut headers = HeaderMap::new();
        let id = Ids.event_id().to_string();
        headers.insert("Nats-Msg-Id", id.as_str());
        let mut event: serde_json::Value = serde_json::from_str(payload).unwrap();
        event["event_id"] = json!(id);
        let sent = context.publish_with_headers(subject.clone(), headers, event.to_string().into());
        sent.await.unwrap().await.unwrap();
    }
}

/// One who writes while the account is being erased.
async fn writes_to_the_end(person: &Person) -> String {
    let mut version = 0;
    for month in 1..=4 {
        version = person.log_cycle(&format!("2024-{month:02}-01"), None).await.1;
    }
    person.prediction_at(version).await;
    let late = (5..=12).map(|month| async move {
        let body = json!({"start_date": format!("2024-{month:02}-01")});
        let answer = person.post("/api/cycles/cycles", &body).await;
        let expected = [
            StatusCode::CREATED,
            StatusCode::UNAUTHORIZED,
            StatusCode::SERVICE_UNAVAILABLE,
            StatusCode::GATEWAY_TIMEOUT,
        ];
        assert!(expected.contains(&answer.status), "{}", answer.text);
    });
    let reads = (0..4).map(|_| async {
        let _whatever = person.get("/api/notifications/preferences").await;
        let _whatever = person.post("/api/analytics/predictions/generate", &json!({})).await;
    });
    let (_, _, receipt) = futures::join!(join_all(late), join_all(reads), erased(person));
    receipt
}

/// Waits until every event that is there was taken by everybody who hears it.
pub(crate) async fn settle(app: &App) {
    let Some(nats) = &app.nats else { return };
    let context = jetstream::new(nats.client().await);
    wait::until_within(Duration::from_mins(2), "all events to be taken", || async {
        for (stream, durable) in [
            ("CYCLES", "analytics"),
            ("USERS", "analytics-people"),
            ("PREDICTIONS", "notifications"),
            ("USERS", "cycles-erase"),
            ("USERS", "analytics-erase"),
            ("USERS", "notifications-erase"),
        ] {
            let stream = context.get_stream(stream).await.unwrap();
            // One that was deleted is made again.
            let Ok(info) = stream.consumer_info(durable).await else { return None };
            if info.num_pending > 0 || info.num_ack_pending > 0 {
                return None;
            }
        }
        Some(())
    })
    .await;
}

async fn nobody_comes_back(shape: Shape, count: usize) {
    let environment = vec![("LUNATION_ANTI_ENTROPY_SECONDS".to_owned(), "1".to_owned())];
    let app = App::start_with(shape, Options { environment, ..Options::default() }).await;
    let mut people = Vec::new();
    while people.len() < count {
        people.push(app.client().somebody().await);
    }
    let mut receipts = Vec::new();
    for some in people.chunks(AT_ONCE) {
        let before = kept(&app).await;
        let erasing = async { receipts.extend(join_all(some.iter().map(writes_to_the_end)).await) };
        let again = async {
            for _ in 0..2 {
                publish_again(&app, &before).await;
            }
        };
        futures::join!(erasing, again);
        // What was published last, wake-ups and erasures, comes late and twice.
        let last = kept(&app).await;
        publish_again(&app, &last).await;
    }
    for receipt in &receipts {
        complete(&app, receipt).await;
    }
    let mut late = events_of_all(&people);
    // Erasing is for good: an event that users knows nothing of erases nobody.
    let stays = app.client().somebody().await;
    let (_, version) = stays.log_cycle("2024-01-01", None).await;
    let about_stays = events_of_all(std::slice::from_ref(&stays)).into_iter();
    late.extend(about_stays.filter(|(subject, _)| subject.starts_with("user.erased.")));
    for _ in 0..2 {
        publish_again(&app, &late).await;
    }
    settle(&app).await;
    stays.prediction_at(version).await;
    stays.log_cycle("2024-01-29", None).await;
    stays.get("/api/notifications/preferences").await.expect(StatusCode::OK);
    let mut left = Vec::new();
    for person in &people {
        for domain in DOMAINS {
            let rows = rows_of(&app, domain, person.id, "no such text").await;
            let tables: Vec<String> = rows.into_keys().collect();
            let tombstone = match domain {
                "users" => "erasure",
                "cycles" => "erased",
                _ => "subject",
            };
            if tables != [tombstone] {
                left.push((domain, person.id, tables));
            }
        }
    }
    assert!(left.is_empty(), "{} of {count} came back: {left:#?}", left.len());
    let dead: Vec<_> =
        kept(&app).await.into_iter().filter(|(subject, _)| subject.starts_with("dlq.")).collect();
    assert!(dead.is_empty(), "{dead:#?}");
    app.finish().await;
}

/// Each topic's event of each of them, far ahead of any version.
pub(crate) fn events_of_all(people: &[Person]) -> Vec<(String, String)> {
    use contracts::{UserId, events::Topic};
    let event = |person: &Person| {
        let (user_id, id) = (UserId::new(person.id), person.id);
        Topic::ALL.map(|topic| {
            let payload = json!({
                "event_id": "00000000-0000-4000-8000-000000000000", "user_id": id, "version": 99, "verb": "edited", "schema": 1,
            });
            (topic.subject(user_id), payload.to_string())
        })
    };
    people.iter().flat_map(event).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory() {
    nobody_comes_back(Shape::Memory, 20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jetstream() {
    nobody_comes_back(Shape::JetStream, 20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn split() {
    nobody_comes_back(Shape::Split, 20).await;
}
