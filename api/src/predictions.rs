//! Predictions: `/api/analytics/predictions`.

use contracts::{
    Handle, Version,
    analytics::{self as domain, AnalyticsMailbox},
};
use poem_openapi::{Enum, Object, OpenApi, payload::Json};

use crate::{
    answer::Created,
    auth::Caller,
    document::{Extra, Tag},
    fertility::{DayFertility, FertilityNotice, fertility_notice},
    page::{count, from_the_first, page, ten},
    parameter::{Idempotency, Query},
    scalar::{
        Amount, Count, CyclesAhead, Date, Flag, Id, Instant, Limit, Nullable, Offset, Probability,
        Scalar, StateVersion, Text,
    },
};

/// What these operations answer besides what follows from their shape.
pub(crate) const EXTRA: &[Extra] = &[
    Extra { operation: "generatePrediction", code: "insufficient-data" },
    Extra { operation: "generatePrediction", code: "no-prediction" },
];

/// The operations on predictions.
pub(crate) struct PredictionsApi {
    /// The group.
    pub(crate) analytics: Handle<AnalyticsMailbox>,
}

#[OpenApi(prefix_path = "/api/analytics", tag = "Tag::Analytics")]
impl PredictionsApi {
    /// List one's predictions, newest first
    ///
    /// The active one is conditional on today: its date is never before it. Where none is active,
    /// `no_prediction` says why.
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
        let domain::PredictionList { predictions, total, no_prediction, as_of_version } =
            caller.ask(&self.analytics, request).await?;
        Ok(Json(PredictionList {
            count: count(&predictions),
            predictions: predictions.into_iter().map(Prediction::from).collect(),
            total: Scalar(total),
            no_prediction: Nullable(no_prediction.map(NoPrediction::from)),
            as_of_version: Scalar(as_of_version.get()),
        }))
    }

    /// Compute the prediction from the cycles as they are now
    ///
    /// It is computed after each change by itself; this only asks for it at once. On the same day
    /// the same cycles give the same prediction with the same id. Where nothing can be predicted
    /// (a pregnancy goes on, predictions are paused, …) the problem `no-prediction` says why.
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
pub(crate) struct Prediction {
    /// Derived from what the prediction was computed from; below 2^53.
    id: Id,
    /// Whose.
    user_id: Id,
    /// The logged start that it counts from; null while a process of an earlier release answers.
    from_start_date: Nullable<Date>,
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
    /// Ranges of the start date, for the probabilities 0.5, 0.8 and 0.95: each holds the start with
    /// as nearly that probability as whole days can.
    intervals: Vec<PredictionInterval>,
    /// The same in days after `from_start_date`, not rounded: to score forecasts by, or to draw them.
    /// Where a forecast is no longer active it is the one of the day of that start; of the active one
    /// it is conditional on today. Null where an earlier release stored the prediction.
    days_to_start: Nullable<DaysToStart>,
    /// The second and the third next start, in this order.
    upcoming: Vec<UpcomingStart>,
    /// The days on which fertility or ovulation is at least 0.01 probable, ascending.
    fertility: Vec<DayFertility>,
    /// That fertile days are information and no contraception, in words to be shown beside them.
    fertility_notice: FertilityNotice,
    /// The probability, from 0 to 1, that a period has started since the newest logged one and was
    /// not logged, given that nothing was logged up to `open_until`.
    missed_log_probability: Probability,
    /// The last day of which it is taken as known that no period started on it; null while that
    /// says nothing, because none was expected yet.
    open_until: Nullable<Date>,
    /// The days on which fertility is at least 0.25 probable, before the predicted start. This is
    /// information and no contraception: it neither prevents nor rules out a pregnancy.
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

/// A start further ahead than the next one.
#[derive(Object)]
struct UpcomingStart {
    /// 2: the start after the next one; 3: the one after that.
    cycles_ahead: CyclesAhead,
    /// The day on which that period is expected to start.
    predicted_start_date: Date,
    /// The last day of bleeding expected then.
    predicted_end_date: Date,
    /// The probability, from 0 to 1, that it starts within 2 days before or after
    /// `predicted_start_date`.
    confidence_score: Probability,
    /// Ranges of the start date, for the probabilities 0.5, 0.8 and 0.95.
    intervals: Vec<PredictionInterval>,
}

/// The distribution of a start, in days after a logged one.
#[derive(Object)]
struct DaysToStart {
    /// The mean.
    mean: Amount,
    /// The quantiles at the levels 0.025, 0.1, 0.25, 0.5, 0.75, 0.9 and 0.975, in this order.
    quantiles: Vec<Quantile>,
}

/// The point that the start comes before with a stated probability.
#[derive(Object)]
struct Quantile {
    /// The probability.
    level: Probability,
    /// The point, in days.
    days: Amount,
}

/// Why there is no prediction.
#[derive(Object)]
struct NoPrediction {
    /// In one word.
    reason: NoPredictionReason,
    /// In a sentence: 'No prediction, because …'.
    message: Text,
    /// The first day for which it holds; null if there is none.
    since: Nullable<Date>,
}

/// Why there is no prediction, in one word: nothing was logged; nothing was logged since an episode
/// ended; an episode of this kind goes on; or the dates would lie after the end of the calendar.
#[derive(Enum)]
#[oai(rename_all = "snake_case")]
enum NoPredictionReason {
    NothingLogged,
    NoStartSinceEpisode,
    Pregnancy,
    Postpartum,
    Breastfeeding,
    HormonalContraception,
    Perimenopause,
    Pause,
    BeyondCalendar,
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
    /// Why no prediction is active; null if one is.
    no_prediction: Nullable<NoPrediction>,
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
            from_start_date,
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
        } = prediction;
        Self {
            id: Scalar(id.get()),
            user_id: Scalar(user_id.get()),
            from_start_date: from_start_date.into(),
            predicted_start_date: Scalar(predicted_start_date),
            predicted_end_date: Scalar(predicted_end_date),
            confidence_score: Scalar(confidence_score),
            prediction_method: Scalar(prediction_method),
            based_on_cycles: Scalar(i64::from(based_on_cycles)),
            notes: notes.into(),
            intervals: intervals.into_iter().map(PredictionInterval::from).collect(),
            days_to_start: Nullable(days_to_start.map(DaysToStart::from)),
            upcoming: upcoming.into_iter().map(UpcomingStart::from).collect(),
            fertility: fertility.into_iter().map(DayFertility::from).collect(),
            fertility_notice: fertility_notice(),
            missed_log_probability: Scalar(missed_log_probability),
            open_until: open_until.into(),
            fertile_window: fertile_window.into(),
            ovulation_date: Scalar(ovulation_date),
            ovulation_range: ovulation_range.into(),
            is_active: Scalar(is_active),
            actual_start_date: actual_start_date.into(),
            created_at: Scalar(created_at),
        }
    }
}

impl From<domain::UpcomingStart> for UpcomingStart {
    fn from(start: domain::UpcomingStart) -> Self {
        let domain::UpcomingStart {
            cycles_ahead,
            predicted_start_date,
            predicted_end_date,
            confidence_score,
            intervals,
        } = start;
        Self {
            cycles_ahead: Scalar(cycles_ahead),
            predicted_start_date: Scalar(predicted_start_date),
            predicted_end_date: Scalar(predicted_end_date),
            confidence_score: Scalar(confidence_score),
            intervals: intervals.into_iter().map(PredictionInterval::from).collect(),
        }
    }
}

impl From<domain::NoPrediction> for NoPrediction {
    fn from(why: domain::NoPrediction) -> Self {
        let domain::NoPrediction { reason, message, since } = why;
        let reason = match reason {
            domain::NoPredictionReason::NothingLogged => NoPredictionReason::NothingLogged,
            domain::NoPredictionReason::NoStartSinceEpisode => {
                NoPredictionReason::NoStartSinceEpisode
            }
            domain::NoPredictionReason::Pregnancy => NoPredictionReason::Pregnancy,
            domain::NoPredictionReason::Postpartum => NoPredictionReason::Postpartum,
            domain::NoPredictionReason::Breastfeeding => NoPredictionReason::Breastfeeding,
            domain::NoPredictionReason::HormonalContraception => {
                NoPredictionReason::HormonalContraception
            }
            domain::NoPredictionReason::Perimenopause => NoPredictionReason::Perimenopause,
            domain::NoPredictionReason::Pause => NoPredictionReason::Pause,
            domain::NoPredictionReason::BeyondCalendar => NoPredictionReason::BeyondCalendar,
        };
        Self { reason, message: Scalar(message), since: since.into() }
    }
}

impl From<domain::DaysToStart> for DaysToStart {
    fn from(days: domain::DaysToStart) -> Self {
        let domain::DaysToStart { mean, quantiles } = days;
        let quantiles = quantiles.into_iter().map(Quantile::from).collect();
        Self { mean: Scalar(mean), quantiles }
    }
}

impl From<domain::Quantile> for Quantile {
    fn from(domain::Quantile { level, days }: domain::Quantile) -> Self {
        Self { level: Scalar(level), days: Scalar(days) }
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
