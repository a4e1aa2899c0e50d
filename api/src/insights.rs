//! Insights: `/api/analytics/insights`.

use contracts::{
    Handle,
    analytics::{self as domain, AnalyticsMailbox},
};
use poem_openapi::{Enum, Object, OpenApi, payload::Json};

use crate::{
    auth::Caller,
    document::Tag,
    parameter::Query,
    predictions::version,
    scalar::{Count, Nullable, Real, Scalar, StateVersion, Text},
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
struct Statistics {
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

impl From<domain::Insights> for Insights {
    fn from(insights: domain::Insights) -> Self {
        let domain::Insights { insights, statistics, as_of_version } = insights;
        Self {
            insights: insights.into_iter().map(Insight::from).collect(),
            statistics: statistics.into(),
            as_of_version: Scalar(as_of_version.get()),
        }
    }
}

impl From<domain::Insight> for Insight {
    fn from(insight: domain::Insight) -> Self {
        let domain::Insight { kind, message } = insight;
        let kind = match kind {
            domain::InsightKind::Positive => InsightKind::Positive,
            domain::InsightKind::Info => InsightKind::Info,
            domain::InsightKind::Warning => InsightKind::Warning,
        };
        Self { kind, message: Scalar(message) }
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
