//! The long drills: something is done to a split instance for minutes while people write, and
//! afterwards everything that was acknowledged is there, once, and nobody has seen what must not
//! be. Their short forms are in `tests/system/drills`.
//!
//! All is done from outside, and an instance starts again whatever of its own dies, within a
//! second. So its broker is away for longer only by being paused, which is the harder case:
//! connections stay and nobody answers. A broker that is gone, and a dead letter that is replayed
//! after its cause is gone (which needs fault points), are among the short forms.

mod broker;
mod database;
mod mix;
mod poison;
mod processes;
mod scene;

use std::{
    path::{Path, PathBuf},
    process::{Command, id},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};
use lunation_xtask::Verdict;

use self::scene::Course;
use crate::instance::{Instance, Setup};

/// What to do.
#[derive(Args)]
pub(crate) struct Options {
    /// Which drills, in this order, each over an instance of its own
    #[arg(long, value_enum, value_delimiter = ',', default_value = "mix", value_name = "DRILL")]
    only: Vec<Drill>,
    /// Every drill there is
    #[arg(long, conflicts_with = "only")]
    all: bool,
    /// How long the faults of each drill go on
    #[arg(long, default_value_t = 5.0)]
    minutes: f64,
    /// The seed of faults and writes; the run prints which one it has
    #[arg(long)]
    seed: Option<u64>,
    /// The program under drill, instead of the one that is built first (dev profile)
    #[arg(long)]
    binary: Option<PathBuf>,
}

/// A drill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Drill {
    /// Kills, pauses and stops every few seconds, of any process, as the seed says
    Mix,
    /// The process of each group killed, one after the other
    GroupsKilled,
    /// One of two processes of each group told to stop (SIGTERM), one after the other
    GroupsStopped,
    /// Everything told to stop and started again
    Restarted,
    /// The broker away all the time
    BrokerAway,
    /// The broker killed
    BrokerKilled,
    /// The broker's store deleted while it runs
    BrokerWiped,
    /// The broker's store replaced by an older copy
    BrokerRolledBack,
    /// Postgres killed
    DatabaseKilled,
    /// Postgres paused
    DatabasePaused,
    /// Events that nobody can read
    Poison,
}

/// Runs the drills; says whether nothing was wrong.
///
/// # Errors
/// The program cannot be built.
pub(crate) async fn run(options: Options) -> Result<bool> {
    let Options { only, all, minutes, seed, binary } = options;
    let lasts = Duration::try_from_secs_f64(minutes * 60.0).context("the minutes")?;
    let course = Course { seed: seed.unwrap_or_else(|| u64::from(id())), lasts };
    let binary = binary.map_or_else(build, Ok)?;
    let drills = if all { Drill::value_variants() } else { only.as_slice() };
    let mut failed = Vec::new();
    for drill in drills {
        println!("{}, seed {}, {}", drill.name(), course.seed, binary.display());
        let is_clean = match drill.run(&binary, &course).await {
            Ok(is_clean) => is_clean,
            Err(error) => {
                println!("{error:#}");
                false
            }
        };
        println!("{} is {}", drill.name(), if is_clean { "clean" } else { "NOT clean" });
        if !is_clean {
            failed.push(drill.name());
        }
    }
    if !failed.is_empty() {
        let (names, seed) = (failed.join(","), course.seed);
        println!(
            "the same faults and writes again: --only {names} --seed {seed} --minutes {minutes}"
        );
    }
    Ok(failed.is_empty())
}

impl Drill {
    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Runs the drill over a new instance; says whether nothing was wrong.
    async fn run(self, binary: &Path, course: &Course) -> Result<bool> {
        let setup = Setup {
            binary: binary.to_owned(),
            replicas: match self {
                Self::Mix | Self::Restarted => "analytics=2",
                Self::GroupsStopped => "users=2,cycles=2,analytics=2,notifications=2,api=2",
                _ => "analytics=1",
            },
        };
        let mut instance = Instance::start(setup).await?;
        let result = self.over(&mut instance, course).await;
        if let Ok(verdict) = &result {
            println!("{verdict}");
        }
        let is_clean = result.as_ref().is_ok_and(Verdict::is_clean);
        if !is_clean {
            println!("left behind: {}", instance.keep().display());
        }
        result?;
        let stopped = instance.stop().await;
        if stopped.is_err() {
            println!("left behind: {}", instance.keep().display());
        }
        stopped?;
        Ok(is_clean)
    }

    async fn over(self, instance: &mut Instance, course: &Course) -> Result<Verdict> {
        match self {
            Self::Mix => mix::run(instance, course).await,
            Self::GroupsKilled => processes::killed(instance, course).await,
            Self::GroupsStopped => processes::stopped(instance, course).await,
            Self::Restarted => processes::restarted(instance, course).await,
            Self::BrokerAway => broker::away(instance, course).await,
            Self::BrokerKilled => broker::killed(instance, course).await,
            Self::BrokerWiped => broker::wiped(instance, course).await,
            Self::BrokerRolledBack => broker::rolled_back(instance, course).await,
            Self::DatabaseKilled => database::killed(instance, course).await,
            Self::DatabasePaused => database::paused(instance, course).await,
            Self::Poison => poison::run(instance, course).await,
        }
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
