//! One process of a split instance: started, found, started again when it dies, stopped.

use std::{
    env,
    ffi::OsString,
    fs, io,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use rustix::process::Signal;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::merged_log::MergedLog;
use crate::{
    config::Group,
    keeper::{self, Keeper},
    lifecycle::GaveUp,
    running::{self, RunningProcess},
};

/// Deaths within [`DEATH_WINDOW`] that are borne; one more, and the instance gives up.
const DEATHS_MAX: usize = 5;
const DEATH_WINDOW: Duration = Duration::from_secs(30);
/// The pause before a process is started again after its first death; doubled with each further one.
const RESTART_PAUSE: Duration = Duration::from_millis(100);
/// How long a process may take to start.
const START_PATIENCE: Duration = Duration::from_mins(1);
/// How often the data directory of a starting process is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// A process needs at most 35 s to stop cleanly.
const STOP: [(Signal, Duration); 2] =
    [(Signal::TERM, Duration::from_secs(40)), (Signal::KILL, Duration::from_secs(5))];

/// How long to wait after so many deaths.
pub(super) fn restart_pause(deaths: usize) -> Duration {
    let doublings = u32::try_from(deaths.saturating_sub(1)).unwrap_or(u32::MAX).min(6);
    RESTART_PAUSE * 2_u32.pow(doublings)
}

/// What a process is started with.
pub(super) struct Plan {
    /// Its group, with a number where there are several.
    pub(super) label: String,
    /// What it hosts.
    pub(super) group: Group,
    /// The flags of its `serve`.
    pub(super) arguments: Vec<OsString>,
    /// The variables that are its own; secrets are here and not among the flags, which everybody
    /// on the machine can see.
    pub(super) environment: Vec<(String, SecretString)>,
    /// The variables of ours that are none of its business.
    pub(super) withheld: Vec<String>,
    /// Where it says how it is found.
    pub(super) data_dir: PathBuf,
}

/// A process and what is known of it.
pub(super) struct Member {
    plan: Plan,
    log: MergedLog,
    keeper: Mutex<Option<Keeper>>,
}

impl Member {
    pub(super) fn new(plan: Plan, log: MergedLog) -> Self {
        Self { plan, log, keeper: Mutex::new(None) }
    }

    pub(super) fn group(&self) -> Group {
        self.plan.group
    }

    /// Starts the process and waits until it serves.
    ///
    /// # Errors
    /// It ended or did not serve in time; its own log says why.
    pub(super) async fn start(&self) -> Result<RunningProcess> {
        let label = &self.plan.label;
        fs::create_dir_all(&self.plan.data_dir)
            .with_context(|| format!("{} cannot be created", self.plan.data_dir.display()))?;
        // What an earlier one left may name the very process id that this one gets.
        match fs::remove_file(self.plan.data_dir.join(running::FILE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).context("running.json of an earlier process");
            }
            _ => {}
        }
        let log = self.log.clone();
        let owner = label.clone();
        let keeper = Keeper::start(label, self.command()?, Signal::TERM, move |lines| {
            log.copy(&owner, lines);
        })?;
        let pid = keeper.pid().as_raw_nonzero().get().unsigned_abs();
        let exited = keeper.exited();
        *self.keeper.lock().unwrap_or_else(PoisonError::into_inner) = Some(keeper);
        tokio::select! {
            status = exited => bail!("{label} could not be started ({status}); its log lines say why"),
            found = self.found(pid) => found,
            () = sleep(START_PATIENCE) => bail!("{label} did not start in {START_PATIENCE:?}"),
        }
    }

    /// Starts the process again whenever it dies, until `stopping`; tells `found` where it then is.
    ///
    /// # Errors
    /// It died too often.
    pub(super) async fn supervise(
        &self,
        stopping: &CancellationToken,
        found: impl Fn(RunningProcess),
    ) -> Result<()> {
        let mut deaths: Vec<Instant> = Vec::new();
        let mut failed_starts = 0;
        while let Some(exited) = self.exited() {
            let status = tokio::select! {
                () = stopping.cancelled() => return Ok(()),
                status = exited => status,
            };
            if stopping.is_cancelled() {
                return Ok(());
            }
            let now = Instant::now();
            deaths.retain(|death| now.duration_since(*death) < DEATH_WINDOW);
            deaths.push(now);
            let label = &self.plan.label;
            if deaths.len() > DEATHS_MAX || failed_starts > DEATHS_MAX {
                return Err(
                    GaveUp(format!("{label} died or did not start, again and again")).into()
                );
            }
            tracing::error!(process = label, %status, "a process died; starting it again");
            stopping.run_until_cancelled(sleep(restart_pause(deaths.len()))).await;
            match stopping.run_until_cancelled(self.start()).await {
                None => return Ok(()),
                Some(Ok(process)) => {
                    failed_starts = 0;
                    found(process);
                }
                // What it died of counts as its next death, if it has not hung until now.
                Some(Err(error)) => {
                    tracing::error!(process = label, "{error:#}");
                    self.kill();
                    failed_starts += 1;
                }
            }
        }
        Ok(())
    }

    /// Stops the process: what is in flight is finished first.
    pub(super) async fn stop(&self) {
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(keeper) = keeper {
            keeper.stop(&STOP).await;
        }
    }

    fn kill(&self) {
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        keeper.as_ref().map(|keeper| keeper.signal(Signal::KILL));
    }

    fn exited(&self) -> Option<impl Future<Output = String> + use<>> {
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        keeper.as_ref().map(Keeper::exited)
    }

    fn command(&self) -> Result<std::process::Command> {
        let program = env::current_exe().context("the path of this program")?;
        let mut command = keeper::bound(program, "TERM");
        command.arg("serve").args(&self.plan.arguments);
        for name in &self.plan.withheld {
            command.env_remove(name);
        }
        for (name, value) in &self.plan.environment {
            command.env(name, value.expose_secret());
        }
        Ok(command)
    }

    /// Where the process says that it is found. What an earlier one left has another process id.
    async fn found(&self, pid: u32) -> Result<RunningProcess> {
        loop {
            let running = match running::read(&self.plan.data_dir) {
                Ok(running) => running.filter(|running| running.pid == pid),
                Err(error) if error.kind() == io::ErrorKind::InvalidData => None,
                Err(error) => return Err(error).context("running.json cannot be read"),
            };
            if let Some(running) = running {
                return Ok(RunningProcess {
                    name: self.plan.label.clone(),
                    pid,
                    listen: running.listen,
                    admin_listen: running.admin_listen,
                });
            }
            sleep(LOOK_EVERY).await;
        }
    }
}
