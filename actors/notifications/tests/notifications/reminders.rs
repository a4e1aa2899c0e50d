//! Reminders follow predictions, whatever arrives in whatever order.

use crate::support::{PAGE, World, call, refusal, snapshot, start};
use contracts::{
    ErrorKind, UserId, Version,
    notifications::{
        CheckNotifications, GetNotification, ListNotifications, Notification, NotificationStatus,
    },
    page::PageRequest,
};

const USER: UserId = UserId::new(7);
const OTHER: UserId = UserId::new(8);

fn states(notifications: &[Notification]) -> Vec<(&'static str, String)> {
    let state = |it: &Notification| (it.status.name(), it.scheduled_for.date_naive().to_string());
    notifications.iter().map(state).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reminder_is_made_moved_cancelled_and_taken_up_again() {
    let world = World::start(1).await;
    world.predict(snapshot(USER, 1, 1, Some(start(1, 11, "2125-02-07")))).await;
    let made = world.only(USER).await;
    assert_eq!(made.title, "Period Reminder");
    let text = "Your next period is expected around 2125-02-07 (in 3 days).";
    assert_eq!(made.message, text);
    assert_eq!(made.notification_type, "period_reminder");
    assert_eq!(made.scheduled_for.to_rfc3339(), "2125-02-04T09:00:00+00:00");
    assert_eq!(made.prediction_id.unwrap().get(), 11);
    assert!(made.status == NotificationStatus::Pending && made.sent_at.is_none());

    // The same anchor: the one row moves.
    world.predict(snapshot(USER, 2, 2, Some(start(1, 12, "2125-02-09")))).await;
    let moved = world.only(USER).await;
    assert!(moved.id == made.id && moved.created_at == made.created_at);
    assert_eq!(moved.scheduled_for.to_rfc3339(), "2125-02-06T09:00:00+00:00");
    assert_eq!(moved.prediction_id.unwrap().get(), 12);
    assert!(moved.message.contains("2125-02-09"));

    // A new anchor: the old one's is cancelled, its own is made.
    world.predict(snapshot(USER, 3, 3, Some(start(2, 13, "2125-03-09")))).await;
    let list = world.list(USER).await;
    let expected = [("pending", "2125-03-06".to_owned()), ("cancelled", "2125-02-06".to_owned())];
    assert_eq!(states(&list.notifications), expected);
    assert_eq!((list.total, list.as_of_version), (2, Version::new(3)));

    // The newest cycle was deleted: the first anchor's reminder is wanted again.
    world.predict(snapshot(USER, 4, 4, Some(start(1, 12, "2125-02-09")))).await;
    let list = world.list(USER).await;
    let expected = [("cancelled", "2125-03-06".to_owned()), ("pending", "2125-02-06".to_owned())];
    assert_eq!(states(&list.notifications), expected);

    // No cycle is left.
    world.predict(snapshot(USER, 5, 5, None)).await;
    let list = world.list(USER).await;
    assert!(list.notifications.iter().all(|it| it.status == NotificationStatus::Cancelled));
    assert_eq!(list.as_of_version, Version::new(5));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_begun_is_neither_touched_nor_doubled() {
    let world = World::start(1).await;
    let begun = [
        NotificationStatus::Sending,
        NotificationStatus::Sent,
        NotificationStatus::Failed,
        NotificationStatus::Unknown,
    ];
    for (user, status) in (100..).zip(begun) {
        let user_id = UserId::new(user);
        world.predict(snapshot(user_id, 1, 1, Some(start(1, 11, "2125-02-07")))).await;
        world.dispatch(user_id, status).await;
        let before = world.only(user_id).await;
        assert!(before.status == status);
        world.predict(snapshot(user_id, 2, 2, Some(start(1, 12, "2125-02-09")))).await;
        assert!(world.only(user_id).await == before, "{status:?} was touched by a move");
        world.predict(snapshot(user_id, 3, 3, None)).await;
        assert!(world.only(user_id).await == before, "{status:?} was cancelled");
        // The next cycle has a reminder of its own.
        world.predict(snapshot(user_id, 4, 4, Some(start(2, 13, "2125-03-09")))).await;
        assert_eq!(world.list(user_id).await.total, 2);
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicates_and_older_snapshots_change_nothing() {
    let world = World::start(1).await;
    let newest = snapshot(USER, 5, 9, Some(start(2, 13, "2125-03-09")));
    world.predict(newest.clone()).await;
    let before = world.only(USER).await;
    // The same wake-up again, a late one, and one whose snapshot is from a replica that lags.
    world.assembly(0).wake(USER, Version::new(5)).await.unwrap();
    world.assembly(0).wake(USER, Version::new(2)).await.unwrap();
    world.predict(snapshot(USER, 4, 8, Some(start(1, 12, "2125-02-09")))).await;
    world.predict(snapshot(USER, 4, 8, None)).await;
    assert!(world.only(USER).await == before);
    assert_eq!(world.list(USER).await.as_of_version, Version::new(9));

    // What was announced cannot be seen yet: not applied, and asked for again.
    let answer = world.assembly(0).wake(USER, Version::new(6)).await;
    assert!(answer.is_err_and(|error| error.retry_after().is_some()));
    world.stop().await;
}

/// The analytics database was dropped: its versions start from 1 again, those of the cycles go on.
#[tokio::test(flavor = "multi_thread")]
async fn a_rebuilt_owner_is_followed() {
    let world = World::start(1).await;
    world.predict(snapshot(USER, 50, 60, Some(start(1, 11, "2125-02-07")))).await;
    world.predict(snapshot(USER, 1, 60, Some(start(1, 11, "2125-02-07")))).await;
    let before = world.only(USER).await;
    world.predict(snapshot(USER, 2, 61, Some(start(1, 12, "2125-02-09")))).await;
    let after = world.only(USER).await;
    assert!(after.id == before.id && after.message.contains("2125-02-09"));
    // A straggler from before the rebuild does not take it back.
    world.predict(snapshot(USER, 50, 60, Some(start(1, 11, "2125-02-07")))).await;
    assert!(world.only(USER).await == after);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_database_is_rebuilt_with_the_same_ids() {
    let mut world = World::start(1).await;
    for user in 1..=20 {
        let date = format!("2125-02-{user:02}");
        world.predict(snapshot(UserId::new(user), 3, 4, Some(start(user, user, &date)))).await;
    }
    let mut before = Vec::new();
    for user in 1..=20 {
        before.push(world.only(UserId::new(user)).await);
    }
    world.empty().await;
    // Nobody announces anything: a second process finds out by its first sweep.
    world.start_another().await;
    for (user, before) in (1..).zip(before) {
        let min_version = Some(Version::new(4));
        let user_id = UserId::new(user);
        let request = ListNotifications { user_id, status: None, min_version, page: PAGE };
        let list = world.assembly(1).handle.ask(&call(), request).await.ok().unwrap();
        assert_eq!(list.as_of_version, Version::new(4));
        let [after] = list.notifications.as_slice() else { panic!("not one reminder") };
        assert!(after.id == before.id && after.message == before.message);
        assert!(after.scheduled_for == before.scheduled_for);
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_race_and_never_leave_two_pending() {
    let world = World::start(2).await;
    for round in 1..=40 {
        let anchor = 1 + round % 3;
        let day = format!("2125-03-{:02}", 1 + round % 28);
        world.analytics.set(snapshot(USER, round, round, Some(start(anchor, round, &day))));
        let version = Version::new(round);
        let (first, second) = tokio::join!(
            world.assembly(0).wake(USER, version),
            world.assembly(1).wake(USER, version),
        );
        first.unwrap();
        second.unwrap();
        let list = world.list(USER).await;
        assert_eq!(list.as_of_version, version);
        let pending: Vec<_> = list
            .notifications
            .iter()
            .filter(|it| it.status == NotificationStatus::Pending)
            .collect();
        let [pending] = pending.as_slice() else { panic!("{} are pending", pending.len()) };
        assert_eq!(pending.prediction_id.unwrap().get(), round);
    }
    assert_eq!(world.list(USER).await.total, 3);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_paged_filtered_and_private() {
    let world = World::start(1).await;
    for version in 1..=5 {
        let active = Some(start(version, version, &format!("2125-0{version}-10")));
        world.predict(snapshot(USER, version, version, active)).await;
    }
    let ask = async |user_id, status, limit, offset| {
        let page = PageRequest { limit, offset };
        world
            .ask(ListNotifications { user_id, status, min_version: None, page })
            .await
            .ok()
            .unwrap()
    };
    let page = ask(USER, None, 2, 1).await;
    let predictions: Vec<i64> =
        page.notifications.iter().map(|it| it.prediction_id.unwrap().get()).collect();
    assert_eq!((predictions, page.total), (vec![4, 3], 5));
    let cancelled = ask(USER, Some(NotificationStatus::Cancelled), 100, 0).await;
    assert_eq!((cancelled.notifications.len(), cancelled.total), (4, 4));
    let beyond = ask(USER, None, 10, 10).await;
    assert_eq!((beyond.notifications.len(), beyond.total), (0, 5));
    assert_eq!(beyond.as_of_version, Version::new(5));
    let nobody = ask(OTHER, None, 10, 0).await;
    assert_eq!((nobody.total, nobody.as_of_version), (0, Version::ZERO));

    let notification_id = page.notifications[0].id;
    let get = |user_id| GetNotification { user_id, notification_id, min_version: None };
    let own = world.ask(get(USER)).await.ok().unwrap();
    assert!(own.notification == page.notifications[0]);
    assert_eq!(own.as_of_version, Version::new(5));
    world.predict(snapshot(OTHER, 1, 1, Some(start(9, 9, "2125-05-10")))).await;
    assert_eq!(refusal(world.ask(get(OTHER)).await).kind, ErrorKind::NotFound);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_waits_for_the_version_and_no_longer_than_its_call() {
    let world = World::start(1).await;
    world.predict(snapshot(USER, 1, 1, Some(start(1, 11, "2125-02-07")))).await;
    let min_version = Some(Version::new(2));
    let request = ListNotifications { user_id: USER, status: None, min_version, page: PAGE };
    let (list, ()) = tokio::join!(
        world.ask(request.clone()),
        world.predict(snapshot(USER, 2, 2, Some(start(1, 12, "2125-02-09")))),
    );
    assert_eq!(list.ok().unwrap().as_of_version, Version::new(2));

    // One that nobody will ever apply: what there is, before the asker gives up.
    let request = ListNotifications { min_version: Some(Version::new(99)), ..request };
    let short = call().with_patience(std::time::Duration::from_secs(1));
    let list = world.assembly(0).handle.ask(&short, request).await.ok().unwrap();
    assert_eq!(list.as_of_version, Version::new(2));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_says_whether_the_database_answers() {
    let mut world = World::start(1).await;
    assert!(world.ask(CheckNotifications {}).await.unwrap().is_healthy());
    world.stop_database();
    let health = world.ask(CheckNotifications {}).await.unwrap();
    assert!(!health.is_healthy() && health.checks[0].name == "database");
    let list = ListNotifications { user_id: USER, status: None, min_version: None, page: PAGE };
    assert_eq!(refusal(world.ask(list).await).kind, ErrorKind::Unavailable);
    world.stop().await;
}
