//! Events: versioned wake-ups.
//!
//! Every event says 'the state of user U changed to version v' and nothing else: never a date, a
//! symptom, an address or a name. Who hears it asks the owner for the current state and applies
//! it if it is newer, so duplicates, reordering and loss are harmless.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    UserId, Version,
    call::{RequestId, TraceContext},
};

/// The schema version that this build writes, and the newest that it understands.
pub const SCHEMA: u16 = 1;

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Topic {
    /// A user's cycles, symptoms, episodes or answers changed.
    #[serde(rename = "cycle.changed")]
    CycleChanged,
    /// A user's prediction, or the version that it reflects, changed.
    #[serde(rename = "prediction.changed")]
    PredictionChanged,
    /// What prediction needs to know of a user changed.
    #[serde(rename = "user.changed")]
    UserChanged,
    /// A user was erased: whoever holds something of them erases it too.
    #[serde(rename = "user.erased")]
    UserErased,
}

impl Topic {
    /// Every one.
    pub const ALL: [Self; 4] =
        [Self::CycleChanged, Self::PredictionChanged, Self::UserChanged, Self::UserErased];

    /// The name in the outbox, and the start of the subject.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CycleChanged => "cycle.changed",
            Self::PredictionChanged => "prediction.changed",
            Self::UserChanged => "user.changed",
            Self::UserErased => "user.erased",
        }
    }

    /// The subject of one user's event: `<topic>.v1.<shard>.<user>`.
    pub fn subject(self, user_id: UserId) -> String {
        format!("{}.v1.{}.{user_id}", self.name(), shard(user_id))
    }

    /// The subject filter that takes every user's event of this topic.
    pub fn filter(self) -> String {
        format!("{}.v1.>", self.name())
    }

    /// The group whose state the event is about.
    pub const fn owner(self) -> &'static str {
        match self {
            Self::CycleChanged => "cycles",
            Self::PredictionChanged => "analytics",
            Self::UserChanged | Self::UserErased => "users",
        }
    }
}

/// The partition token of a user's subjects: the first byte of SHA-256 of the decimal id, modulo
/// 64, as two hex digits. Nothing depends on it yet; it lets affinity be added without touching a
/// publisher.
pub fn shard(user_id: UserId) -> String {
    let digest = Sha256::digest(user_id.get().to_string().as_bytes());
    let first = digest.first().copied().unwrap_or_default();
    format!("{:02x}", first % 64)
}

/// What happened, in one word. A hint for people who watch; no consumer decides by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Something new was stored.
    Recorded,
    /// Something stored was corrected.
    Edited,
    /// Something stored was removed.
    Deleted,
    /// Something was derived anew.
    Derived,
}

impl Verb {
    /// The word in the outbox and on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Edited => "edited",
            Self::Deleted => "deleted",
            Self::Derived => "derived",
        }
    }

    /// The verb of a word, as it stands in the outbox.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Recorded, Self::Edited, Self::Deleted, Self::Derived]
            .into_iter()
            .find(|verb| verb.name() == word)
    }
}

/// A wake-up: what travels over the bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What it is about.
    pub topic: Topic,
    /// The payload.
    pub wake_up: WakeUp,
    /// The request that caused it.
    pub request_id: RequestId,
    /// The trace that it belongs to.
    pub trace: TraceContext,
}

/// The payload of every event, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WakeUp {
    /// Fresh for every version; `Nats-Msg-Id` too.
    pub event_id: Uuid,
    /// Whose state changed.
    pub user_id: UserId,
    /// What version it changed to.
    pub version: Version,
    /// What happened, in one word.
    pub verb: Verb,
    /// The schema version of this payload.
    pub schema: u16,
}

/// Service-only: a page of users whose state changed (anti-entropy), in ascending user id.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ChangedSince {
    /// Only changes at or after this instant; none means all (a full sweep).
    pub since: Option<DateTime<Utc>>,
    /// Only users with a greater id than this: the last one of the page before.
    pub after: Option<UserId>,
    /// How many at the most, 1 to 1,000.
    pub limit: i64,
}

/// A page of changed users.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ChangedPage {
    /// Users and their current versions, ascending by user id. Fewer than asked for: the last page.
    pub users: Vec<ChangedUser>,
}

/// A user and the current version of their state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedUser {
    /// Who.
    pub user_id: UserId,
    /// The version that the owner has.
    pub version: Version,
}
