//! The long drill: two processes of analytics, kill and pause faults every few seconds, a load.

use std::{
    collections::BTreeMap,
    fmt,
    path::PathBuf,
    process::{Command, id},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use lunation_xtask::{Load, Person, Random, Settings, Verdict};
use rustix::process::Signal;
use tokio::time::sleep;

use crate::{
    instance::{Instance, Running, send},
    outages,
};

/// Who logs cycles.
const PEOPLE: usize = 12;
/// What has two processes.
const REPLICAS: &str = "analytics=2";
/// The NATS server.
const BROKER: &str = "nats";
/// How long after the last fault everything may take to be there.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);
/// What a message may be at without being delivered again; a pause beyond it makes another process
/// take over, and the paused one finds out that it is late.
const ACK_WAIT: Duration = Duration::from_secs(30);
/// An instance gives up on a process that dies six times within 30 s.
const DEATHS_MAX: usize = 3;
const DEATH_WINDOW: Duration = Duration::from_secs(30);

/// What to do.
#[derive(Args)]
pub(crate) struct Options {
    /// How long faults go on
    #[arg(long, default_value_t = 5.0)]
    minutes: f64,
    /// The seed of faults and writes; the run prints which one it has
    #[arg(long)]
    seed: Option<u64>,
    /// Instead: the broker is away for these seconds, and then loses its store
    #[arg(long, value_name = "SECONDS", conflicts_with = "minutes")]
    broker_away: Option<u64>,
    /// The program under drill, instead of the one that is built first (dev profile)
    #[arg(long)]
    binary: Option<PathBuf>,
}

/// Something that is done to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Kill,
    Pause(Duration),
}

/// What is done next, and to whom.
struct Plan {
    random: Random,
    deaths: BTreeMap<String, Vec<Instant>>,
    /// Whether a pause beyond [`ACK_WAIT`] is still to come.
    owes_long_pause: bool,
}

/// A process that stands still until then.
struct Paused {
    name: String,
    pid: u32,
    until: Instant,
}

/// How often what was done.
#[derive(Default)]
struct Done {
    kills: BTreeMap<String, u32>,
    pauses: BTreeMap<String, u32>,
    longest: Duration,
}

/// Runs the drill; says whether nothing was wrong.
///
/// # Errors
/// The instance does not start, gives up, or does not stop.
pub(crate) async fn run(options: Options) -> Result<bool> {
    let seed = options.seed.unwrap_or_else(|| u64::from(id()));
    let lasts = Duration::try_from_secs_f64(options.minutes * 60.0).context("the minutes")?;
    let binary = options.binary.map_or_else(build, Ok)?;
    println!("seed {seed}, {}", binary.display());
    let mut instance = Instance::start(&binary, REPLICAS).await?;
    let result = match options.broker_away {
        Some(seconds) => outages::run(&instance, seed, Duration::from_secs(seconds)).await,
        None => drill(&mut instance, seed, lasts).await.map(|verdict| vec![verdict]),
    };
    let clean = result.as_ref().is_ok_and(|verdicts| verdicts.iter().all(Verdict::is_clean));
    if !clean {
        println!("left behind: {}", instance.keep().display());
    }
    for verdict in result? {
        println!("{verdict}");
    }
    instance.stop().await?;
    let word = if clean { "clean" } else { "NOT clean" };
    println!("{word}; the same faults and writes again: --seed {seed}");
    Ok(clean)
}

async fn drill(instance: &mut Instance, seed: u64, lasts: Duration) -> Result<Verdict> {
    let people = people(instance, "drill").await?;
    let settings = Settings { seed, patience: PATIENCE, ..Settings::default() };
    let load = Load::start(instance.addresses()?, &people, &settings)?;
    load.goes_on(1, PATIENCE).await?;
    let done = faults(instance, &load, seed, lasts).await?;
    println!("{done}");
    load.goes_on(1, PATIENCE).await.context("nothing is written after the last fault")?;
    Ok(load.stop().await.verify(PATIENCE).await)
}

/// Registers those who write.
pub(crate) async fn people(instance: &Instance, name: &str) -> Result<Vec<Person>> {
    let gateway = instance.addresses()?.gateway;
    let mut people = Vec::new();
    for number in 1..=PEOPLE {
        people.push(Person::register(&gateway, &format!("{name}{number}")).await?);
    }
    Ok(people)
}

/// Does one thing after the other until the time is over; then everything runs again.
async fn faults(instance: &mut Instance, load: &Load, seed: u64, lasts: Duration) -> Result<Done> {
    let (begun, mut done) = (Instant::now(), Done::default());
    let mut plan = Plan::new(seed, lasts > ACK_WAIT * 2);
    let mut paused: Vec<Paused> = Vec::new();
    while begun.elapsed() < lasts {
        sleep(plan.rest()).await;
        instance.still_runs()?;
        wake(instance, &mut paused, Instant::now())?;
        let running = instance.running()?;
        load.moved(instance.addresses()?);
        let Some((name, pid, fault)) = plan.next(&running, &paused) else { continue };
        // It is about to be started again.
        if !instance.owns(pid) {
            continue;
        }
        let at = begun.elapsed().as_secs();
        println!("{at:>4} s  {:>6} writes  {fault} {name}", load.acknowledged());
        match fault {
            Fault::Kill => {
                send(pid, Signal::KILL)?;
                *done.kills.entry(name).or_default() += 1;
            }
            Fault::Pause(time) => {
                send(pid, Signal::STOP)?;
                *done.pauses.entry(name.clone()).or_default() += 1;
                done.longest = done.longest.max(time);
                paused.push(Paused { name, pid, until: Instant::now() + time });
            }
        }
    }
    wake(instance, &mut paused, begun + lasts + ACK_WAIT * 2)?;
    Ok(done)
}

/// Continues those whose time has come.
fn wake(instance: &Instance, paused: &mut Vec<Paused>, now: Instant) -> Result<()> {
    for Paused { pid, .. } in paused.extract_if(.., |one| one.until <= now) {
        if instance.owns(pid) {
            send(pid, Signal::CONT)?;
        }
    }
    Ok(())
}

impl Plan {
    fn new(seed: u64, owes_long_pause: bool) -> Self {
        // The writers have the forks from 1 on.
        Self { random: Random::new(seed).fork(0), deaths: BTreeMap::new(), owes_long_pause }
    }

    fn rest(&mut self) -> Duration {
        Duration::from_millis(1_500 + self.random.below(2_500))
    }

    /// Who is next, and what is done to them. One who stands still is left alone, and one other
    /// process of the same group always runs, if there is one.
    fn next(&mut self, running: &Running, paused: &[Paused]) -> Option<(String, u32, Fault)> {
        let is_paused = |name: &str| paused.iter().any(|one| one.name == name);
        let analytics: Vec<&str> = running
            .processes
            .iter()
            .map(|process| process.name.as_str())
            .filter(|name| name.starts_with("analytics"))
            .collect();
        if self.owes_long_pause && paused.is_empty() {
            self.owes_long_pause = false;
            let name = (*self.random.pick(&analytics)?).to_owned();
            let time = ACK_WAIT + Duration::from_secs(5);
            return Some((name.clone(), pid_of(running, &name)?, Fault::Pause(time)));
        }
        let others = ["users", "cycles", "notifications", BROKER];
        let from = if self.random.below(3) < 2 { analytics.as_slice() } else { &others };
        let name = (*self.random.pick(from)?).to_owned();
        let pid = pid_of(running, &name)?;
        // An instance does not announce the process of a NATS server that it had to start again.
        let kills = self.random.below(2) == 0 && name != BROKER;
        let time = Duration::from_millis(500 + self.random.below(6_000));
        if is_paused(&name) {
            return None;
        }
        if !kills {
            return Some((name, pid, Fault::Pause(time)));
        }
        let deaths = self.deaths.entry(name.clone()).or_default();
        deaths.retain(|death| death.elapsed() < DEATH_WINDOW);
        if deaths.len() >= DEATHS_MAX {
            return None;
        }
        deaths.push(Instant::now());
        Some((name, pid, Fault::Kill))
    }
}

fn pid_of(running: &Running, name: &str) -> Option<u32> {
    if name == BROKER {
        return running.nats_pid;
    }
    running.processes.iter().find(|process| process.name == name).map(|process| process.pid)
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill => formatter.write_str("kill"),
            Self::Pause(time) => write!(formatter, "pause for {time:.1?}"),
        }
    }
}

impl fmt::Display for Done {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kills, pauses, longest } = self;
        let list = |counts: &BTreeMap<String, u32>| {
            counts.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>()
        };
        let (kills, pauses) = (list(kills).join(", "), list(pauses).join(", "));
        write!(formatter, "killed: {kills}\npaused: {pauses}; the longest for {longest:.1?}")
    }
}

/// Builds the program and says where it is.
#[expect(clippy::disallowed_methods, reason = "cargo tells where it is in the environment")]
fn build() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments =
        ["build", "--package", "lunation", "--bin", "lunation", "--message-format", "json"];
    let output = Command::new(cargo)
        .args(arguments)
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("cargo cannot be run")?;
    ensure!(output.status.success(), "the program cannot be built");
    let messages = String::from_utf8_lossy(&output.stdout);
    let executable = messages.lines().rev().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    });
    executable.context("cargo built no program")
}
