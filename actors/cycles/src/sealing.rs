//! Sealing what stands in clear because it was written before texts were sealed, and wrapping data
//! keys anew when another key has become the first of the ring. Both go on while the service runs,
//! in any number of processes, in small transactions, and begin where they were cut off.

use std::time::Duration;

use actor_runtime::{
    background,
    clock::Clock,
    database,
    seal::{KeyId, KeyRing},
    supervisor::Child,
};
use contracts::UserId;
use sqlx::{PgConnection, PgPool};

use crate::{sealed::UserKey, store};

/// How often it is looked for what is to be done: so long a new first key may go unnoticed.
pub const SEALING_EVERY: Duration = Duration::from_secs(30);
/// Users, and texts of one user, in one statement.
const BATCH: i64 = 200;

/// Seals and wraps.
#[derive(Clone)]
pub(crate) struct SealingJob {
    pub(crate) pool: PgPool,
    pub(crate) clock: Clock,
    pub(crate) keys: KeyRing,
    pub(crate) every: Duration,
}

/// What one round did.
#[derive(Default)]
struct Done {
    sealed: usize,
    wrapped: usize,
}

impl SealingJob {
    /// As a supervised child.
    pub(crate) fn child(self) -> Child {
        background::every("cycles sealing", self.every, move || {
            let job = self.clone();
            async move { job.look().await }
        })
    }

    async fn look(&self) {
        if let Err(error) = self.keys.reload() {
            tracing::warn!(%error, "the sealing keys cannot be read again");
        }
        let mut done = Done::default();
        let result = self.round(&mut done).await;
        let Done { sealed, wrapped } = done;
        if sealed > 0 {
            tracing::info!(symptoms = sealed, "sealed what stood in clear");
        }
        if wrapped > 0 {
            tracing::info!(data_keys = wrapped, "wrapped under the first key of the ring");
        }
        if let Err(error) = result {
            let cause = database::describe(&error);
            tracing::warn!(%cause, "sealing goes on later");
        }
    }

    async fn round(&self, done: &mut Done) -> Result<(), sqlx::Error> {
        let Self { pool, clock: _, keys, every: _ } = self;
        let mut after = None;
        loop {
            let users = database::read(pool, || store::in_clear_users(pool, after, BATCH)).await?;
            let Some(last) = users.last() else { break };
            after = Some(*last);
            for user_id in users {
                match self.seal(user_id).await {
                    Ok(sealed) => done.sealed += sealed,
                    Err(error) if database::is_away(&error) => return Err(error),
                    // One whose key cannot be used, or whose rows others hold, keeps nobody waiting.
                    Err(error) => {
                        let cause = database::describe(&error);
                        tracing::error!(%user_id, %cause, "what stands in clear stays so");
                    }
                }
            }
        }
        let current = keys.ids().first().copied();
        let used = database::read(pool, || store::data_key_wrapped_under(pool)).await?;
        for former in used.into_iter().filter(|id| Some(*id) != current) {
            if keys.ids().contains(&former) {
                done.wrapped += self.wrap_anew(former).await?;
            } else {
                tracing::error!(key = %former, "a key that is needed is not in the ring");
            }
        }
        Ok(())
    }

    /// Seals what stands in clear of one user.
    async fn seal(&self, user_id: UserId) -> Result<usize, sqlx::Error> {
        let mut sealed = 0;
        loop {
            let mut transaction = database::begin(&self.pool).await?;
            let now = self.seal_some(&mut transaction, user_id).await?;
            transaction.commit().await?;
            sealed += now;
            if i64::try_from(now).unwrap_or(i64::MAX) < BATCH {
                return Ok(sealed);
            }
        }
    }

    async fn seal_some(
        &self,
        connection: &mut PgConnection,
        user_id: UserId,
    ) -> Result<usize, sqlx::Error> {
        // Whoever was erased meanwhile has no row any more.
        if !store::user_lock_in_txn(&mut *connection, user_id).await? {
            return Ok(0);
        }
        let mut key = UserKey::new(&self.keys, user_id);
        let at = self.clock.now();
        store::data_key_require(&mut *connection, user_id, &mut key, at).await?;
        store::in_clear_seal_in_txn(connection, user_id, &key, BATCH).await
    }

    /// Wraps anew what is wrapped under a former key. A data key that cannot be unwrapped stays as
    /// it is, so that the former key is needed still, and says so.
    async fn wrap_anew(&self, former: KeyId) -> Result<usize, sqlx::Error> {
        let (mut wrapped, mut after) = (0, None);
        loop {
            let mut transaction = database::begin(&self.pool).await?;
            let found = store::data_key_list_in_txn(&mut transaction, former, after, BATCH).await?;
            let Some((last, _)) = found.last() else { return Ok(wrapped) };
            after = Some(*last);
            let (mut users, mut anew) = (Vec::new(), Vec::new());
            for (user_id, old) in &found {
                let key = self.keys.unwrap_key(*user_id, old);
                match key.and_then(|key| self.keys.wrap_key(*user_id, &key)) {
                    Ok(new) => {
                        users.push(*user_id);
                        anew.push(new);
                    }
                    Err(error) => {
                        tracing::error!(%user_id, %error, "a data key cannot be wrapped anew");
                    }
                }
            }
            store::data_key_replace_in_txn(&mut transaction, &users, &anew).await?;
            transaction.commit().await?;
            wrapped += users.len();
        }
    }
}
