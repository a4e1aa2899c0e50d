//! Which predictions are made from something else after a change: a prediction anchored at a cycle
//! has the greatest input version of the cycles up to it, so the first cycle whose predictions
//! change is marked.
//!
//! A prediction is made from the cycles up to its anchor, and from the episodes and signs of
//! ovulation that begin before the start after it.

use chrono::NaiveDate;
use contracts::UserId;
use sqlx::PgConnection;

use crate::{observation, writes::Stamp};

/// A start came, went or moved on each of these days: the cycle after it has another length before
/// it. If an episode or a sign of ovulation is dated between the day and that cycle, it has changed
/// from one gap into another, and the cycle before is marked too.
pub(crate) async fn inputs_changed_around(
    connection: &mut PgConnection,
    user_id: UserId,
    days: &[NaiveDate],
    stamp: Stamp,
) -> Result<(), sqlx::Error> {
    let observations = observation::TYPES.map(str::to_owned);
    sqlx::query!(
        r#"WITH around AS (
               SELECT days.day,
                      (SELECT max(start_date) FROM cycle
                       WHERE user_id = $1 AND start_date < days.day) AS before,
                      (SELECT min(start_date) FROM cycle
                       WHERE user_id = $1 AND start_date > days.day) AS after
               FROM unnest($2::date[]) AS days(day)
           )
           UPDATE cycle SET input_version = $3, input_changed_at = $4
           WHERE user_id = $1 AND start_date IN (
               SELECT after FROM around
               UNION ALL
               SELECT before FROM around
               WHERE EXISTS (SELECT FROM episode
                             WHERE user_id = $1 AND start_date >= day
                               AND start_date < coalesce(after, 'infinity'))
                  OR EXISTS (SELECT FROM symptom
                             WHERE user_id = $1 AND date >= day
                               AND date < coalesce(after, 'infinity')
                               AND symptom_type = ANY($5)))"#,
        user_id.get(),
        days,
        stamp.version.get(),
        stamp.at,
        &observations[..],
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// An episode or a sign of ovulation of this day came, went or changed: the cycle in which the day
/// lies is marked, or the first one if the day lies before all.
pub(crate) async fn inputs_changed_from(
    connection: &mut PgConnection,
    user_id: UserId,
    day: NaiveDate,
    stamp: Stamp,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"UPDATE cycle SET input_version = $3, input_changed_at = $4
           WHERE user_id = $1 AND start_date = coalesce(
               (SELECT max(start_date) FROM cycle WHERE user_id = $1 AND start_date <= $2),
               (SELECT min(start_date) FROM cycle WHERE user_id = $1))"#,
        user_id.get(),
        day,
        stamp.version.get(),
        stamp.at,
    )
    .execute(connection)
    .await?;
    Ok(())
}
