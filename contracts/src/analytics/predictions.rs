//! What a prediction says, and why there may be none.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::{PredictionId, UserId};

/// A prediction of the next period start.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Derived from (user, anchor cycle, input version, model).
    pub id: PredictionId,
    /// Whose.
    pub user_id: UserId,
    /// The logged start that it counts from; none from a program that did not say.
    #[serde(default)]
    pub from_start_date: Option<NaiveDate>,
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
    /// The same in days after `from_start_date`; none from a program that did not say.
    #[serde(default)]
    pub days_to_start: Option<DaysToStart>,
    /// The second and the third next start.
    #[serde(default)]
    pub upcoming: Vec<UpcomingStart>,
    /// For each day on which it is at least 0.01: the probability of fertility and of ovulation.
    #[serde(default)]
    pub fertility: Vec<DayFertility>,
    /// The probability that a start since the newest logged one went unlogged, given that nothing
    /// was logged up to `open_until`.
    #[serde(default)]
    pub missed_log_probability: f64,
    /// The last day of which it is known that nothing was logged; none while that says nothing,
    /// because the day is not later than what was to be expected.
    #[serde(default)]
    pub open_until: Option<NaiveDate>,
    /// The days that are fertile with a probability of at least 0.25, before the predicted start; where
    /// none is, those with at least half of the greatest. Information, no contraception.
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

/// The distribution of a start in real-valued days: what forecasts are scored by.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct DaysToStart {
    /// The mean.
    pub mean: f64,
    /// The quantiles, by ascending level.
    pub quantiles: Vec<Quantile>,
}

/// The point that a day comes before with a stated probability.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Quantile {
    /// The probability.
    pub level: f64,
    /// The point, in days.
    pub days: f64,
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

/// A start further ahead than the next one.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct UpcomingStart {
    /// 2: the one after the next; 3: the one after that.
    pub cycles_ahead: i32,
    /// The day on which that period is expected to start.
    pub predicted_start_date: NaiveDate,
    /// The last day of bleeding expected then.
    pub predicted_end_date: NaiveDate,
    /// The probability that the start falls within 2 days of `predicted_start_date`.
    pub confidence_score: f64,
    /// Ranges of the start date.
    pub intervals: Vec<PredictionInterval>,
}

/// How likely a day is fertile. Information, no contraception.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DayFertility {
    /// The day.
    pub date: NaiveDate,
    /// The probability that it lies in the six days that end with ovulation.
    pub fertile: f64,
    /// The probability that ovulation falls on it.
    pub ovulation: f64,
}

/// Why there is no prediction.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoPrediction {
    /// In one word.
    pub reason: NoPredictionReason,
    /// In a sentence: 'No prediction, because …'.
    pub message: String,
    /// The first day for which it holds.
    pub since: Option<NaiveDate>,
}

/// Why there is no prediction, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoPredictionReason {
    /// No cycle was logged.
    NothingLogged,
    /// No start was logged since an episode ended.
    NoStartSinceEpisode,
    /// A pregnancy goes on.
    Pregnancy,
    /// The time after a birth goes on.
    Postpartum,
    /// Breastfeeding goes on.
    Breastfeeding,
    /// Hormonal contraception goes on.
    HormonalContraception,
    /// The menopausal transition goes on.
    Perimenopause,
    /// The user paused predictions.
    Pause,
    /// The dates would lie after the last one of the calendar.
    BeyondCalendar,
}
