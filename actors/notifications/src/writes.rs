//! The two writes of the group. Each locks the user's row of `subject` first, so the stored facts,
//! the preferences and the reminder that follows from them never disagree.

use actor_runtime::{
    clock::Clock,
    group_commit::{Write, WriteError},
    idempotency::Fingerprint,
};
use chrono::{DateTime, Utc};
use contracts::{
    Refusal, UserId,
    analytics::{ActivePrediction, PredictedStart},
    notifications::{Preferences, PreferencesView, UpdatePreferences},
};
use sqlx::PgConnection;

use crate::{reminder, store};

/// Brings a user's reminder up to a snapshot of their prediction.
pub(crate) struct ApplySnapshot {
    /// What analytics says now.
    pub(crate) snapshot: ActivePrediction,
    /// Says when.
    pub(crate) clock: Clock,
}

/// Changes a user's preferences, and the pending reminder with them.
pub(crate) struct ChangePreferences {
    /// What to change.
    pub(crate) request: UpdatePreferences,
    /// Of a request with an `Idempotency-Key`.
    pub(crate) fingerprint: Option<Fingerprint>,
    /// Says when.
    pub(crate) clock: Clock,
}

/// Takes everything of a user away and leaves a tombstone.
pub(crate) struct EraseUser {
    /// Whose.
    pub(crate) user_id: UserId,
    /// Says when.
    pub(crate) clock: Clock,
}

impl Write for EraseUser {
    type Answer = ();

    fn user_id(&self) -> UserId {
        self.user_id
    }

    async fn apply_in_txn(&self, connection: &mut PgConnection) -> Result<(), WriteError> {
        store::subject_lock_in_txn(connection, self.user_id).await?;
        store::user_erase_in_txn(connection, self.user_id, self.clock.now()).await?;
        Ok(())
    }
}

impl Write for ApplySnapshot {
    type Answer = ();

    fn user_id(&self) -> UserId {
        self.snapshot.user_id
    }

    async fn apply_in_txn(&self, connection: &mut PgConnection) -> Result<(), WriteError> {
        let user_id = self.snapshot.user_id;
        let subject = store::subject_lock_in_txn(connection, user_id).await?;
        if subject.is_erased || !subject.is_older_than(&self.snapshot) {
            return Ok(());
        }
        let now = self.clock.now();
        let preferences = store::preferences_ensure_in_txn(connection, user_id, now).await?;
        store::subject_update_in_txn(connection, user_id, &self.snapshot).await?;
        let facts = self.snapshot.active.as_ref();
        reconcile_in_txn(connection, user_id, facts, &preferences, now).await?;
        if let Some(before) = self.snapshot.forget_before {
            store::notification_delete_before_in_txn(connection, user_id, before).await?;
        }
        Ok(())
    }
}

impl Write for ChangePreferences {
    type Answer = PreferencesView;

    fn user_id(&self) -> UserId {
        self.request.user_id
    }

    async fn apply_in_txn(
        &self,
        connection: &mut PgConnection,
    ) -> Result<PreferencesView, WriteError> {
        let user_id = self.request.user_id;
        let subject = store::subject_lock_in_txn(connection, user_id).await?;
        if subject.is_erased {
            return Err(Refusal::unauthenticated().into());
        }
        if let Some(fingerprint) = &self.fingerprint
            && let Some(answer) = fingerprint.first_answer(connection, user_id).await?
        {
            return Ok(answer);
        }
        let now = self.clock.now();
        let before = store::preferences_ensure_in_txn(connection, user_id, now).await?;
        let preferences = changed(&before, &self.request, now);
        if preferences != before {
            store::preferences_update_in_txn(connection, user_id, &preferences).await?;
            let facts = subject.facts.as_ref();
            reconcile_in_txn(connection, user_id, facts, &preferences, now).await?;
        }
        let view = PreferencesView { preferences, as_of_version: subject.as_of_version };
        if let Some(fingerprint) = &self.fingerprint {
            fingerprint.keep_answer(connection, user_id, &view).await?;
        }
        Ok(view)
    }
}

/// The preferences after a request; untouched, their time included, if it changes nothing.
fn changed(before: &Preferences, request: &UpdatePreferences, now: DateTime<Utc>) -> Preferences {
    let UpdatePreferences {
        user_id: _,
        period_reminder_enabled,
        reminder_days_before,
        email_enabled,
        push_enabled,
    } = request;
    let mut after = Preferences {
        period_reminder_enabled: period_reminder_enabled.unwrap_or(before.period_reminder_enabled),
        reminder_days_before: reminder_days_before.unwrap_or(before.reminder_days_before),
        email_enabled: email_enabled.unwrap_or(before.email_enabled),
        push_enabled: push_enabled.unwrap_or(before.push_enabled),
        ..before.clone()
    };
    if after != *before {
        after.updated_at = now;
    }
    after
}

/// Makes the reminders what the facts and the preferences ask for. The caller holds the lock of
/// the user's subject row.
async fn reconcile_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    facts: Option<&PredictedStart>,
    preferences: &Preferences,
    now: DateTime<Utc>,
) -> Result<(), WriteError> {
    let anchor = facts.map(|facts| facts.anchor_cycle_id);
    let existing = store::reminder_list_in_txn(connection, user_id, anchor).await?;
    let actions =
        reminder::reconcile(user_id, facts, preferences.into(), &existing, now.date_naive());
    // The old one first: at no instant may two be pending.
    for notification_id in actions.cancel {
        store::reminder_cancel_in_txn(connection, user_id, notification_id, now).await?;
    }
    if let Some(reminder) = actions.put {
        store::reminder_put_in_txn(connection, user_id, &reminder, now).await?;
    }
    Ok(())
}
