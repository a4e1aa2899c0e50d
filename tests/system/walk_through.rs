//! The earlier system's documented walk-through, letter by letter (its README, 'End-to-End Test
//! Flow' and 'API Documentation'). A client written for it works here unchanged.

use actor_runtime::clock::Clock;
use reqwest::{Method, StatusCode, header::CONTENT_TYPE};
use serde_json::{Value, json};

use crate::harness::{
    App,
    client::{Answer, is_active_one},
    in_every_shape, wait,
};

/// Sends a body exactly as it stands in the README.
async fn post(app: &App, path: &str, token: Option<&str>, body: &'static str) -> Answer {
    let request = app.client().request(Method::POST, path).header(CONTENT_TYPE, "application/json");
    let request = match token {
        Some(token) => request.header("Authorization", format!("Bearer {token}")),
        None => request,
    };
    Answer::of(request.body(body)).await
}

async fn get(app: &App, path: &str, token: &str) -> Value {
    let request = app.client().request(Method::GET, path);
    Answer::of(request.bearer_auth(token)).await.expect(StatusCode::OK)
}

async fn sign_in(app: &App) -> String {
    let registered = post(
        app,
        "/api/users/register",
        None,
        r#"{"email":"test@test.com","username":"testuser","password":"pass123"}"#,
    )
    .await
    .expect(StatusCode::CREATED);
    assert_eq!(registered["message"], "User registered successfully");
    assert_eq!(registered["user"]["email"], "test@test.com");
    let login =
        post(app, "/api/users/login", None, r#"{"email":"test@test.com","password":"pass123"}"#)
            .await
            .expect(StatusCode::OK);
    assert_eq!(login["message"], "Login successful");
    login["token"].as_str().unwrap().to_owned()
}

in_every_shape! {
    /// Steps 1 to 6 of 'End-to-End Test Flow'.
    async fn the_end_to_end_flow(app: &App) {
        let token = sign_in(app).await;
        for body in [
            r#"{"start_date":"2024-11-15","end_date":"2024-11-20"}"#,
            r#"{"start_date":"2024-12-13","end_date":"2024-12-18"}"#,
            r#"{"start_date":"2025-01-10","end_date":"2025-01-15"}"#,
        ] {
            let logged = post(app, "/api/cycles/cycles", Some(&token), body).await;
            let logged = logged.expect(StatusCode::CREATED);
            assert_eq!(logged["message"], "Cycle created successfully");
            assert_eq!(logged["cycle"]["period_length"], 6);
        }
        let analytics = wait::until("three cycles in analytics", || async {
            let answer = get(app, "/api/analytics/analytics", &token).await;
            (answer["count"] == 3).then_some(answer)
        })
        .await;
        assert_eq!(analytics["analytics"][0]["start_date"], "2025-01-10");
        assert_eq!(analytics["analytics"][1]["cycle_length"], 28);
        let today = Clock::System.now().date_naive();
        let active = get(app, "/api/analytics/predictions?active=true", &token).await;
        is_active_one(&active, 2, today);
        let newest = &active["predictions"][0];
        let predictions = get(app, "/api/analytics/predictions", &token).await;
        // What was said when those cycles began, by the model's reference in Python.
        let settled: Vec<Value> = predictions["predictions"].as_array().unwrap().iter().skip(1)
            .map(|said| json!([said["predicted_start_date"], said["actual_start_date"]]))
            .collect();
        assert_eq!(json!(settled), json!([["2025-01-10", "2025-01-10"], ["2024-12-14", "2024-12-13"]]));
        let request = app.client().request(Method::POST, "/api/analytics/predictions/generate");
        let generated = Answer::of(request.bearer_auth(&token)).await.expect(StatusCode::CREATED);
        assert_eq!(generated["message"], "Prediction generated successfully");
        assert_eq!(generated["prediction"]["id"], newest["id"]);
        let notifications = wait::until("the reminder of the newest prediction", || async {
            let answer = get(app, "/api/notifications/notifications", &token).await;
            let newest = newest["id"].clone();
            let reminds = answer["notifications"].as_array().unwrap().iter()
                .any(|reminder| reminder["prediction_id"] == newest && reminder["status"] == "pending");
            reminds.then_some(answer)
        })
        .await;
        let pending = notifications["notifications"].as_array().unwrap().iter()
            .filter(|reminder| reminder["status"] == "pending");
        assert_eq!(pending.count(), 1);
    }

    /// The bodies of 'API Documentation', in its order.
    async fn the_documented_calls(app: &App) {
        let registered = post(app, "/api/users/register", None, r#"{
  "email": "user@example.com",
  "username": "testuser",
  "password": "securepassword123",
  "first_name": "Jane",
  "last_name": "Doe"
}"#).await.expect(StatusCode::CREATED);
        assert_eq!(registered["user"]["id"], 1);
        assert_eq!(registered["user"]["username"], "testuser");
        let login = post(app, "/api/users/login", None, r#"{
  "email": "user@example.com",
  "password": "securepassword123"
}"#).await.expect(StatusCode::OK);
        let token = login["token"].as_str().unwrap().to_owned();
        assert_eq!(get(app, "/api/users/profile", &token).await["first_name"], "Jane");
        let logged = post(app, "/api/cycles/cycles", Some(&token), r#"{
  "start_date": "2025-01-15",
  "end_date": "2025-01-20"
}"#).await.expect(StatusCode::CREATED);
        assert_eq!(logged["cycle"]["id"], 1);
        let symptom = post(app, "/api/cycles/symptoms", Some(&token), r#"{
  "cycle_id": 1,
  "date": "2025-01-16",
  "symptom_type": "mood",
  "value": "happy",
  "severity": 2,
  "notes": "Feeling great today"
}"#).await.expect(StatusCode::CREATED);
        assert_eq!(symptom["message"], "Symptom logged successfully");
        let version = symptom["version"].as_i64().unwrap();
        let path = format!("/api/analytics/insights?min_version={version}");
        let insights = wait::until("insights", || async {
            let answer = get(app, &path, &token).await;
            (answer["as_of_version"] == version).then_some(answer)
        })
        .await;
        assert_eq!(insights["statistics"]["total_cycles_tracked"], 1);
        assert_eq!(insights["statistics"]["cycle_regularity"], "unknown");
        let preferences = app.client().request(Method::PUT, "/api/notifications/preferences")
            .bearer_auth(&token)
            .header(CONTENT_TYPE, "application/json")
            .body(r#"{
  "period_reminder_enabled": true,
  "reminder_days_before": 3,
  "email_enabled": true
}"#);
        let preferences = Answer::of(preferences).await.expect(StatusCode::OK);
        assert_eq!(preferences["message"], "Preferences updated successfully");
        assert_eq!(preferences["preferences"]["reminder_days_before"], 3);
        for group in ["users", "cycles", "analytics", "notifications"] {
            let health = app.client().get(&format!("/api/{group}/health")).await;
            assert_eq!(health.expect(StatusCode::OK)["status"], "healthy");
        }
    }

    /// 'Log multiple cycles' of the earlier system gave regular statistics; so does this one.
    async fn the_insights_of_a_regular_user(app: &App) {
        let person = app.client().somebody().await;
        let mut version = 0;
        for start in ["2025-01-01", "2025-01-29", "2025-02-26", "2025-03-26"] {
            version = person.log_cycle(start, None).await.1;
        }
        let path = format!("/api/analytics/insights?min_version={version}");
        let insights = person.reflected(&path, version).await;
        assert_eq!(insights["statistics"], json!({
            "total_cycles_tracked": 4,
            "average_cycle_length": 28.0,
            "average_period_length": null,
            "cycle_regularity": "very_regular",
        }));
        let sentences: Vec<&str> = insights["insights"].as_array().unwrap().iter()
            .map(|insight| insight["message"].as_str().unwrap())
            .collect();
        assert!(sentences.contains(&"Your average cycle length is 28.0 days, within normal range."), "{sentences:?}");
        assert!(
            sentences.contains(&"Your cycles are very regular, making predictions more accurate."),
            "{sentences:?}"
        );
    }
}
