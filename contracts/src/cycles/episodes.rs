//! Episodes: spans of life in which cycles are absent, suppressed or unlike the user's others.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::{EpisodeId, Patch, UserId, Version, page::PageRequest};

/// Say that an episode began, and when it ended if it did.
#[derive(Clone, Serialize, Deserialize)]
pub struct RecordEpisode {
    /// Whose.
    pub user_id: UserId,
    /// What it is.
    pub kind: EpisodeKind,
    /// Its first day.
    pub start_date: NaiveDate,
    /// Its last day, inclusive; none while it goes on.
    pub end_date: Option<NaiveDate>,
}

/// Read one's episodes, newest start first.
#[derive(Clone, Serialize, Deserialize)]
pub struct ListEpisodes {
    /// Whose.
    pub user_id: UserId,
    /// Which rows.
    pub page: PageRequest,
}

/// Read one episode.
#[derive(Clone, Serialize, Deserialize)]
pub struct GetEpisode {
    /// Whose.
    pub user_id: UserId,
    /// Which.
    pub episode_id: EpisodeId,
}

/// Correct an episode.
#[derive(Clone, Serialize, Deserialize)]
pub struct EditEpisode {
    /// Whose.
    pub user_id: UserId,
    /// Which.
    pub episode_id: EpisodeId,
    /// Another kind.
    pub kind: Option<EpisodeKind>,
    /// Another first day; a start cannot be cleared.
    pub start_date: Option<NaiveDate>,
    /// Another last day; cleared, the episode goes on.
    pub end_date: Patch<NaiveDate>,
}

/// Remove an episode.
#[derive(Clone, Serialize, Deserialize)]
pub struct DeleteEpisode {
    /// Whose.
    pub user_id: UserId,
    /// Which.
    pub episode_id: EpisodeId,
}

/// An episode as its owner sees it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Episode {
    /// The episode's id.
    pub id: EpisodeId,
    /// Whose it is.
    pub user_id: UserId,
    /// What it is.
    pub kind: EpisodeKind,
    /// Its first day.
    pub start_date: NaiveDate,
    /// Its last day, inclusive; none while it goes on.
    pub end_date: Option<NaiveDate>,
    /// When it was logged.
    pub created_at: DateTime<Utc>,
    /// When it was last corrected.
    pub updated_at: DateTime<Utc>,
}

/// What an episode is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EpisodeKind {
    /// From conception or the last period on; its end is the end of the pregnancy.
    Pregnancy,
    /// After a birth, until cycles have returned.
    Postpartum,
    /// While cycles are absent or changed by breastfeeding (lactational amenorrhoea).
    Breastfeeding,
    /// Bleeding follows the method, not the ovary.
    HormonalContraception,
    /// The menopausal transition (STRAW+10): cycles vary too much for a date.
    Perimenopause,
    /// The user does not want to be predicted for.
    Pause,
}

/// An episode that was written, and the user's version after it.
#[derive(Clone, Serialize, Deserialize)]
pub struct EpisodeWritten {
    /// The episode as it now is.
    pub episode: Episode,
    /// The user's new version.
    pub version: Version,
}
