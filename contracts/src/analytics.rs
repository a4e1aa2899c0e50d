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

mailbox! {
    /// What the analytics group answers.
    AnalyticsMailbox of "analytics" {
        people {
            ListPredictions => PredictionList, "list_predictions";
            GeneratePrediction => GeneratedPrediction, "generate_prediction";
            GetInsights => Insights, "get_insights";
            ListCycleAnalytics => CycleAnalyticsList, "list_cycle_analytics";
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

/// A prediction of the next period start.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Derived from (user, anchor cycle, input version, model).
    pub id: PredictionId,
    /// Whose.
    pub user_id: UserId,
    /// The day on which the next period is expected to start.
    pub predicted_start_date: NaiveDate,
    /// The last day of bleeding expected then.
    pub predicted_end_date: NaiveDate,
    /// The probability that the start falls within 2 days of `predicted_start_date`.
    pub confidence_score: f64,
    /// Names the rule or model.
    pub prediction_method: String,
    /// How many completed cycle lengths it was computed from.
    pub based_on_cycles: i32,
    /// A sentence on how it came about.
    pub notes: Option<String>,
    /// Ranges of the start date.
    pub intervals: Vec<PredictionInterval>,
    /// The six days that end with the expected ovulation. Information, no contraception.
    pub fertile_window: DateRange,
    /// The expected day of ovulation.
    pub ovulation_date: NaiveDate,
    /// The range in which ovulation falls with a probability of about 0.8.
    pub ovulation_range: DateRange,
    /// At most one prediction of a user is active at any instant.
    pub is_active: bool,
    /// The start that was logged after it.
    pub actual_start_date: Option<NaiveDate>,
    /// When the cycles that it was computed from last changed.
    pub created_at: DateTime<Utc>,
}

/// A range of dates, both ends inclusive.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DateRange {
    /// The first day.
    pub start: NaiveDate,
    /// The last day.
    pub end: NaiveDate,
}

/// A range of dates that holds the start with a stated probability.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PredictionInterval {
    /// The probability: 0.5, 0.8 or 0.95.
    pub level: f64,
    /// The first day.
    pub start: NaiveDate,
    /// The last day, inclusive.
    pub end: NaiveDate,
}

/// A page of predictions.
#[derive(Clone, Serialize, Deserialize)]
pub struct PredictionList {
    /// Newest first.
    pub predictions: Vec<Prediction>,
    /// How many there are in all.
    pub total: i64,
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

/// Statistics of a user's cycles.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    /// How many cycles were logged.
    pub total_cycles_tracked: i32,
    /// Mean days from start to start, to a tenth; none before the second start.
    pub average_cycle_length: Option<f64>,
    /// Mean inclusive days of bleeding, to a tenth; none before the first end.
    pub average_period_length: Option<f64>,
    /// How much the lengths vary.
    pub cycle_regularity: Regularity,
}

/// How much cycle lengths vary, by their population variance in days squared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Regularity {
    /// Under 2.
    VeryRegular,
    /// Under 5.
    Regular,
    /// 5 or more.
    Irregular,
    /// Fewer than two lengths are known.
    Unknown,
}

/// A sentence on the user's cycles.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Insight {
    /// How to read it.
    pub kind: InsightKind,
    /// The sentence.
    pub message: String,
}

/// How to read an insight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InsightKind {
    /// All is as it should be.
    Positive,
    /// Good to know.
    Info,
    /// Worth a look.
    Warning,
}

/// Statistics and what they mean.
#[derive(Clone, Serialize, Deserialize)]
pub struct Insights {
    /// Sentences, most important first.
    pub insights: Vec<Insight>,
    /// The numbers behind them.
    pub statistics: Statistics,
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
    /// The day on which the next period is expected to start.
    pub predicted_start_date: NaiveDate,
}
