//! Log lines: one for each request, the request id everywhere, never health data.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{App, client::Answer, in_every_shape, wait};

const SECRETS: &[&str] = &[
    "canary-type",
    "canary-value",
    "canary-note",
    "canary-first",
    "canary-last",
    "canaryuser",
    "canary@example.org",
    "canary-password",
    "1987-06-05",
    "2024-02-03",
    "2024-02-07",
    "2024-02-04",
];

async fn plant(app: &App) -> crate::harness::Person {
    let body = json!({
        "email": "canary@example.org", "username": "canaryuser", "password": "canary-password",
        "first_name": "canary-first", "last_name": "canary-last", "date_of_birth": "1987-06-05",
    });
    app.client().post("/api/users/register", &body).await.expect(StatusCode::CREATED);
    let login = json!({"email": "canary@example.org", "password": "canary-password"});
    let login = app.client().post("/api/users/login", &login).await.expect(StatusCode::OK);
    app.client().signed_in(&login)
}

in_every_shape! {
    /// Strings planted in every field, right and wrong, are in no line that the process prints,
    /// at debug level, and in none of its Postgres.
    async fn hold_no_health_data(app: &App) {
        let person = plant(app).await;
        let (cycle, _) = person.log_cycle("2024-02-03", Some("2024-02-07")).await;
        let symptom = json!({
            "cycle_id": cycle, "date": "2024-02-04", "symptom_type": "canary-type",
            "value": "canary-value", "notes": "canary-note",
        });
        let written = person.post("/api/cycles/symptoms", &symptom).await.expect(StatusCode::CREATED);
        person.prediction_at(written["version"].as_i64().unwrap()).await;
        person.get("/api/cycles/symptoms?symptom_type=canary-type").await.expect(StatusCode::OK);
        person.post("/api/cycles/cycles", &json!({"start_date": "2024-02-04"})).await.problem(409);
        for wrong in [
            json!({"start_date": "canary-value"}),
            json!({"start_date": "2024-02-04", "end_date": "2024-02-03"}),
            json!({"canary-type": "2024-02-04"}),
        ] {
            let problem = person.post("/api/cycles/cycles", &wrong).await.problem(422);
            let said = problem.to_string();
            let repeated = SECRETS.iter().find(|secret| said.contains(**secret) && **secret != "canary-type");
            assert!(repeated.is_none(), "{said}");
        }
        let wrong = json!({"email": "canary@example.org", "password": "canary-password-2"});
        app.client().post("/api/users/login", &wrong).await.problem(401);
        let again = json!({"email": "canary@example.org", "username": "x-canaryuser", "password": "canary-password"});
        app.client().post("/api/users/register", &again).await.problem(409);
        person.get("/api/cycles/canary-value?canary-note=2024-02-04").await.problem(404);
        let token = json!({"name": "canary-first", "scopes": ["read:cycles"]});
        let made = person.post("/api/users/tokens", &token).await.expect(StatusCode::CREATED);
        let api_token = made["token"].as_str().unwrap();
        let program = app.client().request(Method::GET, "/api/cycles/cycles").bearer_auth(api_token);
        Answer::of(program).await.expect(StatusCode::OK);
        person.refresh().await.expect(StatusCode::OK);
        let of_postgres = std::fs::read_to_string(app.data_dir().join("postgres.log")).unwrap();
        assert!(of_postgres.contains("ready to accept connections"), "{of_postgres}");
        let output = app.output() + &of_postgres;
        for secret in SECRETS.iter().chain(&[&*person.token, &person.refresh_token, api_token]) {
            let line = output.lines().find(|line| line.contains(*secret));
            assert!(line.is_none(), "{secret} in {line:?}");
        }
        let running = std::fs::read_to_string(app.data_dir().join("running.json")).unwrap();
        for (role, password) in app.database_passwords() {
            assert!(!output.contains(&password) && !running.contains(&password), "{role}'s");
        }
        let metrics = crate::harness::Client::new(app.admin_url()).get("/metrics").await.text;
        assert!(SECRETS.iter().all(|secret| !metrics.contains(secret)));
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
