//! The calendar, and why there may be no prediction.

use actor_runtime::clock::Clock;
use chrono::{Days, NaiveDate};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{App, Person, client::Answer, in_every_shape};

fn today() -> NaiveDate {
    Clock::System.now().date_naive()
}

fn calendar(from: NaiveDate, to: NaiveDate) -> String {
    format!("/api/analytics/calendar?from={from}&to={to}")
}

/// Logs nine starts 28 days apart, the newest 10 days ago, each with five days of bleeding.
async fn log_regular(person: &Person) -> (Vec<NaiveDate>, i64) {
    let newest = today() - Days::new(10);
    let starts: Vec<NaiveDate> = (0..9).rev().map(|nth| newest - Days::new(nth * 28)).collect();
    let mut version = 0;
    for start in &starts {
        let end = *start + Days::new(4);
        version = person.log_cycle(&start.to_string(), Some(&end.to_string())).await.1;
    }
    (starts, version)
}

/// The entry of a day.
fn on(days: &[Value], date: NaiveDate) -> Value {
    days.iter().find(|day| day["date"] == json!(date)).unwrap().clone()
}

in_every_shape! {
    /// Logged days are facts, days that are over have phases, days to come have probabilities.
    async fn of_days_that_are_over_and_of_days_to_come(app: &App) {
        let person = app.client().somebody().await;
        let (starts, version) = log_regular(&person).await;
        let (from, to) = (starts[0], starts[0] + Days::new(365));
        let path = format!("{}&min_version={version}", calendar(from, to));
        let read = person.reflected(&path, version).await;
        assert_eq!(read["count"], 366);
        assert!(read["fertility_notice"].as_str().unwrap().contains("no contraception"));
        let days = read["days"].as_array().unwrap();
        assert_eq!((&days[0]["date"], &days[365]["date"]), (&json!(from), &json!(to)));
        let bled = days.iter().filter(|day| day["logged"]["bleeding"] == true);
        assert_eq!(bled.count(), 9 * 5);
        let first = on(days, starts[1]);
        assert_eq!((&first["phase"], &first["bleeding"]), (&json!("menstruation"), &json!(1.0)));
        assert_eq!(first["logged"]["cycle_day"], 1);
        for (day, phase) in [(6, "follicular"), (14, "ovulation"), (20, "luteal")] {
            let day = on(days, starts[1] + Days::new(day));
            assert_eq!((&day["phase"], &day["bleeding"]), (&json!(phase), &json!(0.0)), "{day}");
        }
        assert!(on(days, today())["logged"].is_object());
        let prediction = person.prediction_at(version).await["predictions"][0].clone();
        let expected: NaiveDate =
            prediction["predicted_start_date"].as_str().unwrap().parse().unwrap();
        let start = on(days, expected);
        assert_eq!((&start["phase"], &start["logged"]), (&json!("menstruation"), &Value::Null));
        let bleeding = start["bleeding"].as_f64().unwrap();
        assert!(bleeding > 0.3 && bleeding < 1.0, "{start}");
        assert_eq!(days[365]["phase"], "unknown", "after the third next start nothing is said");

        let other = app.client().somebody().await;
        let nothing = other.get(&calendar(from, to)).await.expect(StatusCode::OK);
        let days = nothing["days"].as_array().unwrap();
        assert!(days.iter().all(|day| day["phase"] == "unknown" && day["logged"].is_null()));
    }

    /// A range has both ends, an order, and at most 366 days.
    async fn of_a_range(app: &App) {
        let person = app.client().somebody().await;
        let from = today();
        person.get(&calendar(from, from)).await.expect(StatusCode::OK);
        person.get(&calendar(from, from + Days::new(365))).await.expect(StatusCode::OK);
        person.get(&calendar(from, from + Days::new(366))).await.blames("to");
        person.get(&calendar(from, from - Days::new(1))).await.blames("to");
        person.get(&format!("/api/analytics/calendar?to={from}")).await.blames("from");
        person.get(&format!("/api/analytics/calendar?from={from}")).await.blames("to");
        app.client().get(&calendar(from, from)).await.problem_of(401, "unauthenticated");
    }

    /// While an episode goes on nothing is predicted, and the reason is said.
    async fn of_an_episode(app: &App) {
        let person = app.client().somebody().await;
        let (_, version) = log_regular(&person).await;
        person.prediction_at(version).await;
        let since = today() - Days::new(3);
        let body = json!({"kind": "pregnancy", "start_date": since});
        let logged = person.post("/api/cycles/episodes", &body).await.expect(StatusCode::CREATED);
        let version = logged["version"].as_i64().unwrap();
        let list = person.prediction_at(version).await;
        assert_eq!((&list["count"], &list["total"]), (&json!(0), &json!(0)));
        let why = &list["no_prediction"];
        assert_eq!((&why["reason"], &why["since"]), (&json!("pregnancy"), &json!(since)));
        let sentence = why["message"].as_str().unwrap();
        assert!(sentence.starts_with("No prediction, because "), "{sentence}");
        let generate = person.request(Method::POST, "/api/analytics/predictions/generate");
        let problem = Answer::of(generate).await.problem_of(422, "no-prediction");
        assert_eq!(problem["detail"], sentence);
        let read = person.get(&calendar(since, since + Days::new(60))).await.expect(StatusCode::OK);
        let days = read["days"].as_array().unwrap();
        assert!(days.iter().all(|day| day["phase"] == "unknown" && day["fertile"].is_null()));
    }
}
