//! `/api/users`.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{alike, members};
use crate::harness::{App, client::PASSWORD};

const USER: [&str; 8] = [
    "created_at",
    "date_of_birth",
    "email",
    "first_name",
    "id",
    "is_active",
    "last_name",
    "username",
];

pub(super) async fn all(app: &App) {
    registering(app).await;
    taken_names(app).await;
    signing_in(app).await;
    profile(app).await;
    the_earlier_fault_is_gone(app).await;
}

async fn register(app: &App, body: &Value) -> Value {
    let answer = app.client().post("/api/users/register", body).await.expect(StatusCode::CREATED);
    assert_eq!(members(&answer), ["message", "user"]);
    assert_eq!(answer["message"], "User registered successfully");
    assert_eq!(members(&answer["user"]), USER);
    answer["user"].clone()
}

async fn registering(app: &App) {
    let least = json!({"email": "least@example.org", "username": "least", "password": PASSWORD});
    let user = register(app, &least).await;
    assert!(user["id"].as_i64().unwrap() > 0);
    assert_eq!(user["is_active"], true);
    for absent in ["first_name", "last_name", "date_of_birth"] {
        assert_eq!(user[absent], Value::Null);
    }
    let most = json!({
        "email": "Most.Of+All@Example.org", "username": "møst 👩🏽 of all", "password": "p".repeat(256),
        "first_name": "Zoë", "last_name": "O'Hara-Ng", "date_of_birth": "1900-01-01",
    });
    let user = register(app, &most).await;
    for member in ["email", "username", "first_name", "last_name", "date_of_birth"] {
        assert_eq!(user[member], most[member]);
    }
    let with_nulls = json!({
        "email": "nulls@example.org", "username": "nulls", "password": PASSWORD,
        "first_name": null, "last_name": null, "date_of_birth": null,
    });
    assert_eq!(register(app, &with_nulls).await["last_name"], Value::Null);
}

async fn taken_names(app: &App) {
    let client = app.client();
    let with = |email: &str, username: &str| json!({"email": email, "username": username, "password": PASSWORD});
    register(app, &with("taken@example.org", "Taken")).await;
    for email in ["taken@example.org", "TAKEN@example.ORG"] {
        let answer = client.post("/api/users/register", &with(email, "free")).await;
        answer.problem_of(409, "email-taken");
    }
    for username in ["Taken", "tAKEN"] {
        let answer = client.post("/api/users/register", &with("free@example.org", username)).await;
        answer.problem_of(409, "username-taken");
    }
    // Nothing of what was refused is kept.
    register(app, &with("free@example.org", "free")).await;
}

async fn signing_in(app: &App) {
    let client = app.client();
    let body = json!({"email": "Ann@example.org", "username": "ann", "password": " pass 123 "});
    let user = register(app, &body).await;
    let sign_in = |email: &str, password: &str| {
        let (client, body) = (client.clone(), json!({"email": email, "password": password}));
        async move { client.post("/api/users/login", &body).await }
    };
    for email in ["Ann@example.org", "aNN@EXAMPLE.org"] {
        let answer = sign_in(email, " pass 123 ").await.expect(StatusCode::OK);
        assert_eq!(answer["message"], "Login successful");
        assert_eq!(answer["token_type"], "Bearer");
        assert_eq!(answer["expires_in"], 600);
        assert!(answer["refresh_token"].as_str().unwrap().starts_with("lunr_"));
        assert_eq!(answer["token"].as_str().unwrap().split('.').count(), 3);
        assert_eq!(answer["user"], user);
    }
    let mut refused = Vec::new();
    for (email, password) in [
        ("Ann@example.org", "pass 123"),
        ("Ann@example.org", " PASS 123 "),
        ("Ann@example.org", "x"),
        ("nobody@example.org", " pass 123 "),
    ] {
        let answer = sign_in(email, password).await;
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        refused.push(alike(answer.problem_of(401, "invalid-credentials")));
    }
    assert!(refused.windows(2).all(|pair| pair[0] == pair[1]), "{refused:?}");
}

async fn profile(app: &App) {
    let person = app.client().register("profile").await;
    let read = person.get("/api/users/profile").await.expect(StatusCode::OK);
    assert_eq!(members(&read), USER);
    assert_eq!((&read["id"], &read["username"]), (&json!(person.id), &json!("profile")));
    let mut expected = read;
    for change in [
        json!({"first_name": "Jane", "last_name": "Doe", "date_of_birth": "1990-02-28"}),
        json!({"first_name": "Janet"}),
        json!({}),
        json!({"last_name": null}),
        json!({"date_of_birth": null, "first_name": "J".repeat(100)}),
        json!({"first_name": null}),
    ] {
        let answer = person.put("/api/users/profile", &change).await.expect(StatusCode::OK);
        for (member, value) in change.as_object().unwrap() {
            expected[member] = value.clone();
        }
        let message = "Profile updated successfully";
        assert_eq!(answer, json!({"message": message, "user": expected}));
        assert_eq!(person.get("/api/users/profile").await.expect(StatusCode::OK), expected);
    }
}

/// Any user could read any other by id.
async fn the_earlier_fault_is_gone(app: &App) {
    let (one, other) = (app.client().somebody().await, app.client().somebody().await);
    for path in [format!("/api/users/users/{}", other.id), format!("/api/users/{}", other.id)] {
        one.get(&path).await.problem_of(404, "unknown-path");
    }
}
