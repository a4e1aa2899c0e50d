//! `/api/analytics`.

use actor_runtime::clock::Clock;
use chrono::{Days, NaiveDate};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{column, date, members};
use crate::harness::{App, Person};

const PREDICTIONS: &str = "/api/analytics/predictions";
const PREDICTION: [&str; 22] = [
    "actual_start_date",
    "based_on_cycles",
    "confidence_score",
    "created_at",
    "days_to_start",
    "fertile_window",
    "fertility",
    "fertility_notice",
    "from_start_date",
    "id",
    "intervals",
    "is_active",
    "missed_log_probability",
    "notes",
    "open_until",
    "ovulation_date",
    "ovulation_range",
    "predicted_end_date",
    "predicted_start_date",
    "prediction_method",
    "upcoming",
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
    let answer = person.get("/api/analytics/analytics").await.expect(StatusCode::OK);
    assert_eq!(answer, json!({"analytics": [], "count": 0, "total": 0, "as_of_version": 0}));
    let answer = person.get("/api/analytics/questions").await.expect(StatusCode::OK);
    assert_eq!(answer, json!({"questions": [], "count": 0, "as_of_version": 0}));
    let answer = person.get(PREDICTIONS).await.expect(StatusCode::OK);
    let why = json!({
        "reason": "nothing_logged", "since": null,
        "message": "No prediction, because no cycle was logged yet.",
    });
    assert_eq!(
        answer,
        json!({
            "predictions": [], "count": 0, "total": 0, "no_prediction": why, "as_of_version": 0,
        })
    );
    let insights = person.get("/api/analytics/insights").await.expect(StatusCode::OK);
    assert_eq!(
        members(&insights),
        ["as_of_version", "forecast_record", "insights", "statistics", "symptom_patterns"]
    );
    assert_eq!(insights["forecast_record"], Value::Null);
    assert_eq!(insights["symptom_patterns"], json!([]));
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

/// Starts every `length` days, the newest of them 10 days ago.
fn starts(count: u64, length: u64) -> Vec<NaiveDate> {
    let newest = Clock::System.now().date_naive() - Days::new(10);
    (0..count).rev().map(|nth| newest - Days::new(nth * length)).collect()
}

/// Logs them, each with five days of bleeding; returns the last version.
async fn log_regular(person: &Person, count: u64, length: u64) -> i64 {
    let mut version = 0;
    for start in starts(count, length) {
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
    assert_eq!(members(&all), ["as_of_version", "count", "no_prediction", "predictions", "total"]);
    assert_eq!((&all["count"], &all["total"]), (&json!(4), &json!(4)));
    assert_eq!(all["no_prediction"], Value::Null);
    let list = &all["predictions"];
    let starts: Vec<NaiveDate> = starts(4, 28).into_iter().rev().collect();
    let came = json!([null, starts[0], starts[1], starts[2]]);
    assert_eq!(json!(column(list, "actual_start_date")), came);
    assert_eq!(json!(column(list, "is_active")), json!([true, false, false, false]));
    assert_eq!(json!(column(list, "based_on_cycles")), json!([3, 2, 1, 0]));
    for (prediction, start) in list.as_array().unwrap().iter().zip(&starts) {
        assert_eq!(members(prediction), PREDICTION);
        assert_eq!(prediction["user_id"], person.id);
        assert_eq!(prediction["prediction_method"], "shifted_log_nig_mixture/1");
        assert!((1..1 << 53).contains(&prediction["id"].as_i64().unwrap()));
        let days = (date(&prediction["predicted_start_date"]) - *start).num_days();
        assert!((27..=30).contains(&days), "{days}");
        assert_eq!(date(&prediction["from_start_date"]), *start);
        hangs_together(prediction);
    }
    let predicted: Vec<Value> = column(list, "predicted_start_date").into_iter().cloned().collect();
    for (query, expected) in [
        ("?active=true", &predicted[..1]),
        ("?active=false", &predicted[1..]),
        ("?active=false&limit=1&offset=1", &predicted[2..3]),
        ("?limit=2", &predicted[..2]),
        ("?offset=4", &[]),
    ] {
        let some = person.get(&format!("{PREDICTIONS}{query}")).await.expect(StatusCode::OK);
        let given = column(&some["predictions"], "predicted_start_date");
        assert!(given.into_iter().eq(expected), "{query}: {some}");
        assert_eq!(some["count"].as_u64(), Some(expected.len() as u64));
        let total = if query.contains("true") {
            1
        } else if query.contains("false") {
            3
        } else {
            4
        };
        assert_eq!(some["total"], total, "{query}");
    }
    what_is_to_come(&list[0]);
}

/// Two more starts, and days with probabilities, beside the sentence that they are no contraception.
fn what_is_to_come(active: &Value) {
    assert_eq!(
        (&active["missed_log_probability"], &active["open_until"]),
        (&json!(0.0), &json!(null))
    );
    assert!(active["fertility_notice"].as_str().unwrap().contains("no contraception"));
    assert_eq!(json!(column(&active["upcoming"], "cycles_ahead")), json!([2, 3]));
    let mut before = date(&active["predicted_start_date"]);
    for start in active["upcoming"].as_array().unwrap() {
        let days = (date(&start["predicted_start_date"]) - before).num_days();
        assert!((26..=31).contains(&days), "{active}");
        assert_eq!(json!(column(&start["intervals"], "level")), json!([0.5, 0.8, 0.95]));
        before = date(&start["predicted_start_date"]);
    }
    let days = active["fertility"].as_array().unwrap();
    let sum: f64 = days.iter().map(|day| day["ovulation"].as_f64().unwrap()).sum();
    assert!((2.5..=3.01).contains(&sum), "three ovulations are to come: {sum}");
    for day in days {
        assert_eq!(members(day), ["date", "fertile", "ovulation"]);
        assert!(day["fertile"].as_f64().unwrap() >= 0.01, "{day}");
    }
}

/// Intervals are nested around the predicted start, and ovulation is in the fertile window.
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
    let days = &prediction["days_to_start"];
    assert_eq!(members(days), ["mean", "quantiles"]);
    let levels = json!([0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975]);
    assert_eq!(json!(column(&days["quantiles"], "level")), levels);
    let quantiles: Vec<f64> =
        column(&days["quantiles"], "days").iter().map(|days| days.as_f64().unwrap()).collect();
    assert!(quantiles.is_sorted(), "{days}");
    // What is shown is the median, in whole days.
    let shown = (start - date(&prediction["from_start_date"])).num_days();
    assert!(
        (f64::from(i32::try_from(shown).unwrap()) - quantiles[3]).abs() <= 0.5 + 1e-4,
        "{days}"
    );
    assert!((days["mean"].as_f64().unwrap() - quantiles[3]).abs() < 2.0, "{days}");
    let ovulation = date(&prediction["ovulation_date"]);
    let range = &prediction["ovulation_range"];
    assert!(date(&range["start"]) <= ovulation && ovulation <= date(&range["end"]));
    assert!(ovulation < start);
    let window = &prediction["fertile_window"];
    assert_eq!(members(window), ["end", "start"]);
    assert!(date(&window["start"]) < ovulation && ovulation <= date(&window["end"]));
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
    let days = (date(&answers[0]["predicted_start_date"]) - starts(3, 30)[2]).num_days();
    assert!((28..=31).contains(&days), "{days}");
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
        (&[28, 28][..], 28.0, "very_regular", ["positive", "positive"]),
        (&[27, 30], 28.5, "regular", ["positive", "positive"]),
        (&[26, 31], 28.5, "irregular", ["warning", "positive"]),
        (&[45, 45], 45.0, "very_regular", ["warning", "positive"]),
        (&[28], 28.0, "unknown", ["positive", "info"]),
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
        // After the length come the periods and the record of the forecasts.
        let [first, second] = kinds;
        let kinds = json!([first, second, "positive", "info"]);
        assert_eq!(json!(column(&answer["insights"], "type")), kinds, "{lengths:?}");
        for said in answer["insights"].as_array().unwrap() {
            assert_eq!(members(said), ["message", "rule", "source", "type"]);
        }
        let record = &answer["forecast_record"];
        assert_eq!(
            members(record),
            ["forecasts", "inside_80", "left_out", "mean_absolute_error_days"]
        );
        assert_eq!(record["forecasts"], lengths.len());
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
