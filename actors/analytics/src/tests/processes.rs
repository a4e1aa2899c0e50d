use std::sync::{Arc, atomic::Ordering};

use actor_runtime::tasks;
use contracts::events::ChangedUser;
use futures::future::join_all;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::store::subject_reads::subject_list_behind;

#[tokio::test(flavor = "multi_thread")]
async fn an_older_snapshot_never_overwrites_a_newer_one() {
    let (database, owner) = (database().await, Arc::new(Owner::default()));
    let slow = Process::start(&database, &owner, Settings::default()).await;
    let quick = Process::start(&database, &owner, Settings::default()).await;
    let whose = user(1);
    owner.append(whose, 28);
    let gate = owner.shut(whose);
    let mut late = Box::pin(slow.wake(whose, 1));
    assert!(futures::poll!(&mut late).is_pending());
    eventually("the slow process has its snapshot", async || {
        owner.asks.load(Ordering::Relaxed) == 1
    })
    .await;

    owner.open(whose);
    owner.append(whose, 30);
    assert_eq!(quick.wake(whose, 2).await.unwrap().get(), 2);
    gate.add_permits(1);
    assert_eq!(late.await.unwrap().get(), 2, "the slow one finds that it is late");
    slow.assert_stored(&owner, whose).await;
    // What it believed about the rows was never true, and the next version comes out right.
    let version = owner.shift(whose, 0, false);
    slow.wake(whose, version).await.unwrap();
    slow.assert_stored(&owner, whose).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_racing_processes_never_go_back_and_end_right() {
    let (database, owner) = (database().await, Arc::new(Owner::default()));
    *owner.pause_max.lock().unwrap() = Duration::from_millis(6);
    let settings = Settings { idle: Duration::from_millis(20), ..Settings::default() };
    let processes = [
        Arc::new(Process::start(&database, &owner, settings).await),
        Arc::new(Process::start(&database, &owner, settings).await),
    ];
    let done = CancellationToken::new();
    let watch = tasks::spawn(watch(processes.clone(), done.clone()));
    let work = (1..=5).flat_map(|number| {
        processes
            .clone()
            .map(|process| tasks::spawn(write_and_wake(Arc::clone(&owner), process, user(number))))
    });
    for end in join_all(work).await {
        end.unwrap();
    }
    done.cancel();
    assert!(watch.await.unwrap() > 50, "too few looks to see anything");
    for number in 1..=5 {
        for process in &processes {
            let version = owner.history(user(number)).version.get();
            process.wake(user(number), version).await.unwrap();
            process.assert_stored(&owner, user(number)).await;
        }
    }
}

/// Two of these run for each user, one in each process.
async fn write_and_wake(owner: Arc<Owner>, process: Arc<Process>, whose: UserId) {
    for _ in 0..80 {
        let count = owner.history(whose).cycles.len();
        let at = |owner: &Owner| usize::try_from(owner.random(8)).unwrap();
        let version = match owner.random(4) {
            _ if count < 9 => owner.append(whose, 20 + owner.random(20)),
            0 if count > 20 => owner.remove(whose, at(&owner)),
            1 => owner.shift(whose, at(&owner), owner.random(2) == 0),
            _ if count < 30 => owner.append(whose, 20 + owner.random(20)),
            _ => owner.remove(whose, at(&owner)),
        };
        let reached = process.wake(whose, version).await.unwrap();
        assert!(reached.get() >= version);
    }
}

/// Looks through both processes in turn: versions never fall, and at most one is active.
async fn watch(processes: [Arc<Process>; 2], done: CancellationToken) -> usize {
    let mut highest = [Version::ZERO; 5];
    let mut looks = 0;
    while !done.is_cancelled() {
        for (number, highest) in (1..=5).zip(&mut highest) {
            for process in &processes {
                let list = process.predictions(user(number), Some(true)).await;
                assert!(list.as_of_version >= *highest, "a version went back");
                assert!(list.predictions.len() <= 1 && list.total <= 1);
                assert_eq!(list.total == 1, list.as_of_version > Version::ZERO);
                *highest = list.as_of_version;
                looks += 1;
            }
        }
    }
    looks
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_database_comes_back_with_the_same_ids() {
    let (database, owner) = (database().await, Arc::new(Owner::default()));
    owner.tells_changes.store(true, Ordering::Relaxed);
    let every = Duration::from_millis(20);
    let settings = Settings { anti_entropy_every: every, ..Settings::default() };
    let process = Process::start(&database, &owner, settings).await;
    for number in 1..=10 {
        for _ in 0..number + 2 {
            let version = owner.append(user(number), 24 + owner.random(12));
            process.wake(user(number), version).await.unwrap();
        }
        let version = owner.shift(user(number), 1, true);
        process.wake(user(number), version).await.unwrap();
    }
    let mut before = Vec::new();
    for number in 1..=10 {
        before.push(process.predictions(user(number), None).await.predictions);
    }
    // The actors live on, and believe that everything is stored.
    sqlx::query!("TRUNCATE subject, prediction, cycle_analytics, outbox")
        .execute(&process.pool)
        .await
        .unwrap();
    for (number, before) in (1..=10).zip(before) {
        let version = owner.history(user(number)).version;
        eventually("a sweep has found the user behind", async || {
            process.predictions(user(number), None).await.as_of_version == version
        })
        .await;
        process.assert_stored(&owner, user(number)).await;
        assert!(process.predictions(user(number), None).await.predictions == before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_model_computed_is_computed_again() {
    let (database, owner) = (database().await, Arc::new(Owner::default()));
    let process = Process::start(&database, &owner, Settings::default()).await;
    let whose = user(1);
    for version in 1..=3 {
        owner.append(whose, 28);
        process.wake(whose, version).await.unwrap();
    }
    let version = owner.history(whose).version;
    let changed = vec![ChangedUser { user_id: whose, version }];
    assert!(subject_list_behind(&process.pool, &changed).await.unwrap().is_empty());
    // Another build of this program wrote a row differently, and a version after it.
    sqlx::query!("UPDATE subject SET model_number = 1").execute(&process.pool).await.unwrap();
    sqlx::query!("UPDATE prediction SET notes = 'another', based_on_cycles = 99")
        .execute(&process.pool)
        .await
        .unwrap();
    sqlx::query!("UPDATE cycle_analytics SET fingerprint = 0, forecast_fingerprint = 0")
        .execute(&process.pool)
        .await
        .unwrap();
    assert_eq!(subject_list_behind(&process.pool, &changed).await.unwrap(), changed);
    owner.append(whose, 28);
    process.wake(whose, 4).await.unwrap();
    process.assert_stored(&owner, whose).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_later_model_computed_is_left_to_it() {
    let (database, owner) = (database().await, Arc::new(Owner::default()));
    let process = Process::start(&database, &owner, Settings::default()).await;
    let whose = user(1);
    owner.append(whose, 28);
    process.wake(whose, 1).await.unwrap();
    // During an upgrade a process with the next model was here.
    sqlx::query!("UPDATE subject SET model_number = model_number + 1, known = '{}'")
        .execute(&process.pool)
        .await
        .unwrap();
    let stored = process.stored_start(whose).await;
    owner.append(whose, 28);
    let refusal = process.wake(whose, 2).await.unwrap_err();
    assert_eq!(refusal.kind, contracts::ErrorKind::Unavailable, "another process can");
    assert_eq!(process.stored_start(whose).await, stored);
    let changed = vec![ChangedUser { user_id: whose, version: Version::new(2) }];
    assert!(subject_list_behind(&process.pool, &changed).await.unwrap().is_empty());
    // It knows what the state reflects all the same.
    assert_eq!(process.predictions(whose, Some(true)).await.as_of_version, Version::new(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_stored_for_the_erased() {
    let (database, owner) = (database().await, Arc::new(Owner::default()));
    let process = Process::start(&database, &owner, Settings::default()).await;
    let whose = user(1);
    sqlx::query!("INSERT INTO subject (user_id, erased_at) VALUES (1, now())")
        .execute(&process.pool)
        .await
        .unwrap();
    let version = owner.append(whose, 28);
    assert_eq!(process.wake(whose, version).await.unwrap().get(), version, "and it is settled");
    let changed = vec![ChangedUser { user_id: whose, version: Version::new(version) }];
    assert!(subject_list_behind(&process.pool, &changed).await.unwrap().is_empty());
    assert_eq!(process.predictions(whose, None).await.total, 0);
    assert_eq!(process.analytics(whose).await.total, 0);
    let events = sqlx::query_scalar!("SELECT count(*) FROM outbox");
    assert_eq!(events.fetch_one(&process.pool).await.unwrap(), Some(0));
}
