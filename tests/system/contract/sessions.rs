//! Sessions, refresh tokens and personal API tokens.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{alike, column, members};
use crate::harness::{App, Person, client::Answer, wait};

/// What a session's end may take to be known everywhere.
const EFFECTIVE_WITHIN: Duration = Duration::from_secs(5);

pub(super) async fn all(app: &App) {
    refreshing(app).await;
    logging_out(app).await;
    ending_others(app).await;
    api_tokens(app).await;
    api_tokens_that_cannot_be(app).await;
}

/// Waits until a token is refused, which has to be soon.
async fn is_turned_out(person: &Person) {
    let ended = Instant::now();
    wait::until_within(EFFECTIVE_WITHIN, "the token to be refused", || async {
        let status = person.get("/api/cycles/cycles").await.status;
        (status == StatusCode::UNAUTHORIZED).then_some(())
    })
    .await;
    assert!(ended.elapsed() <= EFFECTIVE_WITHIN, "{:?}", ended.elapsed());
}

async fn refreshing(app: &App) {
    let person = app.client().register("refreshing").await;
    let answer = person.refresh().await.expect(StatusCode::OK);
    let expected = ["expires_in", "message", "refresh_token", "token", "token_type", "user"];
    assert_eq!(members(&answer), expected);
    assert_eq!(answer["message"], "Session refreshed successfully");
    let next = app.client().signed_in(&answer);
    assert_eq!((next.id, next.session_id()), (person.id, person.session_id()));
    assert_eq!(next.get("/api/users/profile").await.status, StatusCode::OK);
    // The answer was lost: once more, and then the first successor is no good.
    let again = app.client().signed_in(&person.refresh().await.expect(StatusCode::OK));
    let last = app.client().signed_in(&again.refresh().await.expect(StatusCode::OK));
    let stolen = next.refresh().await;
    assert_eq!(stolen.header("www-authenticate"), Some("Bearer"));
    let stolen = alike(stolen.problem_of(401, "invalid-refresh-token"));
    for token in [&person, &again, &last] {
        assert_eq!(alike(token.refresh().await.problem(401)), stolen);
    }
    is_turned_out(&last).await;
    for (token, status) in [
        (json!("nonsense"), 401),
        (json!(person.token.get(..200)), 401),
        (json!(""), 422),
        (json!("a b"), 422),
        (json!(null), 422),
        (json!("x".repeat(201)), 422),
    ] {
        let answer =
            app.client().post("/api/users/refresh", &json!({"refresh_token": token})).await;
        assert_eq!(answer.status.as_u16(), status, "{token} {}", answer.text);
    }
}

async fn logging_out(app: &App) {
    let here = app.client().register("leaving").await;
    let there = app.client().login("leaving@example.org").await;
    let other = app.client().somebody().await;
    let answer = here.post("/api/users/logout", &json!({})).await.expect(StatusCode::OK);
    assert_eq!(answer, json!({"message": "Logged out successfully", "count": 1}));
    here.refresh().await.problem_of(401, "invalid-refresh-token");
    is_turned_out(&here).await;
    assert_eq!(there.get("/api/users/profile").await.status, StatusCode::OK);
    let third = app.client().login("leaving@example.org").await;
    let answer = there.post("/api/users/logout-all", &json!({})).await.expect(StatusCode::OK);
    assert_eq!(answer["count"], 2);
    for person in [&there, &third] {
        person.refresh().await.problem_of(401, "invalid-refresh-token");
        is_turned_out(person).await;
    }
    assert_eq!(other.get("/api/users/profile").await.status, StatusCode::OK);
    app.client().login("leaving@example.org").await;
}

async fn ending_others(app: &App) {
    let here = app.client().register("devices").await;
    let body =
        json!({"email": "devices@example.org", "password": crate::harness::client::PASSWORD});
    let phone = app.client().request(Method::POST, "/api/users/login").json(&body);
    let phone = phone.header("User-Agent", format!("Phone/1\u{e9}{}", "x".repeat(300)));
    let phone = app.client().signed_in(&Answer::of(phone).await.expect(StatusCode::OK));
    let list = here.get("/api/users/sessions").await.expect(StatusCode::OK);
    assert_eq!(members(&list), ["count", "sessions"]);
    assert_eq!(list["count"], 2);
    let expected = ["created_at", "device", "expires_at", "id", "is_current", "last_used_at"];
    assert_eq!(members(&list["sessions"][0]), expected);
    let ids = column(&list["sessions"], "id");
    assert_eq!(ids, [&json!(phone.session_id()), &json!(here.session_id())]);
    assert_eq!(column(&list["sessions"], "is_current"), [&json!(false), &json!(true)]);
    let device = list["sessions"][0]["device"].as_str();
    assert!(device.is_none_or(|device| device.chars().count() <= 100), "{device:?}");
    // Somebody else's is as if it were not there, and what is no id too.
    let stranger = app.client().somebody().await;
    let mut answers = Vec::new();
    for id in
        [phone.session_id(), "00000000-0000-4000-8000-000000000000".to_owned(), "1".to_owned()]
    {
        let answer = stranger.delete(&format!("/api/users/sessions/{id}")).await;
        answers.push(alike(answer.problem_of(404, "not-found")));
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
    let path = format!("/api/users/sessions/{}", phone.session_id());
    here.delete(&path).await.expect(StatusCode::OK);
    here.delete(&path).await.problem_of(404, "not-found");
    is_turned_out(&phone).await;
    phone.refresh().await.problem_of(401, "invalid-refresh-token");
    let list = here.get("/api/users/sessions").await.expect(StatusCode::OK);
    assert_eq!(list["count"], 1);
}

async fn api_tokens(app: &App) {
    let person = app.client().register("integrating").await;
    let body = json!({"name": "My calendar", "scopes": ["read:cycles", "write:analytics"]});
    let made = person.post("/api/users/tokens", &body).await.expect(StatusCode::CREATED);
    assert_eq!(members(&made), ["api_token", "message", "token"]);
    let api_token = made["api_token"].clone();
    assert_eq!((&api_token["name"], &api_token["scopes"]), (&body["name"], &body["scopes"]));
    let program = Person { token: made["token"].as_str().unwrap().to_owned(), ..person.clone() };
    // What it may, and what it may not.
    let cycle = json!({"start_date": "2024-01-01"});
    assert_eq!(program.get("/api/cycles/cycles").await.status, StatusCode::OK);
    for (answer, scope) in [
        (program.post("/api/cycles/cycles", &cycle).await, "write:cycles"),
        (program.get("/api/analytics/predictions").await, "read:analytics"),
        (program.get("/api/users/profile").await, "read:profile"),
        (program.get("/api/users/sessions").await, "account"),
        (program.get("/api/users/tokens").await, "account"),
        (program.post("/api/users/logout-all", &json!({})).await, "account"),
        (program.put("/api/notifications/preferences", &json!({})).await, "write:notifications"),
    ] {
        let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\"");
        assert_eq!(answer.header("www-authenticate"), Some(&*challenge));
        answer.problem_of(403, "insufficient-scope");
    }
    // It was shown once.
    let list = person.get("/api/users/tokens").await;
    assert!(!list.text.contains(&program.token));
    let list = list.expect(StatusCode::OK);
    assert_eq!(list["count"], 1);
    assert_eq!(list["tokens"][0]["id"], api_token["id"]);
    assert!(list["tokens"][0]["last_used_at"].is_string(), "{list}");
    // It is no sign-in.
    let sessions = person.get("/api/users/sessions").await.expect(StatusCode::OK);
    assert_eq!(sessions["count"], 1);

    let path = format!("/api/users/tokens/{}", api_token["id"].as_str().unwrap());
    app.client().somebody().await.delete(&path).await.problem_of(404, "not-found");
    let revoked = person.delete(&path).await.expect(StatusCode::OK);
    assert_eq!(revoked, json!({"message": "Token revoked successfully"}));
    person.delete(&path).await.problem_of(404, "not-found");
    is_turned_out(&program).await;
    let list = person.get("/api/users/tokens").await.expect(StatusCode::OK);
    assert_eq!(list, json!({"tokens": [], "count": 0}));
}

async fn api_tokens_that_cannot_be(app: &App) {
    let person = app.client().somebody().await;
    let with = |member: &str, value: Value| {
        let mut body = json!({"name": "x", "scopes": ["read:cycles"], "expires_in_days": 1});
        body[member] = value;
        body
    };
    for (body, pointer) in [
        (with("name", json!("")), "/name"),
        (with("name", json!("a\u{0}")), "/name"),
        (with("name", json!("x".repeat(101))), "/name"),
        (with("scopes", json!([])), "/scopes"),
        (with("scopes", json!("read:cycles")), "/scopes"),
        (with("scopes", json!(["account"])), "/scopes/0"),
        (with("scopes", json!(["read:cycles", "fly:moon"])), "/scopes/1"),
        (with("scopes", json!(["read:cycles", "read:cycles"])), "/scopes"),
        (with("scopes", json!([1])), "/scopes/0"),
        (with("scopes", json!([null])), "/scopes/0"),
        (with("scopes", json!([["read:cycles"]])), "/scopes/0"),
        (with("scopes", json!(vec!["read:cycles"; 1_000])), "/scopes"),
        (with("expires_in_days", json!(0)), "/expires_in_days"),
        (with("expires_in_days", json!(367)), "/expires_in_days"),
        (with("expires_in_days", json!("1")), "/expires_in_days"),
        (with("user_id", json!(1)), "/user_id"),
    ] {
        person.post("/api/users/tokens", &body).await.blames(pointer);
    }
    let made = person.post("/api/users/tokens", &with("expires_in_days", json!(null))).await;
    made.expect(StatusCode::CREATED);
}
