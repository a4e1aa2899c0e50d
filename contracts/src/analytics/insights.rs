//! Statistics of a user's cycles, and what they mean.

use serde::{Deserialize, Serialize};

use crate::Version;

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
    /// The rule by which it is said, in one word.
    #[serde(default)]
    pub rule: String,
    /// Where the rule comes from; none: it is a plain count.
    #[serde(default)]
    pub source: Option<String>,
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
    /// How good this user's past forecasts were; none before the first one was settled.
    #[serde(default)]
    pub forecast_record: Option<ForecastRecord>,
    /// Which symptoms cluster in which phase.
    #[serde(default)]
    pub symptom_patterns: Vec<SymptomPattern>,
    /// The version of the user's cycles that this reflects.
    pub as_of_version: Version,
}

/// How good this user's past forecasts were: each made from nothing but what came before it.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ForecastRecord {
    /// How many settled forecasts are counted: the newest 6 at the most.
    pub forecasts: i32,
    /// Mean distance of the predicted from the actual start, in days, to a hundredth.
    pub mean_absolute_error_days: f64,
    /// How many actual starts fell into the 80 % range.
    pub inside_80: i32,
    /// How many forecasts of that time are left out, because the user is still asked whether a start
    /// went unlogged.
    #[serde(default)]
    pub left_out: i32,
}

/// That a symptom was logged more often in one phase of the cycle than explain the days of that
/// phase on which it could have been logged.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct SymptomPattern {
    /// The symptom, in the user's words.
    pub symptom_type: String,
    /// The phase.
    pub phase: super::CyclePhase,
    /// On how many days of that phase it was logged.
    pub days_in_phase: i32,
    /// On how many days it was logged in all.
    pub days_total: i32,
    /// In how many cycles it was logged in that phase.
    pub cycles: i32,
    /// How many times as often as if its days were spread evenly over the days of all phases on which
    /// it could have been logged.
    pub ratio: f64,
}
