//! Changes of episodes.

use actor_runtime::{database, group_commit::WriteError};
use contracts::{
    UserId,
    cycles::{DeleteEpisode, EditEpisode, Episode, EpisodeWritten, RecordEpisode},
    events::Verb,
};
use sqlx::PgConnection;

use super::{Change, Stamp};
use crate::{error::CyclesError, sealed::UserKey, store, validate};

/// Changes that answer with an episode.
pub(crate) enum EpisodeChange {
    Record(RecordEpisode),
    Edit(EditEpisode),
}

impl Change for EpisodeChange {
    type Answer = EpisodeWritten;

    fn user_id(&self) -> UserId {
        match self {
            Self::Record(request) => request.user_id,
            Self::Edit(request) => request.user_id,
        }
    }

    fn verb(&self) -> Verb {
        match self {
            Self::Record(_) => Verb::Recorded,
            Self::Edit(_) => Verb::Edited,
        }
    }

    async fn carry_out(
        &self,
        connection: &mut PgConnection,
        stamp: Stamp,
        _key: &mut UserKey<'_>,
    ) -> Result<EpisodeWritten, WriteError> {
        let episode = match self {
            Self::Record(request) => record(connection, request, stamp).await?,
            Self::Edit(request) => edit(connection, request, stamp).await?,
        };
        Ok(EpisodeWritten { episode, version: stamp.version })
    }
}

pub(super) async fn record(
    connection: &mut PgConnection,
    request: &RecordEpisode,
    stamp: Stamp,
) -> Result<Episode, WriteError> {
    let &RecordEpisode { user_id, kind, start_date, end_date } = request;
    let days = (start_date, end_date);
    // The user's outbox row is locked: nobody else adds one meanwhile.
    validate::episode_room(store::episode_count(&mut *connection, user_id).await?)?;
    let id = store::episode_insert(connection, user_id, kind, days, stamp.at).await?;
    let Some(id) = id else {
        let other = store::episode_overlapping(connection, user_id, kind, days, None).await?;
        // What stood in the way may just have gone.
        let refused = |other| CyclesError::EpisodeOverlap(other).into();
        return Err(other.map_or(WriteError::Raced, refused));
    };
    store::inputs_changed_from(connection, user_id, start_date, stamp).await?;
    let (created_at, updated_at) = (stamp.at, stamp.at);
    Ok(Episode { id, user_id, kind, start_date, end_date, created_at, updated_at })
}

async fn edit(
    connection: &mut PgConnection,
    request: &EditEpisode,
    stamp: Stamp,
) -> Result<Episode, WriteError> {
    let &EditEpisode { user_id, episode_id, kind, start_date, end_date } = request;
    let before = store::episode_get(&mut *connection, user_id, episode_id).await?;
    let before = before.ok_or(CyclesError::NotFound)?;
    let after = Episode {
        kind: kind.unwrap_or(before.kind),
        start_date: start_date.unwrap_or(before.start_date),
        end_date: end_date.apply(before.end_date),
        updated_at: stamp.at,
        ..before.clone()
    };
    let days = (after.start_date, after.end_date);
    validate::episode_days(request, after.start_date, after.end_date)?;
    let except = Some(episode_id);
    let other =
        store::episode_overlapping(&mut *connection, user_id, after.kind, days, except).await?;
    if let Some(other) = other {
        return Err(CyclesError::EpisodeOverlap(other).into());
    }
    let updated = store::episode_update(connection, user_id, &after).await;
    updated.map_err(raced_if_overlapping)?;
    let is_the_same = (before.kind, before.start_date, before.end_date)
        == (after.kind, after.start_date, after.end_date);
    if !is_the_same {
        let first = before.start_date.min(after.start_date);
        store::inputs_changed_from(connection, user_id, first, stamp).await?;
    }
    Ok(after)
}

pub(super) async fn delete(
    connection: &mut PgConnection,
    request: &DeleteEpisode,
    stamp: Stamp,
) -> Result<(), WriteError> {
    let &DeleteEpisode { user_id, episode_id } = request;
    let start = store::episode_delete(connection, user_id, episode_id).await?;
    let start = start.ok_or(CyclesError::NotFound)?;
    Ok(store::inputs_changed_from(connection, user_id, start, stamp).await?)
}

/// The database's own guard found what the look before it could not see: another try, in a fresh
/// transaction, sees what won and names it.
fn raced_if_overlapping(error: sqlx::Error) -> WriteError {
    match database::violated_constraint(&error) {
        Some("episode_kind_apart") => WriteError::Raced,
        _ => error.into(),
    }
}
