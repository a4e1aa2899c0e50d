//! Forgetting what is older than users want it kept: an hourly look, and for each user who is due a
//! write like any other, so that everything that hangs on it follows.

use std::time::Duration;

use actor_runtime::{
    background,
    clock::{Clock, Ids},
    database, faults,
    group_commit::{AfterCommit, Write, WriteError},
    seal::KeyRing,
    supervisor::Child,
};
use contracts::{Call, UserId};
use sqlx::PgPool;

use crate::{
    store,
    writes::{ForgetOld, Versioned},
};

/// How often users are looked for who have something too old.
pub const RETENTION_EVERY: Duration = Duration::from_hours(1);
/// Users in one page.
const PAGE: i64 = 500;
/// How long one user may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Looks for what is too old.
#[derive(Clone)]
pub(crate) struct RetentionJob {
    pub(crate) pool: PgPool,
    pub(crate) clock: Clock,
    pub(crate) keys: KeyRing,
    pub(crate) every: Duration,
    pub(crate) after_commit: AfterCommit,
}

impl RetentionJob {
    /// As a supervised child.
    pub(crate) fn child(self) -> Child {
        background::every("cycles retention", self.every, move || {
            let job = self.clone();
            async move {
                match job.look().await {
                    Ok(0) => {}
                    Ok(users) => tracing::info!(users, "forgot what was too old"),
                    Err(error) => {
                        let cause = database::describe(&error);
                        tracing::warn!(%cause, "what is too old could not be looked for");
                    }
                }
            }
        })
    }

    /// One round over all who are due. One who cannot be served holds nobody else up, and is met again
    /// in the next.
    async fn look(&self) -> Result<usize, sqlx::Error> {
        let today = self.clock.now().date_naive();
        let (mut served, mut after) = (0, None);
        loop {
            let page = database::read(&self.pool, || {
                store::retention_list_due(&self.pool, today, after, PAGE)
            });
            let page = page.await?;
            let Some((last, _)) = page.last() else { return Ok(served) };
            after = Some(*last);
            let due = page.into_iter().filter(|(_, is_due)| *is_due);
            for (user_id, _) in due {
                match self.forget(user_id).await {
                    Ok(()) => served += 1,
                    Err(WriteError::Database(error)) if database::is_away(&error) => {
                        return Err(error);
                    }
                    Err(WriteError::Database(error)) => {
                        let cause = database::describe(&error);
                        tracing::error!(%user_id, %cause, "what is too old could not be forgotten");
                    }
                    // They changed their mind, or were erased, in between.
                    Err(WriteError::Refused(_) | WriteError::Raced) => {}
                }
            }
        }
    }

    async fn forget(&self, user_id: UserId) -> Result<(), WriteError> {
        let call = Call::new(Ids.request_id("retention"), Ids.trace(), PATIENCE);
        let (change, keys) = (ForgetOld { user_id }, self.keys.clone());
        let write = Versioned { change, call, fingerprint: None, clock: self.clock, keys };
        let mut transaction = database::begin(&self.pool).await?;
        write.apply_in_txn(&mut transaction).await?;
        faults::point("cycles.retention.before_commit");
        transaction.commit().await?;
        (self.after_commit)(user_id);
        Ok(())
    }
}
