//! Symptoms.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::{
    CycleId, SymptomId, UserId,
    cycles::{LogSymptom, Symptom},
    page::{Page, PageRequest},
};
use sqlx::{PgConnection, PgExecutor};

use crate::observation;

/// Which symptoms of a user.
pub(crate) struct SymptomFilter {
    /// Only those of this cycle.
    pub(crate) cycle_id: Option<CycleId>,
    /// Only those of this type.
    pub(crate) symptom_type: Option<String>,
    /// Only days on or after this one.
    pub(crate) from: Option<NaiveDate>,
    /// Only days on or before this one.
    pub(crate) to: Option<NaiveDate>,
}

/// A page of symptoms, newest date first, and of one day the last logged first.
pub(crate) async fn symptom_page(
    executor: impl PgExecutor<'_>,
    user_id: UserId,
    filter: &SymptomFilter,
    page: PageRequest,
) -> Result<Page<Symptom>, sqlx::Error> {
    let SymptomFilter { cycle_id, symptom_type, from, to } = filter;
    let rows = sqlx::query!(
        r#"WITH matching AS (
               SELECT * FROM symptom
               WHERE user_id = $1
                 AND ($2::bigint IS NULL OR cycle_id = $2)
                 AND ($3::text IS NULL OR symptom_type = $3)
                 AND ($4::date IS NULL OR date >= $4)
                 AND ($5::date IS NULL OR date <= $5)
           ), page AS (
               SELECT * FROM matching ORDER BY date DESC, id DESC LIMIT $6 OFFSET $7
           )
           SELECT counted.total AS "total!", page.id AS "id?", page.cycle_id AS "cycle_id?",
                  page.date AS "date?", page.symptom_type AS "symptom_type?",
                  page.value AS "value?", page.severity AS "severity?", page.notes AS "notes?",
                  page.created_at AS "created_at?"
           FROM (SELECT count(*) AS total FROM matching) counted
           LEFT JOIN page ON true
           ORDER BY page.date DESC, page.id DESC"#,
        user_id.get(),
        cycle_id.map(CycleId::get),
        symptom_type.as_deref(),
        *from,
        *to,
        page.limit,
        page.offset,
    )
    .fetch_all(executor)
    .await?;

    let total = rows.first().map_or(0, |row| row.total);
    // The one row of an empty page has a total and no symptom.
    let symptoms = rows.into_iter().filter_map(|row| {
        let row = SymptomRow {
            id: row.id?,
            cycle_id: row.cycle_id?,
            date: row.date?,
            symptom_type: row.symptom_type?,
            value: row.value?,
            severity: row.severity,
            notes: row.notes,
            created_at: row.created_at?,
        };
        Some(row.into_symptom(user_id))
    });
    Ok(Page { rows: symptoms.collect(), total })
}

/// One symptom.
pub(crate) async fn symptom_get(
    executor: impl PgExecutor<'_>,
    user_id: UserId,
    symptom_id: SymptomId,
) -> Result<Option<Symptom>, sqlx::Error> {
    let row = sqlx::query_as!(
        SymptomRow,
        r#"SELECT id, cycle_id, date, symptom_type, value, severity, notes, created_at
           FROM symptom WHERE user_id = $1 AND id = $2"#,
        user_id.get(),
        symptom_id.get(),
    )
    .fetch_optional(executor)
    .await?;
    Ok(row.map(|row| row.into_symptom(user_id)))
}

/// A symptom of the cycle that would lie outside these dates: the earliest. Signs of ovulation may
/// lie after the end.
pub(crate) async fn symptom_outside(
    executor: impl PgExecutor<'_>,
    user_id: UserId,
    cycle_id: CycleId,
    (start, end): (NaiveDate, Option<NaiveDate>),
) -> Result<Option<SymptomId>, sqlx::Error> {
    let observations = observation::TYPES.map(str::to_owned);
    let outside = sqlx::query_scalar!(
        r#"SELECT id FROM symptom
           WHERE user_id = $1 AND cycle_id = $2
             AND (date < $3 OR date > $4 AND symptom_type <> ALL($5))
           ORDER BY date, id LIMIT 1"#,
        user_id.get(),
        cycle_id.get(),
        start,
        end,
        &observations[..],
    )
    .fetch_optional(executor)
    .await?;
    Ok(outside.map(SymptomId::new))
}

/// Inserts a symptom.
pub(crate) async fn symptom_insert(
    connection: &mut PgConnection,
    user_id: UserId,
    request: &LogSymptom,
    at: DateTime<Utc>,
) -> Result<Symptom, sqlx::Error> {
    let row = sqlx::query_as!(
        SymptomRow,
        r#"INSERT INTO symptom
               (user_id, cycle_id, date, symptom_type, value, severity, notes, created_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
           RETURNING id, cycle_id, date, symptom_type, value, severity, notes, created_at"#,
        user_id.get(),
        request.cycle_id.get(),
        request.date,
        request.symptom_type,
        request.value,
        request.severity,
        request.notes.as_deref(),
        at,
    )
    .fetch_one(connection)
    .await?;
    Ok(row.into_symptom(user_id))
}

/// Stores what an edit made of a symptom.
pub(crate) async fn symptom_update(
    connection: &mut PgConnection,
    user_id: UserId,
    symptom: &Symptom,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"UPDATE symptom SET date = $3, symptom_type = $4, value = $5, severity = $6, notes = $7
           WHERE user_id = $1 AND id = $2"#,
        user_id.get(),
        symptom.id.get(),
        symptom.date,
        symptom.symptom_type,
        symptom.value,
        symptom.severity,
        symptom.notes.as_deref(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Deletes a symptom. Returns what it was; none if there was no such symptom.
pub(crate) async fn symptom_delete(
    connection: &mut PgConnection,
    user_id: UserId,
    symptom_id: SymptomId,
) -> Result<Option<Symptom>, sqlx::Error> {
    let row = sqlx::query_as!(
        SymptomRow,
        r#"DELETE FROM symptom WHERE user_id = $1 AND id = $2
           RETURNING id, cycle_id, date, symptom_type, value, severity, notes, created_at"#,
        user_id.get(),
        symptom_id.get(),
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| row.into_symptom(user_id)))
}

struct SymptomRow {
    id: i64,
    cycle_id: i64,
    date: NaiveDate,
    symptom_type: String,
    value: String,
    severity: Option<i16>,
    notes: Option<String>,
    created_at: DateTime<Utc>,
}

impl SymptomRow {
    fn into_symptom(self, user_id: UserId) -> Symptom {
        let Self { id, cycle_id, date, symptom_type, value, severity, notes, created_at } = self;
        Symptom {
            id: SymptomId::new(id),
            cycle_id: CycleId::new(cycle_id),
            user_id,
            date,
            symptom_type,
            value,
            severity,
            notes,
            created_at,
        }
    }
}
