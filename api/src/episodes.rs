//! Episodes: `/api/cycles/episodes`.

use contracts::{
    EpisodeId, Handle, UserId,
    cycles::{self as domain, CyclesMailbox},
    page::Page,
};
use poem_openapi::{Enum, Object, OpenApi, param::Path, payload::Json, types::MaybeUndefined};

use crate::{
    answer::Written,
    auth::Caller,
    body::{Body, patch},
    cycles::Deleted,
    document::{Extra, Tag},
    page::{count, from_the_first, page, ten},
    parameter::{Idempotency, Query},
    scalar::{Count, Date, Id, Instant, Limit, Nullable, Offset, Scalar, StateVersion, Text},
};

/// What these operations answer besides what follows from their shape.
pub(crate) const EXTRA: &[Extra] = &[
    Extra { operation: "createEpisode", code: "overlapping-episode" },
    Extra { operation: "updateEpisode", code: "overlapping-episode" },
];

/// The operations on episodes.
pub(crate) struct EpisodesApi {
    /// The group.
    pub(crate) cycles: Handle<CyclesMailbox>,
}

#[OpenApi(prefix_path = "/api/cycles", tag = "Tag::Cycles")]
impl EpisodesApi {
    /// Log an episode
    ///
    /// While it goes on there is no prediction; its days are left out of statistics, and
    /// predictions begin anew after it. Episodes of different kinds may share days; one that
    /// shares a day with another of its kind is refused with the other's id (409). Refused (422)
    /// are a start or an end in the future, an end before the start, and the 501st episode.
    #[oai(path = "/episodes", method = "post", operation_id = "createEpisode")]
    async fn create(
        &self,
        caller: Caller,
        #[oai(name = "Idempotency-Key")] key: Idempotency,
        body: Body<NewEpisode>,
    ) -> poem::Result<Written<EpisodeCreated, 201>> {
        let NewEpisode { kind, start_date: Scalar(start_date), end_date } = body.0;
        let request = domain::RecordEpisode {
            user_id: caller.user_id,
            kind: kind.into(),
            start_date,
            end_date: end_date.map(|date| date.0),
        };
        let domain::EpisodeWritten { episode, version } =
            caller.write(&self.cycles, key.0, request).await?;
        let message = Scalar("Episode created successfully".to_owned());
        let body =
            EpisodeCreated { message, episode: episode.into(), version: Scalar(version.get()) };
        Ok(Written { body, version })
    }

    /// List one's episodes, newest start first
    #[oai(path = "/episodes", method = "get", operation_id = "listEpisodes")]
    async fn list(
        &self,
        caller: Caller,
        /// How many episodes at the most.
        #[oai(default = "ten")]
        limit: Query<Limit>,
        /// How many episodes to pass over.
        #[oai(default = "from_the_first")]
        offset: Query<Offset>,
    ) -> poem::Result<Json<EpisodeList>> {
        let request =
            domain::ListEpisodes { user_id: caller.user_id, page: page(limit.0, offset.0) };
        let Page { rows, total } = caller.ask(&self.cycles, request).await?;
        let count = count(&rows);
        let episodes = rows.into_iter().map(Episode::from).collect();
        Ok(Json(EpisodeList { episodes, count, total: Scalar(total) }))
    }

    /// Read one episode
    #[oai(path = "/episodes/:id", method = "get", operation_id = "getEpisode")]
    async fn get(
        &self,
        caller: Caller,
        /// The episode's id.
        id: Path<Id>,
    ) -> poem::Result<Json<Episode>> {
        let request =
            domain::GetEpisode { user_id: caller.user_id, episode_id: EpisodeId::new(id.0.0) };
        Ok(Json(caller.ask(&self.cycles, request).await?.into()))
    }

    /// Correct an episode
    ///
    /// A member that is left out stays as it is.
    #[oai(path = "/episodes/:id", method = "put", operation_id = "updateEpisode")]
    async fn update(
        &self,
        caller: Caller,
        /// The episode's id.
        id: Path<Id>,
        #[oai(name = "Idempotency-Key")] key: Idempotency,
        body: Body<EpisodeChanges>,
    ) -> poem::Result<Written<EpisodeUpdated, 200>> {
        let EpisodeChanges { kind, start_date, end_date } = body.0;
        let request = domain::EditEpisode {
            user_id: caller.user_id,
            episode_id: EpisodeId::new(id.0.0),
            kind: kind.map(domain::EpisodeKind::from),
            start_date: start_date.map(|date| date.0),
            end_date: patch(end_date),
        };
        let domain::EpisodeWritten { episode, version } =
            caller.write(&self.cycles, key.0, request).await?;
        let message = Scalar("Episode updated successfully".to_owned());
        let body =
            EpisodeUpdated { message, episode: episode.into(), version: Scalar(version.get()) };
        Ok(Written { body, version })
    }

    /// Remove an episode
    #[oai(path = "/episodes/:id", method = "delete", operation_id = "deleteEpisode")]
    async fn delete(
        &self,
        caller: Caller,
        /// The episode's id.
        id: Path<Id>,
        #[oai(name = "Idempotency-Key")] key: Idempotency,
    ) -> poem::Result<Written<Deleted, 200>> {
        let request =
            domain::DeleteEpisode { user_id: caller.user_id, episode_id: EpisodeId::new(id.0.0) };
        let domain::Deleted { version } = caller.write(&self.cycles, key.0, request).await?;
        Ok(Deleted::answer("Episode deleted successfully", version))
    }
}

/// An episode to log.
#[derive(Object)]
struct NewEpisode {
    /// What it is.
    kind: EpisodeKind,
    /// Its first day.
    start_date: Date,
    /// Its last day, inclusive; left out while it goes on.
    #[oai(nullable)]
    end_date: Option<Date>,
}

/// Changes to an episode.
#[derive(Object)]
struct EpisodeChanges {
    /// Another kind; it cannot be cleared.
    kind: Option<EpisodeKind>,
    /// Its first day; it cannot be cleared.
    start_date: Option<Date>,
    /// Its last day, inclusive; null clears it: the episode is going on.
    #[oai(nullable)]
    end_date: MaybeUndefined<Date>,
}

/// An episode: a span of life in which cycles are absent, suppressed or unlike the user's others.
#[derive(Object)]
pub(crate) struct Episode {
    /// The episode's id.
    id: Id,
    /// Whose it is.
    user_id: Id,
    /// What it is.
    kind: EpisodeKind,
    /// Its first day.
    start_date: Date,
    /// Its last day, inclusive; null while it goes on.
    end_date: Nullable<Date>,
    /// When it was logged.
    created_at: Instant,
    /// When it was last corrected.
    updated_at: Instant,
}

/// What an episode is. `pregnancy`: from conception or the last period on, to its end; `postpartum`:
/// after a birth, until cycles have returned; `breastfeeding`: while it keeps cycles away or changes
/// them; `hormonal_contraception`: bleeding follows the method; `perimenopause`: the menopausal
/// transition, in which cycles vary too much for a date; `pause`: one does not want to be predicted
/// for.
#[derive(Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum EpisodeKind {
    Pregnancy,
    Postpartum,
    Breastfeeding,
    HormonalContraception,
    Perimenopause,
    Pause,
}

/// A page of episodes.
#[derive(Object)]
struct EpisodeList {
    /// Newest start first.
    episodes: Vec<Episode>,
    /// How many are in this page.
    count: Count,
    /// How many there are in all.
    total: Count,
}

/// The episode that was logged.
#[derive(Object)]
struct EpisodeCreated {
    /// `Episode created successfully`.
    message: Text,
    /// The episode.
    episode: Episode,
    /// The user's new version: read analytics with `min_version` set to it to see its effect.
    version: StateVersion,
}

/// The episode as it now is.
#[derive(Object)]
struct EpisodeUpdated {
    /// `Episode updated successfully`.
    message: Text,
    /// The episode.
    episode: Episode,
    /// The user's new version: read analytics with `min_version` set to it to see its effect.
    version: StateVersion,
}

impl From<domain::Episode> for Episode {
    fn from(episode: domain::Episode) -> Self {
        let domain::Episode { id, user_id, kind, start_date, end_date, created_at, updated_at } =
            episode;
        Self {
            id: Scalar(id.get()),
            user_id: Scalar(user_id.get()),
            kind: kind.into(),
            start_date: Scalar(start_date),
            end_date: end_date.into(),
            created_at: Scalar(created_at),
            updated_at: Scalar(updated_at),
        }
    }
}

impl From<Episode> for domain::Episode {
    fn from(episode: Episode) -> Self {
        let Episode { id, user_id, kind, start_date, end_date, created_at, updated_at } = episode;
        Self {
            id: EpisodeId::new(id.0),
            user_id: UserId::new(user_id.0),
            kind: kind.into(),
            start_date: start_date.0,
            end_date: end_date.0.map(|date| date.0),
            created_at: created_at.0,
            updated_at: updated_at.0,
        }
    }
}

impl From<domain::EpisodeKind> for EpisodeKind {
    fn from(kind: domain::EpisodeKind) -> Self {
        match kind {
            domain::EpisodeKind::Pregnancy => Self::Pregnancy,
            domain::EpisodeKind::Postpartum => Self::Postpartum,
            domain::EpisodeKind::Breastfeeding => Self::Breastfeeding,
            domain::EpisodeKind::HormonalContraception => Self::HormonalContraception,
            domain::EpisodeKind::Perimenopause => Self::Perimenopause,
            domain::EpisodeKind::Pause => Self::Pause,
        }
    }
}

impl From<EpisodeKind> for domain::EpisodeKind {
    fn from(kind: EpisodeKind) -> Self {
        match kind {
            EpisodeKind::Pregnancy => Self::Pregnancy,
            EpisodeKind::Postpartum => Self::Postpartum,
            EpisodeKind::Breastfeeding => Self::Breastfeeding,
            EpisodeKind::HormonalContraception => Self::HormonalContraception,
            EpisodeKind::Perimenopause => Self::Perimenopause,
            EpisodeKind::Pause => Self::Pause,
        }
    }
}
