//! `/api/notifications`.

use actor_runtime::clock::Clock;
use chrono::{Days, NaiveDate};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{alike, column, date, members};
use crate::harness::{App, Person};

const PREFERENCES: &str = "/api/notifications/preferences";
const NOTIFICATIONS: &str = "/api/notifications/notifications";
const WISHES: [&str; 4] =
    ["email_enabled", "period_reminder_enabled", "push_enabled", "reminder_days_before"];
const NOTIFICATION: [&str; 11] = [
    "created_at",
    "error_message",
    "id",
    "message",
    "notification_type",
    "prediction_id",
    "scheduled_for",
    "sent_at",
    "status",
    "title",
    "user_id",
];

pub(super) async fn all(app: &App) {
    preferences(app).await;
    a_reminder_for_the_prediction(app).await;
    it_moves_with_the_preferences(app).await;
    it_moves_with_the_prediction(app).await;
    somebody_elses(app).await;
}

async fn preferences(app: &App) {
    let person = app.client().somebody().await;
    let first = person.get(PREFERENCES).await.expect(StatusCode::OK);
    assert_eq!(
        members(&first),
        [
            "as_of_version",
            "created_at",
            "email_enabled",
            "id",
            "period_reminder_enabled",
            "push_enabled",
            "reminder_days_before",
            "updated_at",
            "user_id",
        ]
    );
    let mut wishes = json!({
        "period_reminder_enabled": true, "reminder_days_before": 3, "email_enabled": true,
        "push_enabled": false,
    });
    assert!(WISHES.iter().all(|member| first[member] == wishes[member]), "{first}");
    assert_eq!(first["user_id"], person.id);
    assert_eq!(person.get(PREFERENCES).await.expect(StatusCode::OK), first);
    for change in [
        json!({"reminder_days_before": 1}),
        json!({"push_enabled": true, "email_enabled": false}),
        json!({}),
        json!({"period_reminder_enabled": false, "reminder_days_before": 7}),
    ] {
        let answer = person.put(PREFERENCES, &change).await.expect(StatusCode::OK);
        assert_eq!(members(&answer), ["as_of_version", "message", "preferences"]);
        assert_eq!(answer["message"], "Preferences updated successfully");
        for (member, value) in change.as_object().unwrap() {
            wishes[member] = value.clone();
        }
        let now = &answer["preferences"];
        assert!(WISHES.iter().all(|member| now[member] == wishes[member]), "{change}: {now}");
        assert_eq!((&now["id"], &now["created_at"]), (&first["id"], &first["created_at"]));
        let mut read = person.get(PREFERENCES).await.expect(StatusCode::OK);
        read.as_object_mut().unwrap().remove("as_of_version");
        assert_eq!(&read, now);
    }
}

/// All notifications, once they reflect a version.
async fn reminders(person: &Person, version: i64) -> Value {
    let path = format!("{NOTIFICATIONS}?min_version={version}");
    person.reflected(&path, version).await["notifications"].clone()
}

async fn a_reminder_for_the_prediction(app: &App) {
    let person = app.client().somebody().await;
    let empty = person.get(NOTIFICATIONS).await.expect(StatusCode::OK);
    let expected = json!({"notifications": [], "count": 0, "total": 0, "as_of_version": 0});
    assert_eq!(empty, expected);
    person.log_cycle(&days_ago(22), None).await;
    reminders(&person, 1).await;
    person.log_cycle(&days_ago(1), None).await;
    let list = reminders(&person, 2).await;
    assert_eq!(json!(column(&list, "status")), json!(["pending", "cancelled"]));
    let pending = &list[0];
    assert_eq!(members(pending), NOTIFICATION);
    let active = person.prediction_at(2).await["predictions"][0].clone();
    assert_eq!(pending["prediction_id"], active["id"]);
    assert_eq!(pending["user_id"], person.id);
    assert_eq!(pending["notification_type"], "period_reminder");
    assert_eq!(pending["title"], "Period Reminder");
    let expected = date(&active["predicted_start_date"]);
    let message = format!("Your next period is expected around {expected} (in 3 days).");
    assert_eq!(pending["message"], message);
    assert_eq!(due(pending), expected - Days::new(3));
    assert_eq!((&pending["sent_at"], &pending["error_message"]), (&Value::Null, &Value::Null));
    let mut read =
        person.get(&format!("{NOTIFICATIONS}/{}", pending["id"])).await.expect(StatusCode::OK);
    assert_eq!(read.as_object_mut().unwrap().remove("as_of_version"), Some(json!(2)));
    assert_eq!(&read, pending);
    for (query, total, expected) in [
        ("?status=pending", 1, json!([pending])),
        ("?status=cancelled", 1, json!([list[1]])),
        ("?status=sent", 0, json!([])),
        ("?status=sending", 0, json!([])),
        ("?status=failed", 0, json!([])),
        ("?status=unknown", 0, json!([])),
        ("?status=", 2, list.clone()),
        ("?limit=1", 2, json!([pending])),
        ("?limit=1&offset=1", 2, json!([list[1]])),
        ("?offset=2", 2, json!([])),
    ] {
        let some = person.get(&format!("{NOTIFICATIONS}{query}")).await.expect(StatusCode::OK);
        assert_eq!((&some["notifications"], &some["total"]), (&expected, &json!(total)), "{query}");
    }
}

/// The one pending reminder, if there is one; there are never two.
fn the_pending(list: &Value) -> Option<Value> {
    let rows = list.as_array().unwrap();
    let mut pending = rows.iter().filter(|reminder| reminder["status"] == "pending");
    let first = pending.next().cloned();
    assert!(pending.next().is_none(), "{list}");
    first
}

/// A date so near that nobody is late: who is late is told another date each day.
fn days_ago(days: u64) -> String {
    (Clock::System.now().date_naive() - Days::new(days)).to_string()
}

fn due(reminder: &Value) -> NaiveDate {
    date(&json!(&reminder["scheduled_for"].as_str().unwrap()[..10]))
}

async fn it_moves_with_the_preferences(app: &App) {
    let person = app.client().somebody().await;
    let version = person.log_cycle(&days_ago(16), None).await.1;
    let first = the_pending(&reminders(&person, version).await).unwrap();
    let active = person.prediction_at(version).await["predictions"][0].clone();
    let expected = date(&active["predicted_start_date"]);
    for days in [1, 7, 3] {
        let change = json!({"reminder_days_before": days});
        person.put(PREFERENCES, &change).await.expect(StatusCode::OK);
        let list = reminders(&person, version).await;
        let moved = the_pending(&list).unwrap();
        assert_eq!(due(&moved), expected - Days::new(days));
        assert_eq!((&moved["id"], list.as_array().unwrap().len()), (&first["id"], 1));
    }
    let wish = |enabled: bool| json!({"period_reminder_enabled": enabled});
    person.put(PREFERENCES, &wish(false)).await.expect(StatusCode::OK);
    let off = reminders(&person, version).await;
    assert_eq!(json!(column(&off, "status")), json!(["cancelled"]));
    // A new prediction is no reason to remind somebody who does not want it.
    let version = person.log_cycle(&days_ago(1), None).await.1;
    assert_eq!(the_pending(&reminders(&person, version).await), None);
    person.put(PREFERENCES, &wish(true)).await.expect(StatusCode::OK);
    let on = the_pending(&reminders(&person, version).await).unwrap();
    let active = person.prediction_at(version).await["predictions"][0].clone();
    assert_eq!(on["prediction_id"], active["id"]);
    assert_eq!(due(&on), date(&active["predicted_start_date"]) - Days::new(3));
}

async fn it_moves_with_the_prediction(app: &App) {
    let person = app.client().somebody().await;
    let start = days_ago(12);
    let (cycle, version) = person.log_cycle(&start, None).await;
    let first = the_pending(&reminders(&person, version).await).unwrap();
    let path = format!("/api/cycles/cycles/{cycle}");
    let answer =
        person.put(&path, &json!({"start_date": date(&json!(start)) + Days::new(3)})).await;
    let version = answer.expect(StatusCode::OK)["version"].as_i64().unwrap();
    let list = reminders(&person, version).await;
    let moved = the_pending(&list).unwrap();
    assert_eq!(
        (&moved["id"], list.as_array().unwrap().len()),
        (&first["id"], 1),
        "moved, not added"
    );
    assert_eq!(due(&moved), due(&first) + Days::new(3));
    let active = person.prediction_at(version).await["predictions"][0].clone();
    assert_eq!(moved["prediction_id"], active["id"]);
    // An earlier cycle, of 36 days, is learned from, so it moves the same reminder again.
    let before = due(&moved);
    let version = person.log_cycle(&days_ago(45), None).await.1;
    let moved = the_pending(&reminders(&person, version).await).unwrap();
    assert_eq!(moved["id"], first["id"]);
    assert!(due(&moved) > before, "{moved}");
    let answer = person.delete(&path).await.expect(StatusCode::OK);
    let list = reminders(&person, answer["version"].as_i64().unwrap()).await;
    let of_the_earlier = the_pending(&list).unwrap();
    assert_ne!(of_the_earlier["id"], first["id"]);
    let earlier = person.get("/api/cycles/cycles").await.expect(StatusCode::OK);
    let path = format!("/api/cycles/cycles/{}", earlier["cycles"][0]["id"]);
    let answer = person.delete(&path).await.expect(StatusCode::OK);
    let list = reminders(&person, answer["version"].as_i64().unwrap()).await;
    assert_eq!(the_pending(&list), None, "nothing is predicted without a cycle");
}

async fn somebody_elses(app: &App) {
    let (owner, other) = (app.client().somebody().await, app.client().somebody().await);
    let version = owner.log_cycle("2024-01-01", None).await.1;
    let id = reminders(&owner, version).await[0]["id"].clone();
    let theirs = other.get(&format!("{NOTIFICATIONS}/{id}")).await;
    let none = other.get(&format!("{NOTIFICATIONS}/987654321")).await;
    assert_eq!(alike(theirs.problem_of(404, "not-found")), alike(none.problem(404)));
    let list = other.get(NOTIFICATIONS).await.expect(StatusCode::OK);
    assert_eq!(list["notifications"], json!([]));
}
