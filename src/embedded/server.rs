//! The server process: started by, and bound to, a thread that lives exactly as long as it does.

use std::{
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{sync::watch, time::timeout};

use super::{
    cluster::Cluster,
    log::{self, Tail},
};

/// A running postmaster.
pub(super) struct Server {
    pid: Pid,
    exit: watch::Receiver<Option<String>>,
    tail: Tail,
}

impl Server {
    /// Starts the server.
    ///
    /// A death signal follows the *thread* that started a process, not its program: so a thread of
    /// its own starts the server and then waits for it. If this process is killed, the thread dies
    /// with it, and the kernel asks the server for a fast shutdown.
    pub(super) fn spawn(cluster: &Cluster) -> Result<Self> {
        let mut command = command(cluster);
        let tail = Tail::default();
        let (log_path, log_tail) = (cluster.log.clone(), tail.clone());
        let (started_sender, started) = mpsc::channel();
        let (exit_sender, exit) = watch::channel(None);
        thread::Builder::new().name("postgres-keeper".to_owned()).spawn(move || {
            let mut child = match command.spawn() {
                Ok(child) => child,
                Err(error) => return drop(started_sender.send(Err(error))),
            };
            let copier = child.stderr.take().map(|stderr| {
                thread::Builder::new()
                    .name("postgres-log".to_owned())
                    .spawn(move || log::copy(stderr, &log_path, &log_tail))
            });
            if let Some(Err(error)) = copier {
                tracing::warn!(%error, "the log of Postgres is not kept");
            }
            drop(started_sender.send(Ok(child.id())));
            let status = child.wait().map_or_else(|error| error.to_string(), |it| it.to_string());
            exit_sender.send_replace(Some(status));
        })?;
        let id = started
            .recv()
            .context("the thread of Postgres ended")?
            .with_context(|| format!("{} cannot be started", cluster.program().display()))?;
        let pid = i32::try_from(id).ok().and_then(Pid::from_raw).context("no process id")?;
        Ok(Self { pid, exit, tail })
    }

    /// Resolves when the server has ended, with how.
    pub(super) fn exited(&self) -> impl Future<Output = String> + use<> {
        let mut exit = self.exit.clone();
        async move {
            let status = exit.wait_for(Option::is_some).await;
            status.ok().and_then(|status| status.clone()).unwrap_or_else(|| "unknown".to_owned())
        }
    }

    /// How the server ended, if it has.
    pub(super) fn exit_status(&self) -> Option<String> {
        self.exit.borrow().clone()
    }

    /// The last lines of its log.
    pub(super) fn tail(&self) -> String {
        self.tail.text()
    }

    /// Whether the last lines of its log hold a text.
    pub(super) fn tail_contains(&self, text: &str) -> bool {
        self.tail.text().contains(text)
    }

    /// The process id.
    #[cfg(test)]
    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// Stops it: fast shutdown, then immediate, then by force. Whatever it takes, committed data
    /// is safe.
    pub(super) async fn stop(&mut self) {
        for (signal, patience_seconds) in [(Signal::INT, 10), (Signal::QUIT, 5), (Signal::KILL, 5)]
        {
            if !self.signal(signal) {
                return;
            }
            if timeout(Duration::from_secs(patience_seconds), self.exited()).await.is_ok() {
                tracing::info!("the embedded Postgres has stopped");
                return;
            }
            tracing::warn!(?signal, "the embedded Postgres does not stop");
        }
    }

    /// Sends a signal unless the server has ended.
    fn signal(&self, signal: Signal) -> bool {
        if self.exit_status().is_some() {
            return false;
        }
        match kill_process(self.pid, signal) {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(%error, "the embedded Postgres cannot be signalled");
                false
            }
        }
    }
}

impl Drop for Server {
    /// Asks a server that nobody stopped to stop, so that an error on the way leaves none behind.
    fn drop(&mut self) {
        self.signal(Signal::INT);
    }
}

/// The command, in a process group of its own, so that Ctrl-C in a terminal reaches this process
/// alone and Postgres is stopped when nobody needs it any more.
fn command(cluster: &Cluster) -> Command {
    let program = cluster.program();
    let mut command = match death_signal_wrapper() {
        Some(wrapper) => {
            let mut command = cluster.command(wrapper);
            command.args(["--pdeathsig", "INT", "--"]).arg(program);
            command
        }
        None => cluster.command(&program),
    };
    command.args(cluster.server_arguments()).process_group(0);
    command
}

/// `setpriv` of util-linux, where it knows death signals (that of busybox does not). Elsewhere the
/// next start finds and stops the orphan.
pub(super) fn death_signal_wrapper() -> Option<&'static Path> {
    ["/usr/bin/setpriv", "/bin/setpriv"].map(Path::new).into_iter().find(|path| {
        let mut probe = Command::new(path);
        probe.args(["--pdeathsig", "INT", "--", "true"]);
        probe.stdout(Stdio::null()).stderr(Stdio::null());
        probe.status().is_ok_and(|status| status.success())
    })
}

impl Cluster {
    fn program(&self) -> PathBuf {
        self.binaries.program("postgres")
    }
}
