//! What changes passwords and second factors, each in a transaction of its own: they are rare, and
//! come after a hashed password.

use actor_runtime::{database, group_commit::WriteError, seal::DataKey};
use chrono::{DateTime, Utc};
use contracts::{
    Call, UserId,
    users::{AuditKind, User},
};
use sqlx::PgPool;

use super::{commit, sessions::prove_session_in_txn};
use crate::{
    passwords::StoredHash,
    store::{self, NewAuditEntry, SecretHash},
    throttle,
};

/// A password that is set by a link.
pub(crate) struct Reset<'a> {
    pub(crate) user: &'a User,
    pub(crate) token_hash: &'a SecretHash,
    pub(crate) hash: &'a StoredHash,
    pub(crate) key: &'a DataKey,
}

/// Sets another password in the place of the one that was proved, and ends every other session. False
/// if the former one is another by now.
pub(crate) async fn change_password(
    pool: &PgPool,
    call: &Call,
    user_id: UserId,
    former: &StoredHash,
    hash: &StoredHash,
    now: DateTime<Utc>,
) -> Result<bool, WriteError> {
    let mut transaction = database::begin(pool).await?;
    store::account_lock_in_txn(&mut transaction, user_id).await?;
    let session_id = prove_session_in_txn(&mut transaction, call, user_id, now).await?;
    let entry = NewAuditEntry::of(call, AuditKind::PasswordChanged, now);
    store::audit_insert_in_txn(&mut transaction, user_id, &entry).await?;
    let updated =
        store::password_update_in_txn(&mut transaction, user_id, Some(former), hash, now).await?;
    if !updated {
        return Ok(false);
    }
    store::sessions_end_all_in_txn(&mut transaction, user_id, Some(session_id)).await?;
    store::reset_delete_all_in_txn(&mut transaction, user_id).await?;
    commit(transaction).await?;
    Ok(true)
}

/// Sets a password by a link, which is used up with all others, and ends every session. Whoever did
/// it is the owner, so failures of others do not keep them waiting. False if the link does not count
/// any more.
pub(crate) async fn reset_password(
    pool: &PgPool,
    call: &Call,
    reset: &Reset<'_>,
    now: DateTime<Utc>,
) -> Result<bool, WriteError> {
    let Reset { user, token_hash, hash, key } = reset;
    let mut transaction = database::begin(pool).await?;
    store::account_lock_in_txn(&mut transaction, user.id).await?;
    let entry = NewAuditEntry::of(call, AuditKind::PasswordReset, now);
    store::audit_insert_in_txn(&mut transaction, user.id, &entry).await?;
    let updated = store::password_update_in_txn(&mut transaction, user.id, None, hash, now).await?;
    let used = store::reset_use_in_txn(&mut transaction, user.id, token_hash, now).await?;
    if !updated || !used {
        return Ok(false);
    }
    store::sessions_end_all_in_txn(&mut transaction, user.id, None).await?;
    store::reset_delete_all_in_txn(&mut transaction, user.id).await?;
    throttle::welcome_in_txn(&mut transaction, key, &user.email, call.origin, now).await?;
    commit(transaction).await?;
    Ok(true)
}

/// Keeps a second factor that is to be confirmed. False if there is one that is.
pub(crate) async fn enrol_second_factor(
    pool: &PgPool,
    call: &Call,
    user_id: UserId,
    secret_sealed: &[u8],
    now: DateTime<Utc>,
) -> Result<bool, WriteError> {
    let mut transaction = database::begin(pool).await?;
    prove_session_in_txn(&mut transaction, call, user_id, now).await?;
    let enrolled =
        store::second_factor_enrol_in_txn(&mut transaction, user_id, secret_sealed, now).await?;
    commit(transaction).await?;
    Ok(enrolled)
}

/// Confirms a second factor, and keeps its recovery codes. False if there is none to be confirmed.
pub(crate) async fn confirm_second_factor(
    pool: &PgPool,
    call: &Call,
    user_id: UserId,
    (secret_sealed, step): (&[u8], i64),
    code_hashes: &[Vec<u8>],
    now: DateTime<Utc>,
) -> Result<bool, WriteError> {
    let mut transaction = database::begin(pool).await?;
    prove_session_in_txn(&mut transaction, call, user_id, now).await?;
    let entry = NewAuditEntry::of(call, AuditKind::SecondFactorEnabled, now);
    store::audit_insert_in_txn(&mut transaction, user_id, &entry).await?;
    let confirm =
        store::second_factor_confirm_in_txn(&mut transaction, user_id, secret_sealed, step, now);
    if !confirm.await? {
        return Ok(false);
    }
    store::recovery_codes_replace_in_txn(&mut transaction, user_id, code_hashes).await?;
    commit(transaction).await?;
    Ok(true)
}

/// Keeps other recovery codes.
pub(crate) async fn renew_recovery_codes(
    pool: &PgPool,
    call: &Call,
    user_id: UserId,
    code_hashes: &[Vec<u8>],
    now: DateTime<Utc>,
) -> Result<(), WriteError> {
    let mut transaction = database::begin(pool).await?;
    prove_session_in_txn(&mut transaction, call, user_id, now).await?;
    let entry = NewAuditEntry::of(call, AuditKind::RecoveryCodesRenewed, now);
    store::audit_insert_in_txn(&mut transaction, user_id, &entry).await?;
    store::recovery_codes_replace_in_txn(&mut transaction, user_id, code_hashes).await?;
    commit(transaction).await
}

/// Removes a second factor. One that was not confirmed was never asked for, and is not told of. False
/// if there was none.
pub(crate) async fn remove_second_factor(
    pool: &PgPool,
    call: &Call,
    user_id: UserId,
    was_confirmed: bool,
    now: DateTime<Utc>,
) -> Result<bool, WriteError> {
    let mut transaction = database::begin(pool).await?;
    prove_session_in_txn(&mut transaction, call, user_id, now).await?;
    if was_confirmed {
        let entry = NewAuditEntry::of(call, AuditKind::SecondFactorDisabled, now);
        store::audit_insert_in_txn(&mut transaction, user_id, &entry).await?;
    }
    if !store::second_factor_delete_in_txn(&mut transaction, user_id).await? {
        return Ok(false);
    }
    commit(transaction).await?;
    Ok(true)
}

/// Uses a recovery code up; says whether it was one.
pub(crate) async fn use_recovery_code(
    pool: &PgPool,
    user_id: UserId,
    code_hash: &SecretHash,
    entry: &NewAuditEntry,
) -> Result<bool, WriteError> {
    let mut transaction = database::begin(pool).await?;
    store::audit_insert_in_txn(&mut transaction, user_id, entry).await?;
    if !store::recovery_code_use_in_txn(&mut transaction, user_id, code_hash).await? {
        return Ok(false);
    }
    commit(transaction).await?;
    Ok(true)
}

/// Keeps a link by which a new password can be set.
pub(crate) async fn keep_reset(
    pool: &PgPool,
    user_id: UserId,
    token_hash: &SecretHash,
    expires_at: DateTime<Utc>,
    entry: &NewAuditEntry,
) -> Result<(), sqlx::Error> {
    let mut transaction = database::begin(pool).await?;
    store::audit_insert_in_txn(&mut transaction, user_id, entry).await?;
    store::reset_insert_in_txn(&mut transaction, user_id, token_hash, expires_at).await?;
    transaction.commit().await
}
