//! The NATS server of a split instance: private, with a credential for each group.

use std::{
    ffi::OsStr,
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result};
use nats::accounts::{Credential, Passwords, ServerSettings, server_configuration};
use rustix::process::Signal;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::{net::TcpStream, task::spawn_blocking, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{merged_log::MergedLog, post::Post};
use crate::{
    keeper::{self, Keeper},
    orphan, private_file,
};

/// What it is called in the log.
const NAME: &str = "nats";
const PROGRAM: &str = "nats-server";
/// What is in its directory.
const CONFIGURATION: &str = "server.conf";
const PID_FILE: &str = "server.pid";
/// The port of NATS, taken if it is free, so that its own tools find it.
const USUAL_PORT: u16 = 4222;
/// How long the server may take to start.
const START_PATIENCE: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(10);
const STOP: [(Signal, Duration); 2] =
    [(Signal::TERM, Duration::from_secs(10)), (Signal::KILL, Duration::from_secs(5))];
const INSTALL: &str = if cfg!(target_os = "macos") {
    "brew install nats-server"
} else {
    "sudo apt-get install nats-server (Debian, Ubuntu), or https://github.com/nats-io/nats-server/releases"
};

/// The server, from before it runs.
pub(super) struct Broker {
    program: PathBuf,
    configuration: PathBuf,
    address: SocketAddr,
    log: MergedLog,
    post: Post,
}

impl Broker {
    /// Stops a server that outlived its lunation, since two must not have one store, and writes the
    /// configuration, which holds the passwords, for our eyes only.
    ///
    /// # Errors
    /// There is no server on this machine, or a former one does not stop.
    pub(super) async fn prepare(
        data_dir: &Path,
        search_path: &[PathBuf],
        any_port: bool,
        passwords: &Passwords,
        log: MergedLog,
    ) -> Result<Self> {
        let program = nats_server(search_path)?;
        let directory = data_dir.join("nats");
        fs::create_dir_all(&directory)
            .with_context(|| format!("{} cannot be created", directory.display()))?;
        // As the system shows it, wherever this process was started.
        let directory = directory.canonicalize()?;
        let former = directory.clone();
        spawn_blocking(move || stop_orphan(&former)).await??;
        let address = free_address(any_port)?;
        let configuration = directory.join(CONFIGURATION);
        let settings = ServerSettings {
            listen: address,
            monitoring: None,
            store_dir: directory.join("store"),
            passwords,
            sync_always: false,
        };
        private_file::replace(&configuration, None, &server_configuration(&settings))?;
        Ok(Self { program, configuration, address, log, post: Post::new(NAME.to_owned()) })
    }

    /// Starts the server and waits until it listens.
    ///
    /// # Errors
    /// It ended or did not listen in time; its own log says why.
    pub(super) async fn launch(&self) -> Result<()> {
        let mut command = keeper::bound(&self.program, "TERM");
        command.env_clear().arg("-c").arg(&self.configuration).stdout(Stdio::null());
        // The server writes it, so that it is there even if this process is killed meanwhile.
        command.arg("-P").arg(self.configuration.with_file_name(PID_FILE));
        let log = self.log.clone();
        let keeper =
            Keeper::start(NAME, command, Signal::TERM, move |lines| log.copy(NAME, lines))?;
        self.post.fill(keeper, self.listens(), START_PATIENCE).await
    }

    /// Where it is, without credentials.
    pub(super) fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// Where it is, for one credential.
    pub(super) fn url_for(&self, name: &str, password: &str) -> SecretString {
        format!("nats://{name}:{password}@{}", self.address).into()
    }

    /// Leaves the operator's address, which holds a password, in a file for our eyes only.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn leave_for_operator(&self, password: &str) -> Result<()> {
        let url = self.url_for(Credential::Operator.name(), password);
        let path = self.configuration.with_file_name("operator.url");
        private_file::replace(&path, None, url.expose_secret())?;
        tracing::info!(
            "watch it live: NATS_URL=\"$(cat '{}')\" lunation events tail",
            path.display()
        );
        Ok(())
    }

    /// The process id of the server.
    pub(super) fn pid(&self) -> Option<u32> {
        self.post.id()
    }

    /// Starts the server again when it dies, on the same address, until `stopping`; tells `found`
    /// that it is another process now.
    ///
    /// # Errors
    /// It died too often.
    pub(super) async fn supervise(
        &self,
        stopping: &CancellationToken,
        found: impl Fn(),
    ) -> Result<()> {
        self.post.supervise(stopping, || self.launch(), |()| found()).await
    }

    /// Stops the server.
    pub(super) async fn stop(&self) {
        self.post.stop(&STOP).await;
    }

    async fn listens(&self) -> Result<()> {
        while TcpStream::connect(self.address).await.is_err() {
            sleep(LOOK_EVERY).await;
        }
        Ok(())
    }
}

/// Stops the server of a lunation that was killed where no death signal ends it. The process id may
/// be somebody else's by now, so it has to be a server with this very configuration. Blocks.
fn stop_orphan(directory: &Path) -> Result<()> {
    let configuration = directory.join(CONFIGURATION);
    let started_with = [OsStr::new("-c"), configuration.as_os_str()];
    let is_ours = |pid| orphan::was_started_as(pid, PROGRAM, &started_with);
    match orphan::pid_in(&directory.join(PID_FILE))? {
        Some(pid) if is_ours(pid) => orphan::stop("NATS server", pid, &STOP, is_ours),
        _ => Ok(()),
    }
}

/// The server's program: on the PATH, or where Debian and others keep it.
///
/// # Errors
/// There is none.
pub(crate) fn nats_server(search_path: &[PathBuf]) -> Result<PathBuf> {
    let usual = ["/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/opt/homebrew/bin"];
    let places = search_path.iter().cloned().chain(usual.map(PathBuf::from));
    let found = places.map(|place| place.join(PROGRAM)).find(|path| path.is_file());
    found.with_context(|| {
        format!(
            "--split needs a NATS server, and there is no nats-server on this machine: {INSTALL}"
        )
    })
}

/// An address on the loopback interface that nobody listens on. Between this look and the server's
/// start somebody else may take it; the server then says so and the start fails.
fn free_address(any_port: bool) -> Result<SocketAddr> {
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, USUAL_PORT));
    if !any_port && TcpListener::bind(usual).is_ok() {
        return Ok(usual);
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port for NATS")?;
    listener.local_addr().context("no free port for NATS")
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use rustix::process::{Pid, test_kill_process};
    use tempfile::TempDir;

    use super::*;

    async fn broker(data_dir: &TempDir) -> Broker {
        let path = ["/usr/sbin", "/usr/local/bin", "/opt/homebrew/bin"].map(PathBuf::from);
        let passwords = Passwords::new(|credential| format!("p{credential}"));
        let log = MergedLog::new(std::io::sink(), NAME.len());
        Broker::prepare(data_dir.path(), &path, true, &passwords, log).await.unwrap()
    }

    /// Runs as what a killed lunation leaves where there is no death signal: a child of nobody.
    fn run_alone(command: &mut Command) -> (Pid, std::thread::JoinHandle<()>) {
        let mut child: Child = command.stderr(Stdio::null()).spawn().unwrap();
        let pid = Pid::from_child(&child);
        // Waited for, as init would, so that it can end entirely.
        (pid, std::thread::spawn(move || drop(child.wait())))
    }

    #[tokio::test]
    async fn a_server_that_outlived_its_lunation_is_stopped() {
        let data_dir = TempDir::new().unwrap();
        let first = broker(&data_dir).await;
        let pid_file = first.configuration.with_file_name(PID_FILE);
        let mut command = Command::new(&first.program);
        command.arg("-c").arg(&first.configuration).arg("-P").arg(&pid_file);
        let (orphan, ended) = run_alone(&mut command);
        first.listens().await.unwrap();
        let second = broker(&data_dir).await;
        assert!(!orphan::was_started_as(orphan, PROGRAM, &[OsStr::new("-c")]), "it still runs");
        ended.join().unwrap();
        second.launch().await.unwrap();
        let named = orphan::pid_in(&pid_file).unwrap().unwrap();
        assert_eq!(Some(named.as_raw_nonzero().get().unsigned_abs()), second.pid());
        second.stop().await;
        assert!(test_kill_process(named).is_err());
        broker(&data_dir).await;
    }

    #[tokio::test]
    async fn a_pid_file_that_names_a_stranger_ends_nobody() {
        let data_dir = TempDir::new().unwrap();
        let configuration = broker(&data_dir).await.configuration;
        // Neither any program with our configuration, nor a server with another one.
        let other = configuration.with_file_name("other.conf");
        fs::write(&other, "listen: \"127.0.0.1:-1\"").unwrap();
        let mut sleeping = Command::new("/bin/sleep");
        sleeping.arg("1000");
        let mut serving = Command::new(broker(&data_dir).await.program);
        serving.arg("-c").arg(&other);
        for command in [&mut sleeping, &mut serving] {
            let mut stranger = command.stderr(Stdio::null()).spawn().unwrap();
            fs::write(configuration.with_file_name(PID_FILE), stranger.id().to_string()).unwrap();
            broker(&data_dir).await;
            assert!(stranger.try_wait().unwrap().is_none(), "the stranger was stopped");
            stranger.kill().unwrap();
            stranger.wait().unwrap();
        }
    }
}
