//! `/api/users/password` and `/api/users/second-factor`.

use actor_runtime::clock::Clock;
use chrono::TimeDelta;
use reqwest::StatusCode;
use serde_json::{Value, json};
use totp_rs::{Builder, Totp};

use super::{alike, members};
use crate::harness::{App, Person, client::PASSWORD};

const NEW: &str = "gather seven lanterns";

pub(super) async fn all(app: &App) {
    changing_the_password(app).await;
    asking_for_a_link(app).await;
    a_second_factor(app).await;
}

async fn changing_the_password(app: &App) {
    let here = app.client().register("changing").await;
    let there = app.client().login("changing@example.org").await;
    let change =
        |current: &str, new: &str| json!({"current_password": current, "new_password": new});
    let path = "/api/users/password";
    here.put(path, &change("pass124", NEW)).await.problem_of(401, "invalid-credentials");
    here.put(path, &change(PASSWORD, "short")).await.blames("/new_password");
    let both = json!({
        "current_password": PASSWORD, "new_password": NEW, "totp": "123456", "recovery_code": "x",
    });
    here.put(path, &both).await.blames("/recovery_code");
    let answer = here.put(path, &change(PASSWORD, NEW)).await.expect(StatusCode::OK);
    assert_eq!(answer, json!({"message": "Password changed successfully"}));
    there.refresh().await.problem_of(401, "invalid-refresh-token");
    here.refresh().await.expect(StatusCode::OK);
    let sign_in = |password: &str| json!({"email": "changing@example.org", "password": password});
    let login = "/api/users/login";
    let client = app.client();
    client.post(login, &sign_in(PASSWORD)).await.problem_of(401, "invalid-credentials");
    client.post(login, &sign_in(NEW)).await.expect(StatusCode::OK);
}

/// The answer says nothing about whether there is such an account.
async fn asking_for_a_link(app: &App) {
    app.client().register("forgetful").await;
    let mut answers = Vec::new();
    for email in ["forgetful@example.org", "nobody-at-all@example.org"] {
        let answer = app.client().post("/api/users/password/reset", &json!({"email": email})).await;
        let mut headers = answer.headers.clone();
        headers.remove("date");
        headers.remove("x-request-id");
        answers.push((answer.expect(StatusCode::ACCEPTED), headers));
    }
    assert_eq!(members(&answers[0].0), ["message"]);
    assert_eq!(answers[0], answers[1]);
    let unknown = contracts::Secret::from_random(contracts::Secret::RESET_TOKEN, &[7; 32]);
    let mut refused = Vec::new();
    for token in [unknown.expose(), "lunp_", "x"] {
        let body = json!({"token": token, "new_password": NEW});
        let answer = app.client().post("/api/users/password/reset/confirm", &body).await;
        refused.push(alike(answer.problem_of(422, "reset-token-invalid")));
    }
    assert!(refused.windows(2).all(|pair| pair[0] == pair[1]), "{refused:?}");
}

/// An authenticator app, by what the answer tells it.
fn app_of(enrolment: &Value) -> Totp {
    let secret = enrolment["secret"].as_str().unwrap();
    let uri = enrolment["uri"].as_str().unwrap();
    assert!(uri.starts_with("otpauth://totp/Lunation:factor%40example.org?"), "{uri}");
    assert!(uri.contains(&format!("secret={secret}")), "{uri}");
    let secret = totp_rs::Secret::try_from_base32(secret).unwrap();
    Builder::new().with_secret(secret).build_noncompliant()
}

/// The code of so many steps from now.
fn code(authenticator: &Totp, steps: i64) -> String {
    let moment = Clock::System.now() + TimeDelta::seconds(30 * steps);
    authenticator.generate(moment.timestamp().try_into().unwrap()).to_string()
}

async fn a_second_factor(app: &App) {
    let person = app.client().register("factor").await;
    let path = "/api/users/second-factor";
    let state = person.get(path).await.expect(StatusCode::OK);
    assert_eq!(state, json!({"enabled": false, "recovery_codes_left": 0}));
    let enrol = json!({"password": PASSWORD});
    let enrolment = person.post(path, &enrol).await.expect(StatusCode::CREATED);
    assert_eq!(members(&enrolment), ["secret", "uri"]);
    let authenticator = app_of(&enrolment);
    let confirm = format!("{path}/confirm");
    person.post(&confirm, &json!({"totp": "12345"})).await.blames("/totp");
    let confirmed = person.post(&confirm, &json!({"totp": code(&authenticator, 0)})).await;
    let confirmed = confirmed.expect(StatusCode::OK);
    let codes = confirmed["recovery_codes"].as_array().unwrap().clone();
    assert_eq!(codes.len(), 10);
    person.post(path, &enrol).await.problem_of(409, "second-factor-enabled");
    person.post(&confirm, &json!({"totp": "123456"})).await.problem_of(409, "second-factor-absent");
    signing_in_with_it(app, &authenticator, &codes).await;
    removing_it(app, &person, &codes).await;
}

async fn signing_in_with_it(app: &App, authenticator: &Totp, codes: &[Value]) {
    let client = app.client();
    let sign_in = async |member: &str, value: Value| {
        let mut body = json!({"email": "factor@example.org", "password": PASSWORD});
        if !member.is_empty() {
            body[member] = value;
        }
        client.post("/api/users/login", &body).await
    };
    let absent = sign_in("", Value::Null).await;
    assert_eq!(absent.header("www-authenticate"), Some("Bearer"));
    absent.problem_of(401, "second-factor-required");
    // The next step's code, as a phone shows it that is a little fast; and not twice.
    let fast = json!(code(authenticator, 1));
    sign_in("totp", fast.clone()).await.expect(StatusCode::OK);
    sign_in("totp", fast).await.problem_of(401, "second-factor-required");
    sign_in("recovery_code", codes[0].clone()).await.expect(StatusCode::OK);
    sign_in("recovery_code", codes[0].clone()).await.problem_of(401, "second-factor-required");
}

async fn removing_it(app: &App, person: &Person, codes: &[Value]) {
    let path = "/api/users/second-factor";
    let prove = |code: &Value| json!({"password": PASSWORD, "recovery_code": code});
    let renew = format!("{path}/recovery-codes");
    let renewed = person.post(&renew, &prove(&codes[1])).await.expect(StatusCode::OK);
    let renewed = renewed["recovery_codes"].as_array().unwrap();
    let state = person.get(path).await.expect(StatusCode::OK);
    assert_eq!(state, json!({"enabled": true, "recovery_codes_left": 10}));
    let remove = format!("{path}/remove");
    let alone = json!({"password": PASSWORD});
    person.post(&remove, &alone).await.problem_of(401, "second-factor-required");
    person.post(&remove, &prove(&codes[2])).await.problem_of(401, "second-factor-required");
    person.post(&remove, &prove(&renewed[0])).await.expect(StatusCode::OK);
    person.post(&remove, &alone).await.problem_of(409, "second-factor-absent");
    app.client().login("factor@example.org").await;
}
