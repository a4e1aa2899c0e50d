//! Notifications: `/api/notifications`.

use contracts::{
    Handle, NotificationId, Version,
    notifications::{self as domain, CheckNotifications, NotificationsMailbox},
};
use poem_openapi::{Enum, Object, OpenApi, param::Path, payload::Json};

use crate::{
    auth::Caller,
    context::Context,
    document::Tag,
    health::{HealthAnswer, Service, health_of},
    page::{count, from_the_first, page, twenty},
    parameter::Query,
    predictions::version,
    scalar::{Count, Id, Instant, Limit, Nullable, Offset, Scalar, StateVersion, Text},
};

/// The operations on notifications.
pub(crate) struct NotificationsApi {
    /// The group.
    pub(crate) notifications: Handle<NotificationsMailbox>,
}

#[OpenApi(prefix_path = "/api/notifications", tag = "Tag::Notifications")]
impl NotificationsApi {
    /// Say how the group is
    #[oai(path = "/health", method = "get", operation_id = "getNotificationsHealth")]
    async fn health(&self, context: Context) -> HealthAnswer {
        health_of(Service::Notification, &context, &self.notifications, CheckNotifications {}).await
    }

    /// List one's notifications, newest first
    #[oai(path = "/notifications", method = "get", operation_id = "listNotifications")]
    async fn list(
        &self,
        caller: Caller,
        /// Only those in this state.
        status: Query<Option<NotificationStatus>>,
        /// Wait up to 2 seconds until this version of the cycles is reflected.
        min_version: Query<Option<StateVersion>>,
        /// How many notifications at the most.
        #[oai(default = "twenty")]
        limit: Query<Limit>,
        /// How many notifications to pass over.
        #[oai(default = "from_the_first")]
        offset: Query<Offset>,
    ) -> poem::Result<Json<NotificationList>> {
        let request = domain::ListNotifications {
            user_id: caller.user_id,
            status: status.0.map(domain::NotificationStatus::from),
            min_version: version(min_version),
            page: page(limit.0, offset.0),
        };
        let domain::NotificationList { notifications, total, as_of_version } =
            caller.ask(&self.notifications, request).await?;
        Ok(Json(NotificationList {
            count: count(&notifications),
            notifications: notifications.into_iter().map(Notification::from).collect(),
            total: Scalar(total),
            as_of_version: Scalar(as_of_version.get()),
        }))
    }

    /// Read one notification
    #[oai(path = "/notifications/:id", method = "get", operation_id = "getNotification")]
    async fn get(
        &self,
        caller: Caller,
        /// The notification's id.
        id: Path<Id>,
        /// Wait up to 2 seconds until this version of the cycles is reflected.
        min_version: Query<Option<StateVersion>>,
    ) -> poem::Result<Json<NotificationRead>> {
        let request = domain::GetNotification {
            user_id: caller.user_id,
            notification_id: NotificationId::new(id.0.0),
            min_version: version(min_version),
        };
        let domain::NotificationView { notification, as_of_version } =
            caller.ask(&self.notifications, request).await?;
        Ok(Json(NotificationRead::new(notification, as_of_version)))
    }
}

/// The life of a notification: it waits for its time, is being handed over, was handed over or
/// could not be; the process died while handing it over (perhaps sent, never sent again); or it
/// is no longer wanted or no longer true.
#[derive(Enum)]
#[oai(rename_all = "snake_case")]
enum NotificationStatus {
    Pending,
    Sending,
    Sent,
    Failed,
    Unknown,
    Cancelled,
}

/// A notification as its owner sees it.
#[derive(Object)]
pub(crate) struct Notification {
    /// The notification's id; below 2^53.
    id: Id,
    /// Whose.
    user_id: Id,
    /// The prediction that it reminds of.
    prediction_id: Nullable<Id>,
    /// `period_reminder`.
    notification_type: Text,
    /// The headline.
    title: Text,
    /// The text.
    message: Text,
    /// When it is due.
    scheduled_for: Instant,
    /// Where it is in its life.
    status: NotificationStatus,
    /// When it was handed over.
    sent_at: Nullable<Instant>,
    /// Why it could not be.
    error_message: Nullable<Text>,
    /// When it was made.
    created_at: Instant,
}

/// A notification, and the version of the cycles that it reflects.
#[derive(Object)]
struct NotificationRead {
    /// The notification's id; below 2^53.
    id: Id,
    /// Whose.
    user_id: Id,
    /// The prediction that it reminds of.
    prediction_id: Nullable<Id>,
    /// `period_reminder`.
    notification_type: Text,
    /// The headline.
    title: Text,
    /// The text.
    message: Text,
    /// When it is due.
    scheduled_for: Instant,
    /// Where it is in its life.
    status: NotificationStatus,
    /// When it was handed over.
    sent_at: Nullable<Instant>,
    /// Why it could not be.
    error_message: Nullable<Text>,
    /// When it was made.
    created_at: Instant,
    /// The version of the user's cycles that this reflects.
    as_of_version: StateVersion,
}

/// A page of notifications.
#[derive(Object)]
struct NotificationList {
    /// Newest first.
    notifications: Vec<Notification>,
    /// How many are in this page.
    count: Count,
    /// How many there are in all.
    total: Count,
    /// The version of the user's cycles that this reflects.
    as_of_version: StateVersion,
}

impl NotificationRead {
    /// The earlier system answers the bare notification; the version stands beside it.
    fn new(notification: domain::Notification, as_of_version: Version) -> Self {
        let Notification {
            id,
            user_id,
            prediction_id,
            notification_type,
            title,
            message,
            scheduled_for,
            status,
            sent_at,
            error_message,
            created_at,
        } = notification.into();
        Self {
            id,
            user_id,
            prediction_id,
            notification_type,
            title,
            message,
            scheduled_for,
            status,
            sent_at,
            error_message,
            created_at,
            as_of_version: Scalar(as_of_version.get()),
        }
    }
}

impl From<domain::Notification> for Notification {
    fn from(notification: domain::Notification) -> Self {
        let domain::Notification {
            id,
            user_id,
            prediction_id,
            notification_type,
            title,
            message,
            scheduled_for,
            status,
            sent_at,
            error_message,
            created_at,
        } = notification;
        Self {
            id: Scalar(id.get()),
            user_id: Scalar(user_id.get()),
            prediction_id: prediction_id.map(contracts::PredictionId::get).into(),
            notification_type: Scalar(notification_type),
            title: Scalar(title),
            message: Scalar(message),
            scheduled_for: Scalar(scheduled_for),
            status: status.into(),
            sent_at: sent_at.into(),
            error_message: error_message.into(),
            created_at: Scalar(created_at),
        }
    }
}

impl From<domain::NotificationStatus> for NotificationStatus {
    fn from(status: domain::NotificationStatus) -> Self {
        match status {
            domain::NotificationStatus::Pending => Self::Pending,
            domain::NotificationStatus::Sending => Self::Sending,
            domain::NotificationStatus::Sent => Self::Sent,
            domain::NotificationStatus::Failed => Self::Failed,
            domain::NotificationStatus::Unknown => Self::Unknown,
            domain::NotificationStatus::Cancelled => Self::Cancelled,
        }
    }
}

impl From<NotificationStatus> for domain::NotificationStatus {
    fn from(status: NotificationStatus) -> Self {
        match status {
            NotificationStatus::Pending => Self::Pending,
            NotificationStatus::Sending => Self::Sending,
            NotificationStatus::Sent => Self::Sent,
            NotificationStatus::Failed => Self::Failed,
            NotificationStatus::Unknown => Self::Unknown,
            NotificationStatus::Cancelled => Self::Cancelled,
        }
    }
}
