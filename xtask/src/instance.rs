//! A split instance under drill: `lunation serve --split`, and its processes by their names.

use std::{
    fs::{self, File},
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use lunation_xtask::Addresses;
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::time::sleep;

/// How long everything may take to start.
const START_PATIENCE: Duration = Duration::from_mins(2);
/// How long everything may take to stop.
const STOP_PATIENCE: Duration = Duration::from_mins(1);
/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// An instance that runs.
pub(crate) struct Instance {
    child: Child,
    directory: TempDir,
}

/// What the instance says of itself, as far as a drill wants to know it.
#[derive(Deserialize)]
pub(crate) struct Running {
    pid: u32,
    listen: SocketAddr,
    pub(crate) nats_pid: Option<u32>,
    pub(crate) processes: Vec<Process>,
}

/// One of its processes.
#[derive(Deserialize)]
pub(crate) struct Process {
    pub(crate) name: String,
    pub(crate) pid: u32,
    listen: SocketAddr,
}

impl Instance {
    /// Starts an instance of this binary in a directory of its own, and waits until it serves.
    ///
    /// # Errors
    /// It ended, or did not serve in time.
    pub(crate) async fn start(binary: &Path, replicas: &str) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("lunation-drill-").tempdir()?;
        // As root, Postgres runs as another user, who has to get into the directory.
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o711))?;
        let log = File::create(directory.path().join("log"))?;
        let child = Command::new(binary)
            .args(["serve", "--split", "--replicas", replicas])
            .args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data-dir"])
            .arg(directory.path().join("data"))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("{} cannot be started", binary.display()))?;
        let mut instance = Self { child, directory };
        let begun = Instant::now();
        loop {
            instance.still_runs()?;
            if instance.running().is_ok_and(|running| running.pid == instance.child.id()) {
                return Ok(instance);
            }
            ensure!(begun.elapsed() < START_PATIENCE, "it did not start in {START_PATIENCE:?}");
            sleep(LOOK_EVERY).await;
        }
    }

    /// What `running.json` says now.
    ///
    /// # Errors
    /// It is not there or cannot be read.
    pub(crate) fn running(&self) -> Result<Running> {
        let text = fs::read(self.directory.path().join("data").join("running.json"))?;
        Ok(serde_json::from_slice(&text)?)
    }

    /// Where it is reached: the gateway, and analytics at each of its own processes too.
    ///
    /// # Errors
    /// As [`Instance::running`].
    pub(crate) fn addresses(&self) -> Result<Addresses> {
        let running = self.running()?;
        let mut addresses = Addresses::one(format!("http://{}", running.listen));
        let analytics = running.processes.iter().filter(|it| it.name.starts_with("analytics"));
        addresses.analytics.extend(analytics.map(|it| format!("http://{}", it.listen)));
        Ok(addresses)
    }

    /// Where everything is reached without a broker in between: each group at its own address.
    ///
    /// # Errors
    /// As [`Instance::running`].
    pub(crate) fn addresses_past_the_broker(&self) -> Result<Addresses> {
        let processes = self.running()?.processes;
        let of = |group: &str| {
            let of_group = processes.iter().filter(|it| it.name.starts_with(group));
            of_group.map(|it| format!("http://{}", it.listen)).collect()
        };
        let (writes, analytics) = (of("cycles"), of("analytics"));
        Ok(Addresses { writes, analytics, notifications: of("notifications"), ..self.addresses()? })
    }

    /// What the broker stores.
    pub(crate) fn broker_store(&self) -> PathBuf {
        self.directory.path().join("data").join("nats").join("store")
    }

    /// Whether this is a process of the instance now: what it announced may have died meanwhile, and
    /// the number may belong to somebody else.
    pub(crate) fn owns(&self, pid: u32) -> bool {
        let parent = Command::new("ps").args(["-o", "ppid=", "-p", &pid.to_string()]).output();
        parent.is_ok_and(|output| {
            let parent = String::from_utf8_lossy(&output.stdout);
            parent.trim().parse() == Ok(self.child.id())
        })
    }

    /// Fails if the instance has given up.
    ///
    /// # Errors
    /// It has ended.
    pub(crate) fn still_runs(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("the instance ended: {status}\n{}", self.end_of_log());
        }
        Ok(())
    }

    /// Stops it as Ctrl-C does.
    ///
    /// # Errors
    /// It does not end in time, or not well.
    pub(crate) async fn stop(mut self) -> Result<()> {
        send(self.child.id(), Signal::TERM)?;
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                ensure!(
                    status.success(),
                    "the instance ended badly: {status}\n{}",
                    self.end_of_log()
                );
                return Ok(());
            }
            ensure!(begun.elapsed() < STOP_PATIENCE, "it did not stop in {STOP_PATIENCE:?}");
            sleep(LOOK_EVERY).await;
        }
    }

    /// Leaves its directory behind, for whoever looks for the cause.
    pub(crate) fn keep(&mut self) -> PathBuf {
        self.directory.disable_cleanup(true);
        self.directory.path().to_owned()
    }

    fn end_of_log(&self) -> String {
        let text = fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(40)..).unwrap_or_default().join("\n")
    }
}

impl Drop for Instance {
    /// A stop, so that Postgres and all others go too; the directory is removed after them.
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_)))
            || send(self.child.id(), Signal::TERM).is_err()
        {
            return;
        }
        let _ended = self.child.wait();
    }
}

/// Sends a signal to a process.
///
/// # Errors
/// There is no such process any more.
pub(crate) fn send(pid: u32, signal: Signal) -> Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).context("a process id")?;
    Ok(kill_process(pid, signal)?)
}
