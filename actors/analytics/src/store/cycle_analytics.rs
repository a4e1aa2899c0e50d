//! `cycle_analytics`: the statistics of each cycle.

use contracts::{
    CycleId, UserId, Version,
    analytics::{CycleAnalytics, CycleAnalyticsList},
    page::PageRequest,
};
use sqlx::{PgConnection, PgPool};

use crate::log::fingerprints::Mark;

/// What is stored for each cycle of a user. The caller owns the transaction and the user's lock.
pub(crate) async fn cycle_analytics_list_marks_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
) -> Result<Vec<Mark>, sqlx::Error> {
    let rows = sqlx::query!(
        "SELECT id, forecast_fingerprint, fingerprint FROM cycle_analytics WHERE user_id = $1",
        user_id.get(),
    )
    .fetch_all(connection)
    .await?;
    let marks = rows.into_iter().map(|row| Mark {
        cycle_id: CycleId::new(row.id),
        forecast: row.forecast_fingerprint,
        all: row.fingerprint,
    });
    Ok(marks.collect())
}

/// Removes the rows of these cycles. The caller owns the transaction and the user's lock.
pub(crate) async fn cycle_analytics_delete_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    cycles: &[i64],
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "DELETE FROM cycle_analytics WHERE user_id = $1 AND id = ANY($2)",
        user_id.get(),
        cycles,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes these rows, new or changed. The caller owns the transaction and the user's lock.
pub(crate) async fn cycle_analytics_upsert_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    rows: &[(&CycleAnalytics, &Mark)],
) -> Result<(), sqlx::Error> {
    let mut columns = Columns::default();
    for (row, mark) in rows {
        columns.push(row, mark);
    }
    sqlx::query!(
        r#"INSERT INTO cycle_analytics (user_id, id, start_date, end_date, cycle_length,
               period_length, is_regular, average_cycle_length, cycle_variance, created_at,
               fingerprint, forecast_fingerprint)
           SELECT $1, * FROM unnest($2::bigint[], $3::date[], $4::date[], $5::integer[],
               $6::integer[], $7::boolean[], $8::float8[], $9::float8[], $10::timestamptz[],
               $11::bigint[], $12::bigint[])
           ON CONFLICT (user_id, id) DO UPDATE SET
               start_date = excluded.start_date,
               end_date = excluded.end_date,
               cycle_length = excluded.cycle_length,
               period_length = excluded.period_length,
               is_regular = excluded.is_regular,
               average_cycle_length = excluded.average_cycle_length,
               cycle_variance = excluded.cycle_variance,
               created_at = excluded.created_at,
               fingerprint = excluded.fingerprint,
               forecast_fingerprint = excluded.forecast_fingerprint"#,
        user_id.get(),
        &columns.id,
        &columns.start_date,
        &columns.end_date as &[Option<_>],
        &columns.cycle_length as &[Option<_>],
        &columns.period_length as &[Option<_>],
        &columns.is_regular as &[Option<_>],
        &columns.average_cycle_length as &[Option<_>],
        &columns.cycle_variance as &[Option<_>],
        &columns.created_at,
        &columns.fingerprint,
        &columns.forecast_fingerprint,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Says that the prediction anchored at a cycle was made again. The caller owns the transaction and
/// the user's lock.
pub(crate) async fn cycle_analytics_mark_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    mark: &Mark,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"UPDATE cycle_analytics SET fingerprint = $3, forecast_fingerprint = $4
           WHERE user_id = $1 AND id = $2"#,
        user_id.get(),
        mark.cycle_id.get(),
        mark.all,
        mark.forecast,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// A page of a user's rows, newest start first, with the version that they reflect: one statement,
/// so both are of the same instant.
pub(crate) async fn cycle_analytics_list_for_user(
    pool: &PgPool,
    user_id: UserId,
    page: PageRequest,
) -> Result<CycleAnalyticsList, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT
               coalesce((SELECT applied_version FROM subject WHERE user_id = $1), 0)
                   AS "as_of_version!",
               (SELECT count(*) FROM cycle_analytics WHERE user_id = $1) AS "total!",
               page.id AS "id?", page.start_date AS "start_date?", page.end_date AS "end_date?",
               page.cycle_length AS "cycle_length?", page.period_length AS "period_length?",
               page.is_regular AS "is_regular?",
               page.average_cycle_length AS "average_cycle_length?",
               page.cycle_variance AS "cycle_variance?", page.created_at AS "created_at?"
           FROM (VALUES (true)) AS always(yes)
           LEFT JOIN LATERAL (
               SELECT * FROM cycle_analytics WHERE user_id = $1
               ORDER BY start_date DESC LIMIT $2 OFFSET $3) page ON always.yes
           ORDER BY page.start_date DESC"#,
        user_id.get(),
        page.limit,
        page.offset,
    )
    .fetch_all(pool)
    .await?;
    let (as_of_version, total) = rows.first().map_or((0, 0), |row| (row.as_of_version, row.total));
    // An empty page is one row without an id.
    let analytics = rows.into_iter().filter_map(|row| {
        let id = CycleId::new(row.id?);
        Some(CycleAnalytics {
            id,
            user_id,
            cycle_id: id,
            start_date: row.start_date?,
            end_date: row.end_date,
            cycle_length: row.cycle_length,
            period_length: row.period_length,
            is_regular: row.is_regular,
            average_cycle_length: row.average_cycle_length,
            cycle_variance: row.cycle_variance,
            created_at: row.created_at?,
        })
    });
    Ok(CycleAnalyticsList {
        analytics: analytics.collect(),
        total,
        as_of_version: Version::new(as_of_version),
    })
}

/// Rows turned into the arrays that one statement takes.
#[derive(Default)]
struct Columns {
    id: Vec<i64>,
    start_date: Vec<chrono::NaiveDate>,
    end_date: Vec<Option<chrono::NaiveDate>>,
    cycle_length: Vec<Option<i32>>,
    period_length: Vec<Option<i32>>,
    is_regular: Vec<Option<bool>>,
    average_cycle_length: Vec<Option<f64>>,
    cycle_variance: Vec<Option<f64>>,
    created_at: Vec<chrono::DateTime<chrono::Utc>>,
    fingerprint: Vec<i64>,
    forecast_fingerprint: Vec<i64>,
}

impl Columns {
    fn push(&mut self, row: &CycleAnalytics, mark: &Mark) {
        let CycleAnalytics {
            id,
            user_id: _,
            cycle_id: _,
            start_date,
            end_date,
            cycle_length,
            period_length,
            is_regular,
            average_cycle_length,
            cycle_variance,
            created_at,
        } = row;
        self.id.push(id.get());
        self.start_date.push(*start_date);
        self.end_date.push(*end_date);
        self.cycle_length.push(*cycle_length);
        self.period_length.push(*period_length);
        self.is_regular.push(*is_regular);
        self.average_cycle_length.push(*average_cycle_length);
        self.cycle_variance.push(*cycle_variance);
        self.created_at.push(*created_at);
        self.fingerprint.push(mark.all);
        self.forecast_fingerprint.push(mark.forecast);
    }
}
