//! What every drill has: an instance, people who write, a time that it takes, and an end at which
//! everything is compared.

use std::{
    fmt,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use lunation_xtask::{Addresses, Failure, Load, Person, Random, Settings, Verdict};
use tokio::time::sleep;

use crate::instance::Instance;

/// Who logs cycles.
const PEOPLE: usize = 12;
/// How long the load may need to get on, and how long a write may be tried after the end.
const PATIENCE: Duration = Duration::from_mins(2);

/// How a drill is done.
pub(super) struct Course {
    /// The same seed, the same faults and writes.
    pub(super) seed: u64,
    /// How long faults go on.
    pub(super) lasts: Duration,
}

/// Where people write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// At the gateways.
    Gateways,
    /// The same, with a connection for each request: a server that stops closes idle connections,
    /// and a client that uses one at that very moment cannot know whether its request arrived.
    GatewaysByNewConnections,
    /// At the port of the cycles group, which needs no broker to take a write.
    PastTheBroker,
}

/// How a drill has to end.
pub(super) struct End<'a> {
    /// How soon the read models have to be there.
    pub(super) within: Duration,
    /// How writes may have failed before they were tried again; in any way if there is none.
    pub(super) may_fail: Option<&'a [Failure]>,
}

/// A drill that goes on.
pub(super) struct Scene<'a> {
    pub(super) instance: &'a mut Instance,
    pub(super) random: Random,
    load: Load,
    route: Route,
    begun: Instant,
    lasts: Duration,
}

impl<'a> Scene<'a> {
    /// Lets people write.
    ///
    /// # Errors
    /// They cannot.
    pub(super) async fn open(
        instance: &'a mut Instance,
        course: &Course,
        route: Route,
    ) -> Result<Self> {
        let gateway = instance.addresses()?.gateway;
        let mut people = Vec::new();
        for number in 1..=PEOPLE {
            people.push(Person::register(&gateway, &format!("drill{number}")).await?);
        }
        let settings = Settings {
            seed: course.seed,
            patience: PATIENCE,
            keep_alive: route != Route::GatewaysByNewConnections,
            ..Settings::default()
        };
        let load = Load::start(addresses(instance, route)?, &people, &settings)?;
        load.goes_on(100, PATIENCE).await?;
        // The writers have the forks from 1 on.
        let random = Random::new(course.seed).fork(0);
        Ok(Self { instance, random, load, route, begun: Instant::now(), lasts: course.lasts })
    }

    /// Whether its time is over.
    pub(super) fn is_over(&self) -> bool {
        self.begun.elapsed() >= self.lasts
    }

    /// When its time is over.
    pub(super) fn end(&self) -> Instant {
        self.begun + self.lasts
    }

    /// Tells whoever watches what is done.
    pub(super) fn tell(&self, what: impl fmt::Display) {
        let (at, writes) = (self.begun.elapsed().as_secs(), self.load.acknowledged());
        println!("{at:>4} s  {writes:>6} writes  {what}");
    }

    /// Lets the load go on for a while.
    ///
    /// # Errors
    /// The instance has ended.
    pub(super) async fn rest(&mut self, time: Duration) -> Result<()> {
        sleep(time).await;
        self.moved()
    }

    /// From some milliseconds to others, as the seed says.
    pub(super) fn between(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.random.below(to - from))
    }

    /// People turn to where the instance is reached now.
    ///
    /// # Errors
    /// The instance has ended.
    pub(super) fn moved(&mut self) -> Result<()> {
        self.instance.still_runs()?;
        self.load.moved(addresses(self.instance, self.route)?);
        Ok(())
    }

    /// Waits for so many more writes.
    ///
    /// # Errors
    /// They do not come, or the instance has ended.
    pub(super) async fn goes_on(&mut self, writes: u64) -> Result<()> {
        self.moved()?;
        let on = self.load.goes_on(writes, PATIENCE).await;
        self.instance.still_runs()?;
        on
    }

    /// Ends the load and compares everything.
    ///
    /// # Errors
    /// Nothing is written any more.
    pub(super) async fn close(mut self, end: &End<'_>) -> Result<Verdict> {
        let End { within, may_fail } = end;
        self.goes_on(20).await.context("nothing is written after the last fault")?;
        let mut verdict = self.load.stop().await.verify(*within).await;
        if let Some(other) = may_fail.and_then(|expected| verdict.failures.other_than(expected)) {
            verdict.problems.push(format!("writes failed in another way: {other}"));
        }
        Ok(verdict)
    }
}

fn addresses(instance: &Instance, route: Route) -> Result<Addresses> {
    match route {
        Route::Gateways | Route::GatewaysByNewConnections => instance.addresses(),
        Route::PastTheBroker => instance.addresses_past_the_broker(),
    }
}
