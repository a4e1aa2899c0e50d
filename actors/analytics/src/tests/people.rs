//! People: an age moves the forecast, and nobody waits for it.

use std::sync::{Arc, atomic::Ordering};

use contracts::events::{Event, SCHEMA, Topic, Verb, WakeUp};

use super::*;

fn changed(user_id: UserId, version: Version) -> Event {
    let (event_id, verb) = (Ids.event_id(), Verb::Edited);
    let wake_up = WakeUp { event_id, user_id, version, verb, schema: SCHEMA };
    let (request_id, trace) = (Ids.request_id("test"), Ids.trace());
    Event { topic: Topic::UserChanged, wake_up, request_id, trace }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_date_of_birth_moves_the_forecast() {
    let (database, owner) = (database().await, Arc::new(Owner::default()));
    let process = Process::start(&database, &owner, Settings::default()).await;
    eventually("the consumers have subscribed", async || process.bus.is_healthy().await).await;
    let whose = user(1);
    // Of somebody who has logged nothing there is nothing to derive, and cycles is not asked.
    let version = owner.is_born(whose, day("1979-06-01"));
    process.bus.publish(&changed(whose, version), 1).await.unwrap();
    assert_eq!(owner.asks.load(Ordering::Relaxed), 0);

    owner.append(whose, 28);
    process.wake(whose, 1).await.unwrap();
    process.assert_stored(&owner, whose).await;
    let (older, _) = process.stored_start(whose).await.unwrap();
    let asked = owner.person_asks.load(Ordering::Relaxed);
    assert_eq!(asked, 1, "the first cycle asks for the age");
    owner.append(whose, 28);
    process.wake(whose, 2).await.unwrap();
    assert_eq!(owner.person_asks.load(Ordering::Relaxed), asked, "and the second does not");

    let version = owner.is_born(whose, day("1999-06-01"));
    process.bus.publish(&changed(whose, version), 1).await.unwrap();
    process.assert_stored(&owner, whose).await;
    let first = process.predictions(whose, Some(false)).await.predictions.remove(0);
    assert!(first.predicted_start_date > older, "cycles are longer at twenty than at forty");
    // What is older is known already.
    let asks = owner.asks.load(Ordering::Relaxed);
    process.bus.publish(&changed(whose, Version::new(1)), 1).await.unwrap();
    assert_eq!(owner.asks.load(Ordering::Relaxed), asks);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_users_away_predictions_are_made_and_a_sweep_heals_them() {
    let (database, owner) = (database().await, Arc::new(Owner::default()));
    let whose = user(1);
    owner.is_born(whose, day("1979-06-01"));
    owner.append(whose, 28);
    owner.users_are_away.store(true, Ordering::Relaxed);
    let process = Process::start(&database, &owner, Settings::default()).await;
    process.wake(whose, 1).await.unwrap();
    let (without, _) = process.stored_start(whose).await.unwrap();
    let refusal = process.waker.wake(&call(), whose, Wanted::CurrentPerson).await.unwrap_err();
    assert_eq!(refusal.kind, contracts::ErrorKind::Unavailable, "who asks for the age is told");

    owner.users_are_away.store(false, Ordering::Relaxed);
    owner.tells_changes.store(true, Ordering::Relaxed);
    let every = Duration::from_millis(20);
    let settings = Settings { anti_entropy_every: every, ..Settings::default() };
    let sweeping = Process::start(&database, &owner, settings).await;
    eventually("a sweep has found the age missing", async || {
        sweeping.stored_start(whose).await.unwrap().0 < without
    })
    .await;
    sweeping.assert_stored(&owner, whose).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_would_go_back_in_one_respect_is_asked_for_again() {
    let (database, owner) = (database().await, Arc::new(Owner::default()));
    let whose = user(1);
    let slow = Process::start(&database, &owner, Settings::default()).await;
    let quick = Process::start(&database, &owner, Settings::default()).await;
    owner.append(whose, 28);
    // Both know the cycle and nothing of the person.
    slow.wake(whose, 1).await.unwrap();
    quick.wake(whose, 1).await.unwrap();
    let version = owner.is_born(whose, day("1979-06-01"));
    let wanted = Wanted::PersonAtLeast(version);
    quick.waker.wake(&call(), whose, wanted).await.unwrap();
    // The slow one remembers nobody's age: newer cycles, an older person.
    owner.append(whose, 28);
    let asks = owner.asks.load(Ordering::Relaxed);
    assert_eq!(slow.wake(whose, 2).await.unwrap(), Version::new(2));
    assert_eq!(owner.asks.load(Ordering::Relaxed), asks + 2, "it was refused once");
    slow.assert_stored(&owner, whose).await;
    let person = sqlx::query_scalar!("SELECT person_version FROM subject WHERE user_id = 1");
    assert_eq!(person.fetch_one(&slow.pool).await.unwrap(), Some(version.get()));
}
