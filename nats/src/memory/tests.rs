//! What only the memory bus does; the rest is in the suite that both implementations share.

use contracts::{
    UserId, Version,
    call::{RequestId, TraceContext},
    events::{SCHEMA, Topic, Verb, WakeUp},
};
use futures::{FutureExt, join};
use uuid::Uuid;

use super::*;

fn event(topic: Topic, user: i64) -> Event {
    let event_id = Uuid::from_u128(u128::from(user.unsigned_abs()));
    let (user_id, version) = (UserId::new(user), Version::new(1));
    Event {
        topic,
        wake_up: WakeUp { event_id, user_id, version, verb: Verb::Recorded, schema: SCHEMA },
        request_id: RequestId::parse("request-1").unwrap(),
        trace: TraceContext::from_ids(1, 1),
    }
}

fn retry_after(result: Result<Published, PublishError>) -> Option<Duration> {
    result.unwrap_err().retry_after()
}

#[tokio::test]
async fn a_durable_that_is_not_hosted_is_not_waited_for() {
    let bus = MemoryBus::new(&[Durable::Notifications]);
    assert!(bus.publish(&event(Topic::CycleChanged, 1), 1).await.is_ok());
    let mut stranger = bus.subscribe(Durable::Analytics);
    assert!(stranger.next().await.is_none());
}

#[tokio::test]
async fn a_durable_that_has_not_subscribed_is_an_error() {
    let bus = MemoryBus::new(&Durable::ALL);
    let event = event(Topic::CycleChanged, 1);
    for _before_and_after in 0..2 {
        let error = bus.publish(&event, 1).await.unwrap_err();
        assert!(matches!(error, PublishError::NotSubscribed(Durable::Analytics)), "{error}");
        assert_eq!(error.retry_after(), None);
        assert!(!bus.is_healthy());
        drop(bus.subscribe(Durable::Analytics));
    }
}

#[tokio::test]
async fn what_waits_in_front_of_a_subscription_is_unsettled_when_it_goes() {
    let bus = MemoryBus::new(&Durable::ALL);
    let inbox = bus.subscribe(Durable::Analytics);
    let event = event(Topic::CycleChanged, 1);
    let leave = async { drop(inbox) };
    let (result, ()) = join!(bus.publish(&event, 1), leave);
    assert_eq!(retry_after(result), Some(UNSETTLED_RETRY));
}

#[tokio::test]
async fn a_subscription_holds_a_bounded_number() {
    let bus = MemoryBus::new(&Durable::ALL);
    let mut inbox = bus.subscribe(Durable::Analytics);
    let event = event(Topic::CycleChanged, 1);
    let mut publishing: Vec<_> =
        (0..=INBOX_CAPACITY).map(|_| Box::pin(bus.publish(&event, 1))).collect();
    for one in &mut publishing {
        assert!(one.as_mut().now_or_never().is_none(), "nobody has acknowledged");
    }
    let Source::Memory(waiting) = &inbox.0 else { panic!("the memory bus") };
    assert_eq!(waiting.0.len(), INBOX_CAPACITY);
    let acknowledge = async {
        for _each in 0..=INBOX_CAPACITY {
            inbox.next().await.unwrap().ack().await.unwrap();
        }
    };
    let (results, ()) = join!(futures::future::join_all(publishing), acknowledge);
    assert!(results.iter().all(Result::is_ok));
}

#[tokio::test(start_paused = true)]
async fn a_consumer_may_take_long_as_long_as_it_shows_life() {
    let bus = MemoryBus::new(&Durable::ALL);
    let mut inbox = bus.subscribe(Durable::Analytics);
    let event = event(Topic::CycleChanged, 1);
    let work = async {
        let delivery = inbox.next().await.unwrap();
        for _step in 0..10 {
            tokio::time::sleep(Duration::from_secs(20)).await;
            delivery.keep_alive().await;
        }
        delivery.ack().await.unwrap();
    };
    let (result, ()) = join!(bus.publish(&event, 1), work);
    assert!(result.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_silent_consumer_is_given_up() {
    let bus = MemoryBus::new(&Durable::ALL);
    let mut inbox = bus.subscribe(Durable::Analytics);
    let event = event(Topic::CycleChanged, 1);
    let started = Instant::now();
    let result = bus.publish(&event, 1).await;
    assert_eq!(started.elapsed(), ACK_WAIT);
    assert_eq!(retry_after(result), Some(UNSETTLED_RETRY));
    // Its late word is heard by nobody, and does no harm.
    inbox.next().await.unwrap().ack().await.unwrap();
}

#[tokio::test]
async fn the_oldest_dead_letters_go_first() {
    let bus = MemoryBus::new(&Durable::ALL);
    let mut inbox = bus.subscribe(Durable::Analytics);
    let users = i64::try_from(DEAD_LETTERS_MAX).unwrap() + 5;
    for user in 1..=users {
        let event = event(Topic::CycleChanged, user);
        let consume = async {
            inbox.next().await.unwrap().dead_letter("permanent").await.unwrap();
        };
        let (result, ()) = join!(bus.publish(&event, 1), consume);
        assert!(result.is_ok(), "a dead letter settles the event");
    }
    let letters = bus.dead_letters(usize::MAX);
    assert_eq!(letters.len(), DEAD_LETTERS_MAX);
    assert_eq!(letters[0].user_id, Some(UserId::new(users)));
    assert_eq!(letters[DEAD_LETTERS_MAX - 1].user_id, Some(UserId::new(6)));
}
