//! What an operator sees and does: dead letters, events as they pass, and figures.

use std::time::SystemTime;

use async_nats::jetstream;
use contracts::{UserId, Version, events::Topic};
use futures::StreamExt;
use nats::{
    Bus, Durable,
    operator::{Content, KeptLetter, Operator, Past, Replayed, Seen, Tail},
};
use uuid::Uuid;

use crate::support::{NatsServer, PATIENCE, Stage, connection, event, event_of, next};

const CYCLE_42: &str = "cycle.changed.v1.33.42";

async fn operator(server: &NatsServer) -> Operator {
    Operator::new(connection(&server.url()).await)
}

/// Publishes an event of this user and gives it up.
async fn bury(bus: &Bus, durable: Durable, user: i64, version: i64) {
    let mut inbox = bus.subscribe(durable).await.unwrap();
    bus.publish(&event(durable.topic(), user, version), 1).await.unwrap();
    next(&mut inbox).await.dead_letter("failed").await.unwrap();
}

fn ids(letters: &[KeptLetter]) -> Vec<u64> {
    letters.iter().map(|letter| letter.id).collect()
}

async fn seen(tail: &mut Tail) -> Seen {
    tokio::time::timeout(PATIENCE, tail.next()).await.expect("in time").unwrap().expect("open")
}

/// User, version and whether it was read from a stream.
async fn told(tail: &mut Tail) -> (i64, i64, bool) {
    let Seen { content, kept_at, .. } = seen(tail).await;
    let Content::WakeUp(wake_up, request_id) = content else { panic!("{content:?}") };
    assert_eq!(request_id.unwrap().as_str(), "request-1");
    (wake_up.user_id.get(), wake_up.version.get(), kept_at.is_some())
}

#[tokio::test]
async fn dead_letters_are_found_by_group_and_id() {
    let (bus, server) = Stage::broker().await;
    let operator = operator(&server).await;
    assert_eq!(operator.dead_letter_count().await.unwrap(), 0);
    assert_eq!(operator.newest_dead_letters(None, 10).await.unwrap(), []);
    for user in 1..=3 {
        bury(&bus, Durable::Analytics, user, 1).await;
    }
    bury(&bus, Durable::Notifications, 4, 1).await;
    let context = jetstream::new(server.client().await);
    context.publish("dlq.moon.strange", "not a record".into()).await.unwrap().await.unwrap();
    let letters = operator.newest_dead_letters(None, 10).await.unwrap();
    assert_eq!(ids(&letters), [5, 4, 3, 2, 1]);
    assert_eq!((letters[0].group(), letters[0].class()), ("moon", "strange"));
    assert_eq!(letters[0].record, None);
    assert_eq!((letters[1].group(), letters[1].class()), ("notifications", "failed"));
    assert_eq!(letters[1].record.as_ref().unwrap().user_id, Some(UserId::new(4)));
    assert!(letters[1].kept_at >= letters[2].kept_at, "newest first");
    let analytics = Some("analytics");
    assert_eq!(ids(&operator.newest_dead_letters(analytics, 2).await.unwrap()), [3, 2]);
    let next = async |group, id| {
        operator.next_dead_letter(group, id).await.unwrap().map(|letter| letter.id)
    };
    assert_eq!(
        (next(None, 0).await, next(None, 2).await, next(None, 6).await),
        (Some(1), Some(2), None)
    );
    assert_eq!(
        (next(Some("notifications"), 1).await, next(Some("users"), 1).await),
        (Some(4), None)
    );

    operator.drop_dead_letter(2).await.unwrap();
    operator.drop_dead_letter(5).await.unwrap();
    operator.drop_dead_letter(2).await.unwrap_err();
    assert_eq!(operator.dead_letter(2).await.unwrap(), None);
    assert_eq!(operator.dead_letter(0).await.unwrap(), None);
    assert_eq!(operator.dead_letter(3).await.unwrap().map(|letter| letter.id), Some(3));
    assert_eq!(ids(&operator.newest_dead_letters(None, 10).await.unwrap()), [4, 3, 1]);
    assert_eq!(operator.dead_letter_count().await.unwrap(), 3);
}

#[tokio::test]
async fn a_replay_is_a_fresh_wake_up_and_removes_the_dead_letter() {
    let (bus, server) = Stage::broker().await;
    let operator = operator(&server).await;
    bury(&bus, Durable::Analytics, 42, 3).await;
    let letter = operator.dead_letter(1).await.unwrap().unwrap();
    let id = Uuid::from_u128(7);
    let Replayed::Published { event, sequence } = operator.replay(&letter, id).await.unwrap()
    else {
        panic!("it names a user")
    };
    assert_eq!((event.wake_up.event_id, event.wake_up.version), (id, Version::new(3)));
    assert_eq!((event.request_id.as_str(), sequence), ("request-1", 2));
    assert_eq!(operator.dead_letter_count().await.unwrap(), 0);
    let mut inbox = bus.subscribe(Durable::Analytics).await.unwrap();
    let delivery = next(&mut inbox).await;
    assert_eq!((event_of(&delivery), delivery.attempt()), (event, 1));
    delivery.ack().await.unwrap();
}

#[tokio::test]
async fn dead_letters_of_all_durables_of_a_group_are_its_own() {
    let (bus, server) = Stage::broker().await;
    let operator = operator(&server).await;
    bury(&bus, Durable::Analytics, 41, 1).await;
    bury(&bus, Durable::AnalyticsPeople, 42, 3).await;
    let letters = operator.newest_dead_letters(Some("analytics"), 10).await.unwrap();
    assert_eq!(ids(&letters), [2, 1]);
    let record = letters[0].record.as_ref().unwrap();
    assert_eq!((record.stream.as_str(), record.group.as_str()), ("USERS", "analytics"));
    operator.replay(&letters[0], Uuid::from_u128(7)).await.unwrap();
    let mut inbox = bus.subscribe(Durable::AnalyticsPeople).await.unwrap();
    let delivery = next(&mut inbox).await;
    let heard = event_of(&delivery);
    assert_eq!((heard.topic, heard.wake_up.user_id.get()), (Topic::UserChanged, 42));
    delivery.ack().await.unwrap();
}

#[tokio::test]
async fn a_replay_does_not_hide_a_newer_wake_up() {
    let (bus, server) = Stage::broker().await;
    let operator = operator(&server).await;
    bury(&bus, Durable::Analytics, 42, 3).await;
    bus.publish(&event(Topic::CycleChanged, 42, 8), 1).await.unwrap();
    let letter = operator.dead_letter(1).await.unwrap().unwrap();
    operator.replay(&letter, Uuid::from_u128(7)).await.unwrap();
    let mut inbox = bus.subscribe(Durable::Analytics).await.unwrap();
    let delivery = next(&mut inbox).await;
    assert_eq!(event_of(&delivery).wake_up.version, Version::new(8));
    delivery.ack().await.unwrap();
}

#[tokio::test]
async fn a_replay_asks_for_no_less_than_the_dead_letter_did() {
    let (bus, server) = Stage::broker().await;
    let operator = operator(&server).await;
    bury(&bus, Durable::Analytics, 42, 8).await;
    // A relay that was paused publishes late what it had claimed before.
    bus.publish(&event(Topic::CycleChanged, 42, 7), 1).await.unwrap();
    let letter = operator.dead_letter(1).await.unwrap().unwrap();
    let id = Uuid::from_u128(7);
    let Replayed::Published { event, .. } = operator.replay(&letter, id).await.unwrap() else {
        panic!("it names a user")
    };
    assert_eq!(event.wake_up.version, Version::new(8));

    // As an older build wrote it, of a user for whom nothing waits.
    let mut record = letter.record.unwrap();
    record.user_id = Some(UserId::new(43));
    record.subject = Topic::CycleChanged.subject(UserId::new(43));
    record.version = None;
    let context = jetstream::new(server.client().await);
    let record = serde_json::to_vec(&record).unwrap();
    context.publish("dlq.analytics.failed", record.into()).await.unwrap().await.unwrap();
    let letter = operator.dead_letter(2).await.unwrap().unwrap();
    let other = Uuid::from_u128(8);
    let Replayed::Published { event, .. } = operator.replay(&letter, other).await.unwrap() else {
        panic!("it names a user")
    };
    assert_eq!(event.wake_up.version, Version::new(1), "whatever the owner has is enough");
    let mut inbox = bus.subscribe(Durable::Analytics).await.unwrap();
    for user in [42, 43] {
        let delivery = next(&mut inbox).await;
        assert_eq!(event_of(&delivery).wake_up.user_id, UserId::new(user));
        delivery.ack().await.unwrap();
    }
}

#[tokio::test]
async fn replays_and_the_relay_do_not_overtake_each_other() {
    let (bus, server) = Stage::broker().await;
    let operator = operator(&server).await;
    bury(&bus, Durable::Analytics, 42, 1).await;
    let letter = operator.dead_letter(1).await.unwrap().unwrap();
    for round in 1..=50_i64 {
        let version = round + 1;
        let relay = event(Topic::CycleChanged, 42, version);
        // The dead letter is gone after the first: only the wake-up matters here.
        let id = Uuid::from_u128(u128::from(round.unsigned_abs()));
        let (published, replayed) =
            tokio::join!(bus.publish(&relay, 1), operator.replay(&letter, id));
        published.unwrap();
        assert_eq!(replayed.is_ok(), round == 1, "{replayed:?}");
        let context = jetstream::new(server.client().await);
        let stream = context.get_stream("CYCLES").await.unwrap();
        let last = stream.get_last_raw_message_by_subject(CYCLE_42).await.unwrap();
        let last: serde_json::Value = serde_json::from_slice(&last.payload).unwrap();
        assert_eq!(last["version"], version, "what waits announces the newest version");
    }
}

#[tokio::test]
async fn what_names_nobody_is_not_replayed() {
    let (bus, server) = Stage::broker().await;
    let operator = operator(&server).await;
    let context = jetstream::new(server.client().await);
    context.publish(CYCLE_42, "not an event".into()).await.unwrap().await.unwrap();
    let mut inbox = bus.subscribe(Durable::Analytics).await.unwrap();
    next(&mut inbox).await.dead_letter("undecodable").await.unwrap();
    context.publish("dlq.moon.strange", "not a record".into()).await.unwrap().await.unwrap();
    for id in [1, 2] {
        let letter = operator.dead_letter(id).await.unwrap().unwrap();
        let replayed = operator.replay(&letter, Uuid::from_u128(7)).await.unwrap();
        assert_eq!(replayed, Replayed::NamesNobody);
    }
    assert_eq!(operator.dead_letter_count().await.unwrap(), 2, "nothing was removed");
    assert_eq!(bus.stream_position(Topic::CycleChanged).await.unwrap(), Some(1));
}

#[tokio::test]
async fn a_tail_tells_what_is_kept_and_then_what_passes() {
    let (bus, server) = Stage::broker().await;
    let operator = operator(&server).await;
    for (user, version) in [(1, 1), (2, 1), (1, 2)] {
        bus.publish(&event(Topic::CycleChanged, user, version), 1).await.unwrap();
        bus.publish(&event(Topic::PredictionChanged, user, version), 1).await.unwrap();
    }
    let mut all = operator.tail(None, Past::Everything).await.unwrap();
    let mut cycles = operator.tail(Some("cycle.>"), Past::Everything).await.unwrap();
    let mut live = operator.tail(None, Past::Nothing).await.unwrap();
    // Known to the streams and published once more: told once.
    bus.publish(&event(Topic::CycleChanged, 1, 2), 2).await.unwrap();
    bus.publish(&event(Topic::CycleChanged, 3, 1), 1).await.unwrap();
    for expected in [(2, 1, true), (2, 1, true), (1, 2, true), (1, 2, true), (3, 1, false)] {
        assert_eq!(told(&mut all).await, expected);
    }
    for expected in [(2, 1, true), (1, 2, true), (3, 1, false)] {
        assert_eq!(told(&mut cycles).await, expected);
    }
    for expected in [(1, 2, false), (3, 1, false)] {
        assert_eq!(told(&mut live).await, expected);
    }
    let context = jetstream::new(server.client().await);
    context.publish(CYCLE_42, "2026-03-01".into()).await.unwrap().await.unwrap();
    assert_eq!(seen(&mut live).await.content, Content::Other(10));
    bury(&bus, Durable::Analytics, 9, 4).await;
    assert_eq!(told(&mut live).await, (9, 4, false));
}

#[tokio::test]
async fn a_tail_tells_of_dead_letters() {
    let (bus, server) = Stage::broker().await;
    let operator = operator(&server).await;
    bury(&bus, Durable::Notifications, 9, 4).await;
    let mut tail = operator.tail(Some("dlq.>"), Past::Everything).await.unwrap();
    let Seen { subject, content, .. } = seen(&mut tail).await;
    let Content::DeadLetter(letter) = content else { panic!("{content:?}") };
    assert_eq!(
        (subject.as_str(), letter.user_id),
        ("dlq.notifications.failed", Some(UserId::new(9)))
    );
}

#[tokio::test]
async fn a_tail_begins_at_an_instant() {
    let (bus, server) = Stage::broker().await;
    let operator = operator(&server).await;
    let context = jetstream::new(server.client().await);
    let mut stream = context.get_stream("CYCLES").await.unwrap();
    let mut times = Vec::new();
    for user in 1..=20 {
        bus.publish(&event(Topic::CycleChanged, user, 1), 1).await.unwrap();
        times.push(SystemTime::from(stream.info().await.unwrap().state.last_timestamp));
    }
    for (index, instant) in times.iter().enumerate().step_by(3) {
        let mut tail = operator.tail(None, Past::Since(*instant)).await.unwrap();
        for user in index + 1..=20 {
            assert_eq!(told(&mut tail).await, (i64::try_from(user).unwrap(), 1, true));
        }
    }
}

#[tokio::test]
async fn the_status_has_every_stream_durable_and_service() {
    let server = NatsServer::start();
    let operator = operator(&server).await;
    let status = operator.status().await.unwrap();
    assert!(status.streams.iter().all(|stream| !stream.exists && stream.messages == 0));
    assert!(status.consumers.iter().all(|consumer| !consumer.exists));
    assert!(status.services.is_empty());

    let bus = crate::support::connect(&server.url()).await;
    let made = bus.provision().await.unwrap();
    assert_eq!(made.len(), 10);
    assert!(made.iter().all(|it| it.change == nats::Change::Created), "{made:?}");
    let again = bus.provision().await.unwrap();
    assert!(again.iter().all(|it| it.change == nats::Change::None), "{again:?}");
    for user in 1..=3 {
        bus.publish(&event(Topic::CycleChanged, user, 1), 1).await.unwrap();
    }
    let _two = [service(&server).await, service(&server).await];
    let status = operator.status().await.unwrap();
    let names: Vec<&str> = status.streams.iter().map(|stream| stream.name.as_str()).collect();
    assert_eq!(names, ["CYCLES", "PREDICTIONS", "USERS", "DLQ"]);
    let cycles = &status.streams[0];
    assert_eq!((cycles.exists, cycles.messages, cycles.last_sequence), (true, 3, 3));
    assert!(cycles.bytes > 0);
    let analytics = &status.consumers[0];
    assert_eq!((analytics.name.as_str(), analytics.pending), ("analytics", 3));
    assert_eq!(status.services.len(), 2);
    for service in &status.services {
        assert_eq!((service.name.as_str(), service.version.as_str()), ("lunation-moon", "1.2.3"));
        assert_eq!(service.endpoints[0].subject, "rpc.moon.v1.rise");
    }
}

/// A service of others, by the library's own means.
async fn service(server: &NatsServer) -> (async_nats::service::Service, impl Sized + use<>) {
    use async_nats::service::ServiceExt;
    let client = server.client().await;
    let service = client.service_builder().start("lunation-moon", "1.2.3").await.unwrap();
    let endpoint = service.endpoint("rpc.moon.v1.rise").await.unwrap();
    client.flush().await.unwrap();
    (service, endpoint.map(drop))
}
