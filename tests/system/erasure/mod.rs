//! Who erases their account is gone from every database, from every stream, and for good.

mod crashes;
mod ledger;
mod lost_answers;
pub(crate) mod outages;
pub(crate) mod resurrection;

use std::{collections::BTreeMap, time::Duration};

use async_nats::jetstream;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use crate::harness::{
    App, Person,
    app::DOMAINS,
    client::{Answer, PASSWORD},
    in_every_shape, wait,
};

/// How soon an erasure has come to its end while every group is there, or after the last is back.
pub(crate) const COMPLETE_WITHIN: Duration = Duration::from_mins(1);
/// What stands in for texts that are a person's alone.
const CANARY: &str = "canary";

/// Asks for the erasure.
async fn erase(person: &Person, password: &str) -> Answer {
    let request = person.request(Method::DELETE, "/api/users/account");
    Answer::of(request.json(&json!({"password": password}))).await
}

/// Erases, and gives the path of the receipt. A machine that is busy may say 503 (not carried out), or
/// 504 (perhaps): either is safe to repeat.
pub(crate) async fn erased(person: &Person) -> String {
    let answer = wait::until("somebody to have the time to erase", || async {
        let answer = erase(person, PASSWORD).await;
        let is_away = answer.status == StatusCode::SERVICE_UNAVAILABLE;
        assert!(!is_away || answer.header("retry-after").is_some(), "{}", answer.text);
        (!is_away && answer.status != StatusCode::GATEWAY_TIMEOUT).then_some(answer)
    })
    .await;
    let location = answer.header("location").map(str::to_owned);
    let body = answer.expect(StatusCode::ACCEPTED);
    let path = format!("/api/erasures/{}", body["receipt"].as_str().unwrap());
    assert_eq!(location.as_deref(), Some(path.as_str()));
    path
}

/// Waits until the receipt says that all is done, and returns it.
async fn complete(app: &App, receipt: &str) -> Value {
    complete_within(COMPLETE_WITHIN, app, receipt).await
}

pub(crate) async fn complete_within(patience: Duration, app: &App, receipt: &str) -> Value {
    let client = app.client();
    wait::until_within(patience, "the erasure to be complete", || async {
        let answer = client.get(receipt).await;
        let is_complete = answer.body["status"] == "complete";
        (answer.status == StatusCode::OK && is_complete).then_some(answer.body)
    })
    .await
}

/// Something of every kind, with the name in every text, and derived to the end.
async fn fill(person: &Person, name: &str) -> i64 {
    let body = json!({"first_name": format!("{CANARY} {name}"), "date_of_birth": "1990-02-28"});
    person.put("/api/users/profile", &body).await.expect(StatusCode::OK);
    let token = json!({"name": format!("{CANARY} {name}"), "scopes": ["read:cycles"]});
    person.post("/api/users/tokens", &token).await.expect(StatusCode::CREATED);
    let mut version = 0;
    let mut cycle = 0;
    for start in ["2024-01-01", "2024-01-29", "2024-02-26", "2024-04-22"] {
        (cycle, version) = person.log_cycle(start, None).await;
    }
    let symptom = json!({
        "cycle_id": cycle, "date": "2024-04-23", "symptom_type": "mood",
        "value": format!("{CANARY} {name}"), "notes": format!("{CANARY} {name}"),
    });
    let request = person.request(Method::POST, "/api/cycles/symptoms");
    let keyed = request.header("Idempotency-Key", "a-key").json(&symptom);
    Answer::of(keyed).await.expect(StatusCode::CREATED);
    let episode = json!({"kind": "pause", "start_date": "2023-01-01", "end_date": "2023-02-01"});
    person.post("/api/cycles/episodes", &episode).await.expect(StatusCode::CREATED);
    let retention = json!({"months": 600});
    let set = person.put("/api/cycles/retention", &retention).await.expect(StatusCode::OK);
    version = version.max(set["version"].as_i64().unwrap());
    let preferences = json!({"reminder_days_before": 2});
    let request = person.request(Method::PUT, "/api/notifications/preferences");
    let keyed = request.header("Idempotency-Key", "a-key").json(&preferences);
    Answer::of(keyed).await.expect(StatusCode::OK);
    person.prediction_at(version).await;
    person.reflected("/api/notifications/notifications", version).await;
    version
}

/// The rows of a database that are a person's, by table.
async fn rows_of(app: &App, domain: &str, id: i64, text: &str) -> BTreeMap<String, Vec<Value>> {
    rows_of_any(app, domain, &[id], text).await
}

/// The rows that are somebody's of these: those with one of the ids in a column, and those with a text
/// that is theirs. The tables come from the catalogue, so that none can be forgotten.
#[expect(clippy::disallowed_methods, reason = "a test asks the catalogue for its tables")]
pub(crate) async fn rows_of_any(
    app: &App,
    domain: &str,
    ids: &[i64],
    text: &str,
) -> BTreeMap<String, Vec<Value>> {
    let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
    let mut connection = PgConnection::connect(&app.database_url(domain)).await.unwrap();
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT table_name::text FROM information_schema.tables
         WHERE table_schema = 'public' AND table_name <> '_sqlx_migrations'",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    let mut found = BTreeMap::new();
    for table in tables {
        // The one table that has the user's id under another name, and the one that keeps it inside.
        let rows = format!(
            "SELECT row FROM (SELECT to_jsonb(t) AS row FROM \"{table}\" t) rows
             WHERE row ->> 'user_id' = ANY($1) OR ('{table}' = 'account' AND row ->> 'id' = ANY($1))
                OR row #>> '{{answer,user_id}}' = ANY($1) OR row::text LIKE '%' || $2 || '%'"
        );
        let rows: Vec<Value> = sqlx::query_scalar(sqlx::AssertSqlSafe(rows))
            .bind(&ids)
            .bind(text)
            .fetch_all(&mut connection)
            .await
            .unwrap();
        if !rows.is_empty() {
            found.insert(table, rows);
        }
    }
    found
}

/// Where each database keeps its tombstones: all that may be left.
const TOMBSTONES: [(&str, &str); 4] = [
    ("users", "erasure"),
    ("cycles", "erased"),
    ("analytics", "subject"),
    ("notifications", "subject"),
];

/// Nothing of the person is in any database but a tombstone in each.
async fn assert_gone(app: &App, id: i64, text: &str) {
    assert_all_gone(app, &[id], text).await;
}

/// Nothing of any of them is in any database but a tombstone of each in each.
pub(crate) async fn assert_all_gone(app: &App, ids: &[i64], text: &str) {
    for (domain, tombstone) in TOMBSTONES {
        let mut found = rows_of_any(app, domain, ids, text).await;
        let rows = found.remove(tombstone).unwrap_or_default();
        assert!(found.is_empty(), "{domain}: {found:#?}");
        assert_eq!(rows.len(), ids.len(), "tombstones of {domain}");
        for (column, value) in rows.iter().flat_map(|row| row.as_object().unwrap()) {
            let says_nothing =
                value.is_null() || *value == 0 || *value == false || *value == "unknown";
            // The model is the column's default, the same for everybody.
            let is_tombstone =
                matches!(&**column, "user_id" | "erased_at" | "model") || tombstone == "erasure";
            assert!(says_nothing || is_tombstone, "{domain}: {column} is {value}");
        }
    }
}

/// What every stream keeps, as subject and payload.
pub(crate) async fn kept(app: &App) -> Vec<(String, String)> {
    let Some(nats) = &app.nats else { return Vec::new() };
    let context = jetstream::new(nats.client().await);
    let mut messages = Vec::new();
    for name in ["CYCLES", "PREDICTIONS", "USERS", "DLQ"] {
        let mut stream = context.get_stream(name).await.unwrap();
        let state = stream.info().await.unwrap().state.clone();
        for sequence in state.first_sequence.max(1)..=state.last_sequence {
            if let Ok(message) = stream.get_raw_message(sequence).await {
                let payload = String::from_utf8_lossy(&message.payload).into_owned();
                messages.push((message.subject.to_string(), payload));
            }
        }
    }
    messages
}

/// Those of them that name a user.
async fn kept_of(app: &App, id: i64) -> Vec<(String, String)> {
    kept_of_any(app, &[id]).await
}

/// Those of them that name one of these users.
pub(crate) async fn kept_of_any(app: &App, ids: &[i64]) -> Vec<(String, String)> {
    let mut messages = kept(app).await;
    let names =
        ids.iter().map(|id| (format!(".{id}"), [format!("\"user_id\":{id},"), format!(".{id}\"")]));
    let names: Vec<_> = names.collect();
    messages.retain(|(subject, payload)| {
        names.iter().any(|(end, parts)| {
            subject.ends_with(end) || parts.iter().any(|part| payload.contains(part))
        })
    });
    messages
}

in_every_shape! {
    async fn nothing_is_left_anywhere(app: &App) {
        let (gone, stays) = ("goes away", "stays here");
        let person = app.client().register("goes-away").await;
        let other = app.client().register("stays-here").await;
        fill(&person, gone).await;
        let version = fill(&other, stays).await;
        for domain in DOMAINS {
            let rows = rows_of(app, domain, person.id, gone).await;
            assert!(!rows.is_empty(), "{domain}");
        }
        assert_eq!(kept_of(app, person.id).await.len(), if app.nats.is_some() { 3 } else { 0 });

        erase(&person, "wrong password").await.problem_of(401, "invalid-credentials");
        let receipt = erased(&person).await;
        // Whoever lost the answer asks again by the same token; what else it proves makes no difference.
        assert_eq!(erased(&person).await, receipt);
        let done = complete(app, &receipt).await;
        for part in ["users", "cycles", "analytics", "notifications", "events"] {
            assert_eq!(done["domains"][part]["state"], "erased", "{done}");
            assert!(done["domains"][part]["erased_at"].is_string(), "{done}");
        }
        assert_gone(app, person.id, gone).await;
        assert_gone(app, person.id, "goes-away").await;
        let traces = kept_of(app, person.id).await;
        assert!(traces.is_empty(), "{traces:#?}");

        // No token, old or new, is good for anything.
        wait::until("the access token to be refused everywhere", || async {
            let answer = person.get("/api/cycles/cycles").await;
            (answer.status == StatusCode::UNAUTHORIZED).then_some(())
        })
        .await;
        for path in ["/api/users/profile", "/api/analytics/insights", "/api/notifications/preferences"] {
            person.get(path).await.problem_of(401, "unauthenticated");
        }
        person.refresh().await.problem(401);
        // But the receipt is still to be had by it, as long as it has not expired.
        assert_eq!(erased(&person).await, receipt);
        assert_gone(app, person.id, gone).await;

        // Somebody new under the same address begins with nothing.
        let anew = app.client().register("goes-away").await;
        assert!(anew.id > person.id);
        let cycles = anew.get("/api/cycles/cycles").await.expect(StatusCode::OK);
        assert_eq!(cycles["total"], 0);
        let preferences = anew.get("/api/notifications/preferences").await.expect(StatusCode::OK);
        assert_eq!(preferences["reminder_days_before"], 3);
        let (_, first) = anew.log_cycle("2025-01-01", None).await;
        assert_eq!(first, 1);
        anew.prediction_at(first).await;
        assert_eq!(app.client().get(&receipt).await.expect(StatusCode::OK), done);

        // And nobody else has lost anything.
        let cycles = other.get("/api/cycles/cycles").await.expect(StatusCode::OK);
        assert_eq!(cycles["total"], 4);
        other.prediction_at(version).await;
        let unknown = "/api/erasures/0c7b1a55-6a1b-4f0e-9d3c-2f6f1f5c9b3a";
        app.client().get(unknown).await.problem_of(404, "not-found");
        app.client().get("/api/erasures/1").await.problem_of(404, "not-found");
    }

    async fn what_is_too_old_is_forgotten_everywhere(app: &App) {
        let person = app.client().somebody().await;
        for start in ["2019-01-01", "2019-01-29", "2019-02-26"] {
            person.log_cycle(start, None).await;
        }
        let start = (actor_runtime::clock::Clock::System.now().date_naive()
            - chrono::Days::new(20))
        .to_string();
        let (_, version) = person.log_cycle(&start, None).await;
        person.prediction_at(version).await;
        person.put("/api/cycles/retention", &json!({"months": 2})).await.blames("/months");
        person.put("/api/cycles/retention", &json!({})).await.blames("/months");
        let set = person.put("/api/cycles/retention", &json!({"months": 24})).await;
        let set = set.expect(StatusCode::OK);
        let read = person.get("/api/cycles/retention").await.expect(StatusCode::OK);
        assert_eq!(set["retention"], read);
        let version = set["version"].as_i64().unwrap();
        let analytics = person.reflected("/api/analytics/analytics", version).await;
        assert_eq!(analytics["total"], 1, "{analytics}");
        let all = person.reflected("/api/analytics/predictions", version).await;
        assert_eq!(all["total"], 1, "{all}");
        let reminders = person.reflected("/api/notifications/notifications", version).await;
        let before = read["forget_before"].as_str().unwrap();
        for reminder in reminders["notifications"].as_array().unwrap() {
            assert!(reminder["scheduled_for"].as_str().unwrap() >= before, "{reminder}");
        }
        for domain in ["cycles", "analytics", "notifications"] {
            let rows = rows_of(app, domain, person.id, "2019-").await;
            let text = format!("{rows:?}");
            assert!(!text.contains("2019-"), "{domain}: {text}");
        }
        let cleared = person.put("/api/cycles/retention", &json!({"months": null})).await;
        assert_eq!(cleared.expect(StatusCode::OK)["retention"]["months"], Value::Null);
    }
}
