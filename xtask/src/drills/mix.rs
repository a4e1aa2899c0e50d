//! The seeded mix: one thing after the other is done to any process, two of analytics among them.

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, Instant},
};

use anyhow::Result;
use lunation_xtask::{Random, Verdict};
use rustix::process::Signal;

use super::scene::{Course, End, Route, Scene};
use crate::instance::{BROKER, DATABASE, Instance};

/// However a write may fail: gateways that are paused keep nobody's time limit.
const END: End<'_> = End { within: Duration::from_mins(2), may_fail: None };
/// What a message may be at without being delivered again; a pause beyond it makes another process
/// take over, and the paused one finds out that it is late.
const ACK_WAIT: Duration = Duration::from_secs(30);
/// Whom most is done to.
const REPLICAS: [&str; 2] = ["analytics-1", "analytics-2"];
const OTHERS: [&str; 6] = ["users", "cycles", "notifications", "api", BROKER, DATABASE];

/// Something that is done to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Kill,
    Stop,
    Pause(Duration),
}

/// What is done next, and to whom.
struct Plan {
    random: Random,
    deaths: BTreeMap<&'static str, Vec<Instant>>,
    /// Whether a pause beyond [`ACK_WAIT`] is still to come.
    owes_long_pause: bool,
}

/// A process that stands still until then.
struct Paused {
    name: &'static str,
    pid: u32,
    until: Instant,
}

/// How often what was done.
#[derive(Default)]
struct Done {
    kills: BTreeMap<&'static str, u32>,
    stops: BTreeMap<&'static str, u32>,
    pauses: BTreeMap<&'static str, u32>,
    longest: Duration,
}

/// Does one thing after the other until the time is over; then everything runs again.
///
/// # Errors
/// The instance cannot be drilled.
pub(super) async fn run(instance: &mut Instance, course: &Course) -> Result<Verdict> {
    let mut scene = Scene::open(instance, course, Route::Gateways).await?;
    let mut done = Done::default();
    let mut plan = Plan::new(scene.random.clone(), course.lasts > ACK_WAIT * 2);
    let mut paused: Vec<Paused> = Vec::new();
    while !scene.is_over() {
        let rest = plan.rest();
        scene.rest(rest).await?;
        wake(scene.instance, &mut paused, Instant::now());
        let Some((name, fault)) = plan.next(&paused) else { continue };
        let signal = match fault {
            Fault::Kill => Signal::KILL,
            Fault::Stop => Signal::TERM,
            Fault::Pause(_) => Signal::STOP,
        };
        // One that does not run is about to be started again.
        let Ok(pid) = scene.instance.signal(name, signal) else { continue };
        scene.tell(format_args!("{fault} {name}"));
        done.count(name, fault);
        if let Fault::Pause(time) = fault {
            paused.push(Paused { name, pid, until: Instant::now() + time });
        }
    }
    wake(scene.instance, &mut paused, scene.end() + ACK_WAIT * 2);
    println!("{done}");
    scene.close(&END).await
}

/// Continues those whose time has come, unless they were given up meanwhile.
fn wake(instance: &Instance, paused: &mut Vec<Paused>, now: Instant) {
    for Paused { name, pid, .. } in paused.extract_if(.., |one| one.until <= now) {
        if instance.pid_of(name) == Some(pid) {
            let _gone_now = instance.signal(name, Signal::CONT);
        }
    }
}

impl Plan {
    fn new(random: Random, owes_long_pause: bool) -> Self {
        Self { random, deaths: BTreeMap::new(), owes_long_pause }
    }

    fn rest(&mut self) -> Duration {
        Duration::from_millis(1_500 + self.random.below(2_500))
    }

    /// Who is next, and what is done to them. One who stands still is left alone.
    fn next(&mut self, paused: &[Paused]) -> Option<(&'static str, Fault)> {
        if self.owes_long_pause && paused.is_empty() {
            self.owes_long_pause = false;
            let name = *self.random.pick(&REPLICAS)?;
            return Some((name, Fault::Pause(ACK_WAIT + Duration::from_secs(5))));
        }
        let from: &[&str] = if self.random.below(3) < 2 { &REPLICAS } else { &OTHERS };
        let name = *self.random.pick(from)?;
        let kind = self.random.below(4);
        let time = Duration::from_millis(500 + self.random.below(6_000));
        if paused.iter().any(|one| one.name == name) {
            return None;
        }
        let fault = match kind {
            0 | 1 => Fault::Pause(time),
            // Told to stop, Postgres waits until nobody is connected, which is never.
            2 if name != DATABASE => Fault::Stop,
            _ => Fault::Kill,
        };
        let may = matches!(fault, Fault::Pause(_)) || self.may_die(name);
        may.then_some((name, fault))
    }

    /// Whether another death is borne. An instance gives up on a process that dies six times within
    /// 30 s, and on Postgres when it dies four times within a minute.
    fn may_die(&mut self, name: &'static str) -> bool {
        let (deaths_max, window) = if name == DATABASE { (2, 60) } else { (3, 30) };
        let deaths = self.deaths.entry(name).or_default();
        deaths.retain(|death| death.elapsed() < Duration::from_secs(window));
        let may = deaths.len() < deaths_max;
        if may {
            deaths.push(Instant::now());
        }
        may
    }
}

impl Done {
    fn count(&mut self, name: &'static str, fault: Fault) {
        let counts = match fault {
            Fault::Kill => &mut self.kills,
            Fault::Stop => &mut self.stops,
            Fault::Pause(time) => {
                self.longest = self.longest.max(time);
                &mut self.pauses
            }
        };
        *counts.entry(name).or_default() += 1;
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill => formatter.write_str("kill"),
            Self::Stop => formatter.write_str("stop"),
            Self::Pause(time) => write!(formatter, "pause for {time:.1?}"),
        }
    }
}

impl fmt::Display for Done {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kills, stops, pauses, longest } = self;
        let list = |counts: &BTreeMap<&str, u32>| {
            let counts = counts.iter().map(|(name, count)| format!("{name} {count}"));
            counts.collect::<Vec<_>>().join(", ")
        };
        writeln!(formatter, "killed: {}\nstopped: {}", list(kills), list(stops))?;
        write!(formatter, "paused: {}; the longest for {longest:.1?}", list(pauses))
    }
}
