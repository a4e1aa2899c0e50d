//! Reading predictions.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::{
    CycleId, PredictionId, UserId, Version,
    analytics::{ActivePrediction, DateRange, PredictedStart, Prediction, PredictionList},
    events::Topic,
    page::PageRequest,
};
use sqlx::{PgPool, types::Json};

use super::prediction_columns::{DaysRow, FertilityRow, IntervalRow, UpcomingRow};
use crate::known::Known;

/// Which predictions, and which rows of them.
#[derive(Clone, Copy)]
pub(crate) struct PredictionFilter {
    /// Only the active one, or only inactive ones.
    pub(crate) active: Option<bool>,
    /// Which rows.
    pub(crate) page: PageRequest,
}

/// A page of a user's predictions as they are stored, newest first, with the version that they
/// reflect and what is known of the user (none where another model stored it): one statement, so all
/// are of the same instant.
pub(crate) async fn prediction_list_for_user(
    pool: &PgPool,
    user_id: UserId,
    filter: PredictionFilter,
) -> Result<(PredictionList, Option<Known>), sqlx::Error> {
    let mut rows = sqlx::query_as!(
        PredictionRow,
        r#"SELECT
               coalesce(s.applied_version, 0) AS "as_of_version!",
               s.model_number AS "model_number?",
               CASE WHEN coalesce(page.place = $4 + 1, true) THEN s.known END AS "known?",
               (SELECT count(*) FROM prediction
                WHERE user_id = $1 AND ($2::boolean IS NULL OR is_active = $2)) AS "total!",
               page.id AS "id?", page.anchor_start_date AS "from_start_date?",
               page.days_to_start AS "days_to_start?: Json<DaysRow>",
               page.predicted_start_date AS "predicted_start_date?",
               page.predicted_end_date AS "predicted_end_date?",
               page.confidence_score AS "confidence_score?",
               page.prediction_method AS "prediction_method?",
               page.based_on_cycles AS "based_on_cycles?", page.notes AS "notes?",
               page.intervals AS "intervals?: Json<Vec<IntervalRow>>",
               page.upcoming AS "upcoming?: Json<Vec<UpcomingRow>>",
               page.fertility AS "fertility?: Json<Vec<FertilityRow>>",
               page.missed_log_probability AS "missed_log_probability?",
               page.open_until AS "open_until?",
               page.fertile_start_date AS "fertile_start_date?",
               page.fertile_end_date AS "fertile_end_date?",
               page.ovulation_date AS "ovulation_date?",
               page.ovulation_first_date AS "ovulation_first_date?",
               page.ovulation_last_date AS "ovulation_last_date?", page.is_active AS "is_active?",
               page.actual_start_date AS "actual_start_date?", page.created_at AS "created_at?"
           FROM (VALUES (true)) AS always(yes)
           LEFT JOIN subject s ON s.user_id = $1
           LEFT JOIN LATERAL (
               SELECT *, row_number() OVER (ORDER BY anchor_start_date DESC) AS place
               FROM prediction WHERE user_id = $1 AND ($2::boolean IS NULL OR is_active = $2)
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
    let known = match rows.first_mut() {
        Some(PredictionRow { model_number: Some(number), known, .. }) => {
            Known::read(*number, known.take())
        }
        _ => Some(Known::nothing(user_id)),
    };
    let list = PredictionList {
        predictions: rows.into_iter().filter_map(|row| row.prediction(user_id)).collect(),
        total,
        no_prediction: None,
        as_of_version: Version::new(as_of_version),
    };
    Ok((list, known))
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
               coalesce(subject.applied_version, 0)
                   AS "as_of_version!",
               subject.erased_at IS NOT NULL AS "erased!", subject.forget_before AS "forget_before?",
               active.id AS "id?", active.anchor_cycle_id AS "anchor_cycle_id?",
               active.predicted_start_date AS "predicted_start_date?"
           FROM (VALUES (true)) AS always(yes)
           LEFT JOIN subject ON subject.user_id = $1
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
        erased: row.erased,
        forget_before: row.forget_before,
        active: active(),
    })
}

/// A row of a page. An empty page is one row without a prediction. What is known is in the first one
/// alone.
struct PredictionRow {
    as_of_version: i64,
    model_number: Option<i32>,
    known: Option<serde_json::Value>,
    total: i64,
    id: Option<i64>,
    from_start_date: Option<NaiveDate>,
    days_to_start: Option<Json<DaysRow>>,
    predicted_start_date: Option<NaiveDate>,
    predicted_end_date: Option<NaiveDate>,
    confidence_score: Option<f64>,
    prediction_method: Option<String>,
    based_on_cycles: Option<i32>,
    notes: Option<String>,
    intervals: Option<Json<Vec<IntervalRow>>>,
    upcoming: Option<Json<Vec<UpcomingRow>>>,
    fertility: Option<Json<Vec<FertilityRow>>>,
    missed_log_probability: Option<f64>,
    open_until: Option<NaiveDate>,
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
        Some(Prediction {
            id: PredictionId::new(self.id?),
            user_id,
            from_start_date: self.from_start_date,
            predicted_start_date: self.predicted_start_date?,
            predicted_end_date: self.predicted_end_date?,
            confidence_score: self.confidence_score?,
            prediction_method: self.prediction_method?,
            based_on_cycles: self.based_on_cycles?,
            notes: self.notes,
            intervals: self.intervals?.0.into_iter().map(Into::into).collect(),
            days_to_start: self.days_to_start.map(|days| days.0.into()),
            upcoming: self.upcoming?.0.into_iter().map(Into::into).collect(),
            fertility: self.fertility?.0.into_iter().map(Into::into).collect(),
            missed_log_probability: self.missed_log_probability?,
            open_until: self.open_until,
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
