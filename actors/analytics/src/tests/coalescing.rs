use std::sync::{Arc, atomic::Ordering};

use contracts::ErrorKind;
use futures::future::join_all;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_wake_ups_cost_two_recomputations() {
    let (database, owner) = (database().await, Arc::new(Owner::default()));
    let process = Process::start(&database, &owner, Settings::default()).await;
    let (busy, other) = (user(1), user(2));
    owner.append(busy, 28);
    owner.append(other, 28);
    let gate = owner.shut(busy);

    let mut wakes: Vec<_> = vec![Box::pin(process.wake(busy, 1))];
    assert!(futures::poll!(&mut wakes[0]).is_pending());
    eventually("the first recomputation asks", async || owner.asks.load(Ordering::Relaxed) == 1)
        .await;
    for _ in 2..=100 {
        let version = owner.append(busy, 28);
        wakes.push(Box::pin(process.wake(busy, version)));
        assert!(futures::poll!(wakes.last_mut().unwrap()).is_pending());
    }
    // The coordinator takes its messages in order: it has handed on all those before this one.
    process.wake(other, 1).await.unwrap();
    let asks_before = owner.asks.load(Ordering::Relaxed);
    gate.add_permits(100);

    let answers = join_all(wakes).await;
    let versions: Vec<i64> = answers.into_iter().map(|answer| answer.unwrap().get()).collect();
    assert_eq!(versions[0], 1, "the first was served by the snapshot that it waited for");
    assert_eq!(versions[1..], [100; 99]);
    assert_eq!(owner.asks.load(Ordering::Relaxed) - asks_before, 1);
    process.assert_stored(&owner, busy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_older_than_the_event_is_refused_for_now() {
    let (database, owner) = (database().await, Arc::new(Owner::default()));
    let process = Process::start(&database, &owner, Settings::default()).await;
    owner.append(user(1), 28);
    let refusal = process.wake(user(1), 2).await.unwrap_err();
    assert_eq!(refusal.kind, ErrorKind::Internal);
    owner.append(user(1), 28);
    assert_eq!(process.wake(user(1), 2).await.unwrap().get(), 2);
    process.assert_stored(&owner, user(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poisoned_user_fails_alone() {
    let (database, owner) = (database().await, Arc::new(Owner::default()));
    let process = Process::start(&database, &owner, Settings::default()).await;
    let (poisoned, healthy) = (user(1), user(2));
    owner.append(poisoned, 28);
    owner.poison(poisoned, true);
    let coordinator = process.waker.coordinator().unwrap().get_id();
    // Many more failures than a supervisor would bear.
    for round in 1..=20 {
        let refusal = process.wake(poisoned, 1).await.unwrap_err();
        assert_eq!(refusal.kind, ErrorKind::Internal);
        let version = owner.append(healthy, 28);
        assert_eq!(version, round);
        process.wake(healthy, version).await.unwrap();
    }
    process.assert_stored(&owner, healthy).await;
    owner.poison(poisoned, false);
    process.wake(poisoned, 1).await.unwrap();
    process.assert_stored(&owner, poisoned).await;
    assert_eq!(process.waker.coordinator().unwrap().get_id(), coordinator);
    assert_eq!(process.supervisor.get_status(), ractor::ActorStatus::Running);
}
