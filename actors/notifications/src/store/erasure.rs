//! Tombstones, and taking everything of a user away.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::{UserId, Version, events::ChangedUser};
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

/// Keeps those who have no tombstone.
pub(crate) async fn erased_list_missing(
    pool: &PgPool,
    users: &[ChangedUser],
) -> Result<Vec<ChangedUser>, sqlx::Error> {
    let ids: Vec<i64> = users.iter().map(|user| user.user_id.get()).collect();
    let versions: Vec<i64> = users.iter().map(|user| user.version.get()).collect();
    let rows = sqlx::query!(
        r#"SELECT owner.user_id AS "user_id!", owner.version AS "version!"
           FROM unnest($1::bigint[], $2::bigint[]) AS owner (user_id, version)
           WHERE NOT EXISTS (SELECT FROM subject
                             WHERE subject.user_id = owner.user_id AND erased_at IS NOT NULL)
           ORDER BY owner.user_id"#,
        &ids,
        &versions,
    )
    .fetch_all(pool)
    .await?;
    let missing = rows.into_iter().map(|row| ChangedUser {
        user_id: UserId::new(row.user_id),
        version: Version::new(row.version),
    });
    Ok(missing.collect())
}
