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

/// The NATS server, as a name among those of the processes.
pub(crate) const BROKER: &str = "nats";
/// The Postgres server, likewise.
pub(crate) const DATABASE: &str = "postgres";
/// How long everything may take to start.
const START_PATIENCE: Duration = Duration::from_mins(2);
/// How long everything may take to stop.
const STOP_PATIENCE: Duration = Duration::from_mins(1);
/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How an instance is started.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) binary: PathBuf,
    /// As `--replicas` takes it.
    pub(crate) replicas: &'static str,
}

/// An instance that runs.
pub(crate) struct Instance {
    setup: Setup,
    child: Child,
    directory: TempDir,
}

/// What the instance says of itself, as far as a drill wants to know it.
#[derive(Deserialize)]
struct Running {
    pid: u32,
    nats_pid: Option<u32>,
    processes: Vec<Process>,
}

#[derive(Deserialize)]
struct Process {
    name: String,
    pid: u32,
    listen: SocketAddr,
}

impl Instance {
    /// Starts an instance in a directory of its own, and waits until it serves.
    ///
    /// # Errors
    /// It ended, or did not serve in time.
    pub(crate) async fn start(setup: Setup) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("lunation-drill-").tempdir()?;
        // As root, Postgres runs as another user, who has to get into the directory.
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o711))?;
        let child = spawn(&setup, directory.path())?;
        let mut instance = Self { setup, child, directory };
        instance.serves().await?;
        Ok(instance)
    }

    /// Starts it again after [`Instance::stop`], over the same data.
    ///
    /// # Errors
    /// As [`Instance::start`].
    pub(crate) async fn start_again(&mut self) -> Result<()> {
        self.child = spawn(&self.setup, self.directory.path())?;
        self.serves().await
    }

    async fn serves(&mut self) -> Result<()> {
        let begun = Instant::now();
        loop {
            self.still_runs()?;
            if self.running().is_ok_and(|running| running.pid == self.child.id()) {
                return Ok(());
            }
            ensure!(begun.elapsed() < START_PATIENCE, "it did not start in {START_PATIENCE:?}");
            sleep(LOOK_EVERY).await;
        }
    }

    /// The program.
    pub(crate) fn binary(&self) -> &Path {
        &self.setup.binary
    }

    /// The names of the groups' processes.
    ///
    /// # Errors
    /// `running.json` is not there or cannot be read.
    pub(crate) fn processes(&self) -> Result<Vec<String>> {
        Ok(self.running()?.processes.into_iter().map(|process| process.name).collect())
    }

    /// The process of this name, if it runs now. What was announced may have died meanwhile, and
    /// the number may belong to somebody else.
    pub(crate) fn pid_of(&self, name: &str) -> Option<u32> {
        let pid = match name {
            BROKER => self.running().ok()?.nats_pid?,
            DATABASE => {
                let file = self.data_dir().join("postgres").join("data").join("postmaster.pid");
                fs::read_to_string(file).ok()?.lines().next()?.trim().parse().ok()?
            }
            name => self.running().ok()?.processes.into_iter().find(|it| it.name == name)?.pid,
        };
        self.owns(pid).then_some(pid)
    }

    /// Sends a signal to the process of this name and says which one that was. Pauses of the
    /// database, and their ends, are for each of its processes.
    ///
    /// # Errors
    /// It does not run now.
    pub(crate) fn signal(&self, name: &str, signal: Signal) -> Result<u32> {
        let pid = self.pid_of(name).with_context(|| format!("{name} does not run"))?;
        let of_all = name == DATABASE && [Signal::STOP, Signal::CONT].contains(&signal);
        // The server first when it stops and last when it goes on: it starts nobody meanwhile.
        if !of_all || signal == Signal::STOP {
            send(pid, signal)?;
        }
        if of_all {
            let children = Command::new("pgrep").args(["-P", &pid.to_string()]).output()?;
            for child in String::from_utf8_lossy(&children.stdout).lines() {
                let _gone_meanwhile = send(child.parse()?, signal);
            }
            if signal == Signal::CONT {
                send(pid, signal)?;
            }
        }
        Ok(pid)
    }

    /// Sends a signal that ends the process of this name, and waits until another one fills its
    /// place.
    ///
    /// # Errors
    /// It does not run now, or is not started again in time.
    pub(crate) async fn replace(&mut self, name: &str, signal: Signal) -> Result<()> {
        let (old, begun) = (self.signal(name, signal)?, Instant::now());
        while self.pid_of(name).is_none_or(|pid| pid == old) {
            self.still_runs()?;
            ensure!(begun.elapsed() < START_PATIENCE, "{name} is not started again");
            sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Where it is reached: through its gateways, and analytics at each of its own processes too.
    ///
    /// # Errors
    /// As [`Instance::processes`].
    pub(crate) fn addresses(&self) -> Result<Addresses> {
        let gateways = self.urls_of("api")?;
        let mut addresses = Addresses::one(gateways.first().context("no gateway")?.clone());
        addresses.analytics.extend(self.urls_of("analytics")?);
        Ok(Addresses { writes: gateways, ..addresses })
    }

    /// Where everything is reached without a broker in between: each group at its own address.
    ///
    /// # Errors
    /// As [`Instance::processes`].
    pub(crate) fn addresses_past_the_broker(&self) -> Result<Addresses> {
        Ok(Addresses {
            writes: self.urls_of("cycles")?,
            analytics: self.urls_of("analytics")?,
            notifications: self.urls_of("notifications")?,
            ..self.addresses()?
        })
    }

    /// What the broker stores.
    pub(crate) fn broker_store(&self) -> PathBuf {
        self.data_dir().join("nats").join("store")
    }

    /// The broker's address with the operator's credential.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) fn operator_url(&self) -> Result<String> {
        let file = self.data_dir().join("nats").join("operator.url");
        Ok(fs::read_to_string(file).context("the operator's address")?.trim().to_owned())
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
    pub(crate) async fn stop(&mut self) -> Result<()> {
        send(self.child.id(), Signal::TERM)?;
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                let log = self.end_of_log();
                ensure!(status.success(), "the instance ended badly: {status}\n{log}");
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

    fn data_dir(&self) -> PathBuf {
        data_dir(self.directory.path())
    }

    fn running(&self) -> Result<Running> {
        Ok(serde_json::from_slice(&fs::read(self.data_dir().join("running.json"))?)?)
    }

    fn urls_of(&self, group: &str) -> Result<Vec<String>> {
        let processes = self.running()?.processes.into_iter();
        let of_group = processes.filter(|it| it.name.starts_with(group));
        Ok(of_group.map(|it| format!("http://{}", it.listen)).collect())
    }

    fn owns(&self, pid: u32) -> bool {
        let parent =
            Command::new("ps").args(["-o", "ppid=,stat=", "-p", &pid.to_string()]).output();
        parent.is_ok_and(|output| {
            let said = String::from_utf8_lossy(&output.stdout);
            let mut words = said.split_whitespace();
            let is_ours = words.next().is_some_and(|it| it.parse() == Ok(self.child.id()));
            is_ours && words.next().is_some_and(|state| !state.starts_with('Z'))
        })
    }

    fn end_of_log(&self) -> String {
        let text = fs::read(self.directory.path().join("log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(40)..).unwrap_or_default().join("\n")
    }
}

impl Drop for Instance {
    /// A stop, so that Postgres and all others go too; the directory is removed after them.
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        // A drill that failed may have left somebody paused, who would not hear of the stop.
        let mut names = self.processes().unwrap_or_default();
        names.extend([BROKER, DATABASE].map(str::to_owned));
        for name in names {
            let _gone = self.signal(&name, Signal::CONT);
        }
        if send(self.child.id(), Signal::TERM).is_ok() {
            let _ended = self.child.wait();
        }
    }
}

fn data_dir(directory: &Path) -> PathBuf {
    directory.join("data")
}

fn spawn(setup: &Setup, directory: &Path) -> Result<Child> {
    let log = File::options().create(true).append(true).open(directory.join("log"))?;
    let mut command = Command::new(&setup.binary);
    command.args(["serve", "--split", "--replicas", setup.replicas]);
    command.args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data-dir"]);
    command.arg(data_dir(directory));
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    command.spawn().with_context(|| format!("{} cannot be started", setup.binary.display()))
}

fn send(pid: u32, signal: Signal) -> Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).context("a process id")?;
    Ok(kill_process(pid, signal)?)
}
