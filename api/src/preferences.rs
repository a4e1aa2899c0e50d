//! Preferences: `/api/notifications/preferences`.

use contracts::{
    Handle,
    notifications::{self as domain, NotificationsMailbox},
};
use poem_openapi::{Object, OpenApi, payload::Json};

use crate::{
    auth::Caller,
    body::Body,
    document::Tag,
    parameter::{Idempotency, Query},
    predictions::version,
    scalar::{Flag, Id, Instant, ReminderDays, Scalar, StateVersion, Text},
};

/// The operations on preferences.
pub(crate) struct PreferencesApi {
    /// The group.
    pub(crate) notifications: Handle<NotificationsMailbox>,
}

#[OpenApi(prefix_path = "/api/notifications", tag = "Tag::Notifications")]
impl PreferencesApi {
    /// Read one's preferences
    ///
    /// They are there from the start: reminders on, 3 days before, by e-mail, not by push.
    #[oai(path = "/preferences", method = "get", operation_id = "getPreferences")]
    async fn get(
        &self,
        caller: Caller,
        /// Wait up to 2 seconds until this version of the cycles is reflected.
        min_version: Query<Option<StateVersion>>,
    ) -> poem::Result<Json<PreferencesRead>> {
        let request =
            domain::GetPreferences { user_id: caller.user_id, min_version: version(min_version) };
        let domain::PreferencesView { preferences, as_of_version } =
            caller.ask(&self.notifications, request).await?;
        Ok(Json(PreferencesRead::new(preferences, as_of_version)))
    }

    /// Change one's preferences
    ///
    /// A member that is left out stays as it is. A pending reminder moves with them.
    #[oai(path = "/preferences", method = "put", operation_id = "updatePreferences")]
    async fn update(
        &self,
        caller: Caller,
        #[oai(name = "Idempotency-Key")] key: Idempotency,
        body: Body<PreferencesChanges>,
    ) -> poem::Result<Json<PreferencesUpdated>> {
        let PreferencesChanges {
            period_reminder_enabled,
            reminder_days_before,
            email_enabled,
            push_enabled,
        } = body.0;
        let request = domain::UpdatePreferences {
            user_id: caller.user_id,
            period_reminder_enabled: period_reminder_enabled.map(|flag| flag.0),
            reminder_days_before: reminder_days_before.map(|days| days.0),
            email_enabled: email_enabled.map(|flag| flag.0),
            push_enabled: push_enabled.map(|flag| flag.0),
        };
        let domain::PreferencesView { preferences, as_of_version } =
            caller.write(&self.notifications, key.0, request).await?;
        Ok(Json(PreferencesUpdated {
            message: Scalar("Preferences updated successfully".to_owned()),
            preferences: preferences.into(),
            as_of_version: Scalar(as_of_version.get()),
        }))
    }
}

/// Changes to preferences. None of them can be cleared.
#[derive(Object)]
struct PreferencesChanges {
    /// Whether to be reminded of a predicted start.
    period_reminder_enabled: Option<Flag>,
    /// How many days before it.
    reminder_days_before: Option<ReminderDays>,
    /// Whether by e-mail.
    email_enabled: Option<Flag>,
    /// Whether by push message.
    push_enabled: Option<Flag>,
}

/// How and when a user wants to be reminded.
#[derive(Object)]
pub(crate) struct Preferences {
    /// The same number as the user's id.
    id: Id,
    /// Whose.
    user_id: Id,
    /// Whether to be reminded of a predicted start.
    period_reminder_enabled: Flag,
    /// How many days before it.
    reminder_days_before: ReminderDays,
    /// Whether by e-mail.
    email_enabled: Flag,
    /// Whether by push message.
    push_enabled: Flag,
    /// When they were first set or read.
    created_at: Instant,
    /// When they were last changed.
    updated_at: Instant,
}

/// Preferences, and the version that the reminders reflect.
#[derive(Object)]
struct PreferencesRead {
    /// The same number as the user's id.
    id: Id,
    /// Whose.
    user_id: Id,
    /// Whether to be reminded of a predicted start.
    period_reminder_enabled: Flag,
    /// How many days before it.
    reminder_days_before: ReminderDays,
    /// Whether by e-mail.
    email_enabled: Flag,
    /// Whether by push message.
    push_enabled: Flag,
    /// When they were first set or read.
    created_at: Instant,
    /// When they were last changed.
    updated_at: Instant,
    /// The version of the user's cycles that the reminders reflect.
    as_of_version: StateVersion,
}

/// The preferences as they now are.
#[derive(Object)]
struct PreferencesUpdated {
    /// `Preferences updated successfully`.
    message: Text,
    /// The preferences.
    preferences: Preferences,
    /// The version of the user's cycles that the reminders reflect.
    as_of_version: StateVersion,
}

impl Preferences {
    /// The change that leads to these preferences.
    pub(crate) fn changes(self, user_id: contracts::UserId) -> domain::UpdatePreferences {
        let Self {
            id: _,
            user_id: _,
            period_reminder_enabled,
            reminder_days_before,
            email_enabled,
            push_enabled,
            created_at: _,
            updated_at: _,
        } = self;
        domain::UpdatePreferences {
            user_id,
            period_reminder_enabled: Some(period_reminder_enabled.0),
            reminder_days_before: Some(reminder_days_before.0),
            email_enabled: Some(email_enabled.0),
            push_enabled: Some(push_enabled.0),
        }
    }
}

impl PreferencesRead {
    /// The earlier system answers the bare preferences; the version stands beside them.
    fn new(preferences: domain::Preferences, as_of_version: contracts::Version) -> Self {
        let Preferences {
            id,
            user_id,
            period_reminder_enabled,
            reminder_days_before,
            email_enabled,
            push_enabled,
            created_at,
            updated_at,
        } = preferences.into();
        Self {
            id,
            user_id,
            period_reminder_enabled,
            reminder_days_before,
            email_enabled,
            push_enabled,
            created_at,
            updated_at,
            as_of_version: Scalar(as_of_version.get()),
        }
    }
}

impl From<domain::Preferences> for Preferences {
    fn from(preferences: domain::Preferences) -> Self {
        let domain::Preferences {
            id,
            user_id,
            period_reminder_enabled,
            reminder_days_before,
            email_enabled,
            push_enabled,
            created_at,
            updated_at,
        } = preferences;
        Self {
            id: Scalar(id),
            user_id: Scalar(user_id.get()),
            period_reminder_enabled: Scalar(period_reminder_enabled),
            reminder_days_before: Scalar(reminder_days_before),
            email_enabled: Scalar(email_enabled),
            push_enabled: Scalar(push_enabled),
            created_at: Scalar(created_at),
            updated_at: Scalar(updated_at),
        }
    }
}
