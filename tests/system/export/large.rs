//! A long life, and files that are none.

use std::{fmt::Write as _, fs};

use chrono::{Days, NaiveDate};
use futures::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{export, import, import_text, live};
use crate::harness::{App, Person, Shape};

const CYCLES: u64 = 600;
const SYMPTOMS: u64 = 5_000;

/// A document of so many cycles and symptoms, in the shape of another one.
fn grown(mut document: Value) -> Value {
    let first: NaiveDate = "1979-01-01".parse().unwrap();
    let (cycle, symptom) = (document["cycles"][0].clone(), document["symptoms"][0].clone());
    let start = |place: u64| first + Days::new(place * 28);
    let cycles = (0..CYCLES).map(|place| {
        let mut cycle = cycle.clone();
        cycle["id"] = json!(place + 1);
        cycle["start_date"] = json!(start(place));
        cycle["end_date"] = Value::Null;
        cycle["excluded"] = json!(false);
        cycle
    });
    let symptoms = (0..SYMPTOMS).map(|place| {
        let mut symptom = symptom.clone();
        symptom["id"] = json!(place + 1);
        symptom["cycle_id"] = json!(place % CYCLES + 1);
        symptom["date"] = json!(start(place % CYCLES) + Days::new(place / CYCLES));
        symptom["notes"] = json!(format!("{place} {}", "n".repeat(500)));
        symptom
    });
    document["cycles"] = cycles.collect();
    document["symptoms"] = symptoms.collect();
    document["episodes"] = json!([]);
    // The rest is derived.
    for name in ["predictions", "cycle_analytics", "notifications", "statistics", "sessions"] {
        document.as_object_mut().unwrap().remove(name);
    }
    document
}

/// The most memory that a process had since it was last asked to forget, in KiB.
fn peak_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_life_is_taken_along_in_little_memory() {
    let app = App::start(Shape::Memory).await;
    let person = app.client().somebody().await;
    live(&person).await;
    let document = grown(export(&person).await);
    let person = app.client().somebody().await;
    let text = document.to_string();
    assert!((3_500_000..5 * 1024 * 1024).contains(&text.len()), "{}", text.len());
    let imported = import(&person, &document).await.expect(StatusCode::OK);
    assert_eq!(imported["cycles"]["stored"], CYCLES);
    assert_eq!(imported["symptoms"]["stored"], SYMPTOMS);
    let version = imported["version"].as_i64().unwrap();
    person.prediction_at(version).await;
    person.reflected("/api/notifications/preferences", version).await;
    let [pid] = app.pids()[..] else { panic!("one process") };
    fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
    let before = peak_kib(pid);
    // Together some 20 MB of JSON.
    let documents = join_all((0..5).map(|_| export(&person))).await;
    let grown_by = peak_kib(pid).saturating_sub(before);
    println!("five exports at once grew the process by {grown_by} KiB");
    assert!(grown_by < 16 * 1024, "{grown_by} KiB");
    for document in documents {
        assert_eq!(document["cycles"].as_array().unwrap().len() as u64, CYCLES);
        assert_eq!(document["symptoms"].as_array().unwrap().len() as u64, SYMPTOMS);
        assert_eq!(document["cycle_analytics"].as_array().unwrap().len() as u64, CYCLES);
    }
    // Once more: nothing is doubled.
    let again = import(&person, &document).await.expect(StatusCode::OK);
    assert_eq!(again["symptoms"], json!({"stored": 0, "unchanged": SYMPTOMS}));
    assert_eq!(again["cycles"], json!({"stored": 0, "unchanged": CYCLES}));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_files_are_refused_and_nothing_of_them_is_stored() {
    let app = App::start(Shape::Memory).await;
    let ada = app.client().somebody().await;
    live(&ada).await;
    let good = export(&ada).await;
    let eve = app.client().register("eve").await;
    texts_that_are_no_document(&eve, &good).await;
    dense_ones_take_no_more_memory_than_others(&app, &eve).await;
    let changed = |pointer: &str, value: Value| {
        let mut document = good.clone();
        *document.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value;
        document
    };
    let cases = [
        ("/format", json!("other")),
        ("/version", json!(2)),
        ("/version", json!("1")),
        ("/complete", json!(false)),
        ("/profile/date_of_birth", json!("2990-01-01")),
        ("/profile/first_name", json!("a\u{0}")),
        ("/cycles", json!({})),
        ("/cycles/0/start_date", json!("2990-01-01")),
        ("/cycles/0/start_date", json!("2024-02-30")),
        ("/cycles/0/end_date", json!("1999-01-01")),
        (
            "/cycles/2/gap_answer",
            json!({"next_start": null, "answer": "yes", "answered_at": "now"}),
        ),
        ("/symptoms/0/cycle_id", json!(i64::MAX)),
        ("/symptoms/0/severity", json!(11)),
        ("/symptoms/0/value", json!("v".repeat(101))),
        ("/symptoms/0/notes", json!("n".repeat(4_001))),
        ("/symptoms/4/value", json!("perhaps")),
        ("/episodes/0/kind", json!("holiday")),
        ("/retention/months", json!(1)),
        ("/preferences/reminder_days_before", json!(8)),
        ("/preferences", Value::Null),
    ];
    for (pointer, value) in cases {
        let answer = import(&eve, &changed(pointer, value)).await;
        let problem = answer.problem_of(422, "invalid-input");
        let blamed = problem["errors"][0]["pointer"].as_str().unwrap();
        assert!(blamed.starts_with(pointer), "{pointer}: {problem}");
    }
    let mut unknown = good.clone();
    unknown["cycles"][0]["user"] = json!(ada.id);
    import(&eve, &unknown).await.blames("/cycles/0/user");
    let twice = changed("/cycles/1/id", good["cycles"][0]["id"].clone());
    import(&eve, &twice).await.problem_of(422, "invalid-input");
    nothing_is_there(&eve).await;
    // Another one's ids say nothing here: what is stored is one's own, under ids of its own.
    import(&eve, &good).await.expect(StatusCode::OK);
    let own = eve.get("/api/cycles/cycles?limit=100").await.expect(StatusCode::OK);
    for cycle in own["cycles"].as_array().unwrap() {
        assert_eq!(cycle["user_id"].as_i64(), Some(eve.id));
        assert!(good["cycles"].as_array().unwrap().iter().all(|it| it["id"] != cycle["id"]));
    }
    app.finish().await;
}

async fn texts_that_are_no_document(person: &Person, good: &Value) {
    let text = good.to_string();
    let mut deep = text.trim_end_matches('}').to_owned();
    let (open, close) = ("[".repeat(40), "]".repeat(40));
    write!(deep, ",\"x\":{open}{close}}}").unwrap();
    let twice = text.replacen('{', "{\"version\":1,", 1);
    let not_a_number = text.replacen("\"version\":1", "\"version\":NaN", 1);
    let huge = text.replacen("\"version\":1", "\"version\":1e400", 1);
    let broken_off = text[..text.len() / 2].to_owned();
    let lone = text.replacen(super::CANARY, "\\ud800", 1);
    for bad in [deep, twice, not_a_number, huge, broken_off, lone, String::new(), "[]x".to_owned()]
    {
        import_text(person, bad).await.problem_of(400, "malformed-body");
    }
    for other in ["[]", "null", "\"x\"", "{}"] {
        import_text(person, other.to_owned()).await.problem_of(422, "invalid-input");
    }
    let most = 5 * 1024 * 1024;
    let padded = |bytes: usize| format!("{text}{}", " ".repeat(bytes - text.len()));
    import_text(person, padded(most + 1)).await.problem_of(413, "body-too-large");
    let small = "{}".to_owned() + &" ".repeat(most - 2);
    import_text(person, small).await.problem_of(422, "invalid-input");
}

/// What is short as text and long in memory, and what is wrong a hundred thousand times.
async fn dense_ones_take_no_more_memory_than_others(app: &App, person: &Person) {
    let [pid] = app.pids()[..] else { panic!("one process") };
    fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
    let before = peak_kib(pid);
    let list = |item: &str, bytes: usize| {
        format!("{{\"cycles\":[{}0]}}", format!("{item},").repeat(bytes / (item.len() + 1)))
    };
    for item in ["{\"a\":0}", "[0]", "{}", "0"] {
        let dense = list(item, 5 * 1024 * 1024 - 100);
        import_text(person, dense).await.problem_of(400, "malformed-body");
    }
    let wrong = import_text(person, list("{}", 400_000)).await.problem_of(422, "invalid-input");
    assert_eq!(wrong["errors"].as_array().unwrap().len(), 20);
    let grown_by = peak_kib(pid).saturating_sub(before);
    println!("dense documents grew the process by {grown_by} KiB");
    assert!(grown_by < 180 * 1024, "{grown_by} KiB");
}

async fn nothing_is_there(person: &Person) {
    for (path, list) in [
        ("/api/cycles/cycles", "cycles"),
        ("/api/cycles/symptoms", "symptoms"),
        ("/api/cycles/episodes", "episodes"),
    ] {
        let found = person.get(path).await.expect(StatusCode::OK);
        assert_eq!(found[list], json!([]), "{path}");
    }
    let profile = person.get("/api/users/profile").await.expect(StatusCode::OK);
    assert_eq!(profile["first_name"], Value::Null);
}
