//! The server process, and how it is stopped.

use std::{process::Command, time::Duration};

use anyhow::Result;
use rustix::process::Signal;

use super::{
    cluster::Cluster,
    log::{self, Tail},
};
use crate::keeper::{self, Keeper};

/// Fast shutdown, then immediate, then by force. Whatever it takes, committed data is safe.
const STOP: [(Signal, Duration); 3] = [
    (Signal::INT, Duration::from_secs(10)),
    (Signal::QUIT, Duration::from_secs(5)),
    (Signal::KILL, Duration::from_secs(5)),
];

/// A running postmaster.
pub(super) struct Server {
    keeper: Keeper,
    tail: Tail,
}

impl Server {
    /// Starts the server. If this process is killed, the kernel asks it for a fast shutdown.
    pub(super) fn spawn(cluster: &Cluster) -> Result<Self> {
        let tail = Tail::default();
        let (log_path, log_tail) = (cluster.log.clone(), tail.clone());
        let keeper = Keeper::start("postgres", command(cluster), Signal::INT, move |lines| {
            log::copy(lines, &log_path, &log_tail);
        })?;
        Ok(Self { keeper, tail })
    }

    /// Resolves when the server has ended, with how.
    pub(super) fn exited(&self) -> impl Future<Output = String> + use<> {
        self.keeper.exited()
    }

    /// How the server ended, if it has.
    pub(super) fn exit_status(&self) -> Option<String> {
        self.keeper.exit_status()
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
    pub(super) fn pid(&self) -> rustix::process::Pid {
        self.keeper.pid()
    }

    /// Stops it.
    pub(super) async fn stop(&self) {
        self.keeper.stop(&STOP).await;
    }
}

/// The command, as the right user. Elsewhere than on Linux there is no death signal, and the next
/// start finds and stops the orphan.
fn command(cluster: &Cluster) -> Command {
    let program = cluster.binaries.program("postgres");
    let mut command = match keeper::death_signal_wrapper() {
        Some(wrapper) => {
            let mut command = cluster.command(wrapper);
            command.args(["--pdeathsig", "INT", "--"]).arg(program);
            command
        }
        None => cluster.command(&program),
    };
    command.args(cluster.server_arguments());
    command
}
