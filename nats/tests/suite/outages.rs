//! The broker restarts, forgets, fills up, and loses what it was told to keep.

use std::time::Duration;

use async_nats::jetstream::{self, consumer};
use contracts::events::Topic;
use nats::{Bus, Durable, PublishError, Subscription};

use crate::support::{NatsServer, PATIENCE, Stage, event, event_of, next, relay, until};

/// Publishes one event and takes it, however long the way there is.
async fn flows(bus: &Bus, inbox: &mut Subscription, user: i64) {
    let event = event(Topic::CycleChanged, user, 1);
    relay(bus, &event).await;
    loop {
        let delivery = next(inbox).await;
        let heard = event_of(&delivery);
        delivery.ack().await.expect("the broker is there");
        if heard == event {
            return;
        }
    }
}

/// Takes and acknowledges one event while nothing is wrong.
async fn begin() -> (Bus, NatsServer, Subscription) {
    let (bus, server) = Stage::broker().await;
    let mut inbox = bus.subscribe(Durable::Analytics).await.unwrap();
    for user in 1..=5 {
        flows(&bus, &mut inbox, user).await;
    }
    (bus, server, inbox)
}

async fn provisioned(bus: &Bus) {
    let provisioning = async {
        while bus.provision().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, provisioning).await.expect("the broker comes back");
}

#[tokio::test]
async fn events_flow_again_after_a_restart() {
    let (bus, mut server, mut inbox) = begin().await;
    let unread = event(Topic::CycleChanged, 6, 1);
    bus.publish(&unread, 1).await.unwrap();
    server.kill();
    let while_down = bus.publish(&event(Topic::CycleChanged, 7, 1), 1).await;
    assert!(matches!(while_down, Err(PublishError::Unavailable(_))), "{while_down:?}");
    server.restart();
    provisioned(&bus).await;
    let delivery = next(&mut inbox).await;
    assert_eq!(event_of(&delivery), unread);
    delivery.ack().await.expect("a restarted broker knows what it delivered");
    flows(&bus, &mut inbox, 8).await;
}

#[tokio::test]
async fn a_reader_that_waits_notices_a_restart_at_once() {
    let (bus, mut server, mut inbox) = begin().await;
    let started = tokio::time::Instant::now();
    let waiting = next(&mut inbox);
    let outage = async {
        server.kill();
        server.restart();
        relay(&bus, &event(Topic::CycleChanged, 9, 1)).await;
    };
    let (delivery, ()) = futures::join!(waiting, outage);
    delivery.ack().await.unwrap();
    // Sooner than two missed heartbeats: the new connection is the signal.
    assert!(started.elapsed() < Duration::from_millis(4_500), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_broker_that_hangs_is_given_up_and_found_again() {
    let (bus, server, mut inbox) = begin().await;
    let waiting = next(&mut inbox);
    server.signal("STOP");
    let hang = async {
        let error = bus.publish(&event(Topic::CycleChanged, 6, 1), 1).await.unwrap_err();
        assert!(matches!(error, PublishError::Unavailable(_)), "{error:?}");
        assert!(!bus.is_healthy().await);
        server.signal("CONT");
        relay(&bus, &event(Topic::CycleChanged, 7, 1)).await;
    };
    let (delivery, ()) = futures::join!(waiting, hang);
    assert!(delivery.content().is_ok());
    drop(delivery);
    flows(&bus, &mut inbox, 8).await;
}

#[tokio::test]
async fn a_reader_that_paused_longer_than_a_pull_lasts_goes_on() {
    let (bus, server, mut inbox) = begin().await;
    let context = jetstream::new(server.client().await);
    until("the pull to expire after 5 s", || async {
        let consumer: consumer::PullConsumer =
            context.get_consumer_from_stream("analytics", "CYCLES").await.unwrap();
        consumer.cached_info().num_waiting == 0
    })
    .await;
    let event = event(Topic::CycleChanged, 6, 1);
    bus.publish(&event, 1).await.unwrap();
    let delivery = next(&mut inbox).await;
    assert_eq!((event_of(&delivery), delivery.attempt()), (event, 1));
    delivery.ack().await.unwrap();
}

#[tokio::test]
async fn a_wiped_store_is_provisioned_anew_and_shows_a_lower_position() {
    let (bus, mut server, mut inbox) = begin().await;
    assert_eq!(bus.stream_position(Topic::CycleChanged).await.unwrap(), Some(5));
    server.kill();
    server.wipe();
    server.restart();
    provisioned(&bus).await;
    assert_eq!(bus.stream_position(Topic::CycleChanged).await.unwrap(), Some(0));
    flows(&bus, &mut inbox, 6).await;
    assert_eq!(bus.stream_position(Topic::CycleChanged).await.unwrap(), Some(1));
}

#[tokio::test]
async fn a_reader_that_waits_notices_that_a_wiped_store_is_provisioned() {
    let (bus, mut server, mut inbox) = begin().await;
    server.kill();
    server.wipe();
    server.restart();
    let waiting = next(&mut inbox);
    let event = event(Topic::CycleChanged, 6, 1);
    let publish = relay(&bus, &event);
    let (delivery, (_published, refusals), ()) =
        futures::join!(waiting, publish, provisioned(&bus));
    delivery.ack().await.unwrap();
    let known = |error: &PublishError| {
        matches!(error, PublishError::Unavailable(_) | PublishError::NoStream)
    };
    assert!(refusals.iter().all(known), "{refusals:?}");
}

#[tokio::test]
async fn a_missing_stream_is_named() {
    let server = NatsServer::start();
    let bus = crate::support::connect(&server.url()).await;
    let error = bus.publish(&event(Topic::CycleChanged, 1, 1), 1).await.unwrap_err();
    assert!(matches!(error, PublishError::NoStream), "{error:?}");
    assert_eq!(error.retry_after(), None);
    assert_eq!(bus.stream_position(Topic::CycleChanged).await.unwrap(), Some(0));
    assert!(bus.dead_letters(10).await.unwrap().is_empty());
    assert!(!bus.is_healthy().await);
}

#[tokio::test]
async fn a_reader_that_waits_notices_that_a_deleted_consumer_is_made_again() {
    let (bus, server, mut inbox) = begin().await;
    let context = jetstream::new(server.client().await);
    let waiting = next(&mut inbox);
    let delete = async {
        // The pull must be waiting at the consumer when it goes.
        loop {
            let consumer: consumer::PullConsumer =
                context.get_consumer_from_stream("analytics", "CYCLES").await.unwrap();
            if consumer.cached_info().num_waiting > 0 {
                break;
            }
        }
        context.delete_consumer_from_stream("analytics", "CYCLES").await.unwrap();
        provisioned(&bus).await;
    };
    // A new consumer begins at the start: what is in the stream comes once more.
    let (delivery, ()) = futures::join!(waiting, delete);
    assert_eq!(delivery.attempt(), 1);
    delivery.ack().await.unwrap();
    flows(&bus, &mut inbox, 6).await;
}

#[tokio::test]
async fn an_acknowledgement_that_nobody_hears_is_an_error() {
    let (bus, server, mut inbox) = begin().await;
    bus.publish(&event(Topic::CycleChanged, 6, 1), 1).await.unwrap();
    let delivery = next(&mut inbox).await;
    let context = jetstream::new(server.client().await);
    context.delete_stream("CYCLES").await.unwrap();
    assert!(delivery.ack().await.is_err());
}

#[tokio::test]
async fn a_dead_letter_that_is_not_kept_settles_nothing() {
    let (bus, server, mut inbox) = begin().await;
    let context = jetstream::new(server.client().await);
    context.delete_stream("DLQ").await.unwrap();
    let event = event(Topic::CycleChanged, 6, 1);
    bus.publish(&event, 1).await.unwrap();
    assert!(next(&mut inbox).await.dead_letter("permanent").await.is_err());
    let again = next(&mut inbox).await;
    assert_eq!((event_of(&again), again.attempt()), (event, 2));
    provisioned(&bus).await;
    again.dead_letter("permanent").await.unwrap();
    assert_eq!(bus.dead_letters(10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_full_stream_says_so() {
    let (bus, server) = Stage::broker().await;
    let context = jetstream::new(server.client().await);
    let mut config = context.get_stream("CYCLES").await.unwrap().cached_info().config.clone();
    config.max_bytes = 4_096;
    context.update_stream(&config).await.unwrap();
    let mut refusal = None;
    for user in 1..=100 {
        if let Err(error) = bus.publish(&event(Topic::CycleChanged, user, 1), 1).await {
            refusal = Some(error);
            break;
        }
    }
    let refusal = refusal.expect("100 events do not fit into 4 KiB");
    assert!(matches!(refusal, PublishError::StreamFull), "{refusal:?}");
    assert_eq!(refusal.retry_after(), None);
    // With the right limit there is room again.
    provisioned(&bus).await;
    bus.publish(&event(Topic::CycleChanged, 101, 1), 1).await.unwrap();
}
