//! Predictions: `/api/analytics/predictions`.

use contracts::{
    Handle, Version,
    analytics::{self as domain, AnalyticsMailbox},
};
use poem_openapi::{Object, OpenApi, payload::Json};

use crate::{
    answer::Created,
    auth::Caller,
    document::{Extra, Tag},
    page::{count, from_the_first, page, ten},
    parameter::{Idempotency, Query},
    scalar::{
        Count, Date, Flag, Id, Instant, Limit, Nullable, Offset, Probability, Scalar, StateVersion,
        Text,
    },
};

/// What these operations answer besides what follows from their shape.
pub(crate) const EXTRA: &[Extra] =
    &[Extra { operation: "generatePrediction", code: "insufficient-data" }];

/// The operations on predictions.
pub(crate) struct PredictionsApi {
    /// The group.
    pub(crate) analytics: Handle<AnalyticsMailbox>,
}

#[OpenApi(prefix_path = "/api/analytics", tag = "Tag::Analytics")]
impl PredictionsApi {
    /// List one's predictions, newest first
    #[oai(path = "/predictions", method = "get", operation_id = "listPredictions")]
    async fn list(
        &self,
        caller: Caller,
        /// Only the active one (true) or only those that are no longer (false).
        active: Query<Option<Flag>>,
        /// Wait up to 2 seconds until this version of the cycles is reflected.
        min_version: Query<Option<StateVersion>>,
        /// How many predictions at the most.
        #[oai(default = "ten")]
        limit: Query<Limit>,
        /// How many predictions to pass over.
        #[oai(default = "from_the_first")]
        offset: Query<Offset>,
    ) -> poem::Result<Json<PredictionList>> {
        let request = domain::ListPredictions {
            user_id: caller.user_id,
            active: active.0.map(|active| active.0),
            min_version: version(min_version),
            page: page(limit.0, offset.0),
        };
        let domain::PredictionList { predictions, total, as_of_version } =
            caller.ask(&self.analytics, request).await?;
        Ok(Json(PredictionList {
            count: count(&predictions),
            predictions: predictions.into_iter().map(Prediction::from).collect(),
            total: Scalar(total),
            as_of_version: Scalar(as_of_version.get()),
        }))
    }

    /// Compute the prediction from the cycles as they are now
    ///
    /// It is computed after each change by itself; this only asks for it at once. The same cycles
    /// give the same prediction with the same id.
    #[oai(path = "/predictions/generate", method = "post", operation_id = "generatePrediction")]
    async fn generate(
        &self,
        caller: Caller,
        #[oai(name = "Idempotency-Key")] key: Idempotency,
    ) -> poem::Result<Created<PredictionGenerated>> {
        let request = domain::GeneratePrediction { user_id: caller.user_id };
        let domain::GeneratedPrediction { prediction, as_of_version } =
            caller.write(&self.analytics, key.0, request).await?;
        Ok(Created(PredictionGenerated {
            message: Scalar("Prediction generated successfully".to_owned()),
            prediction: prediction.into(),
            as_of_version: Scalar(as_of_version.get()),
        }))
    }
}

/// The version that a read waits for.
pub(crate) fn version(min_version: Query<Option<StateVersion>>) -> Option<Version> {
    min_version.0.map(|version| Version::new(version.0))
}

/// A prediction of the next period start. At most one of a user is active at any instant.
#[derive(Object)]
struct Prediction {
    /// Derived from what the prediction was computed from; below 2^53.
    id: Id,
    /// Whose.
    user_id: Id,
    /// The day on which the next period is expected to start.
    predicted_start_date: Date,
    /// The last day of bleeding expected then.
    predicted_end_date: Date,
    /// The probability, from 0 to 1, that the period starts within 2 days before or after
    /// `predicted_start_date`.
    confidence_score: Probability,
    /// Names the rule or model that computed it.
    prediction_method: Text,
    /// How many completed cycle lengths it was computed from.
    based_on_cycles: Count,
    /// A sentence on how it came about.
    notes: Nullable<Text>,
    /// Ranges of the start date, for the probabilities 0.5, 0.8 and 0.95.
    intervals: Vec<PredictionInterval>,
    /// The six days that end with the expected ovulation. This is information and no
    /// contraception: it neither prevents nor rules out a pregnancy.
    fertile_window: DateRange,
    /// The expected day of ovulation. Information, no contraception.
    ovulation_date: Date,
    /// The range in which ovulation falls with a probability of about 0.8.
    ovulation_range: DateRange,
    /// Whether it is the current one.
    is_active: Flag,
    /// The start that was logged after it; null until then.
    actual_start_date: Nullable<Date>,
    /// When the cycles that it was computed from last changed.
    created_at: Instant,
}

/// A range of dates that holds the start with a stated probability.
#[derive(Object)]
struct PredictionInterval {
    /// The probability: 0.5, 0.8 or 0.95.
    level: Probability,
    /// The first day.
    start: Date,
    /// The last day, inclusive.
    end: Date,
}

/// A range of dates, both ends inclusive.
#[derive(Object)]
struct DateRange {
    /// The first day.
    start: Date,
    /// The last day.
    end: Date,
}

/// A page of predictions.
#[derive(Object)]
struct PredictionList {
    /// Newest first.
    predictions: Vec<Prediction>,
    /// How many are in this page.
    count: Count,
    /// How many there are in all.
    total: Count,
    /// The version of the user's cycles that this reflects.
    as_of_version: StateVersion,
}

/// The prediction that was asked for.
#[derive(Object)]
struct PredictionGenerated {
    /// `Prediction generated successfully`.
    message: Text,
    /// The active prediction.
    prediction: Prediction,
    /// The version of the user's cycles that this reflects.
    as_of_version: StateVersion,
}

impl From<domain::Prediction> for Prediction {
    fn from(prediction: domain::Prediction) -> Self {
        let domain::Prediction {
            id,
            user_id,
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
        } = prediction;
        Self {
            id: Scalar(id.get()),
            user_id: Scalar(user_id.get()),
            predicted_start_date: Scalar(predicted_start_date),
            predicted_end_date: Scalar(predicted_end_date),
            confidence_score: Scalar(confidence_score),
            prediction_method: Scalar(prediction_method),
            based_on_cycles: Scalar(i64::from(based_on_cycles)),
            notes: notes.into(),
            intervals: intervals.into_iter().map(PredictionInterval::from).collect(),
            fertile_window: fertile_window.into(),
            ovulation_date: Scalar(ovulation_date),
            ovulation_range: ovulation_range.into(),
            is_active: Scalar(is_active),
            actual_start_date: actual_start_date.into(),
            created_at: Scalar(created_at),
        }
    }
}

impl From<domain::PredictionInterval> for PredictionInterval {
    fn from(interval: domain::PredictionInterval) -> Self {
        let domain::PredictionInterval { level, start, end } = interval;
        Self { level: Scalar(level), start: Scalar(start), end: Scalar(end) }
    }
}

impl From<domain::DateRange> for DateRange {
    fn from(range: domain::DateRange) -> Self {
        let domain::DateRange { start, end } = range;
        Self { start: Scalar(start), end: Scalar(end) }
    }
}
