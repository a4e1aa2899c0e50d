//! Erasing a person here, and what the groups answer.

use actor_runtime::{clock::Ids, database, faults, group_commit::WriteError, outbox};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    Call, Refusal, SessionId, UserId,
    events::{Topic, Verb},
    users::{ErasingGroup, Erasure},
};
use sqlx::{PgConnection, PgPool};

use super::{commit, sessions::prove_session_in_txn};
use crate::{ledger::LedgerEntry, store};

/// How long the groups have to answer before they are told again.
const PATIENCE: TimeDelta = TimeDelta::minutes(1);

/// Erases an account whose credentials of version `proven` were proved: personal data, credentials, sessions,
/// answers that were kept; the tombstone and the event. All of it or nothing.
pub(crate) async fn erase_account(
    pool: &PgPool,
    call: &Call,
    user_id: UserId,
    proven: i64,
    now: DateTime<Utc>,
) -> Result<Erasure, WriteError> {
    let mut transaction = database::begin(pool).await?;
    let credentials_version = store::account_lock_in_txn(&mut transaction, user_id).await?;
    prove_session_in_txn(&mut transaction, call, user_id, now).await?;
    // Gone, or the password was changed since it was proved: who erases has to know the new one.
    if credentials_version != Some(proven) {
        return Err(Refusal::unauthenticated().into());
    }
    store::sessions_end_all_in_txn(&mut transaction, user_id, None).await?;
    let entry = LedgerEntry { user_id, receipt: Ids.event_id(), erased_at: now };
    erase_in_txn(&mut transaction, call, &entry, call.session).await?;
    let erasure = store::erasure_of_user(&mut *transaction, user_id).await?;
    faults::point("users.erase.before_commit");
    commit(transaction).await?;
    faults::point("users.erase.after_commit");
    erasure.ok_or_else(|| Refusal::internal().into())
}

/// Takes everything of a person away and leaves the tombstone, and tells the groups. One who has a
/// tombstone keeps it. Whether it is a new one.
pub(crate) async fn erase_in_txn(
    connection: &mut PgConnection,
    call: &Call,
    entry: &LedgerEntry,
    asked_by: Option<SessionId>,
) -> Result<bool, sqlx::Error> {
    let LedgerEntry { user_id, erased_at, receipt: _ } = *entry;
    tell_in_txn(connection, call, user_id).await?;
    let next_look_at = erased_at + PATIENCE;
    let is_new = store::erasure_insert_in_txn(connection, entry, asked_by, next_look_at).await?;
    store::account_delete_in_txn(connection, user_id).await?;
    Ok(is_new)
}

/// A group says that it holds nothing of a user any more. Whether that was news.
pub(crate) async fn erasure_done(
    pool: &PgPool,
    user_id: UserId,
    group: ErasingGroup,
    at: DateTime<Utc>,
) -> Result<bool, WriteError> {
    let mut transaction = database::begin(pool).await?;
    let is_news = store::erasure_done_in_txn(&mut transaction, user_id, group, at).await?;
    faults::point("users.erasure_done.before_commit");
    commit(transaction).await?;
    faults::point("users.erasure_done.after_commit");
    Ok(is_news)
}

/// Tells the groups again about a user whom not all of them have erased.
pub(crate) async fn tell_again(
    pool: &PgPool,
    call: &Call,
    user_id: UserId,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let mut transaction = database::begin(pool).await?;
    if store::erasure_wait_in_txn(&mut transaction, user_id, now).await? {
        tell_in_txn(&mut transaction, call, user_id).await?;
    }
    transaction.commit().await
}

async fn tell_in_txn(
    connection: &mut PgConnection,
    call: &Call,
    user_id: UserId,
) -> Result<(), sqlx::Error> {
    let (topic, verb) = (Topic::UserErased, Verb::Deleted);
    outbox::bump_in_txn(connection, user_id, topic, verb, call, Ids).await?;
    Ok(())
}
