//! Personal API tokens: sessions of a kind of their own.

use chrono::{DateTime, Utc};
use contracts::{Scopes, SessionId, UserId};
use sqlx::{PgConnection, PgPool};

use super::sessions::SecretHash;

/// An API token that is to be made.
pub(crate) struct NewApiToken<'a> {
    pub(crate) id: SessionId,
    pub(crate) name: &'a str,
    pub(crate) scopes: Scopes,
    pub(crate) token_hash: SecretHash,
    pub(crate) now: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
}

/// An API token as it is stored, without its hash.
pub(crate) struct ApiTokenRow {
    pub(crate) id: SessionId,
    pub(crate) name: String,
    pub(crate) scopes: Scopes,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) last_used_at: Option<DateTime<Utc>>,
    pub(crate) expires_at: DateTime<Utc>,
}

/// An API token that somebody came with.
pub(crate) struct FoundApiToken {
    pub(crate) id: SessionId,
    pub(crate) user_id: UserId,
    pub(crate) scopes: Scopes,
    pub(crate) expires_at: DateTime<Utc>,
}

/// Makes an API token; says how many the user has with it.
pub(crate) async fn api_token_insert_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    token: &NewApiToken<'_>,
) -> Result<i64, sqlx::Error> {
    let NewApiToken { id, name, scopes, token_hash, now, expires_at } = token;
    sqlx::query!(
        r#"INSERT INTO session (id, user_id, kind, label, scopes, token_hash, created_at, expires_at)
           VALUES ($1, $2, 'api_token', $3, $4, $5, $6, $7)"#,
        id.get(),
        user_id.get(),
        name,
        scopes.to_string(),
        token_hash,
        now,
        expires_at,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM session
           WHERE user_id = $1 AND kind = 'api_token' AND expires_at > $2"#,
        user_id.get(),
        now,
    )
    .fetch_one(connection)
    .await
}

/// The API tokens of a user, the newest first.
pub(crate) async fn api_tokens_list(
    pool: &PgPool,
    user_id: UserId,
    now: DateTime<Utc>,
) -> Result<Vec<ApiTokenRow>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT id, label AS "label!", scopes AS "scopes!", created_at, last_used_at, expires_at
           FROM session WHERE user_id = $1 AND kind = 'api_token' AND expires_at > $2
           ORDER BY created_at DESC, id"#,
        user_id.get(),
        now,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| ApiTokenRow {
            id: SessionId::new(row.id),
            name: row.label,
            scopes: Scopes::parse(&row.scopes),
            created_at: row.created_at,
            last_used_at: row.last_used_at,
            expires_at: row.expires_at,
        })
        .collect())
}

/// Ends an API token of a user, and says whether there was one.
pub(crate) async fn api_token_end_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    token_id: SessionId,
) -> Result<bool, sqlx::Error> {
    let ended = sqlx::query!(
        r#"WITH ended AS (
               DELETE FROM session WHERE user_id = $1 AND id = $2 AND kind = 'api_token'
               RETURNING id)
           INSERT INTO revocation (session_id) SELECT id FROM ended"#,
        user_id.get(),
        token_id.get(),
    )
    .execute(connection)
    .await?;
    Ok(ended.rows_affected() > 0)
}

/// Whose an API token is. The token is the proof, so nobody is named.
pub(crate) async fn api_token_find_in_txn(
    connection: &mut PgConnection,
    token_hash: &SecretHash,
    now: DateTime<Utc>,
) -> Result<Option<FoundApiToken>, sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT session.id, session.user_id, session.scopes AS "scopes!", session.expires_at
           FROM session JOIN account ON account.id = session.user_id
           WHERE session.token_hash = $1 AND session.expires_at > $2 AND account.is_active"#,
        token_hash,
        now,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| FoundApiToken {
        id: SessionId::new(row.id),
        user_id: UserId::new(row.user_id),
        scopes: Scopes::parse(&row.scopes),
        expires_at: row.expires_at,
    }))
}

/// Notes that an API token of a user is used; says whether it is still there.
pub(crate) async fn api_token_use_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    token_id: SessionId,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let used = sqlx::query!(
        r#"UPDATE session SET last_used_at = $3
           WHERE user_id = $1 AND id = $2 AND kind = 'api_token'"#,
        user_id.get(),
        token_id.get(),
        now,
    )
    .execute(connection)
    .await?;
    Ok(used.rows_affected() == 1)
}
