//! Tombstones, and taking everything of a user away.

use chrono::{DateTime, Utc};
use contracts::UserId;
use sqlx::{PgConnection, PgExecutor, PgPool};

/// Whether the user was erased.
pub(crate) async fn erased_is(
    executor: impl PgExecutor<'_>,
    user_id: UserId,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM erased WHERE user_id = $1) AS "is_erased!""#,
        user_id.get(),
    )
    .fetch_one(executor)
    .await
}

/// Leaves a tombstone; the first one stays.
pub(crate) async fn erased_insert_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    at: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO erased (user_id, erased_at) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        user_id.get(),
        at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes every row of the user away but the tombstone. The outbox row goes last: until the commit it
/// is the lock that keeps the user's writes out.
pub(crate) async fn user_delete_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
) -> Result<(), sqlx::Error> {
    let user_id = user_id.get();
    // Without this row nothing that was sealed can be opened, whatever else is kept of it elsewhere.
    sqlx::query!("DELETE FROM data_key WHERE user_id = $1", user_id)
        .execute(&mut *connection)
        .await?;
    sqlx::query!("DELETE FROM idempotency WHERE user_id = $1", user_id)
        .execute(&mut *connection)
        .await?;
    sqlx::query!("DELETE FROM gap_answer WHERE user_id = $1", user_id)
        .execute(&mut *connection)
        .await?;
    sqlx::query!("DELETE FROM symptom WHERE user_id = $1", user_id)
        .execute(&mut *connection)
        .await?;
    sqlx::query!("DELETE FROM episode WHERE user_id = $1", user_id)
        .execute(&mut *connection)
        .await?;
    sqlx::query!("DELETE FROM cycle WHERE user_id = $1", user_id).execute(&mut *connection).await?;
    sqlx::query!("DELETE FROM retention WHERE user_id = $1", user_id)
        .execute(&mut *connection)
        .await?;
    sqlx::query!("DELETE FROM outbox WHERE user_id = $1", user_id).execute(connection).await?;
    Ok(())
}

/// Those of these users who have a tombstone.
pub(crate) async fn erased_of(pool: &PgPool, users: &[UserId]) -> Result<Vec<UserId>, sqlx::Error> {
    let users: Vec<i64> = users.iter().map(|user_id| user_id.get()).collect();
    let erased = sqlx::query_scalar!("SELECT user_id FROM erased WHERE user_id = ANY($1)", &users)
        .fetch_all(pool)
        .await?;
    Ok(erased.into_iter().map(UserId::new).collect())
}
