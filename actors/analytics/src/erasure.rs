//! Erasing a user: by the user's own actor, so that it forgets what it remembers, and nothing that it
//! has under way comes after.

use actor_runtime::{database, erasure::Erase};
use contracts::{Call, Refusal, UserId, events::ChangedUser};
use futures::future::BoxFuture;
use sqlx::PgPool;

use crate::{coordinator::Waker, store::erasure::erased_list_missing, user::Wanted};

/// Erases users.
pub(crate) struct AnalyticsErasure {
    pub(crate) waker: Waker,
    pub(crate) pool: PgPool,
}

impl Erase for AnalyticsErasure {
    fn erase(&self, call: Call, user_id: UserId) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(async move {
            let erased = self.waker.wake(&call, user_id, Wanted::Erased).await.map(drop);
            self.waker.let_go(user_id);
            erased
        })
    }

    /// Another process may have erased them, and the actor of this one still remember.
    fn without_tombstone(
        &self,
        users: Vec<ChangedUser>,
    ) -> BoxFuture<'_, Result<Vec<ChangedUser>, Refusal>> {
        Box::pin(async move {
            for user in &users {
                self.waker.let_go(user.user_id);
            }
            let missing = database::read(&self.pool, || erased_list_missing(&self.pool, &users));
            missing.await.map_err(|error| database::refusal(&error))
        })
    }
}
