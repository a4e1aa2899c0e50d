//! `/api/cycles/cycles`.

use actor_runtime::clock::Clock;
use chrono::Days;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{alike, column, members};
use crate::harness::{App, Person, client::Answer};

const CYCLES: &str = "/api/cycles/cycles";
const CYCLE: [&str; 11] = [
    "created_at",
    "cycle_length",
    "end_date",
    "excluded",
    "id",
    "marks",
    "period_length",
    "start_date",
    "symptoms",
    "updated_at",
    "user_id",
];

pub(super) async fn all(app: &App) {
    logging(app).await;
    listing(app).await;
    correcting(app).await;
    overlapping(app).await;
    neighbours_follow(app).await;
    odd_lengths_are_marked(app).await;
    removing(app).await;
    limits_of_dates(app).await;
    somebody_elses(app).await;
}

/// Holds the answer to a write against what each write answers.
fn written(answer: Answer, status: StatusCode, message: &str, version: i64) -> Value {
    assert_eq!(answer.header("etag"), Some(format!("\"{version}\"").as_str()));
    let body = answer.expect(status);
    assert_eq!((&body["message"], &body["version"]), (&json!(message), &json!(version)));
    body["cycle"].clone()
}

async fn logging(app: &App) {
    let person = app.client().somebody().await;
    let body = json!({"start_date": "2024-02-27", "end_date": "2024-03-02"});
    let answer = person.post(CYCLES, &body).await;
    let cycle = written(answer, StatusCode::CREATED, "Cycle created successfully", 1);
    assert_eq!(members(&cycle), CYCLE);
    assert_eq!(cycle["user_id"], person.id);
    assert_eq!(
        (&cycle["start_date"], &cycle["end_date"]),
        (&body["start_date"], &body["end_date"])
    );
    assert_eq!((&cycle["period_length"], &cycle["cycle_length"]), (&json!(5), &Value::Null));
    assert_eq!((&cycle["symptoms"], &cycle["marks"]), (&json!([]), &json!([])));
    assert_eq!(cycle["created_at"], cycle["updated_at"]);
    let path = format!("{CYCLES}/{}", cycle["id"]);
    assert_eq!(person.get(&path).await.expect(StatusCode::OK), cycle);
    let open = json!({"start_date": "2024-04-01", "end_date": null});
    let answer = person.post(CYCLES, &open).await;
    let open = written(answer, StatusCode::CREATED, "Cycle created successfully", 2);
    assert_eq!((&open["end_date"], &open["period_length"]), (&Value::Null, &Value::Null));
}

async fn listing(app: &App) {
    let person = app.client().somebody().await;
    let empty = person.get(CYCLES).await.expect(StatusCode::OK);
    assert_eq!(empty, json!({"cycles": [], "count": 0, "total": 0}));
    // In no order at all.
    for month in [7, 1, 12, 3, 5, 2, 9, 11, 4, 10, 6, 8] {
        person.log_cycle(&format!("2023-{month:02}-01"), None).await;
    }
    let months = |list: &Value| -> Vec<u32> {
        let starts = column(&list["cycles"], "start_date");
        let months: Vec<u32> =
            starts.iter().map(|day| day.as_str().unwrap()[5..7].parse().unwrap()).collect();
        assert_eq!(list["count"], months.len());
        months
    };
    for (query, total, expected) in [
        ("", 12, (3..=12).rev().collect::<Vec<u32>>()),
        ("?limit=100", 12, (1..=12).rev().collect()),
        ("?limit=3", 12, vec![12, 11, 10]),
        ("?limit=3&offset=2", 12, vec![10, 9, 8]),
        ("?offset=11", 12, vec![1]),
        ("?offset=12", 12, vec![]),
        ("?limit=1&offset=1000000", 12, vec![]),
        ("?from=2023-11-01", 2, vec![12, 11]),
        ("?to=2023-02-01", 2, vec![2, 1]),
        ("?from=2023-03-02&to=2023-06-01", 3, vec![6, 5, 4]),
        ("?from=2023-03-02&to=2023-06-01&limit=1&offset=1", 3, vec![5]),
        ("?from=2023-06-02&to=2023-06-01", 0, vec![]),
        ("?from=1900-01-01&to=9999-12-31&limit=1", 12, vec![12]),
        ("?limit=&offset=&from=&to=", 12, (3..=12).rev().collect()),
    ] {
        let list = person.get(&format!("{CYCLES}{query}")).await.expect(StatusCode::OK);
        assert_eq!((months(&list), &list["total"]), (expected, &json!(total)), "{query}");
    }
}

async fn correcting(app: &App) {
    let person = app.client().somebody().await;
    let (id, _) = person.log_cycle("2024-01-10", Some("2024-01-14")).await;
    let path = format!("{CYCLES}/{id}");
    let mut version = 1;
    for (change, start, end, period) in [
        (json!({"start_date": "2024-01-09"}), "2024-01-09", json!("2024-01-14"), json!(6)),
        (json!({"end_date": "2024-01-09"}), "2024-01-09", json!("2024-01-09"), json!(1)),
        (json!({"end_date": null}), "2024-01-09", Value::Null, Value::Null),
        (json!({}), "2024-01-09", Value::Null, Value::Null),
        (
            json!({"start_date": "2024-02-01", "end_date": "2024-03-02"}),
            "2024-02-01",
            json!("2024-03-02"),
            json!(31),
        ),
    ] {
        version += 1;
        let answer = person.put(&path, &change).await;
        let cycle = written(answer, StatusCode::OK, "Cycle updated successfully", version);
        assert_eq!((&cycle["start_date"], &cycle["end_date"]), (&json!(start), &end), "{change}");
        assert_eq!((&cycle["period_length"], &cycle["id"]), (&period, &json!(id)));
        assert!(cycle["updated_at"].as_str() > cycle["created_at"].as_str());
        assert_eq!(person.get(&path).await.expect(StatusCode::OK), cycle);
    }
    let before = person.get(&path).await.expect(StatusCode::OK);
    for (change, pointer) in [
        (json!({"end_date": "2024-01-31"}), "/end_date"),
        (json!({"end_date": "2024-03-03"}), "/end_date"),
        (json!({"start_date": "2024-03-03"}), "/start_date"),
        (json!({"start_date": "2024-01-31"}), "/start_date"),
        (json!({"start_date": "2024-05-05", "end_date": "2024-05-04"}), "/end_date"),
    ] {
        person.put(&path, &change).await.blames(pointer);
    }
    assert_eq!(person.get(&path).await.expect(StatusCode::OK), before);
    person.put(&format!("{CYCLES}/999999"), &json!({})).await.problem_of(404, "not-found");
}

async fn overlapping(app: &App) {
    let person = app.client().somebody().await;
    let (first, _) = person.log_cycle("2024-03-05", Some("2024-03-10")).await;
    let (open, version) = person.log_cycle("2024-04-01", None).await;
    for (start, end, other) in [
        ("2024-03-05", json!("2024-03-10"), first),
        ("2024-03-10", Value::Null, first),
        ("2024-03-01", json!("2024-03-05"), first),
        ("2024-03-06", json!("2024-03-07"), first),
        ("2024-03-01", json!("2024-03-20"), first),
        ("2024-04-01", Value::Null, open),
        ("2024-03-28", json!("2024-04-01"), open),
    ] {
        let body = json!({"start_date": start, "end_date": end});
        let problem = person.post(CYCLES, &body).await.problem_of(409, "overlapping-cycle");
        assert_eq!(problem["conflicting_id"], other, "{body}");
    }
    let change = json!({"end_date": "2024-04-01"});
    let far = json!({"start_date": "2024-03-04", "end_date": "2024-04-01"});
    person.put(&format!("{CYCLES}/{first}"), &change).await.problem_of(409, "overlapping-cycle");
    let problem = person.put(&format!("{CYCLES}/{first}"), &far).await.problem(409);
    assert_eq!(problem["conflicting_id"], open);
    // The days beside it are free, and no refused write took a version.
    assert_eq!(person.log_cycle("2024-03-11", Some("2024-03-31")).await.1, version + 1);
    assert_eq!(person.log_cycle("2024-03-01", Some("2024-03-04")).await.1, version + 2);
    let list = person.get(CYCLES).await.expect(StatusCode::OK);
    assert_eq!(list["total"], 4);
    // Another person's cycles are in nobody's way.
    app.client().somebody().await.log_cycle("2024-03-05", None).await;
}

async fn lengths(person: &Person) -> Value {
    let list = person.get(CYCLES).await.expect(StatusCode::OK);
    json!(column(&list["cycles"], "cycle_length"))
}

async fn neighbours_follow(app: &App) {
    let person = app.client().somebody().await;
    person.log_cycle("2024-01-01", None).await;
    person.log_cycle("2024-02-26", None).await;
    assert_eq!(lengths(&person).await, json!([null, 56]));
    let (between, _) = person.log_cycle("2024-01-29", None).await;
    assert_eq!(lengths(&person).await, json!([null, 28, 28]));
    let path = format!("{CYCLES}/{between}");
    person.put(&path, &json!({"start_date": "2024-01-31"})).await.expect(StatusCode::OK);
    assert_eq!(lengths(&person).await, json!([null, 26, 30]));
    person.put(&path, &json!({"start_date": "2024-03-20"})).await.expect(StatusCode::OK);
    assert_eq!(lengths(&person).await, json!([null, 23, 56]));
    person.delete(&path).await.expect(StatusCode::OK);
    assert_eq!(lengths(&person).await, json!([null, 56]));
}

async fn odd_lengths_are_marked(app: &App) {
    // 14, 61 and more than 1.75 medians; 15, 60 and 49 of 28 are not.
    for (starts, marks) in [
        (&["2023-01-01", "2023-01-15"][..], json!([[], ["unusually_short"]])),
        (&["2023-01-01", "2023-01-16"], json!([[], []])),
        (&["2023-01-01", "2023-03-02"], json!([[], []])),
        (&["2023-01-01", "2023-03-03"], json!([[], ["possible_missed_log"]])),
        (&["2023-01-01", "2023-01-29", "2023-02-26", "2023-04-16"], json!([[], [], [], []])),
        (
            &["2023-01-01", "2023-01-29", "2023-02-26", "2023-04-17"],
            json!([[], ["possible_missed_log"], [], []]),
        ),
    ] {
        let person = app.client().somebody().await;
        for start in starts {
            person.log_cycle(start, None).await;
        }
        let list = person.get(CYCLES).await.expect(StatusCode::OK);
        assert_eq!(json!(column(&list["cycles"], "marks")), marks, "{starts:?}");
    }
}

async fn removing(app: &App) {
    let person = app.client().somebody().await;
    let (id, _) = person.log_cycle("2024-01-01", None).await;
    let (kept, _) = person.log_cycle("2024-02-01", None).await;
    for (cycle_id, date) in [(id, "2024-01-02"), (id, "2024-01-03"), (kept, "2024-02-02")] {
        let body =
            json!({"cycle_id": cycle_id, "date": date, "symptom_type": "mood", "value": "x"});
        person.post("/api/cycles/symptoms", &body).await.expect(StatusCode::CREATED);
    }
    let path = format!("{CYCLES}/{id}");
    let answer = person.delete(&path).await;
    assert_eq!(answer.header("etag"), Some("\"6\""));
    let expected = json!({"message": "Cycle deleted successfully", "version": 6});
    assert_eq!(answer.expect(StatusCode::OK), expected);
    person.get(&path).await.problem_of(404, "not-found");
    person.put(&path, &json!({})).await.problem_of(404, "not-found");
    person.delete(&path).await.problem_of(404, "not-found");
    let symptoms = person.get("/api/cycles/symptoms").await.expect(StatusCode::OK);
    assert_eq!(json!(column(&symptoms["symptoms"], "cycle_id")), json!([kept]));
    assert_eq!(person.log_cycle("2024-01-01", None).await.1, 7, "its days are free again");
}

async fn limits_of_dates(app: &App) {
    let person = app.client().somebody().await;
    let log = |start: String, end: Option<String>| {
        let (person, body) = (person.clone(), json!({"start_date": start, "end_date": end}));
        async move { person.post(CYCLES, &body).await }
    };
    let day = |text: &str| text.to_owned();
    log(day("1900-01-01"), Some(day("1900-01-31"))).await.expect(StatusCode::CREATED);
    log(day("1899-12-31"), None).await.blames("/start_date");
    log(day("2020-01-02"), Some(day("2020-01-01"))).await.blames("/end_date");
    log(day("2020-01-01"), Some(day("2020-02-01"))).await.blames("/end_date");
    // What is today somewhere on Earth is no future; the day after it is, unless it has just begun.
    let latest = Clock::System.latest_today();
    log(latest.to_string(), None).await.expect(StatusCode::CREATED);
    let future = latest + Days::new(1);
    let starts_there = log(future.to_string(), None).await;
    let ends_there = log((latest - Days::new(9)).to_string(), Some(future.to_string())).await;
    if Clock::System.latest_today() == latest {
        starts_there.blames("/start_date");
        ends_there.blames("/end_date");
    }
    log((latest + Days::new(400)).to_string(), None).await.blames("/start_date");
}

async fn somebody_elses(app: &App) {
    let (owner, other) = (app.client().somebody().await, app.client().somebody().await);
    let (id, _) = owner.log_cycle("2024-01-01", None).await;
    let before = owner.get(&format!("{CYCLES}/{id}")).await.expect(StatusCode::OK);
    let change = json!({"start_date": "2024-01-02"});
    let (theirs, none) = (format!("{CYCLES}/{id}"), format!("{CYCLES}/987654321"));
    for (of_theirs, of_none) in [
        (other.get(&theirs).await, other.get(&none).await),
        (other.put(&theirs, &change).await, other.put(&none, &change).await),
        (other.delete(&theirs).await, other.delete(&none).await),
    ] {
        assert_eq!(alike(of_theirs.problem_of(404, "not-found")), alike(of_none.problem(404)));
    }
    assert_eq!(owner.get(&theirs).await.expect(StatusCode::OK), before);
    assert_eq!(other.log_cycle("2024-01-01", None).await.1, 1);
}
