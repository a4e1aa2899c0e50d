//! Log lines: one for each request, the request id everywhere, never health data.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{App, client::Answer, in_every_shape, wait};

/// Days on which somebody was born or bled here.
const DAYS: &[&str] = &["1987-06-05", "2024-02-03", "2024-02-07", "2024-02-04"];

in_every_shape! {
    /// Days are in no line that a process or its Postgres prints, at debug level, nor are the passwords
    /// of the databases. What people type in is looked for after every test (`harness::canaries`), and
    /// what each field takes by `canaries`.
    async fn hold_no_days_and_no_passwords_of_databases(app: &App) {
        let person = app.client().somebody().await;
        let born = json!({"date_of_birth": "1987-06-05"});
        person.put("/api/users/profile", &born).await.expect(StatusCode::OK);
        let (cycle, _) = person.log_cycle("2024-02-03", Some("2024-02-07")).await;
        let symptom = json!({
            "cycle_id": cycle, "date": "2024-02-04", "symptom_type": "mood", "value": "low",
        });
        let written = person.post("/api/cycles/symptoms", &symptom).await.expect(StatusCode::CREATED);
        person.prediction_at(written["version"].as_i64().unwrap()).await;
        person.post("/api/cycles/cycles", &json!({"start_date": "2024-02-04"})).await.problem(409);
        let wrong = json!({"start_date": "2024-02-04", "end_date": "2024-02-03"});
        let said = person.post("/api/cycles/cycles", &wrong).await.problem(422).to_string();
        assert!(!said.contains("2024-02"), "{said}");
        person.get("/api/cycles/x?from=2024-02-04").await.problem(404);
        let of_postgres = std::fs::read_to_string(app.data_dir().join("postgres.log")).unwrap();
        assert!(of_postgres.contains("ready to accept connections"), "{of_postgres}");
        let output = app.output() + &of_postgres;
        for day in DAYS {
            let line = output.lines().find(|line| line.contains(day));
            assert!(line.is_none(), "{day} in {line:?}");
        }
        let running = std::fs::read_to_string(app.data_dir().join("running.json")).unwrap();
        for (role, password) in app.database_passwords() {
            assert!(!output.contains(&password) && !running.contains(&password), "{role}'s");
        }
        let metrics = crate::harness::Client::new(app.admin_url()).get("/metrics").await.text;
        assert!(DAYS.iter().all(|day| !metrics.contains(day)));
    }

    /// A request's id is in its own line, and in those of the relay and of the consumer behind it.
    async fn follow_a_request_to_the_consumer(app: &App) {
        let person = app.client().somebody().await;
        let request = person.request(Method::POST, "/api/cycles/cycles")
            .header("X-Request-Id", "follow-me.1")
            .json(&json!({"start_date": "2024-02-03"}));
        let answer = Answer::of(request).await;
        assert_eq!(answer.header("x-request-id"), Some("follow-me.1"));
        let version = answer.expect(StatusCode::CREATED)["version"].as_i64().unwrap();
        person.prediction_at(version).await;
        let lines = wait::until("the lines of the whole way", || async {
            let lines: Vec<Value> = app.output().lines()
                .filter(|line| line.contains("follow-me.1"))
                .filter_map(|line| serde_json::from_str(line).ok())
                .collect();
            let has = |text: &str| lines.iter().any(|line| line.to_string().contains(text));
            let complete = has("/api/cycles/cycles") && has("carried an event") && has("consumed an event");
            complete.then_some(lines)
        })
        .await;
        let of_the_request: Vec<&Value> = lines.iter()
            .filter(|line| line.to_string().contains("\"status\"") && line.to_string().contains("/api/cycles/cycles"))
            .collect();
        assert_eq!(of_the_request.len(), 1, "one line per request: {of_the_request:?}");
        // Carried to notifications too: the prediction's event belongs to the same request.
        wait::until("the reminder's consumer to name the request", || async {
            let output = app.output();
            let named = output.lines().any(|line| {
                line.contains("follow-me.1") && line.contains("notifications") && line.contains("consumed")
            });
            named.then_some(())
        })
        .await;
    }

    /// An insane request id is not taken over.
    async fn take_no_insane_request_id(app: &App) {
        for insane in ["a b", "<script>", "x".repeat(65).as_str(), ""] {
            let request = app.client().request(Method::GET, "/health").header("X-Request-Id", insane);
            let answer = Answer::of(request).await;
            let id = answer.header("x-request-id").unwrap();
            assert!(id != insane && !id.is_empty());
        }
    }
}
