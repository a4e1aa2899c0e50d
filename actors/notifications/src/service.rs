//! What the group does with each request: reads, checks of input, and which write it becomes.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use actor_runtime::{
    clock::Clock, database, group_commit::AfterCommit, idempotency::Fingerprint,
    versions::VersionBoard,
};
use contracts::{
    Call, Refusal, UserId, Version,
    analytics::{ActivePrediction, MIN_VERSION_WAIT_MAX},
    events::ChangedUser,
    health::{Check, GroupHealth},
    notifications::{
        GetNotification, GetPreferences, ListNotifications, NotificationList, NotificationView,
        PreferencesView, UpdatePreferences,
    },
};
use sqlx::PgPool;

use crate::{
    reminder::DAYS_BEFORE,
    store,
    writes::{ApplySnapshot, ChangePreferences, EraseUser},
};

/// What is left of a call's time for the last read, once it stops waiting for a version.
const READ_TIME: Duration = Duration::from_millis(250);

/// The logic of the group, without mailbox or lifecycle.
pub(crate) struct Service {
    pool: PgPool,
    clock: Clock,
    versions: VersionBoard,
}

impl Service {
    /// Over a database; readers in this process who wait are told through `versions`.
    pub(crate) fn new(pool: PgPool, clock: Clock, versions: VersionBoard) -> Self {
        Self { pool, clock, versions }
    }

    /// Where its writers write.
    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Tells waiting readers that a user's state changed.
    pub(crate) fn after_commit(&self) -> AfterCommit {
        let versions = self.versions.clone();
        Arc::new(move |user_id| versions.announce(user_id))
    }

    pub(crate) async fn get_preferences(
        &self,
        call: &Call,
        request: GetPreferences,
    ) -> Result<PreferencesView, Refusal> {
        let GetPreferences { user_id, min_version } = request;
        let read = || async {
            // Making the row twice is making it once.
            let found = database::read(&self.pool, || {
                store::preferences_get_or_create(&self.pool, user_id, self.clock.now())
            });
            let (as_of_version, preferences) = found.await?;
            Ok((as_of_version, preferences))
        };
        let (as_of_version, preferences) =
            self.read_at_least(call, user_id, min_version, read).await?;
        // Erased: the token outlived the account.
        let preferences = preferences.ok_or_else(Refusal::unauthenticated)?;
        Ok(PreferencesView { preferences, as_of_version })
    }

    /// The write that a change of preferences becomes.
    pub(crate) fn update_preferences(
        &self,
        call: &Call,
        request: &UpdatePreferences,
    ) -> Result<ChangePreferences, Refusal> {
        if request.reminder_days_before.is_some_and(|days| !DAYS_BEFORE.contains(&days)) {
            let expected = "A whole number from 1 to 7 is expected.";
            return Err(Refusal::invalid("/reminder_days_before", expected));
        }
        let fingerprint = Fingerprint::of(call, request)?;
        Ok(ChangePreferences { request: request.clone(), fingerprint, clock: self.clock })
    }

    /// The write that a pulled snapshot becomes.
    pub(crate) fn apply_snapshot(&self, snapshot: ActivePrediction) -> ApplySnapshot {
        ApplySnapshot { snapshot, clock: self.clock }
    }

    /// The write that erases a user.
    pub(crate) fn erase_user(&self, user_id: UserId) -> EraseUser {
        EraseUser { user_id, clock: self.clock }
    }

    pub(crate) async fn list_notifications(
        &self,
        call: &Call,
        request: ListNotifications,
    ) -> Result<NotificationList, Refusal> {
        let ListNotifications { user_id, status, min_version, page } = request;
        let read = || async {
            let list = database::read(&self.pool, || {
                store::notification_list_for_user(&self.pool, user_id, status, page)
            });
            let list = list.await?;
            Ok((list.as_of_version, list))
        };
        let (_, list) = self.read_at_least(call, user_id, min_version, read).await?;
        Ok(list)
    }

    pub(crate) async fn get_notification(
        &self,
        call: &Call,
        request: GetNotification,
    ) -> Result<NotificationView, Refusal> {
        let GetNotification { user_id, notification_id, min_version } = request;
        let read = || {
            database::read(&self.pool, || {
                store::notification_get(&self.pool, user_id, notification_id)
            })
        };
        let (as_of_version, notification) =
            self.read_at_least(call, user_id, min_version, read).await?;
        let notification = notification.ok_or_else(Refusal::not_found)?;
        Ok(NotificationView { notification, as_of_version })
    }

    pub(crate) async fn check(&self) -> GroupHealth {
        let healthy = database::is_healthy(&self.pool).await;
        GroupHealth { checks: vec![Check { name: "database".into(), healthy }] }
    }

    /// Those of these users whose applied version is not the owner's.
    pub(crate) async fn behind(
        &self,
        users: Vec<ChangedUser>,
    ) -> Result<Vec<ChangedUser>, Refusal> {
        store::subject_list_behind(&self.pool, &users)
            .await
            .map_err(|error| database::refusal(&error))
    }

    /// Reads until the version is there, for as long as the call and the contract allow.
    async fn read_at_least<T, Reading>(
        &self,
        call: &Call,
        user_id: UserId,
        min_version: Option<Version>,
        mut read: impl FnMut() -> Reading,
    ) -> Result<(Version, T), Refusal>
    where
        Reading: Future<Output = Result<(Version, T), sqlx::Error>>,
    {
        let left = call.deadline.saturating_duration_since(Instant::now());
        let patience = left.saturating_sub(READ_TIME).min(MIN_VERSION_WAIT_MAX);
        let read = || {
            let reading = read();
            async { reading.await.map(|(version, answer)| (version, (version, answer))) }
        };
        self.versions
            .read_at_least(user_id, min_version, patience, read)
            .await
            .map_err(|error| database::refusal(&error))
    }
}
