//! Requests as an app would send them, and what became of each.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result, ensure};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::tally::Failure;

/// Longer than the system's own time limit of a request, so that it is the one to say no.
pub(crate) const WRITE_PATIENCE: Duration = Duration::from_secs(15);
/// Reads wait up to 2 s for a version.
const READ_PATIENCE: Duration = Duration::from_secs(5);
/// Nobody here is worth more: what the development profile accepts.
const PASSWORD: &str = "pass123";

/// Somebody who is signed in. Access tokens live 10 minutes: who registered signs in again.
#[derive(Clone)]
pub struct Person {
    /// Their id.
    pub id: i64,
    /// What they sign in with; none if their token was made by a test.
    email: Option<String>,
    token: Arc<Mutex<String>>,
}

/// A client of the public API.
#[derive(Clone)]
pub(crate) struct Http(Client);

/// A request in somebody's name.
pub(crate) struct Request<'a> {
    pub(crate) base: &'a str,
    pub(crate) method: Method,
    pub(crate) path: &'a str,
    pub(crate) body: Option<&'a Value>,
    pub(crate) idempotency_key: Option<&'a str>,
    pub(crate) id: Option<&'a str>,
    pub(crate) patience: Duration,
}

/// An answer that is no failure of the server's.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
}

/// How a request failed, and what was said.
pub(crate) type Failed = (Failure, String);

impl Http {
    /// A client that keeps connections open between requests, or opens one for each.
    pub(crate) fn new(keep_alive: bool) -> Result<Self> {
        // The library wants one even for plain HTTP; another client may have installed it already.
        drop(rustls::crypto::ring::default_provider().install_default());
        let builder = Client::builder().no_proxy().connect_timeout(READ_PATIENCE);
        let builder = if keep_alive { builder } else { builder.pool_max_idle_per_host(0) };
        Ok(Self(builder.build().context("an HTTP client")?))
    }

    /// Sends it once; and once more with another token if the present one has run out.
    pub(crate) async fn send(&self, person: &Person, it: Request<'_>) -> Result<Answer, Failed> {
        let token = person.token.lock().await.clone();
        let answer = self.send_with(&token, &it).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        let Some(email) = &person.email else { return Ok(answer) };
        let mut kept = person.token.lock().await;
        // Of several requests of one person the first signs in.
        if *kept == token {
            let login = json!({"email": email, "password": PASSWORD});
            *kept = self.sign_in(it.base, &login).await?.1;
        }
        let token = kept.clone();
        drop(kept);
        self.send_with(&token, &it).await
    }

    /// Signs in: id and access token.
    async fn sign_in(&self, base: &str, login: &Value) -> Result<(i64, String), Failed> {
        let answer = self.post(base, "/api/users/login", login).await?;
        let id = answer.body["user"]["id"].as_i64();
        let token = answer.body["token"].as_str();
        id.zip(token.map(str::to_owned))
            .ok_or_else(|| (Failure::Internal, format!("sign-in answers {}", answer.status)))
    }

    async fn post(&self, base: &str, path: &str, body: &Value) -> Result<Answer, Failed> {
        let request = Request {
            base,
            method: Method::POST,
            path,
            body: Some(body),
            idempotency_key: None,
            id: None,
            patience: WRITE_PATIENCE,
        };
        self.send_with("", &request).await
    }

    async fn send_with(&self, token: &str, it: &Request<'_>) -> Result<Answer, Failed> {
        let url = format!("{}{}", it.base, it.path);
        let mut request = self.0.request(it.method.clone(), url);
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        if let Some(body) = it.body {
            request = request.json(body);
        }
        if let Some(key) = it.idempotency_key {
            request = request.header("Idempotency-Key", key);
        }
        if let Some(id) = it.id {
            request = request.header("X-Request-Id", id);
        }
        let response = request.timeout(it.patience).send().await.map_err(|error| failed(&error))?;
        let status = response.status();
        let says_when = response.headers().contains_key("retry-after");
        let text = response.text().await.map_err(|error| failed(&error))?;
        let failure = match status {
            StatusCode::SERVICE_UNAVAILABLE if says_when => Failure::Refused,
            StatusCode::SERVICE_UNAVAILABLE => Failure::RefusedBare,
            StatusCode::GATEWAY_TIMEOUT => Failure::Interrupted,
            status if status.is_server_error() => Failure::Internal,
            status => {
                let body = serde_json::from_str(&text).unwrap_or(Value::Null);
                return Ok(Answer { status, body });
            }
        };
        Err((failure, text))
    }

    /// Reads a path.
    pub(crate) async fn get(
        &self,
        person: &Person,
        base: &str,
        path: &str,
    ) -> Result<Answer, Failed> {
        self.get_within(READ_PATIENCE, person, base, path).await
    }

    /// Reads a path, with another patience.
    pub(crate) async fn get_within(
        &self,
        patience: Duration,
        person: &Person,
        base: &str,
        path: &str,
    ) -> Result<Answer, Failed> {
        let method = Method::GET;
        let request =
            Request { base, method, path, body: None, idempotency_key: None, id: None, patience };
        self.send(person, request).await
    }
}

impl Person {
    /// Somebody with a token that a test made.
    pub fn with_token(id: i64, token: String) -> Self {
        Self { id, email: None, token: Arc::new(Mutex::new(token)) }
    }

    /// Registers somebody of this name and signs them in.
    ///
    /// # Errors
    /// The system does not answer as it should.
    pub async fn register(base: &str, name: &str) -> Result<Self> {
        let http = Http::new(true)?;
        let failed = |(failure, said): Failed| anyhow::anyhow!("{failure:?} ({said})");
        let email = format!("{name}@example.org");
        let registration = json!({"email": email, "username": name, "password": PASSWORD});
        let registered = http.post(base, "/api/users/register", &registration).await;
        let status = registered.map_err(failed).context("registering failed")?.status;
        ensure!(status == StatusCode::CREATED, "registering answers {status}");
        let login = json!({"email": email, "password": PASSWORD});
        let signed_in = http.sign_in(base, &login).await.map_err(failed);
        let (id, token) = signed_in.context("signing in failed")?;
        Ok(Self { id, email: Some(email), token: Arc::new(Mutex::new(token)) })
    }
}

fn failed(error: &reqwest::Error) -> Failed {
    let failure = if error.is_connect() {
        Failure::Unconnected
    } else if error.is_timeout() {
        Failure::TimedOut
    } else {
        Failure::Reset
    };
    (failure, format!("{error:?}"))
}
