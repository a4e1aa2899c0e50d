//! A client of the public API, as an app builder would write one.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use actor_runtime::clock::Clock;
use chrono::NaiveDate;
use reqwest::{Method, RequestBuilder, StatusCode, header::HeaderMap};
use serde_json::{Value, json};

use super::{
    canaries::{self, ACCESS_TOKEN, MARK},
    document, wait,
};

/// Speaks HTTP to one base URL.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    pub(crate) text: String,
}

/// Somebody who is signed in.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) client: Client,
    pub(crate) id: i64,
    pub(crate) token: String,
    /// Empty for somebody whose token the test made itself.
    pub(crate) refresh_token: String,
}

/// The password of everybody here: what the development profile accepts.
pub(crate) const PASSWORD: &str = "pass123";

impl Client {
    pub(crate) fn new(base: String) -> Self {
        // The library wants one even for plain HTTP; another client may have installed it already.
        drop(rustls::crypto::ring::default_provider().install_default());
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(20))
            .user_agent(format!("{MARK}-device"))
            .no_proxy()
            .build()
            .unwrap();
        Self { http, base }
    }

    /// A request that the test fills in itself.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        Answer::of(self.request(Method::POST, path).json(body)).await
    }

    /// Registers somebody new, marked in every text, and signs them in.
    pub(crate) async fn somebody(&self) -> Person {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{MARK}-somebody{number}x{}", std::process::id());
        let email = format!("{name}@example.org");
        let body = json!({
            "email": email, "username": name, "password": PASSWORD,
            "first_name": format!("{MARK}-first"), "last_name": format!("{MARK}-last"),
        });
        self.post("/api/users/register", &body).await.expect(StatusCode::CREATED);
        self.login(&email).await
    }

    /// Registers and signs in somebody of this name.
    pub(crate) async fn register(&self, name: &str) -> Person {
        let email = format!("{name}@example.org");
        let body = json!({"email": email, "username": name, "password": PASSWORD});
        self.post("/api/users/register", &body).await.expect(StatusCode::CREATED);
        self.login(&email).await
    }

    /// Signs in.
    pub(crate) async fn login(&self, email: &str) -> Person {
        let body = json!({"email": email, "password": PASSWORD});
        let answer = self.post("/api/users/login", &body).await.expect(StatusCode::OK);
        self.signed_in(&answer)
    }

    /// Whom the answer to a sign-in or refresh is about.
    pub(crate) fn signed_in(&self, answer: &Value) -> Person {
        let text = |member: &str| answer[member].as_str().unwrap().to_owned();
        assert!(text("token").starts_with(ACCESS_TOKEN), "tokens begin otherwise than they did");
        Person {
            client: self.clone(),
            id: answer["user"]["id"].as_i64().unwrap(),
            token: text("token"),
            refresh_token: text("refresh_token"),
        }
    }
}

impl Person {
    /// The same person, at another address of the system (after a restart).
    pub(crate) fn at(&self, client: Client) -> Self {
        Self { client, ..self.clone() }
    }

    /// A request in this person's name that the test fills in itself.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, path).bearer_auth(&self.token)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        Answer::of(self.request(Method::POST, path).json(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        Answer::of(self.request(Method::PUT, path).json(body)).await
    }

    /// Goes on with the session.
    pub(crate) async fn refresh(&self) -> Answer {
        let body = json!({"refresh_token": self.refresh_token});
        self.client.post("/api/users/refresh", &body).await
    }

    /// The id of the session, which is in the token.
    pub(crate) fn session_id(&self) -> String {
        let claims: Value = jsonwebtoken::dangerous::insecure_decode(&self.token).unwrap().claims;
        claims["sid"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::DELETE, path)).await
    }

    /// Logs a cycle and returns (cycle id, version).
    pub(crate) async fn log_cycle(&self, start: &str, end: Option<&str>) -> (i64, i64) {
        let mut body = json!({"start_date": start});
        if let Some(end) = end {
            body["end_date"] = json!(end);
        }
        let answer = self.post("/api/cycles/cycles", &body).await.expect(StatusCode::CREATED);
        (answer["cycle"]["id"].as_i64().unwrap(), answer["version"].as_i64().unwrap())
    }

    /// Waits until analytics reflects `version`, and returns its active predictions.
    pub(crate) async fn prediction_at(&self, version: i64) -> Value {
        let path = format!("/api/analytics/predictions?active=true&min_version={version}");
        self.reflected(&path, version).await
    }

    /// Waits until analytics reflects `version`, and returns the one active prediction: made from so
    /// many cycle lengths, and of no day that is over.
    pub(crate) async fn active_at(&self, version: i64, lengths: u32) -> Value {
        // Taken before, so that midnight in between does no harm.
        let today = Clock::System.now().date_naive();
        let list = self.prediction_at(version).await;
        is_active_one(&list, lengths, today);
        list["predictions"][0].clone()
    }

    /// Waits until a read reflects `version`, and returns it.
    pub(crate) async fn reflected(&self, path: &str, version: i64) -> Value {
        self.reflected_within(wait::PATIENCE, path, version).await
    }

    /// Like [`Person::reflected`], with another patience.
    pub(crate) async fn reflected_within(
        &self,
        patience: Duration,
        path: &str,
        version: i64,
    ) -> Value {
        wait::until_within(patience, &format!("{path} to reflect version {version}"), || async {
            let answer = self.get(path).await;
            let reached = answer.status == StatusCode::OK
                && answer.body["as_of_version"].as_i64().is_some_and(|as_of| as_of >= version);
            reached.then_some(answer.body)
        })
        .await
    }
}

impl Answer {
    /// Sends a request and reads the whole answer; the test fails if none comes.
    pub(crate) async fn of(request: RequestBuilder) -> Self {
        Self::try_of(request).await.unwrap()
    }

    /// Sends a request that may remain without an answer.
    pub(crate) async fn try_of(request: RequestBuilder) -> Result<Self, reqwest::Error> {
        let (http, request) = request.build_split();
        let request = request?;
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let response = http.execute(request).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await?;
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        let answer = Self { status, headers, body, text };
        document::hold(&method, &path, &answer);
        canaries::hold_refusal(&format!("{method} {path}"), &answer);
        Ok(answer)
    }

    /// The body, if the status is the expected one.
    #[track_caller]
    pub(crate) fn expect(self, status: StatusCode) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.body
    }

    /// The text, if the status is the expected one.
    #[track_caller]
    pub(crate) fn of_text(self, status: StatusCode) -> String {
        assert_eq!(self.status, status, "{}", self.text);
        self.text
    }

    /// The problem document, if the answer is one of this status.
    #[track_caller]
    pub(crate) fn problem(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        let content_type = self.headers.get("content-type").and_then(|value| value.to_str().ok());
        assert!(
            content_type.is_some_and(|text| text.starts_with("application/problem+json")),
            "{content_type:?}: {}",
            self.text
        );
        assert_eq!(self.body["status"], status, "{}", self.text);
        for member in ["type", "title", "detail"] {
            assert!(self.body[member].is_string(), "no {member}: {}", self.text);
        }
        self.body
    }

    /// The problem document of invalid input, if it blames exactly this member or parameter.
    #[track_caller]
    pub(crate) fn blames(self, pointer: &str) -> Value {
        let problem = self.problem(422);
        assert_eq!(problem["type"], "/problems/invalid-input", "{problem}");
        let errors = problem["errors"].as_array().unwrap();
        let blamed: Vec<&str> =
            errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect();
        assert_eq!(blamed, [pointer], "{problem}");
        problem
    }

    /// The problem document, if its type is the one of this code.
    #[track_caller]
    pub(crate) fn problem_of(self, status: u16, code: &str) -> Value {
        let problem = self.problem(status);
        assert_eq!(problem["type"], format!("/problems/{code}"), "{problem}");
        problem
    }

    /// A header's text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// One prediction is active: made from so many cycle lengths, and of no day before `today`.
pub(crate) fn is_active_one(list: &Value, lengths: u32, today: NaiveDate) {
    assert_eq!(list["count"], 1, "{list}");
    let prediction = &list["predictions"][0];
    assert_eq!(prediction["is_active"], true, "{list}");
    assert_eq!(prediction["prediction_method"], "shifted_log_nig_mixture/1");
    assert_eq!(prediction["based_on_cycles"], lengths, "{list}");
    let start: NaiveDate = prediction["predicted_start_date"].as_str().unwrap().parse().unwrap();
    assert!(start >= today, "{list}");
}
