//! What proves who somebody is: passwords, links to set one, and the key of this group's secrets.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::{UserId, users::User};
use sqlx::{PgConnection, PgPool};

use crate::{passwords::StoredHash, validate};

/// An account and what proves that somebody is its owner.
pub(crate) struct Credentials {
    pub(crate) user: User,
    pub(crate) password_hash: StoredHash,
    /// Goes up whenever former credentials are not to count any more.
    pub(crate) version: i64,
    pub(crate) has_second_factor: bool,
}

/// The columns of `account` and `second_factor` that are read here.
struct Row {
    id: i64,
    email: String,
    username: String,
    password_hash: String,
    first_name: Option<String>,
    last_name: Option<String>,
    date_of_birth: Option<NaiveDate>,
    is_active: bool,
    created_at: DateTime<Utc>,
    credentials_version: i64,
    has_second_factor: bool,
}

impl From<Row> for Credentials {
    fn from(row: Row) -> Self {
        let Row {
            id,
            email,
            username,
            password_hash,
            first_name,
            last_name,
            date_of_birth,
            is_active,
            created_at,
            credentials_version,
            has_second_factor,
        } = row;
        Self {
            user: User {
                id: UserId::new(id),
                email,
                username,
                first_name,
                last_name,
                date_of_birth,
                created_at,
                is_active,
            },
            password_hash: StoredHash::new(password_hash),
            version: credentials_version,
            has_second_factor,
        }
    }
}

/// The account that has this e-mail address, however it is written.
pub(crate) async fn credentials_find(
    pool: &PgPool,
    email: &str,
) -> Result<Option<Credentials>, sqlx::Error> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT account.id, email, username, password_hash, first_name, last_name, date_of_birth,
                  is_active, account.created_at, credentials_version,
                  second_factor.confirmed_at IS NOT NULL AS "has_second_factor!"
           FROM account LEFT JOIN second_factor ON second_factor.user_id = account.id
           WHERE email_key = $1"#,
        validate::key_of(email),
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(Credentials::from))
}

/// The account of this user.
pub(crate) async fn credentials_read(
    pool: &PgPool,
    user_id: UserId,
) -> Result<Option<Credentials>, sqlx::Error> {
    let row = sqlx::query_as!(
        Row,
        r#"SELECT account.id, email, username, password_hash, first_name, last_name, date_of_birth,
                  is_active, account.created_at, credentials_version,
                  second_factor.confirmed_at IS NOT NULL AS "has_second_factor!"
           FROM account LEFT JOIN second_factor ON second_factor.user_id = account.id
           WHERE account.id = $1"#,
        user_id.get(),
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(Credentials::from))
}

/// Hashes the same password anew; not if it was changed meanwhile.
pub(crate) async fn password_rehash(
    pool: &PgPool,
    user_id: UserId,
    former: &StoredHash,
    hash: &StoredHash,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE account SET password_hash = $3 WHERE id = $1 AND password_hash = $2",
        user_id.get(),
        former.as_str(),
        hash.as_str(),
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Sets another password: what was proved by the former one opens no session any more. If a former one is given, it must still be that; says whether it was.
pub(crate) async fn password_update_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    former: Option<&StoredHash>,
    hash: &StoredHash,
    updated_at: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let updated = sqlx::query!(
        r#"UPDATE account
           SET password_hash = $3, updated_at = $4, credentials_version = credentials_version + 1
           WHERE id = $1 AND is_active AND ($2::text IS NULL OR password_hash = $2)"#,
        user_id.get(),
        former.map(StoredHash::as_str),
        hash.as_str(),
        updated_at,
    )
    .execute(connection)
    .await?;
    Ok(updated.rows_affected() == 1)
}

/// Keeps a link by which a new password can be set.
pub(crate) async fn reset_insert_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    token_hash: &[u8; 32],
    expires_at: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO password_reset (token_hash, user_id, expires_at) VALUES ($1, $2, $3)",
        token_hash,
        user_id.get(),
        expires_at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Whose password a link can set.
pub(crate) async fn reset_read(
    pool: &PgPool,
    token_hash: &[u8; 32],
    now: DateTime<Utc>,
) -> Result<Option<UserId>, sqlx::Error> {
    let user_id = sqlx::query_scalar!(
        "SELECT user_id FROM password_reset WHERE token_hash = $1 AND expires_at > $2",
        token_hash,
        now,
    )
    .fetch_optional(pool)
    .await?;
    Ok(user_id.map(UserId::new))
}

/// Uses a link up; says whether it was good. Of two who come with the same one the second waits
/// here, and finds it gone.
pub(crate) async fn reset_use_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    token_hash: &[u8; 32],
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let used = sqlx::query!(
        "DELETE FROM password_reset WHERE user_id = $1 AND token_hash = $2 AND expires_at > $3",
        user_id.get(),
        token_hash,
        now,
    )
    .execute(connection)
    .await?;
    Ok(used.rows_affected() == 1)
}

/// Takes back every link of somebody.
pub(crate) async fn reset_delete_all_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM password_reset WHERE user_id = $1", user_id.get())
        .execute(connection)
        .await?;
    Ok(())
}

/// The wrapped key of this group's secrets.
pub(crate) async fn data_key_read(pool: &PgPool) -> Result<Option<Vec<u8>>, sqlx::Error> {
    sqlx::query_scalar!("SELECT wrapped FROM data_key").fetch_optional(pool).await
}

/// Keeps a wrapped key, unless somebody else was faster.
pub(crate) async fn data_key_insert(pool: &PgPool, fresh: &[u8]) -> Result<(), sqlx::Error> {
    sqlx::query!("INSERT INTO data_key (wrapped) VALUES ($1) ON CONFLICT DO NOTHING", fresh)
        .execute(pool)
        .await?;
    Ok(())
}

/// Replaces the wrapped key by the same one wrapped otherwise.
pub(crate) async fn data_key_replace(
    pool: &PgPool,
    former: &[u8],
    wrapped: &[u8],
) -> Result<(), sqlx::Error> {
    sqlx::query!("UPDATE data_key SET wrapped = $2 WHERE wrapped = $1", former, wrapped)
        .execute(pool)
        .await?;
    Ok(())
}
