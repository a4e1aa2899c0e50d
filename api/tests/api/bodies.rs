//! Request bodies: what is refused, and how it is named.

use poem::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Api, read};

const CYCLES: &str = "/api/cycles/cycles";
const SYMPTOMS: &str = "/api/cycles/symptoms";
const EPISODES: &str = "/api/cycles/episodes";
const ANSWER: &str = "/api/analytics/questions/1/answer";

fn pointers(problem: &Value) -> Vec<&str> {
    let errors = problem["errors"].as_array().expect("errors");
    errors.iter().map(|error| error["pointer"].as_str().expect("a pointer")).collect()
}

/// Nothing of serde, poem or Rust may show, and nothing of what was sent.
fn assert_says_nothing_else(problem: &Value, sent: &str) {
    let text = problem.to_string();
    for inside in ["serde", "poem", "i64", "NaiveDate", "struct", "expected `", "Option", "scalar"]
    {
        assert!(!text.contains(inside), "{inside} in {text}");
    }
    if sent.len() > 8 {
        assert!(!text.contains(sent), "{text}");
    }
}

type Case = (Method, &'static str, Value, &'static str);

/// Each case is refused for the one member that it names.
async fn assert_named(cases: Vec<Case>) {
    let api = Api::new();
    for (method, path, body, pointer) in cases {
        let (status, problem) = api.send(method, path, Some(&body.to_string())).await;
        assert_eq!(status, 422, "{path} {body}");
        assert_eq!(problem["type"], "/problems/invalid-input");
        assert_eq!(pointers(&problem), [pointer], "{path} {body}");
        for value in body.as_object().into_iter().flat_map(serde_json::Map::values) {
            assert_says_nothing_else(&problem, value.as_str().unwrap_or_default());
        }
    }
}

#[tokio::test]
async fn wrong_members_of_cycles_and_episodes_are_named() {
    let day = "2024-01-01";
    assert_named(vec![
        (Method::POST, CYCLES, json!({}), "/start_date"),
        (Method::POST, CYCLES, json!({ "start_date": null }), "/start_date"),
        (Method::POST, CYCLES, json!({ "start_date": "2024-1-1" }), "/start_date"),
        (Method::POST, CYCLES, json!({ "start_date": "tomorrow-secret" }), "/start_date"),
        (Method::POST, CYCLES, json!({ "start_date": "1899-12-31" }), "/start_date"),
        (Method::POST, CYCLES, json!({ "start_date": 20_240_101 }), "/start_date"),
        (Method::POST, CYCLES, json!({ "start_date": day, "end_date": "never-ever" }), "/end_date"),
        (Method::POST, CYCLES, json!({ "start_date": day, "user_id": 8 }), "/user_id"),
        (Method::POST, CYCLES, json!({ "start_date": day, "a/b~c": 8 }), "/a~1b~0c"),
        (Method::POST, CYCLES, json!({ "start_date": day, "Start_date": day }), "/Start_date"),
        (Method::POST, CYCLES, json!([]), ""),
        (Method::POST, CYCLES, json!("2024-01-01-secret"), ""),
        (Method::POST, CYCLES, json!(null), ""),
        (Method::PUT, "/api/cycles/cycles/1", json!({ "start_date": null }), "/start_date"),
        (Method::PUT, "/api/cycles/cycles/1", json!({ "cycle_length": 28 }), "/cycle_length"),
        (Method::PUT, "/api/cycles/cycles/1", json!({ "excluded": null }), "/excluded"),
        (Method::PUT, "/api/cycles/cycles/1", json!({ "excluded": "yes-secret" }), "/excluded"),
        (Method::POST, CYCLES, json!({ "start_date": day, "excluded": true }), "/excluded"),
        (Method::POST, EPISODES, json!({ "start_date": day }), "/kind"),
        (Method::POST, EPISODES, json!({ "kind": "pause" }), "/start_date"),
        (Method::POST, EPISODES, json!({ "kind": "Pause-secret", "start_date": day }), "/kind"),
        (Method::POST, EPISODES, json!({ "kind": 1, "start_date": day }), "/kind"),
        (
            Method::POST,
            EPISODES,
            json!({ "kind": "pause", "start_date": day, "notes": "secret-note" }),
            "/notes",
        ),
        (Method::PUT, "/api/cycles/episodes/1", json!({ "kind": null }), "/kind"),
        (Method::PUT, "/api/cycles/episodes/1", json!({ "start_date": null }), "/start_date"),
        (Method::PUT, "/api/cycles/episodes/1", json!({ "end_date": "2024-02-30" }), "/end_date"),
    ])
    .await;
}

#[tokio::test]
async fn wrong_members_are_named() {
    let day = "2024-01-01";
    let symptom = |name: &str, value: Value| {
        let mut body = json!({ "cycle_id": 1, "date": day, "symptom_type": "mood", "value": "x" });
        body[name] = value;
        body
    };
    assert_named(vec![
        (Method::POST, SYMPTOMS, symptom("cycle_id", json!(0)), "/cycle_id"),
        (Method::POST, SYMPTOMS, symptom("cycle_id", json!("1")), "/cycle_id"),
        (Method::POST, SYMPTOMS, symptom("cycle_id", json!(u64::MAX)), "/cycle_id"),
        (Method::POST, SYMPTOMS, symptom("cycle_id", json!(1.5)), "/cycle_id"),
        (Method::POST, SYMPTOMS, symptom("severity", json!(0)), "/severity"),
        (Method::POST, SYMPTOMS, symptom("severity", json!(11)), "/severity"),
        (Method::POST, SYMPTOMS, symptom("severity", json!(1.5)), "/severity"),
        (Method::POST, SYMPTOMS, symptom("severity", json!(true)), "/severity"),
        (Method::POST, SYMPTOMS, symptom("symptom_type", json!("")), "/symptom_type"),
        (Method::POST, SYMPTOMS, symptom("symptom_type", json!("s".repeat(51))), "/symptom_type"),
        (Method::POST, SYMPTOMS, symptom("symptom_type", json!("a\u{0}secret-b")), "/symptom_type"),
        (Method::POST, SYMPTOMS, symptom("value", json!("v".repeat(101))), "/value"),
        (Method::POST, SYMPTOMS, symptom("value", json!(7)), "/value"),
        (Method::POST, SYMPTOMS, symptom("notes", json!("n".repeat(4_001))), "/notes"),
        (Method::POST, SYMPTOMS, symptom("notes", json!("secret\u{1b}[31m")), "/notes"),
        (Method::PUT, "/api/cycles/symptoms/1", json!({ "value": null }), "/value"),
        (Method::PUT, "/api/users/profile", json!({ "email": "a@b.c" }), "/email"),
        (Method::POST, ANSWER, json!({}), "/answer"),
        (Method::POST, ANSWER, json!({ "answer": "perhaps-secret" }), "/answer"),
        (Method::POST, ANSWER, json!({ "answer": true }), "/answer"),
        (
            Method::POST,
            ANSWER,
            json!({ "answer": "yes", "missed_start_date": "2024-02-30" }),
            "/missed_start_date",
        ),
        (
            Method::POST,
            ANSWER,
            json!({ "answer": "no", "missed_start_date": day }),
            "/missed_start_date",
        ),
        (Method::POST, ANSWER, json!({ "answer": "yes", "cycle_id": 1 }), "/cycle_id"),
        (
            Method::PUT,
            "/api/notifications/preferences",
            json!({ "reminder_days_before": 8 }),
            "/reminder_days_before",
        ),
        (
            Method::PUT,
            "/api/notifications/preferences",
            json!({ "email_enabled": "yes-secret" }),
            "/email_enabled",
        ),
    ])
    .await;
}

#[tokio::test]
async fn instants_of_an_import_are_named() {
    let (day, at) = ("2024-01-01", "2024-01-01T08:30:00Z");
    let import = |name: &str, value: Value| {
        let mut episode = json!({
            "id": 1, "user_id": 1, "kind": "pause", "start_date": day, "end_date": null,
            "created_at": at, "updated_at": at,
        });
        episode[name] = value;
        json!({
            "format": "lunation-export", "version": 1, "complete": true,
            "profile": {
                "id": 1, "email": "a@b", "username": "abc", "first_name": null, "last_name": null,
                "date_of_birth": null, "is_active": true, "created_at": at, "updated_at": at,
            },
            "cycles": [], "symptoms": [], "episodes": [episode],
            "retention": { "months": null, "forget_before": null },
            "preferences": {
                "id": 1, "user_id": 1, "period_reminder_enabled": true, "reminder_days_before": 3,
                "email_enabled": true, "push_enabled": false, "created_at": at, "updated_at": at,
            },
        })
    };
    let refused = ["", "2024-01-01", "2024-01-01T08:30:00", "2024-02-30T08:30:00Z", "now-secret"];
    let cases = refused.map(|value| {
        let body = import("created_at", json!(value));
        (Method::POST, "/api/users/import", body, "/episodes/0/created_at")
    });
    assert_named(cases.to_vec()).await;
}

#[tokio::test]
async fn all_wrong_members_are_named_at_once() {
    let api = Api::new();
    let body = r#"{"email":"x","username":"ab","password":"123456","age":3}"#;
    let (status, problem) = api.send(Method::POST, "/api/users/register", Some(body)).await;
    assert_eq!(status, 422);
    assert_eq!(pointers(&problem), ["/email", "/username", "/password", "/age"]);
    let flood: serde_json::Map<String, Value> =
        (0..2_000).map(|number| (format!("member{number}"), json!(1))).collect();
    let flood = Value::Object(flood).to_string();
    let (status, problem) = api.send(Method::POST, CYCLES, Some(&flood)).await;
    assert_eq!(status, 422);
    assert_eq!(pointers(&problem).len(), 20, "a flood of members is answered with a few");
}

#[tokio::test]
async fn good_bodies_reach_the_group() {
    let api = Api::new();
    let notes = "n".repeat(4_000);
    let day = "2024-02-29";
    let cases = [
        (Method::POST, CYCLES, json!({ "start_date": day })),
        (Method::POST, CYCLES, json!({ "start_date": day, "end_date": null })),
        (Method::PUT, "/api/cycles/cycles/1", json!({})),
        (Method::PUT, "/api/cycles/cycles/1", json!({ "end_date": null })),
        (Method::PUT, "/api/cycles/cycles/1", json!({ "excluded": true })),
        (Method::POST, EPISODES, json!({ "kind": "hormonal_contraception", "start_date": day })),
        (
            Method::POST,
            EPISODES,
            json!({ "kind": "pregnancy", "start_date": day, "end_date": null }),
        ),
        (Method::PUT, "/api/cycles/episodes/1", json!({ "kind": "pause", "end_date": null })),
        (
            Method::POST,
            SYMPTOMS,
            json!({ "cycle_id": 1, "date": "2025-01-16", "symptom_type": "mood", "value": "happy",
                "severity": 2.0, "notes": notes }),
        ),
        (Method::PUT, "/api/cycles/symptoms/1", json!({ "severity": null, "notes": "a\n\tb" })),
        (Method::POST, ANSWER, json!({ "answer": "yes" })),
        (Method::POST, ANSWER, json!({ "answer": "yes", "missed_start_date": day })),
        (Method::POST, ANSWER, json!({ "answer": "no" })),
    ];
    for (method, path, body) in cases {
        let (status, problem) = api.send(method, path, Some(&body.to_string())).await;
        assert_eq!((status, &problem["type"]), (503, &json!("/problems/unavailable")), "{body}");
    }
    assert_eq!(api.cycles.calls.lock().unwrap().len(), 10);
}

#[tokio::test]
async fn what_is_no_json_is_400() {
    let api = Api::new();
    let deep = format!("{{\"start_date\":{}1{}}}", "[".repeat(40), "]".repeat(40));
    for body in [
        "",
        "{",
        "{\"start_date\":}",
        "start_date=2024-01-01",
        "{\"start_date\":\"\\ud800\"}",
        "{\"start_date\":1e400}",
        "{\"start_date\":\"2024-01-01\",\"start_date\":\"2024-01-02\"}",
        "{\"start_date\":\"2024-01-01\"}{}",
        "<xml/>",
        "NaN",
        &deep,
    ] {
        let (status, problem) = api.send(Method::POST, CYCLES, Some(body)).await;
        assert_eq!(status, 400, "{body}");
        assert_eq!(problem["type"], "/problems/malformed-body");
        assert_says_nothing_else(&problem, body);
    }
    let request = api.client.post("/api/users/login").content_type("application/json");
    let (status, _) = read(request.body(b"{\"email\":\"\xff\"}".to_vec()).send().await).await;
    assert_eq!(status, 400, "invalid UTF-8");
}

#[tokio::test]
async fn what_is_not_announced_as_json_is_415() {
    let api = Api::new();
    let login = "/api/users/login";
    let body = r#"{"email":"test@test.com","password":"pass123"}"#;
    for content_type in [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonx",
        "application/json; charset=utf-16",
        "application/xml",
        "multipart/form-data; boundary=x",
    ] {
        let request = api.client.post(login).content_type(content_type).body(body);
        let (status, problem) = read(request.send().await).await;
        assert_eq!(status, 415, "{content_type}");
        assert_eq!(problem["type"], "/problems/unsupported-media-type");
    }
    let (status, _) = read(api.client.post(login).body(body).send().await).await;
    assert_eq!(status, 415, "no content type");
    let request = api.client.post(login).content_type("application/json").body(body);
    request
        .header("content-encoding", "gzip")
        .send()
        .await
        .assert_status(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    for content_type in
        ["application/json", "Application/JSON", "application/json;charset=\"UTF-8\""]
    {
        let request = api.client.post(login).content_type(content_type).body(body);
        request.send().await.assert_status(StatusCode::SERVICE_UNAVAILABLE);
    }
}

#[tokio::test]
async fn too_large_a_body_is_413_announced_or_not() {
    let api = Api::new();
    let login = "/api/users/login";
    let too_large = format!("{{\"email\":\"{}\"}}", "a".repeat(64 * 1024));
    let announced = api.client.post(login).content_type("application/json");
    let announced = announced.header("content-length", "65537").body("{}");
    let chunked = api.client.post(login).content_type("application/json").body(too_large);
    for request in [announced, chunked] {
        let (status, problem) = read(request.send().await).await;
        assert_eq!((status, &problem["type"]), (413, &json!("/problems/body-too-large")));
    }
    // The limit itself is allowed: what is wrong with this body is its e-mail address.
    let largest = format!("{{\"email\":\"{}\"}}", "a".repeat(64 * 1024 - 12));
    assert_eq!(largest.len(), 64 * 1024);
    let request = api.client.post(login).content_type("application/json").body(largest);
    request.send().await.assert_status(StatusCode::UNPROCESSABLE_ENTITY);
}
