//! The broker away for a minute, and its store gone: people write at the port of the cycles group,
//! which needs no broker to take a write.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use lunation_xtask::{Load, Settings, Verdict};
use rustix::process::Signal;
use tokio::time::sleep;

use crate::{
    drills::{PATIENCE, people},
    instance::{Instance, send},
};

/// Everything is caught up so soon after the broker's return.
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(30);
/// And so soon after it has lost what it stored.
const HEALED_WITHIN: Duration = Duration::from_mins(2);

/// Both, one after the other; every write has to be taken at once.
///
/// # Errors
/// The instance cannot be drilled.
pub(crate) async fn run(instance: &Instance, seed: u64, away: Duration) -> Result<Vec<Verdict>> {
    let broker = instance.running()?.nats_pid.context("there is no broker")?;

    let load = start(instance, "away", seed).await?;
    println!("{:>6} writes  the broker is away for {away:.0?}", load.acknowledged());
    send(broker, Signal::STOP)?;
    sleep(away).await;
    println!("{:>6} writes  it is back", load.acknowledged());
    send(broker, Signal::CONT)?;
    let outage = finish(load, CAUGHT_UP_WITHIN).await;

    let load = start(instance, "wiped", seed).await?;
    println!("{:>6} writes  its store is deleted while it runs", load.acknowledged());
    fs::remove_dir_all(instance.broker_store()).context("the broker's store")?;
    load.goes_on(100, PATIENCE).await?;
    // What it still has open is gone with it; the instance starts it again.
    send(broker, Signal::KILL)?;
    load.goes_on(100, PATIENCE).await?;
    println!("{:>6} writes  it runs again, over nothing", load.acknowledged());
    Ok(vec![outage, finish(load, HEALED_WITHIN).await])
}

async fn start(instance: &Instance, name: &str, seed: u64) -> Result<Load> {
    let people = people(instance, name).await?;
    let settings = Settings { seed, patience: PATIENCE, ..Settings::default() };
    let load = Load::start(instance.addresses_past_the_broker()?, &people, &settings)?;
    load.goes_on(100, PATIENCE).await?;
    Ok(load)
}

async fn finish(load: Load, within: Duration) -> Verdict {
    let begun = Instant::now();
    let mut verdict = load.stop().await.verify(within).await;
    println!("        everything compared after {:.1?}", begun.elapsed());
    if let Some(failed) = verdict.failures.other_than(&[]) {
        verdict.problems.push(format!("not every write was taken at once: {failed}"));
    }
    verdict
}
