//! The processes of the groups: each killed, each told to stop, all told to stop and started again.

use std::time::Duration;

use anyhow::Result;
use lunation_xtask::{Failure, Verdict};
use rustix::process::Signal;

use super::scene::{Course, End, Route, Scene};
use crate::instance::Instance;

const WITHIN: Duration = Duration::from_secs(30);

/// Each killed, one after the other, with nobody else of its group.
///
/// # Errors
/// The instance cannot be drilled.
pub(super) async fn killed(instance: &mut Instance, course: &Course) -> Result<Verdict> {
    let scene = Scene::open(instance, course, Route::Gateways).await?;
    let scene = each(scene, Signal::KILL, "kill").await?;
    let killed = [Failure::Refused, Failure::Interrupted, Failure::Unconnected, Failure::Reset];
    scene.close(&End { within: WITHIN, may_fail: Some(&killed) }).await
}

/// Each told to stop, one after the other, while another one of its group runs. An instance starts
/// again whatever ends, whether it ended well or not. Nothing may be met but a gateway that is
/// gone, as long as people do not know of the new one.
///
/// # Errors
/// The instance cannot be drilled.
pub(super) async fn stopped(instance: &mut Instance, course: &Course) -> Result<Verdict> {
    let scene = Scene::open(instance, course, Route::GatewaysByNewConnections).await?;
    let scene = each(scene, Signal::TERM, "stop").await?;
    scene.close(&End { within: WITHIN, may_fail: Some(&[Failure::Unconnected]) }).await
}

/// Everything told to stop under load, and started again over what is on disk. The gateways go
/// first, and whatever they have taken is answered.
///
/// # Errors
/// The instance cannot be drilled.
pub(super) async fn restarted(instance: &mut Instance, course: &Course) -> Result<Verdict> {
    let mut scene = Scene::open(instance, course, Route::GatewaysByNewConnections).await?;
    while !scene.is_over() {
        scene.tell("stop everything");
        scene.instance.stop().await?;
        scene.instance.start_again().await?;
        scene.goes_on(100).await?;
        let rest = scene.between(500, 4_000);
        scene.rest(rest).await?;
    }
    let away = [Failure::Refused, Failure::Unconnected];
    scene.close(&End { within: WITHIN, may_fail: Some(&away) }).await
}

/// Sends a signal to one process after the other, each until it runs again.
async fn each<'a>(mut scene: Scene<'a>, signal: Signal, verb: &str) -> Result<Scene<'a>> {
    loop {
        for name in scene.instance.processes()? {
            if scene.is_over() {
                return Ok(scene);
            }
            scene.tell(format_args!("{verb} {name}"));
            scene.instance.replace(&name, signal).await?;
            scene.goes_on(20).await?;
            // A process is given up after more than five deaths in 30 s.
            let rest = scene.between(1_000, 3_000);
            scene.rest(rest).await?;
        }
    }
}
