//! Preferences, and the reminder that follows them.

use crate::support::{World, call, no_change, refusal, snapshot, start};
use contracts::{
    ErrorKind, UserId, Version,
    notifications::{GetPreferences, NotificationStatus, Preferences, UpdatePreferences},
};

const USER: UserId = UserId::new(7);

fn get(user_id: UserId) -> GetPreferences {
    GetPreferences { user_id, min_version: None }
}

async fn preferences(world: &World) -> Preferences {
    world.ask(get(USER)).await.ok().unwrap().preferences
}

#[tokio::test(flavor = "multi_thread")]
async fn the_defaults_are_there_from_the_start_and_stay() {
    let world = World::start(2).await;
    let asks = (0..16).map(|index| {
        let handle = world.assembly(index % 2).handle.clone();
        async move { handle.ask(&call(), get(USER)).await.ok().unwrap() }
    });
    let answers = futures::future::join_all(asks).await;
    let first = &answers[0].preferences;
    assert!(answers.iter().all(|answer| answer.preferences == *first), "the first reads differ");
    assert_eq!((first.id, first.user_id, answers[0].as_of_version), (7, USER, Version::ZERO));
    assert!(first.period_reminder_enabled && first.email_enabled && !first.push_enabled);
    assert_eq!(first.reminder_days_before, 3);
    assert_eq!(first.created_at, first.updated_at);
    assert!(preferences(&world).await == *first);

    // A change of nothing is fine and changes nothing.
    let view = world.ask(no_change(USER)).await.ok().unwrap();
    assert!(view.preferences == *first);
    // A prediction that is applied leaves them alone.
    world.predict(snapshot(USER, 1, 3, Some(start(1, 11, "2125-02-07")))).await;
    let view = world.ask(get(USER)).await.ok().unwrap();
    assert!(view.preferences == *first);
    assert_eq!(view.as_of_version, Version::new(3));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn opting_out_and_back_in_and_moving_the_day() {
    let world = World::start(1).await;
    world.predict(snapshot(USER, 1, 1, Some(start(1, 11, "2125-02-07")))).await;
    let made = world.only(USER).await;

    let out = UpdatePreferences { period_reminder_enabled: Some(false), ..no_change(USER) };
    let view = world.ask(out).await.ok().unwrap();
    assert!(!view.preferences.period_reminder_enabled);
    assert!(view.preferences.updated_at > view.preferences.created_at);
    assert_eq!(view.as_of_version, Version::new(1));
    assert!(world.only(USER).await.status == NotificationStatus::Cancelled);

    // While opted out a prediction moves nothing, and makes nothing.
    world.predict(snapshot(USER, 2, 2, Some(start(1, 12, "2125-02-10")))).await;
    assert!(world.only(USER).await.status == NotificationStatus::Cancelled);

    // Back in, it follows what is predicted by now.
    let back = UpdatePreferences { period_reminder_enabled: Some(true), ..no_change(USER) };
    world.ask(back).await.ok().unwrap();
    let again = world.only(USER).await;
    assert!(again.id == made.id && again.status == NotificationStatus::Pending);
    assert_eq!(again.scheduled_for.to_rfc3339(), "2125-02-07T09:00:00+00:00");

    let earlier = UpdatePreferences { reminder_days_before: Some(7), ..no_change(USER) };
    world.ask(earlier).await.ok().unwrap();
    let moved = world.only(USER).await;
    assert!(moved.id == made.id && moved.created_at == made.created_at);
    assert_eq!(moved.scheduled_for.to_rfc3339(), "2125-02-03T09:00:00+00:00");
    assert!(moved.message.ends_with("2125-02-10 (in 7 days)."));

    // Channels are no concern of the reminder.
    let channels = UpdatePreferences {
        email_enabled: Some(false),
        push_enabled: Some(true),
        ..no_change(USER)
    };
    world.ask(channels).await.ok().unwrap();
    assert!(world.only(USER).await == moved);
    let stored = preferences(&world).await;
    assert!(!stored.email_enabled && stored.push_enabled);
    assert_eq!(stored.reminder_days_before, 7);

    // Once it was handed over, neither out nor in does anything to it.
    world.dispatch(USER, NotificationStatus::Sent).await;
    for enabled in [false, true] {
        let change =
            UpdatePreferences { period_reminder_enabled: Some(enabled), ..no_change(USER) };
        world.ask(change).await.ok().unwrap();
        assert!(world.only(USER).await.status == NotificationStatus::Sent);
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn days_outside_a_week_are_refused_and_change_nothing() {
    let world = World::start(1).await;
    let before = preferences(&world).await;
    for days in [i16::MIN, -1, 0, 8, i16::MAX] {
        let bad = UpdatePreferences {
            reminder_days_before: Some(days),
            push_enabled: Some(true),
            ..no_change(USER)
        };
        let refusal = refusal(world.ask(bad).await);
        assert_eq!(refusal.kind, ErrorKind::Invalid);
        assert_eq!(refusal.errors[0].pointer, "/reminder_days_before");
    }
    assert!(preferences(&world).await == before);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_gives_the_first_answer_once_only() {
    let world = World::start(1).await;
    let five = UpdatePreferences { reminder_days_before: Some(5), ..no_change(USER) };
    let first = world.ask_with_key("k1", five.clone()).await.ok().unwrap();
    assert_eq!(first.preferences.reminder_days_before, 5);
    let two = UpdatePreferences { reminder_days_before: Some(2), ..no_change(USER) };
    world.ask(two.clone()).await.ok().unwrap();
    // The first answer again, and no second effect.
    let again = world.ask_with_key("k1", five.clone()).await.ok().unwrap();
    assert!(again.preferences == first.preferences);
    assert_eq!(preferences(&world).await.reminder_days_before, 2);
    // The same key with another body.
    let reused = refusal(world.ask_with_key("k1", two).await);
    assert_eq!((reused.kind, &*reused.code), (ErrorKind::Invalid, "idempotency-key-reused"));
    // Another user's key is another key.
    let other = UpdatePreferences { user_id: UserId::new(8), ..five };
    let theirs = world.ask_with_key("k1", other).await.ok().unwrap();
    assert_eq!(theirs.preferences.id, 8);
    world.stop().await;
}

/// Changes of preferences and predictions at once, from two processes: they agree in the end, and
/// at no time are two pending (the database would refuse, and a write would fail).
#[tokio::test(flavor = "multi_thread")]
async fn preferences_and_predictions_race() {
    let world = World::start(2).await;
    for round in 1..=30 {
        let days = i16::try_from(1 + round % 7).unwrap();
        let anchor = 1 + round % 2;
        world.analytics.set(snapshot(USER, round, round, Some(start(anchor, round, "2125-06-20"))));
        let change = UpdatePreferences { reminder_days_before: Some(days), ..no_change(USER) };
        let (woken, changed) =
            tokio::join!(world.assembly(0).wake(USER, Version::new(round)), async {
                world.assembly(1).handle.ask(&call(), change).await
            },);
        woken.unwrap();
        assert!(changed.is_ok());
        let list = world.list(USER).await;
        let pending: Vec<_> = list
            .notifications
            .iter()
            .filter(|it| it.status == NotificationStatus::Pending)
            .collect();
        let [pending] = pending.as_slice() else { panic!("{} are pending", pending.len()) };
        assert_eq!(pending.prediction_id.unwrap().get(), round);
        let due = format!("2125-06-{:02}T09:00:00+00:00", 20 - days);
        assert_eq!(pending.scheduled_for.to_rfc3339(), due);
    }
    world.stop().await;
}

/// Nothing is derived, stored or shown for somebody who was erased.
#[tokio::test(flavor = "multi_thread")]
async fn an_erased_user_stays_erased() {
    let world = World::start(1).await;
    sqlx::query!("INSERT INTO subject (user_id, erased_at) VALUES ($1, now())", USER.get())
        .execute(&world.pool)
        .await
        .unwrap();
    world.predict(snapshot(USER, 1, 1, Some(start(1, 11, "2125-02-07")))).await;
    assert_eq!(world.list(USER).await.total, 0);
    assert_eq!(refusal(world.ask(get(USER)).await).kind, ErrorKind::Unauthenticated);
    assert_eq!(refusal(world.ask(no_change(USER)).await).kind, ErrorKind::Unauthenticated);
    let rows = sqlx::query_scalar!("SELECT count(*) FROM preferences").fetch_one(&world.pool);
    assert_eq!(rows.await.unwrap(), Some(0));
    world.stop().await;
}
