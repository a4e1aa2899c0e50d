//! Attempts to prove who one is.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};

use crate::throttle::{Count, Name};

/// What is known of a name, if it counts.
pub(crate) async fn throttle_read(
    pool: &PgPool,
    name: &Name,
    now: DateTime<Utc>,
) -> Result<Option<Count>, sqlx::Error> {
    let row = sqlx::query!(
        "SELECT attempts, not_before, forget_at FROM throttle WHERE name = $1 AND forget_at > $2",
        name,
        now,
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|row| Count {
        attempts: row.attempts.try_into().unwrap_or_default(),
        not_before: row.not_before,
        forget_at: row.forget_at,
    }))
}

/// What is known of a name, which nobody else counts until the transaction ends. One that is new
/// gets a row that says nothing: what is not there cannot be locked.
pub(crate) async fn throttle_lock_in_txn(
    connection: &mut PgConnection,
    name: &Name,
    now: DateTime<Utc>,
) -> Result<Option<Count>, sqlx::Error> {
    let row = sqlx::query!(
        r#"INSERT INTO throttle (name, attempts, not_before, forget_at) VALUES ($1, 0, $2, $2)
           ON CONFLICT (name) DO UPDATE SET attempts = throttle.attempts
           RETURNING attempts, not_before, forget_at"#,
        name,
        now,
    )
    .fetch_one(connection)
    .await?;
    let count = Count {
        attempts: row.attempts.try_into().unwrap_or_default(),
        not_before: row.not_before,
        forget_at: row.forget_at,
    };
    Ok((count.forget_at > now).then_some(count))
}

/// Writes what is known of a name that is locked.
pub(crate) async fn throttle_write_in_txn(
    connection: &mut PgConnection,
    name: &Name,
    count: &Count,
) -> Result<(), sqlx::Error> {
    let Count { attempts, not_before, forget_at } = count;
    sqlx::query!(
        "UPDATE throttle SET attempts = $2, not_before = $3, forget_at = $4 WHERE name = $1",
        name,
        i32::try_from(*attempts).unwrap_or(i32::MAX),
        not_before,
        forget_at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes one attempt back, which was let through: so there was no wait before it.
pub(crate) async fn throttle_take_back_in_txn(
    connection: &mut PgConnection,
    name: &Name,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"UPDATE throttle
           SET attempts = greatest(attempts - 1, 0), not_before = least(not_before, $2)
           WHERE name = $1"#,
        name,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Forgets a name.
pub(crate) async fn throttle_delete_in_txn(
    connection: &mut PgConnection,
    name: &Name,
) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM throttle WHERE name = $1", name).execute(connection).await?;
    Ok(())
}

/// Forgets what counts no longer: at most so many names and links at once, and how many there were.
pub(crate) async fn credentials_purge(
    pool: &PgPool,
    now: DateTime<Utc>,
    batch: i64,
) -> Result<u64, sqlx::Error> {
    let names = sqlx::query!(
        r#"DELETE FROM throttle WHERE name IN (
               SELECT name FROM throttle WHERE forget_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)"#,
        now,
        batch,
    )
    .execute(pool)
    .await?;
    let links = sqlx::query!(
        r#"DELETE FROM password_reset WHERE token_hash IN (
               SELECT token_hash FROM password_reset WHERE expires_at <= $1
               LIMIT $2 FOR UPDATE SKIP LOCKED)"#,
        now,
        batch,
    )
    .execute(pool)
    .await?;
    Ok(names.rows_affected().max(links.rows_affected()))
}
