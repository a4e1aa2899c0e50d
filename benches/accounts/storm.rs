//! What others notice of a storm of sign-ins, each of which costs a password hash.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use futures::future::join_all;
use serde_json::json;

use crate::{
    PASSWORD,
    harness::{App, Shape},
    sign_up,
    wire::{Wire, bearer, request},
};

/// Who signs in all the time: as many as the queue of hashing takes on two cores.
const CLIENTS: usize = 32;
/// The storm and the calm take turns.
const ROUNDS: usize = 6;
const READS: usize = 1_000;
/// How much later the slowest reads may be answered.
const BOUND: f64 = 3.0;

/// Reads a list of cycles, now while nothing else is done, and now in the storm.
pub(crate) async fn storm() {
    let app = App::start(Shape::Memory).await;
    let url = app.url();
    sign_up(&url, CLIENTS, "storm").await;
    let person = app.minted(1_000_001);
    for month in 1..=6 {
        person.log_cycle(&format!("2024-{month:02}-01"), None).await;
    }
    let mut wire = Wire::open(&url).await;
    let read = request("GET", "/api/cycles/cycles", &bearer(&person.token), None);
    reads(&mut wire, &read).await;
    let (mut idle, mut busy) = (Vec::new(), Vec::new());
    let (mut signed_in, mut refused, mut lasted) = (0, 0, Duration::ZERO);
    for _ in 0..ROUNDS {
        idle.extend(reads(&mut wire, &read).await);
        let storm = Storm::default();
        let reading = async {
            storm.rages().await;
            let begun = Instant::now();
            busy.extend(reads(&mut wire, &read).await);
            storm.is_over.store(true, Ordering::Relaxed);
            lasted += begun.elapsed();
        };
        let clients = join_all((0..CLIENTS).map(|number| storm.sign_in(&url, number)));
        futures::join!(reading, clients);
        signed_in += storm.signed_in.into_inner();
        refused += storm.refused.into_inner();
    }
    let each = (ROUNDS * READS) as f64;
    let a_second = signed_in as f64 / lasted.as_secs_f64();
    println!("\nA read of one user's cycles, {each} each, in turn");
    let calm = print_line("nothing else", idle);
    let stormy = print_line(&format!("{CLIENTS} clients signing in"), busy);
    println!(
        "  about {a_second:.0} sign-ins a second, {refused} refused; p99 is {:.2} times",
        stormy / calm
    );
    assert!(stormy < calm * BOUND, "under {BOUND} times is what it may be");
    app.finish().await;
}

#[derive(Default)]
struct Storm {
    is_over: AtomicBool,
    signed_in: AtomicUsize,
    refused: AtomicUsize,
}

impl Storm {
    async fn sign_in(&self, url: &str, number: usize) {
        let mut wire = Wire::open(url).await;
        let body = json!({"email": format!("storm{number}@example.org"), "password": PASSWORD});
        let login = request("POST", "/api/users/login", "", Some(&body));
        while !self.is_over.load(Ordering::Relaxed) {
            let (status, _) = wire.send(&login).await;
            // What comes afterwards is the queue that is left.
            if self.is_over.load(Ordering::Relaxed) {
                return;
            }
            let count = if status == 200 { &self.signed_in } else { &self.refused };
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until the first were served.
    async fn rages(&self) {
        while self.signed_in.load(Ordering::Relaxed) < 4 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

async fn reads(wire: &mut Wire, read: &[u8]) -> Vec<Duration> {
    let mut times = Vec::new();
    for _ in 0..READS {
        let begun = Instant::now();
        let (status, _) = wire.send(read).await;
        times.push(begun.elapsed());
        assert_eq!(status, 200);
    }
    times
}

/// Prints the quantiles and gives the 99th percentile in milliseconds.
fn print_line(what: &str, mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    let at = |percent: usize| times[times.len() * percent / 100].as_secs_f64() * 1e3;
    println!("  {what:<26} p50 {:7.3} ms   p99 {:7.3} ms", at(50), at(99));
    at(99)
}
