//! Tombstones, and taking everything of a user away.

use chrono::{DateTime, Utc};
use contracts::UserId;
use sqlx::{PgConnection, PgPool};

/// Takes everything of a user away. The row that stays is the tombstone, and empty: its lock is what
/// every writer of derived state takes first, so none is under way, and none comes after it.
pub(crate) async fn user_erase_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    at: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let user_id = user_id.get();
    sqlx::query!(
        "INSERT INTO subject (user_id, erased_at) VALUES ($1, $2) ON CONFLICT (user_id) DO NOTHING",
        user_id,
        at,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        r#"UPDATE subject SET
               erased_at = coalesce(erased_at, $2),
               applied_version = DEFAULT, model_number = DEFAULT, person_version = NULL,
               date_of_birth = NULL, forecast_day = NULL, forecast_due = NULL, known = NULL,
               replaced_version = NULL, replaced_as_believed = DEFAULT, forget_before = NULL,
               total_cycles = DEFAULT, average_cycle_length = NULL,
               average_period_length = NULL, cycle_regularity = DEFAULT
           WHERE user_id = $1"#,
        user_id,
        at,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!("DELETE FROM prediction WHERE user_id = $1", user_id)
        .execute(&mut *connection)
        .await?;
    sqlx::query!("DELETE FROM cycle_analytics WHERE user_id = $1", user_id)
        .execute(&mut *connection)
        .await?;
    sqlx::query!("DELETE FROM outbox WHERE user_id = $1", user_id).execute(connection).await?;
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
