//! What the analytics group answers. Every read is of the store and never of an actor's memory.

use std::time::{Duration, Instant};

use actor_runtime::{database, outbox, versions::VersionBoard};
use contracts::{
    Call, ErrorKind, Refusal, UserId, Version,
    analytics::{
        ActivePrediction, CycleAnalyticsList, GeneratePrediction, GeneratedPrediction,
        GetActivePrediction, GetInsights, Insights, ListCycleAnalytics, ListPredictions,
        ListPredictionsChanged, MIN_VERSION_WAIT_MAX, PredictionList,
    },
    events::{ChangedPage, Topic},
    health::{Check, GroupHealth},
    page::PageRequest,
};
use sqlx::PgPool;

use crate::{
    coordinator::Waker,
    insights::insights,
    store::{
        cycle_analytics::cycle_analytics_list_for_user,
        predictions::{PredictionFilter, prediction_active_for_user, prediction_list_for_user},
        subject::subject_statistics,
    },
    user::Wanted,
};

/// What is left of a deadline for the answer itself after waiting for a version.
const ANSWER_MARGIN: Duration = Duration::from_millis(100);

/// The analytics group without its actors.
pub(crate) struct Service {
    pub(crate) pool: PgPool,
    pub(crate) board: VersionBoard,
    pub(crate) waker: Waker,
}

impl Service {
    pub(crate) async fn list_predictions(
        &self,
        call: &Call,
        request: ListPredictions,
    ) -> Result<PredictionList, Refusal> {
        let ListPredictions { user_id, active, min_version, page } = request;
        let filter = PredictionFilter { active, page };
        self.read_at_least(call, user_id, min_version, || async move {
            let list = database::read(&self.pool, || {
                prediction_list_for_user(&self.pool, user_id, filter)
            });
            let list = list.await?;
            Ok((list.as_of_version, list))
        })
        .await
    }

    pub(crate) async fn generate_prediction(
        &self,
        call: &Call,
        request: GeneratePrediction,
    ) -> Result<GeneratedPrediction, Refusal> {
        let GeneratePrediction { user_id } = request;
        self.waker.wake(call, user_id, Wanted::Current).await?;
        let filter =
            PredictionFilter { active: Some(true), page: PageRequest { limit: 1, offset: 0 } };
        let list =
            database::read(&self.pool, || prediction_list_for_user(&self.pool, user_id, filter));
        let list = list.await.map_err(|error| database::refusal(&error))?;
        let PredictionList { predictions, total: _, as_of_version } = list;
        let prediction = predictions.into_iter().next().ok_or_else(|| {
            Refusal::new(ErrorKind::Invalid, "insufficient-data", "Log a cycle first.")
        })?;
        Ok(GeneratedPrediction { prediction, as_of_version })
    }

    pub(crate) async fn get_insights(
        &self,
        call: &Call,
        request: GetInsights,
    ) -> Result<Insights, Refusal> {
        let GetInsights { user_id, min_version } = request;
        self.read_at_least(call, user_id, min_version, || async move {
            let read = database::read(&self.pool, || subject_statistics(&self.pool, user_id));
            let (as_of_version, statistics) = read.await?;
            let insights = insights(&statistics);
            Ok((as_of_version, Insights { insights, statistics, as_of_version }))
        })
        .await
    }

    pub(crate) async fn list_cycle_analytics(
        &self,
        call: &Call,
        request: ListCycleAnalytics,
    ) -> Result<CycleAnalyticsList, Refusal> {
        let ListCycleAnalytics { user_id, min_version, page } = request;
        self.read_at_least(call, user_id, min_version, || async move {
            let list = database::read(&self.pool, || {
                cycle_analytics_list_for_user(&self.pool, user_id, page)
            });
            let list = list.await?;
            Ok((list.as_of_version, list))
        })
        .await
    }

    pub(crate) async fn get_active_prediction(
        &self,
        request: GetActivePrediction,
    ) -> Result<ActivePrediction, Refusal> {
        let active =
            database::read(&self.pool, || prediction_active_for_user(&self.pool, request.user_id));
        active.await.map_err(|error| database::refusal(&error))
    }

    pub(crate) async fn list_predictions_changed(
        &self,
        ListPredictionsChanged(request): ListPredictionsChanged,
    ) -> Result<ChangedPage, Refusal> {
        let page = database::read(&self.pool, || {
            outbox::changed_since(&self.pool, Topic::PredictionChanged, &request)
        });
        page.await.map_err(|error| database::refusal(&error))
    }

    pub(crate) async fn check(&self) -> GroupHealth {
        let healthy = database::is_healthy(&self.pool).await;
        GroupHealth { checks: vec![Check { name: "database".into(), healthy }] }
    }

    /// Reads what reflects at least `min_version`, or after a while what there is.
    async fn read_at_least<T, Reading>(
        &self,
        call: &Call,
        user_id: UserId,
        min_version: Option<Version>,
        read: impl FnMut() -> Reading,
    ) -> Result<T, Refusal>
    where
        Reading: Future<Output = Result<(Version, T), sqlx::Error>>,
    {
        let left = call.deadline.saturating_duration_since(Instant::now());
        let patience = left.saturating_sub(ANSWER_MARGIN).min(MIN_VERSION_WAIT_MAX);
        let answer = self.board.read_at_least(user_id, min_version, patience, read).await;
        answer.map_err(|error| database::refusal(&error))
    }
}
