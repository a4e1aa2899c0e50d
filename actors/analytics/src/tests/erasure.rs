//! Who is erased leaves a tombstone and nothing else, in the database and in memory, and nothing that
//! is late brings anything back.

use std::sync::{Arc, atomic::Ordering};

use contracts::{UserId, Version, events::Topic};
use futures::future::join_all;
use sqlx::PgPool;

use super::{Owner, Process, Settings, call, database, deliver, eventually, held::held, user};
use crate::user::Wanted;

/// How many rows there are of a user, an empty tombstone aside, and how many tombstones.
async fn rows(pool: &PgPool, user_id: UserId) -> (i64, i64) {
    held(pool, user_id).await.counts()
}

/// Users has erased somebody, and tells of it.
async fn tell_erased(process: &Process, owner: &Owner, user_id: UserId) {
    owner.erased.lock().unwrap().entry(user_id).or_default();
    deliver(process, Topic::UserErased, user_id, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_but_a_tombstone_and_others_are_untouched() {
    let (database, owner) = (database().await, Arc::new(Owner::default()));
    let process = Process::start(&database, &owner, Settings::default()).await;
    for whose in [user(1), user(2)] {
        for _ in 0..4 {
            let version = owner.append(whose, 28);
            process.wake(whose, version).await.unwrap();
        }
    }
    let everything = held(&process.pool, user(1)).await;
    assert_eq!(everything.empty_tables(), [""; 0]);
    owner.forget(user(1));
    tell_erased(&process, &owner, user(1)).await;
    assert_eq!(rows(&process.pool, user(1)).await, (0, 1));
    process.assert_stored(&owner, user(2)).await;
    assert_eq!(owner.erased.lock().unwrap().get(&user(1)), Some(&1));

    // The actor that remembered is let go, and another one knows nothing.
    eventually("the actor has left", async || process.live().len() == 1).await;
    // What is late is settled, in one delivery each, and changes nothing.
    deliver(&process, Topic::CycleChanged, user(1), 9).await;
    deliver(&process, Topic::UserChanged, user(1), 9).await;
    tell_erased(&process, &owner, user(1)).await;
    for wanted in [Wanted::Current, Wanted::CurrentPerson, Wanted::Day(process.today)] {
        process.waker.wake(&call(), user(1), wanted).await.unwrap();
    }
    assert_eq!(rows(&process.pool, user(1)).await, (0, 1));
    let list = process.predictions(user(1), None).await;
    assert!(list.predictions.is_empty() && list.as_of_version == Version::ZERO);
    assert!(process.bus.dead_letters(10).await.unwrap().is_empty());
}

/// Cycles has erased, and its last wake-up arrives before `user.erased` does.
#[tokio::test(flavor = "multi_thread")]
async fn a_wake_up_about_somebody_whose_facts_are_gone_is_settled() {
    let (database, owner) = (database().await, Arc::new(Owner::default()));
    let process = Process::start(&database, &owner, Settings::default()).await;
    let version = owner.append(user(1), 28);
    process.wake(user(1), version).await.unwrap();
    owner.forget(user(1));
    process.wake(user(1), version + 1).await.unwrap();
    tell_erased(&process, &owner, user(1)).await;
    assert_eq!(rows(&process.pool, user(1)).await, (0, 1));
}

/// Two processes recompute while the erasure comes to both.
#[tokio::test(flavor = "multi_thread")]
async fn recomputations_that_race_with_the_erasure_leave_nothing() {
    let (database, owner) = (database().await, Arc::new(Owner::default()));
    let one = Process::start(&database, &owner, Settings::default()).await;
    let two = Process::start(&database, &owner, Settings::default()).await;
    for round in 1..=25 {
        let whose = user(100 + round);
        let mut version = 0;
        for _ in 0..3 {
            version = owner.append(whose, 28);
        }
        if round % 2 == 0 {
            one.wake(whose, version).await.unwrap();
        }
        let wakes = [&one, &two, &one, &two].map(|process| process.wake(whose, version));
        futures::join!(
            join_all(wakes),
            tell_erased(&one, &owner, whose),
            tell_erased(&two, &owner, whose),
        );
        // The owner still has everything: a tombstone is all that keeps it out.
        one.wake(whose, version).await.unwrap();
        two.waker.wake(&call(), whose, Wanted::Current).await.unwrap();
        assert_eq!(rows(&one.pool, whose).await, (0, 1), "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_database_is_swept_at_the_start() {
    let (database, owner) = (database().await, Arc::new(Owner::default()));
    let process = Process::start(&database, &owner, Settings::default()).await;
    for whose in [user(1), user(2)] {
        let version = owner.append(whose, 28);
        process.wake(whose, version).await.unwrap();
    }
    owner.erased.lock().unwrap().insert(user(1), 0);
    owner.tells_changes.store(true, Ordering::Relaxed);
    let _later = Process::start(&database, &owner, Settings::default()).await;
    eventually("the sweep erases", async || owner.erased.lock().unwrap().get(&user(1)) == Some(&1))
        .await;
    assert_eq!(rows(&process.pool, user(1)).await, (0, 1));
    process.assert_stored(&owner, user(2)).await;
}
