//! Who is erased leaves a tombstone and nothing else, and nothing that is late brings anything back.

use chrono::NaiveDate;
use contracts::{
    ErrorKind, UserId, Version,
    analytics::ActivePrediction,
    notifications::{GetPreferences, UpdatePreferences},
    users::ErasingGroup,
};
use futures::future::join_all;

use crate::support::{World, held::held, refusal, snapshot, start};

const USER: UserId = UserId::new(7);
const OTHER: UserId = UserId::new(8);

fn preferences(user_id: UserId) -> UpdatePreferences {
    UpdatePreferences {
        user_id,
        period_reminder_enabled: None,
        reminder_days_before: Some(2),
        email_enabled: None,
        push_enabled: None,
    }
}

async fn fill(world: &World, user_id: UserId) {
    world.predict(snapshot(user_id, 1, 1, Some(start(1, 11, "2125-02-07")))).await;
    let changed = world.ask_with_key("a-key", preferences(user_id)).await;
    changed.unwrap_or_else(|refusal| panic!("{refusal}"));
}

/// How many rows there are of a user, the tombstone aside, and how many tombstones.
async fn rows(world: &World, user_id: UserId) -> (i64, i64) {
    held(&world.pool, user_id).await.counts()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_but_a_tombstone_and_others_are_untouched() {
    let world = World::start(1).await;
    for user in [USER, OTHER] {
        fill(&world, user).await;
    }
    let of_other = held(&world.pool, OTHER).await;
    assert_eq!(of_other.empty_tables(), [""; 0]);
    world.users.tell_erased(&world.assembly(0).bus, USER).await;
    assert_eq!(rows(&world, USER).await, (0, 1));
    assert_eq!(held(&world.pool, OTHER).await, of_other);
    assert_eq!(world.users.reports(), [(USER, ErasingGroup::Notifications)]);

    // What is late changes nothing: wake-ups, requests, and the erasure itself.
    world.predict(snapshot(USER, 2, 2, Some(start(2, 12, "2125-03-07")))).await;
    let read = world.ask(GetPreferences { user_id: USER, min_version: None }).await;
    assert_eq!(refusal(read).kind, ErrorKind::Unauthenticated);
    let changed = world.ask_with_key("a-key", preferences(USER)).await;
    assert_eq!(refusal(changed).kind, ErrorKind::Unauthenticated);
    world.users.tell_erased(&world.assembly(0).bus, USER).await;
    assert_eq!(rows(&world, USER).await, (0, 1));
    world.stop().await;
}

/// Analytics has erased already, and a wake-up from before comes late.
#[tokio::test(flavor = "multi_thread")]
async fn a_wake_up_about_somebody_who_is_erased_elsewhere_is_settled() {
    let world = World::start(1).await;
    let gone = ActivePrediction { erased: true, ..snapshot(USER, 0, 0, None) };
    world.analytics.set(gone);
    world.assembly(0).wake(USER, Version::new(7)).await.unwrap();
    assert_eq!(rows(&world, USER).await, (0, 0));
    world.stop().await;
}

/// Reading makes the preferences when they are first read: also while the user is being erased.
#[tokio::test(flavor = "multi_thread")]
async fn reads_and_writes_that_race_with_the_erasure_leave_nothing() {
    let world = World::start(2).await;
    for round in 1..=25 {
        let user = UserId::new(1_000 + round);
        let reads = (0..4).map(|_| world.ask(GetPreferences { user_id: user, min_version: None }));
        let writes = (0..4).map(|_| world.ask(preferences(user)));
        futures::join!(
            join_all(reads),
            join_all(writes),
            world.users.tell_erased(&world.assembly(0).bus, user),
            world.users.tell_erased(&world.assembly(1).bus, user),
        );
        assert_eq!(rows(&world, user).await, (0, 1), "round {round}");
    }
    world.stop().await;
}

/// It is settled only when users has heard of it.
#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_is_reported_until_it_is_heard() {
    let world = World::start(1).await;
    fill(&world, USER).await;
    world.users.set_deaf(true);
    let back = async {
        while rows(&world, USER).await != (0, 1) {
            tokio::task::yield_now().await;
        }
        assert!(world.users.reports().is_empty());
        world.users.set_deaf(false);
    };
    futures::join!(world.users.tell_erased(&world.assembly(0).bus, USER), back);
    assert!(!world.users.reports().is_empty());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_database_is_swept_at_the_start() {
    let mut world = World::start(1).await;
    fill(&world, USER).await;
    fill(&world, OTHER).await;
    world.users.erase(USER);
    world.start_another().await;
    world.users.reported().await;
    assert_eq!(rows(&world, USER).await, (0, 1));
    assert_eq!(rows(&world, OTHER).await, (4, 0));
    world.stop().await;
}

/// The user wants what is old to be forgotten: so are the reminders of then.
#[tokio::test(flavor = "multi_thread")]
async fn reminders_of_before_the_day_that_is_kept_are_forgotten() {
    let world = World::start(1).await;
    world.predict(snapshot(USER, 1, 1, Some(start(1, 11, "2125-02-07")))).await;
    world.predict(snapshot(USER, 2, 2, Some(start(2, 12, "2125-03-07")))).await;
    world.predict(snapshot(USER, 3, 3, Some(start(3, 13, "2125-04-07")))).await;
    let forget = |date: &str| date.parse::<NaiveDate>().ok();
    let kept = |snapshot, date| ActivePrediction { forget_before: forget(date), ..snapshot };
    world.predict(kept(snapshot(USER, 4, 4, Some(start(3, 13, "2125-04-07"))), "2125-03-04")).await;
    let dates = async || {
        let list = world.list(USER).await.notifications;
        list.iter().map(|it| it.scheduled_for.date_naive().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(dates().await, ["2125-04-04", "2125-03-04"]);
    world.predict(kept(snapshot(USER, 5, 5, None), "2126-01-01")).await;
    assert!(dates().await.is_empty(), "everything was forgotten");
    world.stop().await;
}
