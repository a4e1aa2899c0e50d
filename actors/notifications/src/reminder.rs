//! What a user's reminder should be: a pure function of the predicted start, the preferences, the
//! reminders that there are, and the day.

use std::ops::RangeInclusive;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use contracts::{
    CycleId, NotificationId, PredictionId, UserId,
    analytics::PredictedStart,
    notifications::{NotificationStatus, Preferences},
};
use sha2::{Digest, Sha256};

/// The kind of these notifications, in the database and on the wire.
pub(crate) const KIND: &str = "period_reminder";
/// How many days before the predicted start a reminder may be due.
pub(crate) const DAYS_BEFORE: RangeInclusive<i16> = 1..=7;
/// The time of day at which reminders are due, in UTC. Users have no time zone yet.
const DUE_AT: NaiveTime = match NaiveTime::from_hms_opt(9, 0, 0) {
    Some(time) => time,
    None => NaiveTime::MIN,
};

/// A reminder as it should be.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Reminder {
    pub(crate) id: NotificationId,
    pub(crate) anchor_cycle_id: CycleId,
    pub(crate) prediction_id: PredictionId,
    pub(crate) title: String,
    pub(crate) message: String,
    pub(crate) scheduled_for: DateTime<Utc>,
}

/// A reminder that there is.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Existing {
    pub(crate) reminder: Reminder,
    pub(crate) status: NotificationStatus,
}

/// What of the preferences decides on reminders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wishes {
    pub(crate) enabled: bool,
    pub(crate) days_before: i16,
}

/// What has to be done, in this order.
pub(crate) struct Actions {
    /// Pending reminders that are wanted no more.
    pub(crate) cancel: Vec<NotificationId>,
    /// A reminder to create, to move, or to take up again: it is pending afterwards.
    pub(crate) put: Option<Reminder>,
}

/// What has to be done so that the one reminder that is wanted is the one that is pending.
///
/// A reminder that the dispatcher has begun with (`sending`, and all that follows from it) is
/// never touched, and none is put beside it: there is one for each anchor cycle at the most.
pub(crate) fn reconcile(
    user_id: UserId,
    facts: Option<&PredictedStart>,
    wishes: Wishes,
    existing: &[Existing],
    today: NaiveDate,
) -> Actions {
    let wanted = facts.and_then(|facts| wanted(user_id, facts, wishes, today));
    let is_wanted = |id: NotificationId| wanted.as_ref().is_some_and(|wanted| wanted.id == id);
    let cancel = existing
        .iter()
        .filter(|one| one.status == NotificationStatus::Pending && !is_wanted(one.reminder.id))
        .map(|one| one.reminder.id)
        .collect();
    let put = wanted.filter(|wanted| {
        let same = existing.iter().find(|one| one.reminder.id == wanted.id);
        same.is_none_or(|same| match same.status {
            NotificationStatus::Pending => same.reminder != *wanted,
            NotificationStatus::Cancelled => true,
            NotificationStatus::Sending
            | NotificationStatus::Sent
            | NotificationStatus::Failed
            | NotificationStatus::Unknown => false,
        })
    });
    Actions { cancel, put }
}

/// The id of the reminder of an anchor cycle: the first 53 bits of SHA-256 over a labelled tuple,
/// made positive. So a rebuilt database has the same ids.
pub(crate) fn notification_id(user_id: UserId, anchor_cycle_id: CycleId) -> NotificationId {
    let tuple = format!("notification/v1 user={user_id} kind={KIND} anchor={anchor_cycle_id}");
    let digest = Sha256::digest(tuple.as_bytes());
    // Seven bytes are 56 bits: never negative, and three too many.
    let bits = digest.iter().take(7).fold(0_i64, |bits, &byte| (bits << 8) | i64::from(byte));
    NotificationId::new((bits >> 3).max(1))
}

/// The reminder of a predicted start; none if the user wants none, or if that day is over: a start in
/// the past is no longer expected, and the next prediction says another one.
///
/// Where its day has passed already, as for somebody who is late or has just logged a cycle of weeks
/// ago, it is due today, and says how many days are left then. Left on its day it would be
/// dropped (what is more than 24 hours late is not sent), or be sent with the wrong number.
fn wanted(
    user_id: UserId,
    facts: &PredictedStart,
    wishes: Wishes,
    today: NaiveDate,
) -> Option<Reminder> {
    let PredictedStart { prediction_id, anchor_cycle_id, predicted_start_date } = *facts;
    let days_before = u64::try_from(wishes.days_before).ok().filter(|_| wishes.enabled)?;
    let wished_on = predicted_start_date.checked_sub_days(Days::new(days_before))?;
    let due_on = wished_on.max(today);
    let days_left = u64::try_from((predicted_start_date - due_on).num_days()).ok()?;
    Some(Reminder {
        id: notification_id(user_id, anchor_cycle_id),
        anchor_cycle_id,
        prediction_id,
        title: "Period Reminder".to_owned(),
        message: message(predicted_start_date, days_left),
        scheduled_for: due_on.and_time(DUE_AT).and_utc(),
    })
}

/// As it is true on the day on which it is due.
fn message(predicted_start_date: NaiveDate, days_left: u64) -> String {
    let when = match days_left {
        0 => "today".to_owned(),
        1 => "in 1 day".to_owned(),
        days => format!("in {days} days"),
    };
    format!("Your next period is expected around {predicted_start_date} ({when}).")
}

impl From<&Preferences> for Wishes {
    fn from(preferences: &Preferences) -> Self {
        let Preferences {
            id: _,
            user_id: _,
            period_reminder_enabled,
            reminder_days_before,
            // Channels are the dispatcher's concern.
            email_enabled: _,
            push_enabled: _,
            created_at: _,
            updated_at: _,
        } = *preferences;
        Self { enabled: period_reminder_enabled, days_before: reminder_days_before }
    }
}

#[cfg(test)]
mod tests;
