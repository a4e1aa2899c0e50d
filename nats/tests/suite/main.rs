//! One suite for both implementations of the bus, and what only the broker can show.

// The name under which everyone else depends on it.
extern crate lunation_nats as nats;

#[cfg(test)]
mod accounts;
#[cfg(test)]
mod both;
#[cfg(test)]
mod operator;
#[cfg(test)]
mod outages;
#[cfg(test)]
mod protocol;
#[cfg(test)]
mod rpc;
#[cfg(test)]
#[path = "../../../actors/runtime/tests/support/signals.rs"]
mod signals;
#[cfg(test)]
mod support;

/// Runs each body of `both` on the memory bus and on a nats-server of its own.
macro_rules! on_both {
    ($($body:ident),+ $(,)?) => {
        mod memory {
            $(
                #[tokio::test]
                async fn $body() {
                    crate::both::$body(crate::support::Stage::memory()).await;
                }
            )+
        }
        mod jetstream {
            $(
                #[tokio::test]
                async fn $body() {
                    crate::both::$body(crate::support::Stage::jetstream().await).await;
                }
            )+
        }
    };
}

on_both!(
    an_event_is_delivered_and_acknowledged,
    a_retry_brings_the_event_back,
    a_dropped_delivery_comes_back,
    attempts_are_counted,
    a_poisonous_event_leaves_a_dead_letter,
    dead_letters_are_listed_newest_first,
    a_wrong_class_settles_nothing,
    each_durable_hears_its_own_topic,
    subscriptions_of_a_durable_share_its_events,
    a_cancelled_next_loses_nothing,
    a_subscription_ends_with_the_bus,
    the_bus_is_healthy_when_events_can_flow,
);

/// Everything here is used from actors, on whatever thread they run.
#[test]
fn the_bus_can_move_between_threads() {
    fn movable<T: Send + Sync>() {}
    fn future(_future: &impl Send) {}
    movable::<nats::Bus>();
    movable::<nats::Subscription>();
    movable::<nats::Delivery>();
    let bus = nats::Bus::memory(&[]);
    let event = support::event(contracts::events::Topic::CycleChanged, 1, 1);
    future(&bus.publish(&event, 1));
    future(&bus.provision());
    future(&bus.dead_letters(1));
    future(&async {
        let mut inbox = bus.subscribe(nats::Durable::Analytics).await?;
        if let Some(delivery) = inbox.next().await {
            delivery.keep_alive().await;
            delivery.dead_letter("permanent").await?;
        }
        Ok::<(), nats::BusError>(())
    });
}
