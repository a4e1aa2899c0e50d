//! The public API, as far as the demo needs it.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use chrono::{DateTime, NaiveDate, Utc};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    episodes::Episode,
    person::Person,
    plan::{Cycle, Symptom},
};

/// How often a request that was not admitted is sent again.
const ATTEMPTS_MAX: u32 = 30;

/// Speaks to one instance.
pub(super) struct Client {
    http: reqwest::Client,
    base_url: String,
}

/// Somebody who is signed in.
pub(super) struct SignedIn {
    pub(super) token: String,
    /// The day on which the account was made.
    pub(super) since: NaiveDate,
}

/// A cycle that the instance knows already.
pub(super) struct LoggedCycle {
    pub(super) id: i64,
    pub(super) start_date: NaiveDate,
    /// How many symptoms it has.
    pub(super) symptoms: usize,
}

#[derive(Deserialize)]
struct Login {
    token: String,
    user: Account,
}

#[derive(Deserialize)]
struct Account {
    created_at: DateTime<Utc>,
}

#[derive(Deserialize)]
struct Cycles {
    cycles: Vec<ListedCycle>,
}

#[derive(Deserialize)]
struct ListedCycle {
    id: i64,
    start_date: NaiveDate,
    symptoms: Vec<Value>,
}

#[derive(Deserialize)]
struct Episodes {
    episodes: Vec<ListedEpisode>,
}

#[derive(Deserialize)]
struct ListedEpisode {
    kind: String,
    start_date: NaiveDate,
}

#[derive(Deserialize)]
struct Written {
    cycle: ListedCycle,
}

impl Client {
    pub(super) fn new(base_url: &str) -> Result<Self> {
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(30))
            .build()
            .context("an HTTP client")?;
        Ok(Self { http, base_url: base_url.trim_end_matches('/').to_owned() })
    }

    pub(super) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Fails with a clear message if nobody answers there.
    pub(super) async fn is_there(&self) -> Result<()> {
        let url = format!("{}/health", self.base_url);
        let answer = self.http.get(&url).send().await;
        let answer = answer.map_err(|_| {
            anyhow!(
                "nobody answers at {}; start the service, or name it with --base-url",
                self.base_url
            )
        })?;
        if !answer.status().is_success() {
            bail!("the service at {} is not well: {}", self.base_url, answer.status());
        }
        Ok(())
    }

    pub(super) async fn register_or_sign_in(&self, person: &Person) -> Result<SignedIn> {
        let body = json!({
            "email": person.email(),
            "username": person.username(),
            "password": person.password(),
            "first_name": person.given_name(),
            "date_of_birth": person.date_of_birth(),
        });
        let request = || self.request(Method::POST, "/api/users/register").json(&body);
        let answer = self.send(request).await?;
        match answer.status {
            StatusCode::CREATED | StatusCode::CONFLICT => self.sign_in(person).await,
            _ => Err(answer.unexpected("registering")),
        }
    }

    pub(super) async fn sign_in(&self, person: &Person) -> Result<SignedIn> {
        let body = json!({"email": person.email(), "password": person.password()});
        let request = || self.request(Method::POST, "/api/users/login").json(&body);
        let Login { token, user } = self.send(request).await?.json(StatusCode::OK, "signing in")?;
        Ok(SignedIn { token, since: user.created_at.date_naive() })
    }

    /// All cycles of somebody; the demo plans fewer than fit into one page.
    pub(super) async fn logged_cycles(&self, session: &SignedIn) -> Result<Vec<LoggedCycle>> {
        let request = || {
            self.request(Method::GET, "/api/cycles/cycles?limit=100").bearer_auth(&session.token)
        };
        let Cycles { cycles } = self.send(request).await?.json(StatusCode::OK, "listing cycles")?;
        let known = cycles.into_iter().map(|ListedCycle { id, start_date, symptoms }| {
            LoggedCycle { id, start_date, symptoms: symptoms.len() }
        });
        Ok(known.collect())
    }

    pub(super) async fn log_cycle(&self, session: &SignedIn, cycle: &Cycle) -> Result<i64> {
        let body = json!({"start_date": cycle.start, "end_date": cycle.end});
        let request = || {
            self.request(Method::POST, "/api/cycles/cycles").bearer_auth(&session.token).json(&body)
        };
        let answer = self.send(request).await?;
        if answer.status == StatusCode::CONFLICT {
            // Of one version, every run plans the same.
            let why = "this person has other cycles, perhaps those of an earlier version's demo; \
                       take another --seed";
            return Err(answer.unexpected("logging a cycle").context(why));
        }
        let written: Written = answer.json(StatusCode::CREATED, "logging a cycle")?;
        Ok(written.cycle.id)
    }

    pub(super) async fn log_symptom(
        &self,
        session: &SignedIn,
        cycle_id: i64,
        symptom: &Symptom,
    ) -> Result<()> {
        let body = json!({
            "cycle_id": cycle_id,
            "date": symptom.date,
            "symptom_type": symptom.kind,
            "value": symptom.value,
            "severity": symptom.severity,
        });
        let request = || {
            self.request(Method::POST, "/api/cycles/symptoms")
                .bearer_auth(&session.token)
                .json(&body)
        };
        let _written: Value =
            self.send(request).await?.json(StatusCode::CREATED, "logging a symptom")?;
        Ok(())
    }

    /// Kind and start of all episodes of somebody.
    pub(super) async fn logged_episodes(
        &self,
        session: &SignedIn,
    ) -> Result<Vec<(String, NaiveDate)>> {
        let request = || {
            self.request(Method::GET, "/api/cycles/episodes?limit=100").bearer_auth(&session.token)
        };
        let Episodes { episodes } =
            self.send(request).await?.json(StatusCode::OK, "listing episodes")?;
        Ok(episodes.into_iter().map(|it| (it.kind, it.start_date)).collect())
    }

    pub(super) async fn log_episode(&self, session: &SignedIn, episode: &Episode) -> Result<()> {
        let body = json!({
            "kind": episode.kind,
            "start_date": episode.start,
            "end_date": episode.end,
        });
        let request = || {
            self.request(Method::POST, "/api/cycles/episodes")
                .bearer_auth(&session.token)
                .json(&body)
        };
        let _written: Value =
            self.send(request).await?.json(StatusCode::CREATED, "logging an episode")?;
        Ok(())
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base_url))
    }

    /// Sends a request; one that was not admitted is sent again when the server says so.
    async fn send(&self, request: impl Fn() -> RequestBuilder) -> Result<Answer> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let response = request().send().await.context("the service does not answer")?;
            let status = response.status();
            let busy = [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS];
            if !busy.contains(&status) || attempt == ATTEMPTS_MAX {
                let body = response.bytes().await.context("the answer was cut short")?;
                return Ok(Answer { status, body: body.to_vec() });
            }
            let after = response.headers().get("retry-after");
            let seconds = after.and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or(1);
            tokio::time::sleep(Duration::from_secs(seconds)).await;
        }
    }
}

struct Answer {
    status: StatusCode,
    body: Vec<u8>,
}

impl Answer {
    fn json<T: DeserializeOwned>(self, expected: StatusCode, doing: &str) -> Result<T> {
        if self.status != expected {
            return Err(self.unexpected(doing));
        }
        serde_json::from_slice(&self.body).with_context(|| format!("{doing}: an unexpected answer"))
    }

    fn unexpected(&self, doing: &str) -> anyhow::Error {
        let problem: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let detail = problem.get("detail").and_then(Value::as_str).unwrap_or("no detail");
        anyhow!("{doing}: {} ({detail})", self.status)
    }
}
