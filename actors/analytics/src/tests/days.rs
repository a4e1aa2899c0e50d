//! Days that pass: somebody who is late is told another date each day, and never one in the past.

use std::sync::{Arc, atomic::Ordering};

use super::*;
use crate::store::subject_reads::subject_list_due;

/// A process that begins on a day, with a look for late users at once.
fn on(today: &str) -> Settings {
    Settings { today: day(today), ..Settings::default() }
}

async fn events(process: &Process) -> i64 {
    let version = sqlx::query_scalar!("SELECT version FROM outbox WHERE user_id = 1");
    version.fetch_one(&process.pool).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_late_is_moved_on_each_day_without_asking_anybody() {
    let (database, owner) = (database().await, Arc::new(Owner::default()));
    let whose = user(1);
    // Starts on 2020-01-01, -29, 02-26 and 03-25.
    for _ in 0..4 {
        owner.append(whose, 28);
    }
    let first = Process::start(&database, &owner, on("2020-03-26")).await;
    first.wake(whose, 4).await.unwrap();
    first.assert_stored(&owner, whose).await;
    let (expected, open_until) = first.stored_start(whose).await.unwrap();
    assert_eq!((expected, open_until), (day("2020-04-22"), None));
    let (asks, mut moved) = (owner.asks.load(Ordering::Relaxed), events(&first).await);
    assert_eq!(moved, 1);

    let mut before = expected;
    for today in ["2020-04-24", "2020-04-25", "2020-05-02"] {
        let process = Process::start(&database, &owner, on(today)).await;
        eventually("the prediction is of today", async || {
            process.stored_start(whose).await.unwrap().1 == day(today).pred_opt()
        })
        .await;
        let (start, _) = process.stored_start(whose).await.unwrap();
        assert!(start >= day(today) && start >= before, "{start} on {today}, {before} before");
        before = start;
        moved += 1;
        assert_eq!(events(&process).await, moved, "and who reminds hears of it");
        assert_eq!(owner.asks.load(Ordering::Relaxed), asks);
        process.assert_stored(&owner, whose).await;
    }

    // She starts after all, and what was said of it before is settled as if nobody had been late.
    let version = owner.append(whose, 40);
    let process = Process::start(&database, &owner, on("2020-05-05")).await;
    process.wake(whose, version).await.unwrap();
    process.assert_stored(&owner, whose).await;
    let settled = process.predictions(whose, Some(false)).await.predictions.remove(0);
    assert_eq!(settled.predicted_start_date, expected);
    assert_eq!(settled.actual_start_date, Some(day("2020-05-04")));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_silent_for_long_may_start_on_any_day_of_a_cycle() {
    let (database, owner) = (database().await, Arc::new(Owner::default()));
    let whose = user(1);
    owner.append(whose, 28);
    let process = Process::start(&database, &owner, on("2020-02-20")).await;
    process.wake(whose, 1).await.unwrap();
    assert!(process.stored_start(whose).await.unwrap().1.is_some(), "she is late");

    // 152 days, and years: always about half a cycle ahead. It is made again on the day after, but
    // after a year without a start it is so no more.
    let due_next = Some(day("2020-06-02"));
    for (today, due_then) in [("2020-06-01", due_next), ("2024-02-29", None)] {
        let later = Process::start(&database, &owner, on(today)).await;
        eventually("the prediction is of today", async || {
            later.stored_start(whose).await.unwrap().1 == day(today).pred_opt()
        })
        .await;
        later.assert_stored(&owner, whose).await;
        let list = later.predictions(whose, Some(true)).await;
        assert!(list.predictions.len() == 1 && list.no_prediction.is_none());
        let active = &list.predictions[0];
        let ahead = (active.predicted_start_date - day(today)).num_days();
        assert!((12..=17).contains(&ahead), "{ahead}");
        assert!((0.1..0.25).contains(&active.confidence_score));
        assert!(active.notes.as_ref().unwrap().contains("a cycle may begin on any day"));
        let due = sqlx::query_scalar!("SELECT forecast_due FROM subject WHERE user_id = 1");
        let due = due.fetch_one(&later.pool).await.unwrap();
        assert_eq!(due, due_then);
    }
    // Then nothing is written, and what is read is of the day all the same.
    let (late, today) =
        (Process::start(&database, &owner, on("2024-05-01")).await, day("2024-05-01"));
    assert!(subject_list_due(&late.pool, today, None, 9).await.unwrap().is_empty());
    assert!(late.stored_start(whose).await.unwrap().0 < today);
    let read = late.predictions(whose, Some(true)).await.predictions.remove(0);
    assert!(read.predicted_start_date >= today && read.open_until == today.pred_opt());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_whose_clock_is_behind_takes_nothing_back() {
    let (database, owner) = (database().await, Arc::new(Owner::default()));
    let whose = user(1);
    owner.append(whose, 28);
    let ahead = Process::start(&database, &owner, on("2020-02-21")).await;
    ahead.wake(whose, 1).await.unwrap();
    let behind = Process::start(&database, &owner, on("2020-02-20")).await;
    // The version is newer and the day is not: it takes the later day.
    owner.append(whose, 27);
    assert_eq!(behind.wake(whose, 2).await.unwrap(), Version::new(2));
    ahead.assert_stored(&owner, whose).await;
    let stored = sqlx::query_scalar!("SELECT forecast_day FROM subject WHERE user_id = 1");
    assert_eq!(stored.fetch_one(&behind.pool).await.unwrap(), Some(day("2020-02-21")));
}
