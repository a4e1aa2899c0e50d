//! What each guard prevents: every race runs with the guard, and again without it. The second time
//! the same checker has to find the harm, so it would find it the first time too.
//!
//! A guard is taken out of the whole process: these tests need one each, as nextest gives it.

use std::sync::{Arc, atomic::Ordering};

use actor_runtime::{
    faults,
    group_commit::{Write, WriteError},
    tasks,
};
use contracts::cycles::History;
use futures::FutureExt;

use super::*;
use crate::apply::{Applied, ApplyDerived, Work};

/// What a client has seen of one user, and what it must never see.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    highest: i64,
    regressions: usize,
    double_active: usize,
}

impl Seen {
    async fn look(&mut self, process: &Process, whose: UserId) {
        let active = process.predictions(whose, Some(true)).await;
        let version = active.as_of_version.get();
        self.regressions += usize::from(version < self.highest);
        self.double_active += usize::from(active.total > 1);
        self.highest = self.highest.max(version);
    }
}

/// A process takes a snapshot and is paused; another one applies a newer one meanwhile.
async fn paused_with_a_snapshot(database: &TestDatabase, whose: UserId) -> Seen {
    let (owner, mut seen) = (Arc::new(Owner::default()), Seen::default());
    let paused = Process::start(database, &owner, Settings::default()).await;
    let other = Process::start(database, &owner, Settings::default()).await;
    owner.append(whose, 28);
    let gate = owner.shut(whose);
    let mut late = Box::pin(paused.wake(whose, 1));
    assert!((&mut late).now_or_never().is_none());
    eventually("the process has its snapshot", async || owner.asks.load(Ordering::Acquire) == 1)
        .await;
    owner.open(whose);
    owner.append(whose, 30);
    other.wake(whose, 2).await.unwrap();
    seen.look(&other, whose).await;
    gate.add_permits(1);
    late.await.unwrap();
    seen.look(&other, whose).await;
    seen.look(&paused, whose).await;
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_version_guard_a_version_falls() {
    let database = database().await;
    let clean = Seen { highest: 2, ..Seen::default() };
    assert_eq!(paused_with_a_snapshot(&database, user(1)).await, clean);
    let _out = faults::take_out("analytics.version_guard");
    let seen = paused_with_a_snapshot(&database, user(2)).await;
    assert!(seen.regressions > 0 && seen.double_active == 0, "{seen:?}");
}

/// What became of a write that was late, and what clients saw.
struct Late {
    applied: Result<Applied, WriteError>,
    seen: Seen,
}

impl Late {
    fn violated(&self) -> Option<&str> {
        match &self.applied {
            Err(WriteError::Database(error)) => error.as_database_error()?.constraint(),
            _ => None,
        }
    }
}

/// One process is in the middle of applying the third version when another one begins to apply the
/// second. The second is at the database before the first has committed.
async fn two_writes_at_once(owner: &Owner, process: &Process, whose: UserId) -> Late {
    let mut seen = Seen::default();
    let version = owner.append(whose, 28);
    process.wake(whose, version).await.unwrap();
    owner.append(whose, 30);
    let late = write_of(&owner.history(whose));
    owner.append(whose, 26);
    let newer = write_of(&owner.history(whose));

    let mut first = process.pool.begin().await.unwrap();
    assert_eq!(newer.apply_in_txn(&mut first).await.unwrap(), Applied::Stored);
    let pool = process.pool.clone();
    let second = tasks::spawn(async move {
        let mut second = pool.begin().await.unwrap();
        let applied = late.apply_in_txn(&mut second).await;
        if applied.is_ok() {
            second.commit().await.unwrap();
        }
        applied
    });
    eventually("the late write waits for the other", async || {
        let waiting = sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM pg_stat_activity WHERE wait_event_type = 'Lock'"#
        );
        waiting.fetch_one(&process.pool).await.unwrap() > 0
    })
    .await;
    seen.look(process, whose).await;
    first.commit().await.unwrap();
    let applied = second.await.unwrap();
    seen.highest = seen.highest.max(3);
    seen.look(process, whose).await;
    Late { applied, seen }
}

fn write_of(history: &History) -> ApplyDerived {
    let person = Person { version: Some(Version::ZERO), date_of_birth: None };
    let derived = derive(history, person, day("2020-01-01"), None).unwrap();
    ApplyDerived { work: Work::Whole(Arc::new(derived), None), call: call(), ids: Ids }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_lock_and_index_two_predictions_are_active() {
    let (database, owner) = (database().await, Arc::new(Owner::default()));
    let process = Process::start(&database, &owner, Settings::default()).await;
    let race = async |number| two_writes_at_once(&owner, &process, user(number)).await;
    let clean = || Seen { highest: 3, ..Seen::default() };
    let guarded = race(1).await;
    let newer = derived(&owner, user(1), process.today).key;
    assert_eq!(guarded.applied.unwrap(), Applied::AlreadyAt(newer));
    assert_eq!(guarded.seen, clean());

    // The lock alone keeps the rows together: what is late overwrites, and one is active.
    let no_versions = faults::take_out("analytics.version_guard");
    let late = race(2).await;
    assert_eq!(late.applied.as_ref().unwrap(), &Applied::Stored);
    assert_eq!(late.seen, Seen { regressions: 1, ..clean() });

    // Without it too, the index is what is left: it refuses, and nobody sees anything.
    let no_lock = faults::take_out("analytics.row_lock");
    let refused = race(3).await;
    assert_eq!(refused.violated(), Some("prediction_one_active"));
    assert_eq!(refused.seen, clean());

    // And without the index there are two.
    sqlx::query!("DROP INDEX prediction_one_active").execute(&process.pool).await.unwrap();
    let late = race(4).await;
    assert_eq!(late.applied.as_ref().unwrap(), &Applied::Stored);
    assert_eq!(late.seen, Seen { regressions: 1, double_active: 1, ..clean() });
    drop((no_versions, no_lock));
}

/// The event is heard before the state that it announces can be seen, as from a standby that lags.
/// Says whether analytics ends where the owner is.
async fn heard_too_early(owner: &Owner, process: &Process, whose: UserId) -> bool {
    owner.append(whose, 28);
    let early = process.wake(whose, 2).await;
    let refused_as = early.as_ref().err().map(|refusal| &*refusal.code);
    assert!(matches!(refused_as, None | Some("snapshot-older-than-event")), "{refused_as:?}");
    let version = owner.append(whose, 30);
    process.wake(whose, version).await.unwrap();
    let stored = process.predictions(whose, None).await;
    let theirs = owner.history(whose);
    let same = derived(owner, whose, process.today).cycles.len() == stored.predictions.len();
    assert_eq!(stored.as_of_version, theirs.version, "by its version nothing is amiss");
    same
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_version_of_the_event_a_write_is_lost() {
    let (database, owner) = (database().await, Arc::new(Owner::default()));
    let process = Process::start(&database, &owner, Settings::default()).await;
    assert!(heard_too_early(&owner, &process, user(1)).await);
    let _out = faults::take_out("analytics.snapshot_version");
    let found = heard_too_early(&owner, &process, user(2)).await;
    assert!(!found, "the version of the snapshot guards nothing");
}
