//! What reads need of a user, each in one statement, so that all of it is of the same version.

use chrono::NaiveDate;
use contracts::{CycleId, UserId, Version, analytics::Statistics};
use serde::Deserialize;
use sqlx::{PgPool, types::Json};

use super::{
    prediction_columns::IntervalRow,
    subject_reads::{nothing_tracked, regularity_parse},
};
use crate::{
    calendar::CalendarCycle,
    known::Known,
    record::{NewestCycle, Settled},
};

/// So many of the newest cycles are read for insights: those that count are among them unless many
/// were left out.
const NEWEST_MAX: i64 = 60;

/// What a calendar is made from.
pub(crate) struct CalendarReading {
    pub(crate) as_of_version: Version,
    /// None where another model stored it, until it is computed again.
    pub(crate) known: Option<Known>,
    /// Those that share a day with the range, oldest first.
    pub(crate) cycles: Vec<CalendarCycle>,
}

/// What insights are made from.
pub(crate) struct InsightsReading {
    pub(crate) as_of_version: Version,
    pub(crate) statistics: Statistics,
    pub(crate) date_of_birth: Option<NaiveDate>,
    /// None where another model stored it, until it is computed again.
    pub(crate) known: Option<Known>,
    /// The newest, oldest start first.
    pub(crate) cycles: Vec<NewestCycle>,
}

/// What a calendar of these days is made from.
pub(crate) async fn calendar_reading(
    pool: &PgPool,
    user_id: UserId,
    (from, to): (NaiveDate, NaiveDate),
) -> Result<CalendarReading, sqlx::Error> {
    let row = sqlx::query_as!(
        CalendarSubjectRow,
        r#"SELECT s.applied_version, s.model_number, s.known,
               (SELECT coalesce(jsonb_agg(jsonb_build_object('id', c.id, 'start', c.start_date,
                           'end', c.end_date, 'length', c.cycle_length) ORDER BY c.start_date), '[]')
                FROM cycle_analytics c
                WHERE c.user_id = $1 AND c.start_date <= $3
                  AND (c.cycle_length IS NULL OR c.start_date + c.cycle_length > $2))
                   AS "cycles!: Json<Vec<CalendarRow>>"
           FROM subject s WHERE s.user_id = $1"#,
        user_id.get(),
        from,
        to,
    )
    .fetch_optional(pool)
    .await?;
    let Some(row) = row else {
        let known = Some(Known::nothing(user_id));
        return Ok(CalendarReading { as_of_version: Version::ZERO, known, cycles: Vec::new() });
    };
    Ok(CalendarReading {
        as_of_version: Version::new(row.applied_version),
        known: Known::read(row.model_number, row.known),
        cycles: row.cycles.0.into_iter().map(CalendarCycle::from).collect(),
    })
}

/// What insights are made from.
pub(crate) async fn insights_reading(
    pool: &PgPool,
    user_id: UserId,
) -> Result<InsightsReading, sqlx::Error> {
    let row = sqlx::query_as!(
        InsightsSubjectRow,
        r#"SELECT s.applied_version, s.total_cycles, s.average_cycle_length,
               s.average_period_length, s.cycle_regularity, s.date_of_birth, s.model_number, s.known,
               (SELECT coalesce(jsonb_agg(jsonb_build_object('id', n.id, 'start', n.start_date,
                           'length', n.cycle_length, 'period', n.period_length,
                           'predicted', p.predicted_start_date, 'actual', p.actual_start_date,
                           'intervals', p.intervals) ORDER BY n.start_date), '[]')
                FROM (SELECT id, start_date, cycle_length, period_length FROM cycle_analytics
                      WHERE user_id = $1 ORDER BY start_date DESC LIMIT $2) n
                LEFT JOIN prediction p ON p.user_id = $1 AND p.anchor_cycle_id = n.id)
                   AS "cycles!: Json<Vec<NewestRow>>"
           FROM subject s WHERE s.user_id = $1"#,
        user_id.get(),
        NEWEST_MAX,
    )
    .fetch_optional(pool)
    .await?;
    let Some(row) = row else {
        return Ok(InsightsReading {
            as_of_version: Version::ZERO,
            statistics: nothing_tracked(),
            date_of_birth: None,
            known: Some(Known::nothing(user_id)),
            cycles: Vec::new(),
        });
    };
    Ok(InsightsReading {
        as_of_version: Version::new(row.applied_version),
        statistics: Statistics {
            total_cycles_tracked: row.total_cycles,
            average_cycle_length: row.average_cycle_length,
            average_period_length: row.average_period_length,
            cycle_regularity: regularity_parse(&row.cycle_regularity),
        },
        date_of_birth: row.date_of_birth,
        known: Known::read(row.model_number, row.known),
        cycles: row.cycles.0.into_iter().map(NewestCycle::from).collect(),
    })
}

/// The ids and starts of all cycles of a user, oldest first.
pub(crate) async fn starts_for_user(
    pool: &PgPool,
    user_id: UserId,
) -> Result<Vec<(CycleId, NaiveDate)>, sqlx::Error> {
    let rows = sqlx::query!(
        "SELECT id, start_date FROM cycle_analytics WHERE user_id = $1 ORDER BY start_date",
        user_id.get(),
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (CycleId::new(row.id), row.start_date)).collect())
}

struct CalendarSubjectRow {
    applied_version: i64,
    model_number: i32,
    known: Option<serde_json::Value>,
    cycles: Json<Vec<CalendarRow>>,
}

struct InsightsSubjectRow {
    applied_version: i64,
    total_cycles: i32,
    average_cycle_length: Option<f64>,
    average_period_length: Option<f64>,
    cycle_regularity: String,
    date_of_birth: Option<NaiveDate>,
    model_number: i32,
    known: Option<serde_json::Value>,
    cycles: Json<Vec<NewestRow>>,
}

/// A cycle of a calendar, as the statement gives it.
#[derive(Deserialize)]
struct CalendarRow {
    id: i64,
    start: NaiveDate,
    end: Option<NaiveDate>,
    length: Option<u32>,
}

/// One of the newest cycles, as the statement gives it.
#[derive(Deserialize)]
struct NewestRow {
    id: i64,
    start: NaiveDate,
    length: Option<i32>,
    period: Option<i32>,
    predicted: Option<NaiveDate>,
    actual: Option<NaiveDate>,
    intervals: Option<Vec<IntervalRow>>,
}

impl From<CalendarRow> for CalendarCycle {
    fn from(row: CalendarRow) -> Self {
        let CalendarRow { id, start, end, length } = row;
        let cycle_id = CycleId::new(id);
        Self { cycle_id, start_date: start, end_date: end, length_days: length }
    }
}

impl From<NewestRow> for NewestCycle {
    fn from(row: NewestRow) -> Self {
        let NewestRow { id, start, length, period, predicted, actual, intervals } = row;
        let settled = || {
            let intervals = intervals?.into_iter().map(Into::into).collect();
            Some(Settled { predicted_start: predicted?, actual_start: actual?, intervals })
        };
        Self {
            cycle_id: CycleId::new(id),
            start_date: start,
            length_days: length,
            period_days: period,
            settled: settled(),
        }
    }
}
