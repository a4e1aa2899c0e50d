//! Cycles, as their owner sees them and as writes change them.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::{
    CycleId, UserId,
    cycles::Cycle,
    page::{Page, PageRequest},
};
use sqlx::{PgConnection, PgExecutor};

use super::symptoms::SymptomRow;
use crate::{observation, sealed::UserKey, timeline, writes::Stamp};

/// Which cycles of a user.
#[derive(Clone, Copy, Default)]
pub(crate) struct CycleFilter {
    /// Only this one.
    pub(crate) only: Option<CycleId>,
    /// Only starts on or after this day.
    pub(crate) from: Option<NaiveDate>,
    /// Only starts on or before this day.
    pub(crate) to: Option<NaiveDate>,
}

/// The dates of one cycle and the start of the next one, and whether it is excluded.
pub(crate) struct CycleDates {
    pub(crate) start_date: NaiveDate,
    pub(crate) end_date: Option<NaiveDate>,
    pub(crate) excluded: bool,
    pub(crate) next_start: Option<NaiveDate>,
}

/// What an edit may give a cycle.
pub(crate) struct CycleState {
    pub(crate) start: NaiveDate,
    pub(crate) end: Option<NaiveDate>,
    pub(crate) excluded: bool,
}

/// A cycle that was inserted.
pub(crate) struct InsertedCycle {
    pub(crate) id: CycleId,
    /// Whether it stands before another one, so that it has a length.
    pub(crate) has_next: bool,
    /// Whether an episode or a sign of ovulation is dated on its start or later.
    pub(crate) has_dated: bool,
    /// Whether something was said about the gap that it now ends.
    pub(crate) ends_answered_gap: bool,
    /// How many there were before.
    pub(crate) others: i64,
}

/// A page of cycles with their symptoms, newest start first: one statement, so that cycles and
/// symptoms are of one state.
pub(crate) async fn cycle_page(
    executor: impl PgExecutor<'_>,
    user_id: UserId,
    key: &mut UserKey<'_>,
    filter: CycleFilter,
    page: PageRequest,
) -> Result<Page<Cycle>, sqlx::Error> {
    let CycleFilter { only, from, to } = filter;
    // `total` and `median` have one row each, so the page may be empty and the total still there.
    let rows = sqlx::query_as!(
        CycleRow,
        r#"WITH timeline AS (
               SELECT id, start_date, end_date, excluded, created_at, updated_at,
                      lead(start_date) OVER (ORDER BY start_date) AS next_start
               FROM cycle WHERE user_id = $1
           ), explained AS (
               SELECT timeline.id FROM timeline
               WHERE EXISTS (SELECT FROM episode
                             WHERE episode.user_id = $1
                               AND episode.start_date < timeline.next_start
                               AND coalesce(episode.end_date, 'infinity') > timeline.start_date)
           ), matching AS (
               SELECT * FROM timeline
               WHERE ($2::bigint IS NULL OR id = $2)
                 AND ($3::date IS NULL OR start_date >= $3)
                 AND ($4::date IS NULL OR start_date <= $4)
           ), page AS (
               SELECT * FROM matching ORDER BY start_date DESC LIMIT $5 OFFSET $6
           ), usual AS (
               SELECT CASE WHEN count(*) >= 2 THEN
                          percentile_cont(0.5) WITHIN GROUP (ORDER BY next_start - start_date)
                      END AS median
               FROM timeline WHERE next_start IS NOT NULL AND NOT excluded
           )
           SELECT counted.total AS "total!", usual.median AS "median?",
                  page.id AS "id?", page.start_date AS "start_date?", page.end_date AS "end_date?",
                  page.id IN (SELECT id FROM explained) AS "is_explained?",
                  page.excluded AS "excluded?", page.next_start AS "next_start?",
                  page.created_at AS "created_at?", page.updated_at AS "updated_at?",
                  symptom.id AS "symptom_id?", symptom.date AS "date?",
                  symptom.symptom_type AS "symptom_type?", symptom.value AS "value?",
                  symptom.value_sealed AS "value_sealed?", symptom.severity AS "severity?",
                  symptom.notes AS "notes?", symptom.notes_sealed AS "notes_sealed?",
                  symptom.created_at AS "symptom_created_at?",
                  CASE WHEN num_nonnulls(symptom.value_sealed, symptom.notes_sealed) > 0 THEN
                      (SELECT wrapped FROM data_key WHERE user_id = $1)
                  END AS "wrapped?"
           FROM (SELECT count(*) AS total FROM matching) counted
           CROSS JOIN usual
           LEFT JOIN page ON true
           LEFT JOIN symptom ON symptom.user_id = $1 AND symptom.cycle_id = page.id
           ORDER BY page.start_date DESC, symptom.date DESC, symptom.id DESC"#,
        user_id.get(),
        only.map(CycleId::get),
        from,
        to,
        page.limit,
        page.offset,
    )
    .fetch_all(executor)
    .await?;

    let total = rows.first().map_or(0, |row| row.total);
    let mut cycles: Vec<Cycle> = Vec::new();
    for row in rows {
        let Some((cycle, symptom)) = row.into_parts(user_id) else { continue };
        if cycles.last().is_none_or(|last| last.id != cycle.id) {
            cycles.push(cycle);
        }
        if let (Some(last), Some(symptom)) = (cycles.last_mut(), symptom) {
            last.symptoms.push(symptom.open(user_id, key)?);
        }
    }
    Ok(Page { rows: cycles, total })
}

/// One cycle, exactly as the list shows it.
pub(crate) async fn cycle_get(
    executor: impl PgExecutor<'_>,
    user_id: UserId,
    key: &mut UserKey<'_>,
    cycle_id: CycleId,
) -> Result<Option<Cycle>, sqlx::Error> {
    let filter = CycleFilter { only: Some(cycle_id), from: None, to: None };
    let one = PageRequest { limit: 1, offset: 0 };
    let page = cycle_page(executor, user_id, key, filter, one).await?;
    Ok(page.rows.into_iter().next())
}

/// The dates of one cycle.
pub(crate) async fn cycle_dates(
    executor: impl PgExecutor<'_>,
    user_id: UserId,
    cycle_id: CycleId,
) -> Result<Option<CycleDates>, sqlx::Error> {
    sqlx::query_as!(
        CycleDates,
        r#"SELECT start_date, end_date, excluded,
                  (SELECT min(later.start_date) FROM cycle later
                   WHERE later.user_id = $1 AND later.start_date > cycle.start_date) AS next_start
           FROM cycle WHERE user_id = $1 AND id = $2"#,
        user_id.get(),
        cycle_id.get(),
    )
    .fetch_optional(executor)
    .await
}

/// Another cycle of the user whose period shares a day with this one.
pub(crate) async fn cycle_overlapping(
    executor: impl PgExecutor<'_>,
    user_id: UserId,
    (start, end): (NaiveDate, Option<NaiveDate>),
    except: Option<CycleId>,
) -> Result<Option<CycleId>, sqlx::Error> {
    let other = sqlx::query_scalar!(
        r#"SELECT id FROM cycle
           WHERE user_id = $1
             AND daterange(start_date, coalesce(end_date, start_date), '[]')
                 && daterange($2::date, coalesce($3::date, $2::date), '[]')
             AND ($4::bigint IS NULL OR id <> $4)
           ORDER BY start_date LIMIT 1"#,
        user_id.get(),
        start,
        end,
        except.map(CycleId::get),
    )
    .fetch_optional(executor)
    .await?;
    Ok(other.map(CycleId::new))
}

/// Inserts a cycle. None if its period overlaps another one: that is no error here, so the
/// transaction can still say which.
pub(crate) async fn cycle_insert(
    connection: &mut PgConnection,
    user_id: UserId,
    (start, end): (NaiveDate, Option<NaiveDate>),
    stamp: Stamp,
) -> Result<Option<InsertedCycle>, sqlx::Error> {
    let observations = observation::TYPES.map(str::to_owned);
    let row = sqlx::query!(
        r#"WITH inserted AS (
               INSERT INTO cycle (user_id, start_date, end_date, input_version, input_changed_at,
                                  created_at, updated_at)
               VALUES ($1, $2, $3, $4, $5, $5, $5)
               ON CONFLICT DO NOTHING RETURNING id
           ), previous AS (
               SELECT id FROM cycle WHERE user_id = $1 AND start_date < $2
               ORDER BY start_date DESC LIMIT 1
           )
           SELECT id,
                  EXISTS (SELECT FROM cycle WHERE user_id = $1 AND start_date > $2)
                      AS "has_next!",
                  EXISTS (SELECT FROM episode WHERE user_id = $1 AND start_date >= $2)
                      OR EXISTS (SELECT FROM symptom WHERE user_id = $1 AND date >= $2
                                 AND symptom_type = ANY($6))
                      AS "has_dated!",
                  EXISTS (SELECT FROM gap_answer, previous
                          WHERE user_id = $1 AND cycle_id = previous.id)
                      AS "ends_answered_gap!",
                  (SELECT count(*) FROM cycle WHERE user_id = $1) AS "others!"
           FROM inserted"#,
        user_id.get(),
        start,
        end,
        stamp.version.get(),
        stamp.at,
        &observations[..],
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| InsertedCycle {
        id: CycleId::new(row.id),
        has_next: row.has_next,
        has_dated: row.has_dated,
        ends_answered_gap: row.ends_answered_gap,
        others: row.others,
    }))
}

/// Gives a cycle what an edit says. Its input version changes only if that is something else.
pub(crate) async fn cycle_update(
    connection: &mut PgConnection,
    user_id: UserId,
    cycle_id: CycleId,
    state: &CycleState,
    stamp: Stamp,
) -> Result<(), sqlx::Error> {
    let &CycleState { start, end, excluded } = state;
    sqlx::query!(
        r#"WITH before AS (
               SELECT (start_date, end_date, excluded) IS DISTINCT FROM ($3, $4, $5) AS differs
               FROM cycle WHERE user_id = $1 AND id = $2
           )
           UPDATE cycle SET
               start_date = $3, end_date = $4, excluded = $5, updated_at = $7,
               input_version = CASE WHEN differs THEN $6 ELSE input_version END,
               input_changed_at = CASE WHEN differs THEN $7 ELSE input_changed_at END
           FROM before WHERE user_id = $1 AND id = $2"#,
        user_id.get(),
        cycle_id.get(),
        start,
        end,
        excluded,
        stamp.version.get(),
        stamp.at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Deletes a cycle, its symptoms, and what was said about its gap. Returns its start; none if there was no such cycle.
pub(crate) async fn cycle_delete(
    connection: &mut PgConnection,
    user_id: UserId,
    cycle_id: CycleId,
) -> Result<Option<NaiveDate>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"WITH symptoms AS (DELETE FROM symptom WHERE user_id = $1 AND cycle_id = $2)
           DELETE FROM cycle WHERE user_id = $1 AND id = $2 RETURNING start_date"#,
        user_id.get(),
        cycle_id.get(),
    )
    .fetch_optional(connection)
    .await
}

/// A cycle of the page beside one of its symptoms.
struct CycleRow {
    total: i64,
    median: Option<f64>,
    id: Option<i64>,
    start_date: Option<NaiveDate>,
    end_date: Option<NaiveDate>,
    excluded: Option<bool>,
    next_start: Option<NaiveDate>,
    is_explained: Option<bool>,
    created_at: Option<DateTime<Utc>>,
    updated_at: Option<DateTime<Utc>>,
    symptom_id: Option<i64>,
    date: Option<NaiveDate>,
    symptom_type: Option<String>,
    value: Option<String>,
    value_sealed: Option<Vec<u8>>,
    severity: Option<i16>,
    notes: Option<String>,
    notes_sealed: Option<Vec<u8>>,
    symptom_created_at: Option<DateTime<Utc>>,
    wrapped: Option<Vec<u8>>,
}

impl CycleRow {
    /// The cycle, still without symptoms, and the symptom; none in the one row of an empty page.
    fn into_parts(self, user_id: UserId) -> Option<(Cycle, Option<SymptomRow>)> {
        let Self {
            total: _,
            median,
            id,
            start_date,
            end_date,
            excluded,
            next_start,
            is_explained,
            created_at,
            updated_at,
            symptom_id,
            date,
            symptom_type,
            value,
            value_sealed,
            severity,
            notes,
            notes_sealed,
            symptom_created_at,
            wrapped,
        } = self;
        let (cycle_id, start_date) = (CycleId::new(id?), start_date?);
        let cycle_length = timeline::cycle_length(start_date, next_start);
        let cycle = Cycle {
            id: cycle_id,
            user_id,
            start_date,
            end_date,
            cycle_length,
            period_length: timeline::period_length(start_date, end_date),
            marks: timeline::marks(cycle_length, median, is_explained?),
            excluded: excluded?,
            created_at: created_at?,
            updated_at: updated_at?,
            symptoms: Vec::new(),
        };
        let symptom = || {
            Some(SymptomRow {
                id: symptom_id?,
                cycle_id: cycle_id.get(),
                date: date?,
                symptom_type: symptom_type?,
                value,
                value_sealed,
                severity,
                notes,
                notes_sealed,
                created_at: symptom_created_at?,
                wrapped,
            })
        };
        Some((cycle, symptom()))
    }
}
