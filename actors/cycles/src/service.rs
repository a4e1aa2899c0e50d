//! What the group does with each request: reads from the store, and writes that are checked here
//! and carried out by the writers.

use std::convert::identity;

use actor_runtime::{clock::Clock, database, idempotency::Fingerprint, outbox, seal::KeyRing};
use contracts::{
    Call, Refusal, Request,
    cycles::{
        AnswerGap, CheckCycles, Cycle, CyclesExport, CyclesImported, DeleteCycle, DeleteEpisode,
        DeleteSymptom, EditCycle, EditEpisode, EditSymptom, Episode, ExportCursor, ExportCycles,
        GetCycle, GetEpisode, GetHistory, GetRetention, History, ImportCycles, ListCycles,
        ListCyclesChanged, ListEpisodes, ListSymptoms, LogSymptom, RecordCycle, RecordEpisode,
        Retention, SetRetention, Symptom,
    },
    events::{ChangedPage, Topic},
    health::{Check, GroupHealth},
    page::Page,
};
use serde::Serialize;
use sqlx::PgPool;

use crate::{
    error::CyclesError,
    import,
    sealed::UserKey,
    store::{self, CycleFilter, SymptomFilter},
    validate,
    writes::{CycleChange, EpisodeChange, Removal, SymptomChange, Versioned},
};

/// The logic of the group.
pub(crate) struct Service {
    pool: PgPool,
    clock: Clock,
    keys: KeyRing,
}

impl Service {
    pub(crate) fn new(pool: PgPool, clock: Clock, keys: KeyRing) -> Self {
        Self { pool, clock, keys }
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

    pub(crate) fn set_retention(
        &self,
        call: &Call,
        request: SetRetention,
    ) -> Result<Versioned<SetRetention>, Refusal> {
        validate::set_retention(&request)?;
        self.write(call, request, identity)
    }

    pub(crate) async fn get_retention(&self, request: GetRetention) -> Result<Retention, Refusal> {
        let GetRetention { user_id } = request;
        self.read(|| store::retention_get(&self.pool, user_id)).await
    }

    pub(crate) async fn list_cycles(&self, request: ListCycles) -> Result<Page<Cycle>, Refusal> {
        let ListCycles { user_id, from, to, page } = request;
        validate::page(page)?;
        let filter = CycleFilter {
            only: None,
            from: from.map(validate::filter_date),
            to: to.map(validate::filter_date),
        };
        let read = || async move {
            let mut key = UserKey::new(&self.keys, user_id);
            store::cycle_page(&self.pool, user_id, &mut key, filter, page).await
        };
        self.read(read).await
    }

    pub(crate) async fn get_cycle(&self, request: GetCycle) -> Result<Cycle, Refusal> {
        let GetCycle { user_id, cycle_id } = request;
        let read = || async move {
            let mut key = UserKey::new(&self.keys, user_id);
            store::cycle_get(&self.pool, user_id, &mut key, cycle_id).await
        };
        let cycle = self.read(read).await?;
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
        let key = || UserKey::new(&self.keys, user_id);
        self.read(|| store::symptom_page(&self.pool, user_id, key(), &filter, page)).await
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

    /// A page of everything that is held on a user.
    pub(crate) async fn export_cycles(
        &self,
        request: ExportCycles,
    ) -> Result<CyclesExport, Refusal> {
        let ExportCycles { user_id, after } = request;
        let key = || UserKey::new(&self.keys, user_id);
        match after {
            ExportCursor::Cycles(after) => {
                let after = after.map(validate::filter_date);
                self.read(|| store::export_cycles(&self.pool, user_id, after)).await
            }
            ExportCursor::Symptoms(after) => {
                self.read(|| store::export_symptoms(&self.pool, user_id, key(), after)).await
            }
            ExportCursor::Episodes(after) => {
                self.read(|| store::export_episodes(&self.pool, user_id, after)).await
            }
        }
    }

    /// Whether rows of an export can be brought back, as far as each tells by itself.
    pub(crate) fn check_import(&self, request: &ImportCycles) -> Result<CyclesImported, Refusal> {
        import::check(request, self.clock.latest_today())?;
        Ok(CyclesImported { stored: 0, unchanged: 0, version: None })
    }

    /// The write that brings rows of an export back.
    pub(crate) fn import_cycles(
        &self,
        call: &Call,
        request: ImportCycles,
    ) -> Result<Versioned<ImportCycles>, Refusal> {
        import::check(&request, self.clock.latest_today())?;
        self.write(call, request, identity)
    }

    pub(crate) async fn get_history(&self, request: GetHistory) -> Result<History, Refusal> {
        let GetHistory { user_id } = request;
        let key = || UserKey::new(&self.keys, user_id);
        self.read(|| store::history_get(&self.pool, user_id, key())).await
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
        let keys = self.keys.clone();
        Ok(Versioned { change, call: call.clone(), fingerprint, clock: self.clock, keys })
    }
}
