//! Who was erased is gone from every stream; everybody else's events stay.

use async_nats::jetstream::{self, stream::Stream};
use contracts::{UserId, events::Topic};
use nats::{Durable, accounts::Credential};

use super::server::GuardedServer;
use crate::support::{Stage, event, next};

const GONE: i64 = 42;
const STAYS: i64 = 43;

/// The subjects of everything that a stream keeps.
async fn kept(stream: &Stream) -> Vec<String> {
    let state = stream.cached_info().state.clone();
    let mut subjects = Vec::new();
    for sequence in state.first_sequence.max(1)..=state.last_sequence {
        if let Ok(message) = stream.get_raw_message(sequence).await {
            subjects.push(format!(
                "{} {}",
                message.subject,
                String::from_utf8_lossy(&message.payload)
            ));
        }
    }
    subjects
}

/// Exactly as in production: with the permissions of users, and no more.
#[tokio::test]
async fn nothing_of_an_erased_user_is_left_on_the_broker() {
    let server = GuardedServer::start();
    let all = server.bus(Credential::All).await;
    all.provision().await.unwrap();
    for user in [GONE, STAYS] {
        // The ids of these events follow from user and version, and the broker knows them again.
        for (topic, nth) in Topic::ALL.into_iter().zip(0..) {
            for version in 1..=2 {
                all.publish(&event(topic, user, 10 * nth + version), 1).await.unwrap();
            }
        }
        for durable in [Durable::Analytics, Durable::NotificationsErase] {
            let mut inbox = all.subscribe(durable).await.unwrap();
            loop {
                let delivery = next(&mut inbox).await;
                let of = delivery.content().as_ref().unwrap().wake_up.user_id;
                if of == UserId::new(user) {
                    delivery.dead_letter("failed").await.unwrap();
                    break;
                }
                delivery.ack().await.unwrap();
            }
        }
    }
    let users = server.bus(Credential::Users).await;
    let removed = users.forget(&[UserId::new(GONE)]).await.unwrap();
    assert_eq!(removed, 4 + 2, "a wake-up of each topic, and two dead letters");
    assert_eq!(users.forget(&[UserId::new(GONE)]).await.unwrap(), 0, "there is nothing more");

    let context = jetstream::new(server.client(Credential::Operator).await);
    let mut left = Vec::new();
    for name in ["CYCLES", "PREDICTIONS", "USERS", "DLQ"] {
        left.extend(kept(&context.get_stream(name).await.unwrap()).await);
    }
    assert_eq!(left.len(), 6, "{left:#?}");
    let gone = [format!("\"user_id\":{GONE},"), format!(".{GONE}\"")];
    for message in &left {
        assert!(message.contains(&format!("\"user_id\":{STAYS},")), "{message}");
        assert!(!gone.iter().any(|trace| message.contains(trace)), "{message}");
    }
}

#[tokio::test]
async fn the_memory_bus_forgets_its_dead_letters() {
    let Stage { bus, .. } = Stage::memory();
    for user in [GONE, STAYS] {
        let mut inbox = bus.subscribe(Durable::Analytics).await.unwrap();
        let event = event(Topic::CycleChanged, user, 1);
        let bury = async { next(&mut inbox).await.dead_letter("failed").await.unwrap() };
        let (published, ()) = futures::join!(bus.publish(&event, 1), bury);
        published.unwrap();
    }
    assert_eq!(bus.forget(&[UserId::new(GONE)]).await.unwrap(), 1);
    let left = bus.dead_letters(10).await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].user_id, Some(UserId::new(STAYS)));
}
