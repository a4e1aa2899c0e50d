//! The notifications group: preferences, and reminders before a predicted start.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    NotificationId, PredictionId, UserId, Version, health::GroupHealth, mailbox::mailbox,
    page::PageRequest,
};

mailbox! {
    /// What the notifications group answers.
    NotificationsMailbox of "notifications" {
        people {
            GetPreferences => PreferencesView, "get_preferences", ReadNotifications;
            UpdatePreferences => PreferencesView, "update_preferences", WriteNotifications;
            ListNotifications => NotificationList, "list_notifications", ReadNotifications;
            GetNotification => NotificationView, "get_notification", ReadNotifications;
        }
        services {}
        open {
            CheckNotifications => GroupHealth, "check";
        }
    }
}

/// Read one's preferences; they exist with their defaults from the start.
#[derive(Clone, Serialize, Deserialize)]
pub struct GetPreferences {
    /// Whose.
    pub user_id: UserId,
    /// Wait up to 2 s for this version.
    pub min_version: Option<Version>,
}

/// Change one's preferences. A pending reminder moves, or is cancelled, with them.
#[derive(Clone, Serialize, Deserialize)]
pub struct UpdatePreferences {
    /// Whose.
    pub user_id: UserId,
    /// Whether to be reminded of a predicted start.
    pub period_reminder_enabled: Option<bool>,
    /// How many days before it, 1 to 7.
    pub reminder_days_before: Option<i16>,
    /// Whether by e-mail.
    pub email_enabled: Option<bool>,
    /// Whether by push message.
    pub push_enabled: Option<bool>,
}

/// Read one's notifications, newest first.
#[derive(Clone, Serialize, Deserialize)]
pub struct ListNotifications {
    /// Whose.
    pub user_id: UserId,
    /// Only those in this state.
    pub status: Option<NotificationStatus>,
    /// Wait up to 2 s for this version.
    pub min_version: Option<Version>,
    /// Which rows.
    pub page: PageRequest,
}

/// Read one notification.
#[derive(Clone, Serialize, Deserialize)]
pub struct GetNotification {
    /// Whose.
    pub user_id: UserId,
    /// Which.
    pub notification_id: NotificationId,
    /// Wait up to 2 s for this version.
    pub min_version: Option<Version>,
}

/// Ask whether the group and what it needs are well.
#[derive(Clone, Serialize, Deserialize)]
pub struct CheckNotifications {}

/// How and when a user wants to be reminded.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preferences {
    /// The same number as the user's id: there is exactly one row for each user.
    pub id: i64,
    /// Whose.
    pub user_id: UserId,
    /// Whether to be reminded of a predicted start.
    pub period_reminder_enabled: bool,
    /// How many days before it, 1 to 7.
    pub reminder_days_before: i16,
    /// Whether by e-mail.
    pub email_enabled: bool,
    /// Whether by push message.
    pub push_enabled: bool,
    /// When they were first set or read.
    pub created_at: DateTime<Utc>,
    /// When they were last changed.
    pub updated_at: DateTime<Utc>,
}

/// Preferences, and the version of the user's cycles that the reminders reflect.
#[derive(Clone, Serialize, Deserialize)]
pub struct PreferencesView {
    /// The preferences.
    pub preferences: Preferences,
    /// The version of the user's cycles that the reminders reflect.
    pub as_of_version: Version,
}

/// The life of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotificationStatus {
    /// Waits for its time.
    Pending,
    /// Is being handed over.
    Sending,
    /// Was handed over.
    Sent,
    /// Could not be handed over.
    Failed,
    /// The process died while handing it over: perhaps sent, never sent again.
    Unknown,
    /// Is no longer wanted or no longer true.
    Cancelled,
}

impl NotificationStatus {
    /// All states, in the order of a life.
    pub const ALL: [Self; 6] =
        [Self::Pending, Self::Sending, Self::Sent, Self::Failed, Self::Unknown, Self::Cancelled];

    /// The word in the database and on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of a word, as it stands in the database.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == word)
    }
}

/// A notification as its owner sees it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// Derived from (user, kind, anchor cycle).
    pub id: NotificationId,
    /// Whose.
    pub user_id: UserId,
    /// The prediction that it reminds of.
    pub prediction_id: Option<PredictionId>,
    /// `period_reminder`.
    pub notification_type: String,
    /// The headline.
    pub title: String,
    /// The text.
    pub message: String,
    /// When it is due.
    pub scheduled_for: DateTime<Utc>,
    /// Where it is in its life.
    pub status: NotificationStatus,
    /// When it was handed over.
    pub sent_at: Option<DateTime<Utc>>,
    /// Why it could not be, in words that its owner may read.
    pub error_message: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// A page of notifications.
#[derive(Clone, Serialize, Deserialize)]
pub struct NotificationList {
    /// Newest first.
    pub notifications: Vec<Notification>,
    /// How many there are in all.
    pub total: i64,
    /// The version of the user's cycles that this reflects.
    pub as_of_version: Version,
}

/// One notification.
#[derive(Clone, Serialize, Deserialize)]
pub struct NotificationView {
    /// The notification.
    pub notification: Notification,
    /// The version of the user's cycles that this reflects.
    pub as_of_version: Version,
}
