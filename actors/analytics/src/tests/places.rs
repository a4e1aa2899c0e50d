use std::{
    collections::HashSet,
    sync::{Arc, atomic::Ordering},
};

use actor_runtime::tasks;
use contracts::ErrorKind;
use futures::future::join_all;

use super::*;

/// Each worker owns some users, changes one and wakes it, and insists on the answer.
async fn hammer(settings: Settings, rounds: usize, workers: i64, users_each: u64) {
    let (database, owner) = (database().await, Arc::new(Owner::default()));
    let process = Arc::new(Process::start(&database, &owner, settings).await);
    let work = (0..workers).map(|worker| {
        let (owner, process) = (Arc::clone(&owner), Arc::clone(&process));
        tasks::spawn(async move {
            let mut seen = HashSet::new();
            for round in 0..rounds {
                let which = i64::try_from(owner.random(users_each)).unwrap();
                let whose = user(1 + worker + workers * which);
                let version = append_or_remove(&owner, whose);
                // Half of the time by version, half by asking for the current state.
                let wanted = if round % 2 == 0 {
                    Wanted::AtLeast(Version::new(version))
                } else {
                    Wanted::Current
                };
                let reached = process.waker.wake(&call(), whose, wanted).await.unwrap();
                assert_eq!(reached.get(), version, "round {round}");
                let live = process.live();
                assert!(live.len() <= settings.live_actors_max);
                seen.extend(live.iter().map(ActorCell::get_id));
                let nap = Duration::from_micros(owner.random(2_500));
                tokio::time::sleep(nap).await;
            }
            seen
        })
    });
    let mut actors = HashSet::new();
    for seen in join_all(work).await {
        actors.extend(seen.unwrap());
    }
    let users = workers * i64::try_from(users_each).unwrap();
    assert!(
        actors.len() > 4 * usize::try_from(users).unwrap(),
        "only {} actors ever lived: nobody left and came back",
        actors.len()
    );
    for whose in 1..=users {
        process.assert_stored(&owner, user(whose)).await;
    }
    eventually("all idle actors have left", async || process.live().is_empty()).await;
}

fn append_or_remove(owner: &Owner, whose: UserId) -> i64 {
    let count = owner.history(whose).cycles.len();
    if count < 5 {
        owner.append(whose, 20 + owner.random(20))
    } else {
        owner.remove(whose, count / 2)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn passivation_loses_no_wake_up() {
    let idle = Duration::from_millis(1);
    hammer(Settings { idle, ..Settings::default() }, 300, 8, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn eviction_loses_no_wake_up() {
    // As many places as workers: there is always one whose actor is idle or leaving.
    let settings =
        Settings { idle: Duration::from_secs(2), live_actors_max: 6, ..Settings::default() };
    hammer(settings, 200, 6, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_every_place_busy_others_are_told_so() {
    let (database, owner) = (database().await, Arc::new(Owner::default()));
    let settings = Settings { live_actors_max: 4, ..Settings::default() };
    let process = Process::start(&database, &owner, settings).await;
    let gates: Vec<_> = (1..=4).map(|number| owner.shut(user(number))).collect();
    for number in 1..=5 {
        owner.append(user(number), 28);
    }
    let mut wakes: Vec<_> = (1..=4).map(|number| Box::pin(process.wake(user(number), 1))).collect();
    for wake in &mut wakes {
        assert!(futures::poll!(wake).is_pending());
    }
    eventually("four recomputations run", async || owner.asks.load(Ordering::Relaxed) == 4).await;
    let refusal = process.wake(user(5), 1).await.unwrap_err();
    assert_eq!(refusal.kind, ErrorKind::Overloaded);
    for gate in gates {
        gate.add_permits(10);
    }
    for answer in join_all(wakes).await {
        answer.unwrap();
    }
    process.wake(user(5), 1).await.unwrap();
    assert!(process.live().len() <= 4);
    process.assert_stored(&owner, user(5)).await;
}
