//! `prediction`: one for each cycle, made when that cycle was the newest; only the newest cycle's
//! is active.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::{CycleId, UserId, analytics::Prediction};
use sqlx::{PgConnection, types::Json};

use super::prediction_columns::{DaysRow, FertilityRow, IntervalRow, UpcomingRow};

/// A prediction and the cycle that it is anchored at.
pub(crate) struct AnchoredPrediction {
    pub(crate) anchor_cycle_id: CycleId,
    pub(crate) anchor_start_date: NaiveDate,
    pub(crate) prediction: Prediction,
}

/// Removes the predictions that are anchored at these cycles. The caller owns the transaction and
/// the user's lock.
pub(crate) async fn prediction_delete_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    anchor_cycles: &[i64],
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "DELETE FROM prediction WHERE user_id = $1 AND anchor_cycle_id = ANY($2)",
        user_id.get(),
        anchor_cycles,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Says of these predictions, by their anchor cycles, which start came; nothing else of them changed.
/// The caller owns the transaction and the user's lock.
pub(crate) async fn prediction_settle_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    settled: &[(i64, NaiveDate)],
) -> Result<(), sqlx::Error> {
    let (anchor_cycles, starts): (Vec<i64>, Vec<NaiveDate>) = settled.iter().copied().unzip();
    sqlx::query!(
        r#"UPDATE prediction p SET
               is_active = false,
               actual_start_date = came.start_date,
               upcoming = '[]',
               fertility = '[]'
           FROM unnest($2::bigint[], $3::date[]) AS came(anchor_cycle_id, start_date)
           WHERE p.user_id = $1 AND p.anchor_cycle_id = came.anchor_cycle_id"#,
        user_id.get(),
        &anchor_cycles,
        &starts,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes these predictions, new or changed. The caller owns the transaction and the user's lock.
///
/// The inactive ones are written first: what was active steps back before its successor appears,
/// so the index that allows one active prediction is never violated.
pub(crate) async fn prediction_upsert_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    predictions: &[AnchoredPrediction],
) -> Result<(), sqlx::Error> {
    let columns = Columns::of(predictions);
    sqlx::query!(
        r#"INSERT INTO prediction (user_id, id, anchor_cycle_id, anchor_start_date,
               predicted_start_date, predicted_end_date, confidence_score, prediction_method,
               based_on_cycles, notes, intervals, fertile_start_date, fertile_end_date,
               ovulation_date, ovulation_first_date, ovulation_last_date, is_active,
               actual_start_date, created_at, upcoming, fertility, missed_log_probability,
               open_until, days_to_start)
           SELECT $1, * FROM unnest($2::bigint[], $3::bigint[], $4::date[], $5::date[],
               $6::date[], $7::float8[], $8::text[], $9::integer[], $10::text[], $11::jsonb[],
               $12::date[], $13::date[], $14::date[], $15::date[], $16::date[], $17::boolean[],
               $18::date[], $19::timestamptz[], $20::jsonb[], $21::jsonb[], $22::float8[],
               $23::date[], $24::jsonb[])
               AS fresh(id, anchor_cycle_id, anchor_start_date, predicted_start_date,
                   predicted_end_date, confidence_score, prediction_method, based_on_cycles,
                   notes, intervals, fertile_start_date, fertile_end_date, ovulation_date,
                   ovulation_first_date, ovulation_last_date, is_active, actual_start_date,
                   created_at, upcoming, fertility, missed_log_probability, open_until,
                   days_to_start)
           ORDER BY fresh.is_active
           ON CONFLICT (user_id, anchor_cycle_id) DO UPDATE SET
               id = excluded.id,
               anchor_start_date = excluded.anchor_start_date,
               predicted_start_date = excluded.predicted_start_date,
               predicted_end_date = excluded.predicted_end_date,
               confidence_score = excluded.confidence_score,
               prediction_method = excluded.prediction_method, notes = excluded.notes,
               based_on_cycles = excluded.based_on_cycles,
               intervals = excluded.intervals,
               fertile_start_date = excluded.fertile_start_date,
               fertile_end_date = excluded.fertile_end_date,
               ovulation_date = excluded.ovulation_date,
               ovulation_first_date = excluded.ovulation_first_date,
               ovulation_last_date = excluded.ovulation_last_date,
               is_active = excluded.is_active, created_at = excluded.created_at,
               actual_start_date = excluded.actual_start_date,
               upcoming = excluded.upcoming, fertility = excluded.fertility,
               missed_log_probability = excluded.missed_log_probability,
               open_until = excluded.open_until, days_to_start = excluded.days_to_start"#,
        user_id.get(),
        &columns.id,
        &columns.anchor_cycle_id,
        &columns.anchor_start_date,
        &columns.predicted_start_date,
        &columns.predicted_end_date,
        &columns.confidence_score,
        &columns.prediction_method,
        &columns.based_on_cycles,
        &columns.notes,
        &columns.intervals as &[Json<Vec<IntervalRow>>],
        &columns.fertile_start_date,
        &columns.fertile_end_date,
        &columns.ovulation_date,
        &columns.ovulation_first_date,
        &columns.ovulation_last_date,
        &columns.is_active,
        &columns.actual_start_date as &[Option<NaiveDate>],
        &columns.created_at,
        &columns.upcoming as &[Json<Vec<UpcomingRow>>],
        &columns.fertility as &[Json<Vec<FertilityRow>>],
        &columns.missed_log_probability,
        &columns.open_until as &[Option<NaiveDate>],
        &columns.days_to_start as &[Option<Json<DaysRow>>],
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Rows turned into the arrays that one statement takes.
#[derive(Default)]
struct Columns {
    id: Vec<i64>,
    anchor_cycle_id: Vec<i64>,
    anchor_start_date: Vec<NaiveDate>,
    predicted_start_date: Vec<NaiveDate>,
    predicted_end_date: Vec<NaiveDate>,
    confidence_score: Vec<f64>,
    prediction_method: Vec<String>,
    based_on_cycles: Vec<i32>,
    notes: Vec<String>,
    intervals: Vec<Json<Vec<IntervalRow>>>,
    fertile_start_date: Vec<NaiveDate>,
    fertile_end_date: Vec<NaiveDate>,
    ovulation_date: Vec<NaiveDate>,
    ovulation_first_date: Vec<NaiveDate>,
    ovulation_last_date: Vec<NaiveDate>,
    is_active: Vec<bool>,
    actual_start_date: Vec<Option<NaiveDate>>,
    created_at: Vec<DateTime<Utc>>,
    upcoming: Vec<Json<Vec<UpcomingRow>>>,
    fertility: Vec<Json<Vec<FertilityRow>>>,
    missed_log_probability: Vec<f64>,
    open_until: Vec<Option<NaiveDate>>,
    days_to_start: Vec<Option<Json<DaysRow>>>,
}

impl Columns {
    fn of(predictions: &[AnchoredPrediction]) -> Self {
        let mut columns = Self::default();
        for prediction in predictions {
            columns.push(prediction);
        }
        columns
    }

    fn push(&mut self, anchored: &AnchoredPrediction) {
        let Prediction {
            id,
            user_id: _,
            from_start_date: _,
            predicted_start_date,
            predicted_end_date,
            confidence_score,
            prediction_method,
            based_on_cycles,
            notes,
            intervals,
            days_to_start,
            upcoming,
            fertility,
            missed_log_probability,
            open_until,
            fertile_window,
            ovulation_date,
            ovulation_range,
            is_active,
            actual_start_date,
            created_at,
        } = &anchored.prediction;
        self.id.push(id.get());
        self.anchor_cycle_id.push(anchored.anchor_cycle_id.get());
        self.anchor_start_date.push(anchored.anchor_start_date);
        self.predicted_start_date.push(*predicted_start_date);
        self.predicted_end_date.push(*predicted_end_date);
        self.confidence_score.push(*confidence_score);
        self.prediction_method.push(prediction_method.clone());
        self.based_on_cycles.push(*based_on_cycles);
        self.notes.push(notes.clone().unwrap_or_default());
        self.intervals.push(Json(intervals.iter().map(Into::into).collect()));
        self.fertile_start_date.push(fertile_window.start);
        self.fertile_end_date.push(fertile_window.end);
        self.ovulation_date.push(*ovulation_date);
        self.ovulation_first_date.push(ovulation_range.start);
        self.ovulation_last_date.push(ovulation_range.end);
        self.is_active.push(*is_active);
        self.actual_start_date.push(*actual_start_date);
        self.created_at.push(*created_at);
        self.upcoming.push(Json(upcoming.iter().map(Into::into).collect()));
        self.fertility.push(Json(fertility.iter().map(Into::into).collect()));
        self.missed_log_probability.push(*missed_log_probability);
        self.open_until.push(*open_until);
        self.days_to_start.push(days_to_start.as_ref().map(|days| Json(days.into())));
    }
}
