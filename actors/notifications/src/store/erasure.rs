//! Tombstones, and taking everything of a user away.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::UserId;
use sqlx::{PgConnection, PgPool};

/// Takes everything of a user away. The row that stays is the tombstone, and empty. The caller holds
/// its lock, as every writer does, so none is under way.
pub(crate) async fn user_erase_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    at: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let user_id = user_id.get();
    sqlx::query!(
        r#"UPDATE subject SET
               erased_at = coalesce(erased_at, $2),
               applied_version = DEFAULT, as_of_version = DEFAULT, prediction_id = NULL,
               anchor_cycle_id = NULL, predicted_start_date = NULL
           WHERE user_id = $1"#,
        user_id,
        at,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!("DELETE FROM notification WHERE user_id = $1", user_id)
        .execute(&mut *connection)
        .await?;
    sqlx::query!("DELETE FROM preferences WHERE user_id = $1", user_id)
        .execute(&mut *connection)
        .await?;
    sqlx::query!("DELETE FROM idempotency WHERE user_id = $1", user_id).execute(connection).await?;
    Ok(())
}

/// Forgets the notifications of before a day. The caller holds the lock of the user's subject row.
pub(crate) async fn notification_delete_before_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    before: NaiveDate,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"DELETE FROM notification
           WHERE user_id = $1 AND scheduled_for < ($2::date)::timestamp AT TIME ZONE 'UTC'"#,
        user_id.get(),
        before,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Those of these users who have a tombstone.
pub(crate) async fn erased_of(pool: &PgPool, users: &[UserId]) -> Result<Vec<UserId>, sqlx::Error> {
    let users: Vec<i64> = users.iter().map(|user_id| user_id.get()).collect();
    let erased = sqlx::query_scalar!(
        "SELECT user_id FROM subject WHERE user_id = ANY($1) AND erased_at IS NOT NULL",
        &users,
    )
    .fetch_all(pool)
    .await?;
    Ok(erased.into_iter().map(UserId::new).collect())
}
