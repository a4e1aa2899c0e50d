//! Erasing a user: everything goes in one transaction, and a tombstone stays, so that no write that
//! is late brings anything back.

use actor_runtime::{
    clock::{Clock, Ids},
    database,
    erasure::Erase,
    faults, outbox,
};
use contracts::{
    Call, Refusal, UserId,
    events::{Topic, Verb},
};
use futures::future::BoxFuture;
use sqlx::PgPool;

use crate::store;

/// Erases users.
pub(crate) struct CyclesErasure {
    pub(crate) pool: PgPool,
    pub(crate) clock: Clock,
}

impl CyclesErasure {
    /// A write of the user that is under way has the user's outbox row, so the bump waits for it; one
    /// that comes later waits for this one, finds no row, begins anew with version 1, and then looks
    /// for a tombstone (`Versioned`).
    async fn erase_rows(&self, call: &Call, user_id: UserId) -> Result<(), sqlx::Error> {
        let mut transaction = database::begin(&self.pool).await?;
        database::take_time_in_txn(&mut transaction).await?;
        let (topic, verb) = (Topic::CycleChanged, Verb::Deleted);
        outbox::bump_in_txn(&mut transaction, user_id, topic, verb, call, Ids).await?;
        store::erased_insert_in_txn(&mut transaction, user_id, self.clock.now()).await?;
        store::user_delete_in_txn(&mut transaction, user_id).await?;
        faults::point("cycles.erase.before_commit");
        transaction.commit().await?;
        faults::point("cycles.erase.after_commit");
        Ok(())
    }
}

impl Erase for CyclesErasure {
    fn erase(&self, call: Call, user_id: UserId) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(async move {
            let erased = self.erase_rows(&call, user_id).await;
            erased.map_err(|error| database::refusal(&error))
        })
    }

    fn erased_of(&self, users: Vec<UserId>) -> BoxFuture<'_, Result<Vec<UserId>, Refusal>> {
        Box::pin(async move {
            let erased = database::read(&self.pool, || store::erased_of(&self.pool, &users));
            erased.await.map_err(|error| database::refusal(&error))
        })
    }
}
