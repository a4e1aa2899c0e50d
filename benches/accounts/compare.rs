//! Two binaries under the same load, in turn: what a request costs in one and in the other.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use futures::future::join_all;
use serde_json::{Value, json};

use crate::{
    PASSWORD,
    harness::{App, Options, Shape, process},
    median, sign_up,
    usage::{Usage, usage},
    wire::{Wire, bearer, request},
};

/// Who sends requests, each on a connection of their own, one after the other.
const WORKERS: usize = 8;
/// Whom they sign in.
const ACCOUNTS: usize = 64;
/// How often each operation is measured, in both binaries in turn.
const ROUNDS: usize = 16;
/// What everybody has logged, by the month.
const CYCLES: [&str; 6] =
    ["2024-01-01", "2024-01-29", "2024-02-26", "2024-03-26", "2024-04-23", "2024-05-21"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Register,
    Login,
    ReadProfile,
    ReadCycles,
    ReadPrediction,
    EditCycle,
    LogSymptom,
}

impl Operation {
    const ALL: [Self; 7] = [
        Self::Register,
        Self::Login,
        Self::ReadProfile,
        Self::ReadCycles,
        Self::ReadPrediction,
        Self::EditCycle,
        Self::LogSymptom,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Login => "login",
            Self::ReadProfile => "read the profile",
            Self::ReadCycles => "list six cycles",
            Self::ReadPrediction => "read the prediction",
            Self::EditCycle => "edit a cycle, no symptoms",
            Self::LogSymptom => "log a symptom with a note",
        }
    }

    /// How many requests of each worker are a round.
    fn count(self) -> usize {
        match self {
            Self::Register | Self::Login => 8,
            Self::ReadProfile | Self::ReadCycles | Self::ReadPrediction => 250,
            Self::EditCycle | Self::LogSymptom => 40,
        }
    }
}

/// One binary under measurement.
struct Side {
    app: App,
    people: Vec<Worker>,
    registered: usize,
}

struct Worker {
    wire: Wire,
    email: String,
    token: String,
    /// In the order of [`CYCLES`].
    cycles: Vec<i64>,
}

/// What a round took, by the request.
#[derive(Clone, Copy)]
struct Cost {
    seconds: f64,
    service: f64,
    postgres: f64,
}

/// Prints what each operation costs in the binary under test, beside another one.
pub(crate) async fn compare(before: PathBuf) {
    println!("before: {}\nafter:  {}", before.display(), process::path().display());
    let mut before = Side::start(Some(before)).await;
    let mut after = Side::start(None).await;
    for operation in Operation::ALL {
        for side in [&mut before, &mut after] {
            side.sign_in().await;
            // What is made on first use.
            side.round(operation, 0).await;
        }
        let mut rounds = Vec::new();
        for nth in 1..=ROUNDS {
            // Whoever is second has warmer caches.
            rounds.push(if nth % 2 == 0 {
                let first = before.round(operation, nth).await;
                (first, after.round(operation, nth).await)
            } else {
                let first = after.round(operation, nth).await;
                (before.round(operation, nth).await, first)
            });
        }
        report(operation, &rounds);
    }
    before.app.finish().await;
    after.app.finish().await;
}

fn report(operation: Operation, rounds: &[(Cost, Cost)]) {
    let ratio = |of: fn(&Cost) -> f64| {
        let mut ratios: Vec<f64> = rounds.iter().map(|(from, to)| of(from) / of(to)).collect();
        let middle = median(&mut ratios);
        (middle, ratios[ratios.len() / 4], ratios[ratios.len() * 3 / 4])
    };
    let medians = |of: fn(&Cost) -> f64| {
        let (mut from, mut to): (Vec<f64>, Vec<f64>) =
            rounds.iter().map(|(from, to)| (of(from), of(to))).unzip();
        (median(&mut from), median(&mut to))
    };
    let (from, to) = medians(|it| 1.0 / it.seconds);
    let (middle, low, high) = ratio(|it| it.seconds);
    println!("\n{}, {} each", operation.name(), ROUNDS * WORKERS * operation.count());
    println!(
        "  throughput  {from:8.1}/s → {to:8.1}/s    ratio {middle:.3} (quartiles {low:.3} to {high:.3})"
    );
    for (what, of) in [
        ("service CPU ", (|it| it.service) as fn(&Cost) -> f64),
        ("Postgres CPU", |it| it.postgres),
        ("both        ", |it| it.service + it.postgres),
    ] {
        let (from, to) = medians(of);
        let (middle, low, high) = ratio(of);
        let (from, to) = (from * 1e3, to * 1e3);
        println!(
            "  {what} {from:8.3} ms → {to:7.3} ms   ratio {middle:.3} (quartiles {low:.3} to {high:.3})"
        );
    }
}

impl Side {
    async fn start(binary: Option<PathBuf>) -> Self {
        let app = App::start_with(Shape::Memory, Options { binary, ..Options::default() }).await;
        let url = app.url();
        sign_up(&url, ACCOUNTS, "account").await;
        let mut people = Vec::new();
        for number in 0..WORKERS {
            let email = format!("account{number}@example.org");
            let wire = Wire::open(&url).await;
            people.push(Worker { wire, email, token: String::new(), cycles: Vec::new() });
        }
        let mut side = Self { app, people, registered: 0 };
        side.sign_in().await;
        for worker in &mut side.people {
            for start in CYCLES {
                let logged =
                    worker.call("POST", "/api/cycles/cycles", json!({"start_date": start}));
                let id = logged.await["cycle"]["id"].as_i64().unwrap();
                worker.cycles.push(id);
            }
        }
        side
    }

    /// A fresh access token for everybody.
    async fn sign_in(&mut self) {
        for worker in &mut self.people {
            let body = json!({"email": worker.email, "password": PASSWORD});
            let answer = worker.call("POST", "/api/users/login", body).await;
            answer["token"].as_str().unwrap().clone_into(&mut worker.token);
        }
    }

    async fn round(&mut self, operation: Operation, nth: usize) -> Cost {
        let registered = self.registered;
        self.registered += WORKERS * operation.count();
        let requests: Vec<Vec<Vec<u8>>> = (0..WORKERS)
            .map(|number| {
                let of_worker = |turn: usize| {
                    let unique = registered + number * operation.count() + turn;
                    self.people[number].request(operation, number + nth + turn, unique)
                };
                (0..operation.count()).map(of_worker).collect()
            })
            .collect();
        let (begun, before) = (Instant::now(), self.usage());
        let working = self.people.iter_mut().zip(&requests);
        let mut took = Duration::ZERO;
        let versions = join_all(working.map(|(worker, requests)| worker.work(requests))).await;
        took += begun.elapsed();
        // What analytics does because of a write belongs to it.
        for (worker, version) in self.people.iter_mut().zip(versions) {
            worker.reflected(version).await;
        }
        let after = self.usage();
        #[expect(clippy::cast_precision_loss, reason = "some hundred")]
        let count = (WORKERS * operation.count()) as f64;
        Cost {
            seconds: took.as_secs_f64() / count,
            service: (after.service - before.service) / count,
            postgres: (after.postgres - before.postgres) / count,
        }
    }

    fn usage(&self) -> Usage {
        usage(&self.app.pids(), &self.app.data_dir())
    }
}

impl Worker {
    async fn call(&mut self, method: &str, path: &str, body: Value) -> Value {
        let (status, body) =
            self.wire.send(&request(method, path, &bearer(&self.token), Some(&body))).await;
        assert!(status < 300, "{status}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap()
    }

    fn request(&self, operation: Operation, turn: usize, unique: usize) -> Vec<u8> {
        let get = |path: &str| request("GET", path, &bearer(&self.token), None);
        match operation {
            Operation::Register => {
                let name = format!("new{unique}");
                let email = format!("{name}@example.org");
                let body = json!({"email": email, "username": name, "password": PASSWORD});
                request("POST", "/api/users/register", "", Some(&body))
            }
            Operation::Login => {
                let email = format!("account{}@example.org", unique % ACCOUNTS);
                let body = json!({"email": email, "password": PASSWORD});
                request("POST", "/api/users/login", "", Some(&body))
            }
            Operation::ReadProfile => get("/api/users/profile"),
            Operation::ReadCycles => get("/api/cycles/cycles"),
            Operation::ReadPrediction => get("/api/analytics/predictions?active=true"),
            Operation::EditCycle => {
                let last = CYCLES.len() - 1;
                let path = format!("/api/cycles/cycles/{}", self.cycles[last]);
                let end = format!("2024-05-{}", 24 + turn % 2);
                let body = json!({"start_date": CYCLES[last], "end_date": end});
                request("PUT", &path, &bearer(&self.token), Some(&body))
            }
            Operation::LogSymptom => {
                let which = turn % CYCLES.len();
                let body = json!({
                    "cycle_id": self.cycles[which], "date": CYCLES[which],
                    "symptom_type": "mood", "value": "low",
                    "severity": 3, "notes": "woke up at four, tea and a walk helped a little",
                });
                request("POST", "/api/cycles/symptoms", &bearer(&self.token), Some(&body))
            }
        }
    }

    /// Sends them all and gives the version that the last one told of, if it told of one.
    async fn work(&mut self, requests: &[Vec<u8>]) -> Option<i64> {
        let mut last = Vec::new();
        for request in requests {
            let (status, body) = self.wire.send(request).await;
            assert!(status < 300, "{status}: {}", String::from_utf8_lossy(&body));
            last = body;
        }
        let last: Value = serde_json::from_slice(&last).unwrap();
        last["version"].as_i64()
    }

    async fn reflected(&mut self, version: Option<i64>) {
        let Some(version) = version else { return };
        let path = format!("/api/analytics/predictions?active=true&min_version={version}");
        let read = request("GET", &path, &bearer(&self.token), None);
        loop {
            let (_, body) = self.wire.send(&read).await;
            let body: Value = serde_json::from_slice(&body).unwrap();
            if body["as_of_version"].as_i64().is_some_and(|as_of| as_of >= version) {
                return;
            }
        }
    }
}
