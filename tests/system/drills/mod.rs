//! Failure drills: something is done to the processes while people write, and afterwards everything
//! that was acknowledged is there, once, and nobody has seen anything that must not be.
//!
//! The load and the checker are those of the long drill, `cargo xtask drills`.

mod broker;
mod database;
mod erasure;
mod groups;
mod poison;
mod replicas;
mod shutdown;

use std::time::{Duration, Instant};

use xtask::{Addresses, Failure, Load, Person, Settings, Tally, Verdict};

use crate::harness::{App, Options, Shape, wait};

/// Who writes.
const PEOPLE: i64 = 8;
const MINTED: i64 = 1_000_000;
/// How long the load may need to get on: the machine may be a busy one.
const PATIENCE: Duration = Duration::from_mins(1);
/// What may become of a request when a process is killed.
const KILLED: &[Failure] =
    &[Failure::Refused, Failure::Interrupted, Failure::Unconnected, Failure::Reset];

/// A split system under load.
struct Drill {
    app: App,
    load: Load,
}

impl Drill {
    async fn start() -> Self {
        Self::under(App::start(Shape::Split).await, &Settings::default()).await
    }

    async fn with(options: Options, settings: &Settings) -> Self {
        Self::under(App::start_with(Shape::Split, options).await, settings).await
    }

    async fn under(app: App, settings: &Settings) -> Self {
        let people: Vec<Person> = (1..=PEOPLE)
            .map(|number| {
                // Nobody who registers has such an id.
                let minted = app.minted(MINTED + number);
                Person::with_token(minted.id, minted.token)
            })
            .collect();
        let load = Load::start(addresses(&app), &people, settings).unwrap();
        let drill = Self { app, load };
        drill.goes_on(20).await;
        drill
    }

    /// Waits for so many more acknowledged writes.
    async fn goes_on(&self, writes: u64) {
        if let Err(error) = self.load.goes_on(writes, PATIENCE).await {
            panic!("{error:#}\n{}", self.app.output());
        }
    }

    /// Waits until the watchers have had so many more answers.
    async fn is_watched(&self, looks: u64) {
        if let Err(error) = self.load.is_watched(looks, PATIENCE).await {
            panic!("{error:#}\n{}", self.app.output());
        }
    }

    /// Processes have other addresses now.
    fn moved(&self) {
        self.load.moved(addresses(&self.app));
    }

    /// Ends the load and the system, and says what came of it: nothing may be wrong, the read
    /// models have to be there in time, and no request may have failed in another way than these.
    async fn finish(self, converged_within: Duration, expected: &[Failure]) -> Verdict {
        let (app, verdict) = self.end_load(converged_within, expected).await;
        app.finish().await;
        verdict
    }

    /// The same, and the system goes on.
    async fn end_load(self, converged_within: Duration, expected: &[Failure]) -> (App, Verdict) {
        let Self { app, load } = self;
        let verdict = load.stop().await.verify(converged_within).await;
        eprintln!("{verdict}");
        assert!(verdict.is_clean(), "{verdict}\n{}", app.output());
        assert_eq!(verdict.failures.other_than(expected), None, "{}", app.output());
        (app, verdict)
    }
}

/// The gateways, and every process of analytics by itself.
fn addresses(app: &App) -> Addresses {
    let mut addresses = Addresses::one(app.url());
    addresses.writes = app.urls_of("api");
    addresses.analytics.extend(app.urls_of("analytics"));
    addresses
}

/// Lets an outage last: its length is what the drill is about.
async fn lasting(time: Duration) {
    let begun = Instant::now();
    let patience = time + wait::PATIENCE;
    let over = || async { (begun.elapsed() >= time).then_some(()) };
    wait::until_within(patience, "the outage to be over", over).await;
}

/// How many requests failed.
fn failed(tally: &Tally) -> u64 {
    let all = [
        Failure::Refused,
        Failure::RefusedBare,
        Failure::Interrupted,
        Failure::Internal,
        Failure::Unconnected,
        Failure::Reset,
        Failure::TimedOut,
    ];
    all.map(|failure| tally.of(failure)).iter().sum()
}
