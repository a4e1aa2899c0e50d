//! Users who are late: their prediction is made again for each day that passes without a start, so
//! that no date in the past is shown as the next one, and reminders move.

use std::time::Duration;

use actor_runtime::{
    background,
    clock::{Clock, Ids},
    database,
    supervisor::Child,
};
use contracts::{Call, Refusal};
use futures::{StreamExt, stream};
use sqlx::PgPool;

use crate::{coordinator::Waker, store::subject_reads::subject_list_due, user::Wanted};

/// Users in one page.
const PAGE: i64 = 500;
/// Users who are woken at once.
const WAKING_MAX: usize = 16;
/// How long one user may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Looks for users whose prediction is of an earlier day.
#[derive(Clone)]
pub(crate) struct LateUsers {
    pub(crate) waker: Waker,
    pub(crate) pool: PgPool,
    pub(crate) clock: Clock,
    pub(crate) every: Duration,
}

impl LateUsers {
    /// As a supervised child.
    pub(crate) fn child(self) -> Child {
        background::every("analytics late users", self.every, move || {
            let late = self.clone();
            async move {
                match late.look().await {
                    Ok(0) => {}
                    Ok(moved) => tracing::info!(moved, "predictions of late users were made again"),
                    Err(refusal) => {
                        tracing::warn!(code = %refusal.code, "late users could not be looked for");
                    }
                }
            }
        })
    }

    /// One round over all of them. One who cannot be moved on is met again in the next.
    async fn look(&self) -> Result<usize, Refusal> {
        let today = self.clock.now().date_naive();
        let (mut moved, mut after) = (0, None);
        loop {
            let page =
                database::read(&self.pool, || subject_list_due(&self.pool, today, after, PAGE));
            let page = page.await.map_err(|error| database::refusal(&error))?;
            let Some(last) = page.last() else { return Ok(moved) };
            after = Some(*last);
            let waking = page.into_iter().map(|user_id| async move {
                let call = Call::new(Ids.request_id("late"), Ids.trace(), PATIENCE);
                let woken = self.waker.wake(&call, user_id, Wanted::Day(today)).await;
                woken.inspect_err(|refusal| {
                    tracing::warn!(%user_id, code = %refusal.code, "a late user could not be moved on");
                })
            });
            let woken = stream::iter(waking).buffer_unordered(WAKING_MAX);
            moved += woken.filter(|woken| std::future::ready(woken.is_ok())).count().await;
        }
    }
}
