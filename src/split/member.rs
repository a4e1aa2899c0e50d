//! One process of a split instance: started, found, started again when it dies, stopped.

use std::{env, ffi::OsString, fs, io, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result};
use rustix::process::Signal;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{merged_log::MergedLog, post::Post};
use crate::{
    config::Group,
    keeper::{self, Keeper},
    running::{self, RunningProcess},
};

/// How long a process may take to start.
const START_PATIENCE: Duration = Duration::from_mins(1);
/// How often the data directory of a starting process is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// A process needs at most 37 s to stop cleanly.
const STOP: [(Signal, Duration); 2] =
    [(Signal::TERM, Duration::from_secs(40)), (Signal::KILL, Duration::from_secs(5))];

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
    post: Post,
}

impl Member {
    pub(super) fn new(plan: Plan, log: MergedLog) -> Self {
        let post = Post::new(plan.label.clone());
        Self { plan, log, post }
    }

    pub(super) fn group(&self) -> Group {
        self.plan.group
    }

    /// Starts the process and waits until it serves.
    ///
    /// # Errors
    /// It ended or did not serve in time; its own log says why.
    pub(super) async fn start(&self) -> Result<RunningProcess> {
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
        let owner = self.plan.label.clone();
        let keeper =
            Keeper::start(self.post.name(), self.command()?, Signal::TERM, move |lines| {
                log.copy(&owner, lines);
            })?;
        let found = self.found(keeper.id());
        self.post.fill(keeper, found, START_PATIENCE).await
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
        self.post.supervise(stopping, || self.start(), found).await
    }

    /// Stops the process: what is in flight is finished first.
    pub(super) async fn stop(&self) {
        self.post.stop(&STOP).await;
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

    /// Where the process says that it is found. What an earlier one left was removed; one that
    /// still runs has another process id.
    async fn found(&self, pid: u32) -> Result<RunningProcess> {
        loop {
            let running =
                running::read(&self.plan.data_dir).context("running.json cannot be read")?;
            if let Some(running) = running.filter(|running| running.pid == pid) {
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
