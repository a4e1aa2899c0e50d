//! Symptoms.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::{
    CycleId, SymptomId, UserId,
    cycles::Symptom,
    page::{Page, PageRequest},
};
use sqlx::{PgConnection, PgExecutor};

use super::cycles::CycleDates;
use crate::{
    observation,
    sealed::{Column, UserKey},
};

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

/// What has to be known before a symptom is inserted.
pub(crate) struct SymptomPlace {
    /// The cycle that it shall belong to.
    pub(crate) cycle: CycleDates,
    /// The id that it gets, which is a part of what its texts are sealed for.
    pub(crate) symptom_id: SymptomId,
    /// The user's data key, wrapped; none if nothing was sealed yet.
    pub(crate) wrapped: Option<Vec<u8>>,
    /// How many symptoms the cycle has.
    pub(crate) others: i64,
}

/// A page of symptoms, newest date first, and of one day the last logged first.
pub(crate) async fn symptom_page(
    executor: impl PgExecutor<'_>,
    user_id: UserId,
    mut key: UserKey<'_>,
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
                  page.value AS "value?", page.value_sealed AS "value_sealed?",
                  page.severity AS "severity?", page.notes AS "notes?",
                  page.notes_sealed AS "notes_sealed?", page.created_at AS "created_at?",
                  CASE WHEN num_nonnulls(page.value_sealed, page.notes_sealed) > 0 THEN
                      (SELECT wrapped FROM data_key WHERE user_id = $1)
                  END AS "wrapped?"
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
    let symptoms = rows.into_iter().filter_map(|row| {
        // The one row of an empty page has a total and no symptom.
        let row = SymptomRow {
            id: row.id?,
            cycle_id: row.cycle_id?,
            date: row.date?,
            symptom_type: row.symptom_type?,
            value: row.value,
            value_sealed: row.value_sealed,
            severity: row.severity,
            notes: row.notes,
            notes_sealed: row.notes_sealed,
            created_at: row.created_at?,
            wrapped: row.wrapped,
        };
        Some(row.open(user_id, &mut key))
    });
    Ok(Page { rows: symptoms.collect::<Result<_, _>>()?, total })
}

/// One symptom, for the one who will change it: the user's data key is known then, if there is one.
pub(crate) async fn symptom_get(
    executor: impl PgExecutor<'_>,
    user_id: UserId,
    key: &mut UserKey<'_>,
    symptom_id: SymptomId,
) -> Result<Option<Symptom>, sqlx::Error> {
    let row = sqlx::query_as!(
        SymptomRow,
        r#"SELECT id, cycle_id, date, symptom_type, value, value_sealed, severity, notes,
                  notes_sealed, created_at,
                  (SELECT wrapped FROM data_key WHERE user_id = $1) AS wrapped
           FROM symptom WHERE user_id = $1 AND id = $2"#,
        user_id.get(),
        symptom_id.get(),
    )
    .fetch_optional(executor)
    .await?;
    row.map(|row| row.open(user_id, key)).transpose()
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

/// What has to be known before a symptom of a cycle is inserted; none if there is no such cycle.
pub(crate) async fn symptom_place(
    executor: impl PgExecutor<'_>,
    user_id: UserId,
    cycle_id: CycleId,
) -> Result<Option<SymptomPlace>, sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT start_date, end_date, excluded,
                  (SELECT min(later.start_date) FROM cycle later
                   WHERE later.user_id = $1 AND later.start_date > cycle.start_date) AS next_start,
                  nextval('symptom_id_seq') AS "symptom_id!",
                  (SELECT wrapped FROM data_key WHERE user_id = $1) AS wrapped,
                  (SELECT count(*) FROM symptom WHERE user_id = $1 AND cycle_id = $2) AS "others!"
           FROM cycle WHERE user_id = $1 AND id = $2"#,
        user_id.get(),
        cycle_id.get(),
    )
    .fetch_optional(executor)
    .await?;
    Ok(row.map(|row| SymptomPlace {
        cycle: CycleDates {
            start_date: row.start_date,
            end_date: row.end_date,
            excluded: row.excluded,
            next_start: row.next_start,
        },
        symptom_id: SymptomId::new(row.symptom_id),
        wrapped: row.wrapped,
        others: row.others,
    }))
}

/// How many symptoms these cycles have; one without any is not named.
pub(crate) async fn symptom_counts(
    executor: impl PgExecutor<'_>,
    user_id: UserId,
    cycle_ids: &[CycleId],
) -> Result<Vec<(CycleId, i64)>, sqlx::Error> {
    let cycle_ids: Vec<i64> = cycle_ids.iter().map(|id| id.get()).collect();
    let rows = sqlx::query!(
        r#"SELECT cycle_id, count(*) AS "count!" FROM symptom
           WHERE user_id = $1 AND cycle_id = ANY($2) GROUP BY cycle_id"#,
        user_id.get(),
        &cycle_ids,
    )
    .fetch_all(executor)
    .await?;
    Ok(rows.into_iter().map(|row| (CycleId::new(row.cycle_id), row.count)).collect())
}

/// Inserts a symptom under the id that it was given.
pub(crate) async fn symptom_insert(
    connection: &mut PgConnection,
    user_id: UserId,
    key: &UserKey<'_>,
    symptom: &Symptom,
) -> Result<(), sqlx::Error> {
    let (value, notes) = seal(key, symptom)?;
    sqlx::query!(
        r#"INSERT INTO symptom (id, user_id, cycle_id, date, symptom_type, value_sealed, severity,
                                notes_sealed, created_at)
           OVERRIDING SYSTEM VALUE VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"#,
        symptom.id.get(),
        user_id.get(),
        symptom.cycle_id.get(),
        symptom.date,
        symptom.symptom_type,
        value,
        symptom.severity,
        notes,
        symptom.created_at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Stores what an edit made of a symptom.
pub(crate) async fn symptom_update(
    connection: &mut PgConnection,
    user_id: UserId,
    key: &UserKey<'_>,
    symptom: &Symptom,
) -> Result<(), sqlx::Error> {
    let (value, notes) = seal(key, symptom)?;
    sqlx::query!(
        r#"UPDATE symptom SET date = $3, symptom_type = $4, value = NULL, value_sealed = $5,
                              severity = $6, notes = NULL, notes_sealed = $7
           WHERE user_id = $1 AND id = $2"#,
        user_id.get(),
        symptom.id.get(),
        symptom.date,
        symptom.symptom_type,
        value,
        symptom.severity,
        notes,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Deletes a symptom, also one that cannot be opened. Returns its day and type; none if there was no
/// such symptom.
pub(crate) async fn symptom_delete(
    connection: &mut PgConnection,
    user_id: UserId,
    symptom_id: SymptomId,
) -> Result<Option<(NaiveDate, String)>, sqlx::Error> {
    let row = sqlx::query!(
        "DELETE FROM symptom WHERE user_id = $1 AND id = $2 RETURNING date, symptom_type",
        user_id.get(),
        symptom_id.get(),
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| (row.date, row.symptom_type)))
}

/// A symptom as it is stored: its texts are sealed, or stand in clear if they were written before
/// texts were sealed.
pub(super) struct SymptomRow {
    pub(super) id: i64,
    pub(super) cycle_id: i64,
    pub(super) date: NaiveDate,
    pub(super) symptom_type: String,
    pub(super) value: Option<String>,
    pub(super) value_sealed: Option<Vec<u8>>,
    pub(super) severity: Option<i16>,
    pub(super) notes: Option<String>,
    pub(super) notes_sealed: Option<Vec<u8>>,
    pub(super) created_at: DateTime<Utc>,
    /// The user's data key.
    pub(super) wrapped: Option<Vec<u8>>,
}

impl SymptomRow {
    /// The symptom as its owner sees it.
    pub(super) fn open(
        self,
        user_id: UserId,
        key: &mut UserKey<'_>,
    ) -> Result<Symptom, sqlx::Error> {
        let Self {
            id,
            cycle_id,
            date,
            symptom_type,
            value,
            value_sealed,
            severity,
            notes,
            notes_sealed,
            created_at,
            wrapped,
        } = self;
        key.learn(wrapped.as_deref())?;
        let value = key.text(Column::Value, id, value, value_sealed.as_deref())?;
        Ok(Symptom {
            id: SymptomId::new(id),
            cycle_id: CycleId::new(cycle_id),
            user_id,
            date,
            symptom_type,
            // A constraint of the table sees to it that there is one.
            value: value.ok_or(sqlx::Error::RowNotFound)?,
            severity,
            notes: key.text(Column::Notes, id, notes, notes_sealed.as_deref())?,
            created_at,
        })
    }
}

/// The texts of a symptom, sealed: value and notes.
pub(super) type SealedTexts = (Vec<u8>, Option<Vec<u8>>);

pub(super) fn seal(key: &UserKey<'_>, symptom: &Symptom) -> Result<SealedTexts, sqlx::Error> {
    let seal = |column, text: &str| key.seal(column, symptom.id.get(), text);
    let notes = symptom.notes.as_deref().map(|notes| seal(Column::Notes, notes));
    Ok((seal(Column::Value, &symptom.value)?, notes.transpose()?))
}
