//! Postgres killed and paused.

use std::time::Duration;

use anyhow::Result;
use lunation_xtask::{Failure, Verdict};
use rustix::process::Signal;

use super::scene::{Course, End, Route, Scene};
use crate::instance::{DATABASE, Instance};

/// What may become of a write meanwhile: it was certainly not carried out, or nobody knows.
const END: End<'_> = End {
    within: Duration::from_secs(30),
    may_fail: Some(&[Failure::Refused, Failure::Interrupted]),
};

/// Killed without a chance to shut down; the instance starts it again.
///
/// # Errors
/// The instance cannot be drilled.
pub(super) async fn killed(instance: &mut Instance, course: &Course) -> Result<Verdict> {
    let mut scene = Scene::open(instance, course, Route::Gateways).await?;
    while !scene.is_over() {
        scene.tell("kill Postgres");
        scene.instance.replace(DATABASE, Signal::KILL).await?;
        scene.goes_on(50).await?;
        // It is given up after more than three deaths in a minute.
        let rest = scene.between(20_000, 24_000);
        scene.rest(rest).await?;
    }
    scene.close(&END).await
}

/// Paused, for less and for more than any request or connection waits.
///
/// # Errors
/// The instance cannot be drilled.
pub(super) async fn paused(instance: &mut Instance, course: &Course) -> Result<Verdict> {
    let mut scene = Scene::open(instance, course, Route::Gateways).await?;
    while !scene.is_over() {
        let time = scene.between(500, 15_000);
        scene.tell(format_args!("pause Postgres for {time:.1?}"));
        scene.instance.signal(DATABASE, Signal::STOP)?;
        scene.rest(time).await?;
        scene.instance.signal(DATABASE, Signal::CONT)?;
        scene.goes_on(50).await?;
        let rest = scene.between(1_000, 4_000);
        scene.rest(rest).await?;
    }
    scene.close(&END).await
}
