//! Sweeps: whoever is behind is woken, whatever stands in the way of somebody else.

#![cfg(test)]

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use contracts::{
    Call, Refusal, UserId, Version,
    events::{ChangedPage, ChangedSince, ChangedUser},
};
use futures::future::BoxFuture;
use lunation_actor_runtime::{
    anti_entropy::{self, Reconcile},
    clock::Clock,
    supervisor::{Plan, Supervisor},
};
use ractor::Actor;
use tokio::time;

const EVERY: Duration = Duration::from_mins(1);

/// Users who are all behind until they are woken. Nobody's state changes any more, so only a full
/// sweep lists them.
struct Users {
    count: i64,
    /// Those whose work finds a dependency away.
    stuck: Mutex<BTreeSet<i64>>,
    applied: Mutex<BTreeSet<i64>>,
}

impl Users {
    fn new(count: i64, stuck: impl IntoIterator<Item = i64>) -> Arc<Self> {
        let stuck = Mutex::new(stuck.into_iter().collect());
        Arc::new(Self { count, stuck, applied: Mutex::default() })
    }

    fn applied(&self) -> usize {
        self.applied.lock().unwrap().len()
    }
}

impl Reconcile for Users {
    fn list_changed(
        &self,
        _call: Call,
        request: ChangedSince,
    ) -> BoxFuture<'_, Result<ChangedPage, Refusal>> {
        let after = request.after.map_or(0, UserId::get);
        let last = if request.since.is_some() { 0 } else { self.count.min(after + request.limit) };
        let changed = |id| ChangedUser { user_id: UserId::new(id), version: Version::new(1) };
        let users = (after + 1..=last).map(changed).collect();
        Box::pin(async move { Ok(ChangedPage { users }) })
    }

    fn behind(&self, users: Vec<ChangedUser>) -> BoxFuture<'_, Result<Vec<ChangedUser>, Refusal>> {
        let applied = self.applied.lock().unwrap();
        let behind = users.into_iter().filter(|user| !applied.contains(&user.user_id.get()));
        let behind = behind.collect();
        Box::pin(async move { Ok(behind) })
    }

    fn wake(&self, _call: Call, user: ChangedUser) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(async move {
            if self.stuck.lock().unwrap().contains(&user.user_id.get()) {
                return Err(Refusal::unavailable());
            }
            self.applied.lock().unwrap().insert(user.user_id.get());
            Ok(())
        })
    }
}

async fn sweep(users: &Arc<Users>) {
    let reconcile: Arc<dyn Reconcile> = Arc::<Users>::clone(users);
    let child = anti_entropy::child("test", EVERY, Clock::System, reconcile);
    let plan = Plan::group("group", vec![child]);
    let (_root, _join) = Actor::spawn(None, Supervisor, plan).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_user_who_cannot_be_helped_keeps_nobody_waiting_and_is_not_forgotten() {
    // On the first of several pages, and the only one of it who is still behind.
    let users = Users::new(2_500, [1]);
    sweep(&users).await;
    time::sleep(EVERY / 2).await;
    assert_eq!(users.applied(), 2_499);
    time::sleep(EVERY * 5).await;
    users.stuck.lock().unwrap().clear();
    time::sleep(EVERY * 2).await;
    assert_eq!(users.applied(), 2_500);
}

#[tokio::test(start_paused = true)]
async fn a_sweep_that_an_outage_cut_short_is_done_again_soon() {
    let users = Users::new(2_500, 1..=2_500);
    sweep(&users).await;
    time::sleep(EVERY * 5).await;
    assert_eq!(users.applied(), 0);
    users.stuck.lock().unwrap().clear();
    time::sleep(Duration::from_secs(10)).await;
    assert_eq!(users.applied(), 2_500);
}
