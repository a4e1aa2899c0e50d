//! Requests as an app would send them, and what became of each.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use crate::tally::Failure;

/// Longer than the system's own time limit of a request, so that it is the one to say no.
pub(crate) const WRITE_PATIENCE: Duration = Duration::from_secs(15);
/// Reads wait up to 2 s for a version.
const READ_PATIENCE: Duration = Duration::from_secs(5);
/// Nobody here is worth more: what the development profile accepts.
const PASSWORD: &str = "pass123";

/// Somebody who is signed in.
#[derive(Clone)]
pub struct Person {
    /// Their id.
    pub id: i64,
    /// Their access token.
    pub token: String,
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

    /// Sends it once.
    pub(crate) async fn send(&self, person: &Person, it: Request<'_>) -> Result<Answer, Failed> {
        let url = format!("{}{}", it.base, it.path);
        let mut request = self.0.request(it.method, url).bearer_auth(&person.token);
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
    /// Registers somebody of this name and signs them in.
    ///
    /// # Errors
    /// The system does not answer as it should.
    pub async fn register(base: &str, name: &str) -> Result<Self> {
        let http = Http::new(true)?;
        let email = format!("{name}@example.org");
        let registration = json!({"email": email, "username": name, "password": PASSWORD});
        let nobody = Self { id: 0, token: String::new() };
        let post = async |path, body: &Value, expected: StatusCode| {
            let request = Request {
                base,
                method: Method::POST,
                path,
                body: Some(body),
                idempotency_key: None,
                id: None,
                patience: WRITE_PATIENCE,
            };
            let answer = http.send(&nobody, request).await;
            let answer = answer.map_err(|(failure, said)| {
                anyhow::anyhow!("{path} failed: {failure:?} ({said})")
            })?;
            ensure!(answer.status == expected, "{path} answers {}", answer.status);
            Ok(answer.body)
        };
        post("/api/users/register", &registration, StatusCode::CREATED).await?;
        let login = json!({"email": email, "password": PASSWORD});
        let login = post("/api/users/login", &login, StatusCode::OK).await?;
        let id = login["user"]["id"].as_i64().context("an answer without an id")?;
        let token = login["token"].as_str().context("an answer without a token")?.to_owned();
        Ok(Self { id, token })
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
