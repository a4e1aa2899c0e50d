//! Statistics of each cycle: `/api/analytics/analytics`.

use contracts::{
    Handle,
    analytics::{self as domain, AnalyticsMailbox, CheckAnalytics},
};
use poem_openapi::{Object, OpenApi, payload::Json};

use crate::{
    auth::Caller,
    context::Context,
    document::Tag,
    health::{HealthAnswer, Service, health_of},
    page::{count, from_the_first, page, ten},
    parameter::Query,
    predictions::version,
    scalar::{
        Count, Date, Days, Flag, Id, Instant, Limit, Nullable, Offset, PeriodDays, Real, Scalar,
        StateVersion,
    },
};

/// The operations on statistics.
pub(crate) struct AnalyticsApi {
    /// The group.
    pub(crate) analytics: Handle<AnalyticsMailbox>,
}

#[OpenApi(prefix_path = "/api/analytics", tag = "Tag::Analytics")]
impl AnalyticsApi {
    /// Say how the group is
    #[oai(path = "/health", method = "get", operation_id = "getAnalyticsHealth")]
    async fn health(&self, context: Context) -> HealthAnswer {
        health_of(Service::Analytics, &context, &self.analytics, CheckAnalytics {}).await
    }

    /// List the statistics of each cycle, newest start first
    #[oai(path = "/analytics", method = "get", operation_id = "listCycleAnalytics")]
    async fn list(
        &self,
        caller: Caller,
        /// Wait up to 2 seconds until this version of the cycles is reflected.
        min_version: Query<Option<StateVersion>>,
        /// How many cycles at the most.
        #[oai(default = "ten")]
        limit: Query<Limit>,
        /// How many cycles to pass over.
        #[oai(default = "from_the_first")]
        offset: Query<Offset>,
    ) -> poem::Result<Json<CycleAnalyticsList>> {
        let request = domain::ListCycleAnalytics {
            user_id: caller.user_id,
            min_version: version(min_version),
            page: page(limit.0, offset.0),
        };
        let domain::CycleAnalyticsList { analytics, total, as_of_version } =
            caller.ask(&self.analytics, request).await?;
        Ok(Json(CycleAnalyticsList {
            count: count(&analytics),
            analytics: analytics.into_iter().map(CycleAnalytics::from).collect(),
            total: Scalar(total),
            as_of_version: Scalar(as_of_version.get()),
        }))
    }
}

/// The statistics of one cycle, as they stood when it was the newest.
#[derive(Object)]
pub(crate) struct CycleAnalytics {
    /// The same number as the cycle's id.
    id: Id,
    /// Whose.
    user_id: Id,
    /// The cycle.
    cycle_id: Id,
    /// First day of bleeding.
    start_date: Date,
    /// Last day of bleeding, inclusive.
    end_date: Nullable<Date>,
    /// Days from this start to the next one; null for the newest cycle.
    cycle_length: Nullable<Days>,
    /// Inclusive days of bleeding; null without an end.
    period_length: Nullable<PeriodDays>,
    /// Whether the length is in the normal range; null while it is unknown.
    is_regular: Nullable<Flag>,
    /// Mean of the lengths known up to and with this cycle, in days.
    average_cycle_length: Nullable<Real>,
    /// Their population variance, in days squared.
    cycle_variance: Nullable<Real>,
    /// When the cycle's dates last changed.
    created_at: Instant,
}

/// A page of cycle statistics.
#[derive(Object)]
struct CycleAnalyticsList {
    /// Newest start first.
    analytics: Vec<CycleAnalytics>,
    /// How many are in this page.
    count: Count,
    /// How many there are in all.
    total: Count,
    /// The version of the user's cycles that this reflects.
    as_of_version: StateVersion,
}

impl From<domain::CycleAnalytics> for CycleAnalytics {
    fn from(analytics: domain::CycleAnalytics) -> Self {
        let domain::CycleAnalytics {
            id,
            user_id,
            cycle_id,
            start_date,
            end_date,
            cycle_length,
            period_length,
            is_regular,
            average_cycle_length,
            cycle_variance,
            created_at,
        } = analytics;
        Self {
            id: Scalar(id.get()),
            user_id: Scalar(user_id.get()),
            cycle_id: Scalar(cycle_id.get()),
            start_date: Scalar(start_date),
            end_date: end_date.into(),
            cycle_length: cycle_length.into(),
            period_length: period_length.into(),
            is_regular: is_regular.into(),
            average_cycle_length: average_cycle_length.into(),
            cycle_variance: cycle_variance.into(),
            created_at: Scalar(created_at),
        }
    }
}
