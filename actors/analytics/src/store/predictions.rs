//! `prediction`: one for each cycle, made when that cycle was the newest; only the newest cycle's
//! is active.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::{
    CycleId, PredictionId, UserId, Version,
    analytics::{
        ActivePrediction, DateRange, PredictedStart, Prediction, PredictionInterval, PredictionList,
    },
    events::Topic,
    page::PageRequest,
};
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgPool, types::Json};

/// Which predictions, and which rows of them.
#[derive(Clone, Copy)]
pub(crate) struct PredictionFilter {
    /// Only the active one, or only inactive ones.
    pub(crate) active: Option<bool>,
    /// Which rows.
    pub(crate) page: PageRequest,
}

/// A prediction and the cycle that it is anchored at.
pub(crate) struct AnchoredPrediction<'a> {
    pub(crate) anchor_cycle_id: CycleId,
    pub(crate) anchor_start_date: NaiveDate,
    pub(crate) prediction: &'a Prediction,
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

/// Writes these predictions, new or changed. The caller owns the transaction and the user's lock.
///
/// The inactive ones are written first: what was active steps back before its successor appears,
/// so the index that allows one active prediction is never violated.
pub(crate) async fn prediction_upsert_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    predictions: &[AnchoredPrediction<'_>],
) -> Result<(), sqlx::Error> {
    let mut columns = Columns::default();
    for prediction in predictions {
        columns.push(prediction);
    }
    sqlx::query!(
        r#"INSERT INTO prediction (user_id, id, anchor_cycle_id, anchor_start_date,
               predicted_start_date, predicted_end_date, confidence_score, prediction_method,
               based_on_cycles, notes, intervals, fertile_start_date, fertile_end_date,
               ovulation_date, ovulation_first_date, ovulation_last_date, is_active,
               actual_start_date, created_at)
           SELECT $1, * FROM unnest($2::bigint[], $3::bigint[], $4::date[], $5::date[],
               $6::date[], $7::float8[], $8::text[], $9::integer[], $10::text[], $11::jsonb[],
               $12::date[], $13::date[], $14::date[], $15::date[], $16::date[], $17::boolean[],
               $18::date[], $19::timestamptz[])
               AS fresh(id, anchor_cycle_id, anchor_start_date, predicted_start_date,
                   predicted_end_date, confidence_score, prediction_method, based_on_cycles,
                   notes, intervals, fertile_start_date, fertile_end_date, ovulation_date,
                   ovulation_first_date, ovulation_last_date, is_active, actual_start_date,
                   created_at)
           ORDER BY fresh.is_active
           ON CONFLICT (user_id, anchor_cycle_id) DO UPDATE SET
               id = excluded.id,
               anchor_start_date = excluded.anchor_start_date,
               predicted_start_date = excluded.predicted_start_date,
               predicted_end_date = excluded.predicted_end_date,
               confidence_score = excluded.confidence_score,
               prediction_method = excluded.prediction_method,
               based_on_cycles = excluded.based_on_cycles,
               notes = excluded.notes,
               intervals = excluded.intervals,
               fertile_start_date = excluded.fertile_start_date,
               fertile_end_date = excluded.fertile_end_date,
               ovulation_date = excluded.ovulation_date,
               ovulation_first_date = excluded.ovulation_first_date,
               ovulation_last_date = excluded.ovulation_last_date,
               is_active = excluded.is_active,
               actual_start_date = excluded.actual_start_date,
               created_at = excluded.created_at"#,
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
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// A page of a user's predictions, newest first, with the version that they reflect: one
/// statement, so both are of the same instant.
pub(crate) async fn prediction_list_for_user(
    pool: &PgPool,
    user_id: UserId,
    filter: PredictionFilter,
) -> Result<PredictionList, sqlx::Error> {
    let rows = sqlx::query_as!(
        PredictionRow,
        r#"SELECT
               coalesce((SELECT applied_version FROM subject WHERE user_id = $1), 0)
                   AS "as_of_version!",
               (SELECT count(*) FROM prediction
                WHERE user_id = $1 AND ($2::boolean IS NULL OR is_active = $2)) AS "total!",
               page.id AS "id?", page.predicted_start_date AS "predicted_start_date?",
               page.predicted_end_date AS "predicted_end_date?",
               page.confidence_score AS "confidence_score?",
               page.prediction_method AS "prediction_method?",
               page.based_on_cycles AS "based_on_cycles?", page.notes AS "notes?",
               page.intervals AS "intervals?: Json<Vec<IntervalRow>>",
               page.fertile_start_date AS "fertile_start_date?",
               page.fertile_end_date AS "fertile_end_date?",
               page.ovulation_date AS "ovulation_date?",
               page.ovulation_first_date AS "ovulation_first_date?",
               page.ovulation_last_date AS "ovulation_last_date?", page.is_active AS "is_active?",
               page.actual_start_date AS "actual_start_date?", page.created_at AS "created_at?"
           FROM (VALUES (true)) AS always(yes)
           LEFT JOIN LATERAL (
               SELECT * FROM prediction
               WHERE user_id = $1 AND ($2::boolean IS NULL OR is_active = $2)
               ORDER BY anchor_start_date DESC LIMIT $3 OFFSET $4) page ON always.yes
           ORDER BY page.anchor_start_date DESC"#,
        user_id.get(),
        filter.active,
        filter.page.limit,
        filter.page.offset,
    )
    .fetch_all(pool)
    .await?;
    let (as_of_version, total) = rows.first().map_or((0, 0), |row| (row.as_of_version, row.total));
    Ok(PredictionList {
        predictions: rows.into_iter().filter_map(|row| row.prediction(user_id)).collect(),
        total,
        as_of_version: Version::new(as_of_version),
    })
}

/// What reminders need of a user, and the two versions that it is of, all of the same instant.
pub(crate) async fn prediction_active_for_user(
    pool: &PgPool,
    user_id: UserId,
) -> Result<ActivePrediction, sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT
               coalesce((SELECT version FROM outbox WHERE topic = $2 AND user_id = $1), 0)
                   AS "version!",
               coalesce((SELECT applied_version FROM subject WHERE user_id = $1), 0)
                   AS "as_of_version!",
               active.id AS "id?", active.anchor_cycle_id AS "anchor_cycle_id?",
               active.predicted_start_date AS "predicted_start_date?"
           FROM (VALUES (true)) AS always(yes)
           LEFT JOIN prediction active ON active.user_id = $1 AND active.is_active"#,
        user_id.get(),
        Topic::PredictionChanged.name(),
    )
    .fetch_one(pool)
    .await?;
    let active = || {
        Some(PredictedStart {
            prediction_id: PredictionId::new(row.id?),
            anchor_cycle_id: CycleId::new(row.anchor_cycle_id?),
            predicted_start_date: row.predicted_start_date?,
        })
    };
    Ok(ActivePrediction {
        user_id,
        version: Version::new(row.version),
        as_of_version: Version::new(row.as_of_version),
        active: active(),
    })
}

/// A range of start dates as it is stored.
#[derive(Serialize, Deserialize)]
struct IntervalRow {
    level: f64,
    start: NaiveDate,
    end: NaiveDate,
}

/// A row of a page. An empty page is one row of which only the first two columns are there.
struct PredictionRow {
    as_of_version: i64,
    total: i64,
    id: Option<i64>,
    predicted_start_date: Option<NaiveDate>,
    predicted_end_date: Option<NaiveDate>,
    confidence_score: Option<f64>,
    prediction_method: Option<String>,
    based_on_cycles: Option<i32>,
    notes: Option<String>,
    intervals: Option<Json<Vec<IntervalRow>>>,
    fertile_start_date: Option<NaiveDate>,
    fertile_end_date: Option<NaiveDate>,
    ovulation_date: Option<NaiveDate>,
    ovulation_first_date: Option<NaiveDate>,
    ovulation_last_date: Option<NaiveDate>,
    is_active: Option<bool>,
    actual_start_date: Option<NaiveDate>,
    created_at: Option<DateTime<Utc>>,
}

impl PredictionRow {
    fn prediction(self, user_id: UserId) -> Option<Prediction> {
        let intervals = self.intervals?.0.into_iter().map(|row| {
            let IntervalRow { level, start, end } = row;
            PredictionInterval { level, start, end }
        });
        Some(Prediction {
            id: PredictionId::new(self.id?),
            user_id,
            predicted_start_date: self.predicted_start_date?,
            predicted_end_date: self.predicted_end_date?,
            confidence_score: self.confidence_score?,
            prediction_method: self.prediction_method?,
            based_on_cycles: self.based_on_cycles?,
            notes: self.notes,
            intervals: intervals.collect(),
            fertile_window: DateRange {
                start: self.fertile_start_date?,
                end: self.fertile_end_date?,
            },
            ovulation_date: self.ovulation_date?,
            ovulation_range: DateRange {
                start: self.ovulation_first_date?,
                end: self.ovulation_last_date?,
            },
            is_active: self.is_active?,
            actual_start_date: self.actual_start_date,
            created_at: self.created_at?,
        })
    }
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
}

impl Columns {
    fn push(&mut self, anchored: &AnchoredPrediction<'_>) {
        let Prediction {
            id,
            user_id: _,
            predicted_start_date,
            predicted_end_date,
            confidence_score,
            prediction_method,
            based_on_cycles,
            notes,
            intervals,
            fertile_window,
            ovulation_date,
            ovulation_range,
            is_active,
            actual_start_date,
            created_at,
        } = anchored.prediction;
        let intervals = intervals.iter().map(|interval| {
            let PredictionInterval { level, start, end } = *interval;
            IntervalRow { level, start, end }
        });
        self.id.push(id.get());
        self.anchor_cycle_id.push(anchored.anchor_cycle_id.get());
        self.anchor_start_date.push(anchored.anchor_start_date);
        self.predicted_start_date.push(*predicted_start_date);
        self.predicted_end_date.push(*predicted_end_date);
        self.confidence_score.push(*confidence_score);
        self.prediction_method.push(prediction_method.clone());
        self.based_on_cycles.push(*based_on_cycles);
        self.notes.push(notes.clone().unwrap_or_default());
        self.intervals.push(Json(intervals.collect()));
        self.fertile_start_date.push(fertile_window.start);
        self.fertile_end_date.push(fertile_window.end);
        self.ovulation_date.push(*ovulation_date);
        self.ovulation_first_date.push(ovulation_range.start);
        self.ovulation_last_date.push(ovulation_range.end);
        self.is_active.push(*is_active);
        self.actual_start_date.push(*actual_start_date);
        self.created_at.push(*created_at);
    }
}
