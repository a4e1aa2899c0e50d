//! Anti-entropy: what makes the broker expendable. Each consumer group regularly asks the owner
//! which users changed, and wakes those whose applied version is lower.

use std::{collections::BTreeMap, mem, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    Call, Refusal, UserId,
    events::{ChangedPage, ChangedSince, ChangedUser},
};
use futures::{StreamExt, future::BoxFuture, stream};
use tokio::time;

use crate::{
    background::{self, LoopResult},
    clock::{Clock, Ids},
    consume::is_away,
    supervisor::Child,
};

/// Users in one page.
const PAGE: i64 = 1_000;
/// Users who are woken at once.
const WAKING_MAX: usize = 64;
/// `changed_at` is the start of a transaction, which becomes visible later; no transaction is
/// allowed to last so long.
const OVERLAP: TimeDelta = TimeDelta::minutes(5);
/// Every so often all users are compared, not only those who changed of late.
const FULL_SWEEP_EVERY: TimeDelta = TimeDelta::hours(24);
/// How soon a sweep that failed is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// Most users for whom a dependency was away and who wait for the next sweep. Beyond so many it is
/// away for everybody, and the sweep is cut short.
const LEFT_OVER_MAX: usize = 64;
/// How long one ask may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a consumer group knows of its owner and of itself.
pub trait Reconcile: Send + Sync + 'static {
    /// Asks the owner which users changed.
    fn list_changed(
        &self,
        call: Call,
        request: ChangedSince,
    ) -> BoxFuture<'_, Result<ChangedPage, Refusal>>;

    /// Keeps those whose applied version is lower than the owner's.
    fn behind(&self, users: Vec<ChangedUser>) -> BoxFuture<'_, Result<Vec<ChangedUser>, Refusal>>;

    /// Brings one user up to date.
    fn wake(&self, call: Call, user: ChangedUser) -> BoxFuture<'_, Result<(), Refusal>>;
}

/// The sweeps of one consumer group, as a supervised child.
pub fn child(
    group: &'static str,
    every: Duration,
    clock: Clock,
    reconcile: Arc<dyn Reconcile>,
) -> Child {
    background::child(format!("{group} anti-entropy"), move |stop| {
        let sweeps = Sweeps { group, every, clock, reconcile: Arc::clone(&reconcile) };
        async move {
            stop.run_until_cancelled(sweeps.run()).await;
            LoopResult::Ok(())
        }
    })
}

struct Sweeps {
    group: &'static str,
    every: Duration,
    clock: Clock,
    reconcile: Arc<dyn Reconcile>,
}

impl Sweeps {
    async fn run(&self) {
        let mut last_sweep: Option<DateTime<Utc>> = None;
        let mut last_full_sweep: Option<DateTime<Utc>> = None;
        let mut left_over = LeftOver::new();
        loop {
            let begun = self.clock.now();
            let full = last_full_sweep.is_none_or(|at| begun - at >= FULL_SWEEP_EVERY);
            let since = if full { None } else { last_sweep.map(|at| at - OVERLAP) };
            match self.sweep(since, &mut left_over).await {
                Ok(woken) => {
                    if woken > 0 {
                        tracing::info!(group = self.group, woken, full, "anti-entropy woke users");
                    }
                    last_sweep = Some(begun);
                    last_full_sweep = if full { Some(begun) } else { last_full_sweep };
                    time::sleep(self.every).await;
                }
                Err(refusal) => {
                    tracing::warn!(group = self.group, code = %refusal.code, "an anti-entropy sweep was cut short");
                    time::sleep(RETRY).await;
                }
            }
        }
    }

    async fn sweep(
        &self,
        since: Option<DateTime<Utc>>,
        left_over: &mut LeftOver,
    ) -> Result<usize, Refusal> {
        let again: Vec<ChangedUser> = mem::take(left_over).into_values().collect();
        let mut woken = again.len();
        self.wake_all(again, left_over).await?;
        let mut after = None;
        loop {
            let call = Call::new(Ids.request_id("sweep"), Ids.trace(), PATIENCE);
            let request = ChangedSince { since, after, limit: PAGE };
            let page = self.reconcile.list_changed(call, request).await?;
            let Some(last) = page.users.last().map(|user| user.user_id) else { return Ok(woken) };
            let mut behind = self.reconcile.behind(page.users).await?;
            behind.retain(|user| !left_over.contains_key(&user.user_id));
            woken += behind.len();
            self.wake_all(behind, left_over).await?;
            after = Some(last);
        }
    }

    /// Wakes the users. One whose own wake-up fails does not keep the others waiting, and neither
    /// do a few who find a dependency away: it may be away for their work only. They are left over
    /// for the next sweep. Only if they are many is the sweep cut short.
    async fn wake_all(
        &self,
        users: Vec<ChangedUser>,
        left_over: &mut LeftOver,
    ) -> Result<(), Refusal> {
        let waking = users.into_iter().map(|user| {
            let call = Call::new(Ids.request_id("sweep"), Ids.trace(), PATIENCE);
            async move { (user, self.reconcile.wake(call, user).await) }
        });
        let mut waking = stream::iter(waking).buffer_unordered(WAKING_MAX);
        let mut away = None;
        while let Some((user, result)) = waking.next().await {
            let Err(refusal) = result else { continue };
            tracing::warn!(group = self.group, user_id = %user.user_id, code = %refusal.code, "anti-entropy could not bring a user up to date");
            if !is_away(&refusal) {
                continue;
            }
            if left_over.len() < LEFT_OVER_MAX {
                left_over.insert(user.user_id, user);
            } else {
                away.get_or_insert(refusal);
            }
        }
        away.map_or(Ok(()), Err)
    }
}

/// Users whom a sweep could not bring up to date, for the next one.
type LeftOver = BTreeMap<UserId, ChangedUser>;
