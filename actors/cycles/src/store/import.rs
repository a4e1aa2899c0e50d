//! What an import needs to know of what is there, and rows that are stored many at a time.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::{
    CycleId, UserId,
    cycles::{EpisodeKind, Symptom},
};
use sqlx::{PgConnection, PgExecutor};

use super::{
    episodes::kind_of,
    gaps::KeptAnswer,
    symptoms::{SymptomRow, seal},
};
use crate::{sealed::UserKey, timeline::AskedGap, writes::Stamp};

/// A cycle that is there.
pub(crate) struct CycleThere {
    pub(crate) id: CycleId,
    pub(crate) start: NaiveDate,
    pub(crate) end: Option<NaiveDate>,
    /// The next start that is logged.
    pub(crate) next_start: Option<NaiveDate>,
    /// Whether something was said about the gap that it begins.
    pub(crate) is_answered: bool,
}

/// Those of the user's cycles that start on these days.
pub(crate) async fn cycles_starting_on(
    executor: impl PgExecutor<'_>,
    user_id: UserId,
    starts: &[NaiveDate],
) -> Result<Vec<CycleThere>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT id, start_date, end_date,
                  (SELECT min(later.start_date) FROM cycle later
                   WHERE later.user_id = $1 AND later.start_date > cycle.start_date) AS next_start,
                  EXISTS (SELECT FROM gap_answer
                          WHERE gap_answer.user_id = $1 AND gap_answer.cycle_id = cycle.id)
                      AS "is_answered!"
           FROM cycle WHERE user_id = $1 AND start_date = ANY($2)"#,
        user_id.get(),
        starts,
    )
    .fetch_all(executor)
    .await?;
    let cycles = rows.into_iter().map(|row| CycleThere {
        id: CycleId::new(row.id),
        start: row.start_date,
        end: row.end_date,
        next_start: row.next_start,
        is_answered: row.is_answered,
    });
    Ok(cycles.collect())
}

/// Those of the user's symptoms that belong to these cycles and are of these days.
pub(crate) async fn symptoms_on(
    executor: impl PgExecutor<'_>,
    user_id: UserId,
    key: &mut UserKey<'_>,
    cycle_ids: &[CycleId],
    days: &[NaiveDate],
) -> Result<Vec<Symptom>, sqlx::Error> {
    let cycle_ids: Vec<i64> = cycle_ids.iter().map(|id| id.get()).collect();
    let rows = sqlx::query_as!(
        SymptomRow,
        r#"SELECT id, cycle_id, date, symptom_type, value, value_sealed, severity, notes,
                  notes_sealed, created_at,
                  (SELECT wrapped FROM data_key WHERE user_id = $1) AS wrapped
           FROM symptom WHERE user_id = $1 AND cycle_id = ANY($2) AND date = ANY($3)"#,
        user_id.get(),
        &cycle_ids,
        days,
    )
    .fetch_all(executor)
    .await?;
    rows.into_iter().map(|row| row.open(user_id, key)).collect()
}

/// So many ids for symptoms.
pub(crate) async fn symptom_ids(
    executor: impl PgExecutor<'_>,
    count: usize,
) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT nextval('symptom_id_seq') AS "id!" FROM generate_series(1, $1::bigint)"#,
        i64::try_from(count).unwrap_or_default(),
    )
    .fetch_all(executor)
    .await
}

/// Inserts symptoms under the ids that they were given: one statement for all of them.
pub(crate) async fn symptoms_insert(
    connection: &mut PgConnection,
    user_id: UserId,
    key: &UserKey<'_>,
    symptoms: &[Symptom],
) -> Result<(), sqlx::Error> {
    let mut columns = SymptomColumns::default();
    for symptom in symptoms {
        let (value, notes) = seal(key, symptom)?;
        columns.id.push(symptom.id.get());
        columns.cycle_id.push(symptom.cycle_id.get());
        columns.date.push(symptom.date);
        columns.symptom_type.push(symptom.symptom_type.clone());
        columns.value.push(value);
        columns.severity.push(symptom.severity);
        columns.notes.push(notes);
        columns.created_at.push(symptom.created_at);
    }
    let SymptomColumns { id, cycle_id, date, symptom_type, value, severity, notes, created_at } =
        columns;
    sqlx::query!(
        r#"INSERT INTO symptom (id, user_id, cycle_id, date, symptom_type, value_sealed, severity,
                                notes_sealed, created_at)
           OVERRIDING SYSTEM VALUE
           SELECT id, $1, cycle_id, date, symptom_type, value, severity, notes, created_at
           FROM unnest($2::bigint[], $3::bigint[], $4::date[], $5::text[], $6::bytea[],
                       $7::smallint[], $8::bytea[], $9::timestamptz[])
               AS rows(id, cycle_id, date, symptom_type, value, severity, notes, created_at)"#,
        user_id.get(),
        &id,
        &cycle_id,
        &date,
        &symptom_type,
        &value,
        &severity as &[Option<i16>],
        &notes as &[Option<Vec<u8>>],
        &created_at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Leaves these cycles out of statistics and predictions.
pub(crate) async fn cycles_exclude(
    connection: &mut PgConnection,
    user_id: UserId,
    cycle_ids: &[CycleId],
) -> Result<(), sqlx::Error> {
    let cycle_ids: Vec<i64> = cycle_ids.iter().map(|id| id.get()).collect();
    sqlx::query!(
        "UPDATE cycle SET excluded = true WHERE user_id = $1 AND id = ANY($2)",
        user_id.get(),
        &cycle_ids,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The episodes of the user that begin on these days, by kind and start.
pub(crate) async fn episodes_starting_on(
    executor: impl PgExecutor<'_>,
    user_id: UserId,
    starts: &[NaiveDate],
) -> Result<Vec<(EpisodeKind, NaiveDate)>, sqlx::Error> {
    let rows = sqlx::query!(
        "SELECT kind, start_date FROM episode WHERE user_id = $1 AND start_date = ANY($2)",
        user_id.get(),
        starts,
    )
    .fetch_all(executor)
    .await?;
    Ok(rows.into_iter().filter_map(|row| Some((kind_of(&row.kind)?, row.start_date))).collect())
}

/// Keeps what was said about a gap, with the time at which it was said.
pub(crate) async fn gap_answer_bring_back(
    connection: &mut PgConnection,
    user_id: UserId,
    cycle_id: CycleId,
    asked: &AskedGap,
    answer: KeptAnswer,
    stamp: Stamp,
) -> Result<(), sqlx::Error> {
    let AskedGap { start, next_start, answered_at } = asked;
    sqlx::query!(
        r#"WITH kept AS (
               INSERT INTO gap_answer
                   (user_id, cycle_id, start_date, next_start_date, answer, answered_at)
               VALUES ($1, $2, $3, $4, $5, $6)
               ON CONFLICT DO NOTHING RETURNING cycle_id
           )
           UPDATE cycle SET input_version = $7, input_changed_at = $8
           FROM kept WHERE cycle.user_id = $1 AND cycle.id = kept.cycle_id"#,
        user_id.get(),
        cycle_id.get(),
        start,
        *next_start,
        answer.name(),
        answered_at,
        stamp.version.get(),
        stamp.at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

#[derive(Default)]
struct SymptomColumns {
    id: Vec<i64>,
    cycle_id: Vec<i64>,
    date: Vec<NaiveDate>,
    symptom_type: Vec<String>,
    value: Vec<Vec<u8>>,
    severity: Vec<Option<i16>>,
    notes: Vec<Option<Vec<u8>>>,
    created_at: Vec<DateTime<Utc>>,
}
