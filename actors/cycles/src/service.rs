//! What the group does with each request: reads from the store, and writes that are checked here
//! and carried out by the writers.

use std::convert::identity;

use actor_runtime::{clock::Clock, database, idempotency::Fingerprint, outbox};
use contracts::{
    Call, Refusal, Request,
    cycles::{
        AnswerGap, CheckCycles, Cycle, DeleteCycle, DeleteEpisode, DeleteSymptom, EditCycle,
        EditEpisode, EditSymptom, Episode, GetCycle, GetEpisode, GetHistory, History, ListCycles,
        ListCyclesChanged, ListEpisodes, ListSymptoms, LogSymptom, RecordCycle, RecordEpisode,
        Symptom,
    },
    events::{ChangedPage, Topic},
    health::{Check, GroupHealth},
    page::Page,
};
use serde::Serialize;
use sqlx::PgPool;

use crate::{
    error::CyclesError,
    store::{self, CycleFilter, SymptomFilter},
    validate,
    writes::{CycleChange, EpisodeChange, Removal, SymptomChange, Versioned},
};

/// The logic of the group.
pub(crate) struct Service {
    pool: PgPool,
    clock: Clock,
}

impl Service {
    pub(crate) fn new(pool: PgPool, clock: Clock) -> Self {
        Self { pool, clock }
    }

    pub(crate) fn record_cycle(
        &self,
        call: &Call,
        request: RecordCycle,
    ) -> Result<Versioned<CycleChange>, Refusal> {
        validate::record_cycle(&request, self.clock.latest_today())?;
        self.write(call, request, CycleChange::Record)
    }

    pub(crate) fn edit_cycle(
        &self,
        call: &Call,
        request: EditCycle,
    ) -> Result<Versioned<CycleChange>, Refusal> {
        validate::edit_cycle(&request, self.clock.latest_today())?;
        self.write(call, request, CycleChange::Edit)
    }

    pub(crate) fn delete_cycle(
        &self,
        call: &Call,
        request: DeleteCycle,
    ) -> Result<Versioned<Removal>, Refusal> {
        self.write(call, request, Removal::Cycle)
    }

    pub(crate) fn log_symptom(
        &self,
        call: &Call,
        request: LogSymptom,
    ) -> Result<Versioned<SymptomChange>, Refusal> {
        validate::log_symptom(&request, self.clock.latest_today())?;
        self.write(call, request, SymptomChange::Log)
    }

    pub(crate) fn edit_symptom(
        &self,
        call: &Call,
        request: EditSymptom,
    ) -> Result<Versioned<SymptomChange>, Refusal> {
        validate::edit_symptom(&request, self.clock.latest_today())?;
        self.write(call, request, SymptomChange::Edit)
    }

    pub(crate) fn delete_symptom(
        &self,
        call: &Call,
        request: DeleteSymptom,
    ) -> Result<Versioned<Removal>, Refusal> {
        self.write(call, request, Removal::Symptom)
    }

    pub(crate) fn record_episode(
        &self,
        call: &Call,
        request: RecordEpisode,
    ) -> Result<Versioned<EpisodeChange>, Refusal> {
        validate::record_episode(&request, self.clock.latest_today())?;
        self.write(call, request, EpisodeChange::Record)
    }

    pub(crate) fn edit_episode(
        &self,
        call: &Call,
        request: EditEpisode,
    ) -> Result<Versioned<EpisodeChange>, Refusal> {
        validate::edit_episode(&request, self.clock.latest_today())?;
        self.write(call, request, EpisodeChange::Edit)
    }

    pub(crate) fn delete_episode(
        &self,
        call: &Call,
        request: DeleteEpisode,
    ) -> Result<Versioned<Removal>, Refusal> {
        self.write(call, request, Removal::Episode)
    }

    pub(crate) fn answer_gap(
        &self,
        call: &Call,
        request: AnswerGap,
    ) -> Result<Versioned<AnswerGap>, Refusal> {
        validate::answer_gap(&request, self.clock.latest_today())?;
        self.write(call, request, identity)
    }

    pub(crate) async fn list_cycles(&self, request: ListCycles) -> Result<Page<Cycle>, Refusal> {
        let ListCycles { user_id, from, to, page } = request;
        validate::page(page)?;
        let filter = CycleFilter {
            only: None,
            from: from.map(validate::filter_date),
            to: to.map(validate::filter_date),
        };
        self.read(|| store::cycle_page(&self.pool, user_id, filter, page)).await
    }

    pub(crate) async fn get_cycle(&self, request: GetCycle) -> Result<Cycle, Refusal> {
        let GetCycle { user_id, cycle_id } = request;
        let cycle = self.read(|| store::cycle_get(&self.pool, user_id, cycle_id)).await?;
        cycle.ok_or_else(|| CyclesError::NotFound.into())
    }

    pub(crate) async fn list_symptoms(
        &self,
        request: ListSymptoms,
    ) -> Result<Page<Symptom>, Refusal> {
        validate::list_symptoms(&request)?;
        let ListSymptoms { user_id, cycle_id, symptom_type, from, to, page } = request;
        let filter = SymptomFilter {
            cycle_id,
            symptom_type,
            from: from.map(validate::filter_date),
            to: to.map(validate::filter_date),
        };
        self.read(|| store::symptom_page(&self.pool, user_id, &filter, page)).await
    }

    pub(crate) async fn list_episodes(
        &self,
        request: ListEpisodes,
    ) -> Result<Page<Episode>, Refusal> {
        let ListEpisodes { user_id, page } = request;
        validate::page(page)?;
        self.read(|| store::episode_page(&self.pool, user_id, page)).await
    }

    pub(crate) async fn get_episode(&self, request: GetEpisode) -> Result<Episode, Refusal> {
        let GetEpisode { user_id, episode_id } = request;
        let episode = self.read(|| store::episode_get(&self.pool, user_id, episode_id)).await?;
        episode.ok_or_else(|| CyclesError::NotFound.into())
    }

    pub(crate) async fn get_history(&self, request: GetHistory) -> Result<History, Refusal> {
        let GetHistory { user_id } = request;
        self.read(|| store::history_get(&self.pool, user_id)).await
    }

    pub(crate) async fn list_changed(
        &self,
        request: ListCyclesChanged,
    ) -> Result<ChangedPage, Refusal> {
        let ListCyclesChanged(changed_since) = request;
        let topic = Topic::CycleChanged;
        self.read(|| outbox::changed_since(&self.pool, topic, &changed_since)).await
    }

    pub(crate) async fn check(&self, request: CheckCycles) -> GroupHealth {
        let CheckCycles {} = request;
        let healthy = database::is_healthy(&self.pool).await;
        GroupHealth { checks: vec![Check { name: "database".into(), healthy }] }
    }

    async fn read<T, Reading>(&self, read: impl FnMut() -> Reading) -> Result<T, Refusal>
    where
        Reading: Future<Output = Result<T, sqlx::Error>>,
    {
        database::read(&self.pool, read).await.map_err(|error| database::refusal(&error))
    }

    fn write<R: Request + Serialize, C>(
        &self,
        call: &Call,
        request: R,
        change: impl FnOnce(R) -> C,
    ) -> Result<Versioned<C>, Refusal> {
        let fingerprint = Fingerprint::of(call, &request)?;
        let change = change(request);
        Ok(Versioned { change, call: call.clone(), fingerprint, clock: self.clock })
    }
}
