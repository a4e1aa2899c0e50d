//! Erasing a person: asked for with the password, done by every group, followed by a receipt.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Password, SecondFactorCode};
use crate::{SessionId, UserId, events::ChangedSince};

/// Erase one's account and everything that any group holds.
#[derive(Clone, Serialize, Deserialize)]
pub struct EraseAccount {
    /// Whose.
    pub user_id: UserId,
    /// The password, once more.
    pub password: Password,
    /// The second factor, if the account has one.
    #[serde(default)]
    pub second_factor: Option<SecondFactorCode>,
}

/// See how far an erasure has come. Whoever has the receipt may: the one who is erased can prove
/// nothing else any more.
#[derive(Clone, Serialize, Deserialize)]
pub struct GetErasure {
    /// The receipt.
    pub receipt: Uuid,
}

/// Find the erasure that was asked for in a session: for whoever lost the answer. Whoever asks has
/// verified a token of that session; nobody else knows both ids.
#[derive(Clone, Serialize, Deserialize)]
pub struct FindErasure {
    /// Who asked for it.
    pub user_id: UserId,
    /// In which session.
    pub session_id: SessionId,
}

/// Service-only: who was erased (anti-entropy). Their version is always 1.
#[derive(Clone, Serialize, Deserialize)]
pub struct ListErased(pub ChangedSince);

/// Service-only: say that a group holds nothing of an erased user any more.
#[derive(Clone, Serialize, Deserialize)]
pub struct ReportErased {
    /// Whose.
    pub user_id: UserId,
    /// Which group.
    pub group: ErasingGroup,
}

/// A group that erases what it holds and says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErasingGroup {
    /// Cycles, symptoms, episodes, answers.
    Cycles,
    /// What is derived from them.
    Analytics,
    /// Preferences and reminders.
    Notifications,
}

impl ErasingGroup {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Cycles, Self::Analytics, Self::Notifications];

    /// The name of the group.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cycles => "cycles",
            Self::Analytics => "analytics",
            Self::Notifications => "notifications",
        }
    }
}

/// How far an erasure has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// Its receipt.
    pub receipt: Uuid,
    /// When the account, its credentials and its sessions were erased.
    pub erased_at: DateTime<Utc>,
    /// When cycles said that it has erased; none while it has not.
    pub cycles_done_at: Option<DateTime<Utc>>,
    /// When analytics said so.
    pub analytics_done_at: Option<DateTime<Utc>>,
    /// When notifications said so.
    pub notifications_done_at: Option<DateTime<Utc>>,
    /// When the events of the user were removed from the broker, after all groups were done.
    pub events_done_at: Option<DateTime<Utc>>,
}

impl GetErasure {
    /// The request for the receipt of a text in the one notation that we write: lower case, with
    /// hyphens.
    pub fn parse(text: &str) -> Option<Self> {
        let receipt = Uuid::try_parse(text).ok()?;
        (receipt.to_string() == text).then_some(Self { receipt })
    }
}
