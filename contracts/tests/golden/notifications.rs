//! The notifications group.

use contracts::notifications::{
    CheckNotifications, GetNotification, GetPreferences, ListNotifications, Notification,
    NotificationList, NotificationStatus, NotificationView, NotificationsMailbox, Preferences,
    PreferencesView, UpdatePreferences,
};

use super::support::{
    MIN_VERSION, NOTIFICATION, PAGE, PREDICTION, USER, VERSION, assert_group, exchange, health,
    time,
};

#[test]
fn notifications() {
    let (user_id, min_version, as_of_version) = (USER, MIN_VERSION, VERSION);
    let preferences = Preferences {
        id: 7,
        user_id,
        period_reminder_enabled: true,
        reminder_days_before: 2,
        email_enabled: true,
        push_enabled: false,
        created_at: time(),
        updated_at: time(),
    };
    let preferences = PreferencesView { preferences, as_of_version };
    let update = UpdatePreferences {
        user_id,
        period_reminder_enabled: Some(true),
        reminder_days_before: Some(2),
        email_enabled: None,
        push_enabled: Some(false),
    };
    let notification = Notification {
        id: NOTIFICATION,
        user_id,
        prediction_id: Some(PREDICTION),
        notification_type: "period_reminder".to_owned(),
        title: "Soon".to_owned(),
        message: "In two days.".to_owned(),
        scheduled_for: time(),
        status: NotificationStatus::Pending,
        sent_at: None,
        error_message: None,
        created_at: time(),
    };
    let status = Some(NotificationStatus::Unknown);
    let list = ListNotifications { user_id, status, min_version, page: PAGE };
    let notifications =
        NotificationList { notifications: vec![notification.clone()], total: 1, as_of_version };
    let get = GetNotification { user_id, notification_id: NOTIFICATION, min_version };
    let exchanges = vec![
        exchange(GetPreferences { user_id, min_version }, &preferences),
        exchange(update, &preferences),
        exchange(list, &notifications),
        exchange(get, &NotificationView { notification, as_of_version }),
        exchange(CheckNotifications {}, &health()),
    ];
    assert_group::<NotificationsMailbox>(include_str!("notifications.json"), exchanges);
}
