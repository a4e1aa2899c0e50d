//! What the guard of the reminders prevents: the race runs with it, and again without it.

use crate::support::{World, snapshot, start};
use actor_runtime::faults;
use contracts::{UserId, Version, notifications::NotificationStatus};

/// How often the late snapshot is applied: without the guard, the first sweep of a process may be
/// late too, and put the newer one back.
const ATTEMPTS: usize = 10;

/// A process applies a snapshot from before the one that another process has applied. Says as of
/// which version a client then sees the reminders, and for which prediction the pending one is.
async fn late(world: &World, user: i64, newer: (i64, i64), older: (i64, i64)) -> (i64, i64) {
    let user = UserId::new(user);
    let (version, as_of) = newer;
    world.predict(snapshot(user, version, as_of, Some(start(1, 12, "2125-02-09")))).await;
    let (version, as_of) = older;
    world.analytics.set(snapshot(user, version, as_of, Some(start(1, 11, "2125-02-07"))));
    let mut seen = (newer.1, 12);
    for _ in 0..ATTEMPTS {
        world.assembly(1).wake(user, Version::new(version)).await.unwrap();
        let list = world.list(user).await;
        let pending = list.notifications.iter().find(|it| it.status == NotificationStatus::Pending);
        let now = (list.as_of_version.get(), pending.unwrap().prediction_id.unwrap().get());
        if now != seen {
            seen = now;
            break;
        }
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_version_guard_a_reminder_goes_back() {
    // Late by both versions; by that of the predictions alone, when another model computed the
    // same cycles again; and from before analytics was rebuilt and counted from 1 again.
    let world = World::start(2).await;
    let cases = [((3, 9), (2, 8)), ((3, 9), (2, 9)), ((2, 61), (50, 60))];
    for (number, (newer, older)) in (1..).zip(cases) {
        let guarded = late(&world, number, newer, older).await;
        assert_eq!(guarded, (newer.1, 12), "{newer:?} then {older:?}");
        let _out = faults::take_out("notifications.version_guard");
        let unguarded = late(&world, 100 + number, newer, older).await;
        assert_eq!(unguarded, (older.1, 11), "{newer:?} then {older:?}");
    }
    world.stop().await;
}
