//! Noting what failed: it changes nothing that it could be written with.

use actor_runtime::{database, group_commit::WriteError};
use contracts::UserId;
use sqlx::PgPool;

use super::commit;
use crate::store::{self, NewAuditEntry};

/// Notes an attempt that failed.
pub(crate) async fn count(
    pool: &PgPool,
    user_id: UserId,
    entry: &NewAuditEntry,
) -> Result<(), WriteError> {
    let mut transaction = database::begin(pool).await?;
    store::audit_count_in_txn(&mut transaction, user_id, entry).await?;
    commit(transaction).await
}
