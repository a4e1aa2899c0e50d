//! Erasing a user: by the user's own actor, so that it forgets what it remembers, and nothing that it
//! has under way comes after.

use actor_runtime::{database, erasure::Erase};
use contracts::{Call, Refusal, UserId};
use futures::future::BoxFuture;
use sqlx::PgPool;

use crate::{coordinator::Waker, store::erasure::erased_of, user::Wanted};

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
    fn erased_of(&self, users: Vec<UserId>) -> BoxFuture<'_, Result<Vec<UserId>, Refusal>> {
        Box::pin(async move {
            for user_id in &users {
                self.waker.let_go(*user_id);
            }
            let erased = database::read(&self.pool, || erased_of(&self.pool, &users));
            erased.await.map_err(|error| database::refusal(&error))
        })
    }
}
