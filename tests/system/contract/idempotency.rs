//! `Idempotency-Key`: the same key and body give the first answer again, once-only in effect.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{
    App, Person,
    client::{Answer, PASSWORD},
};

pub(super) async fn all(app: &App) {
    writes_to_cycles(app).await;
    other_writes(app).await;
    registering(app).await;
    a_key_belongs_to_one_request(app).await;
    keys_that_are_none(app).await;
}

async fn send(person: &Person, method: &Method, path: &str, key: &str, body: &Value) -> Answer {
    let request = person.request(method.clone(), path).header("Idempotency-Key", key);
    let has_body = *method != Method::DELETE && !path.ends_with("/generate");
    Answer::of(if has_body { request.json(body) } else { request }).await
}

/// The same twice is the same as once.
async fn writes_to_cycles(app: &App) {
    let person = app.client().somebody().await;
    let (cycle, _) = person.log_cycle("2023-01-01", Some("2023-01-05")).await;
    let symptom =
        json!({"cycle_id": cycle, "date": "2023-01-02", "symptom_type": "a", "value": "b"});
    let logged = person.post("/api/cycles/symptoms", &symptom).await.expect(StatusCode::CREATED);
    let cycle_path = format!("/api/cycles/cycles/{cycle}");
    let symptom_path = format!("/api/cycles/symptoms/{}", logged["symptom"]["id"]);
    let mut version = 2;
    for (nth, (method, path, body, other)) in [
        (
            Method::POST,
            "/api/cycles/cycles",
            json!({"start_date": "2023-02-01"}),
            json!({"start_date": "2023-04-01"}),
        ),
        (
            Method::PUT,
            cycle_path.as_str(),
            json!({"end_date": "2023-01-04"}),
            json!({"end_date": "2023-01-03"}),
        ),
        (Method::PUT, &cycle_path, json!({"end_date": null}), json!({})),
        (
            Method::POST,
            "/api/cycles/symptoms",
            symptom.clone(),
            json!({"cycle_id": cycle, "date": "2023-01-02", "symptom_type": "a", "value": "c"}),
        ),
        (Method::PUT, &symptom_path, json!({"severity": 4}), json!({"severity": null})),
        (Method::DELETE, &symptom_path, Value::Null, Value::Null),
        (Method::DELETE, &cycle_path, Value::Null, Value::Null),
    ]
    .into_iter()
    .enumerate()
    {
        let key = format!("cycles-{nth}");
        let first = send(&person, &method, path, &key, &body).await;
        assert!(first.status.is_success(), "{method} {path}: {}", first.text);
        version += 1;
        assert_eq!(first.body["version"], version);
        for _ in 0..2 {
            let again = send(&person, &method, path, &key, &body).await;
            assert_eq!((again.status, &again.body), (first.status, &first.body), "{method} {path}");
            assert_eq!(again.header("etag"), first.header("etag"));
        }
        if body != other {
            let answer = send(&person, &method, path, &key, &other).await;
            answer.problem_of(422, "idempotency-key-reused");
        }
    }
    assert_eq!(person.log_cycle("2023-06-01", None).await.1, version + 1, "nothing happened twice");
}

/// What happened in between stays: the second is only an answer.
async fn other_writes(app: &App) {
    let person = app.client().somebody().await;
    person.log_cycle("2023-01-01", None).await;
    for (path, body, other) in [
        ("/api/users/profile", json!({"first_name": "A"}), json!({"first_name": "B"})),
        (
            "/api/notifications/preferences",
            json!({"reminder_days_before": 5}),
            json!({"reminder_days_before": 6}),
        ),
    ] {
        let first = send(&person, &Method::PUT, path, "one", &body).await.expect(StatusCode::OK);
        person.put(path, &other).await.expect(StatusCode::OK);
        let again = send(&person, &Method::PUT, path, "one", &body).await.expect(StatusCode::OK);
        assert_eq!(again, first);
        let (member, value) = other.as_object().unwrap().iter().next().unwrap();
        assert_eq!(&person.get(path).await.expect(StatusCode::OK)[member], value);
        send(&person, &Method::PUT, path, "one", &other)
            .await
            .problem_of(422, "idempotency-key-reused");
    }
    let generate = "/api/analytics/predictions/generate";
    let first = send(&person, &Method::POST, generate, "one", &Value::Null).await;
    let again = send(&person, &Method::POST, generate, "one", &Value::Null).await;
    assert_eq!(first.expect(StatusCode::CREATED), again.expect(StatusCode::CREATED));
}

async fn registering(app: &App) {
    let send = |username: &str, password: &str| {
        let body = json!({
            "email": "once@example.org", "username": username, "password": password,
        });
        let request = app.client().request(Method::POST, "/api/users/register");
        Answer::of(request.header("Idempotency-Key", "register-once").json(&body))
    };
    let first = send("once", PASSWORD).await.expect(StatusCode::CREATED);
    assert_eq!(send("once", PASSWORD).await.expect(StatusCode::CREATED), first);
    send("twice", PASSWORD).await.problem_of(422, "idempotency-key-reused");
    send("once", "another password").await.problem_of(422, "idempotency-key-reused");
    app.client().login("once@example.org").await;
}

async fn a_key_belongs_to_one_request(app: &App) {
    let (one, other) = (app.client().somebody().await, app.client().somebody().await);
    let (first, _) = one.log_cycle("2024-01-01", None).await;
    let (second, _) = one.log_cycle("2024-02-01", None).await;
    let change = json!({"end_date": null});
    let put = |id: i64| format!("/api/cycles/cycles/{id}");
    let answer = send(&one, &Method::PUT, &put(first), "key", &change).await.expect(StatusCode::OK);
    assert_eq!(answer["cycle"]["id"], first);
    let on_another = send(&one, &Method::PUT, &put(second), "key", &change).await;
    on_another.problem_of(422, "idempotency-key-reused");
    let another_kind = send(&one, &Method::DELETE, &put(first), "key", &Value::Null).await;
    another_kind.problem_of(422, "idempotency-key-reused");
    one.get(&put(first)).await.expect(StatusCode::OK);
    // The same key in another person's hand is another key.
    let logged = send(
        &other,
        &Method::POST,
        "/api/cycles/cycles",
        "key",
        &json!({"start_date": "2024-01-01"}),
    )
    .await;
    let logged = logged.expect(StatusCode::CREATED);
    assert_eq!((&logged["version"], &logged["cycle"]["user_id"]), (&json!(1), &json!(other.id)));
    // What was refused is no first answer of anything that can be mended.
    let late = json!({"start_date": "2024-02-01"});
    let path = "/api/cycles/cycles";
    send(&one, &Method::POST, path, "later", &late).await.problem_of(409, "overlapping-cycle");
    one.delete(&put(second)).await.expect(StatusCode::OK);
    send(&one, &Method::POST, path, "later", &late).await.expect(StatusCode::CREATED);
}

async fn keys_that_are_none(app: &App) {
    let person = app.client().somebody().await;
    let body = json!({"start_date": "2024-01-01"});
    for key in ["", " ", "a b", "ä", &"k".repeat(256)] {
        send(&person, &Method::POST, "/api/cycles/cycles", key, &body)
            .await
            .blames("Idempotency-Key");
    }
    let twice = person.request(Method::POST, "/api/cycles/cycles").json(&body);
    let twice = twice.header("Idempotency-Key", "a").header("Idempotency-Key", "a");
    Answer::of(twice).await.blames("Idempotency-Key");
    let longest = "k".repeat(255);
    let answer = send(&person, &Method::POST, "/api/cycles/cycles", &longest, &body).await;
    assert_eq!(answer.expect(StatusCode::CREATED)["version"], 1);
}
