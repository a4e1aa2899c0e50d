//! The broker away, killed, its store wiped, its store rolled back. People write past it, and every
//! write has to be taken at once.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use lunation_xtask::Verdict;
use rustix::process::Signal;

use super::scene::{Course, End, Route, Scene};
use crate::instance::{BROKER, Instance};

/// Everything is caught up so soon after the broker's return.
const CAUGHT_UP: End<'_> = End { within: Duration::from_secs(30), may_fail: Some(&[]) };
/// And so soon after it has lost what it stored.
const HEALED: End<'_> = End { within: Duration::from_mins(2), may_fail: Some(&[]) };

/// Away all the time.
///
/// # Errors
/// The instance cannot be drilled.
pub(super) async fn away(instance: &mut Instance, course: &Course) -> Result<Verdict> {
    let mut scene = Scene::open(instance, course, Route::PastTheBroker).await?;
    scene.tell("the broker is away");
    scene.instance.signal(BROKER, Signal::STOP)?;
    while !scene.is_over() {
        scene.goes_on(20).await?;
    }
    scene.instance.signal(BROKER, Signal::CONT)?;
    scene.tell("it is back");
    scene.close(&CAUGHT_UP).await
}

/// Killed, again and again.
///
/// # Errors
/// The instance cannot be drilled.
pub(super) async fn killed(instance: &mut Instance, course: &Course) -> Result<Verdict> {
    let mut scene = Scene::open(instance, course, Route::PastTheBroker).await?;
    while !scene.is_over() {
        scene.tell("kill the broker");
        scene.instance.replace(BROKER, Signal::KILL).await?;
        scene.goes_on(20).await?;
        // It is given up after more than five deaths in 30 s.
        let rest = scene.between(6_000, 10_000);
        scene.rest(rest).await?;
    }
    scene.close(&CAUGHT_UP).await
}

/// Its store deleted while it runs. What it still has open is gone with it, so it is killed.
///
/// # Errors
/// The instance cannot be drilled.
pub(super) async fn wiped(instance: &mut Instance, course: &Course) -> Result<Verdict> {
    let mut scene = Scene::open(instance, course, Route::PastTheBroker).await?;
    while !scene.is_over() {
        scene.tell("delete its store while it runs");
        remove(&scene.instance.broker_store())?;
        scene.goes_on(100).await?;
        // A server that notices writes some of it again.
        remove(&scene.instance.broker_store())?;
        scene.instance.replace(BROKER, Signal::KILL).await?;
        scene.tell("it runs again, over nothing");
        let rest = scene.between(6_000, 12_000);
        scene.rest(rest).await?;
    }
    scene.close(&HEALED).await
}

/// Its store replaced by an older copy. It stands still while it is copied and when it is replaced,
/// and it is killed before it can notice.
///
/// # Errors
/// The instance cannot be drilled.
pub(super) async fn rolled_back(instance: &mut Instance, course: &Course) -> Result<Verdict> {
    let mut scene = Scene::open(instance, course, Route::PastTheBroker).await?;
    let store = scene.instance.broker_store();
    let copy = store.with_file_name("older");
    while !scene.is_over() {
        scene.instance.signal(BROKER, Signal::STOP)?;
        let copied = Command::new("cp").arg("-a").arg(&store).arg(&copy).status()?;
        ensure!(copied.success(), "the store cannot be copied");
        scene.instance.signal(BROKER, Signal::CONT)?;
        let copied_at = Instant::now();
        let rest = scene.between(5_000, 12_000);
        scene.rest(rest).await?;
        scene.instance.signal(BROKER, Signal::STOP)?;
        remove(&store)?;
        fs::rename(&copy, &store).context("the older copy")?;
        scene.tell(format_args!("put its store of {:.1?} ago back", copied_at.elapsed()));
        scene.instance.replace(BROKER, Signal::KILL).await?;
        let rest = scene.between(6_000, 12_000);
        scene.rest(rest).await?;
    }
    scene.close(&HEALED).await
}

fn remove(store: &Path) -> Result<()> {
    // A server that is at it may make something anew in between.
    let removed = (0..5).any(|_| fs::remove_dir_all(store).is_ok() || !store.exists());
    ensure!(removed, "the broker's store cannot be removed");
    Ok(())
}
