//! The audit log, for who it is about.

use std::sync::Arc;

use actor_runtime::{database, group_commit::WriteError, tasks};
use contracts::{
    Call, Refusal, UserId,
    users::{AuditPage, ListAudit},
};

use super::{Service, refusal_of};
use crate::{
    store::{self, NewAuditEntry},
    writes::{audit as writes, sessions::prove_session_in_txn},
};

/// Entries of one page.
const PAGE_MAX: i64 = 100;

impl Service {
    /// What was done to one's account. A session that has ended is not told.
    pub(crate) async fn list_audit(
        self: Arc<Self>,
        call: Call,
        request: ListAudit,
    ) -> Result<AuditPage, Refusal> {
        let user_id = request.user_id;
        let request = ListAudit { limit: request.limit.clamp(1, PAGE_MAX), ..request };
        let connection = self.pool.acquire().await;
        let mut connection = connection.map_err(|error| database::refusal(&error))?;
        let proving = prove_session_in_txn(&mut connection, &call, user_id, self.clock.now());
        proving.await.map_err(refusal_of)?;
        drop(connection);
        let read = || store::audit_list(&self.pool, user_id, &request);
        database::read(&self.pool, read).await.map_err(|error| database::refusal(&error))
    }

    /// Notes an attempt that failed, while whoever made it is answered: how long an answer takes must
    /// not tell whether there is such an account.
    pub(crate) fn note_failure(&self, user_id: UserId, entry: NewAuditEntry) {
        let Ok(place) = Arc::clone(&self.notes).try_acquire_owned() else {
            tracing::warn!(%user_id, "too much is being noted: a failed attempt is not");
            return;
        };
        let pool = self.pool.clone();
        tasks::spawn(async move {
            let _until_noted = place;
            if let Err(error) = writes::count(&pool, user_id, &entry).await {
                let cause = match error {
                    WriteError::Database(error) => database::describe(&error),
                    other => refusal_of(other).code,
                };
                tracing::warn!(%user_id, %cause, "a failed attempt could not be noted");
            }
        });
    }
}
