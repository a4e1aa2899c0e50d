//! How long what was logged is kept, and forgetting what is older.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::{UserId, cycles::Retention};
use sqlx::{PgConnection, PgExecutor, PgPool};

use crate::{observation, writes::Stamp};

/// What the user wants; everything is kept of who never said anything.
pub(crate) async fn retention_get(
    executor: impl PgExecutor<'_>,
    user_id: UserId,
) -> Result<Retention, sqlx::Error> {
    let row = sqlx::query!(
        "SELECT months, forget_before FROM retention WHERE user_id = $1",
        user_id.get(),
    )
    .fetch_optional(executor)
    .await?;
    Ok(match row {
        Some(row) => Retention { months: Some(row.months), forget_before: Some(row.forget_before) },
        None => Retention { months: None, forget_before: None },
    })
}

/// Keeps what the user wants, and up to where it was carried out.
pub(crate) async fn retention_put_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    months: i16,
    forget_before: NaiveDate,
    at: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"INSERT INTO retention (user_id, months, forget_before, updated_at)
           VALUES ($1, $2, $3, $4)
           ON CONFLICT (user_id) DO UPDATE SET
               months = excluded.months,
               forget_before = excluded.forget_before,
               updated_at = excluded.updated_at"#,
        user_id.get(),
        months,
        forget_before,
        at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// From now on everything is kept.
pub(crate) async fn retention_delete_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM retention WHERE user_id = $1", user_id.get())
        .execute(connection)
        .await?;
    Ok(())
}

/// Forgets what lies before a day: symptoms, episodes that ended before it, and cycles that began
/// before it. A cycle stays while a day of its period or a symptom of it is kept, since those hang on
/// it. Whether predictions are made from something else afterwards.
pub(crate) async fn old_delete_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    before: NaiveDate,
) -> Result<bool, sqlx::Error> {
    let observations = observation::TYPES.map(str::to_owned);
    let signs = sqlx::query_scalar!(
        r#"WITH gone AS (
               DELETE FROM symptom WHERE user_id = $1 AND date < $2 RETURNING symptom_type
           )
           SELECT count(*) FILTER (WHERE symptom_type = ANY($3)) AS "signs!" FROM gone"#,
        user_id.get(),
        before,
        &observations[..],
    )
    .fetch_one(&mut *connection)
    .await?;
    let episodes = sqlx::query!(
        "DELETE FROM episode WHERE user_id = $1 AND end_date < $2",
        user_id.get(),
        before
    )
    .execute(&mut *connection)
    .await?;
    let cycles = sqlx::query!(
        r#"DELETE FROM cycle
           WHERE user_id = $1 AND coalesce(end_date, start_date) < $2
             AND NOT EXISTS (SELECT FROM symptom
                             WHERE symptom.user_id = $1 AND symptom.cycle_id = cycle.id)"#,
        user_id.get(),
        before,
    )
    .execute(connection)
    .await?;
    Ok(signs > 0 || episodes.rows_affected() > 0 || cycles.rows_affected() > 0)
}

/// Marks the first cycle that is left: everything after it is predicted from something else.
pub(crate) async fn inputs_changed_in_all(
    connection: &mut PgConnection,
    user_id: UserId,
    stamp: Stamp,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"UPDATE cycle SET input_version = $2, input_changed_at = $3
           WHERE user_id = $1
             AND start_date = (SELECT min(start_date) FROM cycle WHERE user_id = $1)"#,
        user_id.get(),
        stamp.version.get(),
        stamp.at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// A page of users who do not want everything kept, by id, and whether something is older on a day than
/// they want it. All of them are told, so that a statement looks at so many and no more.
pub(crate) async fn retention_list_due(
    pool: &PgPool,
    today: NaiveDate,
    after: Option<UserId>,
    limit: i64,
) -> Result<Vec<(UserId, bool)>, sqlx::Error> {
    let users = sqlx::query!(
        r#"SELECT page.user_id,
                  page.until > page.forget_before
                  AND (EXISTS (SELECT FROM symptom
                               WHERE symptom.user_id = page.user_id AND symptom.date < page.until)
                       OR EXISTS (
                           SELECT FROM episode
                           WHERE episode.user_id = page.user_id AND episode.end_date < page.until)
                       OR EXISTS (
                           SELECT FROM cycle
                           WHERE cycle.user_id = page.user_id
                             AND coalesce(cycle.end_date, cycle.start_date) < page.until
                             AND NOT EXISTS (SELECT FROM symptom
                                             WHERE symptom.user_id = page.user_id
                                               AND symptom.cycle_id = cycle.id
                                               AND symptom.date >= page.until))) AS "is_due!"
           FROM (SELECT user_id, forget_before,
                        ($1::date - make_interval(months => months))::date AS until
                 FROM retention WHERE user_id > $2 ORDER BY user_id LIMIT $3) page
           ORDER BY page.user_id"#,
        today,
        after.map_or(0, UserId::get),
        limit,
    )
    .fetch_all(pool)
    .await?;
    Ok(users.into_iter().map(|row| (UserId::new(row.user_id), row.is_due)).collect())
}
