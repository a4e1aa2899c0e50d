//! Insights: `/api/analytics/insights`.

use contracts::{
    Handle,
    analytics::{self as domain, AnalyticsMailbox},
};
use poem_openapi::{Enum, Object, OpenApi, payload::Json};

use crate::{
    auth::Caller,
    calendar::CyclePhase,
    document::Tag,
    parameter::Query,
    predictions::version,
    scalar::{Amount, Count, Nullable, Real, Scalar, StateVersion, SymptomType, Text},
};

/// The operations on insights.
pub(crate) struct InsightsApi {
    /// The group.
    pub(crate) analytics: Handle<AnalyticsMailbox>,
}

#[OpenApi(prefix_path = "/api/analytics", tag = "Tag::Analytics")]
impl InsightsApi {
    /// Read one's statistics and what they mean
    #[oai(path = "/insights", method = "get", operation_id = "getInsights")]
    async fn get(
        &self,
        caller: Caller,
        /// Wait up to 2 seconds until this version of the cycles is reflected.
        min_version: Query<Option<StateVersion>>,
    ) -> poem::Result<Json<Insights>> {
        let request =
            domain::GetInsights { user_id: caller.user_id, min_version: version(min_version) };
        Ok(Json(caller.ask(&self.analytics, request).await?.into()))
    }
}

/// Statistics and what they mean.
#[derive(Object)]
struct Insights {
    /// Sentences, most important first.
    insights: Vec<Insight>,
    /// The numbers behind them.
    statistics: Statistics,
    /// How good this user's past forecasts were; null before the first one was settled.
    forecast_record: Nullable<ForecastRecord>,
    /// Which symptoms cluster in which phase, the clearest first; at most 20.
    symptom_patterns: Vec<SymptomPattern>,
    /// The version of the user's cycles that this reflects.
    as_of_version: StateVersion,
}

/// A sentence on the user's cycles.
#[derive(Object)]
struct Insight {
    /// How to read it.
    #[oai(rename = "type")]
    kind: InsightKind,
    /// The sentence.
    message: Text,
    /// The rule by which it is said, in one word.
    rule: Text,
    /// Where the rule comes from; null for a plain count.
    source: Nullable<Text>,
}

/// How to read an insight: all is as it should be, good to know, or worth a look.
#[derive(Enum)]
#[oai(rename_all = "snake_case")]
enum InsightKind {
    Positive,
    Info,
    Warning,
}

/// Statistics of a user's cycles.
#[derive(Object)]
pub(crate) struct Statistics {
    /// How many cycles were logged.
    total_cycles_tracked: Count,
    /// Mean days from start to start, to a tenth; null before the second start.
    average_cycle_length: Nullable<Real>,
    /// Mean inclusive days of bleeding, to a tenth; null before the first end.
    average_period_length: Nullable<Real>,
    /// How much the lengths vary.
    cycle_regularity: Regularity,
}

/// How much cycle lengths vary, by their population variance in days squared: under 2, under 5,
/// 5 or more; unknown with fewer than two lengths.
#[derive(Enum)]
#[oai(rename_all = "snake_case")]
enum Regularity {
    VeryRegular,
    Regular,
    Irregular,
    Unknown,
}

/// How good this user's past forecasts were: each made from nothing but what came before it.
#[derive(Object)]
struct ForecastRecord {
    /// How many settled forecasts are counted: the newest 6 at the most.
    forecasts: Count,
    /// Mean distance of the predicted from the actual start, in days, to a hundredth.
    mean_absolute_error_days: Amount,
    /// How many actual starts fell into the 80 % range, out of `forecasts`.
    inside_80: Count,
    /// How many forecasts of that time are left out, because it is still asked whether a start was
    /// not logged.
    left_out: Count,
}

/// That a symptom was logged more often in one phase of the cycle than explain the days of that phase
/// on which it could have been logged: those of bleeding in a cycle with an end, since later symptoms
/// are refused, and all days in one without. A count, and no cause. Nothing is said unless it could
/// have been logged in another phase too, in at least 3 cycles; signs of ovulation do not count.
#[derive(Object)]
struct SymptomPattern {
    /// The symptom, in the user's words.
    symptom_type: SymptomType,
    /// The phase.
    phase: CyclePhase,
    /// On how many days of that phase it was logged.
    days_in_phase: Count,
    /// On how many days it was logged in all.
    days_total: Count,
    /// In how many cycles it was logged in that phase.
    cycles: Count,
    /// How many times as often as if its days were spread evenly over the days of all phases on
    /// which it could have been logged.
    ratio: Amount,
}

impl From<domain::Insights> for Insights {
    fn from(insights: domain::Insights) -> Self {
        let domain::Insights {
            insights,
            statistics,
            forecast_record,
            symptom_patterns,
            as_of_version,
        } = insights;
        Self {
            insights: insights.into_iter().map(Insight::from).collect(),
            statistics: statistics.into(),
            forecast_record: Nullable(forecast_record.map(ForecastRecord::from)),
            symptom_patterns: symptom_patterns.into_iter().map(SymptomPattern::from).collect(),
            as_of_version: Scalar(as_of_version.get()),
        }
    }
}

impl From<domain::Insight> for Insight {
    fn from(insight: domain::Insight) -> Self {
        let domain::Insight { kind, message, rule, source } = insight;
        let kind = match kind {
            domain::InsightKind::Positive => InsightKind::Positive,
            domain::InsightKind::Info => InsightKind::Info,
            domain::InsightKind::Warning => InsightKind::Warning,
        };
        Self { kind, message: Scalar(message), rule: Scalar(rule), source: source.into() }
    }
}

impl From<domain::ForecastRecord> for ForecastRecord {
    fn from(record: domain::ForecastRecord) -> Self {
        let domain::ForecastRecord { forecasts, mean_absolute_error_days, inside_80, left_out } =
            record;
        Self {
            forecasts: Scalar(i64::from(forecasts)),
            mean_absolute_error_days: Scalar(mean_absolute_error_days),
            inside_80: Scalar(i64::from(inside_80)),
            left_out: Scalar(i64::from(left_out)),
        }
    }
}

impl From<domain::SymptomPattern> for SymptomPattern {
    fn from(pattern: domain::SymptomPattern) -> Self {
        let domain::SymptomPattern {
            symptom_type,
            phase,
            days_in_phase,
            days_total,
            cycles,
            ratio,
        } = pattern;
        Self {
            symptom_type: Scalar(symptom_type),
            phase: phase.into(),
            days_in_phase: Scalar(i64::from(days_in_phase)),
            days_total: Scalar(i64::from(days_total)),
            cycles: Scalar(i64::from(cycles)),
            ratio: Scalar(ratio),
        }
    }
}

impl From<domain::Statistics> for Statistics {
    fn from(statistics: domain::Statistics) -> Self {
        let domain::Statistics {
            total_cycles_tracked,
            average_cycle_length,
            average_period_length,
            cycle_regularity,
        } = statistics;
        let cycle_regularity = match cycle_regularity {
            domain::Regularity::VeryRegular => Regularity::VeryRegular,
            domain::Regularity::Regular => Regularity::Regular,
            domain::Regularity::Irregular => Regularity::Irregular,
            domain::Regularity::Unknown => Regularity::Unknown,
        };
        Self {
            total_cycles_tracked: Scalar(i64::from(total_cycles_tracked)),
            average_cycle_length: average_cycle_length.into(),
            average_period_length: average_period_length.into(),
            cycle_regularity,
        }
    }
}
