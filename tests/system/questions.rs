//! 'Did you miss one?': questions, and what their answers do.

use actor_runtime::clock::Clock;
use chrono::{Days, NaiveDate};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{App, Person, client::Answer, in_every_shape};

const QUESTIONS: &str = "/api/analytics/questions";

/// Logs starts so many days apart, the newest `ago` days ago; returns the starts and the version.
async fn log(person: &Person, lengths: &[u64], ago: u64) -> (Vec<NaiveDate>, i64) {
    let newest = Clock::System.now().date_naive() - Days::new(ago);
    let mut starts = vec![newest];
    for days in lengths.iter().rev() {
        starts.insert(0, starts[0] - Days::new(*days));
    }
    let mut version = 0;
    for start in &starts {
        let end = *start + Days::new(4);
        version = person.log_cycle(&start.to_string(), Some(&end.to_string())).await.1;
    }
    (starts, version)
}

async fn questions_at(person: &Person, version: i64) -> Vec<Value> {
    let list = person.reflected(&format!("{QUESTIONS}?min_version={version}"), version).await;
    let questions = list["questions"].as_array().unwrap().clone();
    assert_eq!(list["count"].as_u64(), Some(questions.len() as u64));
    questions
}

async fn answer(person: &Person, question: &Value, key: Option<&str>, body: &Value) -> Answer {
    let path = format!("{QUESTIONS}/{}/answer", question["id"]);
    let mut request = person.request(Method::POST, &path).json(body);
    if let Some(key) = key {
        request = request.header("Idempotency-Key", key);
    }
    Answer::of(request).await
}

in_every_shape! {
    /// A gap of twice the usual length is asked about; the date that was forgotten closes it.
    async fn a_missed_start_is_asked_about_and_logged(app: &App) {
        let person = app.client().somebody().await;
        let (starts, version) = log(&person, &[28, 28, 28, 28, 28, 28, 56, 28], 10).await;
        let asked = questions_at(&person, version).await;
        assert_eq!(asked.len(), 1, "{asked:?}");
        let question = &asked[0];
        assert_eq!(question["gap_start"], json!(starts[6]));
        assert_eq!(question["gap_end"], json!(starts[7]));
        assert!(question["probability"].as_f64().unwrap() > 0.9);
        assert!(question["message"].as_str().unwrap().contains("56 days"));
        assert!((1..1 << 53).contains(&question["id"].as_i64().unwrap()));

        // What cannot be said is refused, and what is not one's own is not there.
        let inside = json!(starts[6] + Days::new(28));
        answer(&person, question, None, &json!({"answer": "no", "missed_start_date": inside}))
            .await
            .blames("/missed_start_date");
        for outside in [starts[6], starts[7]] {
            let body = json!({"answer": "yes", "missed_start_date": outside});
            answer(&person, question, None, &body).await.blames("/missed_start_date");
        }
        let no = json!({"answer": "no", "missed_start_date": null});
        let other = app.client().somebody().await;
        let foreign = answer(&other, question, None, &no).await.problem_of(404, "not-found");
        let unknown = answer(&person, &json!({"id": 12_345}), None, &no).await;
        assert_eq!(unknown.problem_of(404, "not-found")["detail"], foreign["detail"]);

        let yes = json!({"answer": "yes", "missed_start_date": inside});
        let first = answer(&person, question, Some("missed"), &yes).await;
        let etag = first.header("etag").map(str::to_owned);
        let first = first.expect(StatusCode::OK);
        assert_eq!(first["message"], "Answer recorded successfully");
        assert_eq!((&first["question_id"], &first["version"]), (&question["id"], &json!(version + 1)));
        assert_eq!(etag, Some(format!("\"{}\"", version + 1)));
        let cycle = person.get(&format!("/api/cycles/cycles/{}", first["cycle_id"])).await;
        let cycle = cycle.expect(StatusCode::OK);
        assert_eq!((&cycle["start_date"], &cycle["cycle_length"]), (&inside, &json!(28)));
        // The same again is the same answer, before and after analytics has heard of it.
        for _ in 0..2 {
            let again = answer(&person, question, Some("missed"), &yes).await;
            assert_eq!(again.expect(StatusCode::OK), first);
            assert!(questions_at(&person, version + 1).await.is_empty());
        }
        answer(&person, question, Some("missed"), &no).await.problem_of(422, "idempotency-key-reused");
        answer(&person, question, None, &no).await.problem_of(404, "not-found");
        let prediction = person.prediction_at(version + 1).await["predictions"][0].clone();
        assert_eq!(prediction["based_on_cycles"], 9);
    }

    /// Who says that nothing was missed has had one long cycle; who does not know when has not.
    async fn an_answer_decides_what_a_gap_is(app: &App) {
        let mut regularity = Vec::new();
        for said in ["no", "yes"] {
            let person = app.client().somebody().await;
            let (_, version) = log(&person, &[28, 28, 28, 28, 28, 28, 56, 28], 10).await;
            let asked = questions_at(&person, version).await;
            let body = json!({"answer": said});
            let answered = answer(&person, &asked[0], None, &body).await.expect(StatusCode::OK);
            assert_eq!((&answered["cycle_id"], &answered["version"]), (&Value::Null, &json!(version + 1)));
            assert!(questions_at(&person, version + 1).await.is_empty());
            let path = format!("/api/analytics/insights?min_version={}", version + 1);
            let insights = person.reflected(&path, version + 1).await;
            regularity.push(insights["statistics"]["cycle_regularity"].clone());
        }
        assert_eq!(json!(regularity), json!(["irregular", "very_regular"]));
    }

    /// Who is late is asked about the time since the newest start, and told no date in the past.
    async fn somebody_who_is_late_is_asked(app: &App) {
        let person = app.client().somebody().await;
        let (starts, version) = log(&person, &[28, 28, 28, 28, 28, 28], 45).await;
        let asked = questions_at(&person, version).await;
        assert_eq!(asked.len(), 1, "{asked:?}");
        assert_eq!((&asked[0]["gap_start"], &asked[0]["gap_end"]), (&json!(starts[6]), &Value::Null));
        let today = Clock::System.now().date_naive();
        let active = |list: Value| {
            assert_eq!(list["count"], 1, "{list}");
            let start: NaiveDate =
                list["predictions"][0]["predicted_start_date"].as_str().unwrap().parse().unwrap();
            assert!(start >= today, "{list}");
            list["predictions"][0].clone()
        };
        let prediction = active(person.prediction_at(version).await);
        assert_eq!(prediction["missed_log_probability"], asked[0]["probability"]);
        assert!(prediction["open_until"].is_string());
        let body = json!({"answer": "no"});
        let first = answer(&person, &asked[0], None, &body).await.expect(StatusCode::OK);
        let prediction = active(person.prediction_at(version + 1).await);
        assert_eq!(prediction["missed_log_probability"], json!(0.0));
        assert!(questions_at(&person, version + 1).await.is_empty());
        // Said already, so nothing is written; something else cannot be said any more.
        assert_eq!(answer(&person, &asked[0], None, &body).await.expect(StatusCode::OK), first);
        let other = json!({"answer": "yes"});
        answer(&person, &asked[0], None, &other).await.problem_of(404, "not-found");
    }
}
