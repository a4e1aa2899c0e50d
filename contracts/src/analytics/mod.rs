//! The analytics group: statistics and predictions, derived from a user's cycles alone.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    CycleId, PredictionId, UserId, Version,
    events::{ChangedPage, ChangedSince},
    health::GroupHealth,
    mailbox::mailbox,
    page::PageRequest,
};

mod calendar;
mod insights;
mod predictions;
mod questions;

pub use calendar::{CALENDAR_DAYS_MAX, Calendar, CalendarDay, CyclePhase, GetCalendar, LoggedDay};
pub use insights::{
    ForecastRecord, Insight, InsightKind, Insights, Regularity, Statistics, SymptomPattern,
};
pub use predictions::{
    DateRange, DayFertility, DaysToStart, NoPrediction, NoPredictionReason, Prediction,
    PredictionInterval, Quantile, UpcomingStart,
};
pub use questions::{AnswerQuestion, ListQuestions, Question, QuestionAnswered, QuestionList};

mailbox! {
    /// What the analytics group answers.
    AnalyticsMailbox of "analytics" {
        people {
            ListPredictions => PredictionList, "list_predictions", ReadAnalytics;
            GeneratePrediction => GeneratedPrediction, "generate_prediction", WriteAnalytics;
            GetInsights => Insights, "get_insights", ReadAnalytics;
            ListCycleAnalytics => CycleAnalyticsList, "list_cycle_analytics", ReadAnalytics;
            GetCalendar => Calendar, "get_calendar", ReadAnalytics;
            ListQuestions => QuestionList, "list_questions", ReadAnalytics;
            // What is answered becomes a fact of the cycles group, which is asked with the same token.
            AnswerQuestion => QuestionAnswered, "answer_question", WriteCycles;
        }
        services {
            GetActivePrediction => ActivePrediction, "get_active_prediction";
            ListPredictionsChanged => ChangedPage, "changed_since";
        }
        open {
            CheckAnalytics => GroupHealth, "check";
        }
    }
}

/// The longest that a read waits for `min_version`.
pub const MIN_VERSION_WAIT_MAX: Duration = Duration::from_secs(2);

/// Read one's predictions, newest first.
#[derive(Clone, Serialize, Deserialize)]
pub struct ListPredictions {
    /// Whose.
    pub user_id: UserId,
    /// Only the active one, or only inactive ones.
    pub active: Option<bool>,
    /// Wait up to 2 s for this version.
    pub min_version: Option<Version>,
    /// Which rows.
    pub page: PageRequest,
}

/// Compute the prediction now from the current cycles.
#[derive(Clone, Serialize, Deserialize)]
pub struct GeneratePrediction {
    /// Whose.
    pub user_id: UserId,
}

/// Read statistics and what they mean.
#[derive(Clone, Serialize, Deserialize)]
pub struct GetInsights {
    /// Whose.
    pub user_id: UserId,
    /// Wait up to 2 s for this version.
    pub min_version: Option<Version>,
}

/// Read the statistics of each cycle, newest start first.
#[derive(Clone, Serialize, Deserialize)]
pub struct ListCycleAnalytics {
    /// Whose.
    pub user_id: UserId,
    /// Wait up to 2 s for this version.
    pub min_version: Option<Version>,
    /// Which rows.
    pub page: PageRequest,
}

/// Service-only: read what reminders need of a user.
#[derive(Clone, Serialize, Deserialize)]
pub struct GetActivePrediction {
    /// Whose.
    pub user_id: UserId,
}

/// Service-only: which users' predictions changed (anti-entropy).
#[derive(Clone, Serialize, Deserialize)]
pub struct ListPredictionsChanged(pub ChangedSince);

/// Ask whether the group and what it needs are well.
#[derive(Clone, Serialize, Deserialize)]
pub struct CheckAnalytics {}

/// A page of predictions.
#[derive(Clone, Serialize, Deserialize)]
pub struct PredictionList {
    /// Newest first.
    pub predictions: Vec<Prediction>,
    /// How many there are in all.
    pub total: i64,
    /// Why none is active; none if one is.
    #[serde(default)]
    pub no_prediction: Option<NoPrediction>,
    /// The version of the user's cycles that this reflects.
    pub as_of_version: Version,
}

/// The prediction that was asked for.
#[derive(Clone, Serialize, Deserialize)]
pub struct GeneratedPrediction {
    /// The active prediction.
    pub prediction: Prediction,
    /// The version of the user's cycles that this reflects.
    pub as_of_version: Version,
}

/// The statistics of one cycle, as they stood when it was the newest.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct CycleAnalytics {
    /// The same number as the cycle's id: there is exactly one row for each cycle.
    pub id: CycleId,
    /// Whose.
    pub user_id: UserId,
    /// The cycle.
    pub cycle_id: CycleId,
    /// First day of bleeding.
    pub start_date: NaiveDate,
    /// Last day of bleeding, inclusive.
    pub end_date: Option<NaiveDate>,
    /// Days from this start to the next one.
    pub cycle_length: Option<i32>,
    /// Inclusive days of bleeding.
    pub period_length: Option<i32>,
    /// Whether the length is in the normal range; none while it is unknown.
    pub is_regular: Option<bool>,
    /// Mean of the lengths known up to and with this cycle.
    pub average_cycle_length: Option<f64>,
    /// Their population variance, in days squared.
    pub cycle_variance: Option<f64>,
    /// When the cycle's dates last changed.
    pub created_at: DateTime<Utc>,
}

/// A page of cycle statistics.
#[derive(Clone, Serialize, Deserialize)]
pub struct CycleAnalyticsList {
    /// Newest start first.
    pub analytics: Vec<CycleAnalytics>,
    /// How many there are in all.
    pub total: i64,
    /// The version of the user's cycles that this reflects.
    pub as_of_version: Version,
}

/// What reminders need of a user.
#[derive(Clone, Serialize, Deserialize)]
pub struct ActivePrediction {
    /// Whose.
    pub user_id: UserId,
    /// The version of the prediction state: what `prediction.changed` counts.
    pub version: Version,
    /// The version of the user's cycles that this reflects.
    pub as_of_version: Version,
    /// Whether the user was erased: then there is nothing here and never will be.
    #[serde(default)]
    pub erased: bool,
    /// What lies before this day was forgotten, because the user wants it so.
    #[serde(default)]
    pub forget_before: Option<NaiveDate>,
    /// The active prediction, if there is one.
    pub active: Option<PredictedStart>,
}

/// A predicted start and the cycle that it extends.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PredictedStart {
    /// The prediction.
    pub prediction_id: PredictionId,
    /// The newest cycle of the history that it was computed from.
    pub anchor_cycle_id: CycleId,
    /// The day on which the next period is expected to start, as it was when the prediction was made
    /// last; in the past once nothing was logged for more than a year.
    pub predicted_start_date: NaiveDate,
}
