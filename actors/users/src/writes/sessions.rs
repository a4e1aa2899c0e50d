//! What changes sessions and API tokens, each in a transaction of its own: they are rare, or come
//! after a hashed password.

use actor_runtime::{database, group_commit::WriteError};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    Call, ErrorKind, Refusal, SessionId, UserId,
    users::{AuditKind, User},
};
use sqlx::{PgConnection, PgPool};

use super::commit;
use crate::store::{self, FoundApiToken, FoundSession, NewApiToken, NewAuditEntry, SecretHash};

/// Most personal API tokens of a user.
const API_TOKENS_MAX: i64 = 50;
/// For so long after a refresh token was first spent, whoever lost the answer may ask again and again:
/// what loses one answer, a server that is too busy for one, loses the next few as well.
const ASKED_AGAIN_WITHIN: TimeDelta = TimeDelta::minutes(1);

/// What came of a refresh.
pub(crate) enum Refreshed {
    /// The session of this account goes on with the new token.
    Session(FoundSession, User),
    /// It does not: the token was never one, its session is over, or it was spent before.
    Refused,
}

/// Spends a refresh token for its successor.
///
/// A token that was spent before is taken again, as long as its successor was never used: then the
/// answer that held the successor was lost, and the successor is put aside for another one. Within
/// [`ASKED_AGAIN_WITHIN`] of the first time that is so again and again; later it is so once, since that
/// successor has no parent. Any other spent token means that two have the same one, and one of them
/// stole it: the session ends.
///
/// Whatever can fail comes before the commit: what fails after it would be one more lost answer.
pub(crate) async fn refresh(
    pool: &PgPool,
    call: &Call,
    spent: &SecretHash,
    successor: &SecretHash,
    now: DateTime<Utc>,
) -> Result<Refreshed, WriteError> {
    let mut transaction = database::begin(pool).await?;
    let Some(session) = store::session_find_in_txn(&mut transaction, spent).await? else {
        return Ok(Refreshed::Refused);
    };
    let FoundSession { id, user_id, expires_at, last_used_at, account_is_active, spent_at } =
        session;
    let has_run_out = now >= expires_at || now >= last_used_at + store::IDLE_MAX;
    let live = store::live_refresh_token_in_txn(&mut transaction, user_id, id).await?;
    let is_live = live.as_ref().is_some_and(|live| live.hash == spent);
    let was_lost = live.and_then(|live| live.parent).is_some_and(|parent| parent == spent);
    let may_go_on = is_live || was_lost;
    if has_run_out || !may_go_on || !account_is_active {
        if !may_go_on {
            tracing::warn!(session_id = %id, "a spent refresh token came again: the session ends");
            let call = Call { session: Some(id), ..call.clone() };
            let entry = NewAuditEntry::of(&call, AuditKind::RefreshTokenReused, now);
            store::audit_insert_in_txn(&mut transaction, user_id, &entry).await?;
        }
        store::session_end_in_txn(&mut transaction, user_id, id).await?;
        commit(transaction).await?;
        return Ok(Refreshed::Refused);
    }
    let is_asked_again = spent_at.is_some_and(|at| now < at + ASKED_AGAIN_WITHIN);
    let parent = (is_live || is_asked_again).then_some(spent);
    let rotate =
        store::refresh_token_rotate_in_txn(&mut transaction, user_id, id, parent, successor, now);
    rotate.await?;
    let user = store::account_read(&mut *transaction, user_id).await?;
    let user = user.ok_or_else(Refusal::unauthenticated)?;
    commit(transaction).await?;
    Ok(Refreshed::Session(session, user))
}

/// Ends the session of the call itself. One that is over already is over.
pub(crate) async fn logout(
    pool: &PgPool,
    call: &Call,
    user_id: UserId,
    now: DateTime<Utc>,
) -> Result<u64, WriteError> {
    let session_id = call.session.ok_or_else(Refusal::unauthenticated)?;
    let mut transaction = database::begin(pool).await?;
    let entry = NewAuditEntry::of(call, AuditKind::SignedOut, now);
    store::audit_insert_in_txn(&mut transaction, user_id, &entry).await?;
    if !store::session_end_in_txn(&mut transaction, user_id, session_id).await? {
        return Ok(0);
    }
    commit(transaction).await?;
    Ok(1)
}

/// Ends every session of a user.
pub(crate) async fn logout_everywhere(
    pool: &PgPool,
    call: &Call,
    user_id: UserId,
    now: DateTime<Utc>,
) -> Result<u64, WriteError> {
    let mut transaction = database::begin(pool).await?;
    store::account_lock_in_txn(&mut transaction, user_id).await?;
    prove_session_in_txn(&mut transaction, call, user_id, now).await?;
    let entry = NewAuditEntry::of(call, AuditKind::SessionsEnded, now);
    store::audit_insert_in_txn(&mut transaction, user_id, &entry).await?;
    let ended = store::sessions_end_all_in_txn(&mut transaction, user_id, None).await?;
    commit(transaction).await?;
    Ok(ended)
}

/// Ends one session of a user, or one API token if that is what is meant.
pub(crate) async fn end_session(
    pool: &PgPool,
    call: &Call,
    user_id: UserId,
    session_id: SessionId,
    now: DateTime<Utc>,
) -> Result<(), WriteError> {
    let mut transaction = database::begin(pool).await?;
    prove_session_in_txn(&mut transaction, call, user_id, now).await?;
    let entry = NewAuditEntry::of(call, AuditKind::SessionEnded, now).to(session_id);
    store::audit_insert_in_txn(&mut transaction, user_id, &entry).await?;
    if !store::session_end_in_txn(&mut transaction, user_id, session_id).await? {
        return Err(Refusal::not_found().into());
    }
    commit(transaction).await
}

/// Makes a personal API token.
pub(crate) async fn create_api_token(
    pool: &PgPool,
    call: &Call,
    user_id: UserId,
    token: &NewApiToken<'_>,
) -> Result<(), WriteError> {
    let mut transaction = database::begin(pool).await?;
    prove_session_in_txn(&mut transaction, call, user_id, token.now).await?;
    let entry = NewAuditEntry::of(call, AuditKind::ApiTokenCreated, token.now).to(token.id);
    store::audit_insert_in_txn(&mut transaction, user_id, &entry).await?;
    let count = store::api_token_insert_in_txn(&mut transaction, user_id, token).await?;
    if count > API_TOKENS_MAX {
        let detail = format!("At most {API_TOKENS_MAX} API tokens; revoke one first.");
        return Err(Refusal::new(ErrorKind::Conflict, "too-many-tokens", detail).into());
    }
    commit(transaction).await
}

/// Ends a personal API token.
pub(crate) async fn revoke_api_token(
    pool: &PgPool,
    call: &Call,
    user_id: UserId,
    token_id: SessionId,
    now: DateTime<Utc>,
) -> Result<(), WriteError> {
    let mut transaction = database::begin(pool).await?;
    prove_session_in_txn(&mut transaction, call, user_id, now).await?;
    let entry = NewAuditEntry::of(call, AuditKind::ApiTokenRevoked, now).to(token_id);
    store::audit_insert_in_txn(&mut transaction, user_id, &entry).await?;
    if !store::api_token_end_in_txn(&mut transaction, user_id, token_id).await? {
        return Err(Refusal::not_found().into());
    }
    commit(transaction).await
}

/// Whose a personal API token is, if it is one; it is used now.
pub(crate) async fn use_api_token(
    pool: &PgPool,
    call: &Call,
    token_hash: &SecretHash,
    now: DateTime<Utc>,
) -> Result<Option<FoundApiToken>, WriteError> {
    let mut transaction = database::begin(pool).await?;
    let Some(found) = store::api_token_find_in_txn(&mut transaction, token_hash, now).await? else {
        return Ok(None);
    };
    let (id, user_id) = (found.id, found.user_id);
    let call = Call { session: Some(id), ..call.clone() };
    let entry = NewAuditEntry::of(&call, AuditKind::ApiTokenUsed, now);
    store::audit_count_in_txn(&mut transaction, user_id, &entry).await?;
    if !store::api_token_use_in_txn(&mut transaction, user_id, id, now).await? {
        return Ok(None);
    }
    commit(transaction).await?;
    Ok(Some(found))
}

/// Makes sure that the call's session is one that still is. Access tokens outlive their session by
/// a few seconds where they are verified; what concerns the account itself does not rely on them.
///
/// # Errors
///
/// The one 401, also for a call without a session.
pub(crate) async fn prove_session_in_txn(
    connection: &mut PgConnection,
    call: &Call,
    user_id: UserId,
    now: DateTime<Utc>,
) -> Result<SessionId, WriteError> {
    let session_id = call.session.ok_or_else(Refusal::unauthenticated)?;
    if store::session_is_live_in_txn(connection, user_id, session_id, now).await? {
        Ok(session_id)
    } else {
        Err(Refusal::unauthenticated().into())
    }
}
