//! Notifications: what their owner reads, and the reminders that the group writes.

use chrono::{DateTime, Utc};
use contracts::{
    CycleId, NotificationId, PredictionId, UserId, Version,
    notifications::{Notification, NotificationList, NotificationStatus},
    page::PageRequest,
};
use sqlx::{PgConnection, PgPool};

use crate::reminder::{Existing, KIND, Reminder};

/// A page of notifications, how many there are, and the version that they reflect: one statement,
/// so one snapshot. An empty page still has its one row of numbers.
pub(crate) async fn notification_list_for_user(
    pool: &PgPool,
    user_id: UserId,
    status: Option<NotificationStatus>,
    page: PageRequest,
) -> Result<NotificationList, sqlx::Error> {
    let rows = sqlx::query_as!(
        ListRow,
        r#"WITH wanted AS (
               SELECT * FROM notification
               WHERE user_id = $1 AND ($2::text IS NULL OR status = $2)
           ), numbers AS (
               SELECT (SELECT count(*) FROM wanted) AS total,
                      (SELECT as_of_version FROM subject WHERE user_id = $1) AS as_of_version
           )
           SELECT numbers.total AS "total!", numbers.as_of_version AS "as_of_version?",
                  page.id AS "id?", page.prediction_id AS "prediction_id?", page.kind AS "kind?",
                  page.title AS "title?", page.message AS "message?",
                  page.scheduled_for AS "scheduled_for?", page.status AS "status?",
                  page.sent_at, page.error_message, page.created_at AS "created_at?"
           FROM numbers LEFT JOIN (
               SELECT * FROM wanted ORDER BY created_at DESC, id DESC LIMIT $3 OFFSET $4
           ) AS page ON true
           ORDER BY page.created_at DESC, page.id DESC"#,
        user_id.get(),
        status.map(NotificationStatus::name),
        page.limit,
        page.offset,
    )
    .fetch_all(pool)
    .await?;
    let first = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    let total = first.total;
    let as_of_version = first.as_of_version.map_or(Version::ZERO, Version::new);
    let notifications = rows
        .into_iter()
        .filter_map(ListRow::into_notification_row)
        .map(|row| row.into_notification(user_id))
        .collect::<Result<_, _>>()?;
    Ok(NotificationList { notifications, total, as_of_version })
}

/// One notification of this user, if there is such a one, and the version that it reflects.
pub(crate) async fn notification_get(
    pool: &PgPool,
    user_id: UserId,
    notification_id: NotificationId,
) -> Result<(Version, Option<Notification>), sqlx::Error> {
    let row = sqlx::query_as!(
        ListRow,
        r#"SELECT 1::bigint AS "total!", subject.as_of_version AS "as_of_version?",
                  found.id AS "id?", found.prediction_id AS "prediction_id?", found.kind AS "kind?",
                  found.title AS "title?", found.message AS "message?",
                  found.scheduled_for AS "scheduled_for?", found.status AS "status?",
                  found.sent_at, found.error_message, found.created_at AS "created_at?"
           FROM subject
           LEFT JOIN notification AS found ON found.user_id = subject.user_id AND found.id = $2
           WHERE subject.user_id = $1"#,
        user_id.get(),
        notification_id.get(),
    )
    .fetch_optional(pool)
    .await?;
    let Some(row) = row else { return Ok((Version::ZERO, None)) };
    let as_of_version = row.as_of_version.map_or(Version::ZERO, Version::new);
    let found = row.into_notification_row().map(|row| row.into_notification(user_id));
    Ok((as_of_version, found.transpose()?))
}

/// The reminders on which a decision may depend: the pending one, and the one of `anchor`. They
/// stay locked, so that no dispatcher takes one up while it is decided on.
pub(crate) async fn reminder_list_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    anchor: Option<CycleId>,
) -> Result<Vec<Existing>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT id, anchor_cycle_id, prediction_id, title, message, scheduled_for, status
           FROM notification
           WHERE user_id = $1 AND kind = $2 AND (status = 'pending' OR anchor_cycle_id = $3)
           ORDER BY id FOR UPDATE"#,
        user_id.get(),
        KIND,
        anchor.map(CycleId::get),
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            let reminder = Reminder {
                id: NotificationId::new(row.id),
                anchor_cycle_id: CycleId::new(row.anchor_cycle_id),
                prediction_id: PredictionId::new(row.prediction_id),
                title: row.title,
                message: row.message,
                scheduled_for: row.scheduled_for,
            };
            Ok(Existing { reminder, status: status_of(&row.status)? })
        })
        .collect()
}

/// Cancels a pending reminder.
pub(crate) async fn reminder_cancel_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    notification_id: NotificationId,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"UPDATE notification SET status = 'cancelled', updated_at = $3
           WHERE user_id = $1 AND id = $2 AND status = 'pending'"#,
        user_id.get(),
        notification_id.get(),
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Makes this reminder the pending one of its anchor cycle: new, moved, or taken up again. One
/// that the dispatcher has begun with stays as it is.
pub(crate) async fn reminder_put_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    reminder: &Reminder,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let Reminder { id, anchor_cycle_id, prediction_id, title, message, scheduled_for } = reminder;
    sqlx::query!(
        r#"INSERT INTO notification (user_id, id, kind, anchor_cycle_id, prediction_id, title,
                                     message, scheduled_for, status, created_at, updated_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'pending', $9, $9)
           ON CONFLICT ON CONSTRAINT notification_once_per_anchor DO UPDATE SET
               prediction_id = excluded.prediction_id,
               title = excluded.title,
               message = excluded.message,
               scheduled_for = excluded.scheduled_for,
               status = 'pending',
               updated_at = excluded.updated_at
           WHERE notification.status IN ('pending', 'cancelled')"#,
        user_id.get(),
        id.get(),
        KIND,
        anchor_cycle_id.get(),
        prediction_id.get(),
        title,
        message,
        scheduled_for,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The numbers of a read, and beside them a notification or nothing.
struct ListRow {
    total: i64,
    as_of_version: Option<i64>,
    id: Option<i64>,
    prediction_id: Option<i64>,
    kind: Option<String>,
    title: Option<String>,
    message: Option<String>,
    scheduled_for: Option<DateTime<Utc>>,
    status: Option<String>,
    sent_at: Option<DateTime<Utc>>,
    error_message: Option<String>,
    created_at: Option<DateTime<Utc>>,
}

struct NotificationRow {
    id: i64,
    prediction_id: i64,
    kind: String,
    title: String,
    message: String,
    scheduled_for: DateTime<Utc>,
    status: String,
    sent_at: Option<DateTime<Utc>>,
    error_message: Option<String>,
    created_at: DateTime<Utc>,
}

impl ListRow {
    /// The notification, if the row has one: its columns are all there or all absent.
    fn into_notification_row(self) -> Option<NotificationRow> {
        Some(NotificationRow {
            id: self.id?,
            prediction_id: self.prediction_id?,
            kind: self.kind?,
            title: self.title?,
            message: self.message?,
            scheduled_for: self.scheduled_for?,
            status: self.status?,
            sent_at: self.sent_at,
            error_message: self.error_message,
            created_at: self.created_at?,
        })
    }
}

impl NotificationRow {
    fn into_notification(self, user_id: UserId) -> Result<Notification, sqlx::Error> {
        let Self {
            id,
            prediction_id,
            kind,
            title,
            message,
            scheduled_for,
            status,
            sent_at,
            error_message,
            created_at,
        } = self;
        Ok(Notification {
            id: NotificationId::new(id),
            user_id,
            prediction_id: Some(PredictionId::new(prediction_id)),
            notification_type: kind,
            title,
            message,
            scheduled_for,
            status: status_of(&status)?,
            sent_at,
            error_message,
            created_at,
        })
    }
}

fn status_of(word: &str) -> Result<NotificationStatus, sqlx::Error> {
    let unknown = || sqlx::Error::Decode("a notification has a status of no known name".into());
    NotificationStatus::parse(word).ok_or_else(unknown)
}
