//! `/api/cycles/episodes`, and cycles that are left out.

use actor_runtime::clock::Clock;
use chrono::Days;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{alike, column, members};
use crate::harness::{App, Person};

const EPISODES: &str = "/api/cycles/episodes";
const EPISODE: [&str; 7] =
    ["created_at", "end_date", "id", "kind", "start_date", "updated_at", "user_id"];
const KINDS: [&str; 6] = [
    "pregnancy",
    "postpartum",
    "breastfeeding",
    "hormonal_contraception",
    "perimenopause",
    "pause",
];

pub(super) async fn all(app: &App) {
    logging_and_listing(app).await;
    correcting_and_removing(app).await;
    days(app).await;
    somebody_elses(app).await;
    excluding_a_cycle(app).await;
    signs_of_ovulation(app).await;
}

fn episode(kind: &str, start: &str, end: Option<&str>) -> Value {
    json!({"kind": kind, "start_date": start, "end_date": end})
}

async fn log(person: &Person, body: &Value) -> Value {
    let answer = person.post(EPISODES, body).await;
    let etag = answer.header("etag").map(str::to_owned);
    let answer = answer.expect(StatusCode::CREATED);
    assert_eq!(etag, Some(format!("\"{}\"", answer["version"])));
    assert_eq!(answer["message"], "Episode created successfully");
    assert_eq!(members(&answer["episode"]), EPISODE);
    answer["episode"].clone()
}

async fn logging_and_listing(app: &App) {
    let person = app.client().somebody().await;
    let empty = person.get(EPISODES).await.expect(StatusCode::OK);
    assert_eq!(empty, json!({"episodes": [], "count": 0, "total": 0}));
    for (month, kind) in (1..).zip(KINDS) {
        let body = episode(kind, &format!("2024-{month:02}-01"), None);
        let logged = log(&person, &body).await;
        for (member, value) in body.as_object().unwrap() {
            assert_eq!(&logged[member], value, "{member}");
        }
        assert_eq!(logged["user_id"], json!(person.id));
        let path = format!("{EPISODES}/{}", logged["id"]);
        assert_eq!(person.get(&path).await.expect(StatusCode::OK), logged);
    }
    for (query, newest_first) in [("", &[5, 4, 3, 2, 1, 0][..]), ("?limit=2&offset=1", &[4, 3])] {
        let list = person.get(&format!("{EPISODES}{query}")).await.expect(StatusCode::OK);
        let kinds: Vec<&str> = newest_first.iter().map(|&at: &usize| KINDS[at]).collect();
        assert_eq!(json!(column(&list["episodes"], "kind")), json!(kinds), "{query}");
        assert_eq!((&list["count"], &list["total"]), (&json!(kinds.len()), &json!(6)));
    }
}

async fn correcting_and_removing(app: &App) {
    let person = app.client().somebody().await;
    let other = log(&person, &episode("pause", "2023-01-01", Some("2023-06-30"))).await;
    let mut expected = log(&person, &episode("pregnancy", "2023-03-01", None)).await;
    let path = format!("{EPISODES}/{}", expected["id"]);
    let mut version = 2;
    for change in [
        json!({"end_date": "2023-12-01"}),
        json!({"start_date": "2023-02-27"}),
        json!({"kind": "postpartum", "end_date": null}),
        json!({}),
    ] {
        version += 1;
        let answer = person.put(&path, &change).await;
        assert_eq!(answer.header("etag"), Some(format!("\"{version}\"").as_str()));
        let answer = answer.expect(StatusCode::OK);
        for (member, value) in change.as_object().unwrap() {
            expected[member] = value.clone();
        }
        expected["updated_at"] = answer["episode"]["updated_at"].clone();
        let message = "Episode updated successfully";
        assert_eq!(answer, json!({"message": message, "episode": expected, "version": version}));
    }
    let meets = person.put(&path, &json!({"kind": "pause"})).await;
    assert_eq!(meets.problem_of(409, "overlapping-episode")["conflicting_id"], other["id"]);
    let answer = person.delete(&path).await;
    assert_eq!(answer.header("etag"), Some("\"7\""));
    let gone = json!({"message": "Episode deleted successfully", "version": 7});
    assert_eq!(answer.expect(StatusCode::OK), gone);
    for answer in [person.delete(&path).await, person.put(&path, &json!({})).await] {
        answer.problem_of(404, "not-found");
    }
}

/// Not in the future, in order, and of one kind only one on a day.
async fn days(app: &App) {
    let person = app.client().somebody().await;
    let latest = Clock::System.latest_today();
    let tomorrow = (latest + Days::new(1)).to_string();
    let future = person.post(EPISODES, &episode("pause", &tomorrow, None)).await;
    let endless = person.post(EPISODES, &episode("pause", "2024-01-01", Some(&tomorrow))).await;
    if Clock::System.latest_today() == latest {
        future.blames("/start_date");
        endless.blames("/end_date");
    }
    let backwards = episode("pause", "2024-01-02", Some("2024-01-01"));
    person.post(EPISODES, &backwards).await.blames("/end_date");
    person.post(EPISODES, &episode("illness", "2024-01-02", None)).await.blames("/kind");
    let first = log(&person, &episode("breastfeeding", "2024-01-10", None)).await;
    let meets = person.post(EPISODES, &episode("breastfeeding", "2025-01-10", None)).await;
    assert_eq!(meets.problem_of(409, "overlapping-episode")["conflicting_id"], first["id"]);
    log(&person, &episode("breastfeeding", "2024-01-01", Some("2024-01-09"))).await;
    log(&person, &episode("postpartum", "2024-01-10", None)).await;
}

async fn somebody_elses(app: &App) {
    let (owner, other) = (app.client().somebody().await, app.client().somebody().await);
    let logged = log(&owner, &episode("pause", "2024-01-01", None)).await;
    let (theirs, none) = (format!("{EPISODES}/{}", logged["id"]), format!("{EPISODES}/987654321"));
    let change = json!({"end_date": "2024-01-02"});
    for (of_theirs, of_none) in [
        (other.get(&theirs).await, other.get(&none).await),
        (other.put(&theirs, &change).await, other.put(&none, &change).await),
        (other.delete(&theirs).await, other.delete(&none).await),
    ] {
        assert_eq!(alike(of_theirs.problem_of(404, "not-found")), alike(of_none.problem(404)));
    }
    assert_eq!(owner.get(&theirs).await.expect(StatusCode::OK), logged);
}

async fn excluding_a_cycle(app: &App) {
    let person = app.client().somebody().await;
    let (cycle, _) = person.log_cycle("2024-01-01", None).await;
    let path = format!("/api/cycles/cycles/{cycle}");
    for (change, excluded) in [
        (json!({"excluded": true}), true),
        (json!({"end_date": "2024-01-05"}), true),
        (json!({"excluded": false}), false),
    ] {
        let written = person.put(&path, &change).await.expect(StatusCode::OK);
        assert_eq!(written["cycle"]["excluded"], json!(excluded));
        let read = person.get(&path).await.expect(StatusCode::OK);
        assert_eq!(read, written["cycle"]);
    }
}

async fn signs_of_ovulation(app: &App) {
    let person = app.client().somebody().await;
    let (cycle, _) = person.log_cycle("2024-01-01", Some("2024-01-05")).await;
    person.log_cycle("2024-01-29", None).await;
    let sign = |kind: &str, value: &str, date: &str| json!({"cycle_id": cycle, "date": date, "symptom_type": kind, "value": value});
    let symptoms = "/api/cycles/symptoms";
    for (kind, good, bad) in
        [("ovulation_test", "positive", "maybe"), ("basal_body_temperature", "36.55", "97.8")]
    {
        let logged = person.post(symptoms, &sign(kind, good, "2024-01-28")).await;
        logged.expect(StatusCode::CREATED);
        person.post(symptoms, &sign(kind, bad, "2024-01-14")).await.blames("/value");
        person.post(symptoms, &sign(kind, good, "2024-01-29")).await.blames("/date");
        person.post(symptoms, &sign("mood", good, "2024-01-14")).await.blames("/date");
    }
}
