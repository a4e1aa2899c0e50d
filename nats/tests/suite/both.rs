//! What both implementations promise. Each body publishes as the relay does and consumes at the
//! same time, since the memory bus is done publishing only when the consumer is done.

use std::{collections::BTreeSet, time::Duration};

use contracts::events::Topic;
use futures::{StreamExt, future::join_all, join};
use nats::{Bus, BusKind, Durable};

use crate::support::{Stage, event, event_of, next, relay};

const SOON: Duration = Duration::from_millis(20);

pub(crate) async fn an_event_is_delivered_and_acknowledged(stage: Stage) {
    let event = event(Topic::CycleChanged, 42, 7);
    let mut inbox = stage.bus.subscribe(Durable::Analytics).await.unwrap();
    let consume = async {
        let delivery = next(&mut inbox).await;
        assert_eq!(event_of(&delivery), event);
        assert_eq!(delivery.attempt(), 1);
        delivery.keep_alive().await;
        delivery.ack().await.unwrap();
    };
    let ((published, refusals), ()) = join!(relay(&stage.bus, &event), consume);
    assert!(refusals.is_empty(), "{refusals:?}");
    let position = stage.bus.stream_position(Topic::CycleChanged).await.unwrap();
    assert_eq!(published.stream_sequence, position);
    assert_eq!(position, (stage.bus.kind() == BusKind::JetStream).then_some(1));
    assert!(stage.bus.dead_letters(10).await.unwrap().is_empty());
}

pub(crate) async fn a_retry_brings_the_event_back(stage: Stage) {
    let event = event(Topic::PredictionChanged, 5, 1);
    let mut inbox = stage.bus.subscribe(Durable::Notifications).await.unwrap();
    let consume = async {
        next(&mut inbox).await.retry(SOON).await;
        let again = next(&mut inbox).await;
        assert_eq!(event_of(&again), event);
        assert_eq!(again.attempt(), 2);
        again.ack().await.unwrap();
    };
    let ((_published, refusals), ()) = join!(relay(&stage.bus, &event), consume);
    let asked: Vec<Option<Duration>> =
        refusals.iter().map(nats::PublishError::retry_after).collect();
    match stage.bus.kind() {
        BusKind::JetStream => assert_eq!(asked, []),
        BusKind::Memory => assert_eq!(asked, [Some(SOON)]),
    }
}

pub(crate) async fn a_dropped_delivery_comes_back(stage: Stage) {
    let event = event(Topic::CycleChanged, 6, 1);
    let mut inbox = stage.bus.subscribe(Durable::Analytics).await.unwrap();
    let consume = async {
        drop(next(&mut inbox).await);
        let again = next(&mut inbox).await;
        assert_eq!(event_of(&again), event);
        assert_eq!(again.attempt(), 2);
        again.ack().await.unwrap();
    };
    let ((_published, refusals), ()) = join!(relay(&stage.bus, &event), consume);
    match stage.bus.kind() {
        BusKind::JetStream => assert!(refusals.is_empty()),
        BusKind::Memory => assert!(refusals.iter().all(|error| error.retry_after().is_some())),
    }
}

pub(crate) async fn attempts_are_counted(stage: Stage) {
    let event = event(Topic::CycleChanged, 7, 1);
    let mut inbox = stage.bus.subscribe(Durable::Analytics).await.unwrap();
    let consume = async {
        for expected in 1..=5 {
            let delivery = next(&mut inbox).await;
            assert_eq!(delivery.attempt(), expected);
            delivery.retry(SOON).await;
        }
        let last = next(&mut inbox).await;
        assert_eq!(last.attempt(), 6);
        last.ack().await.unwrap();
    };
    join!(relay(&stage.bus, &event), consume);
}

pub(crate) async fn a_poisonous_event_leaves_a_dead_letter(stage: Stage) {
    let event = event(Topic::CycleChanged, 42, 3);
    let mut inbox = stage.bus.subscribe(Durable::Analytics).await.unwrap();
    let consume = async {
        next(&mut inbox).await.retry(SOON).await;
        next(&mut inbox).await.dead_letter("panicked").await.unwrap();
    };
    join!(relay(&stage.bus, &event), consume);

    let letters = stage.bus.dead_letters(10).await.unwrap();
    let [letter] = letters.as_slice() else { panic!("one dead letter: {letters:?}") };
    assert_eq!(letter.stream, "CYCLES");
    assert_eq!(letter.subject, "cycle.changed.v1.33.42");
    assert_eq!(letter.group, "analytics");
    assert_eq!(letter.event_id, Some(event.wake_up.event_id));
    assert_eq!(letter.user_id, Some(event.wake_up.user_id));
    assert_eq!(letter.version, Some(event.wake_up.version));
    assert_eq!(letter.verb, Some(event.wake_up.verb));
    assert_eq!(letter.request_id.as_ref(), Some(&event.request_id));
    assert_eq!(letter.class, "panicked");
    assert_eq!(letter.deliveries, 2);
    assert_eq!(letter.build, env!("CARGO_PKG_VERSION"));
    assert_eq!(letter.sequence, (stage.bus.kind() == BusKind::JetStream).then_some(1));

    // It is over: the next thing that comes is the next event.
    let other = crate::support::event(Topic::CycleChanged, 43, 1);
    let consume = async {
        let delivery = next(&mut inbox).await;
        assert_eq!(event_of(&delivery), other);
        delivery.ack().await.unwrap();
    };
    join!(relay(&stage.bus, &other), consume);
}

pub(crate) async fn dead_letters_are_listed_newest_first(stage: Stage) {
    let mut inbox = stage.bus.subscribe(Durable::Notifications).await.unwrap();
    for user in 1..=5 {
        let event = event(Topic::PredictionChanged, user, 1);
        let consume = async {
            next(&mut inbox).await.dead_letter("permanent").await.unwrap();
        };
        join!(relay(&stage.bus, &event), consume);
    }
    let users = |letters: Vec<nats::DeadLetter>| -> Vec<i64> {
        letters.iter().filter_map(|letter| letter.user_id).map(contracts::UserId::get).collect()
    };
    assert_eq!(users(stage.bus.dead_letters(100).await.unwrap()), [5, 4, 3, 2, 1]);
    assert_eq!(users(stage.bus.dead_letters(2).await.unwrap()), [5, 4]);
    assert_eq!(users(stage.bus.dead_letters(0).await.unwrap()), [0_i64; 0]);
}

pub(crate) async fn a_wrong_class_settles_nothing(stage: Stage) {
    let event = event(Topic::CycleChanged, 8, 1);
    let mut inbox = stage.bus.subscribe(Durable::Analytics).await.unwrap();
    let consume = async {
        for class in ["", "a.b"] {
            let delivery = next(&mut inbox).await;
            assert!(delivery.dead_letter(class).await.is_err(), "'{class}'");
        }
        next(&mut inbox).await.ack().await.unwrap();
    };
    join!(relay(&stage.bus, &event), consume);
    assert!(stage.bus.dead_letters(10).await.unwrap().is_empty());
}

pub(crate) async fn each_durable_hears_its_own_topic(stage: Stage) {
    let cycle = event(Topic::CycleChanged, 1, 1);
    let prediction = event(Topic::PredictionChanged, 2, 1);
    let person = event(Topic::UserChanged, 3, 1);
    let consume = async |durable: Durable, expected| {
        let mut inbox = stage.bus.subscribe(durable).await.unwrap();
        let delivery = next(&mut inbox).await;
        assert_eq!(event_of(&delivery), expected);
        delivery.ack().await.unwrap();
    };
    // The consumers are polled first: on the memory bus nobody is heard who has not subscribed.
    join!(
        consume(Durable::Analytics, cycle.clone()),
        consume(Durable::AnalyticsPeople, person.clone()),
        consume(Durable::Notifications, prediction.clone()),
        relay(&stage.bus, &cycle),
        relay(&stage.bus, &person),
        relay(&stage.bus, &prediction),
    );
}

pub(crate) async fn subscriptions_of_a_durable_share_its_events(stage: Stage) {
    let users: Vec<i64> = (1..=60).collect();
    let first = stage.bus.subscribe(Durable::Analytics).await.unwrap();
    let second = stage.bus.subscribe(Durable::Analytics).await.unwrap();
    let publish = join_all(users.iter().map(async |&user| {
        relay(&stage.bus, &event(Topic::CycleChanged, user, 1)).await;
    }));
    let deliveries = |inbox: nats::Subscription| {
        Box::pin(futures::stream::unfold(inbox, async |mut inbox| {
            inbox.next().await.map(|delivery| (delivery, inbox))
        }))
    };
    let consume = async {
        let mut both = futures::stream::select(deliveries(first), deliveries(second));
        let mut heard = Vec::new();
        while heard.len() < users.len() {
            let next = tokio::time::timeout(crate::support::PATIENCE, both.next()).await;
            let delivery = next.expect("in time").expect("the bus is open");
            assert_eq!(delivery.attempt(), 1);
            heard.push(event_of(&delivery).wake_up.user_id.get());
            delivery.ack().await.unwrap();
        }
        heard
    };
    let (_published, mut heard) = join!(publish, consume);
    heard.sort_unstable();
    assert_eq!(heard, users);
}

pub(crate) async fn a_cancelled_next_loses_nothing(stage: Stage) {
    let users: BTreeSet<i64> = (1..=200).collect();
    let mut inbox = stage.bus.subscribe(Durable::Analytics).await.unwrap();
    let publish = join_all(users.iter().map(async |&user| {
        relay(&stage.bus, &event(Topic::CycleChanged, user, 1)).await;
    }));
    let consume = async {
        let mut heard = BTreeSet::new();
        while heard.len() < users.len() {
            // Cancelled after as little as one poll.
            let delivery = tokio::select! {
                biased;
                delivery = inbox.next() => delivery.expect("the bus is open"),
                () = tokio::task::yield_now() => continue,
            };
            assert_eq!(delivery.attempt(), 1);
            assert!(heard.insert(event_of(&delivery).wake_up.user_id.get()), "heard twice");
            delivery.ack().await.unwrap();
        }
        heard
    };
    let consume = tokio::time::timeout(crate::support::PATIENCE, consume);
    let (_published, heard) = join!(publish, consume);
    assert_eq!(heard.expect("in time"), users);
}

pub(crate) async fn a_subscription_ends_with_the_bus(stage: Stage) {
    let Stage { bus, server } = stage;
    let mut inbox = bus.subscribe(Durable::Analytics).await.unwrap();
    let clone: Bus = bus.clone();
    drop(bus);
    let waiting = tokio::time::timeout(SOON, inbox.next()).await;
    assert!(waiting.is_err(), "a clone of the bus is still open");
    drop(clone);
    let end = tokio::time::timeout(crate::support::PATIENCE, inbox.next()).await;
    assert!(end.expect("in time").is_none());
    drop(server);
}

pub(crate) async fn the_bus_is_healthy_when_events_can_flow(stage: Stage) {
    let analytics = stage.bus.subscribe(Durable::Analytics).await.unwrap();
    let mut others = Vec::new();
    for durable in Durable::ALL.into_iter().filter(|it| *it != Durable::Analytics) {
        others.push(stage.bus.subscribe(durable).await.unwrap());
    }
    assert!(stage.bus.is_healthy().await);
    match stage.server {
        Some(mut server) => server.kill(),
        None => drop(analytics),
    }
    // The loss of a connection is noticed soon, not at once.
    let noticed = async {
        while stage.bus.is_healthy().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::support::PATIENCE, noticed).await.expect("it is noticed");
    drop(others);
}
