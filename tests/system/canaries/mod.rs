//! A text of its own in every field of every operation, sound and wrong, while everything works and
//! while things fail: none of it is anywhere but in the databases that it belongs in, and what is
//! sealed or hashed is not even there.
//!
//! What goes to the log, the metrics, the broker's store and refusals is looked at in every system
//! test (`harness::canaries`); this one leaves no field out, and looks into the files of Postgres.

mod places;
mod walk;

use std::{
    process::Stdio,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use actor_runtime::clock::Clock;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use totp_rs::Builder;

use crate::harness::{
    App, Client, Options, Person, Shape,
    canaries::MARK,
    client::{Answer, PASSWORD},
    process::binary,
    wait,
};

/// A text that is nowhere else, and says what it is: `canary-notes-17`.
fn planted(kind: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("{MARK}-{kind}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

fn planted_email() -> String {
    planted("email") + "@example.org"
}

/// Many may fail here without waiting, and the second history cannot be derived, until it is a dead
/// letter: that takes five failures, and what is left of them is tried again.
fn options() -> Options {
    let environment = [
        ("LUNATION_LIMITS_FAILURES_PER_ADDRESS_MINUTE", "100000"),
        ("LUNATION_LIMITS_FAILURES_PER_ADDRESS_HOUR", "100000"),
        // No sweep comes to help.
        ("LUNATION_ANTI_ENTROPY_SECONDS", "86400"),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let faults = Some("analytics.recompute=error@2-8".to_owned());
    Options { faults, environment, ..Options::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn are_only_where_they_belong() {
    let mut app = App::start_with(Shape::Split, options()).await;
    a_dead_letter(&app).await;
    let secrets = everything_that_is_sound(&app).await;
    let walker = app.client().somebody().await;
    let requests = walk::everywhere(&walker).await;
    assert!(requests > 400, "{requests} requests");

    let person = app.client().somebody().await;
    let (cycle, _) = person.log_cycle("2003-02-01", None).await;
    app.kill_group("cycles");
    app.start_group_again_with("cycles", "cycles.handle=panic@1-2,cycles.before_commit=error@1")
        .await;
    works_again(&person, cycle).await;
    assert!(app.output().contains("a panic was caught"), "nothing panicked");
    app.postgres().kill();
    assert!(attempts(&person, cycle).await.iter().all(|status| status.as_u16() >= 500));
    app.postgres().start_again().await;
    works_again(&person, cycle).await;
    app.nats.as_mut().unwrap().kill();
    assert!(attempts(&person, cycle).await.iter().all(|status| status.as_u16() >= 500));
    app.nats.as_mut().unwrap().restart().await;
    works_again(&person, cycle).await;

    places::search(&app, &secrets).await;
    app.finish().await;
}

/// Somebody whose history cannot be derived once it has a symptom.
async fn a_dead_letter(app: &App) {
    let person = app.client().somebody().await;
    let (cycle, version) = person.log_cycle("2003-02-01", None).await;
    person.prediction_at(version).await;
    person.post("/api/cycles/symptoms", &symptom(cycle)).await.expect(StatusCode::CREATED);
    let url = app.nats.as_ref().unwrap().url();
    wait::until_within(Duration::from_mins(1), "a dead letter", || async {
        let mut command = binary();
        command.args(["dlq", "list", "--json", "--nats", &url]).stdin(Stdio::null());
        let output = command.output().unwrap();
        let letters = String::from_utf8(output.stdout).unwrap();
        letters.contains("\"failed\"").then_some(())
    })
    .await;
}

fn symptom(cycle: i64) -> Value {
    json!({
        "cycle_id": cycle, "date": "2003-02-02", "symptom_type": planted("type"), "severity": 3,
        "value": planted("value"), "notes": planted("notes"),
    })
}

/// Each text that is kept, as it should be, and what else is made of passwords: the secrets that have no
/// form to be known by.
async fn everything_that_is_sound(app: &App) -> Vec<String> {
    let client = &app.client();
    let (email, password) = (planted_email(), planted("password"));
    let body = json!({
        "email": email, "username": planted("username"), "password": password,
        "first_name": planted("name"), "last_name": planted("name"), "date_of_birth": "1987-06-05",
    });
    let registering = client.request(Method::POST, "/api/users/register").json(&body);
    keyed(registering).await.expect(StatusCode::CREATED);
    let person = signed_in(client, &email, &password).await;
    let names = json!({"first_name": planted("name"), "last_name": planted("name")});
    keyed(person.request(Method::PUT, "/api/users/profile").json(&names))
        .await
        .expect(StatusCode::OK);
    let password = new_passwords(app, &person, &email, &password).await;
    let person = signed_in(client, &email, &password).await;

    let token = json!({"name": planted("label"), "scopes": ["read:cycles"]});
    let token = person.post("/api/users/tokens", &token).await.expect(StatusCode::CREATED);
    let token = token["token"].as_str().unwrap().to_owned();
    let program = Person { token, ..person.clone() };
    program.get("/api/cycles/cycles").await.expect(StatusCode::OK);
    let refreshed = person.refresh().await.expect(StatusCode::OK);
    let person = client.signed_in(&refreshed);
    let version = a_history(&person).await;
    person.prediction_at(version).await;

    let export = person.get("/api/users/export").await.expect(StatusCode::OK);
    let other = client.somebody().await;
    other.post("/api/users/import", &export).await.expect(StatusCode::OK);
    second_factor(&person, &password).await
}

async fn signed_in(client: &Client, email: &str, password: &str) -> Person {
    let login = client.request(Method::POST, "/api/users/login");
    let login = login.header("User-Agent", planted("device"));
    let login = login.json(&json!({"email": email, "password": password}));
    client.signed_in(&Answer::of(login).await.expect(StatusCode::OK))
}

/// With a key that is a planted text too.
async fn keyed(request: reqwest::RequestBuilder) -> Answer {
    Answer::of(request.header("Idempotency-Key", planted("key"))).await
}

/// Changes the password, then forgets it. The newest one.
async fn new_passwords(app: &App, person: &Person, email: &str, first: &str) -> String {
    let (second, third) = (planted("password"), planted("password"));
    let change = json!({"current_password": first, "new_password": second});
    person.put("/api/users/password", &change).await.expect(StatusCode::OK);
    let client = &person.client;
    let forgotten = client.post("/api/users/password/reset", &json!({"email": email})).await;
    forgotten.expect(StatusCode::ACCEPTED);
    let mut command = binary();
    command.args(["users", "reset-link", email, "--data-dir"]).arg(app.data_dir());
    command.env("USERS_DATABASE_URL", app.database_url("users")).stdin(Stdio::null());
    let output = command.output().unwrap();
    let link = String::from_utf8(output.stdout).unwrap();
    let link = link.lines().next().expect("an operator gets a link");
    let confirm = json!({"token": link, "new_password": third});
    client.post("/api/users/password/reset/confirm", &confirm).await.expect(StatusCode::OK);
    third
}

async fn a_history(person: &Person) -> i64 {
    for start in ["2003-01-03", "2003-02-01", "2003-03-02", "2003-03-30"] {
        person.log_cycle(start, None).await;
    }
    let (cycle, _) = person.log_cycle("2003-04-28", None).await;
    let mut body = symptom(cycle);
    body["date"] = json!("2003-04-29");
    let request = person.request(Method::POST, "/api/cycles/symptoms").json(&body);
    let written = keyed(request).await.expect(StatusCode::CREATED);
    let edit = json!({
        "symptom_type": planted("type"), "value": planted("value"), "notes": planted("notes"),
    });
    let path = format!("/api/cycles/symptoms/{}", written["symptom"]["id"]);
    let request = person.request(Method::PUT, &path).json(&edit);
    let edited = keyed(request).await.expect(StatusCode::OK);
    let kind = edit["symptom_type"].as_str().unwrap();
    let found = person.get(&format!("/api/cycles/symptoms?symptom_type={kind}")).await;
    assert_eq!(found.expect(StatusCode::OK)["symptoms"][0]["notes"], edit["notes"]);
    edited["version"].as_i64().unwrap()
}

/// The shared secret, and the recovery codes.
async fn second_factor(person: &Person, password: &str) -> Vec<String> {
    let path = "/api/users/second-factor";
    let enrol = json!({"password": password});
    let enrolment = person.post(path, &enrol).await.expect(StatusCode::CREATED);
    let shared = enrolment["secret"].as_str().unwrap().to_owned();
    let secret = totp_rs::Secret::try_from_base32(&shared).unwrap();
    let now = Clock::System.now().timestamp().try_into().unwrap();
    let code = Builder::new().with_secret(secret).build_noncompliant().generate(now).to_string();
    let confirm = json!({"totp": code});
    let confirmed = person.post(&format!("{path}/confirm"), &confirm).await;
    let confirmed = confirmed.expect(StatusCode::OK);
    let codes = confirmed["recovery_codes"].as_array().unwrap();
    let codes = codes.iter().map(|code| code.as_str().unwrap().to_owned());
    codes.chain([shared]).collect()
}

/// What people do while something is away.
async fn attempts(person: &Person, cycle: i64) -> Vec<StatusCode> {
    let register =
        json!({"email": planted_email(), "username": planted("username"), "password": PASSWORD});
    let login = json!({"email": planted_email(), "password": planted("password")});
    let profile = json!({"first_name": planted("name")});
    let search = format!("/api/cycles/symptoms?symptom_type={}", planted("type"));
    let client = &person.client;
    [
        client.post("/api/users/register", &register).await,
        client.post("/api/users/login", &login).await,
        person.put("/api/users/profile", &profile).await,
        person.post("/api/cycles/symptoms", &symptom(cycle)).await,
        person.get(&search).await,
    ]
    .map(|answer| answer.status)
    .to_vec()
}

async fn works_again(person: &Person, cycle: i64) {
    wait::until("symptoms to be taken again", || async {
        let answer = person.post("/api/cycles/symptoms", &symptom(cycle)).await;
        (answer.status == StatusCode::CREATED).then_some(())
    })
    .await;
}
