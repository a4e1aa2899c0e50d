//! Sessions and their refresh tokens.
//!
//! A session that ends has no row any more; its id stays in `revocation` until the last access
//! token of it has expired. Whoever changes what lets somebody in (password, erasure) ends sessions
//! by [`sessions_end_all_in_txn`], in the same transaction.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{SessionId, UserId, users::AuditKind};
use sqlx::{PgConnection, PgPool};

/// A refresh token is not good any more when its session was not used for so long.
pub(crate) const IDLE_MAX: TimeDelta = TimeDelta::days(14);
/// A sign-in is good for so long, however much it is used.
pub(crate) const SIGN_IN_MAX: TimeDelta = TimeDelta::days(30);
/// Most places where somebody is signed in; one more ends the one that was not used for longest.
const SIGN_INS_MAX: i64 = 100;

/// The SHA-256 of a secret: all that is stored of it.
pub(crate) type SecretHash = [u8; 32];

/// A session that is to be opened.
pub(crate) struct NewSignIn<'a> {
    pub(crate) id: SessionId,
    /// The credentials that were proved: if they changed meanwhile, nothing is opened.
    pub(crate) credentials_version: i64,
    pub(crate) device: Option<&'a str>,
    pub(crate) refresh_hash: SecretHash,
    /// Where it is opened from.
    pub(crate) network: Option<&'a str>,
    pub(crate) now: DateTime<Utc>,
}

/// A session as it is found by one of its refresh tokens, locked.
pub(crate) struct FoundSession {
    pub(crate) id: SessionId,
    pub(crate) user_id: UserId,
    pub(crate) expires_at: DateTime<Utc>,
    pub(crate) last_used_at: DateTime<Utc>,
    pub(crate) account_is_active: bool,
    /// When that token was first spent, if it was.
    pub(crate) spent_at: Option<DateTime<Utc>>,
}

/// The one refresh token of a session that can be spent.
pub(crate) struct LiveRefreshToken {
    pub(crate) hash: Vec<u8>,
    pub(crate) parent: Option<Vec<u8>>,
}

/// A place where somebody is signed in.
pub(crate) struct SignInRow {
    pub(crate) id: SessionId,
    pub(crate) label: Option<String>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) last_used_at: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
}

/// Opens a session with its first refresh token, and notes it: one statement, so one commit. False if the account
/// is gone, cannot be used, or has other credentials by now; whoever changes one of these waits for
/// this to be committed, and finds the session.
pub(crate) async fn sign_in_insert(
    pool: &PgPool,
    user_id: UserId,
    session: &NewSignIn<'_>,
) -> Result<bool, sqlx::Error> {
    let NewSignIn { id, credentials_version, device, refresh_hash, network, now } = session;
    let opened = sqlx::query_scalar!(
        r#"WITH owner AS (
               SELECT id FROM account
               WHERE id = $1 AND is_active AND credentials_version = $2 FOR SHARE),
           too_many AS (
               DELETE FROM session WHERE id IN (
                   SELECT id FROM session
                   WHERE user_id = (SELECT id FROM owner) AND kind = 'sign_in'
                   ORDER BY last_used_at DESC, id OFFSET $3)
               RETURNING id),
           ended AS (INSERT INTO revocation (session_id) SELECT id FROM too_many),
           opened AS (
               INSERT INTO session (id, user_id, kind, label, created_at, last_used_at, expires_at)
               SELECT $4, owner.id, 'sign_in', $5, $6, $6, $7 FROM owner
               RETURNING id),
           noted AS (
               INSERT INTO audit (user_id, at, kind, session_id, device, network, last_at)
               SELECT $1, $6, $9, opened.id, $5, $10, $6 FROM opened)
           INSERT INTO refresh_token (hash, session_id) SELECT $8, opened.id FROM opened
           RETURNING session_id"#,
        user_id.get(),
        credentials_version,
        SIGN_INS_MAX - 1,
        id.get(),
        *device,
        now,
        *now + SIGN_IN_MAX,
        refresh_hash,
        AuditKind::SignedIn.name(),
        *network,
    )
    .fetch_optional(pool)
    .await?;
    Ok(opened.is_some())
}

/// The session of a refresh token, locked until the transaction ends, spent or not. The token is the
/// proof, so nobody is named. The account's row is locked before it, as by whoever ends sessions.
pub(crate) async fn session_find_in_txn(
    connection: &mut PgConnection,
    refresh_hash: &SecretHash,
) -> Result<Option<FoundSession>, sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT session.id, session.user_id, session.expires_at,
                  session.last_used_at AS "last_used_at!", account.is_active,
                  refresh_token.spent_at
           FROM refresh_token
           JOIN session ON session.id = refresh_token.session_id
           JOIN account ON account.id = session.user_id
           WHERE refresh_token.hash = $1
           FOR KEY SHARE OF account FOR UPDATE OF session"#,
        refresh_hash,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| FoundSession {
        id: SessionId::new(row.id),
        user_id: UserId::new(row.user_id),
        expires_at: row.expires_at,
        last_used_at: row.last_used_at,
        account_is_active: row.is_active,
        spent_at: row.spent_at,
    }))
}

/// The token of a locked session that can be spent.
pub(crate) async fn live_refresh_token_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    session_id: SessionId,
) -> Result<Option<LiveRefreshToken>, sqlx::Error> {
    sqlx::query_as!(
        LiveRefreshToken,
        r#"SELECT refresh_token.hash, refresh_token.parent
           FROM refresh_token JOIN session ON session.id = refresh_token.session_id
           WHERE session.user_id = $1 AND session.id = $2 AND refresh_token.spent_at IS NULL"#,
        user_id.get(),
        session_id.get(),
    )
    .fetch_optional(connection)
    .await
}

/// Puts another token in the place of the one that could be spent, as the child of `parent`. While it
/// is not spent itself, its parent is taken once more; without a parent, nothing is.
pub(crate) async fn refresh_token_rotate_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    session_id: SessionId,
    parent: Option<&SecretHash>,
    successor: &SecretHash,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    // One after the other: the index that lets one token be live sees both within one statement.
    sqlx::query!(
        r#"UPDATE refresh_token SET spent_at = $3 FROM session
           WHERE session.user_id = $1 AND session.id = $2
             AND refresh_token.session_id = session.id AND refresh_token.spent_at IS NULL"#,
        user_id.get(),
        session_id.get(),
        now,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        r#"WITH used AS (
               UPDATE session SET last_used_at = $3 WHERE user_id = $1 AND id = $2 RETURNING id)
           INSERT INTO refresh_token (hash, session_id, parent) SELECT $4, id, $5 FROM used"#,
        user_id.get(),
        session_id.get(),
        now,
        successor,
        parent.map(<[u8; 32]>::as_slice),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Ends one session of a user, and says whether there was one.
pub(crate) async fn session_end_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    session_id: SessionId,
) -> Result<bool, sqlx::Error> {
    let ended = sqlx::query!(
        r#"WITH ended AS (DELETE FROM session WHERE user_id = $1 AND id = $2 RETURNING id)
           INSERT INTO revocation (session_id) SELECT id FROM ended"#,
        user_id.get(),
        session_id.get(),
    )
    .execute(connection)
    .await?;
    Ok(ended.rows_affected() > 0)
}

/// Ends every session of a user, personal API tokens among them, but one; says how many.
///
/// It takes the lock of the account's row, on which a sign-in that is under way waits or is waited
/// for: none slips through. So one that was proved by former credentials opens nothing after this,
/// if the same transaction raises `account.credentials_version` (or `is_active` falls, or the row
/// goes).
pub(crate) async fn sessions_end_all_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    except: Option<SessionId>,
) -> Result<u64, sqlx::Error> {
    sqlx::query!("SELECT id FROM account WHERE id = $1 FOR UPDATE", user_id.get())
        .fetch_optional(&mut *connection)
        .await?;
    let ended = sqlx::query!(
        r#"WITH ended AS (
               DELETE FROM session WHERE user_id = $1 AND ($2::uuid IS NULL OR id <> $2)
               RETURNING id)
           INSERT INTO revocation (session_id) SELECT id FROM ended"#,
        user_id.get(),
        except.map(SessionId::get),
    )
    .execute(connection)
    .await?;
    Ok(ended.rows_affected())
}

/// Whether a sign-in is there and has not expired. It takes no lock: one that ends at the same time
/// might as well have ended a little later.
pub(crate) async fn session_is_live_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    session_id: SessionId,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let found = sqlx::query_scalar!(
        r#"SELECT id FROM session
           WHERE user_id = $1 AND id = $2 AND kind = 'sign_in' AND expires_at > $3"#,
        user_id.get(),
        session_id.get(),
        now,
    )
    .fetch_optional(connection)
    .await?;
    Ok(found.is_some())
}

/// Where somebody is signed in, the latest used first.
pub(crate) async fn sign_ins_list(
    pool: &PgPool,
    user_id: UserId,
    now: DateTime<Utc>,
) -> Result<Vec<SignInRow>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT id, label, created_at, last_used_at AS "last_used_at!", expires_at FROM session
           WHERE user_id = $1 AND kind = 'sign_in' AND expires_at > $2 AND last_used_at > $3
           ORDER BY last_used_at DESC, id"#,
        user_id.get(),
        now,
        now - IDLE_MAX,
    )
    .fetch_all(pool)
    .await?;
    let sign_in = |id, label, created_at, last_used_at, expires_at| SignInRow {
        id: SessionId::new(id),
        label,
        created_at,
        last_used_at,
        expires_at,
    };
    let rows = rows.into_iter();
    Ok(rows
        .map(|row| sign_in(row.id, row.label, row.created_at, row.last_used_at, row.expires_at))
        .collect())
}
