//! Everything that is held on a user, page by page. Each page is one statement, with the version that
//! it is the state of.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::{
    CycleId, EpisodeId, SymptomId, UserId, Version,
    cycles::{CyclesExport, ExportCursor, ExportedCycle, ExportedGapAnswer, ExportedRows},
    events::Topic,
};
use sqlx::PgExecutor;

use super::{episodes::EpisodeRow, gaps::KeptAnswer, symptoms::SymptomRow};
use crate::{sealed::UserKey, timeline};

/// Cycles of one page.
const CYCLES_MAX: i64 = 200;
/// Symptoms of one page. Each can have some 20 KB as JSON, and a message between two processes holds
/// 1 MiB.
const SYMPTOMS_MAX: i64 = 40;
/// Episodes of one page.
const EPISODES_MAX: i64 = 200;

/// A page of cycles, oldest start first.
pub(crate) async fn export_cycles(
    executor: impl PgExecutor<'_>,
    user_id: UserId,
    after: Option<NaiveDate>,
) -> Result<CyclesExport, sqlx::Error> {
    let rows = sqlx::query_as!(
        CycleRow,
        r#"WITH page AS (
               SELECT * FROM cycle WHERE user_id = $1 AND ($2::date IS NULL OR start_date > $2)
               ORDER BY start_date LIMIT $3
           )
           SELECT (SELECT version FROM outbox WHERE topic = $4 AND user_id = $1) AS "version?",
                  page.id AS "id?", page.start_date AS "start_date?", page.end_date AS "end_date?",
                  page.excluded AS "excluded?", page.created_at AS "created_at?",
                  page.updated_at AS "updated_at?",
                  (SELECT min(later.start_date) FROM cycle later
                   WHERE later.user_id = $1 AND later.start_date > page.start_date)
                      AS "next_start?",
                  gap_answer.next_start_date AS "asked_next_start?",
                  gap_answer.answer AS "answer?", gap_answer.answered_at AS "answered_at?"
           FROM (VALUES (true)) AS always(yes)
           LEFT JOIN page ON true
           LEFT JOIN gap_answer ON gap_answer.user_id = $1 AND gap_answer.cycle_id = page.id
           ORDER BY page.start_date"#,
        user_id.get(),
        after,
        CYCLES_MAX,
        Topic::CycleChanged.name(),
    )
    .fetch_all(executor)
    .await?;
    let version = version_of(rows.first().and_then(|row| row.version));
    let cycles: Vec<ExportedCycle> = rows.into_iter().filter_map(CycleRow::into_cycle).collect();
    let last = cycles.last().filter(|_| is_full(&cycles, CYCLES_MAX));
    let next = last.map(|cycle| ExportCursor::Cycles(Some(cycle.start_date)));
    Ok(CyclesExport { version, rows: ExportedRows::Cycles(cycles), next })
}

/// A page of symptoms, in the order of their ids.
pub(crate) async fn export_symptoms(
    executor: impl PgExecutor<'_>,
    user_id: UserId,
    mut key: UserKey<'_>,
    after: Option<SymptomId>,
) -> Result<CyclesExport, sqlx::Error> {
    let rows = sqlx::query!(
        r#"WITH page AS (
               SELECT * FROM symptom WHERE user_id = $1 AND ($2::bigint IS NULL OR id > $2)
               ORDER BY id LIMIT $3
           )
           SELECT (SELECT version FROM outbox WHERE topic = $4 AND user_id = $1) AS "version?",
                  page.id AS "id?", page.cycle_id AS "cycle_id?", page.date AS "date?",
                  page.symptom_type AS "symptom_type?", page.value AS "value?",
                  page.value_sealed AS "value_sealed?", page.severity AS "severity?",
                  page.notes AS "notes?", page.notes_sealed AS "notes_sealed?",
                  page.created_at AS "created_at?",
                  (SELECT wrapped FROM data_key WHERE user_id = $1) AS "wrapped?"
           FROM (VALUES (true)) AS always(yes)
           LEFT JOIN page ON true
           ORDER BY page.id"#,
        user_id.get(),
        after.map(SymptomId::get),
        SYMPTOMS_MAX,
        Topic::CycleChanged.name(),
    )
    .fetch_all(executor)
    .await?;
    let version = version_of(rows.first().and_then(|row| row.version));
    let symptoms = rows.into_iter().filter_map(|row| {
        // The one row of an empty page has a version and no symptom.
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
    let symptoms = symptoms.collect::<Result<Vec<_>, _>>()?;
    let last = symptoms.last().filter(|_| is_full(&symptoms, SYMPTOMS_MAX));
    let next = last.map(|symptom| ExportCursor::Symptoms(Some(symptom.id)));
    Ok(CyclesExport { version, rows: ExportedRows::Symptoms(symptoms), next })
}

/// A page of episodes, in the order of their ids.
pub(crate) async fn export_episodes(
    executor: impl PgExecutor<'_>,
    user_id: UserId,
    after: Option<EpisodeId>,
) -> Result<CyclesExport, sqlx::Error> {
    let rows = sqlx::query!(
        r#"WITH page AS (
               SELECT * FROM episode WHERE user_id = $1 AND ($2::bigint IS NULL OR id > $2)
               ORDER BY id LIMIT $3
           )
           SELECT (SELECT version FROM outbox WHERE topic = $4 AND user_id = $1) AS "version?",
                  page.id AS "id?", page.kind AS "kind?", page.start_date AS "start_date?",
                  page.end_date AS "end_date?", page.created_at AS "created_at?",
                  page.updated_at AS "updated_at?"
           FROM (VALUES (true)) AS always(yes)
           LEFT JOIN page ON true
           ORDER BY page.id"#,
        user_id.get(),
        after.map(EpisodeId::get),
        EPISODES_MAX,
        Topic::CycleChanged.name(),
    )
    .fetch_all(executor)
    .await?;
    let version = version_of(rows.first().and_then(|row| row.version));
    let found = rows.len();
    let last = rows.last().and_then(|row| row.id).map(EpisodeId::new);
    let episodes = rows.into_iter().filter_map(|row| {
        let row = EpisodeRow {
            id: row.id?,
            kind: row.kind?,
            start_date: row.start_date?,
            end_date: row.end_date,
            created_at: row.created_at?,
            updated_at: row.updated_at?,
        };
        row.into_episode(user_id)
    });
    let is_last = i64::try_from(found).is_ok_and(|found| found < EPISODES_MAX);
    let next = last.filter(|_| !is_last).map(|id| ExportCursor::Episodes(Some(id)));
    Ok(CyclesExport { version, rows: ExportedRows::Episodes(episodes.collect()), next })
}

fn version_of(version: Option<i64>) -> Version {
    version.map_or(Version::ZERO, Version::new)
}

fn is_full<T>(rows: &[T], rows_max: i64) -> bool {
    i64::try_from(rows.len()).is_ok_and(|count| count >= rows_max)
}

/// A cycle beside what was said about its gap; nothing but a version in the one row of an empty page.
struct CycleRow {
    version: Option<i64>,
    id: Option<i64>,
    start_date: Option<NaiveDate>,
    end_date: Option<NaiveDate>,
    excluded: Option<bool>,
    created_at: Option<DateTime<Utc>>,
    updated_at: Option<DateTime<Utc>>,
    next_start: Option<NaiveDate>,
    asked_next_start: Option<NaiveDate>,
    answer: Option<String>,
    answered_at: Option<DateTime<Utc>>,
}

impl CycleRow {
    fn into_cycle(self) -> Option<ExportedCycle> {
        let Self {
            version: _,
            id,
            start_date,
            end_date,
            excluded,
            created_at,
            updated_at,
            next_start,
            asked_next_start,
            answer,
            answered_at,
        } = self;
        let answer = answer.as_deref().and_then(KeptAnswer::parse);
        let gap_answer = answer.zip(answered_at).map(|(answer, answered_at)| ExportedGapAnswer {
            next_start: asked_next_start,
            answer: answer.into(),
            answered_at,
        });
        let start_date = start_date?;
        Some(ExportedCycle {
            id: CycleId::new(id?),
            start_date,
            end_date,
            cycle_length: timeline::cycle_length(start_date, next_start),
            period_length: timeline::period_length(start_date, end_date),
            excluded: excluded?,
            gap_answer,
            created_at: created_at?,
            updated_at: updated_at?,
        })
    }
}
