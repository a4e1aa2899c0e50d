//! What the product costs, measured on the built binary beside a bound of the same run.
//!
//! `cargo bench --bench system` prints, for the bus in memory and for JetStream: the time from the
//! 201 of a logged cycle to the prediction that reflects it, one user at a time, beside the time
//! that the same database takes for a commit; the resident memory of an idle process, before and
//! after people signed in; what a live user actor adds to it; and what it costs that a request
//! passes a gateway and NATS, beside the same request in one process.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    reason = "a benchmark prints, and ends where a test would fail"
)]

#[path = "../tests/system/harness/mod.rs"]
#[expect(dead_code, reason = "the tests use more of the harness than the benchmark")]
#[expect(unused_imports, reason = "the tests use more of the harness than the benchmark")]
#[expect(unused_macros, reason = "the tests use more of the harness than the benchmark")]
mod harness;

use std::{
    fs,
    time::{Duration, Instant},
};

use chrono::{Days, NaiveDate};
use futures::{StreamExt, stream};
use sqlx::{Connection, PgConnection};

use harness::{App, Options, Person, Shape};

const PEOPLE: i64 = 25;
const CYCLES_EACH: u64 = 24;
const ROUNDS: usize = 20;
const REQUESTS_A_ROUND: usize = 200;
const SIGN_INS: usize = 30;
const ACTORS: i64 = 10_000;

fn main() {
    // `cargo bench` passes flags of its own, and `cargo test --benches` asks for a quick look.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for shape in [Shape::Memory, Shape::JetStream] {
            latency(shape).await;
        }
        apart().await;
        memory().await;
    });
}

async fn latency(shape: Shape) {
    let app = App::start(shape).await;
    let commit = commit_time(&app).await;
    let mut waits = Vec::new();
    let mut writes = Vec::new();
    for number in 1..=PEOPLE {
        let person = app.minted(1_000_000 + number);
        for nth in 0..CYCLES_EACH {
            let begun = Instant::now();
            let (_, version) = person.log_cycle(&day(nth).to_string(), None).await;
            let acknowledged = Instant::now();
            person.prediction_at(version).await;
            writes.push(acknowledged - begun);
            waits.push(acknowledged.elapsed());
        }
    }
    println!("\n{shape:?}, {} writes, one user at a time", waits.len());
    print_line("a commit of one row, same database", commit, None);
    print_line("POST cycle to 201", quantiles(writes), None);
    print_line("201 to its prediction", quantiles(waits), Some(commit.0));
    app.finish().await;
}

/// The median and the 99th percentile.
type Quantiles = (Duration, Duration);

fn print_line(what: &str, (p50, p99): Quantiles, commit: Option<Duration>) {
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    print!("  {what:<36} p50 {:7.3} ms   p99 {:7.3} ms", milliseconds(p50), milliseconds(p99));
    if let Some(commit) = commit {
        print!("   = {:.1} commits", p50.as_secs_f64() / commit.as_secs_f64());
    }
    println!();
}

fn quantiles(mut times: Vec<Duration>) -> Quantiles {
    times.sort_unstable();
    (times[times.len() / 2], times[times.len() * 99 / 100])
}

/// What the same server takes to make one row durable.
async fn commit_time(app: &App) -> Quantiles {
    let mut connection = PgConnection::connect(&app.database_url("postgres")).await.unwrap();
    sqlx::raw_sql("CREATE TABLE bound (id bigint)").execute(&mut connection).await.unwrap();
    let mut times = Vec::new();
    for id in 0..500_i64 {
        let begun = Instant::now();
        let insert = sqlx::query("INSERT INTO bound VALUES ($1)").bind(id);
        insert.execute(&mut connection).await.unwrap();
        times.push(begun.elapsed());
    }
    quantiles(times)
}

/// The same reads in one process and through gateway and NATS, in turn, so that both see the same
/// weather.
async fn apart() {
    let mut together = Side::of(Shape::JetStream).await;
    let mut apart = Side::of(Shape::Split).await;
    for _ in 0..ROUNDS {
        together.measure().await;
        apart.measure().await;
    }
    println!("\nA read of one user's cycles, {} each, in turn", ROUNDS * REQUESTS_A_ROUND);
    let (one, several) =
        (together.report("in one process").await, apart.report("gateway, NATS, group").await);
    let more = (several.0.as_secs_f64() - one.0.as_secs_f64()) * 1e3;
    let times = several.1 / one.1;
    println!("  apart costs {more:+.3} ms at p50, and {times:.2} times the CPU");
    assert!(more <= 1.0 && times <= 2.5, "at most 1.0 ms and 2.5 times is what it may cost");
}

/// One shape under measurement.
struct Side {
    app: App,
    person: Person,
    times: Vec<Duration>,
    cpu_before: f64,
}

impl Side {
    async fn of(shape: Shape) -> Self {
        let app = App::start(shape).await;
        let person = app.minted(7);
        person.log_cycle("2024-01-01", None).await;
        let mut side = Self { app, person, times: Vec::new(), cpu_before: 0.0 };
        side.measure().await;
        side.times.clear();
        side.cpu_before = cpu_seconds(&side.app);
        side
    }

    async fn measure(&mut self) {
        for _ in 0..REQUESTS_A_ROUND {
            let begun = Instant::now();
            self.person.get("/api/cycles/cycles").await.expect(reqwest::StatusCode::OK);
            self.times.push(begun.elapsed());
        }
    }

    /// Prints the quantiles; gives the median and the CPU of a request in seconds.
    async fn report(self, what: &str) -> (Duration, f64) {
        let requests = self.times.len() as f64;
        let cpu = (cpu_seconds(&self.app) - self.cpu_before) / requests;
        let measured = quantiles(self.times);
        print_line(what, measured, None);
        println!("  {:<36} {:.3} ms of CPU a request", "", cpu * 1e3);
        self.app.finish().await;
        (measured.0, cpu)
    }
}

/// What the service's own processes have used of the CPU so far.
fn cpu_seconds(app: &App) -> f64 {
    let ticks = app.pids().into_iter().map(|pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        // proc(5): the 14th and 15th field; the name, the second, may hold spaces.
        let fields = stat.rsplit(')').next().unwrap().split_ascii_whitespace().skip(11).take(2);
        fields.map(|field| field.parse::<u64>().unwrap()).sum::<u64>()
    });
    ticks.sum::<u64>() as f64 / 100.0
}

async fn memory() {
    let options = Options::default();
    let app = App::start_with(Shape::Memory, options).await;
    // One request, so that what is made on first use is there.
    let warm = app.minted(1);
    let (_, version) = warm.log_cycle("2024-01-01", None).await;
    warm.prediction_at(version).await;
    let idle = resident_kib(&app);
    println!("\nMemory\n  idle process, resident            {:.1} MiB", idle as f64 / 1024.0);
    let client = app.client();
    stream::iter(0..SIGN_INS)
        .map(|_| client.somebody())
        .buffer_unordered(4)
        .for_each(|_person| async {})
        .await;
    let idle = resident_kib(&app);
    println!("  after {SIGN_INS} people signed in        {:.1} MiB", idle as f64 / 1024.0);
    // Everything but the actors first: pools, statement caches, allocator arenas under load.
    fill(&app, 2, 2_002).await;
    let before = resident_kib(&app);
    let live_before = live_actors(&app).await;
    fill(&app, 10_000, 10_000 + ACTORS).await;
    let live = live_actors(&app).await - live_before;
    let each = (resident_kib(&app) - before) as f64 / live;
    println!("  each of {live} live user actors adds   {each:.2} KiB");
    app.finish().await;
}

async fn fill(app: &App, from: i64, to: i64) {
    let filling = (from..to).map(|number| {
        let person: Person = app.minted(number);
        async move {
            let mut version = 0;
            for nth in 0..3 {
                version = person.log_cycle(&day(nth).to_string(), None).await.1;
            }
            person.prediction_at(version).await;
        }
    });
    stream::iter(filling).buffer_unordered(32).for_each(|()| async {}).await;
}

async fn live_actors(app: &App) -> f64 {
    let metrics = harness::Client::new(app.admin_url()).get("/metrics").await.text;
    let line = metrics.lines().find(|line| line.starts_with("lunation_analytics_live_actors "));
    let value = line.and_then(|line| line.rsplit(' ').next());
    value.and_then(|value| value.parse().ok()).expect("the gauge of live actors")
}

fn resident_kib(app: &App) -> i64 {
    let running = fs::read(app.data_dir().join("running.json")).unwrap();
    let running: serde_json::Value = serde_json::from_slice(&running).unwrap();
    let status = fs::read_to_string(format!("/proc/{}/status", running["pid"])).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn day(nth: u64) -> NaiveDate {
    NaiveDate::from_ymd_opt(2020, 1, 1).unwrap() + Days::new(28 * nth)
}
