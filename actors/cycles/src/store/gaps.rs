//! What users said about gaps.

use chrono::NaiveDate;
use contracts::{CycleId, UserId, cycles::GapAnswer};
use sqlx::{PgConnection, PgExecutor};

use crate::{timeline::AskedGap, writes::Stamp};

/// An answer that is kept; the third one becomes a cycle.
#[derive(Clone, Copy)]
pub(crate) enum KeptAnswer {
    /// No start was missed.
    NoneMissed,
    /// A start was missed, and its date is not known.
    MissedUnknown,
}

impl KeptAnswer {
    /// The word in the table; its constraint `gap_answer_known` knows the same ones.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::NoneMissed => "none_missed",
            Self::MissedUnknown => "missed_unknown",
        }
    }

    /// The answer of a word, as it stands in the table.
    pub(super) fn parse(word: &str) -> Option<Self> {
        [Self::NoneMissed, Self::MissedUnknown].into_iter().find(|answer| answer.name() == word)
    }
}

impl From<KeptAnswer> for GapAnswer {
    fn from(answer: KeptAnswer) -> Self {
        match answer {
            KeptAnswer::NoneMissed => Self::NoneMissed,
            KeptAnswer::MissedUnknown => Self::MissedUnknown,
        }
    }
}

/// A gap that was answered about, beside what it is now.
pub(crate) struct AnsweredGap {
    pub(crate) cycle_id: CycleId,
    pub(crate) asked: AskedGap,
    pub(crate) start: NaiveDate,
    pub(crate) next_start: Option<NaiveDate>,
}

/// Keeps what was said about the gap that a cycle begins. If it says something else than before, or
/// speaks of more days, predictions from this cycle on are made from something else.
pub(crate) async fn gap_answer_keep(
    connection: &mut PgConnection,
    user_id: UserId,
    cycle_id: CycleId,
    (start, next_start): (NaiveDate, Option<NaiveDate>),
    answer: KeptAnswer,
    stamp: Stamp,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"WITH before AS (
               SELECT answer, (answered_at AT TIME ZONE 'UTC')::date AS answered_on
               FROM gap_answer WHERE user_id = $1 AND cycle_id = $2
           ), kept AS (
               INSERT INTO gap_answer
                   (user_id, cycle_id, start_date, next_start_date, answer, answered_at)
               VALUES ($1, $2, $3, $4, $5, $7)
               ON CONFLICT (user_id, cycle_id) DO UPDATE SET
                   start_date = excluded.start_date,
                   next_start_date = excluded.next_start_date,
                   answer = excluded.answer,
                   answered_at = excluded.answered_at
           )
           UPDATE cycle SET input_version = $6, input_changed_at = $7
           WHERE user_id = $1 AND id = $2
             AND NOT EXISTS (SELECT FROM before
                             WHERE answer = $5
                               AND answered_on = ($7 AT TIME ZONE 'UTC')::date)"#,
        user_id.get(),
        cycle_id.get(),
        start,
        next_start,
        answer.name(),
        stamp.version.get(),
        stamp.at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether this was said about the gap that a cycle begins and this start ends; if none ends it and
/// nothing is said to be missing, whether it was said on this day, in UTC. An answer about
/// another gap is dropped by the write that changes the gap, so the start of the cycle is that of its
/// answer.
pub(crate) async fn gap_answer_is(
    executor: impl PgExecutor<'_>,
    user_id: UserId,
    cycle_id: CycleId,
    (next_start, today): (Option<NaiveDate>, NaiveDate),
    answer: KeptAnswer,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (
               SELECT FROM gap_answer
               WHERE user_id = $1 AND cycle_id = $2 AND answer = $3
                 AND (SELECT min(later.start_date) FROM cycle later
                      WHERE later.user_id = $1 AND later.start_date > gap_answer.start_date)
                     IS NOT DISTINCT FROM $4
                 AND ($4::date IS NOT NULL OR answer <> 'none_missed'
                      OR (answered_at AT TIME ZONE 'UTC')::date = $5)
           ) AS "is_said!""#,
        user_id.get(),
        cycle_id.get(),
        answer.name(),
        next_start,
        today,
    )
    .fetch_one(executor)
    .await
}

/// All gaps of the user that were answered about.
pub(crate) async fn gap_answers_now(
    executor: impl PgExecutor<'_>,
    user_id: UserId,
) -> Result<Vec<AnsweredGap>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT gap_answer.cycle_id, gap_answer.start_date AS asked_start,
                  gap_answer.next_start_date AS asked_next_start, gap_answer.answered_at,
                  cycle.start_date,
                  (SELECT min(later.start_date) FROM cycle later
                   WHERE later.user_id = $1 AND later.start_date > cycle.start_date) AS next_start
           FROM gap_answer
           JOIN cycle ON cycle.user_id = $1 AND cycle.id = gap_answer.cycle_id
           WHERE gap_answer.user_id = $1"#,
        user_id.get(),
    )
    .fetch_all(executor)
    .await?;
    let gaps = rows.into_iter().map(|row| AnsweredGap {
        cycle_id: CycleId::new(row.cycle_id),
        asked: AskedGap {
            start: row.asked_start,
            next_start: row.asked_next_start,
            answered_at: row.answered_at,
        },
        start: row.start_date,
        next_start: row.next_start,
    });
    Ok(gaps.collect())
}

/// Drops the answers about the gaps that these cycles begin, and marks the cycles.
pub(crate) async fn gap_answers_drop(
    connection: &mut PgConnection,
    user_id: UserId,
    cycle_ids: &[CycleId],
    stamp: Stamp,
) -> Result<(), sqlx::Error> {
    let cycle_ids: Vec<i64> = cycle_ids.iter().map(|id| id.get()).collect();
    sqlx::query!(
        r#"WITH dropped AS (
               DELETE FROM gap_answer WHERE user_id = $1 AND cycle_id = ANY($2) RETURNING cycle_id
           )
           UPDATE cycle SET input_version = $3, input_changed_at = $4
           FROM dropped WHERE cycle.user_id = $1 AND cycle.id = dropped.cycle_id"#,
        user_id.get(),
        &cycle_ids,
        stamp.version.get(),
        stamp.at,
    )
    .execute(connection)
    .await?;
    Ok(())
}
