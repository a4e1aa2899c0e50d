//! Somebody who has something of every kind, each text with a mark that is theirs alone.

use actor_runtime::clock::Clock;
use chrono::Days;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::operations::{self, Reference};
use crate::harness::{
    Client, Person,
    canaries::MARK,
    client::{Answer, PASSWORD},
    wait,
};

/// Lengths of the cycles; one start was forgotten.
const LENGTHS: [u64; 8] = [28, 28, 28, 28, 28, 28, 56, 28];
/// How long ago the newest start was: a reminder is still to come.
const NEWEST_AGO: u64 = 10;

/// Who has it.
pub(super) struct Planted {
    pub(super) person: Person,
    /// Stands in each of their texts.
    pub(super) mark: String,
    /// A cycle of theirs, and a symptom in it that was logged on the day.
    pub(super) cycle: i64,
    pub(super) symptom: i64,
    pub(super) day: String,
}

impl Planted {
    /// Registers somebody and has them live, until everything is derived from it. The year is one in which they alone logged a cycle.
    pub(super) async fn new(client: Client, name: &str, year: u32) -> Self {
        let mark = format!("{MARK}-{name}-");
        client.register(&mark).await;
        let person = sign_in(&client, &mark).await;
        let names = json!({
            "first_name": format!("{mark}first"), "last_name": format!("{mark}last"),
            "date_of_birth": format!("{}-05-05", year - 20),
        });
        person.put("/api/users/profile", &names).await.expect(StatusCode::OK);
        let token = json!({"name": format!("{mark}program"), "scopes": ["read:cycles"]});
        person.post("/api/users/tokens", &token).await.expect(StatusCode::CREATED);
        let old = format!("{year}-03-05");
        let (long_ago, _) = person.log_cycle(&old, Some(&format!("{year}-03-09"))).await;
        log_symptom(&person, &mark, long_ago, &old).await;
        let episode = json!({
            "kind": "pause", "start_date": format!("{year}-06-01"),
            "end_date": format!("{year}-08-01"),
        });
        person.post("/api/cycles/episodes", &episode).await.expect(StatusCode::CREATED);
        let newest = Clock::System.now().date_naive() - Days::new(NEWEST_AGO);
        let mut start = newest - Days::new(LENGTHS.iter().sum());
        let mut cycle = 0;
        for length in LENGTHS.into_iter().chain([0]) {
            let end = (start + Days::new(4)).to_string();
            cycle = person.log_cycle(&start.to_string(), Some(&end)).await.0;
            start = start + Days::new(length);
        }
        let day = newest.to_string();
        let (symptom, version) = log_symptom(&person, &mark, cycle, &day).await;
        person.prediction_at(version).await;
        person.reflected("/api/notifications/notifications", version).await;
        Self { person, mark, cycle, symptom, day }
    }

    /// Goes on somewhere else, too.
    pub(super) async fn signed_in_again(&self) -> Person {
        sign_in(&self.person.client, &self.mark).await
    }

    /// A symptom as this person logs one.
    pub(super) fn symptom(&self) -> Value {
        symptom(&self.mark, self.cycle, &self.day)
    }

    /// The ids of what they have of a kind: the test has to plant some of each.
    pub(super) async fn ids(&self, reference: Reference) -> Vec<Value> {
        let list = self.person.get(reference.collection).await.expect(StatusCode::OK);
        let rows = list.as_object().unwrap().values().find_map(Value::as_array);
        let rows = rows.unwrap_or_else(|| panic!("{} is no list: {list}", reference.collection));
        let here = json!(self.person.session_id());
        let ids: Vec<Value> =
            rows.iter().map(|row| row["id"].clone()).filter(|id| *id != here).collect();
        assert!(
            !ids.is_empty() && ids.iter().all(|id| !id.is_null()),
            "nobody here has anything at {}: plant it in tests/system/authorization/planted.rs",
            reference.collection
        );
        ids
    }

    /// All that they can read and that changes by writes alone. What is derived from it follows the
    /// day too; an export is counted, and may be had so often.
    pub(super) async fn everything(&self) -> Vec<(String, Value)> {
        let mut all = Vec::new();
        for operation in operations::secured().filter(operations::Operation::is_read) {
            let is_derived = operation.template.starts_with("/api/analytics/");
            let is_counted = operation.documents(429);
            if is_derived || is_counted || operation.template.contains('{') {
                continue;
            }
            let answer = operation.send_as(&self.person).await.expect(StatusCode::OK);
            all.push((operation.name(), answer));
        }
        assert!(all.len() >= 10, "{} reads", all.len());
        all
    }
}

/// Signs in as a device that has the mark in its name.
async fn sign_in(client: &Client, mark: &str) -> Person {
    let body = json!({"email": format!("{mark}@example.org"), "password": PASSWORD});
    let answer = wait::until("somebody to have the time for a sign-in", || async {
        let request = client.request(Method::POST, "/api/users/login").json(&body);
        let request = request.header("User-Agent", format!("{mark}device"));
        let answer = Answer::of(request).await;
        (![503, 504].contains(&answer.status.as_u16())).then_some(answer)
    })
    .await;
    client.signed_in(&answer.expect(StatusCode::OK))
}

async fn log_symptom(person: &Person, mark: &str, cycle: i64, day: &str) -> (i64, i64) {
    let symptom = symptom(mark, cycle, day);
    let logged = person.post("/api/cycles/symptoms", &symptom).await.expect(StatusCode::CREATED);
    (logged["symptom"]["id"].as_i64().unwrap(), logged["version"].as_i64().unwrap())
}

fn symptom(mark: &str, cycle: i64, day: &str) -> Value {
    json!({
        "cycle_id": cycle, "date": day, "symptom_type": format!("{mark}type"),
        "value": format!("{mark}value"), "severity": 3, "notes": format!("{mark}notes"),
    })
}
