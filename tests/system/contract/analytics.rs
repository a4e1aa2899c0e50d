//! `/api/analytics`.

use chrono::{Days, NaiveDate};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{column, date, members};
use crate::harness::{App, Person};

const PREDICTIONS: &str = "/api/analytics/predictions";
const PREDICTION: [&str; 15] = [
    "actual_start_date",
    "based_on_cycles",
    "confidence_score",
    "created_at",
    "fertile_window",
    "id",
    "intervals",
    "is_active",
    "notes",
    "ovulation_date",
    "ovulation_range",
    "predicted_end_date",
    "predicted_start_date",
    "prediction_method",
    "user_id",
];
const CYCLE_ANALYTICS: [&str; 11] = [
    "average_cycle_length",
    "created_at",
    "cycle_id",
    "cycle_length",
    "cycle_variance",
    "end_date",
    "id",
    "is_regular",
    "period_length",
    "start_date",
    "user_id",
];

pub(super) async fn all(app: &App) {
    without_a_cycle(app).await;
    predictions(app).await;
    generating(app).await;
    statistics_of_each_cycle(app).await;
    insights(app).await;
    nobody_sees_anothers(app).await;
}

async fn without_a_cycle(app: &App) {
    let person = app.client().somebody().await;
    for (path, rows) in [(PREDICTIONS, "predictions"), ("/api/analytics/analytics", "analytics")] {
        let answer = person.get(path).await.expect(StatusCode::OK);
        assert_eq!(answer, json!({rows: [], "count": 0, "total": 0, "as_of_version": 0}));
    }
    let insights = person.get("/api/analytics/insights").await.expect(StatusCode::OK);
    assert_eq!(members(&insights), ["as_of_version", "insights", "statistics"]);
    assert_eq!(
        insights["statistics"],
        json!({
            "total_cycles_tracked": 0, "average_cycle_length": null, "average_period_length": null,
            "cycle_regularity": "unknown",
        })
    );
    let answer = person.request(reqwest::Method::POST, "/api/analytics/predictions/generate");
    crate::harness::client::Answer::of(answer).await.problem_of(422, "insufficient-data");
}

/// Starts every `length` days, each with five days of bleeding; returns the last version.
async fn log_regular(person: &Person, count: u64, length: u64) -> i64 {
    let first = NaiveDate::from_ymd_opt(2024, 1, 1).unwrap();
    let mut version = 0;
    for nth in 0..count {
        let start = first + Days::new(nth * length);
        let end = start + Days::new(4);
        version = person.log_cycle(&start.to_string(), Some(&end.to_string())).await.1;
    }
    version
}

async fn predictions(app: &App) {
    let person = app.client().somebody().await;
    let version = log_regular(&person, 4, 28).await;
    let path = format!("{PREDICTIONS}?min_version={version}");
    let all = person.reflected(&path, version).await;
    assert_eq!(members(&all), ["as_of_version", "count", "predictions", "total"]);
    assert_eq!((&all["count"], &all["total"]), (&json!(4), &json!(4)));
    let list = &all["predictions"];
    let predicted = json!(["2024-04-22", "2024-03-25", "2024-02-26", "2024-01-29"]);
    assert_eq!(json!(column(list, "predicted_start_date")), predicted);
    let came = json!([null, "2024-03-25", "2024-02-26", "2024-01-29"]);
    assert_eq!(json!(column(list, "actual_start_date")), came);
    assert_eq!(json!(column(list, "is_active")), json!([true, false, false, false]));
    assert_eq!(json!(column(list, "based_on_cycles")), json!([3, 2, 1, 0]));
    for prediction in list.as_array().unwrap() {
        assert_eq!(members(prediction), PREDICTION);
        assert_eq!(prediction["user_id"], person.id);
        assert_eq!(prediction["prediction_method"], "average_cycle_length");
        assert!((1..1 << 53).contains(&prediction["id"].as_i64().unwrap()));
        hangs_together(prediction);
    }
    for (query, expected) in [
        ("?active=true", json!(["2024-04-22"])),
        ("?active=false", json!(["2024-03-25", "2024-02-26", "2024-01-29"])),
        ("?active=false&limit=1&offset=1", json!(["2024-02-26"])),
        ("?limit=2", json!(["2024-04-22", "2024-03-25"])),
        ("?offset=4", json!([])),
    ] {
        let some = person.get(&format!("{PREDICTIONS}{query}")).await.expect(StatusCode::OK);
        assert_eq!(
            json!(column(&some["predictions"], "predicted_start_date")),
            expected,
            "{query}"
        );
        assert_eq!(some["count"].as_u64(), Some(expected.as_array().unwrap().len() as u64));
        let total = if query.contains("true") {
            1
        } else if query.contains("false") {
            3
        } else {
            4
        };
        assert_eq!(some["total"], total, "{query}");
    }
}

/// Intervals are nested around the predicted start, and the fertile window ends with ovulation.
fn hangs_together(prediction: &Value) {
    let start = date(&prediction["predicted_start_date"]);
    assert!(date(&prediction["predicted_end_date"]) >= start);
    assert!((0.0..=1.0).contains(&prediction["confidence_score"].as_f64().unwrap()));
    let intervals = prediction["intervals"].as_array().unwrap();
    assert_eq!(json!(column(&prediction["intervals"], "level")), json!([0.5, 0.8, 0.95]));
    let mut inner = (start, start);
    for interval in intervals {
        assert_eq!(members(interval), ["end", "level", "start"]);
        let outer = (date(&interval["start"]), date(&interval["end"]));
        assert!(outer.0 <= inner.0 && inner.1 <= outer.1, "{prediction}");
        inner = outer;
    }
    let ovulation = date(&prediction["ovulation_date"]);
    let range = &prediction["ovulation_range"];
    assert!(date(&range["start"]) <= ovulation && ovulation <= date(&range["end"]));
    assert!(ovulation < start);
    let window = &prediction["fertile_window"];
    assert_eq!(members(window), ["end", "start"]);
    assert_eq!(
        (date(&window["start"]), date(&window["end"])),
        (ovulation - Days::new(5), ovulation)
    );
}

async fn generating(app: &App) {
    let person = app.client().somebody().await;
    let version = log_regular(&person, 3, 30).await;
    let mut answers = Vec::new();
    for _ in 0..2 {
        let request = person.request(reqwest::Method::POST, "/api/analytics/predictions/generate");
        let answer = crate::harness::client::Answer::of(request).await.expect(StatusCode::CREATED);
        assert_eq!(members(&answer), ["as_of_version", "message", "prediction"]);
        assert_eq!(answer["message"], "Prediction generated successfully");
        assert_eq!(answer["as_of_version"], version, "from the cycles as they are now");
        answers.push(answer["prediction"].clone());
    }
    assert_eq!(answers[0], answers[1], "the same cycles give the same prediction");
    let active = person.prediction_at(version).await;
    assert_eq!(active["predictions"], json!([answers[0]]));
    assert_eq!(answers[0]["predicted_start_date"], "2024-03-31");
}

async fn statistics_of_each_cycle(app: &App) {
    let person = app.client().somebody().await;
    for (start, end) in [
        ("2024-01-01", Some("2024-01-05")),
        ("2024-01-29", None),
        ("2024-03-20", Some("2024-03-20")),
    ] {
        person.log_cycle(start, end).await;
    }
    let all = person.reflected("/api/analytics/analytics?min_version=3", 3).await;
    assert_eq!(members(&all), ["analytics", "as_of_version", "count", "total"]);
    let list = &all["analytics"];
    let cycles = person.get("/api/cycles/cycles").await.expect(StatusCode::OK);
    for member in ["start_date", "end_date", "cycle_length", "period_length"] {
        assert_eq!(column(list, member), column(&cycles["cycles"], member), "{member}");
    }
    assert_eq!(column(list, "cycle_id"), column(&cycles["cycles"], "id"));
    // 28 days are in the normal range, 51 are not; of the newest nobody knows.
    assert_eq!(json!(column(list, "is_regular")), json!([null, false, true]));
    assert_eq!(json!(column(list, "average_cycle_length")), json!([39.5, 39.5, 28.0]));
    assert_eq!(json!(column(list, "cycle_variance")), json!([132.25, 132.25, 0.0]));
    for row in list.as_array().unwrap() {
        assert_eq!(members(row), CYCLE_ANALYTICS);
        assert_eq!(row["user_id"], person.id);
    }
    let second =
        person.get("/api/analytics/analytics?limit=1&offset=1").await.expect(StatusCode::OK);
    assert_eq!(second["analytics"], json!([list[1]]));
    assert_eq!((&second["count"], &second["total"]), (&json!(1), &json!(3)));
}

async fn insights(app: &App) {
    // By the population variance in days squared: under 2, under 5, 5 or more.
    for (lengths, average, regularity, kinds) in [
        (&[28, 28][..], 28.0, "very_regular", &["positive", "positive"]),
        (&[27, 30], 28.5, "regular", &["positive", "positive"]),
        (&[26, 31], 28.5, "irregular", &["warning", "positive"]),
        (&[45, 45], 45.0, "very_regular", &["warning", "positive"]),
        (&[28], 28.0, "unknown", &["positive", "info"]),
    ] {
        let person = app.client().somebody().await;
        let mut start = NaiveDate::from_ymd_opt(2024, 1, 1).unwrap();
        let mut version = person.log_cycle("2024-01-01", Some("2024-01-04")).await.1;
        for length in lengths {
            start = start + Days::new(*length);
            let end = start + Days::new(4);
            version = person.log_cycle(&start.to_string(), Some(&end.to_string())).await.1;
        }
        let path = format!("/api/analytics/insights?min_version={version}");
        let answer = person.reflected(&path, version).await;
        let statistics = &answer["statistics"];
        assert_eq!(
            members(statistics),
            [
                "average_cycle_length",
                "average_period_length",
                "cycle_regularity",
                "total_cycles_tracked",
            ]
        );
        assert_eq!(statistics["total_cycles_tracked"], lengths.len() + 1);
        assert_eq!(statistics["average_cycle_length"], average, "{lengths:?}");
        assert_eq!(statistics["cycle_regularity"], regularity, "{lengths:?}");
        let period = statistics["average_period_length"].as_f64().unwrap();
        let fives = f64::from(u32::try_from(lengths.len()).unwrap());
        let exact = (4.0 + 5.0 * fives) / (1.0 + fives);
        assert!((period - exact).abs() <= 0.05 + f64::EPSILON, "{period} of {exact}");
        assert_eq!(json!(column(&answer["insights"], "type")), json!(kinds), "{lengths:?}");
        assert!(
            answer["insights"]
                .as_array()
                .unwrap()
                .iter()
                .all(|said| members(said) == ["message", "type"])
        );
    }
}

async fn nobody_sees_anothers(app: &App) {
    let owner = app.client().somebody().await;
    let version = log_regular(&owner, 2, 28).await;
    owner.prediction_at(version).await;
    let other = app.client().somebody().await;
    for (path, rows) in [(PREDICTIONS, "predictions"), ("/api/analytics/analytics", "analytics")] {
        assert_eq!(other.get(path).await.expect(StatusCode::OK)[rows], json!([]));
    }
}
