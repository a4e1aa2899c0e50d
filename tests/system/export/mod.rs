//! Everything that is held on somebody is taken along, and comes back.

mod completeness;
mod large;

use std::{fs, process::Command};

use chrono::Days;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use actor_runtime::clock::Clock;

use crate::harness::{App, Person, Shape, client::Answer, in_every_shape, process::path, wait};

/// What stands in for texts that are a person's alone.
const CANARY: &str = "canary-7f31";

/// Takes everything along. A machine that is busy may say 503: then nothing was taken.
async fn export(person: &Person) -> Value {
    let answer = wait::until("everybody to have the time for an export", || async {
        let answer = person.get("/api/users/export").await;
        (answer.status != StatusCode::SERVICE_UNAVAILABLE).then_some(answer)
    })
    .await;
    let document = answer.expect(StatusCode::OK);
    assert_eq!(document["complete"], true);
    document
}

/// Brings a document back.
async fn import(person: &Person, document: &Value) -> Answer {
    person.post("/api/users/import", document).await
}

async fn log_symptom(person: &Person, symptom: Value) {
    person.post("/api/cycles/symptoms", &symptom).await.expect(StatusCode::CREATED);
}

/// Something of every kind, derived to the end; the last start is late, so that something is expected.
async fn live(person: &Person) -> i64 {
    let body = json!({
        "first_name": format!("{CANARY} Ada"), "last_name": format!("{CANARY} Lovelace"),
        "date_of_birth": "1990-02-28",
    });
    person.put("/api/users/profile", &body).await.expect(StatusCode::OK);
    let token = json!({"name": format!("{CANARY} calendar"), "scopes": ["read:cycles"]});
    let token = person.post("/api/users/tokens", &token).await.expect(StatusCode::CREATED);
    let program = Person { token: token["token"].as_str().unwrap().to_owned(), ..person.clone() };
    program.get("/api/cycles/cycles").await.expect(StatusCode::OK);
    let today = Clock::System.now().date_naive();
    let day = |ago: u64| (today - Days::new(ago)).to_string();
    let mut cycles = Vec::new();
    for ago in [400, 372, 343, 250, 222, 195, 166, 139, 110, 82, 20] {
        let end = day(ago - 4);
        cycles.push(person.log_cycle(&day(ago), Some(&end)).await.0);
    }
    let excluded = json!({"excluded": true});
    let path = format!("/api/cycles/cycles/{}", cycles[1]);
    person.put(&path, &excluded).await.expect(StatusCode::OK);
    let episode = json!({"kind": "pause", "start_date": day(340), "end_date": day(260)});
    person.post("/api/cycles/episodes", &episode).await.expect(StatusCode::CREATED);
    let episode = json!({"kind": "breastfeeding", "start_date": day(700), "end_date": day(500)});
    person.post("/api/cycles/episodes", &episode).await.expect(StatusCode::CREATED);
    for (cycle, ago) in [(4, 220), (4, 220), (9, 80), (10, 19)] {
        log_symptom(
            person,
            json!({
                "cycle_id": cycles[cycle], "date": day(ago), "symptom_type": format!("{CANARY} mood"),
                "value": format!("{CANARY} happy"), "severity": 3, "notes": format!("{CANARY} =1\n2"),
            }),
        )
        .await;
    }
    let sign = json!({
        "cycle_id": cycles[10], "date": day(6), "symptom_type": "ovulation_test",
        "value": "positive",
    });
    let logged = person.post("/api/cycles/symptoms", &sign).await.expect(StatusCode::CREATED);
    let version = logged["version"].as_i64().unwrap();
    // 82 to 20 days ago are 62 days: a start may be missing.
    let path = format!("/api/analytics/questions?min_version={version}");
    let questions = person.reflected(&path, version).await;
    let asked = &questions["questions"][0];
    let path = format!("/api/analytics/questions/{}/answer", asked["id"]);
    person.post(&path, &json!({"answer": "yes"})).await.expect(StatusCode::OK);
    let preferences = json!({"reminder_days_before": 2, "push_enabled": true});
    person.put("/api/notifications/preferences", &preferences).await.expect(StatusCode::OK);
    let retention = json!({"months": 600});
    let set = person.put("/api/cycles/retention", &retention).await.expect(StatusCode::OK);
    let version = set["version"].as_i64().unwrap();
    person.prediction_at(version).await;
    person.reflected("/api/notifications/notifications", version).await;
    version
}

/// What an import cannot keep: ids, versions, the moments at which things were stored, and what is the
/// account's own. Reminders of former cycles were made when those were the newest.
const NOT_KEPT: [&str; 18] = [
    "id",
    "user_id",
    "cycle_id",
    "prediction_id",
    "created_at",
    "updated_at",
    "exported_at",
    "cycles_version",
    "derived_as_of_version",
    "forget_before",
    "email",
    "username",
    "sessions",
    "api_tokens",
    "audit",
    "requests",
    "second_factor",
    "notifications",
];

/// The rest of a document. Each symptom says of which cycle it is.
fn kept(document: &Value) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(members) => {
                members.retain(|name, _| !NOT_KEPT.contains(&name.as_str()));
                members.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut kept = document.clone();
    let cycles = document["cycles"].as_array().unwrap();
    for symptom in kept["symptoms"].as_array_mut().unwrap() {
        let cycle = cycles.iter().find(|cycle| cycle["id"] == symptom["cycle_id"]).unwrap();
        symptom["cycle_start_date"] = cycle["start_date"].clone();
    }
    strip(&mut kept);
    kept
}

in_every_shape! {
    /// Export, import into a fresh account, export: the same but for what is listed; and twice is once.
    async fn everything_comes_back(app: &App) {
        let (ada, eve) = (app.client().somebody().await, app.client().somebody().await);
        live(&ada).await;
        let taken = export(&ada).await;
        assert_eq!(taken["cycles"].as_array().unwrap().len(), 11);
        assert_eq!(taken["symptoms"].as_array().unwrap().len(), 5);
        assert_eq!(taken["profile"]["email"].as_str().map(|it| it.contains('@')), Some(true));
        assert!(taken["notifications"].as_array().is_some_and(|it| !it.is_empty()));
        let said = taken["cycles"].as_array().unwrap().iter();
        assert_eq!(said.filter(|cycle| cycle["gap_answer"].is_object()).count(), 1);
        for turn in ["first", "second"] {
            let imported = import(&eve, &taken).await.expect(StatusCode::OK);
            let stored = |list: &str| imported[list]["stored"].as_i64().unwrap();
            let expected = if turn == "first" { [11, 5, 2, 1] } else { [0, 0, 0, 0] };
            assert_eq!(
                ["cycles", "symptoms", "episodes", "gap_answers"].map(stored),
                expected,
                "{turn}: {imported}"
            );
            let version = imported["version"].as_i64().unwrap();
            eve.prediction_at(version).await;
            eve.reflected("/api/notifications/preferences", version).await;
            let back = export(&eve).await;
            assert_eq!(kept(&back), kept(&taken), "{turn}");
            assert_eq!(back["profile"]["id"].as_i64(), Some(eve.id));
        }
        // Somebody else's export is nobody's but theirs: the one it was taken from is left alone.
        assert_eq!(kept(&export(&ada).await), kept(&taken));
        csv_holds_the_same(&ada).await;
        exports_are_counted(&ada).await;
        a_token_is_not_enough(app, &ada, &taken).await;
    }
}

async fn csv_holds_the_same(person: &Person) {
    let cycles = person.get("/api/users/export/cycles.csv").await;
    assert_eq!(cycles.status, StatusCode::OK, "{}", cycles.text);
    let mut lines = cycles.text.split_terminator("\r\n");
    assert!(lines.next().is_some_and(|head| head.starts_with("id,start_date,end_date,")));
    assert_eq!(lines.count(), 11);
    let symptoms = person.get("/api/users/export/symptoms.csv").await;
    assert_eq!(symptoms.status, StatusCode::OK);
    let disposition = symptoms.header("content-disposition").unwrap();
    assert!(disposition.starts_with("attachment; "), "{disposition}");
    assert_eq!(symptoms.text.matches(&format!("{CANARY} happy")).count(), 4);
}

/// Four were made of the first person's; one more is left for today.
async fn exports_are_counted(person: &Person) {
    let mut made = 2;
    let refused = loop {
        let answer = person.get("/api/users/export").await;
        if answer.status != StatusCode::OK {
            break answer;
        }
        made += 1;
        assert!(made <= 5);
    };
    let seconds: u32 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((80_000..=86_401).contains(&seconds), "{seconds}");
    refused.problem_of(429, "too-many-requests");
}

/// What takes everything along is not for programs.
async fn a_token_is_not_enough(app: &App, person: &Person, document: &Value) {
    let scopes = ["read:profile", "read:cycles", "read:analytics", "read:notifications"];
    let token = json!({"name": "all", "scopes": scopes});
    let token = person.post("/api/users/tokens", &token).await.expect(StatusCode::CREATED);
    let program = Person { token: token["token"].as_str().unwrap().to_owned(), ..person.clone() };
    for path in ["", "/cycles.csv", "/symptoms.csv"] {
        let path = format!("/api/users/export{path}");
        program.get(&path).await.problem_of(403, "insufficient-scope");
        app.client().get(&path).await.problem_of(401, "unauthenticated");
    }
    import(&program, document).await.problem_of(403, "insufficient-scope");
}

/// The backtest takes an export as it is, and forecasts from it what the product did.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backtest_of_an_export_is_the_products_own_record() {
    let app = App::start(Shape::Memory).await;
    let person = app.client().somebody().await;
    let version = live(&person).await;
    let insights = person.reflected("/api/analytics/insights", version).await;
    let record = &insights["forecast_record"];
    let document = export(&person).await;
    // Not beside the data: it holds everything, and nothing of it may be found there.
    let place = tempfile::tempdir().unwrap();
    let [file, forecasts] = ["export.json", "forecasts.jsonl"].map(|it| place.path().join(it));
    fs::write(&file, document.to_string()).unwrap();
    let mut command = Command::new(path());
    command.arg("backtest").arg(&file).arg("--predictions-jsonl").arg(&forecasts);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = fs::read_to_string(forecasts).unwrap();
    let errors: Vec<f64> = lines
        .lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            let days = |name: &str| line[name].as_f64().unwrap();
            (days("predicted_date_days") - days("actual_days")).abs()
        })
        .collect();
    let counted = record["forecasts"].as_u64().unwrap();
    let newest = &errors[errors.len() - usize::try_from(counted).unwrap()..];
    let mean = newest.iter().sum::<f64>() / f64::from(u32::try_from(newest.len()).unwrap());
    let told = record["mean_absolute_error_days"].as_f64().unwrap();
    assert!((mean - told).abs() < 0.051, "{mean} {record} {errors:?}");
    app.finish().await;
}

/// A request of a method that the test fills in itself, for bodies that are no JSON.
async fn import_text(person: &Person, text: String) -> Answer {
    let request = person.request(Method::POST, "/api/users/import");
    Answer::of(request.header("content-type", "application/json").body(text)).await
}
