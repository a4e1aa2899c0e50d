//! Tombstones, and taking everything of a user away.

use chrono::{DateTime, Utc};
use contracts::{UserId, Version, events::ChangedUser};
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
               replaced_as_believed = DEFAULT, forget_before = NULL, total_cycles = DEFAULT,
               average_cycle_length = NULL, average_period_length = NULL,
               cycle_regularity = DEFAULT
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

/// Keeps those who have no tombstone.
pub(crate) async fn erased_list_missing(
    pool: &PgPool,
    users: &[ChangedUser],
) -> Result<Vec<ChangedUser>, sqlx::Error> {
    let (ids, versions): (Vec<i64>, Vec<i64>) =
        users.iter().map(|user| (user.user_id.get(), user.version.get())).unzip();
    let rows = sqlx::query!(
        r#"SELECT owner.user_id AS "user_id!", owner.version AS "version!"
           FROM unnest($1::bigint[], $2::bigint[]) AS owner(user_id, version)
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
