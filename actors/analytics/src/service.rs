//! What the analytics group answers. Every read is of the store and never of an actor's memory.

use std::time::{Duration, Instant};

use actor_runtime::{clock::Clock, database, outbox, versions::VersionBoard};
use chrono::NaiveDate;
use contracts::{
    Call, ErrorKind, Handle, Refusal, UserId, Version,
    analytics::{
        ActivePrediction, CALENDAR_DAYS_MAX, Calendar, CycleAnalyticsList, GeneratePrediction,
        GeneratedPrediction, GetActivePrediction, GetCalendar, GetInsights, Insights,
        ListCycleAnalytics, ListPredictions, ListPredictionsChanged, MIN_VERSION_WAIT_MAX,
        NoPredictionReason, PredictionList,
    },
    cycles::CyclesMailbox,
    events::{ChangedPage, Topic},
    health::{Check, GroupHealth},
    page::PageRequest,
};
use sqlx::PgPool;

use crate::{
    calendar::calendar,
    coordinator::Waker,
    insights::told,
    store::{
        cycle_analytics::cycle_analytics_list_for_user,
        prediction_reads::{
            PredictionFilter, prediction_active_for_user, prediction_list_for_user,
        },
        readings::{CalendarReading, calendar_reading, insights_reading},
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
    /// Who keeps the answers to questions.
    pub(crate) cycles: Handle<CyclesMailbox>,
    pub(crate) clock: Clock,
}

impl Service {
    /// The active prediction is told as it is today, whatever day it was stored on: its start is
    /// never before it.
    pub(crate) async fn list_predictions(
        &self,
        call: &Call,
        request: ListPredictions,
    ) -> Result<PredictionList, Refusal> {
        let ListPredictions { user_id, active, min_version, page } = request;
        let filter = PredictionFilter { active, page };
        self.read_at_least(call, user_id, min_version, || async move {
            let list = self.predictions_today(user_id, filter).await?;
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
        let list = self.predictions_today(user_id, filter).await;
        let list = list.map_err(|error| database::refusal(&error))?;
        let PredictionList { predictions, total: _, no_prediction, as_of_version } = list;
        match (predictions.into_iter().next(), no_prediction) {
            (Some(prediction), _) => Ok(GeneratedPrediction { prediction, as_of_version }),
            (None, Some(why)) if why.reason != NoPredictionReason::NothingLogged => {
                Err(Refusal::new(ErrorKind::Invalid, "no-prediction", why.message))
            }
            _ => {
                let detail = "Log a cycle first.";
                Err(Refusal::new(ErrorKind::Invalid, "insufficient-data", detail))
            }
        }
    }

    pub(crate) async fn get_insights(
        &self,
        call: &Call,
        request: GetInsights,
    ) -> Result<Insights, Refusal> {
        let GetInsights { user_id, min_version } = request;
        self.read_at_least(call, user_id, min_version, || async move {
            let reading = database::read(&self.pool, || insights_reading(&self.pool, user_id));
            let insights = told(user_id, reading.await?);
            Ok((insights.as_of_version, insights))
        })
        .await
    }

    pub(crate) async fn get_calendar(
        &self,
        call: &Call,
        request: GetCalendar,
    ) -> Result<Calendar, Refusal> {
        let GetCalendar { user_id, from, to, min_version } = request;
        if to < from {
            return Err(Refusal::invalid("to", "must not be before the first day"));
        }
        if (to - from).num_days() >= CALENDAR_DAYS_MAX {
            return Err(Refusal::invalid("to", "must be at most 365 days after the first day"));
        }
        let today = self.today();
        self.read_at_least(call, user_id, min_version, || async move {
            let range = (from, to);
            let reading =
                database::read(&self.pool, || calendar_reading(&self.pool, user_id, range));
            let CalendarReading { as_of_version, known, cycles } = reading.await?;
            let days = calendar(range, today, &cycles, known.as_ref());
            Ok((as_of_version, Calendar { days, as_of_version }))
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

    /// The day by which forecasts are made: that of UTC.
    pub(crate) fn today(&self) -> NaiveDate {
        self.clock.now().date_naive()
    }

    /// A page of predictions, the active one as it is today.
    async fn predictions_today(
        &self,
        user_id: UserId,
        filter: PredictionFilter,
    ) -> Result<PredictionList, sqlx::Error> {
        let read =
            database::read(&self.pool, || prediction_list_for_user(&self.pool, user_id, filter));
        let (mut list, known) = read.await?;
        let Some(known) = known else { return Ok(list) };
        match known.prediction(self.today()) {
            Ok(prediction) => {
                if let Some(active) = list.predictions.iter_mut().find(|one| one.is_active) {
                    *active = prediction;
                }
            }
            Err(why) => {
                let before = list.predictions.len();
                list.predictions.retain(|prediction| !prediction.is_active);
                if list.predictions.len() < before {
                    list.total -= 1;
                }
                list.no_prediction = Some(why);
            }
        }
        Ok(list)
    }

    /// Reads what reflects at least `min_version`, or after a while what there is.
    pub(crate) async fn read_at_least<T, Reading>(
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
