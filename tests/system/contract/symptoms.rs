//! `/api/cycles/symptoms`.

use actor_runtime::clock::Clock;
use chrono::Days;
use futures::{StreamExt as _, stream};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{alike, column, members};
use crate::harness::{App, Person};

const SYMPTOMS: &str = "/api/cycles/symptoms";
const SYMPTOM: [&str; 9] = [
    "created_at",
    "cycle_id",
    "date",
    "id",
    "notes",
    "severity",
    "symptom_type",
    "user_id",
    "value",
];

pub(super) async fn all(app: &App) {
    logging(app).await;
    listing(app).await;
    a_page_holds_a_hundred(app).await;
    days_of_a_cycle(app).await;
    correcting_and_removing(app).await;
    a_cycle_keeps_its_symptoms(app).await;
    somebody_elses(app).await;
}

fn symptom(cycle_id: i64, date: &str) -> Value {
    json!({"cycle_id": cycle_id, "date": date, "symptom_type": "mood", "value": "happy"})
}

async fn log(person: &Person, body: &Value) -> Value {
    let answer = person.post(SYMPTOMS, body).await;
    let etag = answer.header("etag").map(str::to_owned);
    let answer = answer.expect(StatusCode::CREATED);
    assert_eq!(etag, Some(format!("\"{}\"", answer["version"])));
    assert_eq!(answer["message"], "Symptom logged successfully");
    assert_eq!(members(&answer["symptom"]), SYMPTOM);
    answer["symptom"].clone()
}

async fn logging(app: &App) {
    let person = app.client().somebody().await;
    let (cycle, _) = person.log_cycle("2024-01-01", Some("2024-01-05")).await;
    let least = log(&person, &symptom(cycle, "2024-01-01")).await;
    assert_eq!((&least["severity"], &least["notes"]), (&Value::Null, &Value::Null));
    assert_eq!((&least["cycle_id"], &least["user_id"]), (&json!(cycle), &json!(person.id)));
    for (severity, notes) in [(1, json!("")), (10, json!("é\n\t👩🏽".repeat(800))), (5, Value::Null)]
    {
        let most = json!({
            "cycle_id": cycle, "date": "2024-01-05", "symptom_type": "😖".repeat(50),
            "value": "ä".repeat(100), "severity": severity, "notes": notes,
        });
        let logged = log(&person, &most).await;
        for (member, value) in most.as_object().unwrap() {
            assert_eq!(&logged[member], value, "{member}");
        }
    }
    let read = person.get(&format!("/api/cycles/cycles/{cycle}")).await.expect(StatusCode::OK);
    let days = json!(column(&read["symptoms"], "date"));
    assert_eq!(days, json!(["2024-01-05", "2024-01-05", "2024-01-05", "2024-01-01"]));
    let listed = person.get("/api/cycles/cycles").await.expect(StatusCode::OK);
    assert_eq!(listed["cycles"][0], read);
}

async fn listing(app: &App) {
    let person = app.client().somebody().await;
    let empty = person.get(SYMPTOMS).await.expect(StatusCode::OK);
    assert_eq!(empty, json!({"symptoms": [], "count": 0, "total": 0}));
    let (one, _) = person.log_cycle("2024-01-01", None).await;
    let (two, _) = person.log_cycle("2024-02-01", None).await;
    for (cycle, day, kind) in [
        (one, "2024-01-03", "pain"),
        (two, "2024-02-02", "mood"),
        (one, "2024-01-01", "mood"),
        (two, "2024-02-05", "pain"),
        (one, "2024-01-20", "Mood"),
    ] {
        let mut body = symptom(cycle, day);
        body["symptom_type"] = json!(kind);
        log(&person, &body).await;
    }
    let all = ["2024-02-05", "2024-02-02", "2024-01-20", "2024-01-03", "2024-01-01"];
    for (query, total, expected) in [
        (String::new(), 5, &all[..]),
        (format!("?cycle_id={one}"), 3, &all[2..]),
        (format!("?cycle_id={two}&limit=1&offset=1"), 2, &all[1..2]),
        ("?symptom_type=mood".to_owned(), 2, &["2024-02-02", "2024-01-01"]),
        ("?symptom_type=pain&from=2024-02-01".to_owned(), 1, &all[..1]),
        ("?from=2024-01-03&to=2024-02-02".to_owned(), 3, &all[1..4]),
        ("?limit=2".to_owned(), 5, &all[..2]),
        ("?limit=100&offset=4".to_owned(), 5, &all[4..]),
        ("?cycle_id=987654321".to_owned(), 0, &[]),
        ("?symptom_type=%25".to_owned(), 0, &[]),
        ("?cycle_id=&symptom_type=".to_owned(), 5, &all[..]),
    ] {
        let list = person.get(&format!("{SYMPTOMS}{query}")).await.expect(StatusCode::OK);
        assert_eq!(json!(column(&list["symptoms"], "date")), json!(expected), "{query}");
        assert_eq!((&list["count"], &list["total"]), (&json!(expected.len()), &json!(total)));
    }
}

async fn a_page_holds_a_hundred(app: &App) {
    let person = app.client().somebody().await;
    let (cycle, _) = person.log_cycle("2024-01-01", Some("2024-01-02")).await;
    let bodies: Vec<Value> = (0..101).map(|_| symptom(cycle, "2024-01-01")).collect();
    let logged = stream::iter(&bodies).map(|body| log(&person, body));
    logged.buffer_unordered(4).collect::<Vec<Value>>().await;
    for (query, count) in [("", 100), ("?limit=100", 100), ("?offset=100", 1)] {
        let list = person.get(&format!("{SYMPTOMS}{query}")).await.expect(StatusCode::OK);
        assert_eq!((&list["count"], &list["total"]), (&json!(count), &json!(101)), "{query}");
        assert_eq!(list["symptoms"].as_array().unwrap().len(), count);
    }
    // Of symptoms of one day the newest is the first.
    let list = person.get(SYMPTOMS).await.expect(StatusCode::OK);
    let ids = column(&list["symptoms"], "id");
    assert!(ids.windows(2).all(|pair| pair[0].as_i64() > pair[1].as_i64()));
    person.get(&format!("{SYMPTOMS}?limit=101")).await.blames("limit");
}

/// From its start to its end, or to the day before the next start, and never in the future.
async fn days_of_a_cycle(app: &App) {
    let person = app.client().somebody().await;
    let (ended, _) = person.log_cycle("2024-01-10", Some("2024-01-14")).await;
    let (going_on, _) = person.log_cycle("2024-02-10", None).await;
    let latest = Clock::System.latest_today();
    let (newest, version) = person.log_cycle("2024-03-10", None).await;
    for (cycle, day) in [
        (ended, "2024-01-09"),
        (ended, "2024-01-15"),
        (ended, "2024-02-10"),
        (going_on, "2024-02-09"),
        (going_on, "2024-03-10"),
        (going_on, "2024-03-11"),
        (newest, "2024-03-09"),
    ] {
        person.post(SYMPTOMS, &symptom(cycle, day)).await.blames("/date");
    }
    let future =
        person.post(SYMPTOMS, &symptom(newest, &(latest + Days::new(1)).to_string())).await;
    if Clock::System.latest_today() == latest {
        future.blames("/date");
    }
    for (cycle, day) in [
        (ended, "2024-01-10"),
        (ended, "2024-01-14"),
        (going_on, "2024-02-10"),
        (going_on, "2024-03-09"),
        (newest, "2024-03-10"),
        (newest, latest.to_string().as_str()),
    ] {
        log(&person, &symptom(cycle, day)).await;
    }
    assert_eq!(person.log_cycle("2023-01-01", None).await.1, version + 7);
}

async fn correcting_and_removing(app: &App) {
    let person = app.client().somebody().await;
    let (cycle, _) = person.log_cycle("2024-01-01", Some("2024-01-05")).await;
    let mut body = symptom(cycle, "2024-01-01");
    body["severity"] = json!(3);
    body["notes"] = json!("n");
    let mut expected = log(&person, &body).await;
    let path = format!("{SYMPTOMS}/{}", expected["id"]);
    let mut version = 2;
    for change in [
        json!({"date": "2024-01-05"}),
        json!({"symptom_type": "pain", "value": "cramps"}),
        json!({"severity": null}),
        json!({"notes": null, "severity": 10}),
        json!({}),
    ] {
        version += 1;
        let answer = person.put(&path, &change).await;
        assert_eq!(answer.header("etag"), Some(format!("\"{version}\"").as_str()));
        for (member, value) in change.as_object().unwrap() {
            expected[member] = value.clone();
        }
        let message = "Symptom updated successfully";
        let whole = json!({"message": message, "symptom": expected, "version": version});
        assert_eq!(answer.expect(StatusCode::OK), whole);
        let list = person.get(SYMPTOMS).await.expect(StatusCode::OK);
        assert_eq!(list["symptoms"], json!([expected]));
    }
    for day in ["2023-12-31", "2024-01-06"] {
        person.put(&path, &json!({"date": day})).await.blames("/date");
    }
    let answer = person.delete(&path).await;
    assert_eq!(answer.header("etag"), Some("\"8\""));
    let expected = json!({"message": "Symptom deleted successfully", "version": 8});
    assert_eq!(answer.expect(StatusCode::OK), expected);
    person.delete(&path).await.problem_of(404, "not-found");
    person.put(&path, &json!({})).await.problem_of(404, "not-found");
}

/// The dates of a cycle never leave one of its symptoms outside.
async fn a_cycle_keeps_its_symptoms(app: &App) {
    let person = app.client().somebody().await;
    let (cycle, _) = person.log_cycle("2024-01-01", Some("2024-01-05")).await;
    let logged = log(&person, &symptom(cycle, "2024-01-04")).await;
    let path = format!("/api/cycles/cycles/{cycle}");
    for change in [json!({"end_date": "2024-01-03"}), json!({"start_date": "2024-01-05"})] {
        let problem = person.put(&path, &change).await.problem_of(409, "symptoms-outside-cycle");
        assert_eq!(problem["conflicting_id"], logged["id"]);
    }
    let change = json!({"start_date": "2024-01-04", "end_date": "2024-01-04"});
    let written = person.put(&path, &change).await.expect(StatusCode::OK);
    assert_eq!(written["version"], 3);
    assert_eq!(written["cycle"]["symptoms"], json!([logged]));
}

async fn somebody_elses(app: &App) {
    let (owner, other) = (app.client().somebody().await, app.client().somebody().await);
    let (cycle, _) = owner.log_cycle("2024-01-01", None).await;
    let logged = log(&owner, &symptom(cycle, "2024-01-01")).await;
    let (theirs, none) = (format!("{SYMPTOMS}/{}", logged["id"]), format!("{SYMPTOMS}/987654321"));
    let change = json!({"value": "x"});
    let (to_theirs, to_none) = (symptom(cycle, "2024-01-01"), symptom(987_654_321, "2024-01-01"));
    for (of_theirs, of_none) in [
        (other.put(&theirs, &change).await, other.put(&none, &change).await),
        (other.delete(&theirs).await, other.delete(&none).await),
        (other.post(SYMPTOMS, &to_theirs).await, other.post(SYMPTOMS, &to_none).await),
    ] {
        assert_eq!(alike(of_theirs.problem_of(404, "not-found")), alike(of_none.problem(404)));
    }
    let filtered = other.get(&format!("{SYMPTOMS}?cycle_id={cycle}")).await;
    assert_eq!(filtered.expect(StatusCode::OK), json!({"symptoms": [], "count": 0, "total": 0}));
    let kept = owner.get(SYMPTOMS).await.expect(StatusCode::OK);
    assert_eq!(kept["symptoms"], json!([logged]));
}
